"""Local response normalization and the max-pooling behind it, in one pass over memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet.core.autograd import Function
from tinynet.core.backend import Array
from tinynet.functions.norm import check_groups, check_window, local_response_norm
from tinynet.functions.pool import max_pool2d, pooling_geometry
from tinynet.kernels.geometry import Geometry, Padding, Pair
from tinynet.kernels.lrn_max_pool import (
    fits_registers,
    lrn_max_pool_backward,
    lrn_max_pool_forward,
)

if TYPE_CHECKING:
    from tinynet.tensors import Tensor


class LocalResponseNormMaxPool2d(Function):
    """y[n, c, i, j] = max of the normalized x[n, c] in window (i, j)."""

    takes_bfloat16 = True

    def __init__(
        self,
        n: int,
        k: float,
        alpha: float,
        beta: float,
        groups: int,
        geometry: Geometry,
        ceil_mode: bool,
    ) -> None:
        self.constants = n, k, alpha, beta, groups
        self.geometry = geometry
        self.ceil_mode = ceil_mode

    def forward(self, x: Array) -> Array:
        y, argmax = lrn_max_pool_forward(x, *self.constants, self.geometry, self.ceil_mode)
        self.saved = argmax, x
        return y

    def backward(self, gy: Array) -> Any:
        argmax, x = self.saved
        return lrn_max_pool_backward(gy, argmax, x, *self.constants, self.geometry)


def local_response_norm_max_pool2d(
    x: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair | Padding = 0,
    *,
    ceil_mode: bool = False,
    n: int = 5,
    k: float = 2.0,
    alpha: float = 1e-4,
    beta: float = 0.75,
    groups: int = 1,
) -> Tensor:
    """Return max_pool2d(local_response_norm(x, ...), ...): bit for bit the same.

    On a CPU with compiled kernels, and of bfloat16 on a GPU, it is one pass over memory, and
    neither the normalized images nor their scale are stored: the backward pass computes them
    again. AlexNet's first two layers end with this pair (sections 3.3 and 3.4).

    Parameters
    ----------
    x : (N, C, H, W)
    kernel_size, stride, padding, ceil_mode : as for `max_pool2d`
    n, k, alpha, beta, groups : as for `local_response_norm`

    Returns
    -------
    (N, C, OH, OW), as from `max_pool2d`

    Raises
    ------
    ShapeError, ValueError
        As the two functions.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.local_response_norm_max_pool2d(tn.ones(1, 96, 55, 55), 3, 2).shape
    (1, 96, 27, 27)
    """
    op = "local_response_norm_max_pool2d"
    check_window(op, x, n)
    check_groups(op, x, groups)
    geometry = pooling_geometry(op, x, kernel_size, stride, padding, ceil_mode)
    if x.stored is None:
        fused = lrn_max_pool_forward.runs_compiled(x.data)
    else:
        fused = fits_registers(n, geometry)
    if not fused:
        y = local_response_norm(x, n, k=k, alpha=alpha, beta=beta, groups=groups)
        return max_pool2d(y, kernel_size, stride, padding, ceil_mode=ceil_mode)
    constants = n, float(k), float(alpha), float(beta), groups
    return LocalResponseNormMaxPool2d(*constants, geometry, ceil_mode)(x)
