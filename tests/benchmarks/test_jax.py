"""benchmarks.with_jax: the same losses and scores as tinynet from the same weights."""

import numpy as np
import pytest

import tinynet as tn
from benchmarks import workloads
from tinynet import functions as F

jax = pytest.importorskip("jax")
pytestmark = pytest.mark.slow


def prepared(net, rng):
    """Return a network in which every layer matters, without dropout."""
    model = workloads.ours(net)
    for layer in workloads.layers(model):
        for p in layer.parameters():
            if p.ndim > 1:
                p.data[...] = rng.standard_normal(p.shape) * np.prod(p.shape[1:]) ** -0.5
            else:
                p.data[...] += 0.1 * rng.standard_normal(p.shape)
        if isinstance(layer, tn.nn.Dropout):
            layer.p = 0.0
    return model


@pytest.mark.parametrize(
    "net", ["S", "A", pytest.param("A-no-lrn", marks=pytest.mark.long), "R", "V"]
)
def test_jax_makes_our_step(net):
    from benchmarks import with_jax

    rng = np.random.default_rng(0)
    model = prepared(net, rng)
    step = with_jax.jax_step(model)
    optimizer = tn.optim.SGD(model.parameters(), with_jax.LR, with_jax.MOMENTUM, with_jax.DECAY)
    x = rng.standard_normal((8, *workloads.shape(net)[1:]), np.float32)
    labels = rng.integers(0, 10, 8)
    for _ in range(4):
        loss = F.cross_entropy(model(tn.tensor(x)), labels)
        np.testing.assert_allclose(step(x, labels), loss.item(), rtol=1e-4)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize("net", ["S", "A", "R", "V"])
def test_jax_makes_our_scores(net):
    from benchmarks import with_jax

    rng = np.random.default_rng(1)
    model = prepared(net, rng).eval()
    for layer in workloads.layers(model):
        if isinstance(layer, tn.nn.BatchNorm2d):
            layer.running_var.data[...] = rng.uniform(0.5, 2, layer.num_features)
    x = rng.standard_normal((3, *workloads.shape(net)[1:]), np.float32)
    with tn.no_grad():
        wanted = model(tn.tensor(x)).numpy()
    found = with_jax.jax_forward(model)(x)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * abs(wanted).max())
