"""A trained net asked about single pictures."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tinynet import nn
from tinynet.core.errors import DataError
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


def test_a_large_picture_is_read_without_a_warning(tmp_path, monkeypatch, recwarn):
    Image.fromarray(np.zeros((50, 80), np.uint8)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    assert predict.read_image(presets.find("demo"), tmp_path / "x.png").shape == (3, 32, 32)
    assert not recwarn.list


def test_classes_in_another_order_are_other_classes_and_of_many_a_few_are_named():
    net = SimpleNamespace(classes=("a", "b"), recipe=presets.find("demo"))
    predict.refuse_other_classes(net, SimpleNamespace(classes=["a", "b"]))
    with pytest.raises(DataError, match=r"the 2 that .* differ: another order"):
        predict.refuse_other_classes(net, SimpleNamespace(classes=("b", "a")))
    with pytest.raises(DataError, match="differ: c, d, e, f, g and 2 more new; a, b missing"):
        predict.refuse_other_classes(net, SimpleNamespace(classes=tuple("cdefghi")))
