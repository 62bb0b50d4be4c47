"""Conversions that `weights.load` applied to the arrays of a file, as data."""

from __future__ import annotations

import dataclasses
from typing import Literal

Kind = Literal["layout", "channels", "groups", "normalization", "head", "names", "note"]


@dataclasses.dataclass(frozen=True)
class Change:
    """One conversion, or one layer that was left out.

    Parameters
    ----------
    kind : str
        "layout": filters transposed; "channels": BGR to RGB; "groups": grouped filters written as
        full ones or the reverse; "normalization": weights scaled for another response
        normalization, or variances moved for another eps of batch normalization; "head": the last
        layer was not loaded; "names": arrays were matched by order; "note": a part of the file was
        passed over.
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
