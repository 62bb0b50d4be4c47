"""Docstrings of nn: every public name has an example that runs, every parameter is described."""

import inspect
import types

import pytest

from support.docstrings import examples, undescribed_parameters, without_example
from tinynet import nn


@pytest.mark.parametrize("example", examples(nn), ids=str)
def test_the_examples_in_docstrings_run(example):
    example.run()


def test_every_public_name_has_an_example():
    records = ["LoadResult", "LossOutput"]  # they are shown where they are returned
    assert [name for name in without_example(nn) if name not in records] == []


LAYERS = [thing for name, thing in vars(nn).items() if inspect.isclass(thing)]
LAYERS = [layer for layer in LAYERS if issubclass(layer, nn.Module) and layer is not nn.Module]
WITHOUT_SETTINGS = [layer for layer in LAYERS if layer.__init__ is nn.Module.__init__]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_every_parameter_of_a_layer_is_described(layer):
    if layer not in WITHOUT_SETTINGS:
        assert undescribed_parameters(layer) == []


# the mistakes that the tests above must find


def test_a_wrong_example_is_found():
    module = types.ModuleType("wrong")
    module.__doc__ = "Sum.\n\n>>> 1 + 1\n3\n"
    (example,) = examples(module)
    with pytest.raises(AssertionError, match=r"Expected:\n +3\nGot:\n +2"):
        example.run()


def test_a_missing_example_and_a_missing_parameter_are_found():
    module = types.ModuleType("silent")

    def described(a, b):
        """Add.

        Parameters
        ----------
        a : number
        """

    module.described = described
    module.__all__ = ["described"]
    assert without_example(module) == ["described"]
    assert undescribed_parameters(described) == ["b"]
