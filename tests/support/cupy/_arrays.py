"""Arrays of the stand-in, and the launches that fill them."""

import builtins
import functools
import math
import operator

import numpy as np

from support.cupy._card import POISON, card, current_device, words
from support.cupy._memory import MemoryPointer, allocate
from support.cupy._streams import Device, current_stream, refuse_transfer, refuse_while_capturing


def host_of(x):
    """Return what NumPy sees of an argument: the memory of its arrays, everything else as it is."""
    if isinstance(x, ndarray):
        return x.host
    if isinstance(x, (np.ndarray, np.generic)) and np.ndim(x):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, (list, tuple)):
        return type(x)(map(host_of, x))
    if isinstance(x, dict):
        return {name: host_of(value) for name, value in x.items()}
    return x


def arrays_in(x):
    if isinstance(x, ndarray):
        return [x]
    if isinstance(x, dict):
        x = list(x.values())
    return [a for v in x for a in arrays_in(v)] if isinstance(x, (list, tuple)) else []


def check_devices(arrays):
    for a in arrays:
        if a.data.device_id != current_device():
            raise ValueError(
                "Array device must be same as the current device: array device = "
                f"{a.data.device_id} while current = {current_device()}"
            )


def new_array(like):
    """Return a fresh array, its memory in the order of a NumPy array."""
    strides = np.empty_like(like).strides
    return ndarray(like.shape, like.dtype, strides=strides)


def copy_from_host(count=1):
    """Count copies of the host's data to the device, which a captured step may not have."""
    if count:
        refuse_transfer("H2D")
    card.writes += count


KEEPS_ORDER = frozenset(
    (np.ndarray.copy, np.ndarray.astype, np.zeros_like, np.ones_like, np.full_like, np.pad)
)


def launch(function, *args, **kwargs):
    """Compute on the current stream; what NumPy would return as a scalar is an array too.

    A result lies row by row, whatever the order of the arguments, but for a few functions.
    """
    arrays = arrays_in([args, kwargs])
    check_devices(arrays)
    seen = host_of(args)
    named = host_of(kwargs)
    with np.errstate(all="ignore"):
        result = function(*seen, **named)
    keeps = function in KEEPS_ORDER
    if isinstance(result, tuple):
        return tuple(
            _landed(r, arrays, _nth(function, i, seen, named), keeps) for i, r in enumerate(result)
        )
    return _landed(result, arrays, functools.partial(function, *seen, **named), keeps)


def _nth(function, i, seen, named):
    return lambda: function(*seen, **named)[i]


def _landed(result, arrays, compute, keeps):
    """Return the array of a result: a view of an argument, or new memory that a launch fills."""
    if not isinstance(result, (np.ndarray, np.generic, bool)):
        return result
    result = np.asarray(result)
    for a in arrays:
        if result.size and np.may_share_memory(result, a.host):
            return ndarray(result.shape, result.dtype, a.data.mem, result.strides, result)
    y = new_array(result) if keeps else ndarray(result.shape, result.dtype)

    def fill():
        with np.errstate(all="ignore"):
            y.host[...] = compute()

    if y.size:
        current_stream().run(fill)
    return y


def change(array, function, *args):
    """Carry out what writes into an array."""
    check_devices([array, *arrays_in(args)])
    seen = host_of(args)

    def write():
        with np.errstate(all="ignore"):
            function(array.host, *seen)

    if array.size:
        current_stream().run(write)
    return array


class Flags:
    """The order of an array's memory; CuPy does not say whether it is writeable: it always is."""

    def __init__(self, flags):
        self.c_contiguous = flags.c_contiguous
        self.f_contiguous = flags.f_contiguous
        self.owndata = flags.owndata

    def __getitem__(self, name):
        return getattr(self, name.lower())


def wrapped(index, shape):
    """Return an index in which numbers of an array wrap around the axis, as on a card."""
    parts = index if isinstance(index, tuple) else (index,)
    axes_named = [part is not None and part is not Ellipsis for part in parts]
    unnamed = len(shape) - builtins.sum(axes_named)
    axis = 0
    found = []
    for part, names_an_axis in zip(parts, axes_named, strict=True):
        is_numbers = isinstance(part, np.ndarray) and part.dtype.kind in "iu" and part.ndim > 0
        found.append(part % builtins.max(1, shape[axis]) if is_numbers else part)
        axis += unnamed if part is Ellipsis else names_an_axis
    return tuple(found)


def send_lists(index):
    """Copy lists in an index to the device, where an index array has to lie."""
    parts = index if isinstance(index, tuple) else (index,)
    copy_from_host(builtins.sum(isinstance(part, list) for part in parts))


def _get(x, index):
    return x[wrapped(index, x.shape)]


def _put(x, index, value):
    x[wrapped(index, x.shape)] = value


def _is_same(a, b):
    """Return whether two arrays of NumPy are the same numbers in the same memory."""
    facts = [(x.ctypes.data, x.dtype, x.shape, x.strides) for x in map(np.asarray, (a, b))]
    return facts[0] == facts[1]


def refuse_array(value, name):
    """Raise as CuPy does if an array of NumPy shall be written into one on the device."""
    value = np.asarray(value) if isinstance(value, list) else value
    if isinstance(value, np.ndarray) and value.ndim:
        raise ValueError(f"non-scalar numpy.ndarray cannot be used for {name}")


