"""Zip archives from untrusted sources: names and sizes are checked before a member is read.

Nothing is unpacked to the disk; names that could lead out of a folder are refused all the same. The
sizes that an archive claims are compared with the size of the file before anything is read.
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
from tinynet.core.pickles import printable

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
LARGEST_RATIO = 20
LARGE = 1 << 28
"""Decompression bombs: above 256 MiB, an archive may hold at most 20 times its own size."""


@contextlib.contextmanager
def opened(path: Path, file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Open an archive, or raise DataError unless its names, sizes and compression are harmless."""
    try:
        archive = zipfile.ZipFile(file)
    except DAMAGE as error:
        raise DataError(f"{path}: damaged or incomplete: {error}.") from error
    with archive:
        _check(path, archive.infolist(), file.seek(0, 2))
        yield archive


def member(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    """Return the contents of a member; zipfile compares its checksum."""
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
            f"{path}: the members of an archive have different names, and there are "
            f"at most {MEMBERS:,}; here are {len(names):,} with {len(set(names)):,} names."
        )
    for m in members:
        shown = printable(m.filename)
        if m.filename.startswith("/") or "\\" in m.filename or ".." in m.filename.split("/"):
            raise DataError(f"{path}: its member {shown} has a name that leads out of the archive.")
        if m.flag_bits & 1 or m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"{path}: its member {shown} is encrypted or compressed oddly.")
        if m.compress_size > size:  # zipfile would ask for so much memory before it reads
            raise DataError(
                f"{path}: damaged: its member {shown} claims {m.compress_size:,} bytes, more than "
                f"the {size:,} of the file."
            )
    total = sum(m.file_size for m in members)
    stored = sum(m.file_size for m in members if m.compress_type == zipfile.ZIP_STORED)
    if stored > size or total > max(LARGE, LARGEST_RATIO * size):
        raise DataError(
            f"{path}: its members claim {total:,} bytes, far more than its own {size:,} can hold. "
            "Such files are made to fill the memory; it was not read."
        )
