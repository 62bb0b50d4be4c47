"""Checks for kernels, layers and gradients, tinynet's own and yours.

=======================================  =========================================================
check                                    question
=======================================  =========================================================
``check_gradient(fn, *arrays)``          is backward the derivative of forward?
``check_adjoint(forward, backward, x)``  is a linear backward the transpose of its forward?
``check_kernel(mine, against=kernel)``   does my function compute what the kernel defines?
``check_layer(fn, *inputs)``             are gradients, memory orders, dtypes, batch sizes right?
``check_races(kernel, 4, 256, x, y)``    do threads of a CUDA kernel have a data race?
=======================================  =========================================================

A check returns None, or raises an AssertionError that names the wrong element and its error. Where
it cannot decide (a kink, a missing case) it raises a ValueError that names the change to make.
``tolerance(terms, dtype)`` is the largest difference between two correct sums.
"""

from tinynet.testing.compare import tolerance
from tinynet.testing.gradient import check_adjoint, check_gradient
from tinynet.testing.kernel import check_kernel
from tinynet.testing.layer import check_layer
from tinynet.testing.races import check_races

__all__ = [
    "check_adjoint",
    "check_gradient",
    "check_kernel",
    "check_layer",
    "check_races",
    "tolerance",
]
