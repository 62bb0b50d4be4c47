"""Functions of tensors: ``from tinynet import functions as F``."""

from typing import TYPE_CHECKING, Any

from tinynet.core import names_elsewhere
from tinynet.functions.conv import conv2d, conv2d_relu
from tinynet.functions.dropout import dropout
from tinynet.functions.elementwise import (
    abs,
    add,
    clip,
    div,
    exp,
    log,
    mul,
    neg,
    pow,
    relu,
    sigmoid,
    sqrt,
    sub,
    tanh,
)
from tinynet.functions.local import locally_connected2d
from tinynet.functions.loss import cross_entropy, log_softmax, softmax
from tinynet.functions.lrn_max_pool import local_response_norm_max_pool2d
from tinynet.functions.matmul import linear, matmul
from tinynet.functions.metrics import accuracy, confusion_matrix, top_k_accuracy
from tinynet.functions.norm import (
    batch_norm,
    batch_norm_relu,
    local_response_norm,
    spatial_response_norm,
)
from tinynet.functions.pool import (
    adaptive_avg_pool2d,
    avg_pool2d,
    global_avg_pool2d,
    max_pool2d,
    max_pool2d_relu,
)
from tinynet.functions.reduce import max, mean, min, std, sum, var
from tinynet.functions.shape import (
    concatenate,
    flatten,
    getitem,
    pad,
    reshape,
    squeeze,
    stack,
    transpose,
    unsqueeze,
)

__all__ = [
    "abs",
    "accuracy",
    "adaptive_avg_pool2d",
    "add",
    "avg_pool2d",
    "batch_norm",
    "batch_norm_relu",
    "clip",
    "concatenate",
    "confusion_matrix",
    "conv2d",
    "conv2d_relu",
    "cross_entropy",
    "div",
    "dropout",
    "exp",
    "flatten",
    "getitem",
    "global_avg_pool2d",
    "linear",
    "local_response_norm",
    "local_response_norm_max_pool2d",
    "locally_connected2d",
    "log",
    "log_softmax",
    "matmul",
    "max",
    "max_pool2d",
    "max_pool2d_relu",
    "mean",
    "min",
    "mul",
    "neg",
    "pad",
    "pow",
    "relu",
    "reshape",
    "sigmoid",
    "softmax",
    "spatial_response_norm",
    "sqrt",
    "squeeze",
    "stack",
    "std",
    "sub",
    "sum",
    "tanh",
    "top_k_accuracy",
    "transpose",
    "unsqueeze",
    "var",
]


if not TYPE_CHECKING:  # a type checker knows the names

    def __getattr__(name: str) -> Any:
        """Say what to type for a name of another library."""
        raise AttributeError(names_elsewhere.message(__name__, name, names_elsewhere.FUNCTIONS))
