"""Conversions that `weights.load` applied to the arrays of a file, as data."""

from __future__ import annotations

import dataclasses
from typing import Literal

Kind = Literal["layout", "channels", "groups", "normalization", "head"]


@dataclasses.dataclass(frozen=True)
class Change:
    """One conversion, or one layer that was left out.

    Parameters
    ----------
    kind : str
        "layout": filters transposed; "channels": BGR to RGB; "groups": grouped filters written as
        full ones or the reverse; "normalization": weights scaled for another response
        normalization; "head": the last layer was not loaded.
    name : str
        The parameter or layer; "" for all of them.
    message : str
        The conversion in a sentence, which `str` returns.
    """

    kind: Kind
    name: str
    message: str

    def __str__(self) -> str:
        return self.message
