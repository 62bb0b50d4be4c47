"""Examples in the docstrings of models, distributed training and presets run as they are shown."""

import doctest
import importlib
import pkgutil

import pytest

from tinynet import distributed, models

PACKAGES = [
    f"{package.__name__}.{module.name}"
    for package in (models, distributed)
    for module in pkgutil.iter_modules(package.__path__)
]
MODULES = ["tinynet.models", *PACKAGES, "tinynet.training.presets", "tinynet.analysis.compare"]
WITH_EXAMPLES = {
    "tinynet.models": ["build", "entry", "names", "variants", "two_tower_form"],
    "tinynet.models.alexnet": ["AlexNet"],
    "tinynet.models.two_towers": ["TwoTowers"],
    "tinynet.models.googlenet": ["GoogLeNet"],
    "tinynet.models.resnet": ["ResNet", "cifar_resnet"],
    "tinynet.models.densenet": ["DenseNet"],
    "tinynet.models.vgg": ["VGG"],
    "tinynet.distributed.model_parallel": ["scatter_channels", "gather_channels"],
    "tinynet.distributed.data_parallel": ["rank_slice"],
}


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_show(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.failed == 0


@pytest.mark.parametrize(("module", "names"), WITH_EXAMPLES.items())
def test_what_a_user_calls_has_an_example(module, names):
    for name in names:
        assert ">>>" in getattr(importlib.import_module(module), name).__doc__, name
