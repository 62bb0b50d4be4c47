"""Arrays of the stand-in, and the launches that fill them."""

import functools
import math
import operator

import numpy as np

from support.cupy._card import POISON, card, current_device, words
from support.cupy._memory import MemoryPointer, allocate
from support.cupy._streams import Device, current_stream, refuse_while_capturing


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


def launch(function, *args, **kwargs):
    """Compute on the current stream; what NumPy would return as a scalar is an array too."""
    arrays = arrays_in([args, kwargs])
    check_devices(arrays)
    seen, named = host_of(args), host_of(kwargs)
    with np.errstate(all="ignore"):
        result = function(*seen, **named)
    if isinstance(result, tuple):
        return tuple(
            _landed(r, arrays, _nth(function, i, seen, named)) for i, r in enumerate(result)
        )
    return _landed(result, arrays, functools.partial(function, *seen, **named))


def _nth(function, i, seen, named):
    return lambda: function(*seen, **named)[i]


def _landed(result, arrays, compute):
    """Return the array of a result: a view of an argument, or new memory that a launch fills."""
    if not isinstance(result, (np.ndarray, np.generic)):
        return result
    result = np.asarray(result)
    for a in arrays:
        if result.size and np.may_share_memory(result, a.host):
            return ndarray(result.shape, result.dtype, a.data.mem, result.strides, result)
    y = new_array(result)

    def fill():
        with np.errstate(all="ignore"):
            y.host[...] = compute()

    current_stream().run(fill)
    return y


def change(array, function, *args):
    """Carry out what writes into an array."""
    check_devices([array, *arrays_in(args)])
    seen = host_of(args)

    def write():
        with np.errstate(all="ignore"):
            function(array.host, *seen)

    current_stream().run(write)
    return array


class ndarray:
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

    for _name in words("shape dtype ndim size nbytes itemsize strides flags"):
        locals()[_name] = property(operator.attrgetter(f"host.{_name}"))

    device = property(lambda self: Device(self.data.device_id))
    T = property(lambda self: self.transpose())

    def __len__(self):
        return len(self.host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        return launch(operator.getitem, self, index)

    def __setitem__(self, index, value):
        change(self, operator.setitem, index, value)

    def fill(self, value):
        change(self, np.ndarray.fill, value)

    def set(self, arr, stream=None):
        refuse_while_capturing()
        if not isinstance(arr, np.ndarray) or (arr.shape, arr.dtype) != (self.shape, self.dtype):
            raise ValueError("set: an array of another shape or dtype")
        check_devices([self])
        card.writes += 1
        self.host[...] = arr

    def get(self, stream=None, order="C", out=None, blocking=True):
        refuse_while_capturing()
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

    def __index__(self):
        return operator.index(self.get().item())

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


OPERATORS = words("add sub mul truediv floordiv mod pow and or xor lshift rshift")
UFUNC_OF = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
    "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "and": np.bitwise_and,
    "or": np.bitwise_or, "xor": np.bitwise_xor, "lshift": np.left_shift, "rshift": np.right_shift,
}  # fmt: skip
COMPARISONS = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
    "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip
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
