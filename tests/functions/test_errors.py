"""Messages after a user's mistake. Tests compare their numbers, not their prose."""

import re

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.core.errors import DeviceError, GraphError, ShapeError


def zeros(*shape):
    return tn.zeros(*shape)


def classes(*shape):
    return np.zeros(shape, np.int64)


SHAPES = {
    "conv2d channels": (
        lambda: F.conv2d(zeros(128, 96, 27, 27), zeros(256, 48, 5, 5)),
        ["conv2d", "96", "(256, 48, 5, 5)", "groups=1", "48", "(128, 96, 27, 27)", "groups=2"],
    ),
    "conv2d axes": (lambda: F.conv2d(zeros(3, 8, 8), zeros(4, 3, 3, 3)), ["conv2d", "(3, 8, 8)"]),
    "conv2d groups": (
        lambda: F.conv2d(zeros(1, 6, 8, 8), zeros(4, 2, 3, 3), groups=4),
        ["conv2d", "groups=4", "6", "4"],
    ),
    "conv2d bias": (
        lambda: F.conv2d(zeros(1, 3, 8, 8), zeros(4, 3, 3, 3), zeros(3)),
        ["conv2d", "(4,)", "(3,)"],
    ),
    "conv2d window": (
        lambda: F.conv2d(zeros(1, 3, 2, 9), zeros(4, 3, 5, 3)),
        ["conv2d", "5x3", "2x9", "(1, 3, 2, 9)"],
    ),
    "max_pool2d window": (
        lambda: F.max_pool2d(zeros(128, 256, 2, 2), 3),
        ["max_pool2d", "3x3", "2x2", "(128, 256, 2, 2)"],
    ),
    "max_pool2d padding": (
        lambda: F.max_pool2d(zeros(1, 1, 8, 8), (4, 3), padding=2),
        ["max_pool2d", "(4, 3)", "((2, 2), (2, 2))"],
    ),
    "avg_pool2d axes": (lambda: F.avg_pool2d(zeros(8, 8), 2), ["avg_pool2d", "(8, 8)"]),
    "lrn groups": (
        lambda: F.local_response_norm(zeros(1, 6, 2, 2), groups=4),
        ["local_response_norm", "groups=4", "6"],
    ),
    "lrn axes": (lambda: F.local_response_norm(zeros(6, 2)), ["local_response_norm", "(6, 2)"]),
    "spatial_response_norm axes": (
        lambda: F.spatial_response_norm(zeros(6, 2)),
        ["spatial_response_norm", "(6, 2)"],
    ),
    "adaptive_avg_pool2d axes": (
        lambda: F.adaptive_avg_pool2d(zeros(6, 2), 1),
        ["adaptive_avg_pool2d", "(6, 2)"],
    ),
    "locally_connected2d channels": (
        lambda: F.locally_connected2d(zeros(1, 3, 4, 4), zeros(2, 2, 5, 2, 3, 3), zeros(5, 2, 2)),
        ["locally_connected2d", "(1, 3, 4, 4)", "(2, 2, 5, 2, 3, 3)"],
    ),
    "locally_connected2d places": (
        lambda: F.locally_connected2d(zeros(1, 3, 5, 4), zeros(2, 2, 5, 3, 3, 3), zeros(5, 2, 2)),
        ["locally_connected2d", "(1, 3, 5, 4)", "3x2", "2x2"],
    ),
    "batch_norm bias": (
        lambda: F.batch_norm(zeros(2, 3, 4, 4), *(zeros(n) for n in (3, 1, 3, 3)), training=True),
        ["batch_norm", "(2, 3, 4, 4)", "(3,), (1,), (3,), (3,)"],
    ),
    "batch_norm of one value": (
        lambda: F.batch_norm(zeros(1, 3, 1, 1), *(zeros(3) for _ in "wbmv"), training=True),
        ["batch_norm", "2", "(1, 3, 1, 1)"],
    ),
    "batch_norm of no channels": (
        lambda: F.batch_norm(zeros(2, 0, 4, 4), *(zeros(0) for _ in "wbmv"), training=True),
        ["batch_norm", "at least 1 channel", "(2, 0, 4, 4)"],
    ),
    "linear": (
        lambda: F.linear(zeros(5, 7), zeros(3, 8)),
        ["linear", "(5, 7)", "(3, 8)", "(N, 8)"],
    ),
    "linear bias": (
        lambda: F.linear(zeros(5, 8), zeros(3, 8), zeros(1)),
        ["linear", "(3,)", "(3, 8)", "(1,)"],
    ),
    "linear weight": (lambda: F.linear(zeros(5, 8), zeros(8)), ["linear", "(8,)"]),
    "matmul": (lambda: zeros(3, 4) @ zeros(5, 6), ["matmul", "(3, 4)", "(5, 6)"]),
    "labels out of range": (
        lambda: F.cross_entropy(zeros(128, 10), np.arange(128) % 11),
        ["cross_entropy", "0..9", "(128, 10)", "found 10 at row 10"],
    ),
    "negative label": (
        lambda: F.cross_entropy(zeros(3, 2), np.array([0, 1, -1])),
        ["cross_entropy", "0..1", "(3, 2)", "found -1 at row 2"],
    ),
    "labels shape": (
        lambda: F.cross_entropy(zeros(3, 2), classes(4)),
        ["cross_entropy", "(3, 2)", "(4,)"],
    ),
    "labels dtype": (
        lambda: F.cross_entropy(zeros(3, 2), np.zeros(3)),
        ["cross_entropy", "integers", "float64"],
    ),
    "no rows": (lambda: F.cross_entropy(zeros(0, 2), classes(0)), ["cross_entropy", "(0, 2)"]),
    "reshape": (lambda: zeros(2, 3).reshape(4, 2), ["reshape", "6", "(2, 3)", "(4, 2)"]),
    "transpose": (lambda: zeros(2, 3).transpose(0, 0), ["transpose", "(0, 0)", "(2, 3)"]),
    "concatenate": (
        lambda: F.concatenate([zeros(2, 3), zeros(2, 4)], axis=0),
        ["concatenate", "0", "(2, 3)", "(2, 4)"],
    ),
    "concatenate nothing": (lambda: F.concatenate([], axis=0), ["concatenate", "empty"]),
    "pad": (lambda: F.pad(zeros(2, 3), [(1, 1)]), ["pad", "2", "(2, 3)", "1"]),
    "Conv2d groups": (lambda: nn.Conv2d(6, 8, 3, groups=4), ["Conv2d", "groups=4", "6", "8"]),
}


