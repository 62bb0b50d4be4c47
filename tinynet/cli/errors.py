"""Error output: a mistake of the user or in a file, as one sentence."""

from __future__ import annotations

from tinynet.core.errors import DataError, DeviceError, GraphError, ShapeError
from tinynet.distributed import process_group

USER_ERRORS = (DataError, DeviceError, GraphError, ShapeError, FloatingPointError, OSError)


def leave(error: Exception) -> None:
    """Print an error as one sentence and exit with code 1; several ranks end together."""
    option = " On the command line: --lr." if isinstance(error, FloatingPointError) else ""
    process_group.default_group.abort(f"Error: {sentence(error)}{option}")


def sentence(error: Exception) -> str:
    """Return an error as one sentence; an OSError without its number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
