"""Adam (Kingma and Ba 2015, arXiv:1412.6980)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinynet.core.backend import array_module
from tinynet.core.checks import is_number
from tinynet.core.hooks import array_of
from tinynet.optim.base import Member, Optimizer
from tinynet.optim.groups import Parameters, check_not_negative
from tinynet.optim.schedules import Schedule


class Adam(Optimizer):
    """Adam; weight decay is added to the gradient, as in PyTorch's Adam.

        m <- b1 * m + (1 - b1) * g        v <- b2 * v + (1 - b2) * g**2
        w <- w - lr * (m / (1 - b1**t)) / (sqrt(v / (1 - b2**t)) + eps)

    t counts the steps of each parameter: one that had no gradient for a while has made fewer.

    Parameters
    ----------
    parameters : parameters, or groups {"params": ..., "lr_scale": 2, "weight_decay": 0}
    lr : float or Schedule
    betas : pair of floats in 0..1, 1 excluded
        b1 and b2 above.
    eps : float
    weight_decay : float

    Raises
    ------
    ValueError
        Where a setting is out of range, or a parameter could never move.

    Examples
    --------
    >>> from tinynet import nn, optim
    >>> optim.Adam(nn.Linear(4, 2).parameters()).lr
    0.001
    """

    state_names = ("mean", "square")
    hyperparameters = ("betas", "eps")

    def __init__(
        self,
        parameters: Parameters,
        lr: float | Schedule = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        check_not_negative("Adam", eps=eps)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ValueError(f"Adam: betas are two numbers, like (0.9, 0.999), got {betas!r}.")
        if not all(is_number(beta, 0, 1) and beta < 1 for beta in betas):
            raise ValueError(f"Adam: betas must be in 0..1, 1 excluded, got {betas}.")
        self.betas = betas
        self.eps = eps

    def update(self, members: list[Member], scalars: list[Any], weight_decay: float) -> None:
        """Change the data of parameters and their two moments in place."""
        b1, b2 = self.betas
        rate, correction = scalars
        for p, g, state in members:
            xp = array_module(p.data)
            if not state:
                state.update(mean=xp.zeros_like(p.data), square=xp.zeros_like(p.data))
            weights = array_of(p)
            m = array_of(state["mean"])
            v = array_of(state["square"])
            g = g + weight_decay * weights
            m += (1 - b1) * (g - m)
            v += (1 - b2) * (g * g - v)
            weights -= rate * m / (xp.sqrt(v / correction) + self.eps)

    def scalars(self, group: Mapping[str, Any], skipped: int) -> tuple[float, ...]:
        """Return lr / (1 - b1**t) and 1 - b2**t."""
        b1, b2 = self.betas
        t = self.steps - skipped
        return super().scalars(group, skipped)[0] / (1 - b1**t), 1 - b2**t
