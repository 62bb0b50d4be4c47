"""Adam (Kingma and Ba 2015, arXiv:1412.6980) and AdamW (Loshchilov and Hutter 2019)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinynet.core.backend import array_module
from tinynet.core.checks import is_number
from tinynet.core.hooks import array_of
from tinynet.optim.base import Member, Optimizer, shrink
from tinynet.optim.groups import Parameters, check_flags, check_not_negative
from tinynet.optim.schedules import Schedule
from tinynet.tensors import Tensor


class Adam(Optimizer):
    """Adam; by default weight decay is added to the gradient. As in PyTorch and optax.

        m <- b1 * m + (1 - b1) * g        v <- b2 * v + (1 - b2) * g**2
        w <- w - lr * (m / (1 - b1**t)) / (sqrt(v / (1 - b2**t)) + eps)

    t counts the steps of each parameter: one that had no gradient for a while has made fewer.
    docs/optimizers.md lists the settings that reproduce other libraries.

    Parameters
    ----------
    parameters : parameters, or groups {"params": ..., "lr_scale": 2, "weight_decay": 0}
    lr : float or Schedule
    betas : pair of floats in 0..1, 1 excluded
        b1 and b2 above.
    eps : float
    weight_decay : float
    decoupled_weight_decay : bool
        Shrink the weights by ``lr * weight_decay`` before the step, instead of adding
        ``weight_decay * w`` to the gradient. With it Adam is `AdamW`.
    bias_correction : bool
        Divide by 1 - b1**t and 1 - b2**t. False is the default of MLX.
    uncorrected_eps : bool
        Add eps to sqrt(v), before the correction: the last formula of section 2 of the paper, and
        the rule of Keras, TensorFlow, Chainer, MXNet and DeZero.

    Raises
    ------
    ValueError
        Where a setting is out of range, or a parameter could never move.

    Examples
    --------
    >>> from tinynet import nn, optim
    >>> optim.Adam(nn.Linear(4, 2).parameters()).lr
    0.001
    >>> keras = optim.Adam(nn.Linear(4, 2).parameters(), eps=1e-7, uncorrected_eps=True)
    """

    state_names = ("mean", "square")
    hyperparameters: tuple[str, ...] = (
        "betas",
        "eps",
        "decoupled_weight_decay",
        "bias_correction",
        "uncorrected_eps",
    )

    def __init__(
        self,
        parameters: Parameters,
        lr: float | Schedule = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        decoupled_weight_decay: bool = False,
        bias_correction: bool = True,
        uncorrected_eps: bool = False,
    ) -> None:
        who = type(self).__name__
        super().__init__(parameters, lr, weight_decay)
        check_not_negative(who, eps=eps)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ValueError(f"{who}: betas are two numbers, like (0.9, 0.999), got {betas!r}.")
        if not all(is_number(beta, 0, 1) and beta < 1 for beta in betas):
            raise ValueError(f"{who}: betas must be in 0..1, 1 excluded, got {betas}.")
        check_flags(
            who,
            decoupled_weight_decay=decoupled_weight_decay,
            bias_correction=bias_correction,
            uncorrected_eps=uncorrected_eps,
        )
        self.betas = betas
        self.eps = eps
        self.decoupled_weight_decay = decoupled_weight_decay
        self.bias_correction = bias_correction
        self.uncorrected_eps = uncorrected_eps

    def update(self, members: list[Member], scalars: list[Any], weight_decay: float) -> None:
        """Change the data of parameters and their two moments in place."""
        b1, b2 = self.betas
        rate, correction, kept = scalars
        if self.decoupled_weight_decay:
            shrink(members, kept)
            weight_decay = 0.0
        for p, g, state in members:
            xp = array_module(p.data)
            if not state:
                kind = self.state_dtype(p)
                state.update({k: xp.zeros_like(p.data, dtype=kind) for k in self.state_names})
            weights = array_of(p)
            m = array_of(state["mean"])
            v = array_of(state["square"])
            g = g.astype(m.dtype, copy=False) + weight_decay * weights
            m += (1 - b1) * (g - m)
            v += (1 - b2) * (g * g - v)
            weights -= rate * m / (xp.sqrt(v / correction) + self.eps)

    def state_dtype(self, p: Tensor) -> np.dtype[Any]:
        """Return float32 for a parameter in float16, in which the square of 1e-4 is 0."""
        return np.dtype(np.float32) if p.dtype == np.float16 else p.dtype

    def scalars(self, group: Mapping[str, Any], skipped: int) -> tuple[float, ...]:
        """Return the rate of m / (sqrt(v / correction) + eps), the correction, 1 - lr * decay."""
        (lr,) = super().scalars(group, skipped)
        kept = 1 - lr * group["weight_decay"]
        if not self.bias_correction:
            return lr, 1.0, kept
        b1, b2 = self.betas
        t = self.steps - skipped
        rate = lr / (1 - b1**t)
        correction = 1 - b2**t
        if self.uncorrected_eps:
            return rate * math.sqrt(correction), 1.0, kept
        return rate, correction, kept


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101).

        w <- w - lr * weight_decay * w,   then the step of `Adam` without weight decay

    As in PyTorch, optax and Keras; their defaults of weight_decay are 0.01, 0.0001 and 0.004.

    Parameters
    ----------
    parameters, lr, betas, eps, bias_correction, uncorrected_eps
        As for `Adam`.
    weight_decay : float
        Biases and the scales of a normalization are often exempt: give them a group with
        ``"weight_decay": 0``.

    Examples
    --------
    >>> from tinynet import nn, optim
    >>> optim.AdamW(nn.Linear(4, 2).parameters(), lr=3e-4).param_groups[0]["weight_decay"]
    0.01
    """

    hyperparameters = ("betas", "eps", "bias_correction", "uncorrected_eps")

    def __init__(
        self,
        parameters: Parameters,
        lr: float | Schedule = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        *,
        bias_correction: bool = True,
        uncorrected_eps: bool = False,
    ) -> None:
        super().__init__(
            parameters,
            lr,
            betas,
            eps,
            weight_decay,
            decoupled_weight_decay=True,
            bias_correction=bias_correction,
            uncorrected_eps=uncorrected_eps,
        )
