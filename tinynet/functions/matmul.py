"""Matrix products and the fully connected (linear) layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet import kernels
from tinynet.core import random
from tinynet.core.autograd import Function, require_tensors
from tinynet.core.backend import Array
from tinynet.core.bfloat16 import BFloat16
from tinynet.core.errors import ShapeError, warn_of_float64
from tinynet.functions.elementwise import unbroadcast
from tinynet.kernels.gemm import factor
from tinynet.words import sentence

if TYPE_CHECKING:
    from tinynet.tensors import Tensor


class Matmul(Function):
    """y = a @ b for stacks of matrices (..., M, K) @ (..., K, N)."""

    def forward(self, a: Array, b: Array) -> Array:
        self.saved = a, b
        return kernels.gemm(a, b)

    def backward(self, gy: Array) -> Any:
        a, b = self.saved
        return (
            unbroadcast(kernels.gemm(gy, b.swapaxes(-1, -2)), a.shape)
            if self.needs_grad(0)
            else None,
            unbroadcast(kernels.gemm(a.swapaxes(-1, -2), gy), b.shape)
            if self.needs_grad(1)
            else None,
        )


class Linear(Function):
    """y[n, o] = bias[o] + sum over i of weight[o, i] * x[n, i]; with `relu`, dropout(max(y, 0))."""

    takes_bfloat16 = True

    def __init__(
        self,
        *,
        split: bool = False,
        relu: bool = False,
        p: float = 0.0,
        after: float = 1.0,
        key: random.Key | None = None,
    ) -> None:
        self.split = ("N", "K", "M") if split else ("", "", "")  # of y, gx and gweight
        self.relu = relu
        self.p = p
        self.after = after
        self.key = key

    def forward(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        x, weight = (factor(a) for a in (x, weight))
        y = kernels.matmul(x, weight.T, self.split[0])
        if self.relu:
            y = kernels.linear_relu_forward(y, bias, self.p, self.key, self.after)
        elif bias is not None:
            y += bias
        self.saved = x, weight, y if self.relu else None
        return y

    def backward(self, gy: Array) -> Any:
        x, weight, y = self.saved
        gbias = None
        if self.relu:
            gy, gbias = kernels.linear_relu_backward(gy, y, self.p, self.after)
        elif len(self.inputs) == 3 and isinstance(x, BFloat16):
            gy, gbias = kernels.linear_relu_backward(gy, None, 0.0)
        elif len(self.inputs) == 3:
            gbias = gy.sum(axis=0)
        stored = self.inputs[0].stored is not None
        gradients = (
            kernels.matmul(gy, weight, self.split[1], stored) if self.needs_grad(0) else None,
            kernels.matmul(gy.T, x, self.split[2]) if self.needs_grad(1) else None,
            gbias,
        )
        return gradients[: len(self.inputs)]


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Return a @ b by NumPy's rules: stacks broadcast, a vector is a row or a column.

    Parameters
    ----------
    a : (..., M, K) or (K,)
    b : (..., K, N) or (K,)

    Returns
    -------
    (..., M, N), without M or N where a or b is a vector

    Raises
    ------
    ShapeError
        If the lengths K differ.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.matmul(tn.ones(2, 3), tn.ones(3, 4)).shape
    (2, 4)
    """
    require_tensors("matmul", a, b)
    row = len(a.shape) == 1
    column = len(b.shape) == 1
    left = a.reshape(1, -1) if row else a
    right = b.reshape(-1, 1) if column else b
    if 0 in (len(a.shape), len(b.shape)) or left.shape[-1] != right.shape[-2]:
        said = "matmul: the last axis of a {a} must be as long as the {which} axis of b {b}."
        which = sentence("only" if column else "second to last")
        raise ShapeError(sentence(said, a=a.shape, which=which, b=b.shape))
    y = Matmul()(left, right)
    shape = list(y.shape)
    if column:
        del shape[-1]
    if row:
        del shape[-1 if column else -2]
    return y.reshape(*shape) if row or column else y


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x @ weight.T + bias: a fully connected layer.

    Parameters
    ----------
    x : (N, in)
    weight : (out, in)
    bias : (out,), optional

    Returns
    -------
    (N, out)

    Raises
    ------
    ShapeError
        If the shapes do not fit together.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.linear(tn.ones(1, 3), tn.ones(2, 3), tn.ones(2))
    tensor([[4., 4.]])
    """
    return layer_linear(x, weight, bias)


def layer_linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    split: bool = False,
    relu: bool = False,
    p: float = 0.0,
    after: float = 1.0,
) -> Tensor:
    """Return `linear`, or after * dropout(relu(linear(...)), p) in one pass behind the product.

    Not a public function: layers call it. With `split` each half of the units is computed
    separately, see `conv.split_conv2d`.
    """
    if split and len(weight.shape) == 2 and weight.shape[0] % 2:
        raise ShapeError(
            f"linear: a split sum needs an even number of units; weight is {weight.shape}."
        )
    if len(weight.shape) != 2:
        said = sentence("linear: weight must be (out, in); it is {weight}.", weight=weight.shape)
        raise ShapeError(said)
    if len(x.shape) != 2 or x.shape[1] != weight.shape[1]:
        said = sentence(
            "linear: x is {x}, but weight {weight} (out, in) needs "
            "(N, {inputs}). Images are flattened first: F.flatten(x).",
            x=x.shape,
            weight=weight.shape,
            inputs=weight.shape[1],
        )
        raise ShapeError(said)
    if bias is not None and bias.shape != weight.shape[:1]:
        said = sentence(
            "linear: bias must be {expected}, one per row of weight {weight}; it is {bias}.",
            expected=weight.shape[:1],
            weight=weight.shape,
            bias=bias.shape,
        )
        raise ShapeError(said)
    warn_of_float64("linear", x, weight)
    key = random.next_draw(weight.shape[0]) if p else None
    op = Linear(split=split, relu=relu, p=p, after=after, key=key)
    return op(x, weight) if bias is None else op(x, weight, bias)
