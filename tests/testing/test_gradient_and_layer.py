"""check_gradient and check_layer find wrong derivatives and bad manners of layers."""

import numpy as np
import pytest

import tinynet as tn
from testing.planted import (
    X,
    backward_that,
    lrn_with,
    side_by_side_pool,
    text_of,
)
from tinynet import functions as F
from tinynet import kernels, nn
from tinynet.functions.dropout import Dropout
from tinynet.functions.norm import BatchNorm
from tinynet.functions.pool import MaxPool2d
from tinynet.kernels.geometry import Geometry
from tinynet.testing import check_gradient, check_layer
from tinynet.testing.gradient import MINUTE


def one_element(op, gy, gx):
    gx = gx.copy()
    gx[1, 2, 3, 4] *= 1.01
    return gx


GRADIENTS = {
    "sign": (lambda op, gy, gx: -gx, "Each is -1 times what it should be: the sign is flipped"),
    "factor": (lambda op, gy, gx: 2 * gx, "Each is 2 times what it should be"),
    "nearly": (lambda op, gy, gx: 1.0002 * gx, "All are nearly right"),
    "zero": (lambda op, gy, gx: 0 * gx, "They are 0"),
    "cross term": (lambda op, gy, gx: gy * op.saved[2] ** -0.75, "240 of 240 elements"),
    "one element": (one_element, "1 of 240 elements are wrong, all at n = 1, c = 2, h = 3, w = 4"),
    "one channel": (lambda op, gy, gx: gx * (np.arange(6) != 5)[:, None, None], "all at c = 5"),
    "shifted": (lambda op, gy, gx: np.roll(gx, 1, axis=1), "in the wrong place"),
}


@pytest.mark.parametrize("judge", [check_gradient, check_layer])
@pytest.mark.parametrize(("backward", "complaint"), GRADIENTS.values(), ids=GRADIENTS)
def test_a_wrong_backward_is_found_and_described(judge, backward, complaint):
    text = text_of(judge, lrn_with(backward), X)
    assert text.startswith(f"{judge.__name__}: my_lrn: the gradient of input 0 is not the slope")
    assert complaint in text


def test_a_right_backward_is_accepted():
    check_gradient(lrn_with(lambda op, gy, gx: gx), X)
    check_layer(lrn_with(lambda op, gy, gx: gx), X)


def test_a_missing_term_is_found_even_at_the_papers_alpha():
    wrong = lrn_with(lambda op, gy, gx: gy * op.saved[2] ** -0.75, alpha=1e-4)
    assert "is not the slope" in text_of(check_gradient, wrong, X)


def test_in_a_large_array_one_wrong_element_is_hunted_down():
    x = np.random.default_rng(0).standard_normal((4, 6, 16, 16))
    text = text_of(check_gradient, lrn_with(one_element), x)
    assert "one wrong element of 6144 is [n=1, c=2, h=3, w=4]" in text


def test_the_wrong_one_of_several_inputs_is_named():
    class Wrong(tn.Function):
        def forward(self, a, b):
            self.saved = a, b
            return a * b

        def backward(self, gy):
            _, b = self.saved
            return gy * b, gy * b

    text = text_of(check_gradient, Wrong(), *np.random.default_rng(0).standard_normal((2, 3)))
    assert "the gradient of input 1" in text


def test_the_wrong_parameter_is_named():
    class Scale(nn.Module):
        def __init__(self):
            self.towers = [nn.Parameter(np.ones(1, "f")), nn.Parameter(np.ones(1, "f"))]

        def forward(self, x):
            return x * self.towers[0] + self.towers[1].detach() * self.towers[1] * x

    layer = Scale()
    assert "the gradient of towers.1" in text_of(check_layer, layer, X)
    assert [p.dtype for p in layer.parameters()] == [np.float32, np.float32]


def grows_gy(self, gy):
    gy *= 3
    return gy


class NeverConnected(nn.Module):
    def forward(self, x):
        return tn.tensor(x.data * 2)


class ChangesItsInput(nn.Module):
    def forward(self, x):
        x.data *= 2
        return x * 1


class NotRepeatable(nn.Module):
    calls = 0

    def forward(self, x):
        NotRepeatable.calls += 1
        return x * NotRepeatable.calls


class AlwaysDouble(nn.Module):
    def forward(self, x):
        return x * tn.tensor(np.ones(1))


class BatchOfTwo(nn.Module):
    def forward(self, x):
        return 2 * x + 0 * x[1]


