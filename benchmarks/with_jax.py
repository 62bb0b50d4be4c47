"""The training step in JAX, where it is installed: ``python -m benchmarks`` adds its rows.

It is built from tinynet's layers and weights, those of S and A, and computes the same step:
forward, loss, backward, SGD with momentum and weight decay, in float32, compiled as a whole by
`jax.jit`.

DeZero has no rows: its last release, 0.0.13, uses `np.int`, so its import fails with NumPy 1.24 and
later.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import tinynet as tn
from benchmarks import workloads

LR, MOMENTUM, DECAY = 1e-3, 0.9, 5e-4


def _over(m: Any, x: Any) -> int:
    """Return how many pixels the last pooling window extends beyond the image (H = W)."""
    return -(x.shape[2] - m.kernel_size) % m.stride


def jax_step(model: tn.nn.Module) -> Callable[[Any, Any], float]:
    """Return a training step of the same network, from images and labels to the loss."""
    import jax
    from jax import lax
    from jax import numpy as jnp

    def pool(m: Any, x: Any, start: float, op: Any) -> Any:
        k, s, over = m.kernel_size, m.stride, (0, _over(m, x))
        return lax.reduce_window(
            x, start, op, (1, k, k, 1), (1, s, s, 1), ((0, 0), over, over, (0, 0))
        )

    def normalize(m: Any, x: Any) -> Any:
        grouped = x.reshape(*x.shape[:3], m.groups, -1)
        squares = jnp.pad(grouped**2, [(0, 0)] * 4 + [(m.n // 2, m.n // 2)])
        near = sum(squares[..., i : i + grouped.shape[-1]] for i in range(m.n))
        return x / (m.k + m.alpha * near.reshape(x.shape)) ** m.beta

    def convolve(m: Any, x: Any, w: Any) -> Any:
        groups = zip(jnp.split(x, m.groups, 3), jnp.split(w, m.groups), strict=True)
        layouts = ("NHWC", "OIHW", "NHWC")
        conv = partial(
            lax.conv_general_dilated, dimension_numbers=layouts
        )  # feature_group_count is slower than the split
        return jnp.concatenate([conv(x, w, m.stride, m.padding) for x, w in groups], 3)

    rules: dict[str, Callable[..., Any]] = {
        "Conv2d": lambda m, x, key, w, b: convolve(m, x, w) + b,
        "Linear": lambda m, x, key, w, b: x @ w.T + b,
        "ReLU": lambda m, x, key: jax.nn.relu(x),
        "MaxPool2d": lambda m, x, key: pool(m, x, -jnp.inf, lax.max),
        "AvgPool2d": lambda m, x, key: (
            pool(m, x, 0.0, lax.add) / pool(m, jnp.ones_like(x[:1, ..., :1]), 0.0, lax.add)
        ),
        "LocalResponseNorm": lambda m, x, key: normalize(m, x),
        "Dropout": lambda m, x, key: jnp.where(
            jax.random.bernoulli(key, 1 - m.p, x.shape), x / (1 - m.p), 0
        ),
        "Flatten": lambda m, x, key: x.transpose(0, 3, 1, 2).reshape(len(x), -1),
    }

    def objective(parameters: Any, key: Any, x: Any, labels: Any) -> Any:
        x = x.transpose(0, 2, 3, 1)
        for layer, own in zip(workloads.layers(model), parameters, strict=True):
            key, now = jax.random.split(key)
            x = rules[type(layer).__name__](layer, x, now, *own)
        return -jax.nn.log_softmax(x)[jnp.arange(len(x)), labels].mean()

    def update(state: Any, x: Any, labels: Any) -> Any:
        parameters, velocities, key = state
        key, now = jax.random.split(key)
        loss, g = jax.value_and_grad(objective)(parameters, now, x, labels)
        velocities = jax.tree.map(
            lambda v, g, w: MOMENTUM * v - LR * (g + DECAY * w), velocities, g, parameters
        )
        return (jax.tree.map(jnp.add, parameters, velocities), velocities, key), loss

    compiled = jax.jit(update, donate_argnums=0)
    parameters = [[jnp.array(p.data) for p in m.parameters()] for m in workloads.layers(model)]
    state = parameters, jax.tree.map(jnp.zeros_like, parameters), jax.random.key(0)

    def step(x: Any, labels: Any) -> float:
        nonlocal state
        state, loss = jax.block_until_ready(compiled(state, x, labels))
        return float(loss)

    return step
