"""The judges: they hold our kernels and layers, and yours, against their definitions.

=====================================  ==========================================================
judge                                  asks
=====================================  ==========================================================
``check_gradient(fn, *arrays)``        is backward the derivative of forward?
``check_adjoint(forward, backward, x)``  is a linear backward the transpose of its forward?
``check_kernel(mine, against=kernel)``   does my function compute what the kernel defines?
``check_layer(fn, *inputs)``           gradients, memory orders, dtypes, batch sizes: everything
``check_races(kernel, 4, 256, x, y)``  do two threads of a CUDA kernel meet where they must not?
=====================================  ==========================================================

A judge returns None, or raises an AssertionError that says which element is wrong and which way.
Where it cannot judge (a kink, a missing case) it raises a ValueError that says what to change.
How far two correct sums may be apart is ``tolerance(terms, dtype)``.
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
