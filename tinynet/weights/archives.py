"""Zip archives that nobody vouches for: members are looked at before they are read.

Nothing is unpacked to the disk, so a name is only ever a name; names that could lead out of a
folder are refused all the same. What an archive says of its sizes is compared with the size of
the file before anything is read.
"""

from __future__ import annotations

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tinynet.core.errors import DataError
from tinynet.weights.pickles import printable

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    NotImplementedError,
    ValueError,
    OverflowError,
    OSError,
)
MEMBERS = 100_000
SWELL = 20
SWELL_FROM = 1 << 28
"""A compressed archive may not hold over 20 times its size, once that is over 256 MiB."""


@contextlib.contextmanager
def opened(path: Path, file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Open an archive whose members are harmless by name, unencrypted and of credible size."""
    try:
        archive = zipfile.ZipFile(file)
    except DAMAGE as error:
        raise DataError(f"{path}: damaged or incomplete: {error}.") from error
    with archive:
        _check(path, archive.infolist(), file.seek(0, 2))
        yield archive


def member(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    """Return the contents of a member, whose checksum zipfile compares."""
    try:
        return archive.read(name)
    except KeyError:
        raise DataError(f"{path}: incomplete: its member {printable(name)} is missing.") from None
    except DAMAGE as error:
        raise DataError(
            f"{path}: damaged: its member {printable(name)} cannot be read ({error})."
        ) from error


def _check(path: Path, members: list[zipfile.ZipInfo], size: int) -> None:
    names = [m.filename for m in members]
    if len(names) > MEMBERS or len(set(names)) < len(names):
        raise DataError(
            f"{path}: each member of an archive of weights has a name of its own, and there are "
            f"at most {MEMBERS:,}; here are {len(names):,} with {len(set(names)):,} names."
        )
    for m in members:
        if m.filename.startswith("/") or "\\" in m.filename or ".." in m.filename.split("/"):
            raise DataError(
                f"{path}: its member {printable(m.filename)} has a name that leads elsewhere."
            )
        if m.flag_bits & 1 or m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(
                f"{path}: its member {printable(m.filename)} is encrypted or oddly compressed."
            )
    total = sum(m.file_size for m in members)
    stored = sum(m.file_size for m in members if m.compress_type == zipfile.ZIP_STORED)
    if stored > size or total > max(SWELL_FROM, SWELL * size):
        raise DataError(
            f"{path}: its members claim {total:,} bytes, far more than its own {size:,} can hold. "
            "Such files are made to fill a memory; it was not read."
        )
