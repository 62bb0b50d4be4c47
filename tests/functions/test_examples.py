"""The examples in the docstrings of the engine, the tensors and the functions run as they stand."""

import doctest
import importlib
import pkgutil

import pytest

import tinynet.core
import tinynet.functions
import tinynet.graph_capture
import tinynet.tensors
from tinynet import functions as F
from tinynet.core import random

PACKAGES = (tinynet.core, tinynet.functions)
MODULES = [
    "tinynet.graph_capture",
    "tinynet.tensors",
    *(f"{p.__name__}.{m.name}" for p in PACKAGES for m in pkgutil.iter_modules(p.__path__)),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    with random.fork(0):
        failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_every_function_has_an_example():
    without = {name for name in F.__all__ if ">>>" not in getattr(F, name).__doc__}
    windows = {name for name in F.__all__ if "2d" in name}  # their layers in `nn` have examples
    assert without - windows == set()
