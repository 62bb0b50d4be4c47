"""Fixtures of the tests of training runs."""

import pytest

from tinynet.training import runs


@pytest.fixture
def no_pictures(monkeypatch):
    """Draw no figures: Matplotlib is slow, and these tests compare numbers."""
    monkeypatch.setattr(runs, "draw", lambda run: None)
