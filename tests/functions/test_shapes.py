"""Shapes and values of a function's results, against NumPy or a sum done by hand."""

import math

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet.testing import tolerance

ARRAY = np.arange(24, dtype="f").reshape(2, 3, 4)


def images(*shape):
    return tn.zeros(*shape)


def test_conv2d_output_size():
    x = images(2, 3, 13, 9)
    y = F.conv2d(x, images(8, 3, 3, 2), stride=(2, 1), padding=(1, 2), dilation=(2, 3))
    assert y.shape == (2, 8, (13 + 2 - 5) // 2 + 1, 9 + 4 - 4 + 1)


def test_conv2d_pads_each_side_as_it_is_told():
    y = F.conv2d(images(1, 3, 224, 224), images(4, 3, 11, 11), stride=4, padding=((0, 3), (0, 3)))
    assert y.shape == (1, 4, 55, 55)


@pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d])
def test_pooling_steps_by_its_window_unless_told_otherwise(pool):
    assert pool(images(2, 3, 9, 8), (3, 2)).shape == (2, 3, 3, 4)
    assert pool(images(2, 3, 32, 32), 3, 2).shape == (2, 3, 15, 15)
    assert pool(images(2, 3, 32, 32), 3, 2, ceil_mode=True).shape == (2, 3, 16, 16)
    assert pool(images(2, 3, 8, 7), 3, 2, padding=1).shape == (2, 3, 4, 4)


def test_global_average_pooling_leaves_one_number_per_map():
    x = tn.tensor(np.arange(24.0).reshape(1, 2, 3, 4))
    assert F.global_avg_pool2d(x).data.tolist() == [[5.5, 17.5]]


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (1, -1)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "max"])
def test_reductions_are_numpys(name, axis, keepdims):
    got = getattr(F, name)(tn.tensor(ARRAY), axis, keepdims).data
    expected = getattr(ARRAY, name)(axis=axis, keepdims=keepdims)
    assert got.shape == np.shape(expected)
    assert got == pytest.approx(expected, rel=tolerance(24, np.float32))


@pytest.mark.parametrize("index", [0, slice(1), (0, slice(None), -1), [1, 0, 1], ARRAY > 5, None])
def test_indexing_is_numpys(index):
    assert np.array_equal(tn.tensor(ARRAY)[index].data, ARRAY[index])


def test_an_element_that_was_picked_twice_gets_both_gradients():
    x = tn.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x[[0, 2, 2]].sum().backward()
    assert x.grad.tolist() == [1, 0, 2]


@pytest.mark.parametrize("index", [((0, 2, 2),), (range(2), (2, 2)), ((0, 2, 2), None)], ids=str)
def test_it_does_so_for_every_kind_of_sequence(index):
    x = tn.tensor(np.zeros((3, 3)), requires_grad=True)
    x[index].sum().backward()
    picked = np.zeros((3, 3))
    np.add.at(picked, index, 1)
    assert np.array_equal(x.grad, picked)


def test_the_gradient_of_a_maximum_goes_to_the_first_of_equal_values():
    x = tn.tensor([[1.0, 5.0, 5.0], [2.0, 2.0, 1.0]], requires_grad=True)
    x.max(axis=1).sum().backward()
    assert x.grad.tolist() == [[0, 1, 0], [1, 0, 0]]


def test_the_derivative_of_relu_at_zero_is_zero():
    x = tn.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    F.relu(x).sum().backward()
    assert x.grad.tolist() == [0, 0, 1]


