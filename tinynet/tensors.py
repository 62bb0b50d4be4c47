"""Tensor: an array on a device, with operators and methods that record the graph.

Each method is one line that calls `functions`. Axes and shapes follow NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Never, cast

import numpy as np

from tinynet import functions as F
from tinynet.core import random
from tinynet.core.autograd import Function, Variable, require_tensors
from tinynet.core.backend import (
    CPU,
    Array,
    Device,
    array_module,
    current,
    device,
    is_array,
    to_numpy,
    transfer,
)
from tinynet.core.bfloat16 import BFloat16
from tinynet.core.errors import DeviceError, ShapeError, refuse_keywords
from tinynet.core.hooks import array_of
from tinynet.functions.reduce import Axis
from tinynet.functions.transfer import Cast, Clone, Transfer


class _Size(int):
    """The number of elements. PyTorch's ``x.size(0)`` calls it; the error says what to type."""

    def __call__(self, *axes: int) -> Never:
        raise TypeError(
            "size: x.size is the number of elements, as in NumPy. The shape is x.shape, the length "
            "of its first axis x.shape[0]."
        )


class Tensor(Variable):
    """An array on a device that remembers how it was computed.

    ``tn.tensor(values)`` makes one, with a copy of the values. ``Tensor(array)`` itself wraps an
    array without a copy. Comparisons (``x == y``, ``x > 0``) work element by element and return
    arrays of bools; tensors are told apart by ``is``, and hashed by identity.

    Attributes
    ----------
    data : array of NumPy, or of CuPy on a GPU
        The values. Writing to it (``x.data[0] = 1``) changes the tensor. A graph that has saved
        the old values notices the steps of optimizers, and ``w.data *= 2`` of a parameter, but not
        this: do it before the forward pass, or call ``x.mark_changed()`` afterwards, and
        backward() refuses such a graph.
        On a GPU what is written must be an array of CuPy, or one number: ``x.data[...] = values``
        with an array of NumPy is CuPy's own ValueError. `tensor(values, device=x.device)` copies.
    grad : array of the same shape, or None before backward()
        An array, not a Tensor: ``x.grad * 2`` and ``np.linalg.norm(x.grad)`` work on it.
    device : Device
    requires_grad : bool
        Whether backward() shall compute the gradient of this tensor.
    creator : the node of the graph that made it, or None

    Examples
    --------
    >>> import tinynet as tn
    >>> x = tn.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4., 6.], dtype=float32)
    """

    __slots__ = ()
    __array_ufunc__ = None  # ndarray + Tensor calls our operator, not NumPy's loop over elements
    __hash__ = Variable.__hash__

    # ---- what it is

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every axis."""
        return cast("tuple[int, ...]", self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return cast("np.dtype[Any]", self.data.dtype)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.data.shape)

    @property
    def size(self) -> int:
        """The number of elements, as in NumPy; PyTorch's ``x.size(0)`` is ``x.shape[0]``."""
        return _Size(self.data.size)

    @property
    def T(self) -> Tensor:  # noqa: N802 -- NumPy's name
        """The tensor with its axes reversed."""
        return F.transpose(self)

    def numel(self) -> int:
        """Return the number of elements."""
        return cast("int", self.data.size)

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError("iter: a tensor without axes has no rows. x.item() is its number.")
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        values = np.array2string(to_numpy(self.data), separator=", ", prefix="tensor(")
        facts = [values]
        if "..." in values or not self.size:
            facts.append(f"shape={self.shape}")
        if self.dtype != np.float32:
            facts.append(f"dtype={self.dtype}")
        if self.device != "cpu":
            facts.append(f"device='{self.device}'")
        if self.creator is not None:
            facts.append(f"op={self.creator.op()}")
        elif self.requires_grad:
            facts.append("requires_grad=True")
        if self.grad is not None:
            facts.append(f"grad={_summary(self.grad)}")
        return f"tensor({', '.join(facts)})"

    def __format__(self, spec: str) -> str:
        if not spec:
            return repr(self)
        if self.size != 1:
            raise TypeError(
                f"format: {spec!r} formats one number; this tensor has shape {self.shape}. "
                "Take .item() of one element, or .numpy()."
            )
        return format(self.item(), spec)

    # ---- its values

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return the data as a NumPy array: shared on a CPU, a copy from a GPU."""
        return to_numpy(self.data)

    def tolist(self) -> Any:
        """Return the values as nested lists of Python numbers; of no axes, as one number."""
        return self.numpy().tolist()

    def item(self) -> float:
        """Return the only element as a Python number.

        Raises
        ------
        ValueError
            If there is more than one.
        """
        return cast("float", self.numpy().item())

    def __bool__(self) -> bool:
        return bool(self.data)  # NumPy refuses more than one element

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.numpy(), dtype, copy=copy)

    def argmax(self, axis: int | None = None, **unknown: Never) -> Array:
        """Return where the maximum along `axis` is, as an array of integers.

        >>> import tinynet as tn
        >>> tn.tensor([[1.0, 3.0], [5.0, 2.0]]).argmax(axis=1)
        array([1, 0])
        """
        refuse_keywords("argmax", unknown)
        return self._array_of(array_of(self).argmax(axis))

    def argmin(self, axis: int | None = None, **unknown: Never) -> Array:
        """Return where the minimum along `axis` is, as an array of integers."""
        refuse_keywords("argmin", unknown)
        return self._array_of(array_of(self).argmin(axis))

    def _array_of(self, result: Any) -> Array:
        """Return a result as an array, where NumPy made a scalar of it."""
        return result if is_array(result) else array_module(self.data).asarray(result)

    # ---- comparisons: arrays of bools

    def _operand(self, op: str, other: Any) -> Any:
        """Return the other side of a comparison as an array or a number, or NotImplemented."""
        if isinstance(other, Variable):
            if other.device != self.device:
                raise DeviceError(
                    f"{op}: a tensor on {self.device} met one on {other.device}. "
                    f'Ops never move data; use x.to("{self.device}").'
                )
            return array_of(other)
        if is_array(other):
            if array_module(other) is not array_module(self.data):
                raise DeviceError(
                    f"{op}: a tensor on {self.device} met an array that is not there. "
                    f'Ops never move data; use tn.tensor(x, device="{self.device}").'
                )
            return other
        if isinstance(other, (bool, int, float, np.generic)):
            return other
        if isinstance(other, (list, tuple)):
            return array_module(self.data).asarray(other)
        return NotImplemented

    def __eq__(self, other: object) -> Array:
        operand = self._operand("==", other)
        return operand if operand is NotImplemented else self._array_of(array_of(self) == operand)

    def __ne__(self, other: object) -> Array:
        operand = self._operand("!=", other)
        return operand if operand is NotImplemented else self._array_of(array_of(self) != operand)

    def __lt__(self, other: Any) -> Array:
        operand = self._operand("<", other)
        return operand if operand is NotImplemented else self._array_of(array_of(self) < operand)

    def __le__(self, other: Any) -> Array:
        operand = self._operand("<=", other)
        return operand if operand is NotImplemented else self._array_of(array_of(self) <= operand)

    def __gt__(self, other: Any) -> Array:
        operand = self._operand(">", other)
        return operand if operand is NotImplemented else self._array_of(array_of(self) > operand)

    def __ge__(self, other: Any) -> Array:
        operand = self._operand(">=", other)
        return operand if operand is NotImplemented else self._array_of(array_of(self) >= operand)

    def __contains__(self, value: object) -> bool:
        equal = self.__eq__(value)
        return equal is not NotImplemented and bool(equal.any())

    # ---- copies

    def detach(self) -> Tensor:
        """Return the same data, cut off from the graph."""
        return Tensor(self.data, self.device)

    def clone(self) -> Tensor:
        """Return a copy; the gradient travels back."""
        return Clone()(self)

    def astype(self, dtype: Any) -> Tensor:
        """Return this tensor in another floating-point type; the gradient travels back.

        Raises
        ------
        TypeError
            If `dtype` is not a type of real numbers, or not a floating-point type although a
            gradient is required.
        """
        dtype = _real_type("astype", dtype)
        if self.requires_grad:
            _require_float("astype", dtype)
        return Cast(dtype)(self)

    def to(self, target: str | Device | type | np.dtype[Any]) -> Tensor:
        """Return this tensor on another device, or in another float type; gradients travel back.

        Parameters
        ----------
        target : a device ("cuda:1"), or a type (np.float64)

        Raises
        ------
        DeviceError
            If the device is not there.
        """
        if not isinstance(target, str):
            return self.astype(target)
        where = device(target)
        return self if where == self.device else Transfer(where)(self)

    def cpu(self) -> Tensor:
        """Return this tensor on the CPU."""
        return self.to("cpu")

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    # ---- operators

    __add__ = F.add
    __sub__ = F.sub
    __mul__ = F.mul
    __truediv__ = F.div
    __pow__ = F.pow
    __matmul__ = F.matmul
    __neg__ = F.neg
    __abs__ = F.abs
    __getitem__ = F.getitem

    def __radd__(self, other: float) -> Tensor:
        return F.add(other, self)

    def __rsub__(self, other: float) -> Tensor:
        return F.sub(other, self)

    def __rmul__(self, other: float) -> Tensor:
        return F.mul(other, self)

    def __rtruediv__(self, other: float) -> Tensor:
        return F.div(other, self)

    def __rpow__(self, other: float) -> Tensor:
        return F.pow(other, self)

    def __floordiv__(self, other: Tensor | float) -> Tensor:
        """Return floor(self / other), a constant: its derivative is 0 wherever it has one."""
        operand = self._operand("//", other)
        if operand is NotImplemented:
            return NotImplemented
        with current(self.device):
            return Tensor(self._array_of(array_of(self) // operand), self.device)

    def __round__(self, digits: int = 0) -> Tensor:
        """Return the rounded values, a constant: the derivative is 0 wherever there is one."""
        with current(self.device):
            return Tensor(self._array_of(array_of(self).round(digits)), self.device)

    # ---- no changes in place

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "setitem: a tensor is not changed in place, since backward() may need its values. "
            "To change the data before they are used: x.data[index] = value."
        )

    def _in_place(self, other: Any) -> Any:
        """Refuse ``x += y`` on a leaf that requires a gradient; else Python computes x = x + y."""
        if self.requires_grad and self.creator is None:
            raise TypeError(
                "in-place operator: this tensor requires a gradient and was not computed from "
                "others, and x would become a new tensor that is no longer a leaf. Name the new "
                "one, y = x + 1, or change the data: x.data += 1."
            )
        return NotImplemented

    __iadd__ = _in_place
    __isub__ = _in_place
    __imul__ = _in_place
    __itruediv__ = _in_place
    __ifloordiv__ = _in_place
    __ipow__ = _in_place
    __imatmul__ = _in_place

    # ---- reductions

    def sum(self, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
        """Return the sum along `axis`."""
        refuse_keywords("sum", unknown)
        return F.sum(self, axis, keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
        """Return the mean along `axis`."""
        refuse_keywords("mean", unknown)
        return F.mean(self, axis, keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
        """Return the maximum along `axis`; the first of equal values gets the gradient."""
        refuse_keywords("max", unknown)
        return F.max(self, axis, keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
        """Return the minimum along `axis`; the first of equal values gets the gradient."""
        refuse_keywords("min", unknown)
        return F.min(self, axis, keepdims)

    def var(
        self, axis: Axis = None, *, ddof: int = 0, keepdims: bool = False, **unknown: Never
    ) -> Tensor:
        """Return the variance along `axis`; PyTorch's default is ddof=1."""
        refuse_keywords("var", unknown)
        return F.var(self, axis, ddof=ddof, keepdims=keepdims)

    def std(
        self, axis: Axis = None, *, ddof: int = 0, keepdims: bool = False, **unknown: Never
    ) -> Tensor:
        """Return the standard deviation along `axis`; PyTorch's default is ddof=1."""
        refuse_keywords("std", unknown)
        return F.std(self, axis, ddof=ddof, keepdims=keepdims)

    # ---- shapes

    def reshape(self, *shape: int | tuple[int, ...]) -> Tensor:
        """Return the same elements with another shape: reshape(2, 3) or reshape((2, 3))."""
        return F.reshape(self, _ints(shape))

    def view(self, *shape: int | tuple[int, ...]) -> Tensor:
        """Return reshape(*shape), under PyTorch's name."""
        return F.reshape(self, _ints(shape))

    def flatten(self, start: int = 0) -> Tensor:
        """Return the elements with the axes from `start` on as one; flatten(1) keeps the batch."""
        return F.flatten(self, start)

    def squeeze(self, axis: int | None = None, **unknown: Never) -> Tensor:
        """Return it without axes of length 1: all of them, or the one that `axis` names."""
        refuse_keywords("squeeze", unknown)
        return F.squeeze(self, axis)

    def unsqueeze(self, axis: int, **unknown: Never) -> Tensor:
        """Return it with one more axis, of length 1, which is axis number `axis` of the result."""
        refuse_keywords("unsqueeze", unknown)
        return F.unsqueeze(self, axis)

    def transpose(self, *axes: int | tuple[int, ...]) -> Tensor:
        """Return the axes in another order: transpose(0, 2, 1); no arguments reverse them.

        As in NumPy all axes are named. PyTorch's ``x.transpose(0, 1)`` of a matrix is ``x.T``.
        """
        return F.transpose(self, _ints(axes) or None)

    def permute(self, *axes: int | tuple[int, ...]) -> Tensor:
        """Return transpose(*axes), under PyTorch's name."""
        return F.transpose(self, _ints(axes))

    # ---- element by element

    def abs(self) -> Tensor:
        """Return the absolute values."""
        return F.abs(self)

    def exp(self) -> Tensor:
        """Return e ** self."""
        return F.exp(self)

    def log(self) -> Tensor:
        """Return the natural logarithm."""
        return F.log(self)

    def sqrt(self) -> Tensor:
        """Return the square root."""
        return F.sqrt(self)

    def clip(
        self,
        min: float | None = None,  # noqa: A002 -- NumPy's name
        max: float | None = None,  # noqa: A002
    ) -> Tensor:
        """Return the values limited to min .. max; a limit of None is no limit."""
        return F.clip(self, min, max)