@pytest.mark.parametrize(("mistake", "facts"), SHAPES.values(), ids=SHAPES)
def test_what_does_not_fit_is_named_with_its_numbers(mistake, facts):
    with pytest.raises(ShapeError) as error:
        mistake()
    for fact in facts:
        assert fact in str(error.value)


VALUES = {
    "even n in a map": (lambda: F.spatial_response_norm(zeros(1, 4, 2, 2), n=4), ["odd", "n=4"]),
    "even n": (lambda: F.local_response_norm(zeros(1, 4, 2, 2), n=4), ["odd", "n=4"]),
    "n of 0": (lambda: F.local_response_norm(zeros(1, 4, 2, 2), n=-1), ["odd", "n=-1"]),
    "dropout": (lambda: F.dropout(zeros(3), 1.5), ["dropout", "p=1.5"]),
    "Dropout": (lambda: nn.Dropout(-0.1), ["Dropout", "p=-0.1"]),
    "stride": (
        lambda: F.conv2d(zeros(1, 1, 4, 4), zeros(1, 1, 2, 2), stride=0),
        ["conv2d: stride", "at least 1", "0"],
    ),
    "padding": (
        lambda: F.max_pool2d(zeros(1, 1, 4, 4), 2, padding=-1),
        ["max_pool2d: padding", "at least 0", "-1"],
    ),
    "kernel": (lambda: F.avg_pool2d(zeros(1, 1, 4, 4), (2, 2, 2)), ["kernel_size", "(2, 2, 2)"]),
}


@pytest.mark.parametrize(("mistake", "facts"), VALUES.values(), ids=VALUES)
def test_values_that_make_no_sense_are_named(mistake, facts):
    with pytest.raises(ValueError, match=re.escape(facts[-1])) as error:
        mistake()
    for fact in facts:
        assert fact in str(error.value)


