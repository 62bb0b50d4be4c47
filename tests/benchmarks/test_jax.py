"""Training step of benchmarks.with_jax: the same losses as tinynet from the same weights."""

import numpy as np
import pytest

import tinynet as tn
from benchmarks import with_jax, workloads
from tinynet import functions as F


@pytest.mark.slow
@pytest.mark.parametrize("net", ["S", "A"])
def test_jax_makes_our_step(net):
    pytest.importorskip("jax")
    rng = np.random.default_rng(0)
    model = workloads.ours(net)
    for layer in workloads.layers(model):
        for p in layer.parameters():  # large enough that every layer matters to the loss
            p.data[...] = rng.standard_normal(p.shape) * np.prod(p.shape[1:]) ** -0.5
        if isinstance(layer, tn.nn.Dropout):
            layer.p = 0.0
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
