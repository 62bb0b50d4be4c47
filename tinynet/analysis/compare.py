"""Comparison of two networks: layers, costs, and the choices of AlexNet's variants."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Sequence

from tinynet import models, nn
from tinynet.analysis.summary import Layer, counted
from tinynet.core.table import table
from tinynet.models import alexnet_variants, published_training
from tinynet.models.alexnet import AlexNet
from tinynet.models.alexnet_variants import Variant
from tinynet.models.initial_weights import InitialWeights, Normal, PyTorchUniform
from tinynet.models.split_accumulation import is_split
from tinynet.nn import init
from tinynet.nn.mistakes import KerasPostLRN
from tinynet.words import phrase, sentence

Row = tuple[str, ...]
Pairing = tuple[Layer | None, Layer | None]


@dataclasses.dataclass(frozen=True)
class Compared:
    """One of two compared networks; `choices` is empty unless it is a variant of AlexNet."""

    name: str
    about: str
    layers: list[Layer]
    choices: dict[str, str]

    def total(self, what: str) -> int:
        """Return the sum of "parameters" or "multiply_adds"."""
        return sum(getattr(layer, what) for layer in self.layers)


def find(name: str) -> Compared:
    """Return a variant of AlexNet or any other model by its name.

    Raises
    ------
    ValueError : if there is neither
    """
    if name in models.variants():
        variant = alexnet_variants.find(name)
        entry, layers = counted("alexnet", variant=name)
        about = f"{phrase(variant.about)}; "
        choices = dict(_choices(variant))
    elif name in models.names():
        entry, layers = counted(name)
        about = ""
        choices = {}
    else:
        known = ", ".join([*models.variants(), *models.names()])
        said = "summary: there is no variant or model {name!r}. Known: {known}."
        raise ValueError(sentence(said, name=name, known=known))
    said = "{count} classes, images 3x{side}x{side}"
    size = phrase(said, count=entry.classes, side=entry.side)
    return Compared(name, about + size, layers, choices)


def contrast(first: str, second: str) -> str:
    """Return a table of the layers of two networks, and their different choices below it.

    Raises
    ------
    ValueError : if there is no such network

    Examples
    --------
    >>> from tinynet.analysis.compare import contrast
    >>> print(contrast("paper", "pool-first").splitlines()[0])
    paper: the paper's text; 1000 classes, images 3x224x224
    """
    a = find(first)
    b = find(second)
    names = phrase("layer"), a.name, b.name
    header = ("", *names, phrase("parameters"), "", phrase("multiply-adds"), "")
    rows = [_row(*pair) for pair in _aligned(a.layers, b.layers)]
    total = ("", phrase("total"), "", "", *_both(a, b, "parameters"), *_both(a, b, "multiply_adds"))
    parts = [
        f"{a.name}: {a.about}",
        f"{b.name}: {b.about}",
        "",
        table([header, *rows, total], left=4),
    ]
    if a.choices and b.choices:
        parts += ["", *_differences(a, b)]
    return "\n".join(parts)


def _aligned(a: list[Layer], b: list[Layer]) -> list[Pairing]:
    """Return layers in pairs; None where the other network has no such layer.

    The layers that multiply are paired first, then the layers between them.
    """
    pairs: list[Pairing] = []
    i = 0
    j = 0
    working = [[k for k, layer in enumerate(net) if layer.multiply_adds] for net in (a, b)]
    found = _matcher([a[k] for k in working[0]], [b[k] for k in working[1]])
    for block in found.get_matching_blocks():
        for step in range(block.size):
            m = working[0][block.a + step]
            n = working[1][block.b + step]
            pairs += [*_between(a[i:m], b[j:n]), (a[m], b[n])]
            i = m + 1
            j = n + 1
    return [*pairs, *_between(a[i:], b[j:])]


def _between(a: list[Layer], b: list[Layer]) -> list[Pairing]:
    """Return two short lists in pairs, as a diff of text would."""
    pairs: list[Pairing] = []
    for tag, a0, a1, b0, b1 in _matcher(a, b).get_opcodes():
        if tag == "equal":
            pairs += zip(a[a0:a1], b[b0:b1], strict=True)
        else:
            pairs += [(layer, None) for layer in a[a0:a1]]
            pairs += [(None, layer) for layer in b[b0:b1]]
    return pairs


def _matcher(a: list[Layer], b: list[Layer]) -> difflib.SequenceMatcher[str]:
    return difflib.SequenceMatcher(
        None, [layer.kind for layer in a], [layer.kind for layer in b], autojunk=False
    )


def _row(a: Layer | None, b: Layer | None) -> Row:
    """Return a row of the table; - or + marks a layer of one network, ~ another shape."""
    layer = a or b
    assert layer is not None
    shapes = ["x".join(map(str, each.shape)) if each else "" for each in (a, b)]
    counts = [_count(each, what) for what in ("parameters", "multiply_adds") for each in (a, b)]
    return _mark(a, b), layer.kind, *shapes, *counts


def _mark(a: Layer | None, b: Layer | None) -> str:
    if b is None:
        return "-"
    if a is None:
        return "+"
    return " " if a.shape == b.shape else "~"


def _count(layer: Layer | None, what: str) -> str:
    number = getattr(layer, what) if layer else 0
    return f"{number:,}" if number else ""


def _both(a: Compared, b: Compared, what: str) -> Row:
    return f"{a.total(what):,}", f"{b.total(what):,}"


def _differences(a: Compared, b: Compared) -> list[str]:
    """Return each choice that differs, with that of each network below it."""
    lines = []
    width = max(len(a.name), len(b.name)) + 1
    for choice in dict.fromkeys([*a.choices, *b.choices]):
        ours = a.choices.get(choice, phrase("none"))
        theirs = b.choices.get(choice, phrase("none"))
        if ours != theirs:
            lines.append(phrase(choice))
            lines.append(f"  {a.name + ':':{width}} {ours}")
            lines.append(f"  {b.name + ':':{width}} {theirs}")
    return lines


# ---- the choices of a variant of AlexNet, in words


def _choices(variant: Variant) -> Iterator[tuple[str, str]]:
    """Yield (choice, what the variant chose)."""
    with init.skip_init():
        model = variant.build(variant.classes)
    yield from _layers(model, variant.image)
    yield from _normalization(list(model.features))
    yield "dropout", _dropout(list(model.classifier))
    yield "initial weights", _initial_weights(variant.initial)
    yield "initial biases", _initial_biases(variant.initial)
    for field, label in published_training.LABELS.items():
        yield label, published_training.describe(variant.training, field)


def _layers(model: AlexNet, image: int) -> Iterator[tuple[str, str]]:
    stages = _stages(list(model.features))
    convolutions = [stage[0] for stage in stages if isinstance(stage[0], nn.Conv2d)]
    yield "input", _input(convolutions[0], image)
    yield "filters", "-".join(str(conv.weight.shape[0]) for conv in convolutions)
    grouped = [f"conv{i}" for i, conv in enumerate(convolutions, 1) if conv.groups == 2]
    yield (
        "towers",
        phrase("two: {layers} see their own half", layers=", ".join(grouped))
        if grouped
        else phrase("one: all see all"),
    )
    yield (
        "rounding of sums",
        phrase("that of two GPUs: conv3, fc6 and fc7 add two halves")
        if is_split(model)
        else phrase("that of one device: every sum in one piece"),
    )
    for i, stage in enumerate(stages, 1):
        yield phrase("order, layer {number}", number=i), _kinds(stage)
    yield "order, head", _kinds(list(model.classifier))


def _stages(layers: Sequence[nn.Module]) -> list[list[nn.Module]]:
    """Return the layers in lists, each of which begins with a convolution."""
    stages: list[list[nn.Module]] = []
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            stages.append([])
        stages[-1].append(layer)
    return stages


def _kinds(layers: Sequence[nn.Module]) -> str:
    return ", ".join(type(layer).__name__ for layer in layers)


def _input(conv1: nn.Conv2d, image: int) -> str:
    (top, bottom), _ = conv1.padding
    kernel = conv1.weight.shape[2]
    side = (image + top + bottom - kernel) // conv1.stride[0] + 1
    if top == bottom:
        padding = phrase("{count} zeros around", count=top) if top else phrase("no padding")
    else:
        said = "{top} zeros above and left, {bottom} below and right"
        padding = phrase(said, top=top, bottom=bottom)
    return f"{image}x{image}, {padding}: {side}x{side}"


def _normalization(layers: Sequence[nn.Module]) -> Iterator[tuple[str, str]]:
    kinds = [type(layer) for layer in layers]
    lrn = next((layer for layer in layers if isinstance(layer, nn.LocalResponseNorm)), None)
    if lrn is not None:
        said = "k = {k:g}, {alpha:g} times the sum of squares"
        yield "LRN", phrase(said, k=lrn.k, alpha=lrn.alpha)
        towers = phrase("end at the border of the towers")
        yield "LRN's windows", towers if lrn.groups == 2 else phrase("run over all channels")
    elif KerasPostLRN in kinds:
        yield "LRN", phrase("wrong: the mean of the squares in a window, summed over all channels")
        yield "LRN's windows", phrase("5x5 pixels of a map, instead of 5 channels at a pixel")
    elif nn.BatchNorm2d in kinds:
        yield "LRN", phrase("none, batch normalization instead")
    else:
        yield "LRN", phrase("none")
    if nn.SpatialResponseNorm in kinds:
        within = "within each map, 5x5 pixels, after the LRN of layer 2"
        yield "another normalization", phrase(within)


def _dropout(layers: Sequence[nn.Module]) -> str:
    inverted = any(layer.inverted for layer in layers if isinstance(layer, nn.Dropout))
    return phrase("divides by 0.5 in training" if inverted else "multiplies by 0.5 in tests")


def _initial_weights(initial: InitialWeights) -> str:
    if isinstance(initial, Normal):
        if len(set(initial.stds)) == 1:
            return phrase("standard deviation {std:g}", std=initial.stds[0])
        stds = ", ".join(f"{std:g}" for std in initial.stds)
        return phrase("standard deviations {stds}", stds=stds)
    pytorch = isinstance(initial, PyTorchUniform)
    return phrase("uniform, PyTorch's" if pytorch else "uniform, Glorot's")


def _initial_biases(initial: InitialWeights) -> str:
    if isinstance(initial, Normal):
        said = "{bias:g} in conv2, conv4, conv5 and the hidden layers, else 0"
        return phrase(said, bias=initial.bias)
    return phrase("uniform, like the weights") if isinstance(initial, PyTorchUniform) else "0"
