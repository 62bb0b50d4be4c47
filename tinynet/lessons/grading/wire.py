"""Messages between two processes: plain values and arrays as JSON; nothing in them is executed."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import time
from collections.abc import Callable, KeysView, ValuesView
from itertools import islice
from types import GeneratorType
from typing import Any

import numpy as np

from tinynet.core.autograd import Variable
from tinynet.core.backend import to_numpy

LIMIT = 64 * 2**20  # bytes of a message
KINDS = "biufcUS"  # of dtypes: numbers and text; an array of objects could hold code
ENDLESS = 10_000  # elements that are taken of an iterator


class Channel:
    """Two pipes: messages go out on one and come in on the other."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self.incoming = incoming
        self.outgoing = outgoing

    def send(self, message: Any) -> None:
        """Write a message; BrokenPipeError if the other process is gone."""
        body = json.dumps(message).encode()
        view = memoryview(len(body).to_bytes(8, "big") + body)
        while view:
            view = view[os.write(self.outgoing, view) :]

    def receive(self, seconds: float | None = None) -> Any:
        """Return the next message.

        Raises
        ------
        EOFError
            The other process has ended.
        TimeoutError
            No whole message came in time.
        ValueError
            What came is no message.
        """
        end = None if seconds is None else time.monotonic() + seconds
        size = int.from_bytes(self._read(8, end), "big")
        if size > LIMIT:
            raise ValueError(f"a message of {size:,} bytes; {LIMIT:,} are the limit")
        try:
            return json.loads(self._read(size, end))
        except RecursionError:
            raise ValueError("a message of too many levels") from None

    def _read(self, count: int, end: float | None) -> bytes:
        parts = []
        while count:
            left = None if end is None else max(0.0, end - time.monotonic())
            if not select.select([self.incoming], [], [], left)[0]:
                raise TimeoutError
            part = os.read(self.incoming, min(count, 2**16))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Close both pipes."""
        for end in (self.incoming, self.outgoing):
            with contextlib.suppress(OSError):
                os.close(end)


class Opaque:
    """A value that cannot be sent; only its description is known."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


PLAIN = (bool, int, float, str)
CONTAINERS: dict[str, type] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
TAGS = {kind: tag for tag, kind in CONTAINERS.items()}
LAZY = (GeneratorType, map, zip, filter, range, reversed, KeysView, ValuesView)


def pack(value: Any, other: Callable[[Any], Any]) -> Any:
    """Return a value in terms of JSON; `other` packs what is neither plain nor an array."""
    if value is None or type(value) in PLAIN:
        return value
    tag = TAGS.get(type(value)) or ("list" if isinstance(value, LAZY) else None)
    if tag:
        return {tag: [pack(part, other) for part in islice(value, ENDLESS)]}
    if type(value) is dict:
        return {"dict": [[pack(k, other), pack(v, other)] for k, v in value.items()]}
    return _pack_number(value) or other(value)


def _pack_number(value: Any) -> dict[str, Any] | None:
    """Return a packed array, scalar, tensor, complex number or ellipsis; None for all else."""
    if isinstance(value, Variable):
        return {"tensor": _pack_number(to_numpy(value.data))}
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in KINDS:
        tag = "array" if isinstance(value, np.ndarray) else "scalar"
        coded = base64.b64encode(value.tobytes()).decode()
        return {tag: [value.dtype.str, list(value.shape), coded]}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    return {"...": 0} if value is ... else None


def unpack(packed: Any, other: Callable[[str, Any], Any]) -> Any:
    """Return the value of a packed one; `other` unpacks what this function does not know."""
    if not isinstance(packed, dict):
        if isinstance(packed, list):
            raise ValueError("a bare list")
        return packed
    if len(packed) != 1:
        raise ValueError("a value has one tag")
    ((tag, body),) = packed.items()
    if tag in CONTAINERS:
        return CONTAINERS[tag](unpack(part, other) for part in body)
    if tag == "dict":
        return {unpack(k, other): unpack(v, other) for k, v in body}
    return NUMBERS[tag](body) if tag in NUMBERS else other(tag, body)


NUMBERS: dict[str, Callable[[Any], Any]] = {
    "array": lambda body: _array(*body),
    "scalar": lambda body: _array(*body)[()],
    "tensor": lambda body: Variable(_array(*body["array"])),
    "complex": lambda body: complex(*body),
    "...": lambda _: ...,
}


def _array(dtype: str, shape: list[int], coded: str) -> Any:
    kind = np.dtype(dtype)
    if kind.kind not in KINDS:
        raise ValueError(f"an array of {dtype}")
    data = base64.b64decode(coded, validate=True)
    return np.frombuffer(data, kind).reshape(tuple(map(int, shape))).copy()
