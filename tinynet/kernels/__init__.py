"""The hot loops: arrays in, arrays out. No Tensor is known here.

=============  ======================================================================
room           kernels
=============  ======================================================================
im2col         im2col, col2im
conv           conv2d_forward, conv2d_backward_input, _backward_weight, _backward_bias
relu           relu_forward, relu_backward; the same behind conv2d and batch_norm:
               conv2d_relu_forward, ...; max_pool2d_relu_forward
local          locally_connected2d_forward, _backward_input, _backward_weight
max_pool       max_pool2d_forward, max_pool2d_backward
avg_pool       avg_pool2d_forward, avg_pool2d_backward
lrn            lrn_forward, lrn_backward
spatial_norm   spatial_norm_forward, spatial_norm_backward
batch_norm     batch_norm_statistics, batch_norm_forward, batch_norm_backward
dropout        dropout (its own backward)
softmax        cross_entropy (the loss and its gradient)
momentum       momentum_update
augment        augment (a batch from a data set of bytes)
matmul         matmul (BLAS, on our threads), gemm (any product, cuBLAS on a GPU)
=============  ======================================================================

A kernel's definition is its NumPy reference; faster versions stand below it in the same room.
``with use("reference"):`` forces one kind of implementation; ``"cuda_on_cpu"`` runs the CUDA code
of the ``.cu`` files on NumPy arrays, without a GPU.

Concatenation, residual addition and the padding of channels have no room: they pass over memory
once, a few hundredths of a step, and stay with NumPy (`functions/`).

``cuda_kernel(text)`` makes a function of CUDA C of your own; ``turns`` and ``memory_traffic`` try
it out on this processor.
"""

from tinynet.kernels.augment import augment
from tinynet.kernels.avg_pool import avg_pool2d_backward, avg_pool2d_forward
from tinynet.kernels.batch_norm import (
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_statistics,
)
from tinynet.kernels.codegen.team import get_num_threads, set_num_threads
from tinynet.kernels.conv import (
    conv2d_backward_bias,
    conv2d_backward_input,
    conv2d_backward_weight,
    conv2d_forward,
)
from tinynet.kernels.cuda.custom import cuda_kernel, memory_traffic
from tinynet.kernels.cuda.on_cpu import turns
from tinynet.kernels.dispatch import KERNELS, Kernel, use
from tinynet.kernels.dropout import dropout
from tinynet.kernels.im2col import col2im, im2col
from tinynet.kernels.local import (
    locally_connected2d_backward_input,
    locally_connected2d_backward_weight,
    locally_connected2d_forward,
)
from tinynet.kernels.lrn import lrn_backward, lrn_forward
from tinynet.kernels.matmul import gemm, matmul, precision
from tinynet.kernels.max_pool import max_pool2d_backward, max_pool2d_forward
from tinynet.kernels.momentum import momentum_update
from tinynet.kernels.relu import (
    batch_norm_relu_backward,
    batch_norm_relu_forward,
    conv2d_relu_backward,
    conv2d_relu_forward,
    max_pool2d_relu_forward,
    relu_backward,
    relu_forward,
)
from tinynet.kernels.softmax import cross_entropy
from tinynet.kernels.spatial_norm import spatial_norm_backward, spatial_norm_forward

__all__ = [
    "KERNELS",
    "Kernel",
    "augment",
    "avg_pool2d_backward",
    "avg_pool2d_forward",
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_norm_relu_backward",
    "batch_norm_relu_forward",
    "batch_norm_statistics",
    "col2im",
    "conv2d_backward_bias",
    "conv2d_backward_input",
    "conv2d_backward_weight",
    "conv2d_forward",
    "conv2d_relu_backward",
    "conv2d_relu_forward",
    "cross_entropy",
    "cuda_kernel",
    "dropout",
    "gemm",
    "get_num_threads",
    "im2col",
    "locally_connected2d_backward_input",
    "locally_connected2d_backward_weight",
    "locally_connected2d_forward",
    "lrn_backward",
    "lrn_forward",
    "matmul",
    "max_pool2d_backward",
    "max_pool2d_forward",
    "max_pool2d_relu_forward",
    "memory_traffic",
    "momentum_update",
    "precision",
    "relu_backward",
    "relu_forward",
    "set_num_threads",
    "spatial_norm_backward",
    "spatial_norm_forward",
    "turns",
    "use",
]
