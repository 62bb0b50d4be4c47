"""The training step and inference in JAX, built from tinynet's layers and weights.

They compute what tinynet computes, in float32: forward, loss, backward, SGD with momentum and
weight decay, compiled as a whole by `jax.jit`; inference has its weights compiled in.

DeZero has no rows: its last release, 0.0.13, uses `np.int`, so its import fails with NumPy 1.24 and
later.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax import lax
from jax import numpy as jnp

import tinynet as tn
from benchmarks import workloads

LR, MOMENTUM, DECAY = 1e-3, 0.9, 5e-4
CHAINS = ("Sequential", "AlexNet", "VGG")  # containers that call their layers in order


def jax_step(model: tn.nn.Module) -> Callable[[Any, Any], float]:
    """Return a training step of the same network, from images and labels to the loss."""
    trained, averages = _state(model)

    def objective(trained: Any, averages: Any, key: Any, x: Any, labels: Any) -> Any:
        network = Network(trained, averages, key)
        scores = network.scores(model, x)
        loss = -jax.nn.log_softmax(scores)[jnp.arange(len(scores)), labels].mean()
        return loss, network.averages

    def update(state: Any, x: Any, labels: Any) -> Any:
        trained, velocities, averages, key = state
        key, now = jax.random.split(key)
        gradient = jax.value_and_grad(objective, has_aux=True)
        (loss, averages), g = gradient(trained, averages, now, x, labels)
        velocities = jax.tree.map(
            lambda v, g, w: MOMENTUM * v - LR * (g + DECAY * w), velocities, g, trained
        )
        return (jax.tree.map(jnp.add, trained, velocities), velocities, averages, key), loss

    compiled = jax.jit(update, donate_argnums=0)
    state = trained, jax.tree.map(jnp.zeros_like, trained), averages, jax.random.key(0)

    def step(x: Any, labels: Any) -> float:
        nonlocal state
        state, loss = jax.block_until_ready(compiled(state, x, labels))
        return float(loss)

    return step


def jax_forward(model: tn.nn.Module) -> Callable[[Any], Any]:
    """Return the scores of the same network in evaluation mode."""
    trained, averages = _state(model)
    compiled = jax.jit(lambda x: Network(trained, averages, None).scores(model, x))
    return lambda x: jax.block_until_ready(compiled(x))


def _state(model: tn.nn.Module) -> tuple[Any, Any]:
    """Return the trained arrays and the running averages of each layer, by its place."""
    layers = list(enumerate(workloads.layers(model)))
    trained = {i: [jnp.array(p.data) for p in m.parameters()] for i, m in layers}
    averages = {
        i: (jnp.array(m.running_mean.data), jnp.array(m.running_var.data))
        for i, m in layers
        if isinstance(m, tn.nn.BatchNorm2d)
    }
    return trained, averages


class Network:
    """One computation of a network, in the layout (N, H, W, C).

    Parameters
    ----------
    trained, averages : see `_state`; `averages` is replaced by the new ones
    key : of the masks of dropout; None is evaluation mode
    """

    def __init__(self, trained: Any, averages: Any, key: Any) -> None:
        self.trained, self.averages, self.key = trained, dict(averages), key
        self.places: dict[int, int] = {}

    def scores(self, model: tn.nn.Module, x: Any) -> Any:
        """Return (N, classes) for x (N, C, H, W)."""
        self.places = {id(m): i for i, m in enumerate(workloads.layers(model))}
        return self.output(model, x.transpose(0, 2, 3, 1))

    def output(self, m: Any, x: Any) -> Any:
        """Return the output of a layer, or of a container of layers."""
        kind = type(m).__name__
        if kind in CHAINS:
            for child in m.children():
                x = self.output(child, x)
            return x
        if kind == "Residual":
            return self.output(m.body, x) + (self.output(m.shortcut, x) if m.shortcut else x)
        if kind == "BatchNorm2d":
            return self.batch_norm(m, x)
        if kind == "Dropout":
            return self.dropout(m, x)
        if kind not in RULES:
            raise SystemExit(f"{kind} has no JAX version here; see benchmarks/with_jax.py.")
        return RULES[kind](m, x, *self.trained[self.places[id(m)]])

    def batch_norm(self, m: Any, x: Any) -> Any:
        """Return x normalized over the batch, or with the running averages in evaluation."""
        place = self.places[id(m)]
        weight, bias = self.trained[place]
        mean, variance = self.averages[place]
        if self.key is not None:
            count = x[..., 0].size
            mean, variance, old = x.mean((0, 1, 2)), x.var((0, 1, 2)), (mean, variance)
            new = mean, variance * count / (count - 1)
            self.averages[place] = tuple(
                lax.stop_gradient(a + m.momentum * (b - a)) for a, b in zip(old, new, strict=True)
            )
        return (x - mean) * lax.rsqrt(variance + m.eps) * weight + bias

    def dropout(self, m: Any, x: Any) -> Any:
        """Return x with some numbers dropped in training."""
        if self.key is None or not m.p:
            return x
        self.key, now = jax.random.split(self.key)
        return jnp.where(jax.random.bernoulli(now, 1 - m.p, x.shape), x / (1 - m.p), 0)


def _convolve(m: Any, x: Any, w: Any, b: Any = 0) -> Any:
    groups = zip(jnp.split(x, m.groups, 3), jnp.split(w, m.groups), strict=True)
    layouts = ("NHWC", "OIHW", "NHWC")
    conv = partial(
        lax.conv_general_dilated, dimension_numbers=layouts
    )  # feature_group_count is slower than the split
    return jnp.concatenate([conv(x, w, m.stride, m.padding) for x, w in groups], 3) + b


def _linear(m: Any, x: Any, w: Any, b: Any) -> Any:
    return _flatten(m, x) @ w.T + b


def _flatten(_: Any, x: Any) -> Any:
    return x.transpose(0, 3, 1, 2).reshape(len(x), -1) if x.ndim == 4 else x


def _pool(m: Any, x: Any, start: float, op: Any) -> Any:
    k, s = m.kernel_size, m.stride or m.kernel_size
    over = (0, -(x.shape[2] - k) % s if m.ceil_mode else 0)  # pixels beyond the image; H = W
    return lax.reduce_window(x, start, op, (1, k, k, 1), (1, s, s, 1), ((0, 0), over, over, (0, 0)))


def _average_pool(m: Any, x: Any) -> Any:
    return _pool(m, x, 0.0, lax.add) / _pool(m, jnp.ones_like(x[:1, ..., :1]), 0.0, lax.add)


def _adaptive_pool(m: Any, x: Any) -> Any:
    if x.shape[1:3] != tuple(m.output_size):
        raise SystemExit("AdaptiveAvgPool2d that changes the size has no JAX version here.")
    return x


def _normalize(m: Any, x: Any) -> Any:
    grouped = x.reshape(*x.shape[:3], m.groups, -1)
    squares = jnp.pad(grouped**2, [(0, 0)] * 4 + [(m.n // 2, m.n // 2)])
    near = sum(squares[..., i : i + grouped.shape[-1]] for i in range(m.n))
    return x / (m.k + m.alpha * near.reshape(x.shape)) ** m.beta


def _subsample(m: Any, x: Any) -> Any:
    kept = x[:, :: m.stride, :: m.stride]
    return jnp.pad(kept, [(0, 0)] * 3 + [(0, m.new_channels)])


RULES: dict[str, Callable[..., Any]] = {
    "Conv2d": _convolve,
    "Linear": _linear,
    "ReLU": lambda m, x: jax.nn.relu(x),
    "MaxPool2d": lambda m, x: _pool(m, x, -jnp.inf, lax.max),
    "AvgPool2d": _average_pool,
    "GlobalAvgPool2d": lambda m, x: x.mean((1, 2)),
    "AdaptiveAvgPool2d": _adaptive_pool,
    "LocalResponseNorm": _normalize,
    "Subsample": _subsample,
    "Flatten": _flatten,
}
