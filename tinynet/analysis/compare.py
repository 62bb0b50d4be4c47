"""Two networks side by side: their layers, their costs, and what they decided differently."""

from __future__ import annotations

import difflib
from typing import NamedTuple

from tinynet import models
from tinynet.analysis.summary import Layer, counted
from tinynet.core.table import table
from tinynet.models import alexnet_variants

Row = tuple[str, ...]
Pairing = tuple[Layer | None, Layer | None]


class Net(NamedTuple):
    """What is compared of one network."""

    name: str
    about: str
    layers: list[Layer]
    forks: dict[str, str]

    def total(self, what: str) -> int:
        """Return the sum of "parameters" or "multiply_adds"."""
        return sum(getattr(layer, what) for layer in self.layers)


def find(word: str) -> Net:
    """Return a variant of AlexNet or any other model by its name."""
    if word in models.variants():
        settings = alexnet_variants.find(word)
        entry, layers = counted("alexnet", variant=word)
        about, forks = f"{settings.about}; ", alexnet_variants.forks(settings)
    elif word in models.names():
        entry, layers = counted(word)
        about, forks = "", {}
    else:
        known = ", ".join([*models.variants(), *models.names()])
        raise ValueError(f"summary: there is no variant or model {word!r}. Known: {known}.")
    return Net(
        word, f"{about}{entry.classes} classes, images 3x{entry.side}x{entry.side}", layers, forks
    )


def contrast(first: str, second: str) -> str:
    """Return the two networks in one table, and below it every fork in words."""
    a, b = find(first), find(second)
    header = ("", "layer", a.name, b.name, "parameters", "", "multiply-adds", "")
    rows = [row for pair in _aligned(a.layers, b.layers) for row in [_row(*pair)]]
    total = ("", "total", "", "", *_both(a, b, "parameters"), *_both(a, b, "multiply_adds"))
    parts = [
        f"{a.name}: {a.about}",
        f"{b.name}: {b.about}",
        "",
        table([header, *rows, total], left=4),
    ]
    if a.forks and b.forks:
        parts += ["", *_differences(a, b)]
    return "\n".join(parts)


def _aligned(a: list[Layer], b: list[Layer]) -> list[Pairing]:
    """Return layers in pairs; None where the other network has none in this place.

    The layers that multiply are paired first, then what stands between them.
    """
    pairs: list[Pairing] = []
    i = j = 0
    working = [[k for k, layer in enumerate(net) if layer.multiply_adds] for net in (a, b)]
    found = _matcher([a[k] for k in working[0]], [b[k] for k in working[1]])
    for block in found.get_matching_blocks():
        for step in range(block.size):
            m, n = working[0][block.a + step], working[1][block.b + step]
            pairs += [*_between(a[i:m], b[j:n]), (a[m], b[n])]
            i, j = m + 1, n + 1
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
    """Return a row of the table; it begins with - or + where only one network has the layer."""
    layer = a or b
    assert layer is not None
    sides = ["x".join(map(str, each.shape)) if each else "" for each in (a, b)]
    mark = "-" if b is None else "+" if a is None else " " if sides[0] == sides[1] else "~"
    counts = [
        f"{number:,}" if number else ""
        for what in ("parameters", "multiply_adds")
        for number in [getattr(each, what) if each else 0 for each in (a, b)]
    ]
    return mark, layer.kind, *sides, *counts


def _both(a: Net, b: Net, what: str) -> Row:
    return f"{a.total(what):,}", f"{b.total(what):,}"


def _differences(a: Net, b: Net) -> list[str]:
    """Return each fork where they part, with what each of them does."""
    lines = []
    width = max(len(a.name), len(b.name)) + 1
    for fork in [*a.forks, *(f for f in b.forks if f not in a.forks)]:
        ways = [net.forks.get(fork, "none") for net in (a, b)]
        if ways[0] != ways[1]:
            lines.append(fork)
            lines += [
                f"  {net.name + ':':{width}} {way}" for net, way in zip((a, b), ways, strict=True)
            ]
    return lines
