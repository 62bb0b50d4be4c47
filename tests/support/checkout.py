"""Checkout of the repository: its folder, and a mark for tests that need more than the package."""

from pathlib import Path

import pytest

import tinynet

ROOT = Path(tinynet.__file__).parent.parent

needs_lessons = pytest.mark.skipif(not (ROOT / "lessons").is_dir(), reason="not a checkout here")
