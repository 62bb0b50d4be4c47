"""Operations that could give a wrong gradient unnoticed: computed correctly, or refused."""

import contextlib
import operator

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.core.autograd import Function
from tinynet.functions.elementwise import Tanh


def leaf(*values):
    return tn.tensor(np.array(values), requires_grad=True)


# one op object, applied more than once


class Scale(Function):
    def forward(self, x):
        self.saved = x
        return x * x

    def backward(self, gy):
        return 2 * gy * self.saved


@pytest.mark.parametrize("op", [Tanh, Scale])
def test_an_op_object_may_be_applied_twice(op):
    x, z, x2, z2 = (leaf(v) for v in (0.3, 0.5, 0.3, 0.5))
    twice = op()
    (twice(x) + twice(z)).backward()
    (op()(x2) + op()(z2)).backward()
    assert (x.grad.tolist(), z.grad.tolist()) == (x2.grad.tolist(), z2.grad.tolist())


def test_an_op_object_may_be_applied_to_its_own_output():
    x = leaf(0.3)
    y = leaf(0.3)
    f = Tanh()
    f(f(x)).backward()
    F.tanh(F.tanh(y)).backward()
    assert x.grad.tolist() == y.grad.tolist()


def test_an_op_object_may_be_kept_over_two_steps():
    x = leaf(0.3)
    f = Tanh()
    for _ in range(3):
        x.zero_grad()
        f(x).backward()
    expected = leaf(0.3)
    F.tanh(expected).backward()
    assert x.grad.tolist() == expected.grad.tolist()


def test_an_op_object_may_be_applied_without_a_graph_in_between():
    x = leaf(0.3)
    expected = leaf(0.3)
    f = Tanh()
    y = f(x)
    with tn.no_grad():
        f(leaf(5.0))
    y.backward()
    F.tanh(expected).backward()
    assert x.grad.tolist() == expected.grad.tolist()


# what changes between forward and backward


def two_layers():
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    model[0].weight.data[:] = 1
    model[1].weight.data[:] = 2
    return model


ONE = np.ones((1, 1), np.float32)


@pytest.mark.parametrize("make", [tn.optim.SGD, tn.optim.Adam])
def test_a_step_of_an_optimizer_before_backward_is_refused(make):
    model = two_layers()
    x = tn.tensor(ONE)
    first = model(x).sum()
    second = model(x).sum()
    optimizer = make(model.parameters(), lr=1.0)
    first.backward()
    optimizer.step()
    optimizer.zero_grad()
    with pytest.raises(tn.GraphError, match=r"linear needs was changed after.*step.*forward pass again"):
        second.backward()


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.Conv2d(4, 2, 3),
        lambda: nn.LocallyConnected2d(4, 2, (5, 5), 3),
        lambda: nn.BatchNorm2d(4),
        lambda: nn.Sequential(nn.Conv2d(4, 2, 3), nn.ReLU()),
        lambda: nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()),
    ],
)
def test_the_weights_of_every_layer_are_watched(layer):
    model = layer()
    x = tn.tensor(np.random.default_rng(0).random((2, 4, 5, 5), np.float32), requires_grad=True)
    first = model(x).sum()
    second = model(x).sum()
    optimizer = tn.optim.SGD(model.parameters(), lr=1.0)
    first.backward()
    optimizer.step()
    with pytest.raises(tn.GraphError, match="changed"):
        second.backward()


def test_a_kept_graph_is_refused_after_a_step():
    model = two_layers()
    loss = model(tn.tensor(ONE)).sum()
    optimizer = tn.optim.SGD(model.parameters(), lr=1.0)
    loss.backward(keep_graph=True)
    optimizer.step()
    with pytest.raises(tn.GraphError, match="changed"):
        loss.backward()


def test_a_weight_that_is_used_through_a_view_is_watched_too():
    weight = leaf([1.0, 2.0])
    optimizer = tn.optim.SGD([weight], lr=1.0)
    x = tn.tensor(np.ones((1, 2)), requires_grad=True)
    first = (x @ weight.reshape(2, 1)).sum()
    second = (x @ weight.T).sum()
    first.backward()
    optimizer.step()
    with pytest.raises(tn.GraphError, match="changed"):
        second.backward()


def test_a_replay_of_a_graph_changes_weights_too():
    weight = tn.tensor([1.0], requires_grad=True)
    optimizer = tn.optim.SGD([weight], lr=1.0)

    def step(x):
        loss = (weight * x).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    graphed = tn.graph(step)
    for _ in range(2):
        graphed(tn.ones(1))
    eager = (weight * weight).sum()
    graphed(tn.ones(1))
    with pytest.raises(tn.GraphError, match="changed"):
        eager.backward()


