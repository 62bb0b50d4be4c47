"""Momentum SGD: the paper's rule (section 5) and PyTorch's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinynet.core.backend import array_module
from tinynet.kernels import momentum_update
from tinynet.optim.base import Member, Optimizer, shrink
from tinynet.optim.groups import Parameters, check_flags, check_not_negative
from tinynet.optim.schedules import Schedule


class SGD(Optimizer):
    """Momentum SGD; both rules are in `kernels/momentum.py`.

        v <- momentum * v - lr * (g + weight_decay * w)      w <- w + v            rule "paper"
        v <- momentum * v + (g + weight_decay * w)           w <- w - lr * v       rule "torch"

    Both walk the same path while lr stays the same. After lr changes they differ for some steps.
    "paper" is also the rule of Keras, Chainer, MXNet and DeZero, "torch" that of optax, MLX and
    Paddle: docs/optimizers.md has the settings that reproduce each.

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
    decoupled_weight_decay : bool
        Shrink the weights by ``lr * weight_decay`` before the step, instead of adding
        ``weight_decay * w`` to the gradient: SGDW (Loshchilov and Hutter 2019), and the
        weight_decay of Keras.

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
    hyperparameters = ("momentum", "nesterov", "rule", "decoupled_weight_decay")

    def __init__(
        self,
        parameters: Parameters,
        lr: float | Schedule,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        rule: str = "paper",
        *,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        if not isinstance(nesterov, bool):
            raise ValueError(
                f"SGD: nesterov is True or False, got {nesterov!r}. PyTorch has dampening between "
                "momentum and weight_decay, SGD here has not: name it, weight_decay=5e-4."
            )
        if rule not in ("paper", "torch"):
            raise ValueError(f'SGD: rule is "paper" or "torch", got {rule!r}.')
        check_flags("SGD", decoupled_weight_decay=decoupled_weight_decay)
        check_not_negative("SGD", momentum=momentum)
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov looks ahead along the momentum, which must not be 0.")
        self.momentum = momentum
        self.nesterov = nesterov
        self.rule = rule
        self.decoupled_weight_decay = decoupled_weight_decay

    def update(self, members: list[Member], scalars: list[Any], weight_decay: float) -> None:
        """Change the data of parameters and their velocities in place: on a GPU in one launch."""
        if self.decoupled_weight_decay:
            shrink(members, scalars[1])
            weight_decay = 0.0
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

    def scalars(self, group: Mapping[str, Any], skipped: int) -> tuple[float, ...]:
        """Return lr and, with decoupled weight decay, what remains of a weight."""
        (lr,) = super().scalars(group, skipped)
        return (lr, 1 - lr * group["weight_decay"]) if self.decoupled_weight_decay else (lr,)
