"""Every judge must reject the mistakes that were planted for it, and say where they are.

A judge that lets one of these pass is worth nothing, however many right functions it accepts.
"""

from dataclasses import replace

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import kernels, nn
from tinynet.functions.dropout import Dropout
from tinynet.functions.norm import BatchNorm, LocalResponseNorm
from tinynet.functions.pool import MaxPool2d
from tinynet.kernels.geometry import Geometry, frame, windows
from tinynet.kernels.lrn import window_sum
from tinynet.testing import check_adjoint, check_gradient, check_kernel, check_layer, tolerance
from tinynet.testing.cases import cases_for
from tinynet.testing.compare import difference
from tinynet.testing.gradient import MINUTE, STEPS, Line

X = np.random.default_rng(0).standard_normal((2, 6, 4, 5))


def text_of(judge, *arguments, **named):
    """Return what a judge complains about."""
    with pytest.raises(AssertionError) as error:
        judge(*arguments, **named)
    return str(error.value)


# ---------------------------------------------------------------- check_kernel: one mistake each


def narrow_lrn(x, n, k, alpha, beta):
    """The window ends one channel early."""
    scale = np.full_like(x, k)
    for c in range(x.shape[1]):
        for j in range(max(0, c - n // 2), min(x.shape[1], c + n // 2)):
            scale[:, c] += alpha * x[:, j] ** 2
    return x * scale**-beta


def shifted_lrn(x, n, k, alpha, beta, groups):
    """The window is one channel too far up."""
    scale = k + alpha * np.roll(window_sum(x * x, n, groups), -1, axis=1)
    return x * scale**-beta, scale


def divided_lrn(x, n, k, alpha, beta, groups):
    """PyTorch's alpha."""
    return kernels.lrn_forward.reference(x, n, k, alpha / n, beta, groups)


def ungrouped_lrn(x, n, k, alpha, beta, groups):
    """Windows cross from one group to the next."""
    return kernels.lrn_forward.reference(x, n, k, alpha, beta, 1)


def lonely_lrn(gy, x, y, scale, n, alpha, beta, groups):
    """The term of the neighbours is dropped."""
    return gy * scale**-beta


def square_conv(x, weight, bias, geometry):
    """The stride of the height is used for the width."""
    every = replace(geometry, stride=(1, 1))
    y = kernels.conv2d_forward.reference(x, weight, bias, every)
    step = geometry.stride[0]
    return np.ascontiguousarray(y[:, :, ::step, ::step])


def square_padding(x, geometry):
    """The padding of the height is used for the width."""
    rows = geometry.padding[0]
    return kernels.im2col.reference(x, replace(geometry, padding=(rows, rows)))


def overwriting_col2im(columns, shape, geometry):
    """`=` where `+=` belongs."""
    KH, KW = geometry.kernel
    SH, SW = geometry.stride
    DH, DW = geometry.dilation
    (top, bottom), (left, right) = geometry.padding
    N, C, H, W = shape
    framed = np.zeros((N, C, H + top + bottom, W + left + right), columns.dtype)
    OH = (framed.shape[2] - DH * (KH - 1) - 1) // SH + 1
    OW = (framed.shape[3] - DW * (KW - 1) - 1) // SW + 1
    columns = columns.reshape(N, C, KH, KW, OH, OW)
    for p, q in np.ndindex(KH, KW):
        rows, cols = slice(DH * p, DH * p + SH * OH, SH), slice(DW * q, DW * q + SW * OW, SW)
        framed[:, :, rows, cols] = columns[:, :, p, q]
    return framed[:, :, top : top + H, left : left + W]


def transposed_groups(x, weight, bias, geometry):
    """Channels are dealt out to the groups in turn, as cards."""
    N, C, H, W = x.shape
    groups = geometry.groups
    dealt = x.reshape(N, C // groups, groups, H, W).swapaxes(1, 2).reshape(x.shape)
    return kernels.conv2d_forward.reference(dealt, weight, bias, geometry)


def pool(x, geometry, ceil_mode, fill=-np.inf, last=False):
    """Max-pooling with two things to get wrong."""
    y, _ = kernels.max_pool2d_forward.reference(x, geometry, ceil_mode)
    view = windows(frame(x, geometry, y.shape[2:], fill), geometry, y.shape[2:])
    view = view.transpose(0, 1, 4, 5, 2, 3).reshape(*y.shape, -1)
    count = geometry.kernel[0] * geometry.kernel[1]
    winner = count - 1 - view[..., ::-1].argmax(-1) if last else view.argmax(-1)
    return view.max(-1), winner.astype(np.uint8)


def zero_padded_pool(x, geometry, ceil_mode):
    """The padding can win."""
    return pool(x, geometry, ceil_mode, fill=0)


def last_of_ties_pool(x, geometry, ceil_mode):
    """Of equal values the last one wins."""
    return pool(x, geometry, ceil_mode, last=True)


def never_ceil_pool(x, geometry, ceil_mode):
    """ceil_mode is forgotten."""
    return kernels.max_pool2d_forward.reference(x, geometry, False)


def side_by_side_pool(gy, argmax, shape, geometry):
    """A pixel that is the maximum of two windows keeps one gradient: right if stride = kernel."""
    gx = np.zeros(shape, gy.dtype)
    SH, SW = geometry.stride
    top, left = geometry.corner
    for n, c, i, j in np.ndindex(gy.shape):
        p, q = divmod(int(argmax[n, c, i, j]), geometry.kernel[1])
        gx[n, c, SH * i + p - top, SW * j + q - left] = gy[n, c, i, j]
    return gx


def whole_window_average(x, geometry, ceil_mode, count_include_pad):
    """Windows that hang over are divided by the size of a whole one."""
    y = kernels.avg_pool2d_forward.reference
    counted = y(np.ones_like(x), geometry, ceil_mode, True)
    return y(x, geometry, ceil_mode, True) * np.where(counted < 1, 1, counted) * 0.75


def unscaled_dropout(x, p, key):
    """What stays is not divided by 1 - p."""
    return kernels.dropout.reference(x, p, key) * (1 - p)


def redrawn_dropout(x, p, key):
    """The mask of another draw."""
    return kernels.dropout.reference(x, p, (*key[:2], key[2] + 1))


def summed_cross_entropy(scores, labels):
    """Not divided by N."""
    loss, gradient = kernels.cross_entropy.reference(scores, labels)
    return loss * len(scores), gradient * len(scores)


def overflowing_cross_entropy(scores, labels):
    """The maximum is not subtracted."""
    with np.errstate(all="ignore"):
        probability = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        loss = -np.log(probability[np.arange(len(scores)), labels]).mean()
    probability[np.arange(len(scores)), labels] -= 1
    return np.asarray(loss), probability / len(scores)


def uphill(weight, gradient, velocity, lr, momentum, weight_decay, nesterov, rule):
    """The sign of the momentum is flipped."""
    kernels.momentum_update.reference(
        weight, gradient, velocity, lr, -momentum, weight_decay, nesterov, rule
    )


def always_torch(weight, gradient, velocity, lr, momentum, weight_decay, nesterov, rule):
    """lr outside of the velocity."""
    kernels.momentum_update.reference(
        weight, gradient, velocity, lr, momentum, weight_decay, nesterov, "torch"
    )


def decay_twice(weight, gradient, velocity, lr, momentum, weight_decay, nesterov, rule):
    """Weight decay times lr, twice."""
    kernels.momentum_update.reference(
        weight, gradient, velocity, lr, momentum, weight_decay * lr, nesterov, rule
    )


MISTAKES = [
    (narrow_lrn, kernels.lrn_forward),
    (shifted_lrn, kernels.lrn_forward),
    (divided_lrn, kernels.lrn_forward),
    (ungrouped_lrn, kernels.lrn_forward),
    (lonely_lrn, kernels.lrn_backward),
    (square_conv, kernels.conv2d_forward),
    (transposed_groups, kernels.conv2d_forward),
    (square_padding, kernels.im2col),
    (overwriting_col2im, kernels.col2im),
    (zero_padded_pool, kernels.max_pool2d_forward),
    (last_of_ties_pool, kernels.max_pool2d_forward),
    (never_ceil_pool, kernels.max_pool2d_forward),
    (side_by_side_pool, kernels.max_pool2d_backward),
    (whole_window_average, kernels.avg_pool2d_forward),
    (unscaled_dropout, kernels.dropout),
    (redrawn_dropout, kernels.dropout),
    (summed_cross_entropy, kernels.cross_entropy),
    (overflowing_cross_entropy, kernels.cross_entropy),
    (uphill, kernels.momentum_update),
    (always_torch, kernels.momentum_update),
    (decay_twice, kernels.momentum_update),
]


@pytest.mark.parametrize(("mine", "kernel"), MISTAKES, ids=lambda f: f.__name__)
def test_check_kernel_finds_the_mistake_and_says_who_and_where(mine, kernel):
    text = text_of(check_kernel, mine, against=kernel)
    assert text.startswith(f'check_kernel: {mine.__name__}, case "')
    assert "Worst at [" in text or "the shape is" in text


@pytest.mark.parametrize("kernel", kernels.KERNELS, ids=lambda k: k.__name__)
def test_check_kernel_accepts_every_definition(kernel):
    check_kernel(kernel.reference, against=kernel)


def test_a_narrow_lrn_window_is_described():
    text = text_of(check_kernel, narrow_lrn, against=kernels.lrn_forward)
    assert 'case "alpha 1, window 5" in float32' in text
    assert "of 240 elements are wrong, all at c = 0 or 1 or 2 or 3." in text
    assert "Worst at [n=1, c=3, h=0, w=1]: got -0.388393, expected -0.223461." in text
    assert "All are too large" in text
    assert "x (2, 6, 4, 5), n=5, k=2.0, alpha=1.0, beta=0.75, groups=1" in text


@pytest.mark.parametrize(
    ("got", "expected", "way"),
    [
        ([1.0, 2.5, 3.0], [1.0, 2.0, 3.0], "the only one that is wrong"),  # no factor, no constant
        ([2.5], [2.0], "Each is 1.25 times"),
        ([1.0, 0.6, 0.6], [1.0, 0.0, 0.0], "0 is expected there"),
        ([1.0, 2.5, 3.5], [1.0, 2.0, 3.0], "a constant too much"),
    ],
)
def test_a_pattern_is_named_only_where_there_is_one(got, expected, way):
    assert way in difference(np.array(got), np.array(expected))


def test_at_the_papers_alpha_and_small_activations_the_mistake_would_hide():
    """Why the cases have alpha 1: in float32 a relative 4e-5 is near what rounding may do."""
    small = (0.01 * X, 5, 2.0, 1e-4, 0.75, 1)
    check_kernel(narrow_lrn, *small, against=kernels.lrn_forward, dtypes=(np.float32,))
    text_of(check_kernel, narrow_lrn, X, 5, 2.0, 1.0, 0.75, 1, against=kernels.lrn_forward)


# ------------------------------------------------ check_kernel: manners, with an easy definition


def double(x):
    return 2 * x


def writes_into_its_input(x):
    x *= 2
    return x.copy()


def doubles_the_dtype(x):
    return 2.0 * x.astype(np.float64)


def leaves_a_hole(x):
    y = np.empty_like(x)
    y[..., :-1] = 2 * x[..., :-1]
    return y


def believes_in_contiguous_memory(x):
    y = np.empty(x.shape, x.dtype)
    memory = np.lib.stride_tricks.as_strided(x, (x.size,), (x.itemsize,))
    y.ravel()[:] = 2 * memory
    return y


def needs_to_write(x):
    x[...] = x
    return 2 * x


class Counting:
    __name__ = "counting"

    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return 2 * x * (1 + self.calls * np.finfo(x.dtype).eps)


MANNERS = {
    "input changed": (writes_into_its_input, "it changed its input x"),
    "dtype": (doubles_the_dtype, "float64, expected float32"),
    "not written": (leaves_a_hole, "never written"),
    "memory order": (believes_in_contiguous_memory, "channels last in memory"),
    "read-only": (needs_to_write, "fails on read-only inputs"),
    "not repeatable": (Counting(), "not the same the second time"),
    "nothing returned": (lambda x: None, "returned 0 results, expected 1"),
    "no array": (lambda x: "text", "is a str, no array"),
    "shape": (lambda x: 2 * x[0], "the shape is (3, 4), expected (2, 3, 4)"),
}


@pytest.mark.parametrize(("mine", "complaint"), MANNERS.values(), ids=MANNERS)
def test_check_kernel_looks_at_manners_too(mine, complaint):
    cases = [(np.arange(1.0, 25).reshape(2, 3, 4),)]
    assert complaint in text_of(check_kernel, mine, against=double, cases=cases)


def test_check_kernel_takes_arguments_lists_and_names():
    x = np.ones((2, 3))
    check_kernel(double, x, against=double)
    check_kernel(double, against=double, cases=[(x,), (x[:0],)])
    text = text_of(check_kernel, lambda x: x, against=double, cases={"ones": (x,)})
    assert 'case "ones"' in text
    assert "6 of 6" in text


def test_check_kernel_forgives_absent_arguments_that_no_case_gives():
    def product(a, b):  # kernels.matmul has a third argument, which is left at its default
        return a @ b

    check_kernel(product, np.ones((2, 3)), np.ones((3, 4)), against=kernels.matmul)


def test_check_kernel_forgives_absent_arguments_that_are_neutral():
    def grouped_only(x, weight, stride, groups):
        geometry = Geometry(weight.shape[2:], stride, groups=groups)
        return kernels.conv2d_forward(x, weight, None, geometry)

    check_kernel(grouped_only, against=kernels.conv2d_forward)


def test_check_kernel_spells_out_a_geometry_for_a_function_that_takes_its_fields():
    tried = []

    def pool(x, kernel, stride, padding):
        tried.append(kernel)
        return kernels.max_pool2d_forward(x, Geometry(kernel, stride, padding), False)

    check_kernel(pool, against=kernels.max_pool2d_forward)
    assert {(3, 2), (3, 3), (3, 4)} <= set(tried)

    def careless(x, kernel, stride, padding):
        return kernels.max_pool2d_forward(x, Geometry(kernel, stride[::-1], padding), False)

    text_of(check_kernel, careless, against=kernels.max_pool2d_forward)


def test_check_kernel_lets_filters_alone_say_the_size_of_windows():
    def columns(x, stride, padding, dilation):  # im2col without filters needs the kernel
        return kernels.im2col(x, Geometry((3, 2), stride, padding, dilation))

    with pytest.raises(ValueError, match="lacks arguments"):
        check_kernel(columns, against=kernels.im2col)


def test_check_kernel_without_cases_says_so():
    with pytest.raises(ValueError, match=r"no cases for double.*cases="):
        check_kernel(double, against=double)
    with pytest.raises(ValueError, match="lacks arguments"):
        check_kernel(lambda x: x, against=kernels.lrn_forward)


def test_chosen_cases_hold_what_trust_needs():
    """One image, one channel and no image at all; ties; a stride that leaves a rest."""
    shapes = [case[0].shape for case in cases_for("conv2d_forward").values()]
    assert (1, 1) in {shape[:2] for shape in shapes}
    assert 0 in {shape[0] for shape in shapes}
    assert all(H != W for *_, H, W in shapes)
    assert any(
        len(np.unique(c[0])) < c[0].size / 4
        for c in cases_for("max_pool2d_forward").values()
        if c[0].size
    )
    assert {case[3] for case in cases_for("lrn_forward").values()} == {1.0, 1e-4}


# ------------------------------------------------------------- check_gradient and check_layer


def lrn_with(backward, alpha=1.0):
    """Return an LRN layer whose backward is backward(op, gy, right gradient)."""

    class Wrong(LocalResponseNorm):
        def backward(self, gy):
            return backward(self, gy, super().backward(gy))

    def my_lrn(x):
        return Wrong(5, 2.0, alpha, 0.75, 1)(x)

    return my_lrn


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


def backward_that(wrong, **attributes):
    return type("Wrong", (tn.Function,), {"forward": lambda self, x: 3 * x, "backward": wrong})


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
    before, gradients = layer.state_dict(), [p.grad for p in layer.parameters()]
    check_layer(layer, X)
    after = layer.state_dict()
    assert all(before[k].tobytes() == after[k].tobytes() for k in before)
    assert [p.grad for p in layer.parameters()] == gradients


class LosesAShortcut(nn.Module):
    """Two layers, and around them a shortcut whose gradient may be lost."""

    def __init__(self, lost):
        tn.seed(0)
        self.first, self.second, self.lost = nn.Linear(4, 4), nn.Linear(4, 4), lost

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
        axes, inverse = (0, 2, 3), 1 / np.sqrt(self.var + self.eps)[:, None, None]
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
        mean, var = x.data.mean(axis=(0, 2, 3)), x.data.var(axis=(0, 2, 3))
        return ForgetfulBatchNorm(mean, var, 1e-5, True)(x, weight, bias)

    assert "the gradient of input 0" in text_of(check_gradient, layer, X, np.ones(6), np.ones(6))


def test_the_gradient_of_overlapping_windows_is_found():
    def layer(stride):
        return lambda x: OverwritingMaxPool(Geometry((2, 2), stride), False)(x)

    check_gradient(layer((2, 2)), X)  # side by side nothing overlaps: the mistake is invisible
    assert "not the slope" in text_of(check_gradient, layer((1, 1)), X)


# ------------------------------------------------------------------------------------- kinks


@pytest.mark.parametrize("distance", [0.0, 1e-9])
def test_at_a_kink_the_judge_explains_itself_instead_of_blaming_relu(distance):
    x = X.copy()
    x[0, 0, 0, 0] = distance
    with pytest.raises(ValueError, match=r"relu: input 0 is at a kink.*slope is .*, to the other"):
        check_gradient(F.relu, x)


def test_ties_under_a_maximum_are_kinks():
    with pytest.raises(ValueError, match="without ties"):
        check_gradient(lambda x: F.max_pool2d(x, 3, 2), np.ones((1, 1, 5, 5)))


@pytest.mark.parametrize("distance", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5])
def test_near_a_kink_right_is_right_and_wrong_is_wrong(distance):
    x = np.array([distance, 1.0, -2.0, -distance])
    check_gradient(F.relu, x)
    wrong = backward_that(lambda self, gy: gy * 1.0)
    wrong.forward = lambda self, x: np.maximum(x, 0)
    assert "2 of 4 elements" in text_of(check_gradient, lambda t: wrong()(t), x)


def test_the_taylor_remainder_sees_what_a_coarse_difference_lets_pass():
    """So steep that even the last two central differences are 5 % apart, and 3 % could hide."""
    line = Line(lambda h: float(np.tanh(1e5 * h)), 0.0, 1.0, np.array(STEPS), 1e-16)
    assert abs(0.97e5 - line.slope) < line.doubt
    assert line.verdict(0.97e5) == "wrong"
    assert line.verdict(1e5) == "right"


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_the_size_of_the_input_does_not_matter(size):
    check_gradient(lambda x: F.tanh(x * (1 / size)), size * X)
    wrong = lrn_with(lambda op, gy, gx: 1.0001 * gx)
    assert "not the slope" in text_of(check_gradient, lambda x: wrong(x * (1 / size)), size * X)


# ----------------------------------------------------------------------------- check_adjoint

GEOMETRY = Geometry((3, 2), (2, 1), ((1, 0), (0, 1)))


def columns_of(x):
    return kernels.im2col(x, GEOMETRY)


def test_check_adjoint_accepts_the_transpose():
    check_adjoint(columns_of, lambda c: kernels.col2im(c, X.shape, GEOMETRY), X)
    check_adjoint(lambda a, b: 2 * a - b, lambda g: (2 * g, -g), X, X)


ADJOINTS = {
    "overwrites": lambda c: overwriting_col2im(c, X.shape, GEOMETRY),
    "sign": lambda c: -kernels.col2im(c, X.shape, GEOMETRY),
    "flipped": lambda c: kernels.col2im(c, X.shape, GEOMETRY)[:, :, ::-1],
    "one part in a million": lambda c: kernels.col2im(c, X.shape, GEOMETRY) * (1 + 1e-6),
}


@pytest.mark.parametrize("backward", ADJOINTS.values(), ids=ADJOINTS)
def test_check_adjoint_finds_the_mistake(backward):
    text = text_of(check_adjoint, columns_of, backward, X)
    assert "is not the transpose of columns_of" in text
    assert "Worst at [n=" in text


def test_check_adjoint_names_the_wrong_input_and_shape():
    text = text_of(check_adjoint, lambda a, b: a - b, lambda g: (g, g), X, X)
    assert "for input 1" in text
    assert "sign is flipped" in text
    text = text_of(check_adjoint, lambda a: a.sum(axis=0), lambda g: g, X)
    assert "(6, 4, 5), expected (2, 6, 4, 5)" in text


def test_check_adjoint_refuses_what_is_not_linear():
    with pytest.raises(ValueError, match=r"(?s)not linear.*check_gradient"):
        check_adjoint(lambda x: x + 1, lambda g: g, X)


# --------------------------------------------------------------------------------- tolerance


def test_tolerance_grows_as_the_square_root_of_the_terms():
    assert tolerance(400, np.float32) == 20 * tolerance(1, np.float32)
    assert tolerance(0, np.float64) == tolerance(1, np.float64) == 8 * np.finfo("d").eps


@pytest.mark.parametrize("terms", [10, 1000, 100_000])
def test_tolerance_holds_any_order_of_summation_and_not_much_more(terms, rng):
    x = rng.standard_normal(terms).astype(np.float32)
    exact, size = x.astype(np.float64).sum(), np.sqrt(terms)
    for order in (x, x[::-1], np.sort(x)):
        error = abs(float(np.cumsum(order)[-1]) - exact)
        assert error <= tolerance(terms, np.float32) * max(
            abs(exact), size, np.abs(np.cumsum(order)).max()
        )
    assert tolerance(terms, np.float32) < 1e-3


def test_an_element_of_a_vector_has_a_letter_too():
    with pytest.raises(AssertionError, match=r"all at i = 1 or 3 or 5\.\s+Worst at \[i=\d\]"):
        check_adjoint(lambda x: x[::2], lambda g: np.repeat(g, 2), np.ones(6))