def test_loading_weights_leaves_the_gradients_of_the_old_ones():
    model = two_layers()
    loss = model(tn.tensor(ONE)).sum()
    model.load_state_dict({name: v * 10 for name, v in model.state_dict().items()})
    loss.backward()
    assert model[0].weight.grad.tolist() == [[2]]


def test_what_no_op_has_saved_may_change():
    bias = tn.tensor([1.0], requires_grad=True)
    optimizer = tn.optim.SGD([bias], lr=1.0)
    first = (bias + 1).sum()
    second = (bias + 2).sum()
    first.backward()
    optimizer.step()
    second.backward()
    assert bias.grad.tolist() == [2]


def test_steps_after_backward_are_fine():
    model = two_layers()
    optimizer = tn.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(tn.tensor(ONE)).sum().backward()
        optimizer.step()


def test_running_values_that_move_leave_an_older_evaluation_as_it_was():
    norm = nn.BatchNorm2d(2)
    other = nn.BatchNorm2d(2)
    values = np.random.default_rng(0).normal(3, 2, (4, 2, 3, 3)).astype(np.float32)
    x = tn.tensor(values, requires_grad=True)
    z = tn.tensor(x.data, requires_grad=True)
    y = norm.eval()(x)
    norm.train()(x)
    (y * y).sum().backward()
    w = other.eval()(z)
    (w * w).sum().backward()
    assert np.array_equal(x.grad, z.grad)
    assert np.array_equal(norm.weight.grad, other.weight.grad)


# gradients have memory of their own


@pytest.mark.parametrize(
    "join",
    [
        lambda a, b: a + b,
        lambda a, b: a.reshape(3, 2).reshape(6) + b,
        lambda a, b: a - b,
        lambda a, b: F.concatenate([a, b], axis=0),
        lambda a, b: F.stack([a, b]),
        lambda a, b: a.clone() + b.unsqueeze(0).squeeze(0),
    ],
)
def test_gradients_of_two_leaves_share_no_memory(join):
    a = leaf(*range(6))
    b = leaf(*range(6))
    h = join(a, b)
    (h * 1).sum().backward()
    before = b.grad.copy()
    a.grad *= 0.5
    assert not np.may_share_memory(a.grad, b.grad)
    assert np.array_equal(b.grad, before)


def test_a_function_of_ones_own_may_return_one_array_twice():
    class Both(Function):
        def forward(self, a, b):
            return a + b

        def backward(self, gy):
            g = gy * 2
            return g, g

    a = leaf(1.0)
    b = leaf(2.0)
    Both()(a, b).backward()
    a.grad += 1
    assert (a.grad.tolist(), b.grad.tolist()) == ([3], [2])


@pytest.mark.parametrize(
    "reduce",
    [
        lambda x: x.sum(),
        lambda x: x.mean(),
        lambda x: F.global_avg_pool2d(x.reshape(1, 1, 2, 3)).sum(),
        lambda x: x.reshape(2, 3).T.sum(),
        lambda x: (x + 1).sum(),
        lambda x: x.reshape(2, 3).sum(0).sum(),
        lambda x: x[1],
    ],
)
def test_gradients_can_be_written(reduce):
    x = leaf(*range(6))
    reduce(x).backward()
    before = x.grad.copy()
    x.grad *= 2
    assert np.array_equal(x.grad, 2 * before)


def test_the_given_gradient_is_not_taken_over():
    gy = np.ones(2)
    x = leaf(1.0, 2.0)
    (x + 0).backward(gy)
    x.grad *= 5
    assert gy.tolist() == [1, 1]


def test_retained_gradients_are_copies():
    x = leaf(1.0, 2.0)
    h = x + 0
    h.retain_grad()
    h.sum().backward()
    h.grad *= 7
    assert x.grad.tolist() == [1, 1]


def test_the_gradient_of_a_number_is_an_array():
    x = tn.tensor(2.0, requires_grad=True)
    (x * x).backward()
    (x * x).backward()
    x.grad[...] = 3
    assert isinstance(x.grad, np.ndarray)
    assert x.grad == 3


# backward starts from tensors, arrays and numbers


@pytest.mark.parametrize(
    "gy",
    [tn.tensor([1.0, 1.0]), np.ones(2), np.ones(2, int), [1, 1], 1, 1.0, np.float32(1), True],
)
def test_backward_takes_a_tensor_an_array_or_a_number(gy):
    x = tn.tensor([1.0, 2.0], requires_grad=True)
    (x * x).backward(gy)
    assert x.grad.tolist() == [2, 4]
    assert x.grad.dtype == np.float32


def test_backward_through_a_convolution_takes_a_tensor():
    x = tn.tensor(np.ones((1, 1, 3, 3), np.float32), requires_grad=True)
    y = F.conv2d(x, tn.ones(1, 1, 2, 2))
    y.backward(tn.ones_like(y))
    assert x.grad.sum() == 16


