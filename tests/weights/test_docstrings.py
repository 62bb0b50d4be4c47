"""The examples in the docstrings of weight files."""

import doctest
import importlib

import pytest

MODULES = [
    f"weights.{name}"
    for name in (
        "caffe_text",
        "checkpoint",
        "conventions",
        "file",
        "fit",
        "names",
        "order",
        "protobuf",
        "writing",
    )
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name):
    module = importlib.import_module(f"tinynet.{name}")
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 0
    assert found.failed == 0
