"""Tensors stored as bfloat16, as a GPU does: what reads them, who is given float32, gradients."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import kernels, nn
from tinynet.core.bfloat16 import BFloat16, numbers, rounded

pytestmark = pytest.mark.cxx


@pytest.fixture
def in_bfloat16():
    """Compute as a GPU does in bfloat16."""
    with kernels.use("cuda_on_cpu"), tn.precision("bfloat16"):
        yield


def drawn(rng, *shape):
    return tn.tensor(rng.standard_normal(shape).astype(np.float32), requires_grad=True)


def convolved(rng):
    x, weight = drawn(rng, 2, 3, 8, 8), drawn(rng, 4, 3, 3, 3)
    return F.conv2d_relu(x, weight), x, weight


@pytest.mark.usefixtures("in_bfloat16")
def test_a_tensor_shows_float32_and_keeps_bfloat16(rng):
    y, *_ = convolved(rng)
    assert (y.stored.words.dtype, y.stored.nbytes) == (np.uint16, 2 * y.size)
    assert (y.dtype, y.data.dtype, y.shape, y.ndim, len(y)) == (
        np.float32,
        np.float32,
        (2, 4, 6, 6),
        4,
        2,
    )
    assert np.array_equal(y.data, numbers(rounded(y.data)))
    assert "op=conv2d" in repr(y)
    assert isinstance(y, tn.Tensor)


@pytest.mark.usefixtures("in_bfloat16")
def test_every_op_of_the_chain_keeps_it(rng):
    y, *_ = convolved(rng)
    chain = [
        lambda x: F.local_response_norm(x, 3),
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.local_response_norm_max_pool2d(x, 2, n=3),
        lambda x: F.dropout(x, 0.5),
        F.flatten,
    ]
    assert [op(y).stored is not None for op in chain] == [True] * 5
    hidden = nn.Linear(144, 5)
    score = nn.Sequential(hidden, nn.ReLU())(F.flatten(y))
    assert score.stored is not None
    assert hidden(F.flatten(y)).stored is None  # scores are float32


@pytest.mark.usefixtures("in_bfloat16")
def test_other_ops_get_float32(rng):
    y, *_ = convolved(rng)
    z = F.tanh(y)
    assert z.stored is None
    assert np.array_equal(z.data, np.tanh(y.data))
    assert (y + y).data.dtype == (2 * y).data.dtype == np.float32


@pytest.mark.usefixtures("in_bfloat16")
def test_a_gradient_is_stored_as_its_tensor_is(rng):
    y, x, weight = convolved(rng)
    seen = []
    backward = F.max_pool2d(y, 2)
    creator = backward.creator
    given = type(creator).backward
    creator.backward = lambda gy: (seen.append(gy), given(creator, gy))[1]
    (backward * backward).sum().backward()
    assert isinstance(seen[0], BFloat16)
    assert x.grad.dtype == weight.grad.dtype == np.float32


@pytest.mark.usefixtures("in_bfloat16")
def test_gradients_that_meet_are_added_in_float32(rng):
    y, x, _ = convolved(rng)
    y.retain_grad()
    (F.max_pool2d(y, 2).sum() + F.dropout(y, 0.5).sum() + 3 * y.sum()).backward()
    expected, known = y.grad, x.grad
    assert expected.dtype == np.float32
    assert np.array_equal(expected, numbers(rounded(expected)))
    assert set(np.unique(expected)) <= {3.0, 4.0, 5.0, 6.0}
    assert known.any()


@pytest.mark.usefixtures("in_bfloat16")
def test_backward_starts_from_such_a_tensor(rng):
    y, x, _ = convolved(rng)
    y.backward(np.ones(y.shape, np.float32))
    assert x.grad.any()


@pytest.mark.usefixtures("in_bfloat16")
def test_new_values_are_rounded(rng):
    y, *_ = convolved(rng)
    y.data = np.full(y.shape, 1 + 2**-9, np.float32)
    assert (y.data == 1).all()


@pytest.mark.usefixtures("in_bfloat16")
def test_a_step_is_recorded_and_replayed(rng):
    tn.seed(1)
    layers = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5)
    model = nn.Sequential(*layers)
    optimizer = tn.optim.SGD(model.parameters(), 0.1)
    batches = rng.standard_normal((4, 2, 3, 8, 8)).astype(np.float32)
    before = {name: value.copy() for name, value in model.state_dict().items()}

    def step(x):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), np.array([1, 3]))
        loss.backward()
        optimizer.step()
        return loss

    found = []
    for run in (step, tn.graph(step)):
        model.load_state_dict(before)
        found.append([run(tn.tensor(x)).item() for x in batches])
    assert found[0] == found[1]


def test_a_cpu_stores_float32(rng):
    with tn.precision("bfloat16"):
        y, *_ = convolved(rng)
    assert y.stored is None


def test_float64_stays_float64(in_bfloat16, rng):
    x, weight = (tn.tensor(rng.standard_normal(s)) for s in ((1, 2, 5, 5), (3, 2, 3, 3)))
    assert F.conv2d_relu(x, weight).dtype == np.float64
