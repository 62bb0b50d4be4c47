"""The engine: graphs of every form, and what must not happen on the walk back."""

import gc
import weakref

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.core.autograd import Function
from tinynet.core.errors import ShapeError


def leaf(*values):
    return tn.tensor(np.array(values), requires_grad=True)


def test_a_value_used_twice_gets_both_gradients():
    x = leaf(3.0)
    (x * x + x).sum().backward()
    assert x.grad.tolist() == [7]


def test_a_diamond_is_walked_once_per_node():
    calls = []

    class Count(Function):
        def forward(self, x):
            return 2 * x

        def backward(self, gy):
            calls.append(gy.tolist())
            return 2 * gy

    x = leaf(1.0)
    h = Count()(x)
    (h * 3 + h * 4).sum().backward()
    assert calls == [[7]]
    assert x.grad.tolist() == [14]


def test_paths_of_different_length_are_both_finished_before_the_node_below():
    x = leaf(2.0)
    h = x * 5
    long = h
    for _ in range(4):
        long = long * 1
    (h + long).sum().backward()
    assert x.grad.tolist() == [10]


def test_a_chain_of_twenty_thousand_ops_is_not_too_deep():
    x = leaf(1.0)
    h = x
    for _ in range(20_000):
        h = h + 1
    h.sum().backward()
    assert x.grad.tolist() == [1]


def test_a_second_backward_adds_to_the_gradient():
    x = leaf(1.0)
    (x * 2).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5]


def test_gradients_that_are_added_are_not_changed_in_place():
    a, b = leaf(1.0), leaf(2.0)
    (a + b).sum().backward()
    before = b.grad
    (a * 10).sum().backward()
    assert (a.grad.tolist(), before.tolist(), b.grad.tolist()) == ([11], [1], [1])


def test_keep_graph_allows_a_second_walk():
    x = leaf(3.0)
    loss = (x * x).sum()
    loss.backward(keep_graph=True)
    loss.backward()
    assert x.grad.tolist() == [12]


def test_a_graph_may_be_walked_from_two_ends_if_it_is_kept():
    x = leaf(3.0)
    h = x * x
    h.sum().backward(keep_graph=True)
    (h * 2).sum().backward()
    assert x.grad.tolist() == [18]


def test_backward_may_start_from_a_given_gradient():
    x = leaf(1.0, 2.0)
    (x * x).backward(np.array([10.0, 100.0]))
    assert x.grad.tolist() == [20, 400]


def test_the_given_gradient_has_the_shape_of_the_value():
    with pytest.raises(tn.ShapeError, match=r"\(2,\).*\(1,\)"):
        (leaf(1.0, 2.0) * 2).backward(np.ones(1))


def test_only_leaves_keep_a_gradient_unless_asked():
    x = leaf(2.0)
    h, kept = x * 3, x * 4
    kept.retain_grad()
    (h + kept * kept).sum().backward()
    assert h.grad is None
    assert kept.grad.tolist() == [16]


def test_what_needs_no_gradient_gets_none():
    x, constant = leaf(2.0), tn.tensor([3.0])
    (x * constant).sum().backward()
    assert constant.grad is None


def test_costly_gradients_that_nobody_wants_are_not_computed():
    x = tn.tensor(np.ones((1, 1, 3, 3)))
    weight = tn.tensor(np.ones((1, 1, 2, 2)), requires_grad=True)
    y = F.conv2d(x, weight)
    gx, gweight = y.creator.backward(np.ones(y.shape))
    assert gx is None
    assert gweight.shape == weight.shape


def test_no_grad_records_nothing_and_ends_with_its_block():
    x = leaf(1.0)
    with tn.no_grad():
        assert (x * 2).creator is None
    assert (x * 2).requires_grad
    with pytest.raises(KeyError), tn.no_grad():
        raise KeyError
    assert (x * 2).requires_grad


def test_detach_cuts_the_graph():
    x = leaf(3.0)
    (x * x.detach()).sum().backward()
    assert x.grad.tolist() == [3]


def test_a_dropped_loss_frees_its_graph_at_once():
    gc.disable()
    try:
        x = leaf(1.0)
        loss = F.relu(x * 2).sum()
        node = weakref.ref(loss.creator)
        del loss
        assert node() is None
    finally:
        gc.enable()


def test_backward_frees_what_was_saved():
    x = leaf(1.0)
    y = F.tanh(x)
    y.sum().backward()
    assert y.creator.saved is None
    assert y.creator.inputs == ()


def test_a_function_of_several_inputs_may_leave_gradients_out():
    class First(Function):
        def forward(self, a, b):
            return a + 0 * b

        def backward(self, gy):
            return gy, None

    a, b = leaf(1.0), leaf(2.0)
    First()(a, b).sum().backward()
    assert a.grad.tolist() == [1]
    assert b.grad is None


def test_results_that_numpy_makes_scalars_are_arrays():
    assert isinstance(leaf(1.0, 2.0).sum().data, np.ndarray)
    assert isinstance(leaf(1.0, 2.0)[0].data, np.ndarray)


def test_ops_are_called_by_their_function_names():
    class MaxPool2d(Function):
        pass

    class LocalResponseNorm(Function):
        pass

    assert [MaxPool2d().op(), LocalResponseNorm().op()] == ["max_pool2d", "local_response_norm"]


@pytest.mark.parametrize("together", [tuple, list])
def test_gradients_of_an_op_come_in_a_tuple_or_a_list(together):
    class Total(Function):
        def forward(self, a, b):
            return a + b

        def backward(self, gy):
            return together([gy, 2 * gy])

    a = tn.tensor([1.0], requires_grad=True)
    b = tn.tensor([1.0], requires_grad=True)
    Total()(a, b).backward()
    assert (a.grad, b.grad) == ([1.0], [2.0])


@pytest.mark.parametrize("result", [(1.0, 2.0), 1.5, None])
def test_an_op_that_returns_no_array_is_named(result):
    class Total(Function):
        def forward(self, a):
            return result

    with pytest.raises(TypeError, match="total: forward must return one array, and it returned"):
        Total()(tn.tensor([1.0]))


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ((np.ones(1), np.ones(1)), "one gradient for each input.* returned 2 for 1 inputs"),
        ([2.0], "backward returns arrays; it returned a float"),
        (np.ones(3), r"a gradient of shape \(3,\) for an input of shape \(1,\)"),
    ],
)
def test_a_gradient_that_does_not_fit_is_named(result, words):
    class Total(Function):
        def forward(self, a):
            return a * 1

        def backward(self, gy):
            return result

    y = Total()(tn.tensor([1.0], requires_grad=True))
    with pytest.raises((TypeError, ShapeError), match=f"total: .*{words}"):
        y.backward()


def test_an_op_without_a_backward_is_named():
    class Total(Function):
        def forward(self, a):
            return a * 1

    y = Total()(tn.tensor([1.0], requires_grad=True))
    with pytest.raises(NotImplementedError, match=r"total: its class has no backward\(gy\)"):
        y.backward()


def test_numbers_in_a_list_are_no_data_of_a_parameter():
    weight = nn.Parameter(np.ones(2, np.float32))
    with pytest.raises(TypeError, match="Parameter: its data is an array, got list"):
        weight.data = [1.0, 2.0]
