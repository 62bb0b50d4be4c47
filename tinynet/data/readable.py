"""Readable images: every file of a folder is decoded once, before the folder is used.

A file that cannot be decoded is found before the images are divided into parts. So it changes
nothing: neither the parts of the other images nor the fingerprint of a run, whether it stays or is
removed. What was decoded is remembered by name, length and time of the last change, in memory and
in a file of the user's cache, eight bytes an image; so a folder is decoded once, not by each
command. A file that is damaged later, during a run, is an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from tinynet.core import processors
from tinynet.core.atomic_file import write_atomically
from tinynet.data.image_files import why_unreadable

BYTES = 8  # of a checksum
_decoded: dict[bytes, str] = {}  # by this process: why a file cannot be read, or nothing
_trusted = True  # what earlier processes kept


def unreadable(root: Path, paths: Iterable[Path]) -> dict[Path, str]:
    """Return the files that cannot be decoded, in their order, and why.

    Parameters
    ----------
    root : the folder, by which results are kept
    paths : image files in it
    """
    kept = _kept(root)
    sums = {path: _checksum(path) for path in paths}
    unknown = [p for p, value in sums.items() if value not in _decoded and value not in kept]
    _decoded.update(zip([sums[path] for path in unknown], _decode(unknown), strict=True))
    reasons = {path: _decoded.get(value, "") for path, value in sums.items()}
    good = {value for path, value in sums.items() if not reasons[path]}
    if not good <= kept:
        _keep(root, good)
    return {path: why for path, why in reasons.items() if why}


@contextlib.contextmanager
def anew() -> Iterator[None]:
    """Inside the block, trust nothing that was kept: files are decoded anew, once each."""
    global _trusted
    before = _trusted
    _trusted = False
    _decoded.clear()
    try:
        yield
    finally:
        _trusted = before


def _decode(paths: list[Path]) -> list[str]:
    """Return for each file why it cannot be decoded, or nothing."""
    from concurrent.futures import ThreadPoolExecutor

    if not paths:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they come again when a file is used
        with ThreadPoolExecutor(processors.available(), "tinynet-readable") as pool:
            return list(pool.map(why_unreadable, paths))


def _checksum(path: Path) -> bytes:
    """Return a checksum of the name, the length and the time of the last change."""
    try:
        found = path.stat()
    except OSError:
        return os.fsencode(path.absolute())
    text = b"%s\0%d\0%d" % (os.fsencode(path.absolute()), found.st_size, found.st_mtime_ns)
    return hashlib.blake2b(text, digest_size=BYTES).digest()


def _place(root: Path) -> Path:
    """Return the file of the cache for a folder."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    cache = os.environ.get("TINYNET_CACHE") or f"{home}/tinynet"
    name = hashlib.blake2b(os.fsencode(root.absolute()), digest_size=BYTES).hexdigest()
    return Path(cache).expanduser() / "images" / name


def _kept(root: Path) -> set[bytes]:
    if not _trusted:
        return set()
    try:
        content = _place(root).read_bytes()
    except OSError:
        return set()
    return {content[i : i + BYTES] for i in range(0, len(content), BYTES)}


def _keep(root: Path, good: set[bytes]) -> None:
    """Write the checksums of decoded files; without a cache they are decoded again next time."""
    place = _place(root)
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, b"".join(sorted(good)))