def test_other_names_of_the_arguments_of_backward_are_answered():
    with pytest.raises(TypeError, match=r"retain_graph.*keep_graph="):
        leaf(1.0).backward(retain_graph=True)
    with pytest.raises(TypeError, match="there is no argument spam"):
        leaf(1.0).backward(spam=True)


# derivatives where a formula has no value


def test_the_gradient_of_an_exponent_at_base_0():
    x = tn.tensor([0.0, 0.0, 0.0, 2.0])
    e = tn.tensor([2.0, 0.5, 0.0, 3.0], requires_grad=True)
    (x**e).sum().backward()
    assert e.grad[:3].tolist() == [0, 0, 0]
    assert e.grad[3] == pytest.approx(8 * np.log(2))


def test_the_gradient_of_an_exponent_at_a_negative_base_is_nan():
    e = tn.tensor([2.0], requires_grad=True)
    with np.errstate(invalid="ignore"):
        (tn.tensor([-1.0]) ** e).sum().backward()
    assert np.isnan(e.grad).all()


def test_the_gradient_of_a_standard_deviation_of_0_is_0():
    x = leaf(3.0, 3.0, 3.0)
    x.std().backward()
    assert x.grad.tolist() == [0, 0, 0]


# in-place changes


@pytest.mark.parametrize("name", ["iadd", "isub", "imul", "itruediv", "ifloordiv", "ipow"])
@pytest.mark.parametrize("block", [contextlib.nullcontext(), tn.no_grad], ids=["graph", "no_grad"])
def test_in_place_operators_on_a_leaf_are_refused(name, block):
    x = leaf(1.0)
    with block, pytest.raises(TypeError, match=r"in-place.*a gradient.*x\.data \+= 1"):
        getattr(operator, name)(x, 2)
    assert x.tolist() == [1]


def test_in_place_operators_on_other_tensors_make_new_ones():
    x = leaf(3.0)
    h = x * 1
    h += 1
    h *= x
    h.backward()
    assert x.grad.tolist() == [7]
    data = other = tn.ones(1)
    data += 1
    assert (data.tolist(), other.tolist()) == ([2], [1])


def test_assignment_to_elements_is_refused():
    x = tn.ones(3)
    with pytest.raises(TypeError, match=r"x\.data\[index\] = value"):
        x[0] = 5
    x.data[0] = 5
    assert x.tolist() == [5, 1, 1]


# read-only arrays


@pytest.mark.parametrize(
    "array",
    [
        np.frombuffer(np.ones(6, "f4").tobytes(), "f4").reshape(2, 3),
        np.broadcast_to(np.float32(1), (2, 3)),
    ],
)
@pytest.mark.parametrize(
    "make", [nn.Parameter, lambda a: tn.Tensor(a, requires_grad=True)], ids=["Parameter", "Tensor"]
)
@pytest.mark.parametrize("optimizer", [tn.optim.SGD, tn.optim.Adam])
def test_read_only_weights_are_moved(array, make, optimizer):
    weight = make(array)
    F.linear(tn.ones(1, 3), weight).sum().backward()
    optimizer([weight], lr=0.5).step()
    assert (weight.data < 1).all()
    assert (array == 1).all()


# response normalization


@pytest.mark.parametrize("name", ["local_response_norm", "spatial_response_norm"])
def test_k_alpha_beta_are_given_by_name(name):
    x = tn.ones(1, 4, 3, 3)
    function = getattr(F, name)
    with pytest.raises(TypeError, match=r"only n .*0\.0001, 0\.75, 2 .*k=, alpha=, beta=.*PyTorch"):
        function(x, 5, 1e-4, 0.75, 2)
    assert function(x, 3, k=1.0, alpha=1e-4, beta=0.75).shape == x.shape


@pytest.mark.parametrize("name", ["local_response_norm", "spatial_response_norm"])
def test_float16_does_not_overflow(name):
    function = getattr(F, name)
    results = []
    for dtype in (np.float16, np.float32):
        x = tn.tensor(np.full((1, 5, 3, 3), 300.0).astype(dtype), requires_grad=True)
        y = function(x, k=2.0, alpha=1e-4, beta=0.75)
        y.sum().backward()
        assert (y.dtype, x.grad.dtype) == (dtype, dtype)
        results.append((y.data.astype(float), x.grad.astype(float)))
    for half, single in zip(*results, strict=True):
        assert half == pytest.approx(single, rel=2e-3, abs=2e-3)


def test_mixed_types_go_back_through_normalizations():
    half = np.random.default_rng(0).random((2, 6, 8, 8)).astype("f2")
    norm = nn.BatchNorm2d(6)
    norm(tn.tensor(half)).sum().backward()
    assert norm.weight.grad.dtype == np.float32
    x = tn.tensor(np.ones((2, 6, 8, 8), ">f4"), requires_grad=True)
    assert x.dtype.isnative
    F.local_response_norm(x).sum().backward()
    assert np.isfinite(x.grad).all()
