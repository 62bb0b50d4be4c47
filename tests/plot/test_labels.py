"""Words in figures: each figure has a title, and no words lie over others or over a marked line."""

import functools
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.text import Text

import tinynet as tn
from tinynet import nn, plot
from tinynet.plot.roofline import roofline


def losses(count):
    return 2.5 - 0.01 * np.arange(count)


def rates(suggestion=0.0073, lowest=0.073):
    steps = np.geomspace(1e-5, 10, 60)
    return plot.learning_rates(
        SimpleNamespace(
            rates=steps,
            losses=losses(60),
            smoothed=losses(60),
            suggestion=suggestion,
            lowest=lowest,
        )
    )


def op(label, intensity, rate, winograd=False):
    way = SimpleNamespace(seconds=1e-3, flops=1, intensity=intensity, rate=rate)
    back = SimpleNamespace(seconds=1e-3, flops=1, intensity=intensity, rate=rate / 3)
    return SimpleNamespace(label=label, seconds=2e-3, forward=way, backward=back, winograd=winograd)


def roof(rate, winograd=False, intensity=30.0):
    machine = SimpleNamespace(peak=1e11, bandwidth=1e10)
    ops = [op("0 conv2d", intensity, rate, winograd)]
    return roofline(SimpleNamespace(ops=ops, seconds=2e-3, machine=machine))


def roof_of_alike_layers():
    """A residual network: groups of layers with nearly the same speed."""
    machine = SimpleNamespace(peak=1e11, bandwidth=1e10)
    speeds = np.random.default_rng(0).uniform(0.8, 1, 19)
    ops = [op(f"{i} conv2d", 4.0 ** (1 + i // 7), 2e10 * speeds[i]) for i in range(19)]
    return roofline(SimpleNamespace(ops=ops, seconds=0.04, machine=machine))


def graph():
    w = tn.tensor([2.0, -1.0], requires_grad=True)
    loss = (w * w).sum()
    loss.backward(keep_graph=True)
    return plot.graph(loss, names={"w": w})


def record(epoch, lr):
    accuracies = {"train_accuracy": 0.5, "test_accuracy": 0.5}
    return {"epoch": epoch, "train_loss": 1.0, "test_loss": 1.1, "lr": lr, **accuracies}


def curves_with_chance(best):
    """Curves whose best epoch lies as high as the loss of equal probabilities."""
    records = [
        record(epoch, 0.1) | {"test_loss": 2.0, "train_loss": 20 / epoch} for epoch in EPOCHS
    ]
    records[best - 1]["test_accuracy"] = 0.6
    return plot.curves(records, classes=10)


EPOCHS = range(1, 13)
FIGURES = {
    "curves": lambda: plot.curves([record(1, 0.1), record(2, 0.1), record(3, 0.01)], title="demo"),
    **{f"best epoch {i}": lambda i=i: curves_with_chance(i) for i in EPOCHS},
    "confusion": lambda: plot.confusion(np.eye(10, dtype=int) + 1, list("abcdefghij"), title="d"),
    "filters": lambda: plot.filters(nn.Conv2d(3, 8, 5), title="conv1"),
    "graph": graph,
    "learning rates": rates,
    "roofline": lambda: roof(1e10),
    "roofline of 19 ops": roof_of_alike_layers,
}


def shown(figure):
    """Return the words of a figure, but for those at ticks, with their boxes in pixels."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    axes = [axis for one in figure.axes for axis in (one.xaxis, one.yaxis)]
    ticks = [tick for axis in axes for tick in (*axis.majorTicks, *axis.minorTicks)]
    at_ticks = {label for tick in ticks for label in (tick.label1, tick.label2)}
    texts = [t for t in figure.findobj(Text) if t.get_text().strip() and t not in at_ticks]
    return [(t.get_text(), t.get_window_extent(renderer)) for t in texts]


@functools.cache
def drawn(name):
    """Return a figure and its words."""
    figure = FIGURES[name]()
    return figure, shown(figure)


@pytest.mark.parametrize("name", FIGURES)
def test_words_do_not_lie_over_words(name):
    _, found = drawn(name)
    boxes = [(words, box.shrunk(0.98, 0.98)) for words, box in found if box.width]
    over = [
        (a, b)
        for (a, box), (b, other) in itertools.combinations(boxes, 2)
        if a != b and box.overlaps(other)
    ]
    assert over == []


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_has_a_title_inside_it(name):
    figure, found = drawn(name)
    title = figure.get_suptitle() or figure.axes[0].get_title()
    assert title
    width, height = figure.get_size_inches() * figure.dpi
    (box,) = (box for words, box in found if words == title)
    assert box.x0 > -1
    assert box.x1 < width + 1
    assert box.y1 < height + 1


def test_the_suggested_rate_does_not_lie_over_the_line_of_the_smallest_loss():
    figure = rates()
    line = figure.axes[0].transData.transform((0.073, 1.0))[0]
    (box,) = (box for words, box in shown(figure) if "suggested: " in words)
    assert not box.x0 < line < box.x1


def test_a_number_in_the_roofline_lies_over_no_point_and_names_an_op_of_the_list():
    figure = roof_of_alike_layers()
    listed = {label.get_text().split("]")[0][1:] for label in figure.axes[0].get_yticklabels()}
    axes = figure.axes[1]
    boxes = [(words, box) for words, box in shown(figure) if words.replace(", ", "").isdigit()]
    assert {number for words, _ in boxes for number in words.split(", ")} == listed
    points = np.concatenate([line.get_xydata() for line in axes.lines[:-1]])
    for x, y in axes.transData.transform(points):
        assert [words for words, box in boxes if box.contains(x, y)] == []


@pytest.mark.parametrize(
    ("figure", "reason"),
    [
        (lambda: roof(2e11, winograd=True), "Winograd multiplies less"),
        (lambda: roof(2e11), "without Winograd: faster than the product that was measured"),
        (lambda: roof(5e10, intensity=3.0), "a cache still holds"),
        (lambda: roof(1e10), None),
    ],
)
def test_a_speed_above_the_roof_is_explained_by_its_reason(figure, reason):
    title = figure().axes[1].get_title()
    notes = title.splitlines()[1:]
    assert notes == [] if reason is None else (len(notes) == 1 and reason in notes[0])
