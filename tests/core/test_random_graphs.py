"""Random graphs: every value and every gradient against formulas in float64 and PyTorch.

A program of random steps builds graphs of shared values, changes parameters between forward and
backward, goes back several times, scales gradients in place, and mixes types, byte orders and
memory orders. What tinynet computes must be right within what its rounding explains, or refused.

    pytest tests/core/test_random_graphs.py                                  the same programs
    HYPOTHESIS_PROFILE=explore pytest tests/core/test_random_graphs.py       new ones, for an hour

hypothesis prints a program that fails as Python; keep it below as a test of its own.
"""

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test as run_programs

import tinynet as tn
from support.graph_ops import torch
from support.graph_programs import HOW, RandomGraphs
from tinynet import nn, optim
from tinynet.core import autograd
from tinynet.core.autograd import Function, Variable
from tinynet.functions import elementwise, norm, shape
from tinynet.nn import parameter

MIXED = pytest.mark.filterwarnings("ignore:.*computed in float64:RuntimeWarning")


@pytest.fixture(autouse=True)
def _one_thread():
    """Arrays of a few numbers: PyTorch's threads would only wait for each other."""
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@MIXED
def test_every_gradient_of_a_random_graph_is_right_or_refused():
    run_programs(RandomGraphs, settings=HOW)


@MIXED
@pytest.mark.slow
def test_more_random_graphs():
    run_programs(RandomGraphs, settings=settings(HOW, max_examples=5 * HOW.max_examples))


# ---- programs that failed


@pytest.mark.parametrize(
    "alias",
    [
        lambda w: w.detach(),
        lambda w: tn.Tensor(w.data),
        lambda w: w.detach().reshape(2, 1)[:, 0],
        tn.no_grad(lambda w: w.reshape(2)),
    ],
)
def test_a_parameter_that_moved_is_noticed_through_another_name_of_its_memory(alias):
    w = nn.Parameter(np.array([2.0, 3.0], np.float32))
    x = tn.tensor([1.0, 1.0], requires_grad=True)
    y = (x * alias(w)).sum()
    w.grad = np.ones(2, np.float32)
    optim.SGD([w], lr=1.0).step()
    with pytest.raises(tn.GraphError, match=r"\(2,\) of mul was changed"):
        y.backward()


def test_a_step_is_noticed_even_if_other_weights_were_loaded_since():
    layer = nn.Linear(2, 1)
    state = layer.state_dict()
    x = tn.tensor([[1.0, 1.0]], requires_grad=True)
    y = layer(x).sum()
    layer.weight.grad = np.ones((1, 2), np.float32)
    optim.SGD([layer.weight], lr=1.0).step()
    layer.load_state_dict(state)
    with pytest.raises(tn.GraphError, match="of linear was changed"):
        y.backward()


def test_the_gradient_of_a_view_needs_no_values():
    w = nn.Parameter(np.ones((2, 3), np.float32))
    y = (-w.reshape(6)[1:].reshape(5, 1).T).sum()
    w.grad = np.ones((2, 3), np.float32)
    optim.SGD([w], lr=1.0).step()
    w.zero_grad()
    y.backward()
    assert w.grad.tolist() == [[0, -1, -1], [-1, -1, -1]]


def test_weights_that_were_loaded_leave_the_graph_of_the_old_ones_right():
    layer = nn.Linear(2, 1)
    state = {name: 10 * value for name, value in layer.state_dict().items()}
    before = layer.weight.numpy().copy()
    x = tn.tensor([[1.0, 1.0]], requires_grad=True)
    y = layer(x).sum()
    layer.load_state_dict(state)
    layer.weight.grad = np.ones((1, 2), np.float32)
    optim.SGD([layer.weight], lr=1.0).step()
    layer.zero_grad()
    y.backward()
    assert np.array_equal(x.grad, before)


def test_a_changed_exponent_is_refused_before_it_is_used():
    base = tn.tensor([2.0, 0.0], requires_grad=True)
    exponent = nn.Parameter(np.array([1.0, 0.5], np.float32))
    y = (base**exponent).sum()
    exponent.grad = np.ones(2, np.float32)
    optim.SGD([exponent], lr=1.0).step()  # to 0 and -0.5: log(0) would warn
    with pytest.raises(tn.GraphError, match="of pow was changed"):
        y.backward()


