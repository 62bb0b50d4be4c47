"""Tensor: a Variable with operators and methods, each one line that calls `functions`."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from tinynet import functions as F
from tinynet.core.autograd import Variable
from tinynet.core.backend import Device, current, device, is_array, to_numpy, transfer
from tinynet.functions.reduce import Axis
from tinynet.functions.transfer import Transfer


class Tensor(Variable):
    """An array on a device that remembers how it was computed.

    Attributes
    ----------
    data : array of the backend (NumPy, or CuPy on a GPU)
    grad : array of the same shape, or None before backward()
    device : Device
    requires_grad : bool
    """

    __slots__ = ()
    __array_ufunc__ = None  # ndarray + Tensor is ours to refuse, not NumPy's to loop over

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every axis."""
        return cast("tuple[int, ...]", self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return cast("np.dtype[Any]", self.data.dtype)

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        return bool(self.data)  # NumPy refuses more than one element

    def __float__(self) -> float:
        return float(self.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.numpy(), dtype, copy=copy)

    def __repr__(self) -> str:
        where = "" if self.device == "cpu" else f", device={self.device!r}"
        grad = ", requires_grad=True" if self.requires_grad else ""
        values = np.array2string(to_numpy(self.data), separator=", ", prefix="tensor(")
        dtype = "" if self.dtype == np.float32 else f", dtype={self.dtype}"
        return f"tensor({values}{dtype}{where}{grad})"

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return the data as a NumPy array: shared on a CPU, a copy from a GPU."""
        return to_numpy(self.data)

    def item(self) -> float:
        """Return the only element as a Python number."""
        return cast("float", self.numpy().item())

    def detach(self) -> Tensor:
        """Return the same data, cut off from the graph."""
        return Tensor(self.data, self.device)

    def to(self, target: str | Device | type | np.dtype[Any]) -> Tensor:
        """Return this tensor on another device, or with another float dtype.

        To a device it is a differentiable copy: the gradient travels back. To a dtype it is a
        new leaf.
        """
        if not isinstance(target, str):
            with current(self.device):
                return Tensor(self.data.astype(target), self.device, None, self.requires_grad)
        where = device(target)
        return self if where == self.device else Transfer(where)(self)

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    def __add__(self, other: Tensor | float) -> Tensor:
        return F.add(self, other)

    def __radd__(self, other: float) -> Tensor:
        return F.add(other, self)

    def __sub__(self, other: Tensor | float) -> Tensor:
        return F.sub(self, other)

    def __rsub__(self, other: float) -> Tensor:
        return F.sub(other, self)

    def __mul__(self, other: Tensor | float) -> Tensor:
        return F.mul(self, other)

    def __rmul__(self, other: float) -> Tensor:
        return F.mul(other, self)

    def __truediv__(self, other: Tensor | float) -> Tensor:
        return F.div(self, other)

    def __rtruediv__(self, other: float) -> Tensor:
        return F.div(other, self)

    def __pow__(self, other: Tensor | float) -> Tensor:
        return F.pow(self, other)

    def __rpow__(self, other: float) -> Tensor:
        return F.pow(other, self)

    def __matmul__(self, other: Tensor) -> Tensor:
        return F.matmul(self, other)

    def __neg__(self) -> Tensor:
        return F.neg(self)

    def __getitem__(self, index: Any) -> Tensor:
        return F.getitem(self, index)

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the sum along `axis`."""
        return F.sum(self, axis, keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the mean along `axis`."""
        return F.mean(self, axis, keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the maximum along `axis`; the first of equal values gets the gradient."""
        return F.max(self, axis, keepdims)

    def reshape(self, *shape: int | tuple[int, ...]) -> Tensor:
        """Return the same elements with another shape: reshape(2, 3) or reshape((2, 3))."""
        return F.reshape(self, _ints(shape))

    def transpose(self, *axes: int | tuple[int, ...]) -> Tensor:
        """Return the axes in another order: transpose(0, 2, 1); no arguments reverse them."""
        return F.transpose(self, _ints(axes) or None)

    def exp(self) -> Tensor:
        """Return e ** self."""
        return F.exp(self)

    def log(self) -> Tensor:
        """Return the natural logarithm."""
        return F.log(self)

    def sqrt(self) -> Tensor:
        """Return the square root."""
        return F.sqrt(self)


Tensor.output_type = Tensor


def _ints(values: tuple[int | tuple[int, ...], ...]) -> tuple[int, ...]:
    """Return (2, 3) for both f(2, 3) and f((2, 3))."""
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        return tuple(values[0])
    return cast("tuple[int, ...]", values)


def tensor(data: Any, device: str | Device | None = None, requires_grad: bool = False) -> Tensor:
    """Return a new Tensor with a copy of `data`.

    Parameters
    ----------
    data : array, number or nested list
        An array keeps its float dtype; Python numbers and integers become float32.
    device : str, optional
        "cpu", "cuda:1" ...; None is the default device, "cpu" unless `default_device` says else.
    """
    where = _device(device)
    if isinstance(data, Variable):
        data = data.data
    array = data if is_array(data) else np.asarray(data)
    keep = is_array(data) or isinstance(data, np.generic)
    dtype = array.dtype if keep and array.dtype.kind == "f" else np.float32
    if array.dtype.kind not in "fiub":
        raise TypeError(f"tensor: expected numbers, got {array.dtype} from {type(data).__name__}.")
    return Tensor(transfer(array, where, dtype), where, None, requires_grad)


def zeros(
    *shape: int | tuple[int, ...], device: str | Device | None = None, requires_grad: bool = False
) -> Tensor:
    """Return a float32 Tensor of zeros: zeros(2, 3) or zeros((2, 3))."""
    return tensor(np.zeros(_ints(shape), np.float32), device, requires_grad)


def ones(
    *shape: int | tuple[int, ...], device: str | Device | None = None, requires_grad: bool = False
) -> Tensor:
    """Return a float32 Tensor of ones: ones(2, 3) or ones((2, 3))."""
    return tensor(np.ones(_ints(shape), np.float32), device, requires_grad)


_device = device  # the parameter of the functions above has the same name
