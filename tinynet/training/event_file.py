"""TensorBoard event files of scalars, written by hand: records, checksums and messages.

A file is a sequence of records (TensorFlow's TFRecord):

    length (8 bytes) | masked CRC of it (4) | data (length bytes) | masked CRC of them (4)

with all numbers little-endian, the CRC-32C of Castagnoli, and ``mask = rotate right by 15, plus
0xa282ead8``. The data are an Event message of event.proto in the wire format of protocol buffers.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable, Mapping

POLYNOMIAL = 0x82F63B78  # of Castagnoli, reversed
MASK = 0xA282EAD8
VERSION = "brain.Event:2"
VARINT = 0  # wire types
DOUBLE = 1
BYTES = 2
FLOAT = 5


def event_file(scalars: Iterable[tuple[float, int, Mapping[str, float]]], begin: float) -> bytes:
    r"""Return an event file.

    Parameters
    ----------
    scalars : iterable of (wall time, step, values by tag)
        Wall times in seconds since 1970.
    begin : float
        Wall time of the first record, which names the version.

    Examples
    --------
    >>> from tinynet.training.event_file import event_file
    >>> data = event_file([(1.0, 1, {"loss": 0.5})], begin=0.0)
    >>> len(data), data[:8]
    (82, b'\x18\x00\x00\x00\x00\x00\x00\x00')
    """
    events = [_field(1, DOUBLE, begin) + _field(3, BYTES, VERSION.encode())]
    for when, step, values in scalars:
        summary = b"".join(
            _field(1, BYTES, _field(1, BYTES, tag.encode()) + _field(2, FLOAT, value))
            for tag, value in values.items()
        )
        head = _field(1, DOUBLE, when) + _field(2, VARINT, step)
        events.append(head + _field(5, BYTES, summary))
    return b"".join(map(_record, events))


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of some bytes (RFC 3720, appendix B.4).

    >>> from tinynet.training.event_file import crc32c
    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    table = _table()
    value = 0xFFFFFFFF
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


@functools.cache
def _table() -> list[int]:
    """Return the CRC of every byte."""
    found = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (POLYNOMIAL if value & 1 else 0)
        found.append(value)
    return found


def _masked(data: bytes) -> bytes:
    value = crc32c(data)
    rotated = (value >> 15) | (value << 17)
    return struct.pack("<I", (rotated + MASK) & 0xFFFFFFFF)


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _field(number: int, kind: int, value: float | bytes) -> bytes:
    """Return one field of a message: its key, then its value."""
    key = _varint(number << 3 | kind)
    if isinstance(value, bytes):
        return key + _varint(len(value)) + value
    if kind == VARINT:
        return key + _varint(int(value))
    return key + struct.pack("<d" if kind == DOUBLE else "<f", value)


def _varint(value: int) -> bytes:
    """Return a number from 0 on in groups of seven bits, the lowest first."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