class ndarray:
    __module__ = "cupy"  # in messages
    __array_priority__ = 100

    def __init__(self, shape, dtype=float, memptr=None, strides=None, host=None):
        shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        dtype = np.dtype(dtype)
        if host is None:
            pointer = allocate(math.prod(shape) * dtype.itemsize)
            self.data = pointer
            host = np.ndarray(shape, dtype, pointer.mem.memory, strides=strides)
        else:
            self.data = MemoryPointer(memptr, host.ctypes.data)
        self.host = host

    for _name in words("shape dtype ndim size nbytes itemsize strides"):
        locals()[_name] = property(operator.attrgetter(f"host.{_name}"))

    flags = property(lambda self: Flags(self.host.flags))
    device = property(lambda self: Device(self.data.device_id))
    T = property(lambda self: self.transpose())

    def __len__(self):
        return len(self.host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        send_lists(index)
        return launch(_get, self, index)

    def __setitem__(self, index, value):
        refuse_array(value, "fill")
        send_lists(index)
        if isinstance(value, ndarray) and _is_same(_get(self.host, host_of(index)), value.host):
            return  # x[i] += 1 ends so
        change(self, _put, index, value)

    def fill(self, value):
        refuse_array(value, "fill")
        change(self, np.ndarray.fill, value)

    def set(self, arr, stream=None):
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if arr.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        check_devices([self])
        copy_from_host()
        self.host[...] = arr

    def get(self, stream=None, order="C", out=None, blocking=True):
        if out is not None and out.dtype != self.dtype:
            raise TypeError(f"{out.dtype} array cannot be obtained from {self.dtype} array")
        if out is not None and out.shape != self.shape:
            raise ValueError(
                f"Shape mismatch. Expected shape: {self.shape}, actual shape: {out.shape}"
            )
        refuse_transfer("D2H", stream)
        if card.lazy:
            (stream or current_stream()).synchronize()
        if out is None and blocking:
            card.reads += 1
            return np.array(self.host, order=order)
        out = np.empty(self.shape, self.dtype) if out is None else out
        value = self.host.copy()  # what the stream has computed so far
        copy = functools.partial(operator.setitem, out, ..., value)
        if blocking:
            card.reads += 1
            copy()
        else:
            out.view(np.uint8)[...] = POISON
            (stream or current_stream()).later(copy)
        return out

    def item(self, *args):
        return self.get().item(*args)

    def tolist(self):
        return self.get().tolist()

    def __float__(self):
        return float(self.get())

    def __int__(self):
        return int(self.get())

    def __bool__(self):
        return bool(self.get())

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if ufunc is np.matmul:
            refuse_products()
        return call_ufunc(getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function, types, args, kwargs):
        return launch(function, *args, **kwargs)

    def __matmul__(self, other):
        refuse_products()

    __rmatmul__ = __imatmul__ = dot = __matmul__

    def copy(self, order="C"):
        if self.data.device_id == current_device():
            return launch(np.ndarray.copy, self, order=order)
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise NotImplementedError("CuPy cannot copy non-contiguous array between devices.")
        refuse_while_capturing()
        card.writes += 1
        y = new_array(self.host)
        current_stream().run(lambda: operator.setitem(y.host, ..., self.host))
        return y

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        return launch(np.ndarray.astype, self, dtype, order=order, copy=copy)


def call_ufunc(function, inputs, kwargs):
    out = kwargs.pop("out", None)
    if out is None:
        return launch(function, *inputs, **kwargs)
    out = out[0] if isinstance(out, tuple) else out
    if not isinstance(out, ndarray):
        raise TypeError(f"Unsupported type {type(out)}")
    kwargs = host_of(kwargs)
    return change(out, lambda into, *seen: function(*seen, out=into, **kwargs), *inputs)


def refuse_products(*_, **__):
    raise AssertionError("a matrix product by CuPy: it cannot be captured. gemm can.")


def power(x, y, **named):
    """Return x ** y; CuPy knows no error where an integer has a negative power, and returns 0."""
    x, y = np.asarray(x), np.asarray(y)
    if np.result_type(x, y).kind not in "iu" or not (y < 0).any():
        return np.power(x, y, **named)
    return np.where(np.abs(x) == 1, np.power(x, np.abs(y)), 0).astype(np.result_type(x, y))


OPERATORS = words("add sub mul truediv floordiv mod pow and or xor lshift rshift")
UFUNC_OF = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.true_divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "pow": power,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
}
COMPARISONS = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
SIGNS = {"neg": np.negative, "abs": np.absolute, "invert": np.invert}
METHODS = words(
    """sum mean max min var argmax argmin any all reshape ravel transpose swapaxes squeeze
    repeat view clip take cumsum"""
)


def _method(function):
    return lambda self, *args, **kwargs: launch(function, self, *args, **kwargs)


def _forward(ufunc):
    return lambda self, other: call_ufunc(ufunc, (self, other), {})


def _reflected(ufunc):
    return lambda self, other: call_ufunc(ufunc, (other, self), {})


def _in_place(ufunc):
    return lambda self, other: call_ufunc(ufunc, (self, other), {"out": self})


for _name in OPERATORS:
    setattr(ndarray, f"__{_name}__", _forward(UFUNC_OF[_name]))
    setattr(ndarray, f"__r{_name}__", _reflected(UFUNC_OF[_name]))
    setattr(ndarray, f"__i{_name}__", _in_place(UFUNC_OF[_name]))
for _name, _compare in COMPARISONS.items():
    setattr(ndarray, f"__{_name}__", _forward(_compare))
ndarray.__hash__ = None
for _name, _sign in SIGNS.items():
    setattr(ndarray, f"__{_name}__", _method(_sign))
for _name in METHODS:
    setattr(ndarray, _name, _method(getattr(np.ndarray, _name)))
