"""Element-wise arithmetic and activations, with NumPy's broadcasting.

Every function takes tensors of one device, or a tensor and numbers, and returns a tensor of the
broadcast shape. A tensor on another device raises DeviceError; an array raises TypeError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet.core.autograd import LARGE, Function, Variable
from tinynet.core.backend import Array, array_module, real
from tinynet.kernels.add import add as add_kernel
from tinynet.kernels.relu import relu_backward, relu_forward

if TYPE_CHECKING:
    from tinynet.tensors import Tensor


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Return g summed down to `shape`: the gradient of what broadcasting had repeated."""
    if g.shape == shape:
        return g
    new = g.ndim - len(shape)  # axes that broadcasting had put in front
    repeated = tuple(i for i in range(g.ndim) if i < new or shape[i - new] == 1)
    return g.sum(axis=repeated).reshape(shape)


def add_large(a: Array, b: Array) -> Array:
    """Return a + b, on several threads where there is a compiled loop for it."""
    return add_kernel(a, b) if add_kernel.runs_compiled(a, b) else a + b


Variable.add_large = add_large


class Add(Function):
    """y = a + b."""

    def forward(self, a: Array, b: Array) -> Array:
        return a + b if a.size < LARGE else add_large(a, b)

    def backward(self, gy: Array) -> Any:
        a, b = self.inputs
        return unbroadcast(gy, a.data.shape), unbroadcast(gy, b.data.shape)


class Sub(Function):
    """y = a - b."""

    def forward(self, a: Array, b: Array) -> Array:
        return a - b

    def backward(self, gy: Array) -> Any:
        a, b = self.inputs
        return unbroadcast(gy, a.data.shape), unbroadcast(-gy, b.data.shape)


class Mul(Function):
    """y = a * b."""

    def forward(self, a: Array, b: Array) -> Array:
        self.saved = a, b
        return a * b

    def backward(self, gy: Array) -> Any:
        a, b = self.saved
        return (
            unbroadcast(gy * b, a.shape) if self.needs_grad(0) else None,
            unbroadcast(gy * a, b.shape) if self.needs_grad(1) else None,
        )


class Div(Function):
    """y = a / b."""

    def forward(self, a: Array, b: Array) -> Array:
        self.saved = a, b
        return a / b

    def backward(self, gy: Array) -> Any:
        a, b = self.saved
        return (
            unbroadcast(gy / b, a.shape) if self.needs_grad(0) else None,
            unbroadcast(-gy * a / (b * b), b.shape) if self.needs_grad(1) else None,
        )


class Pow(Function):
    """y = a ** b.

    The gradient of b is y * log(a): NaN where a < 0, and 0 where a = 0 and b >= 0 (in PyTorch too).
    """

    def forward(self, a: Array, b: Array) -> Array:
        y = a**b
        self.saved = a, b, y
        return y

    def backward(self, gy: Array) -> Any:
        a, b, y = self.saved
        xp = array_module(gy)
        ga = None
        gb = None
        if self.needs_grad(0):  # a**0 is constant, also at a = 0 where a**-1 is infinite
            ga = unbroadcast(gy * b * a ** xp.where(b == 0, xp.ones_like(b), b - 1), a.shape)
        if self.needs_grad(1):
            flat = (a == 0) & (b >= 0)  # 0**b is 0 for all b > 0, and log(0) is infinite
            gb = unbroadcast(gy * y * xp.log(xp.where(flat, xp.ones_like(a), a)), b.shape)
        return ga, gb


class Neg(Function):
    """y = -x."""

    def forward(self, x: Array) -> Array:
        return -x

    def backward(self, gy: Array) -> Any:
        return -gy


class Abs(Function):
    """y = |x|. The derivative at exactly 0 is 0."""

    def forward(self, x: Array) -> Array:
        self.saved = x
        return array_module(x).absolute(x)

    def backward(self, gy: Array) -> Any:
        return gy * array_module(gy).sign(self.saved)


class Clip(Function):
    """y = min(max(x, low), high); the gradient passes where low <= x <= high."""

    def __init__(self, low: float | None, high: float | None) -> None:
        self.low = low
        self.high = high

    def forward(self, x: Array) -> Array:
        self.saved = x
        return x.clip(self.low, self.high)

    def backward(self, gy: Array) -> Any:
        x = self.saved
        inside = x == x  # all but NaN
        if self.low is not None:
            inside = inside & (x >= self.low)
        if self.high is not None:
            inside = inside & (x <= self.high)
        return gy * inside


class Exp(Function):
    """y = e ** x."""

    def forward(self, x: Array) -> Array:
        self.saved = array_module(x).exp(real(x))
        return self.saved

    def backward(self, gy: Array) -> Any:
        return gy * self.saved