def test_a_parameter_without_axes_may_be_given_what_numpy_makes_of_it():
    w = nn.Parameter(np.array(3.0, np.float32))
    w.data = w.data * 2 - 1  # a NumPy scalar
    w.grad = np.array(4.0, np.float32) / 2  # another
    optim.SGD([w], lr=0.5).step()
    assert w.data == 4.0
    assert type(w.data) is type(w.grad) is np.ndarray
    w.data = w.data + 1
    w.mark_changed()
    assert type(w.data) is np.ndarray


# ---- faults that were found in this engine, planted again


def same_node_again(monkeypatch):
    """A Function object that is applied twice is one node, with the inputs of the second call."""

    def one_node(self):
        self.serial = 0
        return self

    monkeypatch.setattr(Function, "_fresh", one_node)


def changes_unseen(monkeypatch):
    """No one notes that an optimizer writes to a parameter."""
    monkeypatch.setattr(Variable, "mark_changed", lambda self: None)


def shared_gradients(monkeypatch):
    """A leaf gets whatever array backward returned: another leaf's, or a read-only one."""
    monkeypatch.setattr(autograd, "_unshared", lambda x, gx, gy, gradients: np.asarray(gx))


def power_of_zero(monkeypatch):
    """The gradient of an exponent is y * log(a), also where a is 0."""

    def backward(self, gy):
        a, b, y = self.saved
        with np.errstate(all="ignore"):
            ga = elementwise.unbroadcast(gy * b * a ** np.where(b == 0, 1, b - 1), a.shape)
            return ga, elementwise.unbroadcast(gy * y * np.log(a), b.shape)

    monkeypatch.setattr(elementwise.Pow, "backward", backward)


def types_of_lrn(monkeypatch):
    """The kernel of backward gets x and gy as they are, of two types.

    Without the cast of gy in backward alone no bit differs: gy has the type of y, and where that is
    float16, the reference computes, in the type of x.
    """

    def forward(self, x):
        y, scale = norm.lrn_forward(x, self.n, self.k, self.alpha, self.beta, self.groups)
        self.saved = x, y, scale
        return y

    def backward(self, gy):
        x, y, scale = self.saved
        return norm.lrn_backward(gy, x, y, scale, self.n, self.alpha, self.beta, self.groups)

    monkeypatch.setattr(norm.LocalResponseNorm, "forward", forward)
    monkeypatch.setattr(norm.LocalResponseNorm, "backward", backward)


def types_of_batch_norm(monkeypatch):
    """The kernels get x, the weight and the statistics as they are, of two types."""

    def forward(self, x, weight, bias):
        normalize = norm.batch_norm_relu_forward if self.relu else norm.batch_norm_forward
        y = normalize(x, self.mean, self.var, weight, bias, self.eps)
        self.saved = x, weight, y if self.relu else None
        return y

    monkeypatch.setattr(norm.BatchNorm, "forward", forward)


def read_only_parameters(monkeypatch):
    """A parameter wraps memory that cannot be written to."""
    monkeypatch.setattr(autograd, "is_writable", lambda x: True)
    monkeypatch.setattr(parameter, "is_writable", lambda x: True)


def borrowed_index(monkeypatch):
    """An index array that the caller changes is read again by backward."""
    monkeypatch.setattr(shape, "_owned", lambda index: index)


PLANTS = {
    "1": same_node_again,
    "2": changes_unseen,
    "3": shared_gradients,
    "11": power_of_zero,
    "25 lrn": types_of_lrn,
    "25 batch norm": types_of_batch_norm,
    "27": read_only_parameters,
    "index": borrowed_index,
}


@MIXED
@pytest.mark.slow
@pytest.mark.parametrize("fault", PLANTS)
def test_the_fuzzer_finds(fault, monkeypatch):
    """A number is the one of the report; a passing suite of programs would raise here."""
    PLANTS[fault](monkeypatch)
    how = settings(HOW, max_examples=1000, phases=[Phase.generate], derandomize=True, database=None)
    with pytest.raises((AssertionError, TypeError, ValueError, IndexError)):
        run_programs(RandomGraphs, settings=how)
