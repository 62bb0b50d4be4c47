"""The examples in the docstrings of the pages."""

import doctest
import importlib

import pytest

MODULES = ["reports.charts", "reports.html", "training.repeat", "training.run_list"]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name):
    module = importlib.import_module(f"tinynet.{name}")
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 0
    assert found.failed == 0
