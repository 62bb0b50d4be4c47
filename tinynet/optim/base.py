"""Base class of the optimizers: parameter groups, the learning rate, state that can be saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinynet.core import hooks
from tinynet.core.backend import Array, current, is_array, transfer
from tinynet.core.checks import is_number
from tinynet.core.errors import ShapeError
from tinynet.core.hooks import array_of
from tinynet.optim.groups import Parameters, checked_rate, read_groups, refuse_unknown
from tinynet.optim.schedules import Constant, ReduceOnPlateau, Schedule
from tinynet.tensors import Tensor

Member = tuple[Tensor, Array, dict[str, Array]]
"""A parameter, its gradient, and what the optimizer keeps for it."""


class Optimizer:
    """Base class of the optimizers: write ``update``, and ``scalars`` if more than lr changes.

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
        self._lr = lr.lr if isinstance(lr, Schedule) else checked_rate(who, lr)
        self.steps = 0
        self.param_groups = read_groups(parameters, weight_decay, who)
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
        self._lr = checked_rate(type(self).__name__, value)

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
        """Move every parameter that has a gradient; those that are treated alike move together.

        Raises
        ------
        ShapeError
            A gradient has another shape than its parameter.
        TypeError
            A gradient is no array.
        ValueError
            A parameter was added to `param_groups`, or taken out, or a group has an entry that is
            none of its settings.
        """
        self._check_gradients()
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

    def _check_gradients(self) -> None:
        """Raise where the gradients, which a user may set, cannot be those of the parameters."""
        parameters = self._parameters()
        if len(parameters) != len(self.state):
            raise ValueError(
                f"{type(self).__name__}: param_groups had {len(self.state)} parameters and has "
                f"{len(parameters)} now. Make a new optimizer for others."
            )
        for group in self.param_groups:
            refuse_unknown(group, type(self).__name__)
        for p in parameters:
            if p.grad is None:
                continue
            if isinstance(p.grad, np.generic):  # p.grad = p.grad / 2, of an array without axes
                p.grad = np.asarray(p.grad)
            if not is_array(p.grad):
                raise TypeError(
                    f"{type(self).__name__}: a gradient is an array, got "
                    f"{type(p.grad).__name__}. Of a tensor: p.grad = x.data."
                )
            if p.grad.shape != p.shape:
                raise ShapeError(
                    f"{type(self).__name__}: a gradient has the shape of its parameter, {p.shape}; "
                    f"it is {p.grad.shape}."
                )

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

        Raises
        ------
        ValueError
            Where the schedule is made for another number of steps, or returns no rate.
        """
        if self.schedule is not None:
            total = self.schedule.total_steps
            if total not in (None, steps):
                raise ValueError(
                    f"{type(self).__name__}: {self.schedule} is made for {total} steps, and this "
                    f"run has {steps}. Give both the same number, or leave total_steps out."
                )
            self._lr = self._rate_of(self.schedule, step, steps, errors)
            self._rate_is_set = True

    def _rate_of(
        self, schedule: Schedule, step: int, steps: int, errors: Sequence[float] = ()
    ) -> float:
        """Return the schedule's rate of a step, or say that it is none."""
        rate = schedule.rate(step, steps, errors)
        if not is_number(rate, 0):
            raise ValueError(
                f"{type(self).__name__}: a rate is a number, at least 0 and finite; "
                f"{schedule} returned {rate!r} for step {step} of {steps}."
            )
        return rate

    def _own_rate(self, schedule: Schedule) -> float:
        """Return the rate of the next step in a loop that does not call `follow_schedule`."""
        name = type(self).__name__
        if isinstance(schedule, Constant):
            return schedule.lr
        if isinstance(schedule, ReduceOnPlateau):
            raise ValueError(
                f"{name}: {schedule} depends on the validation errors. Train with tn.fit, or call "
                "optimizer.follow_schedule(step, steps, errors) before each step()."
            )
        if schedule.total_steps is None:
            raise ValueError(
                f"{name}: {schedule} must know how many steps the run has. "
                "Train with tn.fit, or give the schedule total_steps=."
            )
        if self.steps >= schedule.total_steps:
            raise ValueError(
                f"{name}: {schedule} ends after {schedule.total_steps} steps, which are done. Give "
                "it a larger total_steps, or go on at one rate: optimizer.schedule = None."
            )
        return self._rate_of(schedule, self.steps, schedule.total_steps)

    def without_gradient(self) -> list[int]:
        """Return the numbers of the parameters that have no gradient."""
        return [i for i, p in enumerate(self._parameters()) if p.grad is None]

    def count_step(self, without_gradient: list[int]) -> None:
        """Advance rate and counters by one step, which moves all but these parameters."""
        if self.schedule is not None and not self._rate_is_set:
            self._lr = self._own_rate(self.schedule)
        self._rate_is_set = False
        self.steps += 1
        idle = set(without_gradient)
        for i, p in enumerate(self._parameters()):
            if i in idle:
                self.skipped[i] += 1
            else:
                p.mark_changed()

    def constants(self) -> dict[str, Any]:
        """Return the settings that hold for every step, by name."""
        settings = {name: getattr(self, name) for name in self.hyperparameters}
        settings["weight_decay"] = [group["weight_decay"] for group in self.param_groups]
        return settings

    def update(self, members: list[Member], scalars: list[Any], weight_decay: float) -> None:
        """Change the data of parameters in place: of one device, one dtype and one group."""
        raise NotImplementedError(f"{type(self).__name__} must define update().")

    def state_dtype(self, p: Tensor) -> np.dtype[Any]:
        """Return the type of the arrays that are kept for a parameter."""
        return p.dtype

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
            Where an entry belongs to no parameter, has another shape, is missing or is no number
            of its kind. Nothing is loaded then.
        """
        if not isinstance(state, Mapping) or "steps" not in state:
            raise ShapeError(
                "load_state_dict: a state is a dict from state_dict(), with an entry steps. "
                "Nothing was loaded."
            )
        state = {name: np.asarray(a) if not is_array(a) else a for name, a in state.items()}
        steps, rate = _counters(state)
        fresh, skipped = self._arrays_of(state)
        for i, arrays in enumerate(fresh):
            if self.state_names and not arrays and skipped[i] != steps:
                raise ShapeError(
                    f"load_state_dict: {i}.{self.state_names[0]} is missing, although this "
                    f"parameter moved in {steps - skipped[i]:,} steps. Nothing was loaded."
                )
        self.state = fresh
        self.skipped = skipped
        self.steps = steps
        if rate is not None:
            self._lr = rate

    def _arrays_of(self, state: Mapping[str, Array]) -> tuple[list[dict[str, Array]], list[int]]:
        """Return what a state keeps for each parameter, and the steps that each has missed."""
        fresh: list[dict[str, Array]] = [{} for _ in self.state]
        skipped = [0] * len(fresh)
        parameters = self._parameters()
        keys = (*self.state_names, "missed")
        known = {f"{i}.{key}": (i, key) for i in range(len(fresh)) for key in keys}
        for name, value in state.items():
            if name in ("steps", "lr"):
                continue
            i, key = known.get(str(name), (-1, ""))
            wanted = () if key == "missed" or i < 0 else parameters[i].shape
            if i < 0 or value.shape != wanted:
                raise ShapeError(
                    f"load_state_dict: {name} {value.shape} belongs to none of the {len(fresh)} "
                    f"parameters of {type(self).__name__}. Nothing was loaded."
                )
            if key == "missed":
                skipped[i] = int(value)
            else:
                p = parameters[i]
                fresh[i][key] = transfer(value, p.device, self.state_dtype(p))
        names = {
            f"{i}.{key}" for i, arrays in enumerate(fresh) if arrays for key in self.state_names
        }
        missing = sorted(names - set(map(str, state)))
        if missing:
            raise ShapeError(
                f"load_state_dict: {', '.join(missing)} is missing. Nothing was loaded."
            )
        return fresh, skipped


def shrink(members: list[Member], factor: Any) -> None:
    """Multiply the parameters in place: decoupled weight decay, with 1 - lr * weight_decay."""
    for p, _, _ in members:
        weights = array_of(p)
        weights *= factor


def _counters(state: Mapping[str, Array]) -> tuple[int, float | None]:
    """Return the steps and the rate of a state; states written before 0.2 have no rate."""
    steps = state["steps"]
    if steps.shape != () or steps.dtype.kind not in "iu" or steps < 0:
        raise ShapeError(
            f"load_state_dict: steps is one whole number, at least 0, got {steps}. "
            "Nothing was loaded."
        )
    if "lr" not in state:
        return int(steps), None
    rate = state["lr"]
    if rate.shape != () or not is_number(rate.item(), 0):
        raise ShapeError(
            f"load_state_dict: lr is one number, at least 0 and finite, got {rate}. "
            "Nothing was loaded."
        )
    return int(steps), float(rate)