Tensor.output_type = Tensor


class _StoredTensor(Tensor):
    """A tensor that a kernel of a GPU has stored as bfloat16 (`tinynet.precision`).

    Ops that can read it so do; `data`, and with it all others, gets a copy in float32.
    """

    __slots__ = ("stored",)
    stored: BFloat16  # type: ignore[misc]

    def __init__(
        self,
        stored: BFloat16,
        device: Device,
        creator: Function | None = None,
        requires_grad: bool = False,
    ) -> None:
        self.stored = stored
        self.device = device
        self.creator = creator
        self.requires_grad = requires_grad
        self.grad = None

    @property
    def data(self) -> Array:
        """The values in float32, a copy."""
        with current(self.device):
            return Variable.widen(self.stored.words)

    @data.setter
    def data(self, values: Array) -> None:
        with current(self.device):
            self.stored = BFloat16(Variable.narrow(values))

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every axis."""
        return self.stored.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of `data`."""
        return np.dtype(np.float32)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.stored.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return _Size(self.stored.size)

    def __len__(self) -> int:
        return len(self.stored)


Variable.stored_type = _StoredTensor


class _Elsewhere:
    """A name that PyTorch's tensors have; the error says what to type here.

    (A ``__getattr__`` would do it too, and slow down every other attribute.)
    """

    def __init__(self, name: str, here: str) -> None:
        self.name = name
        self.here = here

    def __get__(self, tensor: Tensor | None, owner: type) -> _Elsewhere:
        if tensor is None:
            return self
        raise AttributeError(f"Tensor: there is no attribute {self.name}. Here: {self.here}.")