class MixesTheBatch(nn.Module):
    def forward(self, x):
        return F.concatenate([x[:1], x[:1]], 0) * 2


class TrustsMemory(tn.Function):
    def forward(self, x):
        return 2 * np.lib.stride_tricks.as_strided(x, (x.size,), (x.itemsize,)).reshape(x.shape)

    def backward(self, gy):
        return 2 * gy


class Overflows(nn.Module):
    def forward(self, x):
        return x * np.inf


LAYERS = {
    "gy changed": (lambda x: backward_that(grows_gy)()(x), "backward changed gy"),
    "no gradient": (lambda x: backward_that(lambda self, gy: None)()(x), "no gradient reached"),
    "nan": (lambda x: backward_that(lambda self, gy: gy * np.nan)()(x), "240 of 240"),
    "not connected": (NeverConnected(), "not connected"),
    "input changed": (ChangesItsInput(), "changed its input 0 in place"),
    "not repeatable": (NotRepeatable(), "the second time"),
    "dtype": (AlwaysDouble(), "inputs are float32, but the output is float64"),
    "batch of one": (BatchOfTwo(), "for a batch of 1 it fails"),
    "batch mixed": (MixesTheBatch(), "for a batch of 1 the output is (2, 6, 4, 5)"),
    "memory order": (lambda x: TrustsMemory()(x), "channels last in memory"),
    "infinite": (Overflows(), "240 of 240 elements of the output are NaN or infinite"),
    "no tensor": (lambda x: x.data, "must return a Tensor"),
}


@pytest.mark.parametrize(("layer", "complaint"), LAYERS.values(), ids=LAYERS)
def test_check_layer_looks_at_manners_too(layer, complaint):
    assert complaint in text_of(check_layer, layer, X)


@pytest.mark.filterwarnings("ignore")
def test_float32_is_held_against_float64():
    class Rough(tn.Function):
        def forward(self, x):
            return 3 * (x.astype(np.float16).astype(x.dtype) if x.dtype == np.float32 else x)

        def backward(self, gy):
            return 3 * gy

    assert "in float32, against float64" in text_of(check_layer, lambda x: Rough()(x), X)


def consistent_narrow_lrn(x):
    """Window off by one in forward and, by composition, in backward alike."""
    squares = F.pad(x * x, [(0, 0), (2, 1), (0, 0), (0, 0)])
    total = squares[:, 0:6] + squares[:, 1:7] + squares[:, 2:8] + squares[:, 3:9] * 0
    return x * (total * 1.0 + 2.0) ** -0.75


def test_a_consistently_wrong_lrn_is_found_against_the_right_one():
    check_layer(consistent_narrow_lrn, X)  # its gradients are right: it is another kind of layer
    text = text_of(
        check_layer,
        consistent_narrow_lrn,
        X,
        against=lambda x: F.local_response_norm(x, alpha=1.0),
    )
    assert "consistent_narrow_lrn: it is not <lambda>: its output differs: 200 of 240" in text
    assert "Worst at [n=" in text


BATTERY = {
    "Conv2d": lambda: nn.Conv2d(6, 4, (3, 2), stride=(2, 1), padding=(1, 0), groups=2),
    "LocalResponseNorm": lambda: nn.LocalResponseNorm(alpha=1.0),
    "MaxPool2d": lambda: nn.MaxPool2d(3, 2, ceil_mode=True),
    "AvgPool2d": lambda: nn.AvgPool2d((3, 2), 1, padding=(1, 0)),
    "BatchNorm2d": lambda: nn.BatchNorm2d(6),
    "BatchNorm2d, evaluation": lambda: nn.BatchNorm2d(6).eval(),
    "Dropout": lambda: nn.Dropout(0.4),
    "GlobalAvgPool2d": nn.GlobalAvgPool2d,
    "Linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(120, 3)),
    "ReLU": nn.ReLU,
    "Tanh": nn.Tanh,
    "Sigmoid": nn.Sigmoid,
}


@pytest.mark.parametrize("make", BATTERY.values(), ids=BATTERY)
def test_check_layer_accepts_our_layers_and_leaves_them_as_they_were(make):
    layer = make()
    before = layer.state_dict()
    gradients = [p.grad for p in layer.parameters()]
    check_layer(layer, X)
    after = layer.state_dict()
    assert all(before[k].tobytes() == after[k].tobytes() for k in before)
    assert [p.grad for p in layer.parameters()] == gradients


