"""A trained net asked about single pictures."""

import numpy as np
import pytest
from PIL import Image

from tinynet import nn
from tinynet.data import Normalize
from tinynet.training import predict, presets


def test_the_most_probable_class_is_first_and_no_name_is_a_command_to_a_terminal(tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "x.png")
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 3))
    model[1].weight.data[:] = 0
    model[1].bias.data[:] = np.log([0.25, 0.625, 0.125])
    normalize = Normalize(0, 1, scale=1)
    classes = ("cat", "\x1b[31mdog\n", "eel")
    net = predict.TrainedModel(model, presets.find("demo"), normalize, classes)
    names, shares = zip(*predict.classify(net, tmp_path / "x.png"), strict=True)
    assert names == (r"\x1b[31mdog\n", "cat", "eel")
    assert shares == pytest.approx([0.625, 0.25, 0.125])
