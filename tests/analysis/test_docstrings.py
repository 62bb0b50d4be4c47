"""The examples in the docstrings of the reports, and of the tables that they are made of."""

import doctest
import importlib

import pytest

MODULES = [
    "analysis.memory",
    "analysis.memory_report",
    "analysis.page",
    "analysis.profile",
    "analysis.summary",
    "analysis.trace",
    "analysis.trace_page",
    "core.atomic_file",
    "core.table",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name):
    module = importlib.import_module(f"tinynet.{name}")
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 0
    assert found.failed == 0
