"""The errors that tinynet raises for its users.

Grammar of a message: *op: the rule, in names. The facts, in numbers. One suggestion, if sure.*
Each class also is the built-in error that a Python programmer would expect, so that an ordinary
``except ValueError`` catches it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from tinynet.words import Sentence, message, sentence, spoken


class ShapeError(ValueError):
    """Arrays whose shapes, or labels whose values, do not fit the op that was asked for.

    A traceback shows its message in the reader's language: `tinynet.words`.
    """

    def __str__(self) -> str:
        """Return the message in the reader's language."""
        found = message(self)
        return spoken(found if isinstance(found, Sentence) else super().__str__())


class DeviceError(RuntimeError):
    """Tensors on different devices met, or a device was asked for that is not there."""


class GraphError(RuntimeError):
    """backward() has no graph to walk: nothing was recorded, or it was freed or changed."""


class CaptureError(GraphError):
    """A step that `tn.graph` cannot record, or a call that its record cannot replay."""


class DataError(ValueError):
    """A file or a download is not what it should be; the message names it and the way out.

    Names of files come from others, so the message is `printable`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def printable(text: str) -> str:
    """Return the text with what a terminal would obey, not show, written out, as `repr` does."""
    if isinstance(text, Sentence):
        fields = text.fields.items()
        return sentence(text.text, **{name: _printable(value) for name, value in fields})
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    return printable(str(value)) if isinstance(value, PurePath | BaseException) else value


_NUMPY_NAMES = {
    "dim": "The axes are called axis, as in NumPy: axis=.",
    "dims": "The axes are called axis, as in NumPy: axis=.",
    "keepdim": "It is called keepdims, as in NumPy: keepdims=.",
    "retain_graph": "It is called keep_graph: keep_graph=.",
    "create_graph": "Gradients of gradients are not computed.",
    "unbiased": "It is called ddof, as in NumPy; ddof=1 divides by n - 1.",
    "out": "NumPy's functions take arrays: x.numpy(); of a tensor it is a method, as in x.sum().",
    "correction": "It is called ddof, as in NumPy: ddof=.",
}


def refuse_keywords(op: str, given: Mapping[str, Any]) -> None:
    """Raise TypeError at a keyword that the op does not have, with its name here if it has one."""
    for name in given:
        hint = _NUMPY_NAMES.get(name)
        way_out = f" {hint}" if hint else ""
        raise TypeError(f"{op}: there is no argument {name}.{way_out}")


def warn_of_float64(op: str, x: Any, weight: Any) -> None:
    """Warn where pictures that became float64 by a division make all that follows slow.

    The result is right, and many times as slow: float64 is the reference's, and it spreads.
    """
    if (x.dtype, weight.dtype) == ("float64", "float32"):
        warnings.warn(
            f"{op}: x is float64 and weight float32, so this and what follows is computed in "
            "float64, without the fast kernels. Give it x.astype(np.float32).",
            RuntimeWarning,
            stacklevel=2,
        )