class Log(Function):
    """y = natural logarithm of x."""

    def forward(self, x: Array) -> Array:
        self.saved = x
        return array_module(x).log(real(x))

    def backward(self, gy: Array) -> Any:
        return gy / self.saved


class Sqrt(Function):
    """y = square root of x."""

    def forward(self, x: Array) -> Array:
        self.saved = array_module(x).sqrt(real(x))
        return self.saved

    def backward(self, gy: Array) -> Any:
        return gy / (2 * self.saved)


class ReLU(Function):
    """y = max(x, 0). The derivative at exactly 0 is 0, as in the code of 2012."""

    def forward(self, x: Array) -> Array:
        self.saved = relu_forward(x)
        return self.saved

    def backward(self, gy: Array) -> Any:
        return relu_backward(gy, self.saved)


class Tanh(Function):
    """y = tanh(x)."""

    def forward(self, x: Array) -> Array:
        self.saved = array_module(x).tanh(real(x))
        return self.saved

    def backward(self, gy: Array) -> Any:
        return gy * (1 - self.saved * self.saved)


class Sigmoid(Function):
    """y = 1 / (1 + e ** -x).

    Where x < 0 it is e ** x / (1 + e ** x): no power overflows, and a small y keeps its digits.
    """

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        x = real(x)
        self.saved = xp.exp(xp.minimum(x, 0)) / (1 + xp.exp(-xp.absolute(x)))
        return self.saved

    def backward(self, gy: Array) -> Any:
        return gy * self.saved * (1 - self.saved)


def add(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Return a + b.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.add(tn.tensor([1.0, 2.0]), 3)
    tensor([4., 5.])
    """
    return Add()(a, b)


def sub(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Return a - b.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.sub(tn.tensor([1.0, 2.0]), 3)
    tensor([-2., -1.])
    """
    return Sub()(a, b)


def mul(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Return a * b, element by element.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.mul(tn.tensor([1.0, 2.0]), 3)
    tensor([3., 6.])
    """
    return Mul()(a, b)


def div(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Return a / b, element by element.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.div(tn.tensor([1.0, 2.0]), 4)
    tensor([0.25, 0.5 ])
    """
    return Div()(a, b)


def pow(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Return a ** b, element by element.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.pow(tn.tensor([1.0, 2.0]), 3)
    tensor([1., 8.])
    """
    return Pow()(a, b)


def neg(x: Tensor) -> Tensor:
    """Return -x.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.neg(tn.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    return Neg()(x)


def abs(x: Tensor) -> Tensor:
    """Return |x|; the derivative at 0 is 0.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.abs(tn.tensor([1.0, -2.0]))
    tensor([1., 2.])
    """
    return Abs()(x)


def exp(x: Tensor) -> Tensor:
    """Return e ** x.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.exp(tn.zeros(2))
    tensor([1., 1.])
    """
    return Exp()(x)


def log(x: Tensor) -> Tensor:
    """Return the natural logarithm of x.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.log(tn.ones(2))
    tensor([0., 0.])
    """
    return Log()(x)


def sqrt(x: Tensor) -> Tensor:
    """Return the square root of x.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.sqrt(tn.tensor([4.0, 9.0]))
    tensor([2., 3.])
    """
    return Sqrt()(x)


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) (Krizhevsky et al. 2012, section 3.1); the derivative at 0 is 0.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.relu(tn.tensor([1.0, -2.0]))
    tensor([1., 0.])
    """
    return ReLU()(x)


def tanh(x: Tensor) -> Tensor:
    """Return the hyperbolic tangent of x.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.tanh(tn.zeros(2))
    tensor([0., 0.])
    """
    return Tanh()(x)


def sigmoid(x: Tensor) -> Tensor:
    """Return 1 / (1 + e ** -x).

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.sigmoid(tn.zeros(2))
    tensor([0.5, 0.5])
    """
    return Sigmoid()(x)


def clip(
    x: Tensor,
    min: float | None = None,  # noqa: A002 -- NumPy's name
    max: float | None = None,  # noqa: A002
) -> Tensor:
    """Return x limited to min .. max; a limit of None is no limit.

    Raises
    ------
    ValueError
        If there is no limit at all, or min is larger than max.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.clip(tn.tensor([-3.0, 0.5, 3.0]), -1, 1)
    tensor([-1. ,  0.5,  1. ])
    """
    if min is None and max is None:
        raise ValueError("clip: give a limit: min, max or both.")
    if min is not None and max is not None and min > max:
        raise ValueError(f"clip: min must not be larger than max, got {min} and {max}.")
    return Clip(min, max)(x)
