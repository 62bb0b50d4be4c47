"""Devices and array libraries: NumPy or CuPy, and copies from one device to another.

Only this module and ``kernels`` use CuPy by name. The modules above ask :func:`array_module` for
``xp`` and write array arithmetic that both understand.
"""

from __future__ import annotations

import contextlib
import contextvars
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from tinynet.core.errors import CaptureError, DeviceError
from tinynet.core.extras import install_command
from tinynet.words import sentence

Array = Any
"""A numpy.ndarray or a cupy.ndarray."""

GET_CUPY = sentence(
    "{one} (CUDA 13 driver) or {two} (CUDA 12 driver)",
    one=install_command("gpu13"),
    two=install_command("gpu12"),
)


class Device(str):
    """The place of a tensor: ``"cpu"``, ``"cpu:1"``, ``"cuda:0"``.

    A Device is its own name, so it compares with plain strings. ``cpu:0`` is called ``cpu``;
    ``cpu:1``, ``cpu:2`` ... are pretend devices that share one memory: they let two-device code,
    and its mistakes, run on any laptop. ``cuda:0/1`` is a second stream of ``cuda:0``: two devices
    on one card, which wait for each other as two cards do. To name a device does not require it;
    the first tensor on it does.

    Attributes
    ----------
    kind : "cpu" or "cuda"
    number, lane : int

    Raises
    ------
    DeviceError
        If the name is not one of these.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.Device("cuda:1").number
    1
    >>> tn.Device("cpu") == "cpu"
    True
    """

    kind: str
    number: int
    lane: int

    def __new__(cls, kind: str, number: int = 0, lane: int = 0) -> Device:
        """Make the Device from its name, or from its kind, number and lane."""
        if ":" in kind and not number and not lane:
            kind, number, lane = _parsed(kind)
        if kind not in ("cpu", "cuda") or number < 0:
            raise DeviceError(
                f'Device: the kind is "cpu" or "cuda" and the number at least 0, not {kind!r} and '
                f"{number}."
            )
        name = "cpu" if (kind, number) == ("cpu", 0) else f"{kind}:{number}"
        self = super().__new__(cls, f"{name}/{lane}" if lane else name)
        self.kind = kind
        self.number = number
        self.lane = lane
        return self

    def __getnewargs__(self) -> tuple[str, int, int]:  # type: ignore[override]  # copies, pickles
        return self.kind, self.number, self.lane


CPU = Device("cpu")
_default_device: contextvars.ContextVar[Device] = contextvars.ContextVar(
    "tinynet.default_device", default=CPU
)


def device(spec: str | Device | None = None) -> Device:
    """Return the Device that `spec` names, and make sure that it is there. None: the default."""
    if spec is None:
        return _default_device.get()
    found = spec if isinstance(spec, Device) else Device(*_parsed(spec))
    if found.kind == "cuda":
        _require_cuda(found)
    return found


def _parsed(name: str) -> tuple[str, int, int]:
    """Return the kind, number and lane of a device from its name."""
    kind, _, place = str(name).partition(":")
    number, slash, lane = place.partition("/")
    whole = number.isdecimal() and (not slash or (lane.isdecimal() and kind == "cuda"))
    if kind not in ("cpu", "cuda") or not (whole or name == kind):
        raise DeviceError(
            f'device: a device is called "cpu", "cpu:1", "cuda" or "cuda:1", not {name!r}.'
        )
    return kind, int(number or 0), int(lane or 0)


def devices(spec: str) -> tuple[Device, ...]:
    """Return the Devices that "cuda:0,cuda:1" names, one or more."""
    return tuple(device(name.strip()) for name in spec.split(","))


def gpus() -> list[tuple[Device, str]]:
    """Return every CUDA device of this machine with the name of its model.

    Raises
    ------
    DeviceError
        If there is none, or CuPy cannot use it.
    """
    _require_cuda(Device("cuda"))
    import cupy

    runtime = cupy.cuda.runtime
    numbers = range(runtime.getDeviceCount())
    return [(Device("cuda", n), runtime.getDeviceProperties(n)["name"].decode()) for n in numbers]


