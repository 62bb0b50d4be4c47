"""Downloads of known files from mirrors: resumed, checked, and renamed when they are whole.

The bytes of an unfinished download are kept in ``NAME.part``. The process that writes there holds a
lock on it, so two processes never mix their bytes: the second one waits, and finds the file
finished. A process that dies leaves its part, and the next one resumes it. A part gets its real
name after its size and md5 were found right. Another file that had this name becomes NAME.other:
nothing that was there is overwritten.

The mirrors are asked one after another, a little apart, and the first that answers is used. Without
a network none answers, and after `PATIENCE` seconds an error says so.
"""

import contextlib
import dataclasses
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tinynet.core import file_lock
from tinynet.core.atomic_file import flush_folder
from tinynet.core.errors import DataError
from tinynet.data.files import is_there, md5_of, open_regular
from tinynet.words import sentence

if TYPE_CHECKING:
    import requests

Progress = Callable[[str, int, int], None]
"""Called with the file's name, the bytes that are there, and the bytes that will be."""

PATIENCE = 8.0  # seconds until a mirror must have answered
HEAD_START = 1.5  # seconds that each mirror has before the next one is asked too
NO_CONNECTION = "could not be reached"
WAIT = 0.1  # seconds between two questions whether another process still has the part
SILENCE = 30.0  # seconds without a byte after which a mirror is given up


@dataclasses.dataclass(frozen=True)
class Source:
    """A file on the net: its name, size and md5, and the addresses of its copies.

    Where `size_is_sure` is false, the size is only shown, and the md5 alone decides.
    """

    name: str
    size: int
    md5: str
    mirrors: tuple[str, ...]
    size_is_sure: bool = True


class _MirrorError(Exception):
    """A mirror that did not deliver the file, and what it did instead."""


def fetch(source: Source, folder: Path, progress: Progress | None = None) -> Path:
    """Return the path of `source` in `folder`, after downloading it where it is not there.

    A file of its name with other contents is kept as NAME.other.

    Parameters
    ----------
    source : the file
    folder : made if it is not there
    progress : called with each block that arrives

    Raises
    ------
    DataError : if no mirror delivers the file; the bytes that arrived stay for the next try
    """
    path = folder / source.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if is_intact(path, source):
            return path
        with _only_writer(folder / f"{source.name}.part") as part:
            if is_intact(path, source):  # another process was faster
                part.truncate(0)
            else:
                if not _is_complete(part, source):
                    _fill(part, source, folder, progress)
                _finish(part, path)
    except OSError as error:
        raise DataError(
            sentence(
                "{name}: could not be written to {folder}. {reason}. {size:,} bytes are needed; "
                "name another folder, or make room.",
                name=source.name,
                folder=folder,
                reason=error.strerror or error,
                size=source.size,
            )
        ) from None
    return path


def is_intact(path: Path, source: Source) -> bool:
    """Return whether the file is there with the right size and md5."""
    if not is_there(path):
        return False
    with open_regular(path) as file:
        right_size = not source.size_is_sure or _size(file) == source.size
        return right_size and md5_of(file) == source.md5


@contextlib.contextmanager
def _only_writer(path: Path) -> Iterator[BinaryIO]:
    """Open a part for this process alone; wait while another has it. An empty one is removed."""
    while True:
        with open(path, "a+b") as part:
            while not file_lock.acquire(part):
                time.sleep(WAIT)
            # While we waited, the part may have been renamed: then what we locked is no part.
            if _is_called(part, path):
                try:
                    yield part
                finally:
                    if _size(part) == 0:
                        os.unlink(path)
                return


