"""Layers and networks: ``from tinynet import nn``."""

from typing import TYPE_CHECKING, Any

from tinynet.nn import guidance, init
from tinynet.nn.activation import ReLU, Sigmoid, Softmax, Tanh
from tinynet.nn.containers import (
    Concatenate,
    Residual,
    Sequential,
    Subsample,
    normalized_sum_relu,
)
from tinynet.nn.layers import (
    Conv2d,
    Dropout,
    Flatten,
    Identity,
    Linear,
    LocallyConnected2d,
)
from tinynet.nn.loss import CrossEntropyLoss, LossOutput, MSELoss, forward_with_loss
from tinynet.nn.module import LoadResult, Module, observe, run_sequential
from tinynet.nn.normalization import BatchNorm2d, LocalResponseNorm, SpatialResponseNorm
from tinynet.nn.parameter import Buffer, Parameter
from tinynet.nn.pooling import AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool2d, MaxPool2d

__all__ = [
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm2d",
    "Buffer",
    "Concatenate",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2d",
    "Identity",
    "Linear",
    "LoadResult",
    "LocalResponseNorm",
    "LocallyConnected2d",
    "LossOutput",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "Parameter",
    "ReLU",
    "Residual",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "SpatialResponseNorm",
    "Subsample",
    "Tanh",
    "forward_with_loss",
    "init",
    "normalized_sum_relu",
    "observe",
    "run_sequential",
]


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # a type checker knows the names

    def __getattr__(name: str) -> Any:
        raise AttributeError(guidance.on_layer(name))
