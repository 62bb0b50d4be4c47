"""Learning curves, from dicts and from what a training loop yields."""

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tinynet import plot
from tinynet.plot import style
from tinynet.plot.curves import LABEL_GAP, curves_in_words, mark_drops, spread
from tinynet.training.loop import Epoch, Step


def record(epoch, lr=0.1, **more):
    return {
        "epoch": epoch,
        "train_loss": 2.0 / epoch,
        "train_accuracy": 0.3 * epoch,
        "test_loss": 2.1 / epoch,
        "test_accuracy": 0.25 * epoch,
        "lr": lr,
        **more,
    }


def words_in(path):
    with Image.open(path) as picture:
        return picture.text["Description"]


def lines(figure):
    """Return {label: accuracies} of the right axes, without the marks."""
    named = [line for line in figure.axes[1].lines if not line.get_label().startswith("_")]
    return {line.get_label(): list(line.get_ydata()) for line in named}


def marked(axes, label):
    """Return the places (x, y) of the marks of one kind."""
    found = [line for line in axes.lines if line.get_label() == label]
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in found]


def test_curves_describe_themselves_in_words(tmp_path):
    records = [record(1), record(2, lr=0.01), record(3, lr=0.01)]
    figure = plot.curves(records, tmp_path / "c.png", title="demo")
    words = words_in(tmp_path / "c.png")
    assert "3 epochs" in words
    assert "test accuracy from 25.0 % to 75.0 %" in words
    assert words.endswith("The best test accuracy, 75.0 %, is that of epoch 3.")
    assert figure.get_suptitle() == "demo: test accuracy 75.0 %"


def test_the_events_of_a_training_loop_can_be_drawn():
    step = Step("train", 1, 1, 1, 2.0, 0.1, 0.1)
    epoch = Epoch(1, 2.0, 0.3, 2.1, 0.25, 0.1, 1.0, 10.0, 2.2, 0.2)
    assert lines(plot.curves([step, epoch])) == {
        "train": [30],
        "test": [25],
        "validation": [20],
    }
    assert lines(plot.curves([dataclasses.asdict(epoch)])) == lines(plot.curves([epoch]))
    assert lines(plot.curves(event for event in (step, epoch))) == lines(plot.curves([epoch]))


def test_what_was_not_measured_is_not_drawn():
    records = [record(1, test_loss=None, test_accuracy=None)]
    assert list(lines(plot.curves(records))) == ["train"]
    some = [record(1), record(2, validation_loss=1.0, validation_accuracy=0.5)]
    assert lines(plot.curves(some))["validation"] == [50]


def test_a_run_without_epochs_and_one_with_one_can_be_drawn(tmp_path):
    for records in ([], [record(1)]):
        plot.curves(records, tmp_path / "c.png")
        with Image.open(tmp_path / "c.png") as picture:
            assert picture.width > 500


def test_each_drop_of_the_learning_rate_is_marked():
    axes = style.new_figure(3, 3).subplots()
    mark_drops(axes, [record(1, 0.1), record(2, 0.01), record(3, 0.01), record(4, 0.001)])
    assert [line.get_xdata()[0] for line in axes.lines] == [1.5, 3.5]
    assert [text.get_text() for text in axes.texts] == ["lr 0.01", "lr 0.001"]


@pytest.mark.parametrize("rates", [(0.09, 0.08, 0.07, 0.06), (0.1, 0.08, 0.03, 0.001, 1e-5)])
def test_a_smooth_decay_is_not_marked(rates):
    axes = style.new_figure(3, 3).subplots()
    mark_drops(axes, [record(i + 1, rate) for i, rate in enumerate(rates)])
    assert not axes.lines


def test_the_lines_differ_without_their_color():
    kinds = (style.TRAIN, style.TEST, style.VALIDATION)
    assert len({kind["linestyle"] for kind in kinds}) == 3
    assert len({kind["marker"] for kind in kinds}) == 3


