"""Duplicate files: a search for equal bytes that reads as little as possible."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from tinynet.data.files import open_regular, unreadable

BEGINNING = 1 << 16  # bytes
Checksum = Callable[[Path], bytes]


def copies_among(paths: Iterable[Path], begins: Checksum) -> dict[Path, bytes]:
    """Return a checksum of every file that has the same bytes as another one.

    A file is opened only if another one has its length, and read to its end only if another one
    begins like it.

    Parameters
    ----------
    paths : files
    begins : returns a checksum of the beginning of a file, see `beginning`
    """
    alike = _repeated(paths, _length)
    alike = _repeated(alike, begins)
    return _repeated(alike, _whole)


def beginning(path: Path) -> bytes:
    """Return a checksum of the length and of the first bytes: equal files have the same."""
    with open_regular(path) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            return hashlib.blake2b(b"%d " % size + file.read(BEGINNING), digest_size=16).digest()
        except OSError as error:
            raise unreadable(path, error) from None


def _whole(path: Path) -> bytes:
    digest = hashlib.blake2b()
    with open_regular(path) as file:
        try:
            while block := file.read(1 << 20):
                digest.update(block)
        except OSError as error:
            raise unreadable(path, error) from None
    return digest.digest()


def _length(path: Path) -> bytes:
    try:
        return b"%d" % path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from None


def _repeated(paths: Iterable[Path], of: Checksum) -> dict[Path, bytes]:
    """Return the checksums `of` files that occur more than once."""
    sums = {path: of(path) for path in paths}
    times = Counter(sums.values())
    return {path: value for path, value in sums.items() if times[value] > 1}
