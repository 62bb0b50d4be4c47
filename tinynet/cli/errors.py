"""Error output: a mistake of the user or in a file, as one sentence."""

from __future__ import annotations

from tinynet.core.errors import DataError, DeviceError, GraphError, ShapeError
from tinynet.distributed import process_group
from tinynet.words import message, phrase, spoken

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
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    found = message(error)
    return found if isinstance(found, str) else str(error)