@pytest.mark.parametrize("records", ["log.jsonl", [3], [Epoch]])
def test_records_of_another_kind_are_refused(records):
    with pytest.raises(TypeError, match=r"curves: each record is an Epoch of tn.fit or a dict"):
        plot.curves(records)


def test_batches_alone_are_no_epoch(tmp_path):
    figure = plot.curves([Step("train", 1, 1, 9, 2.0, 0.1, 0.1)], tmp_path / "c.png")
    assert words_in(tmp_path / "c.png") == "No epoch has finished."
    assert figure.axes[0].get_legend() is None


# marks


def test_a_ring_marks_the_best_epoch_of_validation_else_of_the_test():
    records = [record(i, test_accuracy=a) for i, a in ((1, 0.5), (2, 0.7), (3, 0.7), (4, 0.6))]
    loss, accuracy = plot.curves(records).axes
    assert marked(accuracy, "_best") == [(2, 70)]
    assert marked(loss, "_best") == [(2, 1.05)]
    for each, held_out in zip(records, (0.1, 0.2, 0.3, 0.4), strict=True):
        each["validation_accuracy"] = held_out
    assert marked(plot.curves(records).axes[1], "_best") == [(4, 40)]
    assert marked(plot.curves(records[:1]).axes[1], "_best") == [], "one epoch has no best"


def test_chance_is_marked_on_both_sides():
    loss, accuracy = plot.curves([record(1)], classes=10).axes
    assert marked(accuracy, "_chance")[0][1] == pytest.approx(10)
    assert marked(loss, "_chance")[0][1] == pytest.approx(2.302585)
    assert loss.get_ylim()[1] > 2.31, "the line lies inside"
    assert {t.get_text() for t in accuracy.texts} >= {"chance 10 %"}
    assert marked(plot.curves([record(1)]).axes[1], "_chance") == []


def test_the_axes_are_those_of_every_run():
    loss, accuracy = plot.curves([record(1), record(2)]).axes
    assert accuracy.get_ylim() == (0, 100)
    assert loss.get_ylim()[0] == 0
    one = plot.curves([record(1)]).axes[0]
    for axes in (loss, accuracy, one):
        low, high = axes.get_xlim()
        ticks = [t for t in axes.get_xticks() if low <= t <= high]
        assert ticks == [round(t) for t in ticks]
    assert [t for t in one.get_xticks() if 0.5 <= t <= 1.5] == [1]


def test_the_last_values_stand_at_the_ends_of_the_lines_and_apart():
    close = [record(1), record(2, train_accuracy=0.751, test_accuracy=0.75)]
    axes = plot.curves(close).axes[1]
    labels = [t for t in axes.texts if t.get_text().split()[0] in ("train", "test")]
    assert {t.get_text() for t in labels} == {"train 75.1", "test 75.0"}
    low, high = sorted(t.get_position()[1] for t in labels)
    assert high - low == pytest.approx(LABEL_GAP)


@given(st.lists(st.floats(0, 1), max_size=6))
def test_labels_are_spread_in_their_order_within_the_axes(places):
    found = spread(places, 0.1)
    order = sorted(range(len(places)), key=places.__getitem__)
    assert all(found[b] - found[a] > 0.1 - 1e-9 for a, b in itertools.pairwise(order))
    assert max(found, default=0) <= 1


def test_the_words_of_one_epoch_and_of_few_measurements():
    words = curves_in_words([record(1)])
    assert words.startswith("After 1 epoch the training loss is 2.000, the test loss 2.100 and ")
    assert words.endswith("the test accuracy 25.0 %.")
    trained = record(2, test_loss=None, test_accuracy=None)
    words = curves_in_words([record(1), trained])
    assert words.startswith(
        "Over 2 epochs the training loss goes from 2.000 to 1.000, the test loss"
    )


def test_a_title_is_no_formula(tmp_path):
    figure = plot.curves([record(1)], tmp_path / "c.png", title="demo on $a_b and $c\n")
    assert figure.get_suptitle() == r"demo on \$a_b and \$c\n: test accuracy 25.0 %"
