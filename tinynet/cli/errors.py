"""Error output: a mistake of the user or in a file, as one sentence."""

from __future__ import annotations

from tinynet import words
from tinynet.core.errors import DataError, DeviceError, GraphError, ShapeError
from tinynet.distributed import process_group
from tinynet.words import message, phrase, spoken

OF_THE_SYSTEM = (  # frequent ones, which have a translation
    "No such file or directory",
    "Permission denied",
    "No space left on device",
    "Is a directory",
    "Not a directory",
    "Read-only file system",
)
USER_ERRORS = (DataError, DeviceError, GraphError, ShapeError, FloatingPointError, OSError)


def leave(error: Exception) -> None:
    """Print an error as one sentence and exit with code 1; several ranks end together."""
    told = spoken(sentence(error))
    if isinstance(error, FloatingPointError):
        told = phrase("{error} On the command line: --lr.", error=told)
    process_group.default_group.abort(phrase("Error: {message}", message=told))


def sentence(error: Exception) -> str:
    """Return an error as one English sentence; an OSError without its number."""
    if isinstance(error, OSError) and error.strerror:
        why = words.sentence(error.strerror)
        if not error.filename:
            return why
        return words.sentence("{path}: {why}", path=error.filename, why=why)
    found = message(error)
    return found if isinstance(found, str) else str(error)
