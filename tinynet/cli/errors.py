"""Errors of users and files, as one sentence each."""

from __future__ import annotations

from tinynet.core.errors import DataError, DeviceError, GraphError, ShapeError
from tinynet.distributed import process_group

USER_ERRORS = (DataError, DeviceError, GraphError, ShapeError, FloatingPointError, OSError)


def leave(error: Exception) -> None:
    """Print an error as one sentence and leave with exit code 1, as one of several ranks too."""
    option = " On the command line: --lr." if isinstance(error, FloatingPointError) else ""
    process_group.default_group.abort(f"Error: {sentence(error)}{option}")


def sentence(error: Exception) -> str:
    """Return an error as one sentence; of an OSError, without its number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
