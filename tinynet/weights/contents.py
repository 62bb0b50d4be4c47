"""The contents of a weight file: arrays by name, and what the file and its format say of them."""

from __future__ import annotations

import dataclasses

from tinynet.core.backend import Array


@dataclasses.dataclass(frozen=True)
class Weights:
    """Contents of a weight file.

    Parameters
    ----------
    arrays : dict of str to array
    metadata : dict of str to str
        Facts that the file states about itself, such as its `conventions`.
    kind : str
        Format of the file.
    notes : tuple of str
        What was passed over or assumed, in sentences.
    asks : dict of str to str
        Conventions that neither the file nor its format states, and why `load` has to be told.
    """

    arrays: dict[str, Array]
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    kind: str = "safetensors"
    notes: tuple[str, ...] = ()
    asks: dict[str, str] = dataclasses.field(default_factory=dict)
