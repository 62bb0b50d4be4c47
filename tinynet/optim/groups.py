"""Parameter groups of an optimizer, and the numbers that an optimizer is set with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tinynet.core.checks import is_number
from tinynet.nn import Parameter
from tinynet.tensors import Tensor

Parameters = Iterable[Tensor] | Iterable[Mapping[str, Any]]


SETTINGS: dict[str, Any] = {"lr_scale": 1.0, "lr": None, "weight_decay": 0.0}
"""Of a group, beside its parameters, with their defaults."""


def read_groups(parameters: Parameters, weight_decay: float, who: str) -> list[dict[str, Any]]:
    """Return groups {"params", "lr_scale", "lr", "weight_decay"} from parameters or dicts.

    Raises
    ------
    TypeError
        Where `parameters` is no list of tensors that were not computed from others, or of groups.
    ValueError
        Where there is no parameter, one could never move or was given twice, or a setting is out
        of range.
    """
    given = _as_groups(parameters, who)
    defaults = {**SETTINGS, "weight_decay": weight_decay}
    groups = [_complete(group, defaults, who) for group in given]
    for group in groups:
        _check_group(group, who)
    members = [p for group in groups for p in group["params"]]
    if not members:
        raise ValueError(f"{who}: there are no parameters to train.")
    _check_parameters(members, who)
    return groups


def _as_groups(parameters: Any, who: str) -> list[Any]:
    """Return the groups that were given, or one group of the parameters that were given."""
    if isinstance(parameters, Mapping):
        raise TypeError(
            f"{who}: parameters come in a list, and so do groups: "
            '[{"params": model.parameters()}]; got a dict.'
        )
    if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
        raise TypeError(
            f"{who}: parameters come in a list; got {type(parameters).__name__}. "
            "A module gives its own: model.parameters()."
        )
    given = list(parameters)
    are_groups = [isinstance(each, Mapping) for each in given]
    if any(are_groups) and not all(are_groups):
        raise TypeError(f"{who}: the list holds parameters or groups, not both.")
    return given if any(are_groups) else [{"params": given}]


def _complete(group: Mapping[str, Any], defaults: dict[str, Any], who: str) -> dict[str, Any]:
    """Return a group with all its entries."""
    if "parameters" in group:  # the name before 0.2
        group = {"params" if k == "parameters" else k: v for k, v in group.items()}
    refuse_unknown(group, who)
    members = group["params"]
    members = [members] if isinstance(members, Tensor) else list(members)
    return {**defaults, **group, "params": members}


def refuse_unknown(group: Mapping[str, Any], who: str) -> None:
    """Raise ValueError where a group has no parameters, or an entry that would do nothing."""
    if "params" not in group or group.keys() - SETTINGS.keys() - {"params"}:
        raise ValueError(
            f"{who}: a group has params, and may have lr_scale or lr, and weight_decay; got "
            f"{', '.join(sorted(group))}. What holds for all groups is the optimizer's, such as "
            "optimizer.momentum."
        )


def _check_group(group: dict[str, Any], who: str) -> None:
    """Raise ValueError where a setting of a group is out of range."""
    check_not_negative(who, lr_scale=group["lr_scale"], weight_decay=group["weight_decay"])
    if group["lr"] is None:
        return
    check_not_negative(who, lr=group["lr"])
    if group["lr_scale"] != 1:
        raise ValueError(f"{who}: a group has lr_scale, a factor of lr, or an lr, not both.")


def checked_rate(who: str, lr: Any) -> float:
    """Return a learning rate, or say why it is none."""
    if not is_number(lr, 0):
        raise ValueError(
            f"{who}: lr must be a number, at least 0 and finite, or a schedule such as "
            f"optim.Cosine(0.1, epochs=10). Got {lr!r}."
        )
    return float(lr)


def check_not_negative(who: str, **settings: Any) -> None:
    """Raise where a setting is no number, negative or not finite."""
    for name, value in settings.items():
        if not is_number(value, 0):
            raise ValueError(
                f"{who}: {name} must be a number, not negative and finite, got {value!r}."
            )


def check_flags(who: str, **settings: Any) -> None:
    """Raise where a setting is neither True nor False."""
    for name, value in settings.items():
        if not isinstance(value, bool):
            raise ValueError(f"{who}: {name} is True or False, got {value!r}.")


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