def test_an_array_where_a_tensor_belongs():
    with pytest.raises(TypeError, match=r"relu: .*numpy\.ndarray.*tn\.tensor"):
        F.relu(np.zeros(3))


def test_tensors_on_two_devices_are_both_named():
    x, weight = tn.tensor(np.ones((2, 3)), "cpu"), tn.tensor(np.ones((4, 3)), "cpu:1")
    with pytest.raises(DeviceError, match=r"linear: .*\(2, 3\).* on cpu, .*\(4, 3\).* on cpu:1"):
        F.linear(x, weight)


def test_a_gradient_of_the_wrong_shape_is_not_added_silently():
    class Broken(tn.Function):
        def forward(self, x):
            return x.sum(axis=0)

        def backward(self, gy):
            return gy

    x = tn.tensor(np.ones((3, 2)), requires_grad=True)
    with pytest.raises(ShapeError, match=r"broken: .*\(2,\).*\(3, 2\)"):
        Broken()(x).sum().backward()


@pytest.mark.parametrize("start", [lambda x: x, lambda x: x.detach() * 2])
def test_backward_needs_something_to_walk_through(start):
    with pytest.raises(GraphError, match="requires_grad=True"):
        start(tn.ones(1, requires_grad=True)).backward()


def test_backward_starts_from_one_number():
    with pytest.raises(GraphError, match=r"\(2, 3\)"):
        (tn.ones(2, 3, requires_grad=True) * 2).backward()


def test_backward_twice_says_how_to_do_it():
    loss = (tn.ones(3, requires_grad=True) * 2).sum()
    loss.backward()
    with pytest.raises(GraphError, match="keep_graph=True"):
        loss.backward()


def test_padding_of_four_plain_numbers_is_refused():
    with pytest.raises(ValueError, match=re.escape("conv2d: padding: expected one integer")):
        F.conv2d(zeros(1, 1, 4, 4), zeros(1, 1, 3, 3), padding=(1, 1, 1, 1))


def test_pad_wants_a_pair_for_each_axis():
    with pytest.raises(ShapeError, match=r"pad: widths needs .* 2 axes .* got 1"):
        F.pad(zeros(2, 2), 1)


@pytest.mark.parametrize("seed", ["a", 1.5, -1, 2**64])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ValueError, match="seed"):
        tn.seed(seed)


def test_an_even_window_is_refused_by_the_layer():
    with pytest.raises(ValueError, match="n=4"):
        nn.LocalResponseNorm(n=4)


@pytest.mark.parametrize("widths", [1, (1, 1), ((-1, 0), (0, 0)), ((1.5, 1), (0, 0))], ids=str)
def test_pad_takes_whole_numbers_that_are_not_negative(widths):
    with pytest.raises(ShapeError, match=r"pad: widths needs .* 2 axes"):
        F.pad(zeros(2, 3), widths)


def test_pad_takes_its_widths_from_an_array_too():
    assert F.pad(zeros(2, 3), np.array([[1, 2], [0, 3]])).shape == (5, 6)


@pytest.mark.parametrize(("shape", "axis"), [((2, 3), 2), ((2, 3), -3), ((), 0)])
def test_concatenate_names_an_axis_that_is_not_there(shape, axis):
    with pytest.raises(ShapeError, match=f"concatenate: there is no axis {axis}"):
        F.concatenate([zeros(*shape), zeros(*shape)], axis)


def test_what_is_no_tensor_is_named_by_matmul_and_cross_entropy():
    with pytest.raises(TypeError, match=r"matmul: expected a Tensor, got builtins\.int"):
        zeros(2, 3) @ 2
    with pytest.raises(TypeError, match=r"matmul: expected a Tensor, got numpy\.ndarray"):
        F.matmul(np.ones((2, 3)), zeros(3, 2))
    with pytest.raises(TypeError, match=r"cross_entropy: expected a Tensor, got numpy\.ndarray"):
        F.cross_entropy(np.ones((2, 3)), np.array([0, 1]))