def _require_cuda(wanted: Device) -> None:
    """Raise DeviceError, with the way out, unless CuPy can use this device."""
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise
        said = '"{wanted}" needs CuPy, which is not installed. {command}.'
        raise DeviceError(sentence(said, wanted=wanted, command=GET_CUPY)) from None
    except ImportError as error:
        raise DeviceError(
            f'"{wanted}" needs CuPy, which is installed but does not load '
            f"({str(error).strip().splitlines()[0]}). "
            f"pip uninstall cupy-cuda12x cupy-cuda13x, then {GET_CUPY}."
        ) from error
    if not cupy.is_available():
        raise DeviceError(f'"{wanted}" was asked for, but {_why_unavailable(cupy)}')
    count = cupy.cuda.runtime.getDeviceCount()
    if wanted.number >= count:
        raise DeviceError(
            f'"{wanted}" was asked for, but this machine has {count} CUDA device(s). '
            f'"cpu:{wanted.number}" exists for trying two-device code.'
        )


def _why_unavailable(cupy: Any) -> str:
    """Return the rest of a sentence: no driver, one that is too old for this CuPy, or no GPU."""
    runtime = cupy.cuda.runtime
    driver = runtime.driverGetVersion() // 10  # 1300 is 13.0
    built = runtime.runtimeGetVersion() // 10
    if not driver:
        return (
            f"CuPy {cupy.__version__} finds no NVIDIA driver. A driver comes from the system, not "
            "from pip; `nvidia-smi` shows whether it works."
        )
    has = f"{driver // 100}.{driver % 100}"
    needs = built // 100
    if driver // 100 < needs:
        way = "A newer driver is the only way."
        if driver // 100 == 12:
            way = f"pip uninstall cupy-cuda{needs}x, then {install_command('gpu12')}."
        return (
            f"CuPy {cupy.__version__} is built for CUDA {needs} and the driver of this machine "
            f"ends at CUDA {has}. {way}"
        )
    return (
        f"the driver (CUDA {has}) shows CuPy {cupy.__version__} no usable GPU. "
        "Is CUDA_VISIBLE_DEVICES set? `nvidia-smi` lists what is there."
    )


@overload
def default_device() -> Device: ...
@overload
def default_device(spec: str | Device) -> contextlib.AbstractContextManager[Device]: ...
def default_device(
    spec: str | Device | None = None,
) -> Device | contextlib.AbstractContextManager[Device]:
    """Return the device on which new tensors are made, or a block that sets it.

    Where ops run does not change: on the device of their inputs.

    Parameters
    ----------
    spec : str, optional
        The device inside the block. Without it the present default is returned.

    Raises
    ------
    DeviceError
        If there is no such device.

    Examples
    --------
    >>> import tinynet as tn
    >>> str(tn.default_device())
    'cpu'
    >>> with tn.default_device("cpu:1"):
    ...     print(tn.ones(2).device)
    cpu:1
    """
    return _default_device.get() if spec is None else _defaulting(device(spec))


@contextlib.contextmanager
def _defaulting(chosen: Device) -> Iterator[Device]:
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
    if hasattr(x, "__tinynet_array__"):  # of a step that is being recorded
        return np
    raise TypeError(f"expected an array, got {type(x).__module__}.{type(x).__qualname__}.")


def is_array(x: object) -> bool:
    """Return whether `x` is an array of one of the backends."""
    if isinstance(x, np.ndarray):
        return True
    cupy = sys.modules.get("cupy")
    return (cupy is not None and isinstance(x, cupy.ndarray)) or hasattr(x, "__tinynet_array__")


