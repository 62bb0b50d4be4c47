"""Arithmetic on corresponding elements, with NumPy's broadcasting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet.core.autograd import Function
from tinynet.core.backend import Array, array_module
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


class Add(Function):
    """y = a + b."""

    def forward(self, a: Array, b: Array) -> Array:
        return a + b

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
    """y = a ** b; the gradient of b is a number only where a > 0."""

    def forward(self, a: Array, b: Array) -> Array:
        y = a**b
        self.saved = a, b, y
        return y

    def backward(self, gy: Array) -> Any:
        a, b, y = self.saved
        xp = array_module(gy)
        ga = gb = None
        if self.needs_grad(0):  # a**0 is constant, also at a = 0 where a**-1 is infinite
            ga = unbroadcast(gy * b * a ** xp.where(b == 0, xp.ones_like(b), b - 1), a.shape)
        if self.needs_grad(1):
            gb = unbroadcast(gy * y * xp.log(a), b.shape)
        return ga, gb


class Neg(Function):
    """y = -x."""

    def forward(self, x: Array) -> Array:
        return -x

    def backward(self, gy: Array) -> Any:
        return -gy


class Exp(Function):
    """y = e ** x."""

    def forward(self, x: Array) -> Array:
        self.saved = array_module(x).exp(x)
        return self.saved

    def backward(self, gy: Array) -> Any:
        return gy * self.saved


class Log(Function):
    """y = natural logarithm of x."""

    def forward(self, x: Array) -> Array:
        self.saved = x
        return array_module(x).log(x)

    def backward(self, gy: Array) -> Any:
        return gy / self.saved


class Sqrt(Function):
    """y = square root of x."""

    def forward(self, x: Array) -> Array:
        self.saved = array_module(x).sqrt(x)
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
        self.saved = array_module(x).tanh(x)
        return self.saved

    def backward(self, gy: Array) -> Any:
        return gy * (1 - self.saved * self.saved)


class Sigmoid(Function):
    """y = 1 / (1 + e ** -x), written with tanh, which cannot overflow."""

    def forward(self, x: Array) -> Array:
        self.saved = 0.5 * array_module(x).tanh(0.5 * x) + 0.5
        return self.saved

    def backward(self, gy: Array) -> Any:
        return gy * self.saved * (1 - self.saved)


def add(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Return a + b."""
    return Add()(a, b)


def sub(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Return a - b."""
    return Sub()(a, b)


def mul(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Return a * b, element by element."""
    return Mul()(a, b)


def div(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Return a / b, element by element."""
    return Div()(a, b)


def pow(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Return a ** b, element by element."""
    return Pow()(a, b)


def neg(x: Tensor) -> Tensor:
    """Return -x."""
    return Neg()(x)


def exp(x: Tensor) -> Tensor:
    """Return e ** x."""
    return Exp()(x)


def log(x: Tensor) -> Tensor:
    """Return the natural logarithm of x."""
    return Log()(x)


def sqrt(x: Tensor) -> Tensor:
    """Return the square root of x."""
    return Sqrt()(x)


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) (Krizhevsky et al. 2012, section 3.1)."""
    return ReLU()(x)


def tanh(x: Tensor) -> Tensor:
    """Return the hyperbolic tangent of x."""
    return Tanh()(x)


def sigmoid(x: Tensor) -> Tensor:
    """Return 1 / (1 + e ** -x)."""
    return Sigmoid()(x)
