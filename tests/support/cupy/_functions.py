"""Functions of the stand-in: arrays from numbers and from the host, arithmetic."""

import functools
import operator

import numpy as np

from support.cupy._arrays import (
    call_ufunc,
    change,
    check_devices,
    launch,
    ndarray,
    new_array,
    refuse_products,
)
from support.cupy._card import card, current_device, words
from support.cupy._streams import current_stream, refuse_while_capturing


def _from_host(value, dtype=None):
    refuse_while_capturing()
    card.writes += 1
    value = np.asarray(value, dtype)
    y = ndarray(value.shape, value.dtype)
    y.host[...] = value
    return y


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    if isinstance(obj, ndarray):
        if obj.data.device_id != current_device():
            return obj.copy().astype(dtype or obj.dtype, copy=False)
        return obj.astype(dtype or obj.dtype, order=order, copy=copy)
    if np.ndim(obj) == 0:
        return full((), obj, dtype)  # by value, as an argument of a kernel
    return _from_host(obj, dtype)


def asarray(a, dtype=None, order=None, *, blocking=False):
    return array(a, dtype, copy=False)


def full(shape, fill_value, dtype=None, order="C"):
    y = ndarray(shape, dtype or np.asarray(fill_value).dtype)
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
    """where concatenate stack pad zeros_like ones_like full_like take_along_axis repeat
    ascontiguousarray sum mean max min argmax broadcast_to moveaxis copyto count_nonzero
    array_equal allclose expand_dims clip"""
)


class ufunc:
    """A function of elements; `at` adds to elements that an index may name twice."""

    def __init__(self, function):
        self.function, self.__name__ = function, function.__name__

    def __call__(self, *args, **kwargs):
        return call_ufunc(self.function, args, kwargs)

    def at(self, a, indices, b):
        change(a, lambda into, *seen: self.function.at(into, *seen), indices, b)


def may_share_memory(a, b, max_work=None):
    return np.may_share_memory(a.host, b.host)


def copyto(dst, src, casting="same_kind", where=None):
    change(dst, np.copyto, src)


def put_along_axis(arr, indices, values, axis):
    change(arr, np.put_along_axis, indices, values, axis)


def _named():
    """Return CuPy's functions and constants by name."""
    found = {name: functools.partial(launch, getattr(np, name)) for name in FUNCTIONS}
    found |= {name: ufunc(getattr(np, name)) for name in UFUNCS}
    found |= {name: getattr(np, name) for name in CONSTANTS}
    found |= dict.fromkeys(PRODUCTS, refuse_products)
    return found | {"copyto": copyto, "put_along_axis": put_along_axis}


PRODUCTS = words("matmul dot einsum tensordot")
CONSTANTS = words(
    """float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool_ generic
    inf nan newaxis"""
)
NAMES = _named()
