"""Fixtures of the tests of training runs."""

import pytest

from tinynet.training import runs


@pytest.fixture
def no_pictures(monkeypatch):
    """Matplotlib is slow, and what these tests look at is not in the pictures."""
    monkeypatch.setattr(runs, "draw", lambda run: None)
