"""Fixtures of the tests of weight files."""

import functools

import pytest


@pytest.fixture
def weights_says(tinynet_says):
    """Run `tinynet weights` in this process; return exit code, output and error output."""
    return functools.partial(tinynet_says, "weights")
