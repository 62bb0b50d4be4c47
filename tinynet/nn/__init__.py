"""Layers and networks: ``from tinynet import nn``."""

from tinynet.nn import init
from tinynet.nn.activation import ReLU, Sigmoid, Tanh
from tinynet.nn.containers import Concatenate, Residual, Subsample
from tinynet.nn.layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    LocallyConnected2d,
    LocalResponseNorm,
    MaxPool2d,
    SpatialResponseNorm,
)
from tinynet.nn.loss import LossOutput, forward_with_loss
from tinynet.nn.module import Buffer, Module, Parameter, Sequential, observe, run_sequential

__all__ = [
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm2d",
    "Buffer",
    "Concatenate",
    "Conv2d",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2d",
    "Linear",
    "LocalResponseNorm",
    "LocallyConnected2d",
    "LossOutput",
    "MaxPool2d",
    "Module",
    "Parameter",
    "ReLU",
    "Residual",
    "Sequential",
    "Sigmoid",
    "SpatialResponseNorm",
    "Subsample",
    "Tanh",
    "forward_with_loss",
    "init",
    "observe",
    "run_sequential",
]