def is_aligned(x: Array) -> bool:
    """Return whether numbers begin where a processor wants them: not so in a packed record."""
    return getattr(x.flags, "aligned", True)


def is_writable(x: Array) -> bool:
    """Return whether the memory of an array can be written to; on a GPU it always can."""
    return getattr(x.flags, "writeable", True)


def current(
    where: Device, doing: Callable[[], str] | None = None
) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which `where` is CuPy's current device; on a CPU it does nothing.

    What CuPy refuses inside becomes a DeviceError; `doing` names the op and its arrays for it.
    """
    graph = captured.get()
    if graph is not None and graph != where:
        raise CaptureError(
            f"a graph is being recorded on {graph}, and the step works on {where} too. "
            "All tensors of a graph lie on one device."
        )
    return _NOTHING if where.kind == "cpu" else _OnGpu(where, doing)


_NOTHING = contextlib.nullcontext()
captured: contextvars.ContextVar[Device | None] = contextvars.ContextVar(
    "tinynet.captured", default=None
)
"""The device on which a graph is being recorded; None: there is none."""


class _OnGpu:
    def __init__(self, where: Device, doing: Callable[[], str] | None) -> None:
        self.where = where
        self.doing = doing

    def __enter__(self) -> None:
        import cupy

        self.gpu = contextlib.ExitStack()
        self.gpu.enter_context(cupy.cuda.Device(self.where.number))  # current in this thread
        stream = _stream(cupy, self.where)
        if stream is not None:
            self.gpu.enter_context(stream)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: Any) -> None:
        self.gpu.__exit__(kind, error, trace)
        refused = None if error is None else _refusal(error, self.where)
        if refused is not None:
            who = f"{self.doing()}: " if self.doing else ""
            raise refused[0](who + refused[1]) from error


_lanes: dict[int, dict[int, Any]] = {}  # streams of cards that have more than one, by lane


def _stream(cupy: Any, where: Device) -> Any:
    """Return the stream of a lane; None: the card has but one, and it is the caller's."""
    if where.lane and where.lane not in _lanes.get(where.number, {}):
        found = _lanes.setdefault(where.number, {0: cupy.cuda.Stream.null})
        found[where.lane] = cupy.cuda.Stream(non_blocking=True)
    return None if captured.get() else _lanes.get(where.number, {}).get(where.lane)


_MIXED = re.compile(r"numpy\.ndarray|a NumPy array")
_CAPTURING = re.compile(r"StreamCapture|during stream capture|stream is capturing")
"""What CuPy says of a NumPy array, and of a transfer in a step that is being captured."""


def _refusal(error: BaseException, where: Device) -> tuple[type[Exception], str] | None:
    """Return the error of tinynet, class and text, for one of CuPy; None: it has none."""
    text = str(error)
    if isinstance(error, (TypeError, ValueError)) and _MIXED.search(text):
        return DeviceError, (
            f"an array of NumPy, on the cpu, met an array of CuPy, on {where}. Ops never move "
            f'data; tn.tensor(x, device="{where}") does.'
        )
    if isinstance(error, ValueError) and text.startswith("Array device must be same"):
        return DeviceError, f"an array of another GPU met one of {where}. Use x.to({where!r})."
    if isinstance(error, MemoryError) or "cudaErrorMemoryAllocation" in text:
        return DeviceError, (
            f"the memory of {where} is full ({text.rstrip('.')}). A smaller batch needs less."
        )
    if isinstance(error, RuntimeError) and text.startswith("Failure finding"):
        return DeviceError, (
            f"a library of CUDA is missing ({text.partition(':')[0]}). {GET_CUPY} brings it."
        )
    if isinstance(error, RuntimeError) and _CAPTURING.search(text):
        return CaptureError, (
            "a graph is being captured, in which nothing may be read from the GPU or sent to it. "
            "Return the tensor, and look at its value outside of the step."
        )
    return None


TABLE = 8  # arrays that one launch of CuPy joins without a table of addresses


