"""The examples in the docstrings of `data`, run as they stand."""

import doctest
import importlib
import pkgutil

import pytest

from tinynet import data

MODULES = [name for _, name, _ in pkgutil.walk_packages(data.__path__, "tinynet.data.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    module = importlib.import_module(name)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.testmod(module, optionflags=flags).failed == 0


def test_the_classes_that_users_name_have_examples():
    for thing in (
        data.ArrayDataset,
        data.Compose,
        data.DataLoader,
        data.Dataset,
        data.Normalize,
        data.RandomCrop,
        data.RandomHorizontalFlip,
        data.Shapes,
        data.Subset,
        data.Transform,
    ):
        assert ">>>" in thing.__doc__, thing
