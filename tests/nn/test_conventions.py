"""Arguments as in PyTorch: padding by name, batch norm without scale, losses, channels last."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.core.errors import ShapeError
from tinynet.nn import guidance
from tinynet.testing import check_gradient, check_layer


@pytest.mark.parametrize(
    ("kernel", "dilation", "padding"),
    [
        (3, 1, ((1, 1), (1, 1))),
        (4, 1, ((1, 2), (1, 2))),
        ((5, 2), 1, ((2, 2), (0, 1))),
        (3, (2, 3), ((2, 2), (3, 3))),
        (1, 1, ((0, 0), (0, 0))),
    ],
)
def test_padding_same_keeps_the_size(kernel, dilation, padding):
    conv = nn.Conv2d(2, 3, kernel, padding="same", dilation=dilation)
    assert conv.padding == padding
    assert conv(tn.zeros(1, 2, 9, 8)).shape == (1, 3, 9, 8)


def test_padding_by_other_names():
    assert nn.Conv2d(2, 3, 3, padding="valid").padding == ((0, 0), (0, 0))
    with pytest.raises(ValueError, match='"same" or "valid", not \'full\''):
        nn.Conv2d(2, 3, 3, padding="full")
    with pytest.raises(ValueError, match=r"stride is \(2, 2\)\. .*padding=\(2, 2\)"):
        nn.Conv2d(2, 3, 5, stride=2, padding="same")


@pytest.mark.parametrize("convolve", [lambda m, x: m(x), lambda m, x: m.with_relu(x)])
def test_channels_last_are_recognized(convolve):
    conv = nn.Conv2d(3, 8, 3)
    x = tn.zeros(2, 8, 9, 3)
    with pytest.raises(ShapeError, match=r"3 channels.*\(2, 8, 9, 3\).*x\.transpose\(0, 3, 1, 2\)"):
        convolve(conv, x)
    assert convolve(conv, x.transpose(0, 3, 1, 2)).shape == (2, 8, 6, 7)
    with pytest.raises(ShapeError, match="x has 8 channels"):  # that of the function
        convolve(conv, tn.zeros(2, 8, 9, 9))
    assert convolve(conv, tn.zeros(2, 3, 3, 3)).shape == (2, 8, 1, 1)
    with pytest.raises(ShapeError, match=r"with 4 channels.*x\.transpose"):
        convolve(nn.Conv2d(4, 6, 3, groups=2), tn.zeros(2, 8, 9, 4))


def test_batch_norm_without_scale_and_offset(rng):
    layer = nn.BatchNorm2d(3, affine=False)
    assert layer.parameters() == []
    assert list(layer.state_dict()) == ["running_mean", "running_var"]
    x = rng.standard_normal((4, 3, 2, 5)).astype("f")
    full = nn.BatchNorm2d(3)
    assert np.array_equal(layer(x).data, full(x).data)
    assert np.array_equal(layer.eval()(x).data, full.eval()(x).data)
    assert np.array_equal(nn.Sequential(layer, nn.ReLU())(x).data, np.maximum(full(x).data, 0))
    check_layer(nn.BatchNorm2d(3, affine=False), x.astype(np.float64))


CONSTANTS = {"n": 3, "k": 3.0, "alpha": 0.7, "beta": 0.6}


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (nn.LocalResponseNorm, F.local_response_norm),
        (nn.SpatialResponseNorm, F.spatial_response_norm),
    ],
)
def test_a_normalization_hands_its_constants_to_the_function(layer, function, rng):
    x = tn.tensor(rng.standard_normal((2, 4, 3, 5)))
    assert np.array_equal(layer(**CONSTANTS)(x).data, function(x, **CONSTANTS).data)


def test_losses(rng):
    scores = tn.tensor(rng.standard_normal((4, 3)))
    labels = np.array([0, 1, 2, 1])
    assert nn.CrossEntropyLoss()(scores, labels).item() == F.cross_entropy(scores, labels).item()
    target = rng.standard_normal((4, 3))
    mean = ((scores.data - target) ** 2).mean()
    assert nn.MSELoss()(scores, target).item() == pytest.approx(mean)
    check_gradient(lambda x: nn.MSELoss()(x, target), scores.data)
    assert nn.MSELoss()(tn.zeros(4, 3), target).dtype == np.float32
    with pytest.raises(ShapeError, match=r"\(4, 3\), target \(4,\)"):
        nn.MSELoss()(scores, labels)


def test_softmax_and_identity():
    x = tn.tensor([[0.0, np.log(3)]])
    assert nn.Softmax()(x).data == pytest.approx(np.array([[0.25, 0.75]]))
    assert nn.Softmax(axis=0)(x).data.tolist() == [[1, 1]]
    assert nn.Identity()(x) is x


PYTORCH_ORDER = r"Only n is positional.*n=size, alpha=alpha / size"


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: nn.LocalResponseNorm(5, 1e-4, 0.75, 2), PYTORCH_ORDER),
        (lambda: nn.LocalResponseNorm(size=5, alpha=1e-4, beta=0.75, k=2), PYTORCH_ORDER),
        (lambda: nn.LocalResponseNorm(5, 2.0), PYTORCH_ORDER),
        (lambda: nn.SpatialResponseNorm(5, 1.0), "Only n is positional.*n \\* n times"),
        (lambda: nn.mistakes.KerasPostLRN(5, 2.0), "Only n is positional"),
        (lambda: nn.Dropout(0.5, False), r"Dropout\(p, inverted=False\)"),
        (lambda: nn.Dropout(0.5, inplace=True), "inplace.*leave it out"),
        (lambda: nn.MaxPool2d(3, 2, 0, 1), "no dilation"),
        (lambda: nn.AvgPool2d(3, 2, 0, True), r"AvgPool2d\(kernel_size, stride, padding, ceil"),
        (lambda: nn.Linear(10), r"missing.*out_features.*Linear\(in_features, out_features"),
        (lambda: nn.Linear(2, 3, device="cuda"), r'device.*layer\.to\("cuda"\)'),
        (lambda: nn.Conv2d(32, 3, activation="relu"), r"Conv2d: .*Conv2d\(in_channels"),
        (lambda: nn.ReLU(inplace=True), r"ReLU: it takes no arguments, got inplace=True\. Noth"),
        (lambda: nn.Softmax(dim=1), r"dim.*Softmax\(axis=1\)"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=0.1), "no arguments, got label_smoothing"),
    ],
)
def test_a_call_with_the_arguments_of_another_framework_says_what_to_write(call, match):
    with pytest.raises(TypeError, match=match):
        call()


@pytest.mark.parametrize("name", guidance.LAYERS)
def test_a_name_of_another_framework_says_what_is_here(name):
    with pytest.raises(AttributeError, match=f"no attribute '{name}': .{{20}}"):
        getattr(nn, name)


@pytest.mark.parametrize("name", guidance.METHODS)
def test_a_method_of_another_framework_says_what_is_here(name):
    with pytest.raises(AttributeError, match=rf"'Module' object has no attribute '{name}'\. Here"):
        getattr(nn.Module(), name)


def test_other_names_are_ordinary_attribute_errors():
    with pytest.raises(AttributeError, match=r"^module 'tinynet.nn' has no attribute 'Conv9d'$"):
        _ = nn.Conv9d
    with pytest.raises(AttributeError, match=r"^'ReLU' object has no attribute 'wieght'$"):
        _ = nn.ReLU().wieght
    assert not hasattr(nn.ReLU(), "fit")
