"""Functions of the stand-in: arrays from numbers and from the host, arithmetic."""

import functools
import operator

import numpy as np

from support.cupy._arrays import (
    arrays_in,
    call_ufunc,
    change,
    check_devices,
    copy_from_host,
    host_of,
    launch,
    ndarray,
    new_array,
    power,
    refuse_array,
    refuse_products,
    send_lists,
    wrapped,
)
from support.cupy._card import card, current_device, words
from support.cupy._streams import current_stream


def _from_host(value, dtype=None, order="K"):
    value = np.asarray(value, dtype)
    kept = value.flags.f_contiguous and order in ("K", "A")
    value = np.array(value, order="F" if kept else "C")
    if value.dtype.kind not in "biufc":
        raise ValueError(f"Unsupported dtype {value.dtype}")
    copy_from_host()
    y = new_array(value)
    if card.runs:
        y.host[...] = value
    return y


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    if isinstance(obj, ndarray):
        if obj.data.device_id != current_device():
            return obj.copy().astype(dtype or obj.dtype, copy=False)
        return obj.astype(dtype or obj.dtype, order=order, copy=copy)
    if isinstance(obj, list) and arrays_in(obj):
        return launch(np.array, obj, dtype)
    if np.ndim(obj) == 0:
        return full((), obj, dtype)  # by value, as an argument of a kernel
    return _from_host(obj, dtype, order)


def asarray(a, dtype=None, order=None, *, blocking=False):
    return array(a, dtype, copy=False)


def full(shape, fill_value, dtype=None, order="C"):
    refuse_array(fill_value, "copyto")
    dtype = np.dtype(dtype or np.asarray(host_of(fill_value)).dtype)
    if dtype.kind not in "biufc":
        raise ValueError(f"Unsupported dtype {dtype}")
    y = ndarray(shape, dtype)
    y.fill(fill_value if not isinstance(fill_value, ndarray) else fill_value.item())
    return y


def empty(shape, dtype=float, order="C"):
    return ndarray(shape, dtype)


def zeros(shape, dtype=float, order="C"):
    return full(shape, 0, dtype)


def ones(shape, dtype=float, order="C"):
    return full(shape, 1, dtype)


def arange(*args, dtype=None):
    y = new_array(np.arange(*args, dtype=dtype))
    current_stream().run(lambda: operator.setitem(y.host, ..., np.arange(*args, dtype=dtype)))
    return y


def empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    check_devices([prototype])
    return new_array(np.empty_like(prototype.host, dtype, shape=shape))


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


UFUNCS = words(
    """exp log sqrt tanh maximum minimum isfinite isnan absolute sign power add subtract
    multiply divide floor greater less equal logical_and logical_or"""
)
FUNCTIONS = words(
    """where pad zeros_like ones_like full_like repeat
    ascontiguousarray sum mean max min argmax moveaxis count_nonzero
    array_equal allclose expand_dims clip"""
)


class ufunc:
    """A function of elements; `at` adds to elements that an index may name twice."""

    def __init__(self, function):
        self.function = function
        self.__name__ = function.__name__

    def __call__(self, *args, **kwargs):
        return call_ufunc(self.function, args, kwargs)

    def at(self, a, indices, b):
        send_lists(indices)
        change(a, lambda x, i, y: self.function.at(x, wrapped(i, x.shape), y), indices, b)


def may_share_memory(a, b, max_work=None):
    return np.may_share_memory(a.host, b.host)


def copyto(dst, src, casting="same_kind", where=None):
    refuse_array(src, "copyto")
    change(dst, np.copyto, src)


def put_along_axis(arr, indices, values, axis):
    def put(x, i, y):
        np.put_along_axis(x, i % x.shape[axis], y, axis)

    change(arr, put, indices, values)


def take_along_axis(a, indices, axis):
    def take(x, i):
        return np.take_along_axis(x, i % x.shape[axis], axis)

    return launch(take, a, indices)


def broadcast_to(array, shape):
    """Return a view that may be written to: then all rows that share the memory change."""

    def spread(x):
        strides = np.broadcast_to(x, shape).strides
        return np.lib.stride_tricks.as_strided(x, shape, strides)

    return launch(spread, array)


TABLE = 8  # arrays that one launch joins without a table of addresses
SMALL = 2**21  # bytes of each array, above which each is copied by itself


def _joining(function, arrays, **named):
    """Join arrays by a launch for each; more than TABLE small ones by one launch and a table.

    The host makes the table and copies it.
    """
    arrays = list(arrays)
    if len(arrays) > TABLE and all(x.nbytes < SMALL for x in arrays):
        copy_from_host()
    else:
        for _ in arrays[1:]:
            current_stream().run(lambda: None)
    return launch(function, arrays, **named)


def concatenate(tup, axis=0, out=None, *, dtype=None, casting="same_kind"):
    return _joining(np.concatenate, tup, axis=axis)


def stack(tup, axis=0, out=None, *, dtype=None, casting="same_kind"):
    return _joining(np.stack, tup, axis=axis)


def _named():
    """Return CuPy's functions and constants by name."""
    found = {name: functools.partial(launch, getattr(np, name)) for name in FUNCTIONS}
    found |= {name: ufunc(getattr(np, name)) for name in UFUNCS}
    found |= {name: getattr(np, name) for name in CONSTANTS}
    found |= dict.fromkeys(PRODUCTS, refuse_products)
    found["power"] = ufunc(power)
    for function in JOINS_AND_COPIES:
        found[function.__name__] = function
    return found


JOINS_AND_COPIES = broadcast_to, concatenate, copyto, put_along_axis, stack, take_along_axis
PRODUCTS = words("matmul dot einsum tensordot")
CONSTANTS = words(
    """float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool_ generic
    inf nan newaxis"""
)
NAMES = _named()
