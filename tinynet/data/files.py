"""Files of unknown origin: opened without hanging, read without trusting their size."""

import contextlib
import errno
import hashlib
import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tinynet.core.errors import DataError
from tinynet.words import Sentence, sentence

# Windows has no O_NONBLOCK, and opens files as text without O_BINARY.
AS_BYTES = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


ARCHIVES = {  # the module of Python that unpacks them
    ".zip": "zipfile",
    **dict.fromkeys((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"), "tarfile"),
}


class DamagedError(DataError):
    """A file whose contents are not what they should be; the data set adds the way out."""


@contextlib.contextmanager
def with_way_out(fetch: str) -> Iterator[None]:
    """Add to errors about damaged files how the originals are fetched, see `fetching`."""
    try:
        yield
    except DamagedError as error:
        raise DataError(
            sentence(
                "{error} Move damaged files away, then fetch the originals: {fetch}.",
                error=error,
                fetch=fetch,
            )
        ) from error


def unpacking(path: str | Path) -> Sentence | None:
    """Return that a file is an archive, and how to unpack it; None if it is none, by its name.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "cats.zip")
    ...     file.touch()
    ...     print(unpacking(file).replace(folder, "photos").split("`")[1])
    python -m zipfile -e photos/cats.zip photos/cats
    """
    path = Path(path)
    suffix = max((s for s in ARCHIVES if path.name.lower().endswith(s)), key=len, default="")
    if not suffix or not path.is_file():
        return None
    folder = path.with_name(path.name[: -len(suffix)])
    files = f"{shlex.quote(str(path))} {shlex.quote(str(folder))}"
    return sentence(
        "{path} is an archive; images are read from a folder. Unpack it: `{command}`, then name "
        "the folder {folder}.",
        path=path,
        command=f"python -m {ARCHIVES[suffix]} -e {files}",
        folder=folder,
    )


def fetching(name: str, call: str, root: str | Path | None) -> Sentence:
    """Return how the original files of a data set are fetched to `root`.

    Parameters
    ----------
    name : of the catalog
    call : the Python call, with {} for the folder and what follows it
    root : as it was given; None: the default folder

    Examples
    --------
    >>> fetching("mnist", "tn.data.MNIST({}download=True)", "files")
    "`tinynet data get mnist --data-dir files`, in Python tn.data.MNIST('files', download=True)"
    """
    command = f"tinynet data get {name}"
    place = ""
    if root is not None:
        folder = Path(root).parent if Path(root).is_file() else Path(root)
        command = f"{command} --data-dir {shlex.quote(str(folder))}"
        place = f"{str(folder)!r}, "
    return sentence("`{command}`, in Python {call}", command=command, call=call.format(place))


def default_root() -> Path:
    """Return the folder for data sets: $TINYNET_DATA, or tinynet/data in the user's cache."""
    if named := os.environ.get("TINYNET_DATA"):
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "tinynet" / "data"


def folder_of(root: str | Path | None) -> Path:
    """Return the folder that `root` names, None: the default one; ~ is the user's home."""
    return default_root() if root is None else Path(os.path.expanduser(root))


def is_there(path: Path) -> bool:
    """Return whether the path exists; a DataError says that the system refuses to tell."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unreadable(path, error) from None
    return True


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; a folder, a pipe or a device is a DataError.

    Opening a pipe waits for its writer, and reading one may never end. So the file is opened
    without waiting, and looked at before the first byte is read.
    """
    try:
        file = os.fdopen(os.open(path, AS_BYTES, 0), "rb")
    except IsADirectoryError:
        raise _not_regular(path, "a folder") from None
    except OSError as error:
        raise unreadable(path, error) from None
    mode = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(mode):
        file.close()
        raise _not_regular(path, "a pipe" if stat.S_ISFIFO(mode) else "a device")
    return file


def md5_of(file: BinaryIO) -> str:
    """Return the md5 of the rest of a file, as hexadecimal digits."""
    digest = hashlib.md5(usedforsecurity=False)  # the sum that the data sets' authors publish
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def unreadable(path: Path, error: OSError) -> DataError:
    """Return the DataError for a file that the system refuses to open or to read."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return DataError(sentence("{path}: there is no file of this name.", path=path))
    if error.errno in (errno.EACCES, errno.EPERM):
        hint = f"Allow it with: chmod u+r {path}"
    else:
        hint = "Check the disk, or fetch the file again."
    return DataError(f"{path}: a data file must be readable. {error.strerror or error}. {hint}")


def _not_regular(path: Path, kind: str) -> DataError:
    return DataError(
        f"{path}: a data file must be a regular file. This is {kind}. Move it away, or name "
        "another folder."
    )
