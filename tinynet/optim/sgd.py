"""Momentum SGD: the paper's rule (section 5) and PyTorch's."""

from __future__ import annotations

from typing import Any

from tinynet.core.backend import array_module
from tinynet.kernels import momentum_update
from tinynet.optim.base import Member, Optimizer
from tinynet.optim.groups import Parameters, check_not_negative
from tinynet.optim.schedules import Schedule


class SGD(Optimizer):
    """Momentum SGD; both rules are in `kernels/momentum.py`.

        v <- momentum * v - lr * (g + weight_decay * w)      w <- w + v            rule "paper"
        v <- momentum * v + (g + weight_decay * w)           w <- w - lr * v       rule "torch"

    Both walk the same path while lr stays the same. After lr changes they differ for some steps.

    Parameters
    ----------
    parameters : parameters, or groups {"params": ..., "lr_scale": 2, "weight_decay": 0}
    lr : float or Schedule
    momentum : float
    weight_decay : float
        Added to the gradient as ``weight_decay * w``.
    nesterov : bool
        Look ahead along the momentum.
    rule : "paper" or "torch"
        Whether lr is inside the velocity (section 5 of the paper) or outside (PyTorch).

    Raises
    ------
    ValueError
        Where a setting is out of range, or a parameter could never move.

    Examples
    --------
    >>> from tinynet import nn, optim
    >>> optim.SGD(nn.Linear(4, 2).parameters(), lr=0.1, momentum=0.9).lr
    0.1
    """

    state_names = ("velocity",)
    hyperparameters = ("momentum", "nesterov", "rule")

    def __init__(
        self,
        parameters: Parameters,
        lr: float | Schedule,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        rule: str = "paper",
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        if not isinstance(nesterov, bool):
            raise ValueError(
                f"SGD: nesterov is True or False, got {nesterov!r}. PyTorch has dampening between "
                "momentum and weight_decay, SGD here has not: name it, weight_decay=5e-4."
            )
        if rule not in ("paper", "torch"):
            raise ValueError(f'SGD: rule is "paper" or "torch", got {rule!r}.')
        check_not_negative("SGD", momentum=momentum)
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov looks ahead along the momentum, which must not be 0.")
        self.momentum = momentum
        self.nesterov = nesterov
        self.rule = rule

    def update(self, members: list[Member], scalars: list[Any], weight_decay: float) -> None:
        """Change the data of parameters and their velocities in place: on a GPU in one launch."""
        for p, _, state in members:
            if "velocity" not in state:
                state["velocity"] = array_module(p.data).zeros_like(p.data)
        momentum_update(
            [p.data for p, _, _ in members],
            [gradient for _, gradient, _ in members],
            [state["velocity"] for _, _, state in members],
            scalars[0],
            self.momentum,
            weight_decay,
            self.nesterov,
            self.rule,
        )
