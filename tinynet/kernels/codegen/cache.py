"""On-disk cache of compiled kernels; a damaged or stale file is never run.

Numba has a cache too. It runs old code after an edit of an imported constant or intrinsic, does not
verify the bytes that it loads, and stops the program where no folder can be written. Here the name
of the folder is a digest of everything that the machine code depends on, each file begins with the
digest of its own content, and an error costs a compilation and one warning.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinynet.kernels.codegen import machine_code, target

DIGEST = hashlib.sha256().digest_size
LOADING_TROUBLE = (
    *(ArithmeticError, AttributeError, EOFError, ImportError, LookupError, OSError),
    *(RuntimeError, TypeError, ValueError),
)
troubles: list[str] = []  # errors in this process; a warning reports the first


def _complain(reason: object) -> None:
    """Note an error of the cache and warn of the first one. Kernels work without the cache."""
    if not troubles:
        way_out = "Kernels are compiled anew each time; TINYNET_CACHE can name another folder."
        warnings.warn(f"kernel cache: {reason}. {way_out}", RuntimeWarning, 2)
    troubles.append(str(reason))


def _base() -> Path:
    """Return the folder named by the user, else the usual cache folder of the system."""
    if chosen := os.environ.get("TINYNET_CACHE"):
        return Path(chosen).expanduser()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared, "tinynet")
    return Path("~/.cache/tinynet").expanduser()


def _stamp(options: tuple[tuple[str, Any], ...]) -> str:
    """Return a digest of everything that machine code depends on: sources, versions, CPU, flags."""
    import llvmlite

    versions = target.version(), llvmlite.__version__, sys.version
    digest = hashlib.sha256(repr((target.host(), versions, options)).encode())
    root = Path(__file__).parents[1]
    for file in sorted(root.rglob("*.py")):
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:24]


def _is_private(path: Path) -> bool:
    """Return whether only this user can write there."""
    status = path.stat()
    if not hasattr(os, "getuid"):  # Windows, where a user's own folder is closed to others
        return True
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def private(*names: str) -> Path | None:
    """Return a folder in the cache that only this user can write to; None, with a warning, if none.

    Files in it are executed.
    """
    try:
        path = _base().joinpath(*names)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            is_private = _is_private(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        _complain(error)
        return None
    if not is_private:
        _complain(f"others may write to {path}")
    return path if is_private else None


@functools.cache
def folder(options: tuple[tuple[str, Any], ...]) -> Path | None:
    """Return the folder of this build, or None."""
    return private("kernels", _stamp(options))


class Cache:
    """The file of one kernel."""

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        self.name = name
        self.folder = folder(tuple(sorted(options.items())))

    def load(self, function: Callable[..., None]) -> Callable[..., None] | None:
        """Return the compiled kernel, or None if it must be compiled."""
        content = self._read()
        if content is None:
            return None
        try:
            found = machine_code.from_bytes(content)
            return machine_code.load(found, function.__name__, function.__module__)
        except LOADING_TROUBLE as error:  # intact, but not written by this Numba
            _complain(f"{self.name}: {error!r}")
            return None

    def save(self, result: Any) -> None:
        """Write a kernel that Numba has compiled, for later processes."""
        found = machine_code.of(result)
        if self.folder is None or found is None:
            return
        content = found.to_bytes()
        try:
            self._write(self.folder, hashlib.sha256(content).digest() + content)
        except OSError as error:
            _complain(error)

    def _read(self) -> bytes | None:
        """Return the content of the file if it exists and its digest is correct."""
        if self.folder is None:
            return None
        try:
            data = (self.folder / self.name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            _complain(error)
            return None
        if hashlib.sha256(data[DIGEST:]).digest() == data[:DIGEST]:
            return data[DIGEST:]
        _complain(f"{self.folder / self.name} is damaged")
        return None

    def _write(self, folder: Path, data: bytes) -> None:
        """Write the file atomically, also when several processes do so at once."""
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            try:
                file.write(data)
                file.close()
                Path(file.name).replace(folder / self.name)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
                raise
