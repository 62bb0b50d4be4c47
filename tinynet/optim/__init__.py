"""Optimizers and learning-rate schedules."""

from tinynet.optim import schedules
from tinynet.optim.base import SGD, Adam, Optimizer
from tinynet.optim.schedules import Cosine, Plateau, Stepwise

__all__ = ["SGD", "Adam", "Cosine", "Optimizer", "Plateau", "Stepwise", "schedules"]
