"""The examples in the docstrings of the figures."""

import doctest
import importlib

import pytest

FILES = ["architecture", "confusion", "curves", "filters", "flow", "graph", "maps", "responses"]
MODULES = [f"plot.{name}" for name in (*FILES, "live", "predictions", "rates", "tiles", "units")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name):
    module = importlib.import_module(f"tinynet.{name}")
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 0
    assert found.failed == 0
