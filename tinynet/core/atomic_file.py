"""Atomic file replacement: a reader sees the old contents or the new ones, never half of them."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)


def previous(path: Path | str) -> Path:
    """Return where the file before this one is kept.

    Examples
    --------
    >>> previous("run/last.safetensors").name
    'last.previous.safetensors'
    """
    path = Path(path)
    return path.with_suffix(".previous" + path.suffix)


def write_atomically(path: Path | str, data: bytes, *, keep_previous: bool = False) -> None:
    """Replace the contents of a file; at every moment the old or the new contents are complete.

    The data are written to a temporary file beside it, flushed to the disk and renamed.

    Parameters
    ----------
    path : Path or str
    data : bytes
    keep_previous : bool
        Keep the file that was there before as `previous(path)`.

    Raises
    ------
    OSError
        The file could not be written; the message says which earlier file is still complete.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if keep_previous and path.exists():
            os.replace(path, previous(path))
        os.replace(temporary, path)
        flush_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        kept = path if path.is_file() else previous(path)
        whole = f" {kept}, written earlier, is whole." if kept.is_file() else ""
        reason = error.strerror or str(error)
        way_out = " Make room, or write to another disk." if error.errno in FULL else ""
        raise OSError(
            error.errno, f"{path}: could not be written ({reason}).{whole}{way_out}"
        ) from error


def sweep(folder: Path | str) -> None:
    """Remove the temporary files of killed writers; no other process may be writing there."""
    for temporary in Path(folder).glob(".*.tmp"):
        temporary.unlink()


def flush_folder(folder: Path) -> None:
    """Make the rename itself durable: a folder is a file whose contents are names."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows opens no folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