for _name, _here in {
    "add_": "x.data += value, of a tensor that nothing was computed from",
    "clamp": "x.clip(min, max)",
    "contiguous": "tensors need not be contiguous",
    "copy": "x.clone()",
    "cuda": 'x.to("cuda")',
    "dim": "x.ndim",
    "dot": "(x * y).sum(), or x @ y",
    "double": "x.astype(np.float64)",
    "expand": "x + y and the like repeat axes of length 1",
    "float": "x.astype(np.float32)",
    "half": "x.astype(np.float16)",
    "is_cuda": "x.device",
    "long": "x.data.astype(int), an array",
    "matmul": "x @ y",
    "norm": "(x * x).sum().sqrt()",
    "pow": "x**2",
    "relu": "F.relu(x)",
    "repeat": "tn.cat([x, x])",
    "requires_grad_": "x.requires_grad = True",
    "sigmoid": "F.sigmoid(x)",
    "softmax": "F.softmax(x, axis=1)",
    "split": "x[:n], x[n:]",
    "t": "x.T",
    "tanh": "F.tanh(x)",
    "type": "x.astype(np.float32)",
    "zero_": "x.data[...] = 0, of a tensor that nothing was computed from",
}.items():
    setattr(Tensor, _name, _Elsewhere(_name, _here))


