"""Inside of a network for the page of a run: filters, feature maps, costs of the layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tinynet import nn
from tinynet.core.backend import Array, to_numpy
from tinynet.data import Dataset
from tinynet.inspection import Activation, activations
from tinynet.reports.html import Html, bar, figure, image, join, table, tag
from tinynet.reports.images import filter_tiles, map_tiles, photograph, sheet
from tinynet.reports.measure import LayerCost
from tinynet.training.predict import TrainedModel
from tinynet.words import phrase

FILTERS = 256  # filters that are shown
SMALL = 5_000_000  # parameters up to which the initial weights are drawn again, to compare
MAPS = 16  # maps of a layer that are shown
STAGES = 9  # layers whose maps are shown
CLASSES = 5  # of the answer


def filters(trained: TrainedModel) -> Html:
    """Return the filters of the first convolution, before and after training, group by group.

    Where the next convolution has two groups, each sees one half of these filters: the halves are
    drawn apart, as in Figure 3 of the paper.
    """
    weights = [p for p in trained.model.parameters() if len(p.shape) == 4]
    if not weights:
        said = "The network has no convolution, so there are no filters to show."
        return tag("p", phrase(said))
    now = to_numpy(weights[0].data)
    before = _initial(trained, now.shape)
    groups = _groups(trained.model, len(now))
    largest = float(np.abs(now[np.isfinite(now)]).max(initial=0.0))
    sheets = [
        _filter_sheet(weight, group, name, largest)
        for group in groups
        for name, weight in (
            (phrase("Before training"), before),
            (phrase("After training"), now),
        )
        if weight is not None
    ]
    words = tag("p", _filters_in_words(now, before, len(groups)))
    return join([words, tag("div", *sheets, class_="sheets filters")])


def _filter_sheet(weight: Array, group: range, name: str, largest: float) -> Html:
    shown = weight[group.start : group.stop][:FILTERS]
    first = group.start + 1
    last = group.start + len(shown)
    kh, kw = weight.shape[2:]
    alternative = phrase(
        "{name}: filters {first} to {last} of the first layer, {size} pixels each.",
        name=name,
        first=first,
        last=last,
        size=f"{kh}x{kw}",
    )
    source = sheet(filter_tiles(shown, largest), _columns(len(shown)))
    caption = phrase("{name}: filters {first} to {last}", name=name, first=first, last=last)
    return figure(image(source, alternative, class_="pixels"), caption)


def _columns(count: int) -> int:
    """Return a number of columns that fills the last row, a little wider than high if it can be."""
    wanted = math.ceil(math.sqrt(1.5 * count))
    near = range(wanted + 1, max(1, math.isqrt(count)) - 1, -1)
    return next((columns for columns in near if count % columns == 0), wanted)


def _initial(trained: TrainedModel, shape: tuple[int, ...]) -> Array | None:
    """Return the filters before training, of a small network whose seed alone decides them."""
    size = sum(math.prod(p.shape) for p in trained.model.parameters())
    if size > SMALL or trained.recipe.init_from:
        return None
    model = trained.recipe.build_model(len(trained.classes))
    first = next(p for p in model.parameters() if len(p.shape) == 4)
    return to_numpy(first.data) if first.shape == shape else None


def _groups(model: nn.Module, count: int) -> list[range]:
    """Return the filters that each group of the next convolution sees."""
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    groups = int(convolutions[1].groups) if len(convolutions) > 1 else 1
    if groups > 4 or count % groups:
        groups = 1
    each = count // groups
    return [range(i * each, (i + 1) * each) for i in range(groups)]


def _filters_in_words(now: Array, before: Array | None, groups: int) -> str:
    count, channels, kh, kw = now.shape
    size = phrase(
        "The first layer has {count} filters of {size} weights.",
        count=count,
        size=f"{channels}x{kh}x{kw}",
    )
    gray = phrase(" Gray is a weight of zero; all filters share one scale.")
    apart = phrase(
        " The next convolution has {groups} groups, and each sees its own part of them: they are "
        "drawn apart, as in Figure 3 of the AlexNet paper.",
        groups=groups,
    )
    apart = apart if groups > 1 else ""
    if before is None:
        return size + gray + apart
    lengths = np.sqrt((before.astype(np.float64) ** 2).sum(axis=(1, 2, 3)))
    moved = np.sqrt(((now - before).astype(np.float64) ** 2).sum(axis=(1, 2, 3)))
    change = moved / np.maximum(lengths, 1e-12)
    learned = phrase(" Training moved a filter by {lengths}.", lengths=_lengths(change))
    return size + learned + gray + apart


def _lengths(change: Array) -> str:
    """Return in words how far filters moved, as parts of their initial lengths."""
    low = change.min()
    middle = np.median(change)
    high = change.max()
    if middle < 10:
        return phrase(
            "{middle:.0f} % of its initial length in the middle ({low:.0f} to {high:.0f} %)",
            middle=100 * middle,
            low=100 * low,
            high=100 * high,
        )
    return phrase(
        "{middle:,.0f} times its initial length in the middle ({low:,.0f} to {high:,.0f} times)",
        middle=middle,
        low=low,
        high=high,
    )


def feature_maps(trained: TrainedModel, test: Dataset, index: int) -> Html:
    """Return what the layers make of one image, and the answer."""
    picture = test[index][0]
    found = activations(trained.model, picture[None], prepare=trained.prepare)
    stages = _stages([each for each in found if each.output.ndim == 4])
    true = trained.classes[int(test.labels[index])]
    said = "Test image {index}, a {true}: the input of the network."
    alternative = phrase(said, index=index, true=true)
    caption = phrase("input: {true}", true=true)
    parts = [figure(image(photograph(picture), alternative, class_="pixels"), caption)]
    parts += [_map_sheet(each) for each in stages]
    answer = trained.probabilities(picture[None])[0]
    introduction = phrase(
        "Test image {index:,} on its way through the network. Of each layer the "
        "{maps} maps with the strongest response are shown, each from its least value (black) to "
        "its largest (white).",
        index=index,
        maps=MAPS,
    )
    return join(
        [
            tag("p", introduction),
            tag("div", *parts, class_="sheets"),
            _answer(answer, trained.classes),
        ]
    )


def _stages(found: Sequence[Activation]) -> list[Activation]:
    """Return the layers to show: after each activation and pooling, at most `STAGES` of them."""
    kept = [each for each in found if "ReLU" in each.kind or "Pool" in each.kind] or list(found)
    kept = [each for each in kept if each.output.shape[2] > 1] or kept
    if len(kept) <= STAGES:
        return kept
    places = np.linspace(0, len(kept) - 1, STAGES).round().astype(int)
    return [kept[i] for i in places]


def _map_sheet(each: Activation) -> Html:
    maps = each.output[0]
    strongest = np.argsort(-np.abs(maps).max(axis=(1, 2)), kind="stable")[:MAPS]
    shown = maps[np.sort(strongest)]
    H, W = maps.shape[1:]
    silent = int((maps.reshape(len(maps), -1).max(axis=1) <= 0).sum())
    said = "{layer}: {count} maps of {size}"
    words = phrase(said, layer=each.label, count=len(maps), size=f"{H}x{W}")
    rest = phrase(", {count} of them without a response", count=silent) if silent else ""
    alternative = phrase("{words}. {count} are shown.", words=f"{words}{rest}", count=len(shown))
    source = sheet(map_tiles(shown), 4)
    return figure(image(source, alternative, class_="pixels"), f"{words}{rest}")


def _answer(shares: Array, classes: Sequence[str]) -> Html:
    order = np.argsort(-shares, kind="stable")[:CLASSES]
    rows = [[classes[i], f"{100 * shares[i]:.2f} %", bar(float(shares[i]))] for i in order.tolist()]
    header = [phrase("class"), phrase("probability"), ""]
    return table(header, rows, phrase("The answer of the network to this image."))


def cost_table(costs: Sequence[LayerCost], batch: int, train_batch: int, where: str) -> Html:
    """Return time, multiply-adds and memory of each layer."""
    whole = sum(cost.seconds for cost in costs) or 1.0
    rows = [_cost_row(cost, whole, train_batch) for cost in costs]
    total: list[str | Html] = [
        phrase("total"),
        "",
        "",
        f"{sum(c.parameters for c in costs):,}",
        f"{sum(c.multiply_adds for c in costs):,}",
        f"{sum(c.output_bytes for c in costs) * train_batch / 2**20:,.1f}",
        f"{1e3 * sum(c.seconds for c in costs):,.3f}",
        "100 %",
        tag("td", "", class_="bar"),
    ]
    header: list[str | Html] = [
        *map(phrase, ("layer", "kind", "output", "parameters", "multiply-adds")),
        phrase("MiB for {count} images", count=train_batch),
        phrase("ms per image"),
        phrase("share"),
        tag("th", "", scope="col", class_="bar"),
    ]
    caption = phrase(
        "Forward pass, each layer by itself, on {where}, in a batch of {batch}. Multiply-adds are "
        "those of one image; memory is that of the outputs, float32, of a training batch.",
        where=where,
        batch=batch,
    )
    return table(header, [*rows, total], caption, numbers=3, class_="costs")


def _cost_row(cost: LayerCost, whole: float, train_batch: int) -> list[str | Html]:
    share = cost.seconds / whole
    return [
        cost.name,
        cost.kind,
        "×".join(map(str, cost.shape)),
        f"{cost.parameters:,}",
        f"{cost.multiply_adds:,}",
        f"{cost.output_bytes * train_batch / 2**20:,.2f}",
        f"{1e3 * cost.seconds:,.3f}",
        f"{100 * share:.0f} %",
        bar(share),
    ]