def concatenated(arrays: Sequence[Array], axis: int) -> Array:
    """Return the arrays one after the other along an axis, without a copy from the host.

    CuPy joins more than `TABLE` arrays with a table of addresses, which it makes on the host. A
    captured step may not copy it, so each of so many arrays is written into its slice.
    """
    xp = array_module(arrays[0])
    if xp is np or len(arrays) <= TABLE:
        return xp.concatenate(arrays, axis=axis)
    shape = list(arrays[0].shape)
    axis %= len(shape)
    shape[axis] = sum(x.shape[axis] for x in arrays)
    joined = xp.empty(shape, np.result_type(*[x.dtype for x in arrays]))
    begin = 0
    for x in arrays:
        end = begin + x.shape[axis]
        joined[(slice(None),) * axis + (slice(begin, end),)] = x
        begin = end
    return joined


def home(x: Array) -> Device:
    """Return the device in whose memory an array lies."""
    return CPU if array_module(x) is np else Device("cuda", x.device.id)


def transfer(x: Array, to: Device, dtype: Any = None) -> Array:
    """Return a copy of `x` on a device. Every copy from tensor to tensor goes through here."""
    if captured.get() is not None:
        raise CaptureError(
            f"an array {x.shape} is made, or moved to {to}, in a step that is being recorded: a "
            "replay would not do it again. Make it before, and give it to the step."
        )
    if to.kind == "cpu":
        return np.array(to_numpy(x), dtype)
    with current(to, lambda: f"a copy of {x.shape} to {to}"):
        import cupy

        if isinstance(x, np.ndarray) or (x.device.id == to.number and to.number not in _lanes):
            return cupy.array(x, dtype)
        return _between(cupy, x, to.number, dtype)


def _between(cupy: Any, x: Array, number: int, dtype: Any) -> Array:
    """Return a copy of `x` on the current GPU, number so and so; streams wait for each other."""
    here = cupy.cuda.get_current_stream()
    with x.device:
        there = list(_lanes.get(x.device.id, {}).values()) or [cupy.cuda.get_current_stream()]
        x = x if x.flags.c_contiguous or x.device.id == number else x.copy()
        written = [stream.record() for stream in there]
    _wait(here, written)
    y = cupy.array(x, dtype)
    copied = [here.record()]
    with x.device:  # until then the memory of x belongs to the copy
        for stream in there:
            _wait(stream, copied)
    return y


def _wait(stream: Any, events: list[Any]) -> None:
    """Let what is launched from here on into a stream begin when all events have happened."""
    for event in events:
        stream.wait_event(event)


def to_numpy(x: Array) -> np.ndarray[Any, Any]:
    """Return `x` as a NumPy array: itself if it is one, a copy if it lives on a GPU."""
    if array_module(x) is np:
        return np.asarray(x)
    with current(home(x), lambda: f"reading an array {x.shape}"):
        for lane in _lanes.get(x.device.id, {}).values():
            _wait(_lanes[x.device.id][0], [lane.record()])
        return x.get()


def scalar(value: float, like: Array) -> Array:
    """Return a number as an array without axes, of the dtype of `like`, on the current device.

    Beside integers and bools its type is NumPy's: 0.5 stays 0.5 where `like` is of bytes.
    """
    kind = like.dtype
    if kind.kind != "f":
        value = value if isinstance(value, (int, np.generic)) else float(value)
        kind = np.result_type(kind, value)
    return array_module(like).full((), value, kind)


def real(x: Array) -> Array:
    """Return integers and bools as float32, which is exact for bytes; floats as they are."""
    return x if x.dtype.kind == "f" else x.astype(np.float32)


def wide(x: Array) -> Array:
    """Return float32 for float16, integers and bools: the square of 300 is too large for them."""
    return x.astype(np.float32) if x.dtype.kind != "f" or x.dtype == np.float16 else x