def _summary(array: Array) -> str:
    """Return a gradient for a repr: its values, or the shape of more than six of them."""
    if array.size > 6:
        return f"<{array.dtype} {array.shape}>"
    return np.array2string(to_numpy(array), separator=", ").replace("\n", "")


def _ints(values: tuple[int | tuple[int, ...], ...]) -> tuple[int, ...]:
    """Return (2, 3) for both f(2, 3) and f((2, 3))."""
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        return tuple(values[0])
    return cast("tuple[int, ...]", values)


def _require_float(op: str, dtype: Any) -> None:
    """Raise TypeError where a gradient is asked for numbers that cannot have one."""
    if np.dtype(dtype).kind != "f":
        raise TypeError(
            f"{op}: only floating-point tensors have gradients, not {np.dtype(dtype)}. "
            "Leave out requires_grad, or use dtype=np.float32."
        )


def require_float_type(op: str, target: Any) -> None:
    """Raise TypeError unless a value is a floating-point type, like np.float64."""
    if _real_type(op, target).kind != "f":
        raise TypeError(
            f"{op}: parameters are floats, and {np.dtype(target)} is not a floating-point type. "
            "Use np.float32 or np.float64."
        )


def _real_type(op: str, dtype: Any) -> np.dtype[Any]:
    """Return a type of real numbers, or say that it is none."""
    given = isinstance(dtype, (type, np.dtype, str))
    try:
        found = np.dtype(dtype) if given else None
    except TypeError:
        found = None
    if found is None or found.kind not in "fiub":
        raise TypeError(
            f"{op}: expected a type of real numbers, such as np.float32, or the name of a device; "
            f"got {dtype!r}."
        )
    return found