def test_a_number_to_the_power_zero_is_constant_also_at_zero():
    x = tn.tensor([0.0, 2.0], requires_grad=True)
    (x**0).sum().backward()
    assert x.grad.tolist() == [0, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_small_sigmoid_keeps_its_digits(dtype):
    x = np.linspace(-80, 80, 999).astype(dtype)
    exact = 1 / (1 + np.exp(-x.astype(np.longdouble)))
    error = np.abs(F.sigmoid(tn.Tensor(x)).data - exact) / exact
    assert error.max() < 4 * np.finfo(dtype).eps


@pytest.mark.parametrize("x", [-1000.0, 0.0, 1000.0])
def test_sigmoid_and_tanh_do_not_overflow(x):
    assert F.sigmoid(tn.tensor([x])).item() == (1 + np.sign(x)) / 2
    assert F.tanh(tn.tensor([x])).item() == np.sign(x)


def test_softmax_rows_sum_to_one_and_log_softmax_is_its_logarithm(rng):
    x = tn.tensor(rng.standard_normal((3, 5)))
    y = F.softmax(x)
    assert y.data.sum(axis=1) == pytest.approx(np.ones(3), rel=tolerance(5, np.float64))
    assert F.log_softmax(x).data == pytest.approx(np.log(y.data), rel=tolerance(50, np.float64))


def test_log_softmax_is_exact_where_softmax_underflows():
    assert F.log_softmax(tn.tensor([[0.0, -1000.0]])).data.tolist() == [[0, -1000]]


def test_cross_entropy_takes_labels_as_list_array_or_tensor():
    scores = tn.tensor([[0.0, 0.0], [0.0, 0.0]])
    for labels in ([0, 1], np.array([0, 1], np.uint8), tn.tensor([0, 1])):
        assert F.cross_entropy(scores, labels).item() == pytest.approx(math.log(2))


def test_dropout_without_training_is_nothing_at_all():
    x = tn.ones(3)
    assert F.dropout(x, 0.5, training=False) is x
    assert F.dropout(x, 0.0) is x


def test_dropout_draws_a_new_mask_every_time_and_the_same_one_backwards():
    x = tn.ones(200, requires_grad=True)
    y, other = F.dropout(x, 0.5), F.dropout(x, 0.5)
    assert not np.array_equal(y.data, other.data)
    y.sum().backward()
    assert np.array_equal(x.grad, y.data)


def test_batch_norm_normalizes_the_batch_and_remembers_it(rng):
    x = rng.standard_normal((4, 3, 2, 5)) * 3 + 7
    mean, var = np.zeros(3), np.ones(3)
    one, zero = tn.tensor(np.ones(3)), tn.tensor(np.zeros(3))
    y = F.batch_norm(tn.tensor(x), one, zero, mean, var, training=True, eps=0.0).data
    near = tolerance(x.size, np.float64)
    assert y.mean(axis=(0, 2, 3)) == pytest.approx(np.zeros(3), abs=near * 7)
    assert y.var(axis=(0, 2, 3)) == pytest.approx(np.ones(3), rel=near)
    assert mean == pytest.approx(0.1 * x.mean(axis=(0, 2, 3)), rel=near)
    assert var == pytest.approx(0.9 + 0.1 * x.var(axis=(0, 2, 3), ddof=1), rel=near)


def test_batch_norm_in_evaluation_uses_what_it_remembers_and_changes_nothing():
    mean, var = np.full(2, 3.0), np.full(2, 4.0)
    x, weight, bias = tn.tensor(np.full((1, 2, 1, 1), 7.0)), *(tn.tensor([1.0, 2.0]),) * 2
    y = F.batch_norm(x, weight, bias, mean, var, training=False, eps=0.0)
    assert y.data.ravel().tolist() == [3, 6]
    assert (mean.tolist(), var.tolist()) == ([3, 3], [4, 4])


def test_pad_and_concatenate_and_flatten():
    x = tn.tensor(ARRAY)
    assert np.array_equal(
        F.pad(x, [(0, 1), (2, 0), (0, 0)]).data, np.pad(ARRAY, [(0, 1), (2, 0), (0, 0)])
    )
    assert F.concatenate([x, x, x], axis=-1).shape == (2, 3, 12)
    assert F.flatten(x).shape == (2, 12)


@pytest.mark.parametrize(
    ("a", "b"),
    [((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 2)), ((2, 3, 4), (4, 5)), ((1, 4), (7, 4, 2))],
)
def test_matmul_is_numpys(a, b, rng):
    a, b = rng.integers(-3, 4, a).astype("f"), rng.integers(-3, 4, b).astype("f")
    assert np.array_equal((tn.tensor(a) @ tn.tensor(b)).data, a @ b)


@pytest.mark.parametrize(
    "layer",
    [
        lambda x: F.conv2d(x, tn.ones(2, 4, 3, 2), tn.ones(2)),
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.avg_pool2d(x, 2),
        F.local_response_norm,
        F.global_avg_pool2d,
        F.flatten,
        F.relu,
        F.softmax,
        lambda x: F.linear(F.flatten(x), tn.ones(3, 120)),
        lambda x: F.dropout(x, 0.5),
        lambda x: x.max(axis=1),
    ],
)
def test_an_empty_batch_goes_through_forward_and_backward(layer):
    x = tn.tensor(np.zeros((0, 4, 5, 6), "f"), requires_grad=True)
    y = layer(x)
    assert y.shape[0] == 0
    y.sum().backward()
    assert x.grad.shape == x.shape


@pytest.mark.parametrize(
    ("index", "change"),
    [
        (np.array([0, 1]), 2),
        ([0, 1], 2),
        (np.array([True, True, False]), False),
        ((slice(None), np.array([0, 1])), 2),
    ],
    ids=["array", "list", "mask", "in a tuple"],
)
def test_an_index_may_change_before_the_backward_pass(index, change):
    x = tn.tensor(np.ones((3, 3)), requires_grad=True)
    y = x[index].sum()
    changed = index[-1] if isinstance(index, tuple) else index
    changed[0] = changed[1] = change
    y.backward()
    picked = x.grad.T if isinstance(index, tuple) else x.grad
    assert picked.tolist() == [[1.0] * 3, [1.0] * 3, [0.0] * 3]


def test_a_tensor_is_no_index():
    with pytest.raises(TypeError, match=r"getitem: .* Give an array: x\[np\.array\(\[0, 2\]\)\]"):
        tn.tensor([1.0, 2.0])[tn.tensor([0, 1])]
