"""Parts of the gradients of weights and bias, which a last launch adds: see add_parts.cuh."""

from __future__ import annotations

from typing import Any, NamedTuple

from tinynet.core.backend import Array, array_module
from tinynet.kernels.cuda.launch import cover, in_rows, launch


class Parts(NamedTuple):
    """Arguments of `add_parts`: results, parts and their sizes.

    Attributes
    ----------
    gweight, gbias : (OC, C // G, KH, KW) and (OC,), which the launch writes; or None
    parts : (number, OC, C // G, KH, KW), or None
    sums : (shares, channels) of float64, or None
    """

    gweight: Array | None
    gbias: Array | None
    parts: Array | None
    number: int
    size: int
    sums: Array | None
    shares: int
    channels: int

    @property
    def threads(self) -> int:
        """How many numbers are added up."""
        return self.size + self.channels

    def add(self) -> None:
        """Add them in a launch of their own, in double precision and in a fixed order."""
        launch("conv", "add_parts", cover(self.threads), *self)


NOTHING = Parts(None, None, None, 0, 0, None, 0, 0)


def parts_of(gweights: Array | None, sums: Array | None, dtype: Any) -> tuple[Parts, Any, Any]:
    """Return what is left to add, gweight and gbias; a single part of gweight is it already."""
    todo = NOTHING
    gweight = None
    if gweights is not None and len(gweights) == 1:
        gweight = gweights[0]
    elif gweights is not None:
        gweight = array_module(gweights).empty(gweights.shape[1:], dtype)
        todo = todo._replace(
            gweight=gweight, parts=in_rows(gweights), number=len(gweights), size=gweight.size
        )
    if sums is not None:
        shares, channels = sums.shape
        gbias = array_module(sums).empty(channels, dtype)
        todo = todo._replace(gbias=gbias, sums=sums, shares=shares, channels=channels)
    return todo, gweight, todo.gbias