def tensor(
    data: Any,
    device: str | Device | None = None,
    requires_grad: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """Return a new Tensor with a copy of `data`.

    Parameters
    ----------
    data : array, number or nested list
    device : str, optional
        "cpu", "cuda:1" ...; None is the default device, see `default_device`.
    requires_grad : bool
        Whether backward() shall compute its gradient.
    dtype : optional
        By default an array keeps its float type; Python numbers and integers become float32.

    Raises
    ------
    DeviceError
        If the device is not there.
    ShapeError
        If the rows of nested lists have different lengths.
    TypeError
        If `data` holds anything but real numbers, or a gradient is asked for integers.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.tensor([1, 2])
    tensor([1., 2.])
    >>> tn.tensor(np.eye(2), requires_grad=True)
    tensor([[1., 0.],
            [0., 1.]], dtype=float64, requires_grad=True)
    """
    where = _device(device)
    if isinstance(data, Variable):
        data = data.data
    try:
        array = data if is_array(data) else np.asarray(data)
    except ValueError as error:
        raise ShapeError(
            "tensor: nested lists must have rows of equal lengths, or tensors of equal shapes; "
            f"these have not: {type(data).__name__} of {len(data)}."
        ) from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"tensor: expected numbers, got {array.dtype} from {type(data).__name__}.")
    if dtype is None:
        keep = (is_array(data) or isinstance(data, np.generic)) and array.dtype.kind == "f"
        dtype = array.dtype.newbyteorder("=") if keep else np.float32
    else:
        dtype = _real_type("tensor", dtype)
    if requires_grad:
        _require_float("tensor", dtype)
    return Tensor(transfer(array, where, dtype), where, None, requires_grad)


