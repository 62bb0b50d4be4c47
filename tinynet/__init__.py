"""tinynet is AlexNet from scratch: a small deep-learning framework to read, run and learn from.

import tinynet as tn
from tinynet import nn, functions as F
"""

from tinynet import data, functions, kernels, models, nn, optim, schedules, testing, weights
from tinynet.autograd import Function, no_grad
from tinynet.backend import Device, default_device
from tinynet.capture import graph
from tinynet.errors import DataError, DeviceError, GraphError, ShapeError
from tinynet.kernels import get_num_threads, precision, set_num_threads
from tinynet.random import seed
from tinynet.tensor import Tensor, ones, tensor, zeros

__version__ = "0.1.0"

__all__ = [
    "DataError",
    "Device",
    "DeviceError",
    "Function",
    "GraphError",
    "ShapeError",
    "Tensor",
    "__version__",
    "data",
    "default_device",
    "functions",
    "get_num_threads",
    "graph",
    "kernels",
    "models",
    "nn",
    "no_grad",
    "ones",
    "optim",
    "precision",
    "schedules",
    "seed",
    "set_num_threads",
    "tensor",
    "testing",
    "weights",
    "zeros",
]
