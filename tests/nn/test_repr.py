"""Printed form of modules, and the settings that layers keep."""

import numpy as np
import pytest

from tinynet import models, nn
from tinynet.nn.mistakes import KerasPostLRN

LINES = [  # a layer prints the call that makes it, without what is the default
    "Conv2d(3, 16, kernel_size=(5, 5), padding=(2, 2))",
    "Conv2d(4, 8, kernel_size=(3, 1), stride=(2, 1), padding=((0, 1), (2, 3)), dilation=(1, 2), "
    "groups=2, bias=False)",
    "Linear(in_features=4, out_features=3)",
    "Linear(in_features=4, out_features=3, bias=False)",
    "LocallyConnected2d(3, 4, size=(6, 5), kernel_size=(3, 3), stride=(2, 1), padding=(1, 1))",
    "MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)",
    "MaxPool2d(kernel_size=(3, 2), padding=1)",
    "AvgPool2d(kernel_size=2, count_include_pad=False)",
    "AdaptiveAvgPool2d(output_size=(6, 6))",
    "GlobalAvgPool2d()",
    "LocalResponseNorm(n=5, k=2.0, alpha=0.0001, beta=0.75)",
    "LocalResponseNorm(n=3, k=1.0, alpha=0.1, beta=0.5, groups=2)",
    "SpatialResponseNorm(n=5, k=1.0, alpha=4e-05, beta=0.75)",
    "BatchNorm2d(8)",
    "BatchNorm2d(8, eps=0.001, momentum=0.01, affine=False)",
    "Dropout(p=0.5)",
    "Dropout(p=0.2, inverted=False)",
    "Softmax(axis=1)",
    "Subsample(stride=2, new_channels=16)",
    "Flatten()",
    "Identity()",
]


@pytest.mark.parametrize("line", LINES)
def test_a_layer_prints_the_call_that_makes_it(line):
    assert repr(eval(f"nn.{line}")) == line


def test_the_published_mistake_prints_its_constants():
    assert repr(KerasPostLRN(3)) == "KerasPostLRN(n=3, k=2.0, alpha=0.0001, beta=0.75)"


def test_a_network_prints_its_layers_by_name():
    class Net(nn.Module):
        def __init__(self):
            self.features = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
            self.towers = [nn.Linear(4, 2), nn.Linear(4, 2)]
            self.by_name = {"norm": nn.BatchNorm2d(4)}
            self.settings = {"width": 4}

        def extra_repr(self):
            return "width=4"

    assert repr(Net()).split("\n") == [
        "Net(",
        "  width=4",
        "  (features): Sequential(",
        "    (0): Conv2d(3, 4, kernel_size=(1, 1))",
        "    (1): ReLU()",
        "  )",
        "  (towers.0): Linear(in_features=4, out_features=2)",
        "  (towers.1): Linear(in_features=4, out_features=2)",
        "  (by_name.norm): BatchNorm2d(4)",
        ")",
    ]


@pytest.mark.parametrize("name", ["demo", "alexnet", "small-alexnet-two-towers", "densenet-121"])
def test_every_layer_of_a_model_is_in_its_print(name):
    with nn.init.skip_init():
        model = models.build(name, 10)
    assert repr(model).count("): ") == sum(1 for _ in model.named_modules()) - 1


def test_a_module_that_holds_its_owner_prints_it_as_dots():
    model = nn.Sequential(nn.Linear(2, 3))
    model[0].owner = model
    assert repr(model).split("\n")[1:4] == [
        "  (0): Linear(",
        "    in_features=2, out_features=3",
        "    (owner): ...",
    ]


KEPT = [
    (lambda: nn.Conv2d(4, 8, 3, stride=2, padding=1, dilation=2, groups=2), "in_channels", 4),
    (lambda: nn.Conv2d(4, 8, 3), "out_channels", 8),
    (lambda: nn.Conv2d(4, 8, 3), "kernel_size", (3, 3)),
    (lambda: nn.Conv2d(4, 8, 3, stride=2), "stride", (2, 2)),
    (lambda: nn.Conv2d(4, 8, 3, padding=1), "padding", ((1, 1), (1, 1))),
    (lambda: nn.Conv2d(4, 8, 3, dilation=2), "dilation", (2, 2)),
    (lambda: nn.Conv2d(4, 8, 3, groups=2), "groups", 2),
    (lambda: nn.Linear(4, 3), "in_features", 4),
    (lambda: nn.Linear(4, 3), "out_features", 3),
    (lambda: nn.BatchNorm2d(4), "num_features", 4),
    (lambda: nn.LocallyConnected2d(3, 4, 6, 3), "size", (6, 6)),
    (lambda: nn.LocallyConnected2d(3, 4, 6, 3), "in_channels", 3),
]


@pytest.mark.parametrize(("make", "name", "value"), KEPT)
def test_a_layer_keeps_what_it_was_given(make, name, value):
    assert getattr(make(), name) == value


def test_what_a_layer_keeps_is_no_part_of_its_state():
    assert list(nn.Conv2d(3, 4, 1).state_dict()) == ["weight", "bias"]
    assert all(np.asarray(v).size for v in nn.BatchNorm2d(4).state_dict().values())
