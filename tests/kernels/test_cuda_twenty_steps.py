"""Training with the CUDA kernels: the same losses and weights as with the references."""

import functools

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import kernels, models, optim
from tinynet.core import random

pytestmark = [pytest.mark.cxx, pytest.mark.slow]
STEPS = 20
BATCH = 2


def losses(kind, name="small-alexnet", dtype=np.float64, lr=0.01, batches=STEPS):
    """Train a network from seed 0; return the losses and the last weights."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((batches, BATCH, 3, 32, 32)).astype(dtype)
    labels = rng.integers(0, 10, (batches, BATCH))
    tn.seed(0)
    model = models.build(name, classes=10)
    for p in model.parameters():
        p.data = p.data.astype(dtype)
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)
    seen = []
    with kernels.use(kind):
        for step in range(STEPS):
            random.at_step(step)
            optimizer.zero_grad()
            batch = step % batches
            loss = F.cross_entropy(model(tn.tensor(images[batch])), labels[batch])
            loss.backward()
            optimizer.step()
            seen.append(loss.item())
    return np.array(seen), [p.data for p in model.parameters()]


def test_twenty_steps_of_small_alexnet_give_the_losses_of_the_reference():
    expected, weights = losses("reference")
    got, mine = losses("cuda_on_cpu")
    assert len(set(expected.tolist())) == STEPS
    # 20 steps amplify a difference in the last bits; a missing mask or term changes the third digit
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    for a, b in zip(mine, weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * np.abs(b).max())


@pytest.mark.parametrize("name", ["demo", pytest.param("small-alexnet", marks=pytest.mark.long)])
def test_the_loss_curves_of_the_precisions_lie_side_by_side(name):
    """On one batch; bfloat16 also stores activations so."""
    calm = {"name": name, "dtype": np.float32, "lr": 0.0003, "batches": 1}
    expected, _ = losses("reference", **calm)
    # a factor or a stored number is off by 2**-24, 2**-11, 2**-8 at most; 20 steps amplify that
    for precision, allowed in (("float32", 2**-14), ("tf32", 2**-5), ("bfloat16", 2**-3)):
        with tn.precision(precision):
            got, weights = losses("cuda_on_cpu", **calm)
        off = np.abs(got - expected).max()
        assert off <= allowed, precision
        assert precision == "float32" or off > 2**-12
        assert got[-5:].mean() < got[:5].mean() / 2
        assert all(w.dtype == np.float32 for w in weights), "master weights"


@functools.cache
def losses_in_float64(name):
    """Return what the reference kernels give: every precision is compared with it."""
    return losses("reference", name)[0]


@pytest.mark.parametrize(
    ("precision", "rtol"),
    # factors are off by 2**-24, 2**-11, 2**-8 at most; 20 steps amplify that about tenfold
    [("float32", 1e-4), ("tf32", 0.01), ("bfloat16", 0.08)],
)
def test_twenty_steps_in_each_precision_follow_the_reference(precision, rtol):
    expected = losses_in_float64("cifar-quick")
    with tn.precision(precision):
        got, _ = losses("cuda_on_cpu", "cifar-quick", np.float32)
    np.testing.assert_allclose(got, expected, rtol=rtol)
    assert precision == "float32" or not np.allclose(got, expected, rtol=1e-6)
