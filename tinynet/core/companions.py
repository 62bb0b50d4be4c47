"""Folders that come with the package and stand beside it: lessons, results of the claims."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

from tinynet.core.extras import DISTRIBUTION

PACKAGE = Path(__file__).parents[1]


def folder(name: str) -> Path | None:
    """Return a folder by its path in the checkout: there, or where pip installed its files.

    Returns
    -------
    Path or None
        None where it is in neither place.

    Examples
    --------
    >>> from tinynet.core import companions
    >>> companions.folder("no/such/folder") is None
    True
    """
    clone = PACKAGE.parent
    if (clone / "setup.cfg").exists() and (clone / name).is_dir():
        return clone / name
    try:
        files = importlib.metadata.files(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if re.search(rf"share/tinynet/{re.escape(name)}/[^/]+$", str(file)):
            return Path(str(file.locate())).resolve().parent
    return None
