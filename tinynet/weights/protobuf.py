"""Protocol buffers, the encoding of .caffemodel and .onnx files: fields of numbers and bytes.

A message is a sequence of fields. Each begins with key = 8 * number + wire type, and then follows

    0  varint      seven bits a byte, the lowest first; the high bit says that more follow
    1  8 bytes     little-endian
    2  length      a varint, and as many bytes: text, a message, or packed numbers
    5  4 bytes     little-endian

What a number means stands in the format's .proto file. Fields may come in any order; where one is
given twice, the last counts. A message inside is looked into only where its field is known, so the
depth is that of the reader's code; all messages of a file together have a limited number of fields.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import DataError

VARINT = 0
EIGHT_BYTES = 1
LENGTH = 2
FOUR_BYTES = 5
SIZES = {EIGHT_BYTES: 8, FOUR_BYTES: 4}
SHORT_RUN = 8  # fields that are read one by one
FIRST_LOOK = 16
MOST = 200_000  # fields and packed integers of a file

Value = int | memoryview


class Count:
    """The number of fields that all messages of a file have had so far."""

    def __init__(self) -> None:
        self.number = 0

    def add(self, more: int = 1) -> None:
        """Count more fields, or raise DataError."""
        self.number += more
        if self.number > MOST:
            raise DataError(f"its messages have more than {MOST:,} fields and numbers.")


class Message:
    """The fields of one message, by number and in order; bytes are views, not copies.

    Parameters
    ----------
    data : bytes-like

    Raises
    ------
    DataError
        The bytes are no message.

    Examples
    --------
    >>> message = Message(bytes([0x08, 0x96, 0x01, 0x12, 0x02]) + b"hi")
    >>> message.number(1), message.text(2)
    (150, 'hi')
    """

    def __init__(self, data: bytes | memoryview, count: Count | None = None) -> None:
        self.count = Count() if count is None else count
        self.fields: dict[int, list[tuple[int, Value]]] = {}
        for number, wire, value in fields_of(memoryview(data), self.count):
            self.fields.setdefault(number, []).append((wire, value))

    def number(self, field: int, default: int = 0) -> int:
        """Return an integer; a negative one of 64 bits comes as such."""
        found = [v for w, v in self.fields.get(field, ()) if w == VARINT and isinstance(v, int)]
        return _signed(found[-1]) if found else default

    def number_of_32_bits(self, field: int, default: float) -> float:
        """Return a float."""
        values = self.fields.get(field, ())
        found = [v for w, v in values if w == FOUR_BYTES and not isinstance(v, int)]
        return float(np.frombuffer(found[-1][-4:], "<f4")[0]) if found else default

    def text(self, field: int) -> str:
        """Return a string, "" if it is not there."""
        found = self.parts(field)
        return bytes(found[-1]).decode(errors="replace") if found else ""

    def parts(self, field: int) -> list[memoryview]:
        """Return the bytes of each occurrence of a field."""
        return [v for w, v in self.fields.get(field, ()) if w == LENGTH and not isinstance(v, int)]

    def messages(self, field: int) -> list[Message]:
        """Return the messages of a field."""
        return [Message(part, self.count) for part in self.parts(field)]

    def integers(self, field: int) -> list[int]:
        """Return repeated integers, packed or one by one."""
        found: list[int] = []
        for wire, value in self.fields.get(field, ()):
            if wire == VARINT and isinstance(value, int):
                found.append(_signed(value))
            elif wire == LENGTH and not isinstance(value, int):
                found += [_signed(number) for number in _varints(value, self.count)]
        return found

    def array(self, field: int, dtype: str) -> Array:
        """Return repeated numbers of 4 or 8 bytes, packed (a view) or one by one (a copy)."""
        wire = FOUR_BYTES if np.dtype(dtype).itemsize == 4 else EIGHT_BYTES
        found = [v for w, v in self.fields.get(field, ()) if w in (wire, LENGTH)]
        pieces = [v for v in found if not isinstance(v, int)]
        if any(len(piece) % np.dtype(dtype).itemsize for piece in pieces):
            raise DataError(f"damaged: field {field} holds no whole number of {dtype}.")
        if len(pieces) == 1:
            return np.frombuffer(pieces[0], dtype)
        return np.frombuffer(b"".join(pieces), dtype)


def numbers_of_fields(data: memoryview) -> set[int]:
    """Return the numbers of the fields of a message; raise DataError if the bytes are none."""
    return {number for number, _, _ in fields_of(data, Count())}


def fields_of(data: memoryview, count: Count) -> Iterator[tuple[int, int, Value]]:
    """Yield number, wire type and value of each field; a run of numbers is one value."""
    at = 0
    while at < len(data):
        start = at
        key, at = _varint(data, at)
        number = key >> 3
        wire = key & 7
        count.add()
        if wire == VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
            continue
        if wire == LENGTH:
            size, at = _varint(data, at)
        elif wire in SIZES:
            size = SIZES[wire]
        else:
            raise DataError(f"damaged: a field of wire type {wire}.")
        if wire in SIZES and size <= len(data) - at:
            run, at = _run(data, start, at, size, count)
            yield number, wire, run
            continue
        if number == 0 or size > len(data) - at:
            raise DataError(
                f"damaged or incomplete: field {number} should have {size:,} bytes, and "
                f"{len(data) - at:,} follow."
            )
        yield number, wire, data[at : at + size]
        at += size


def _run(data: memoryview, start: int, at: int, size: int, fields: Count) -> tuple[memoryview, int]:
    """Return the values of fields of a fixed size that follow each other, and the position after.

    Numbers that are not packed come so: the same key before each of them.
    """
    step = at - start + size
    end = at + size
    key = data[start:at]
    if any(data[start + i * step : at + i * step] != key for i in range(1, SHORT_RUN)):
        return data[at:end], end
    fields.add(SHORT_RUN)
    rows = np.frombuffer(data[start:], np.uint8)
    rows = rows[: len(rows) // step * step].reshape(-1, step)
    keys = rows[:, : at - start]
    count = 1
    looked_at = FIRST_LOOK
    while True:  # a longer look only after a shorter one, or many short runs would take long
        other = (keys[count:looked_at] != keys[0]).any(axis=1)
        count = count + int(other.argmax()) if other.any() else min(looked_at, len(rows))
        if other.any() or count == len(rows):
            break
        looked_at *= 4
    return memoryview(rows[:count, at - start :].tobytes()), start + count * step


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return the number that begins at a position, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise DataError("damaged or incomplete: a number without an end.")


def _varints(data: memoryview, count: Count) -> Iterator[int]:
    at = 0
    while at < len(data):
        count.add()
        value, at = _varint(data, at)
        yield value


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