def zeros(
    *shape: int | tuple[int, ...],
    device: str | Device | None = None,
    requires_grad: bool = False,
    dtype: Any = np.float32,
) -> Tensor:
    """Return a Tensor of zeros: zeros(2, 3) or zeros((2, 3)).

    >>> import tinynet as tn
    >>> tn.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return tensor(np.zeros(_ints(shape), dtype), device, requires_grad, dtype=dtype)


def ones(
    *shape: int | tuple[int, ...],
    device: str | Device | None = None,
    requires_grad: bool = False,
    dtype: Any = np.float32,
) -> Tensor:
    """Return a Tensor of ones: ones(2, 3) or ones((2, 3)).

    >>> import tinynet as tn
    >>> tn.ones(3)
    tensor([1., 1., 1.])
    """
    return tensor(np.ones(_ints(shape), dtype), device, requires_grad, dtype=dtype)


def zeros_like(x: Tensor, requires_grad: bool = False) -> Tensor:
    """Return a Tensor of zeros with the shape, type and device of x.

    >>> import tinynet as tn
    >>> tn.zeros_like(tn.ones(2))
    tensor([0., 0.])
    """
    if not is_array(x):
        require_tensors("zeros_like", x)
    return zeros(x.shape, device=x.device, requires_grad=requires_grad, dtype=x.dtype)


def ones_like(x: Tensor, requires_grad: bool = False) -> Tensor:
    """Return a Tensor of ones with the shape, type and device of x.

    >>> import tinynet as tn
    >>> tn.ones_like(tn.zeros(2))
    tensor([1., 1.])
    """
    if not is_array(x):
        require_tensors("ones_like", x)
    return ones(x.shape, device=x.device, requires_grad=requires_grad, dtype=x.dtype)


def arange(
    *limits: float,
    device: str | Device | None = None,
    requires_grad: bool = False,
    dtype: Any = np.float32,
) -> Tensor:
    """Return the numbers of NumPy's arange: arange(stop), arange(start, stop), with a step third.

    They are float32, as all numbers that become tensors.

    >>> import tinynet as tn
    >>> tn.arange(1, 7, 2)
    tensor([1., 3., 5.])
    """
    return tensor(np.arange(*limits), device, requires_grad, dtype=dtype)


def randn(
    *shape: int | tuple[int, ...],
    device: str | Device | None = None,
    requires_grad: bool = False,
    dtype: Any = np.float32,
) -> Tensor:
    """Return normal random numbers, of mean 0 and variance 1: randn(2, 3) or randn((2, 3)).

    They come from a stream of their own, which `seed` starts anew.

    >>> import tinynet as tn
    >>> tn.seed(0)
    >>> x = tn.randn(2, 3)
    >>> tn.seed(0)
    >>> bool((tn.randn(2, 3) == x).all())
    True
    """
    values = random.next_sample().standard_normal(_ints(shape))
    return tensor(values, device, requires_grad, dtype=dtype)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """Return a Tensor on the CPU that shares its memory with a NumPy array of floats.

    Raises
    ------
    TypeError
        If `array` is not a NumPy array of floats.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> a = np.zeros(2)
    >>> x = tn.from_numpy(a)
    >>> a[0] = 7
    >>> x
    tensor([7., 0.], dtype=float64)
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        what = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise TypeError(
            f"from_numpy: it shares the memory of a NumPy array of floats; got {what}. "
            "tn.tensor(x) makes a float32 copy."
        )
    return Tensor(array, CPU)


_device = device  # the parameter of the functions above has the same name
