"""PyTorch's .pth files since version 1.6: a zip with a pickle of the tensors and their bytes.

    NAME/data.pkl      tensors as (storage, offset, size, stride), in dicts
    NAME/data/KEY      the bytes of one storage; tensors may share it
    NAME/byteorder     "little" or "big"

`foreign` reads the first without executing it. Older files: see `legacy_file`.
"""

from __future__ import annotations

import contextlib
import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinynet.core import shapes
from tinynet.core.archives import member
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickles import printable, short
from tinynet.core.table import first_names
from tinynet.weights import foreign
from tinynet.weights.foreign import Foreign

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights")
"""Keys under which training programs store the weights, beside epoch and optimizer state."""

WAY_OUT = (
    "In PyTorch, write the weights alone: torch.save(model.state_dict(), PATH), or with "
    "safetensors.torch.save_file."
)
SHARED = 4  # times all storages that all tensors together may show; T5 has one of them four times


Named = tuple[dict[str, Array], tuple[str, ...]]
SHOWN = 4  # names in a note


def read(path: Path, archive: zipfile.ZipFile) -> Named:
    """Return the tensors of a .pth archive by name, as read-only views of it, and notes."""
    names = archive.namelist()
    pickled = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickled) != 1:
        raise DataError(f"{path}: a .pth file holds one data.pkl, this one {len(pickled)}.")
    root = pickled[0].removesuffix("data.pkl")
    if f"{root}constants.pkl" in names:
        raise DataError(f"{path}: this is a TorchScript program, not a file of weights. {WAY_OUT}")
    if f"{root}byteorder" in names and member(path, archive, f"{root}byteorder") != b"little":
        raise DataError(
            f"{path}: its bytes are in big-endian order. Save it again on a little-endian machine."
        )
    with explained(path):
        storages = Storages(lambda key: member(path, archive, f"{root}data/{key}"))
        found = foreign.read(member(path, archive, pickled[0]), storages.storage, storages.tensor)
        return named_tensors(found)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Add the path of the file and a way out to errors about its pickle."""
    try:
        yield
    except DataError as error:
        message = str(error)
        if not message.startswith(str(path)):
            message = f"{path}: {message} {WAY_OUT}"
        raise DataError(message) from error


class Storages:
    """The storages of a file, each read once, and tensors that are views of them.

    Parameters
    ----------
    contents : (key) -> bytes
        Reads a storage.
    """

    def __init__(self, contents: Callable[[str], bytes]) -> None:
        self.contents = contents
        self.read: dict[str, tuple[str, Array]] = {}
        self.known = self.shown = 0  # bytes: of all storages, of all tensors

    def storage(self, dtype: str, key: Any, elements: Any, view: Any = None) -> Array:
        """Return a storage, (elements,), or a view of a part of it."""
        check_key(key)
        if key not in self.read:
            data = self.contents(key)
            kind = stored(dtype)
            if not isinstance(elements, int) or elements * kind.itemsize != len(data):
                raise DataError(
                    f"storage {key} should hold {short(elements)} x {kind.itemsize} bytes, "
                    f"and there are {len(data):,}."
                )
            flat = np.frombuffer(data, kind)
            self.read[key] = dtype, widened(flat) if dtype == "bf16" else flat
            self.known += self.read[key][1].nbytes
        known, whole = self.read[key]
        if known != dtype:  # PyTorch writes no such file
            raise DataError(f"storage {key} should hold {known}, and then again {dtype}.")
        if view is None:
            return whole
        _, offset, size = view
        if not all(isinstance(n, int) and n >= 0 for n in (offset, size)) or (
            offset + size > whole.size
        ):
            raise DataError(
                f"a view of {short((offset, size))} does not lie in its storage of "
                f"{whole.size:,} elements."
            )
        return whole[offset : offset + size]

    def tensor(self, storage: Any, offset: Any, size: Any, stride: Any) -> Array:
        """Return a tensor as a view of a storage, without a copy."""
        numbers = shapes.credible(size) and shapes.lengths(stride) and shapes.lengths((offset,))
        if not isinstance(storage, np.ndarray) or not numbers or len(size) != len(stride):
            raise DataError(f"a tensor of {short((size, stride, offset))} cannot be.")
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        count = math.prod(size)
        if count and max(last + 1, count) > storage.size:
            raise DataError(
                f"a tensor of {short((size, stride, offset))} does not lie in its "
                f"storage of {storage.size:,} elements."
            )
        self.shown += count * storage.itemsize
        if self.shown > SHARED * self.known:
            raise DataError(
                f"its tensors show {self.shown:,} bytes of {self.known:,} that are stored; "
                f"{SHARED} times is the limit."
            )
        if not count:
            return np.zeros(size, storage.dtype)
        steps = [step * storage.itemsize for step in stride]
        return np.ndarray(size, storage.dtype, storage, offset * storage.itemsize, steps)


def check_key(key: Any) -> None:
    """Raise DataError unless a key is a name of a storage, and hashable."""
    if not isinstance(key, str) or not key.isalnum():
        raise DataError(f"its pickle calls a storage {short(key)}; they have numbers.")


def stored(dtype: str) -> np.dtype[Any]:
    """Return the dtype of the elements of a storage in the file."""
    return np.dtype("<u2" if dtype == "bf16" else dtype).newbyteorder("<")


def widened(halves: Array) -> Array:
    """Return bfloat16 values, given as uint16, in float32."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


def named_tensors(found: Any) -> Named:
    """Return the dict of tensors in a file, at the top or under one of WRAPPERS, and notes.

    A note names what is no tensor and was passed over.
    """
    top = found if isinstance(found, dict) else {}
    inside = [top[w] for w in WRAPPERS if w in top]
    whole = next((thing for thing in inside if isinstance(thing, Foreign)), None)
    for candidate in (*inside, found):
        tensors = _tensors(candidate)
        if tensors and whole is None:
            return tensors, _passed_over(top, candidate)
    kind = f"a {type(found).__name__}"
    if top:
        kind = f"a dict of {', '.join(map(short, list(top)[:4]))}"
    foreign = ", ".join(f"{short(k)} is {v!r}" for k, v in _foreign(top)[:4])
    why = f" ({foreign}: not imported and not executed)" if foreign else ""
    raise DataError(f"it holds {kind}, not tensors by name{why}.")


def _tensors(candidate: Any) -> dict[str, Array]:
    """Return the arrays of a dict whose keys are words; none if arrays have numbers as keys."""
    if not isinstance(candidate, dict):
        return {}
    arrays = {k: v for k, v in candidate.items() if isinstance(v, np.ndarray)}
    return arrays if all(type(k) is str for k in arrays) else {}


def _foreign(things: dict[str, Any]) -> list[tuple[str, Foreign]]:
    return [(k, v) for k, v in things.items() if isinstance(v, Foreign)]


def _passed_over(top: dict[str, Any], chosen: dict[str, Any]) -> tuple[str, ...]:
    """Return a note on what is no tensor: in the dict of weights, and objects beside it."""
    things = {k: v for k, v in chosen.items() if not isinstance(v, np.ndarray)}
    things |= dict(_foreign(top))
    if not things:
        return ()
    shown = [f"{printable(k)} ({_kind(v)})" for k, v in things.items()]
    said = first_names(shown, SHOWN)
    return (f"Passed over, since it is no tensor; nothing of it was executed: {said}.",)


def _kind(thing: Any) -> str:
    return thing.name if isinstance(thing, Foreign) else type(thing).__name__
