"""Base class of the optimizers: parameter groups, the learning rate, state that can be saved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from tinynet.core import hooks
from tinynet.core.backend import Array, current, transfer
from tinynet.core.errors import ShapeError
from tinynet.nn import Parameter
from tinynet.optim.schedules import Schedule
from tinynet.tensors import Tensor

Parameters = Iterable[Tensor] | Iterable[Mapping[str, Any]]
Member = tuple[Tensor, Array, dict[str, Array]]
"""A parameter, its gradient, and what the optimizer keeps for it."""


class Optimizer:
    """Base class of SGD and Adam: write ``update``, and ``scalars`` where more than lr changes.

    Attributes
    ----------
    lr : float
        The base learning rate now; change it at any time, unless a schedule sets it. A group
        multiplies it by its `lr_scale`, or has an `lr` of its own that never changes, like the
        biases of the code of 2012.
    schedule : Schedule or None
        Sets `lr` in every step: by `tn.fit`, or by ``step()`` if the schedule has `total_steps`.
    param_groups : list of dict
        {"params", "lr_scale", "lr", "weight_decay"}, one for each group.
    state_names : tuple of str
        Names of the arrays that a subclass keeps for each parameter.
    hyperparameters : tuple of str
        Names of the settings of a subclass that hold for every step.
    """

    state_names: tuple[str, ...] = ()
    hyperparameters: tuple[str, ...] = ()

    def __init__(self, parameters: Parameters, lr: float | Schedule, weight_decay: float) -> None:
        who = type(self).__name__
        self.schedule = lr if isinstance(lr, Schedule) else None
        self._lr = lr.lr if isinstance(lr, Schedule) else _checked_rate(who, lr)
        self.steps = 0
        self.param_groups = _groups(parameters, weight_decay, who)
        self.state: list[dict[str, Array]] = [{} for _ in self._parameters()]
        self.skipped = [0] * len(self.state)  # steps in which a parameter had no gradient
        self._rate_is_set = False  # by `follow_schedule`, for the next step

    @property
    def lr(self) -> float:
        """The base learning rate now."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        if self.schedule is not None:
            raise ValueError(
                f"{type(self).__name__}: {self.schedule} sets the rate. To set it yourself, take "
                "the schedule away first: optimizer.schedule = None."
            )
        self._lr = _checked_rate(type(self).__name__, value)

    def __repr__(self) -> str:
        settings = [f"lr={self.lr:g}" if self.schedule is None else f"lr={self.schedule}"]
        settings += [f"{name}={getattr(self, name)!r}" for name in self.hyperparameters]
        settings += [f"weight_decay={g['weight_decay']:g}" for g in self.param_groups]
        return f"{type(self).__name__}({len(self.state)} parameters, {', '.join(settings)})"

    def _members(self) -> Iterator[tuple[dict[str, Any], Tensor]]:
        return ((group, p) for group in self.param_groups for p in group["params"])

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
                key = id(group), self.skipped[i], p.device, p.dtype
                alike.setdefault(key, (group, []))[1].append((p, p.grad, self.state[i]))
        for (_, skipped, device, _), (group, members) in alike.items():
            with current(device):
                scalars = self._live_scalars(group, skipped, members[0][0])
                self.update(members, scalars, group["weight_decay"])

    def _live_scalars(self, group: Mapping[str, Any], skipped: int, p: Tensor) -> list[Any]:
        """Return the scalars of a step; while it is recorded, arrays that hold them."""
        scalars = self.scalars(group, skipped)
        watching = hooks.active.get()
        if watching is None:
            return list(scalars)
        return [
            watching.on_scalar(lambda k=k: self.scalars(group, skipped)[k], p.data)  # type: ignore[misc]
            for k in range(len(scalars))
        ]

    def scalars(self, group: Mapping[str, Any], skipped: int) -> tuple[float, ...]:
        """Return the step-dependent scalars of an update; the learning rate comes first.

        `skipped` is the number of steps in which the parameter had no gradient.
        """
        return (self.lr * group["lr_scale"] if group["lr"] is None else group["lr"],)

    def follow_schedule(self, step: int, steps: int, errors: Sequence[float] = ()) -> None:
        """Set the rate of step 0, 1, ... of a run of `steps`; `tn.fit` calls this before each step.

        Parameters
        ----------
        errors : sequence of float
            The validation errors of the finished epochs, in 0..1.
        """
        if self.schedule is not None:
            self._lr = self.schedule.rate(step, steps, errors)
            self._rate_is_set = True

    def without_gradient(self) -> list[int]:
        """Return the numbers of the parameters that have no gradient."""
        return [i for i, p in enumerate(self._parameters()) if p.grad is None]

    def count_step(self, without_gradient: list[int]) -> None:
        """Advance rate and counters by one step, which moves all but these parameters."""
        if self.schedule is not None and not self._rate_is_set:
            if self.schedule.total_steps is None:
                raise ValueError(
                    f"{type(self).__name__}: {self.schedule} must know how many steps the run has. "
                    "Train with tn.fit, or give the schedule total_steps=."
                )
            self._lr = self.schedule.rate(self.steps, self.schedule.total_steps)
        self._rate_is_set = False
        self.steps += 1
        for i in without_gradient:
            self.skipped[i] += 1
        for i, p in enumerate(self._parameters()):
            if i not in without_gradient:
                p.mark_changed()

    def constants(self) -> dict[str, Any]:
        """Return the settings that hold for every step, by name."""
        settings = {name: getattr(self, name) for name in self.hyperparameters}
        settings["weight_decay"] = [group["weight_decay"] for group in self.param_groups]
        return settings

    def update(self, members: list[Member], scalars: list[Any], weight_decay: float) -> None:
        """Change the data of parameters in place: of one device, one dtype and one group."""
        raise NotImplementedError(f"{type(self).__name__} must define update().")

    def state_dict(self) -> dict[str, Array]:
        """Return all that a run needs to continue: "3.velocity" belongs to the fourth parameter.

        The rate and the number of steps are in it; the groups and their settings are not.
        """
        arrays = {f"{i}.{k}": v.copy() for i, s in enumerate(self.state) for k, v in s.items()}
        skipped = {f"{i}.missed": np.asarray(n) for i, n in enumerate(self.skipped) if n}
        return {"steps": np.asarray(self.steps), "lr": np.asarray(self.lr), **skipped, **arrays}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Continue from what `state_dict` returned; shapes are compared before anything changes.

        Raises
        ------
        ShapeError
            Where an entry belongs to no parameter, or has another shape. Nothing is loaded then.
        """
        if "steps" not in state:
            raise ShapeError("load_state_dict: the state has no entry steps. Nothing was loaded.")
        fresh: list[dict[str, Array]] = [{} for _ in self.state]
        skipped = [0] * len(fresh)
        parameters = self._parameters()
        keys = (*self.state_names, "missed")
        known = {f"{i}.{key}": (i, key) for i in range(len(fresh)) for key in keys}
        for name, value in state.items():
            if name in ("steps", "lr"):
                continue
            i, key = known.get(name, (-1, ""))
            wanted = () if key == "missed" or i < 0 else parameters[i].shape
            if i < 0 or value.shape != wanted:
                raise ShapeError(
                    f"load_state_dict: {name} {value.shape} belongs to none of the {len(fresh)} "
                    f"parameters of {type(self).__name__}. Nothing was loaded."
                )
            if key == "missed":
                skipped[i] = int(value)
            else:
                fresh[i][key] = transfer(value, parameters[i].device, parameters[i].dtype)
        self.state = fresh
        self.skipped = skipped
        self.steps = int(state["steps"])
        if "lr" in state:  # states written before 0.2 have no rate
            self._lr = float(state["lr"])


def _groups(parameters: Parameters, weight_decay: float, who: str) -> list[dict[str, Any]]:
    """Return groups {"params", "lr_scale", "lr", "weight_decay"} from parameters or dicts."""
    if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
        raise TypeError(
            f"{who}: parameters come in a list; got {type(parameters).__name__}. "
            "A module gives its own: model.parameters()."
        )
    given: list[Any] = list(parameters)
    if not given:
        raise ValueError(f"{who}: there are no parameters to train.")
    if not isinstance(given[0], Mapping):
        given = [{"params": given}]
    defaults: dict[str, Any] = {"lr_scale": 1.0, "lr": None, "weight_decay": weight_decay}
    groups = []
    for group in given:
        if "parameters" in group:  # the name before 0.2
            group = {"params" if k == "parameters" else k: v for k, v in group.items()}
        unknown = group.keys() - {"params", *defaults}
        if unknown or "params" not in group:
            raise ValueError(
                f"{who}: a group has params, and may have lr_scale or lr, and weight_decay; "
                f"got {', '.join(sorted(group))}."
            )
        groups.append({**defaults, **group, "params": list(group["params"])})
    for group in groups:
        rate = group["lr_scale"] if group["lr"] is None else group["lr"]
        _checked_rate(who, rate)
        _check_not_negative(who, weight_decay=group["weight_decay"])
    _check_parameters([p for group in groups for p in group["params"]], who)
    return groups


def _checked_rate(who: str, lr: Any) -> float:
    """Return a learning rate, or say why it is none."""
    if not isinstance(lr, Real) or not 0 <= float(lr) < math.inf:
        raise ValueError(
            f"{who}: lr must be a number, at least 0 and finite, or a schedule such as "
            f"optim.Cosine(0.1, epochs=10). Got {lr!r}."
        )
    return float(lr)


def _check_not_negative(who: str, **settings: float) -> None:
    """Raise where a setting is negative or NaN."""
    for name, value in settings.items():
        if not value >= 0:
            raise ValueError(f"{who}: {name} must not be negative, got {value}.")


def _check_parameters(parameters: list[Any], who: str) -> None:
    """Raise where something can never move, or would move twice a step."""
    for p in parameters:
        if not isinstance(p, Tensor) or p.creator is not None:
            raise TypeError(
                f"{who}: parameters are tensors that were not computed from others, in a list; got "
                f"{'a computed Tensor' if isinstance(p, Tensor) else type(p).__name__}. "
                "A module gives its own: model.parameters()."
            )
        if not p.requires_grad and not isinstance(p, Parameter):
            raise ValueError(
                f"{who}: a tensor {p.shape} without requires_grad never gets a gradient, so it "
                "would never move. Make it with requires_grad=True, or use nn.Parameter."
            )
    if len({id(p) for p in parameters}) < len(parameters):
        raise ValueError(f"{who}: a parameter was given twice; it would move twice a step.")
