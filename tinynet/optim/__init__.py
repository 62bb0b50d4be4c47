"""Optimizers and learning-rate schedules: ``from tinynet import optim``."""

from typing import TYPE_CHECKING

from tinynet.optim import schedules
from tinynet.optim.adam import Adam, AdamW
from tinynet.optim.base import Optimizer
from tinynet.optim.schedules import Constant, Cosine, MultiStep, ReduceOnPlateau, Schedule
from tinynet.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "MultiStep",
    "Optimizer",
    "ReduceOnPlateau",
    "Schedule",
    "schedules",
]


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # a type checker knows the names

    def __getattr__(name: str) -> object:
        """Say what to type for the name of a schedule or an optimizer of another library."""
        if name in ("RMSprop", "Adagrad", "Nadam", "LBFGS"):
            raise AttributeError(
                f"optim: there is no {name} here; there are SGD (with nesterov=True if you like), "
                "Adam and AdamW. A subclass of optim.Optimizer with an update() of a few lines "
                "adds one."
            )
        if name == "lr_scheduler":
            raise AttributeError(
                "optim: schedules are given to the optimizer as its lr, for instance "
                "optim.SGD(parameters, lr=optim.Cosine(0.1, epochs=10)); there is no "
                "scheduler.step()."
            )
        if name in schedules.ELSEWHERE:
            return getattr(schedules, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