class LosesAShortcut(nn.Module):
    """Two layers, and around them a shortcut whose gradient may be lost."""

    def __init__(self, lost):
        tn.seed(0)
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.lost = lost

    def forward(self, x):
        y = F.tanh(self.first(x))
        return F.tanh(self.second(y)) + (y.detach() if self.lost else y)


def test_a_network_is_judged_along_one_direction_of_everything_and_the_last_wrong_array_is_named():
    x = np.random.default_rng(0).standard_normal((3, 4))
    check_gradient(LosesAShortcut(False), x, together=True)
    text = text_of(check_gradient, LosesAShortcut(True), x, together=True)
    assert "the gradient of first.bias is not the slope of forward: along a random" in text


def test_one_direction_asks_forward_so_often_however_many_arrays_there_are():
    calls = []

    def net(*xs):
        calls.append(xs)
        return F.tanh(F.concatenate(list(xs), 0))

    check_gradient(net, *np.random.default_rng(0).standard_normal((9, 2, 3)), together=True)
    assert len(calls) == 3 + 1 + 2 * len(MINUTE)


def test_together_too_a_kink_is_explained():
    x = X.copy()
    x[0, 0, 0, 0] = 0
    with pytest.raises(ValueError, match="all of it together is at a kink"):
        check_gradient(F.relu, x, together=True)


def test_check_layer_hands_labels_over_as_they_are():
    check_layer(F.cross_entropy, X[:, :, 0, 0], np.array([5, 0]))


def redraws(self, gy):
    return kernels.dropout(gy, self.p, (0, 0, 99))


class RedrawnDropout(Dropout):
    backward = redraws


class ForgetfulBatchNorm(BatchNorm):
    """Mean and variance are taken for constants."""

    def backward(self, gy):
        x, weight, _ = self.saved
        axes = (0, 2, 3)
        inverse = 1 / np.sqrt(self.var + self.eps)[:, None, None]
        xhat = (x - self.mean[:, None, None]) * inverse
        gx = gy * inverse * weight[:, None, None]
        return gx, (gy * xhat).sum(axis=axes), gy.sum(axis=axes)


class OverwritingMaxPool(MaxPool2d):
    """A pixel that wins twice keeps one gradient."""

    def backward(self, gy):
        argmax, shape = self.saved
        return side_by_side_pool(gy, argmax, shape, self.geometry)


def test_a_mask_that_is_drawn_again_in_backward_is_found():
    assert "not the slope" in text_of(
        check_gradient, lambda x: RedrawnDropout(0.5, (0, 0, 0))(x), X
    )


def test_batch_statistics_taken_for_constants_are_found():
    def layer(x, weight, bias):
        mean = x.data.mean(axis=(0, 2, 3))
        var = x.data.var(axis=(0, 2, 3))
        return ForgetfulBatchNorm(mean, var, 1e-5, True)(x, weight, bias)

    assert "the gradient of input 0" in text_of(check_gradient, layer, X, np.ones(6), np.ones(6))


def test_the_gradient_of_overlapping_windows_is_found():
    def layer(stride):
        return lambda x: OverwritingMaxPool(Geometry((2, 2), stride), False)(x)

    check_gradient(layer((2, 2)), X)  # side by side nothing overlaps: the mistake is invisible
    assert "not the slope" in text_of(check_gradient, layer((1, 1)), X)


@pytest.mark.parametrize("judge", [check_gradient, check_layer])
def test_a_function_that_changes_its_input_is_named(judge):
    def doubles_in_place(x):
        x.data *= 2
        return x * 1.0

    text = text_of(judge, doubles_in_place, np.ones((2, 3)))
    assert text == (
        f"{judge.__name__}: doubles_in_place: it changed its input 0 in place. Make a new array."
    )


class ChangesInBackward(tn.Function):
    def forward(self, x):
        self.saved = x
        return x * 1.0

    def backward(self, gy):
        self.saved *= 2
        return gy


def test_a_backward_that_changes_the_input_is_named():
    text = text_of(check_gradient, lambda x: ChangesInBackward()(x), X)
    assert "it changed its input 0 in place" in text


def test_a_layer_that_changes_its_parameter_is_named():
    class Shrinks(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(np.ones(5, np.float32))

        def forward(self, x):
            self.weight.data *= 0.5
            return x * self.weight

    assert "it changed its weight in place" in text_of(check_gradient, Shrinks(), X)