def _is_called(part: BinaryIO, path: Path) -> bool:
    """Return whether the open file is the one that has this name now."""
    try:
        return os.path.samestat(os.fstat(part.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _finish(part: BinaryIO, path: Path) -> None:
    """Give a checked part its name, in a way that a power cut does not undo by half."""
    part.flush()
    os.fsync(part.fileno())
    if is_there(path):
        os.rename(path, _free_name(path))
    os.replace(part.name, path)
    flush_folder(path.parent)


def _free_name(path: Path) -> Path:
    """Return NAME.other, or NAME.other2 and so on where that is taken."""
    names = (path.with_name(f"{path.name}.other{i or ''}") for i in (0, *range(2, 10_000)))
    return next(name for name in names if not is_there(name))


def _fill(part: BinaryIO, source: Source, folder: Path, progress: Progress | None) -> None:
    """Complete the part from the mirrors, or raise DataError with what each of them did."""
    mirrors = list(source.mirrors)
    failures = list[str]()
    furthest = _size(part)
    while mirrors:
        url = ""
        try:
            url, response = _first_answer(mirrors, _size(part))
            with response:
                _append(part, response, source, progress)
            _check(part, source)
        except _MirrorError as failure:
            failures.append(f"{url} {failure}" if url else failure.args[0])
            if not url:
                break
            mirrors.remove(url)
            if _size(part) > furthest:  # it broke off, but it delivers: it is asked again
                furthest = _size(part)
                mirrors.append(url)
        else:
            return
    raise DataError(
        sentence(
            "{name}: no mirror delivered it. {failures}. What arrived is kept for another try; or "
            "put the file into {folder} by other means.",
            name=source.name,
            failures=failures[0] if len(failures) == 1 else "; ".join(failures),
            folder=folder,
        )
    )


def _first_answer(mirrors: list[str], offset: int) -> "tuple[str, requests.Response]":
    """Return the first mirror that answers, and its answer; _MirrorError if none does in time.

    Each is asked in a thread of its own, for the system's search for an address obeys no timeout.
    """
    answers: queue.SimpleQueue[tuple[str, requests.Response | str]] = queue.SimpleQueue()
    deadline = time.monotonic() + PATIENCE
    waiting = list(mirrors)
    refusals = dict[str, str]()
    while len(refusals) < len(mirrors):
        if waiting:
            url = waiting.pop(0)
            threading.Thread(target=_ask, args=(url, offset, answers), daemon=True).start()
        left = deadline - time.monotonic()
        try:
            url, answer = answers.get(timeout=max(0.0, min(left, HEAD_START) if waiting else left))
        except queue.Empty:
            if left > 0 and waiting:
                continue
            break
        if not isinstance(answer, str):
            return url, answer
        refusals[url] = answer
    if set(refusals.values()) <= {NO_CONNECTION}:
        raise _MirrorError(sentence("No server could be reached: there seems to be no network"))
    raise _MirrorError("; ".join(f"{url} {what}" for url, what in refusals.items()))


def _ask(
    url: str, offset: int, answers: "queue.SimpleQueue[tuple[str, requests.Response | str]]"
) -> None:
    """Put the answer of one mirror, or why there is none, in the queue."""
    import requests

    headers = {"Accept-Encoding": "identity", "User-Agent": "tinynet"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=(PATIENCE, SILENCE))
    except requests.RequestException as error:
        unreachable = type(error) in (requests.ConnectionError, requests.ConnectTimeout)
        answers.put((url, NO_CONNECTION if unreachable else f"gave {type(error).__name__}"))
        return
    if response.status_code in (200, 206, 416):
        answers.put((url, response))
    else:
        response.close()
        answers.put((url, f"answered {response.status_code} {response.reason}"))


def _append(
    part: BinaryIO, response: "requests.Response", source: Source, progress: Progress | None
) -> None:
    """Write what a mirror sends to the end of the part, or from its start if the mirror does so."""
    import urllib3

    begins = f"bytes {_size(part)}-"
    most = source.size * (1 if source.size_is_sure else 2)
    if not response.headers.get("Content-Range", "").startswith(begins):
        part.truncate(0)
        if response.status_code != 200:
            raise _MirrorError(f"answered {response.status_code} to a request to go on")
    try:
        for block in response.raw.stream(1 << 16, decode_content=False):
            if _size(part) + len(block) > most:
                part.truncate(0)
                raise _MirrorError(f"sends more than the {most:,} bytes of this file")
            part.write(block)
            part.flush()
            if progress is not None:
                progress(source.name, _size(part), source.size)
    except urllib3.exceptions.HTTPError:
        raise _MirrorError(f"broke off after {_size(part):,} bytes") from None


def _check(part: BinaryIO, source: Source) -> None:
    """Accept the part, or throw its bytes away if they are complete but wrong."""
    if source.size_is_sure and _size(part) < source.size:
        raise _MirrorError(f"stopped at {_size(part):,} of {source.size:,} bytes")
    part.seek(0)
    found = md5_of(part)
    if found != source.md5:
        part.truncate(0)
        raise _MirrorError(f"sent a file with md5 {found}, expected {source.md5}")


def _is_complete(part: BinaryIO, source: Source) -> bool:
    """Return whether all bytes are there already, and only the name is missing."""
    try:
        _check(part, source)
    except _MirrorError:
        return False
    return True


def _size(part: BinaryIO) -> int:
    return os.fstat(part.fileno()).st_size
