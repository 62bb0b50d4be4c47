"""Kernels: the hot loops, functions of arrays that know no Tensor.

=============  ======================================================================
page           kernels
=============  ======================================================================
im2col         im2col, col2im
conv           conv2d_forward, conv2d_backward_input, _backward_weight, _backward_bias,
               with a fused ReLU conv2d_relu_forward, conv2d_relu_backward; and
               conv2d_backward, all gradients
relu           relu_forward, relu_backward
add            add (large arrays of one shape)
local          locally_connected2d_forward, _backward_input, _backward_weight
max_pool       max_pool2d_forward, max_pool2d_backward, max_pool2d_relu_forward
avg_pool       avg_pool2d_forward, avg_pool2d_backward
lrn            lrn_forward, lrn_backward
lrn_max_pool   lrn_max_pool_forward, lrn_max_pool_backward (the two fused)
spatial_norm   spatial_norm_forward, spatial_norm_backward
batch_norm     batch_norm_statistics, batch_norm_forward, batch_norm_backward,
               batch_norm_relu_forward, batch_norm_relu_backward
dropout        dropout (its own backward)
linear         linear_relu_forward, linear_relu_backward (bias, ReLU and dropout of a linear layer)
softmax        cross_entropy (the loss and its gradient)
momentum       momentum_update
augment        augment (a batch from a uint8 data set)
bfloat16       to_bfloat16, from_bfloat16 (activations in a GPU's memory)
matmul         matmul (BLAS, on our threads)
gemm           gemm (any product, cuBLAS on a GPU)
=============  ======================================================================

Each page defines its kernels as NumPy references; faster versions stand below them. A `Geometry`
describes the windows of a convolution or pooling. ``with use("reference"):`` selects one kind of
implementation; ``"cuda_on_cpu"`` runs the CUDA code of the ``.cu`` files on NumPy arrays, without a
GPU.

Concatenation and the padding of channels have no kernel: they pass over memory once, a few
hundredths of a step, and stay with NumPy (`functions/`).

``profile(function)`` says what the CUDA kernels of a function do on a GPU, and estimates their
time, without one. ``cuda_kernel(text)`` compiles CUDA C of your own; ``execution_order`` and
``memory_traffic`` help to test it on a CPU.
"""

import importlib
from typing import TYPE_CHECKING, Any

from tinynet.kernels.add import add
from tinynet.kernels.augment import augment
from tinynet.kernels.avg_pool import avg_pool2d_backward, avg_pool2d_forward
from tinynet.kernels.batch_norm import (
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_relu_backward,
    batch_norm_relu_forward,
    batch_norm_statistics,
)
from tinynet.kernels.bfloat16 import from_bfloat16, to_bfloat16
from tinynet.kernels.codegen.team import get_num_threads, set_num_threads
from tinynet.kernels.conv import (
    conv2d_backward,
    conv2d_backward_bias,
    conv2d_backward_input,
    conv2d_backward_weight,
    conv2d_forward,
    conv2d_relu_backward,
    conv2d_relu_forward,
)
from tinynet.kernels.cuda.custom import cuda_kernel, memory_traffic
from tinynet.kernels.cuda.on_cpu import execution_order
from tinynet.kernels.dispatch import ALL_KERNELS, Kernel, use
from tinynet.kernels.dropout import dropout
from tinynet.kernels.gemm import gemm, precision
from tinynet.kernels.geometry import Geometry
from tinynet.kernels.im2col import col2im, im2col
from tinynet.kernels.linear import linear_relu_backward, linear_relu_forward
from tinynet.kernels.local import (
    locally_connected2d_backward_input,
    locally_connected2d_backward_weight,
    locally_connected2d_forward,
)
from tinynet.kernels.lrn import lrn_backward, lrn_forward
from tinynet.kernels.lrn_max_pool import lrn_max_pool_backward, lrn_max_pool_forward
from tinynet.kernels.matmul import matmul
from tinynet.kernels.max_pool import (
    max_pool2d_backward,
    max_pool2d_forward,
    max_pool2d_relu_forward,
)
from tinynet.kernels.momentum import momentum_update
from tinynet.kernels.relu import relu_backward, relu_forward
from tinynet.kernels.softmax import cross_entropy
from tinynet.kernels.spatial_norm import spatial_norm_backward, spatial_norm_forward

if TYPE_CHECKING:
    from tinynet.kernels.profiler import profile
else:  # at run time

    def __getattr__(name: str) -> Any:
        """Import the profiler when it is first used: training does not need it."""
        if name != "profile":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return importlib.import_module("tinynet.kernels.profiler").profile


KERNELS = ALL_KERNELS
"""Every kernel of the project."""

__all__ = [
    "KERNELS",
    "Geometry",
    "Kernel",
    "add",
    "augment",
    "avg_pool2d_backward",
    "avg_pool2d_forward",
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_norm_relu_backward",
    "batch_norm_relu_forward",
    "batch_norm_statistics",
    "col2im",
    "conv2d_backward",
    "conv2d_backward_bias",
    "conv2d_backward_input",
    "conv2d_backward_weight",
    "conv2d_forward",
    "conv2d_relu_backward",
    "conv2d_relu_forward",
    "cross_entropy",
    "cuda_kernel",
    "dropout",
    "execution_order",
    "from_bfloat16",
    "gemm",
    "get_num_threads",
    "im2col",
    "linear_relu_backward",
    "linear_relu_forward",
    "locally_connected2d_backward_input",
    "locally_connected2d_backward_weight",
    "locally_connected2d_forward",
    "lrn_backward",
    "lrn_forward",
    "lrn_max_pool_backward",
    "lrn_max_pool_forward",
    "matmul",
    "max_pool2d_backward",
    "max_pool2d_forward",
    "max_pool2d_relu_forward",
    "memory_traffic",
    "momentum_update",
    "precision",
    "profile",
    "relu_backward",
    "relu_forward",
    "set_num_threads",
    "spatial_norm_backward",
    "spatial_norm_forward",
    "to_bfloat16",
    "use",
]
