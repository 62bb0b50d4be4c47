"""The names and the layout under which the arrays of a file fit a model, judged by shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from tinynet.core.backend import Array
from tinynet.weights import conventions, names, order
from tinynet.weights.conventions import CHOICES, Conventions

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]


class Match(NamedTuple):
    """Arrays under the names of a model.

    Parameters
    ----------
    arrays : dict of str to array
    layout : the layout in which most of them have the model's shapes
    fitting : number of arrays of the model whose shapes they have then
    certain : whether no other layout fits as many
    """

    arrays: dict[str, Array]
    layout: str
    fitting: int
    certain: bool


def best(
    arrays: Mapping[str, Array], wanted: Shapes, layout: str | None = None, by_order: bool = False
) -> Match:
    """Return the names and the layout with which most arrays fit.

    Parameters
    ----------
    arrays : dict of str to array
        Of a file.
    wanted : dict of str to shape
        Of the model.
    layout : if it is known
    by_order : match the layers by their order instead of their names
    """
    found = [names.fitted(arrays, wanted)]
    if by_order:
        found = list(order.renamed(arrays, wanted)) or found
    layouts = [layout] if layout else list(CHOICES["layout"])
    matches = [
        Match(named, one, fitting(named, wanted, one), True) for named in found for one in layouts
    ]
    first = max(matches, key=lambda match: match.fitting)
    equal = {m.layout for m in matches if m.fitting == first.fitting}
    return first._replace(certain=len(equal) == 1)


def fitting(arrays: Mapping[str, Array], wanted: Shapes, layout: str) -> int:
    """Return how many arrays of a model have the shapes of those in a file, in some layout."""
    turned = shapes_in(arrays, wanted, layout)
    first = next((name for name, shape in wanted.items() if len(shape) == 4), "")
    return sum(
        name in turned and (turned[name] == shape if name == first else alike(turned[name], shape))
        for name, shape in wanted.items()
    )


def shapes_in(arrays: Mapping[str, Array], wanted: Shapes, layout: str) -> dict[str, Shape]:
    """Return the shapes that arrays have as filters (OC, C, KH, KW) and matrices (out, in)."""
    hollow = {name: np.broadcast_to(np.float32(0), a.shape) for name, a in arrays.items()}
    source = Conventions(layout=layout, flatten="CHW")
    return {name: a.shape for name, a in conventions.reordered(hollow, wanted, source).items()}


def alike(shape: Shape, wanted: Shape) -> bool:
    """Return whether shapes are equal, but for the groups of a convolution."""
    if shape == wanted or len(shape) != 4 or len(wanted) != 4:
        return shape == wanted
    narrow, wide = sorted((shape[1], wanted[1]))
    rest = shape[0] == wanted[0] and shape[2:] == wanted[2:]
    return rest and narrow > 0 and wide % narrow == 0 and shape[0] % (wide // narrow) == 0


def pairs(match: Match, arrays: Mapping[str, Array], wanted: Iterable[str]) -> list[str]:
    """Return "NAME in the file is NAME of the model" for each array of a match."""
    named = {id(array): name for name, array in arrays.items()}
    return [f"{named[id(match.arrays[name])]} is {name}" for name in wanted if name in match.arrays]
