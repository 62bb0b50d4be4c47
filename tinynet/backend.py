"""Where arrays live: devices, NumPy or CuPy, and the one function that moves bytes between devices.

Only this module and ``kernels`` know that CuPy exists. Everybody above asks
:func:`array_module` for ``xp`` and writes array arithmetic that both understand.
"""

from __future__ import annotations

import contextlib
import contextvars
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinynet.errors import DeviceError

Array = Any
"""A numpy.ndarray or a cupy.ndarray."""


class Device(str):
    """The place of a tensor: ``"cpu"``, ``"cpu:1"``, ``"cuda:0"``.

    A Device is its own name, so it compares with plain strings. ``cpu:0`` is called ``cpu``;
    ``cpu:1``, ``cpu:2`` ... are pretend devices that share one memory: they let two-device code,
    and its mistakes, run on any laptop.
    """

    kind: str
    number: int

    def __new__(cls, kind: str, number: int = 0) -> Device:
        """Make the name, and the Device that is that name."""
        if kind not in ("cpu", "cuda") or number < 0:
            raise DeviceError(
                f'Device: the kind is "cpu" or "cuda" and the number at least 0, not {kind!r} and '
                f'{number}. tn.tensor(x, device="cuda:1") takes the whole name.'
            )
        self = super().__new__(cls, "cpu" if (kind, number) == ("cpu", 0) else f"{kind}:{number}")
        self.kind, self.number = kind, number
        return self

    def __getnewargs__(self) -> tuple[str, int]:  # type: ignore[override]  # copies and pickles
        return self.kind, self.number


CPU = Device("cpu")
_default_device: contextvars.ContextVar[Device] = contextvars.ContextVar(
    "tinynet.default_device", default=CPU
)


def device(spec: str | Device | None = None) -> Device:
    """Return the Device that `spec` names, and make sure that it is there. None: the default."""
    if spec is None:
        return _default_device.get()
    kind, _, number = str(spec).partition(":")
    if kind not in ("cpu", "cuda") or not (number.isdecimal() or spec == kind):
        raise DeviceError(
            f'device: a device is called "cpu", "cpu:1", "cuda" or "cuda:1", not {spec!r}.'
        )
    found = spec if isinstance(spec, Device) else Device(kind, int(number or 0))
    if kind == "cuda":
        _require_cuda(found)
    return found


def _require_cuda(wanted: Device) -> None:
    try:
        import cupy
    except ImportError:
        raise DeviceError(
            f'"{wanted}" needs CuPy, which is not installed. '
            "pip install 'tinynet[gpu13]' (CUDA 13 driver) or 'tinynet[gpu12]' (CUDA 12 driver)."
        ) from None
    if not cupy.is_available():
        raise DeviceError(
            f'"{wanted}" was asked for and CuPy {cupy.__version__} is installed, but it finds no '
            "usable CUDA driver or device. `nvidia-smi` shows whether the driver works."
        )
    count = cupy.cuda.runtime.getDeviceCount()
    if wanted.number >= count:
        raise DeviceError(
            f'"{wanted}" was asked for, but this machine has {count} CUDA device(s). '
            f'"cpu:{wanted.number}" exists for trying two-device code.'
        )


@contextlib.contextmanager
def default_device(spec: str | Device) -> Iterator[Device]:
    """Inside the block new tensors are made on this device. Where ops run does not change."""
    chosen = device(spec)
    token = _default_device.set(chosen)
    try:
        yield chosen
    finally:
        _default_device.reset(token)


def array_module(x: Array) -> Any:
    """Return the module whose array `x` is: numpy or cupy."""
    if isinstance(x, (np.ndarray, np.generic)):
        return np
    cupy = sys.modules.get("cupy")  # an array of CuPy cannot exist before CuPy was imported
    if cupy is not None and isinstance(x, cupy.ndarray):
        return cupy
    raise TypeError(f"expected an array, got {type(x).__module__}.{type(x).__qualname__}.")


def is_array(x: object) -> bool:
    """Return whether `x` is an array of one of the backends."""
    if isinstance(x, np.ndarray):
        return True
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(x, cupy.ndarray)


def current(where: Device) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which `where` is CuPy's current device; on a CPU it does nothing."""
    if where.kind == "cpu":
        return _NOTHING
    import cupy

    return cupy.cuda.Device(where.number)


_NOTHING = contextlib.nullcontext()


def transfer(x: Array, to: Device, dtype: Any = None) -> Array:
    """Return a copy of `x` on a device. Every copy from tensor to tensor goes through here."""
    if to.kind == "cpu":
        return np.array(to_numpy(x), dtype)
    with current(to):
        import cupy

        return cupy.array(x, dtype)


def to_numpy(x: Array) -> np.ndarray[Any, Any]:
    """Return `x` as a NumPy array: itself if it is one, a copy if it lives on a GPU."""
    return x if isinstance(x, np.ndarray) else x.get()


def scalar(value: float, like: Array) -> Array:
    """Return a number as an array without axes, of the dtype of `like`, on the current device."""
    return array_module(like).asarray(value, like.dtype)
