"""Optimizers: the paper's momentum SGD (and PyTorch's form of it), and Adam."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tinynet.core import hooks
from tinynet.core.backend import Array, array_module, current, transfer
from tinynet.core.errors import ShapeError
from tinynet.core.hooks import array_of
from tinynet.kernels import momentum_update
from tinynet.tensors import Tensor

Parameters = Iterable[Tensor] | Iterable[Mapping[str, Any]]
Member = tuple[Tensor, Array, dict[str, Array]]
"""A parameter, its gradient, and what the optimizer keeps for it."""


class Optimizer:
    """What SGD and Adam share: parameters in groups, and state that can be saved.

    Attributes
    ----------
    lr : float
        The base learning rate; change it at any time. A group multiplies it by its `lr_scale`,
        or has an `lr` of its own that never changes, like the biases of the code of 2012.
    kept : tuple of str
        What a subclass keeps for each parameter, by name.
    settings : tuple of str
        What a subclass takes as given in every step, by name.
    """

    kept: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    def __init__(self, parameters: Parameters, lr: float, weight_decay: float) -> None:
        _check_range(type(self).__name__, lr=lr)
        self.lr, self.steps = lr, 0
        self.groups = _groups(parameters, weight_decay, type(self).__name__)
        self.state: list[dict[str, Array]] = [{} for _ in self._parameters()]
        self.missed = [0] * len(self.state)  # steps that a parameter had no gradient for

    def _members(self) -> Iterator[tuple[dict[str, Any], Tensor]]:
        return ((group, p) for group in self.groups for p in group["parameters"])

    def _parameters(self) -> list[Tensor]:
        return [p for _, p in self._members()]

    def zero_grad(self) -> None:
        """Forget all gradients; backward() adds to what is there."""
        for p in self._parameters():
            p.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient; those that are treated alike move together."""
        watching = hooks.active.get()
        if watching is not None:
            watching.on_step(self)
        self.count_step(self.without_gradient())
        alike: dict[Any, tuple[dict[str, Any], list[Member]]] = {}
        for i, (group, p) in enumerate(self._members()):
            if p.grad is not None:
                key = id(group), self.missed[i], p.device, p.dtype
                alike.setdefault(key, (group, []))[1].append((p, p.grad, self.state[i]))
        for (_, missed, device, _), (group, members) in alike.items():
            with current(device):
                rates = self._live_rates(group, missed, members[0][0])
                self.update(members, rates, group["weight_decay"])

    def _live_rates(self, group: Mapping[str, Any], missed: int, p: Tensor) -> list[Any]:
        """Return the rates of a step; while a graph is recorded, arrays that hold them."""
        rates = self.rates(group, missed)
        watching = hooks.active.get()
        if watching is None:
            return list(rates)
        return [
            watching.on_scalar(lambda k=k: self.rates(group, missed)[k], p.data)  # type: ignore[misc]
            for k in range(len(rates))
        ]

    def rates(self, group: Mapping[str, Any], missed: int) -> tuple[float, ...]:
        """Return the numbers of an update that may be others at the next step: lr is the first.

        `missed`: how many steps the parameter sat out, because it had no gradient.
        """
        return (self.lr * group["lr_scale"] if group["lr"] is None else group["lr"],)

    def without_gradient(self) -> list[int]:
        """Return the numbers of the parameters that have no gradient."""
        return [i for i, p in enumerate(self._parameters()) if p.grad is None]

    def count_step(self, without_gradient: list[int]) -> None:
        """Advance the counters by one step that these parameters sit out."""
        self.steps += 1
        for i in without_gradient:
            self.missed[i] += 1
        for i, p in enumerate(self._parameters()):
            if i not in without_gradient:
                p.mark_changed()

    def constants(self) -> dict[str, Any]:
        """Return the settings that a recorded step takes as given, by name."""
        settings = {name: getattr(self, name) for name in self.settings}
        settings["weight_decay"] = [group["weight_decay"] for group in self.groups]
        return settings

    def update(self, members: list[Member], rates: list[Any], weight_decay: float) -> None:
        """Change the data of parameters in place: of one device, one dtype and one group."""
        raise TypeError(f"{type(self).__name__} must define update().")

    def state_dict(self) -> dict[str, Array]:
        """Return all that a run needs to go on: "3.velocity" belongs to the fourth parameter."""
        arrays = {f"{i}.{k}": v.copy() for i, s in enumerate(self.state) for k, v in s.items()}
        missed = {f"{i}.missed": np.asarray(n) for i, n in enumerate(self.missed) if n}
        return {"steps": np.asarray(self.steps), **missed, **arrays}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Go on from what `state_dict` returned; shapes are compared before anything changes."""
        fresh: list[dict[str, Array]] = [{} for _ in self.state]
        parameters = self._parameters()
        missed = [0] * len(fresh)
        keys = (*self.kept, "missed")
        known = {f"{i}.{key}": (i, key) for i in range(len(fresh)) for key in keys}
        for name, value in state.items():
            if name == "steps":
                continue
            i, key = known.get(name, (-1, ""))
            wanted = () if key == "missed" or i < 0 else parameters[i].shape
            if i < 0 or value.shape != wanted:
                raise ShapeError(
                    f"load_state_dict: {name} {value.shape} belongs to none of the {len(fresh)} "
                    f"parameters of {type(self).__name__}. Nothing was loaded."
                )
            if key == "missed":
                missed[i] = int(value)
            else:
                fresh[i][key] = transfer(value, parameters[i].device, parameters[i].dtype)
        if "steps" not in state:
            raise ShapeError("load_state_dict: the state has no entry steps. Nothing was loaded.")
        self.state, self.missed, self.steps = fresh, missed, int(state["steps"])


def _groups(parameters: Parameters, weight_decay: float, who: str) -> list[dict[str, Any]]:
    """Return groups {"parameters", "lr_scale", "lr", "weight_decay"} from parameters or dicts."""
    given: list[Any] = list(parameters)
    if not given:
        raise ValueError(f"{who}: there are no parameters to train.")
    if not isinstance(given[0], Mapping):
        given = [{"parameters": given}]
    groups = []
    for group in given:
        unknown = group.keys() - {"parameters", "lr_scale", "lr", "weight_decay"}
        if unknown or "parameters" not in group:
            raise ValueError(
                f"{who}: a group has parameters, and may have lr_scale or lr, and weight_decay; "
                f"got {', '.join(sorted(group))}."
            )
        members = list(group["parameters"])
        settings: dict[str, Any] = {"lr_scale": 1.0, "lr": None, "weight_decay": weight_decay}
        groups.append({**settings, **group, "parameters": members})
    for group in groups:
        rate = group["lr_scale"] if group["lr"] is None else group["lr"]
        _check_range(who, lr=rate, weight_decay=group["weight_decay"])
    _check([p for group in groups for p in group["parameters"]], who)
    return groups


def _check_range(who: str, **settings: float) -> None:
    """Raise where a setting is negative or NaN."""
    for name, value in settings.items():
        if not value >= 0:
            raise ValueError(f"{who}: {name} must not be negative, got {value}.")


def _check(parameters: list[Any], who: str) -> None:
    """Raise where something is no parameter, or is one twice."""
    for p in parameters:
        if not isinstance(p, Tensor) or p.creator is not None:
            raise TypeError(
                f"{who}: parameters are tensors that were not computed from others, in a list; got "
                f"{'a computed Tensor' if isinstance(p, Tensor) else type(p).__name__}. "
                "A module gives its own: model.parameters()."
            )
    if len({id(p) for p in parameters}) < len(parameters):
        raise ValueError(f"{who}: a parameter was given twice; it would move twice a step.")


class SGD(Optimizer):
    """Momentum SGD: see `kernels/momentum.py` for both rules.

    Parameters
    ----------
    parameters : parameters, or groups {"parameters": ..., "lr_scale": 2, "weight_decay": 0}
    rule : "paper" or "torch"
        Whether lr is inside the velocity (section 5 of the paper) or outside (PyTorch). They
        differ for some steps after lr has changed.
    """

    kept = ("velocity",)
    settings = ("momentum", "nesterov", "rule")

    def __init__(
        self,
        parameters: Parameters,
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        rule: str = "paper",
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        if rule not in ("paper", "torch"):
            raise ValueError(f'SGD: rule is "paper" or "torch", got {rule!r}.')
        _check_range("SGD", momentum=momentum)
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov looks ahead along the momentum, which must not be 0.")
        self.momentum, self.nesterov, self.rule = momentum, nesterov, rule

    def update(self, members: list[Member], rates: list[Any], weight_decay: float) -> None:
        """Change the data of parameters and their velocities in place: on a GPU in one launch."""
        for p, _, state in members:
            if "velocity" not in state:
                state["velocity"] = array_module(p.data).zeros_like(p.data)
        weights, gradients = [p.data for p, _, _ in members], [g for _, g, _ in members]
        velocities = [state["velocity"] for _, _, state in members]
        settings = self.momentum, weight_decay, self.nesterov, self.rule
        momentum_update(weights, gradients, velocities, rates[0], *settings)


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015); weight decay is added to the gradient, as in PyTorch's Adam.

    m <- b1 * m + (1 - b1) * g        v <- b2 * v + (1 - b2) * g**2
    w <- w - lr * (m / (1 - b1**t)) / (sqrt(v / (1 - b2**t)) + eps)

    t counts the steps of each parameter: one that had no gradient for a while has made fewer.
    """

    kept = ("mean", "square")
    settings = ("betas", "eps")

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        _check_range("Adam", eps=eps)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"Adam: betas must be in 0..1, 1 excluded, got {betas}.")
        self.betas, self.eps = betas, eps

    def update(self, members: list[Member], rates: list[Any], weight_decay: float) -> None:
        """Change the data of parameters and their two moments in place."""
        (b1, b2), (rate, correction) = self.betas, rates
        for p, g, state in members:
            xp = array_module(p.data)
            if not state:
                state.update(mean=xp.zeros_like(p.data), square=xp.zeros_like(p.data))
            weights, m, v = array_of(p), array_of(state["mean"]), array_of(state["square"])
            g = g + weight_decay * weights
            m += (1 - b1) * (g - m)
            v += (1 - b2) * (g * g - v)
            weights -= rate * m / (xp.sqrt(v / correction) + self.eps)

    def rates(self, group: Mapping[str, Any], missed: int) -> tuple[float, ...]:
        """Return lr / (1 - b1**t) and 1 - b2**t."""
        (b1, b2), t = self.betas, self.steps - missed
        return super().rates(group, missed)[0] / (1 - b1**t), 1 - b2**t
