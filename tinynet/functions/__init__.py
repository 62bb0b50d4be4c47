"""The ops on tensors, as users call them: ``from tinynet import functions as F``."""

from tinynet.functions.conv import conv2d, conv2d_relu
from tinynet.functions.dropout import dropout
from tinynet.functions.elementwise import (
    add,
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
from tinynet.functions.matmul import linear, matmul
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
from tinynet.functions.reduce import max, mean, sum
from tinynet.functions.shape import concatenate, flatten, getitem, pad, reshape, transpose

__all__ = [
    "adaptive_avg_pool2d",
    "add",
    "avg_pool2d",
    "batch_norm",
    "batch_norm_relu",
    "concatenate",
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
    "locally_connected2d",
    "log",
    "log_softmax",
    "matmul",
    "max",
    "max_pool2d",
    "max_pool2d_relu",
    "mean",
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
    "sub",
    "sum",
    "tanh",
    "transpose",
]
