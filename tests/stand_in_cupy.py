"""A stand-in for the part of CuPy that tinynet uses, for machines without a GPU.

Its arrays are no NumPy arrays and refuse to meet them, or to be read by NumPy: a stray ``np.``
call fails here as it would on a card. It also behaves like a card where that is easy to forget:

    memory      comes from pools; freed blocks are handed out again, full of bytes 255 (NaN, -1)
    devices     arrays of another device than the current one are refused
    capture     launches are written down and not carried out; reading a value is refused
    products    ``@`` and ``cupy.matmul`` are refused always: tinynet has a gemm of its own
    copies      from a device to the host are counted in ``reads``: each one waits for the card
    streams     with ``card.lazy``, launches wait until somebody waits for them: as late as a card
                may be, so that a forgotten wait reads poison

`test_stand_in.py` compares its names with those of the real CuPy where that is installed.
"""

import builtins
import ctypes
import functools
import math
import operator
import threading
import types
import weakref
from collections import defaultdict

import numpy as np

__version__ = "stand-in"
POISON = 255
words = str.split
CAPTURING = 900  # cudaErrorStreamCaptureUnsupported


class Card:
    """What the machine has; tests change it through the fixture `cupy`."""

    def __init__(self):
        self.available, self.count = True, 2
        self.driver = self.runtime = 13000
        self.reads = self.writes = 0
        self.products = []  # (m, n, k, batch, compute type) of every call of cuBLAS
        self.lazy = False


card = Card()
_thread = threading.local()  # .device, .streams, .allocator


def _current_device():
    return getattr(_thread, "device", 0)


def _current_stream():
    """Each device has its own in each thread, as in CuPy."""
    chosen = getattr(_thread, "streams", {}).get(_current_device())
    return chosen[-1] if chosen else _default_streams[_current_device()]


# ---- memory


class OutOfMemoryError(MemoryError):
    def __init__(self, size, total, limit=0):
        super().__init__(
            f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes)."
        )


class MemoryPool:
    """Blocks of bytes, by device and size; a freed one serves the next array of its size."""

    def __init__(self, allocator=None):
        self.free, self.limit, self.card = defaultdict(list), None, card
        self.used = self.total = 0

    def malloc(self, size):
        size = builtins.max(512, -(-size // 512) * 512)
        waiting = self.free[_current_device(), size]
        if not waiting and self.limit is not None and self.total + size > self.limit:
            raise OutOfMemoryError(size, self.total, self.limit)
        if not waiting:
            waiting.append(np.empty(size, np.uint8))
            self.total += size
        memory = waiting.pop()
        memory[:] = POISON
        self.used += size
        return MemoryPointer(_Block(self, memory), memory.ctypes.data)

    def free_all_blocks(self, stream=None):
        self.total -= builtins.sum(key[1] * len(blocks) for key, blocks in self.free.items())
        self.free.clear()

    def __del__(self):  # the driver hands its memory to whoever asks next
        if _default_pool is None or self.card is not card:  # of an earlier test
            return
        for key, blocks in self.free.items():
            _default_pool.free[key].extend(blocks)

    def set_limit(self, size=None, fraction=None):
        self.limit = size or None

    def used_bytes(self):
        return self.used

    def total_bytes(self):
        return self.total


class _Block:
    """Memory that goes back to its pool when the last array on it is gone."""

    def __init__(self, pool, memory):
        self.memory, self.device_id = memory, _current_device()
        where = self.device_id, _current_stream()
        weakref.finalize(self, self._give_back, pool, memory, *where).atexit = False

    @staticmethod
    def _give_back(pool, memory, device_id, stream):
        """A block serves the next array of its stream: there, what was launched before is done."""

        def give():
            memory[:] = POISON
            pool.used -= memory.size
            pool.free[device_id, memory.size].append(memory)

        if card.lazy and not stream.is_capturing():
            stream.later(give)
        else:
            give()


class MemoryPointer:
    def __init__(self, mem, ptr):
        self.mem, self.ptr, self.device_id = mem, ptr, mem.device_id


_default_pool = MemoryPool()


def get_default_memory_pool():
    return _default_pool


def _allocate(size):
    return (getattr(_thread, "allocator", None) or _default_pool.malloc)(size)


class using_allocator:
    def __init__(self, allocator=None):
        self.allocator = allocator

    def __enter__(self):
        self.before = getattr(_thread, "allocator", None)
        _thread.allocator = self.allocator

    def __exit__(self, *_):
        _thread.allocator = self.before


# ---- devices, streams, graphs


class CUDARuntimeError(RuntimeError):
    def __init__(self, status):
        self.status = status
        super().__init__(
            {
                CAPTURING: "cudaErrorStreamCaptureUnsupported: operation not permitted when "
                "stream is capturing",
                101: "cudaErrorInvalidDevice: invalid device ordinal",
                35: "cudaErrorInsufficientDriver: CUDA driver version is insufficient",
            }[status]
        )


def is_available():
    return card.available and card.count > 0 and card.driver >= card.runtime // 1000 * 1000


def _device_count():
    if not is_available():
        raise CUDARuntimeError(35)
    return card.count


class Device:
    def __init__(self, device=None):
        self.id = _current_device() if device is None else int(device)

    def __enter__(self):
        if not 0 <= self.id < _device_count():
            raise CUDARuntimeError(101)
        self.before = [*getattr(self, "before", []), _current_device()]
        _thread.device = self.id
        return self

    def __exit__(self, *_):
        _thread.device = self.before.pop()

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return hash(self.id)

    def synchronize(self):
        _refuse_while_capturing()

    compute_capability = "90"
    mem_info = (2**30, 2**31)


class Stream:
    null = None
    handles = weakref.WeakValueDictionary()

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        self.device_id = -1 if null else _current_device()
        self.ptr = 0 if null else id(self)
        self.launches, self.pending = None, []
        self.begun = self.given = 0  # how many were pending once
        Stream.handles[self.ptr] = self

    def __enter__(self):
        if self.device_id not in (-1, _current_device()):
            raise RuntimeError(f"a stream of device {self.device_id} on {_current_device()}")
        _thread.streams = getattr(_thread, "streams", {})
        _thread.streams.setdefault(_current_device(), []).append(self)
        self.entered = _current_device()
        return self

    def __exit__(self, *_):
        _thread.streams[self.entered].pop()

    def begin_capture(self, mode=None):
        if self.ptr == 0:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        self.launches = []

    def end_capture(self):
        launches, self.launches = self.launches, None
        return Graph(launches)

    def is_capturing(self):
        return self.launches is not None

    def synchronize(self):
        if self.is_capturing():
            raise CUDARuntimeError(CAPTURING)
        self.drain(self.given)

    def drain(self, upto):
        """Do what is pending, up to a moment."""
        while self.begun < upto:
            self.begun += 1
            self.pending.pop(0)()

    def later(self, launch):
        self.pending.append(launch)
        self.given += 1

    def record(self, event=None):
        event = event or Event()
        event.stream, event.moment = self, self.given
        return event

    def wait_event(self, event):
        if card.lazy:
            self.later(functools.partial(event.stream.drain, event.moment))

    def run(self, launch):
        """Carry out a launch, write it down, or leave it for later."""
        if self.is_capturing():
            self.launches.append(launch)
        elif card.lazy:
            self.later(launch)
        else:
            launch()


class Event:
    stream, moment = None, 0

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        pass

    def record(self, stream=None):
        (stream or _current_stream()).record(self)

    def synchronize(self):
        self.stream.drain(self.moment)

    @property
    def done(self):
        return not self.stream.pending


class Graph:
    def __init__(self, launches):
        self.launches = launches

    def launch(self, stream=None):
        stream = stream or _current_stream()
        for launch in self.launches:
            stream.run(launch)

    def upload(self, stream=None):
        pass


class _DefaultStreams(dict):
    """Every device has a default stream; the first one's stands for `Stream.null`."""

    def __missing__(self, device):
        self[device] = stream = Stream()
        stream.device_id = -1
        return stream


Stream.null = Stream(null=True)
_default_streams = _DefaultStreams({0: Stream.null})


def _refuse_while_capturing():
    if builtins.any(s.is_capturing() for s in list(Stream.handles.values())):
        raise CUDARuntimeError(CAPTURING)


# ---- arrays


def _host(x):
    """Return what NumPy sees of an argument: the memory of its arrays, everything else as it is."""
    if isinstance(x, ndarray):
        return x.host
    if isinstance(x, (np.ndarray, np.generic)) and np.ndim(x):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, (list, tuple)):
        return type(x)(map(_host, x))
    if isinstance(x, dict):
        return {name: _host(value) for name, value in x.items()}
    return x


def _arrays(x):
    if isinstance(x, ndarray):
        return [x]
    if isinstance(x, dict):
        x = list(x.values())
    return [a for v in x for a in _arrays(v)] if isinstance(x, (list, tuple)) else []


def _check_devices(arrays):
    for a in arrays:
        if a.data.device_id != _current_device():
            raise ValueError(
                "Array device must be same as the current device: array device = "
                f"{a.data.device_id} while current = {_current_device()}"
            )


def _new(like):
    """Return a fresh array, its memory in the order of a NumPy array."""
    strides = np.empty_like(like).strides
    return ndarray(like.shape, like.dtype, strides=strides)


def launch(function, *args, **kwargs):
    """Compute on the current stream; what NumPy would return as a scalar is an array too."""
    arrays = _arrays([args, kwargs])
    _check_devices(arrays)
    seen, named = _host(args), _host(kwargs)
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
    y = _new(result)

    def fill():
        with np.errstate(all="ignore"):
            y.host[...] = compute()

    _current_stream().run(fill)
    return y


def _change(array, function, *args):
    """Carry out what writes into an array."""
    _check_devices([array, *_arrays(args)])
    seen = _host(args)

    def write():
        with np.errstate(all="ignore"):
            function(array.host, *seen)

    _current_stream().run(write)
    return array


class ndarray:
    __array_priority__ = 100

    def __init__(self, shape, dtype=float, memptr=None, strides=None, host=None):
        shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        dtype = np.dtype(dtype)
        if host is None:
            pointer = _allocate(math.prod(shape) * dtype.itemsize)
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
        _change(self, operator.setitem, index, value)

    def fill(self, value):
        _change(self, np.ndarray.fill, value)

    def set(self, arr, stream=None):
        _refuse_while_capturing()
        if not isinstance(arr, np.ndarray) or (arr.shape, arr.dtype) != (self.shape, self.dtype):
            raise ValueError("set: an array of another shape or dtype")
        _check_devices([self])
        card.writes += 1
        self.host[...] = arr

    def get(self, stream=None, order="C", out=None, blocking=True):
        _refuse_while_capturing()
        if card.lazy:
            (stream or _current_stream()).synchronize()
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
            (stream or _current_stream()).later(copy)
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
            _refuse_products()
        return _ufunc(getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function, types, args, kwargs):
        return launch(function, *args, **kwargs)

    def __matmul__(self, other):
        _refuse_products()

    __rmatmul__ = __imatmul__ = dot = __matmul__

    def copy(self, order="C"):
        if self.data.device_id == _current_device():
            return launch(np.ndarray.copy, self, order=order)
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise NotImplementedError("CuPy cannot copy non-contiguous array between devices.")
        _refuse_while_capturing()
        card.writes += 1
        y = _new(self.host)
        _current_stream().run(lambda: operator.setitem(y.host, ..., self.host))
        return y

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        return launch(np.ndarray.astype, self, dtype, order=order, copy=copy)


def _ufunc(function, inputs, kwargs):
    out = kwargs.pop("out", None)
    if out is None:
        return launch(function, *inputs, **kwargs)
    out = out[0] if isinstance(out, tuple) else out
    if not isinstance(out, ndarray):
        raise TypeError(f"Unsupported type {type(out)}")
    kwargs = _host(kwargs)
    return _change(out, lambda into, *seen: function(*seen, out=into, **kwargs), *inputs)


def _refuse_products(*_, **__):
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
    return lambda self, other: _ufunc(ufunc, (self, other), {})


def _reflected(ufunc):
    return lambda self, other: _ufunc(ufunc, (other, self), {})


def _in_place(ufunc):
    return lambda self, other: _ufunc(ufunc, (self, other), {"out": self})


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


# ---- functions


def _from_host(value, dtype=None):
    _refuse_while_capturing()
    card.writes += 1
    value = np.asarray(value, dtype)
    y = ndarray(value.shape, value.dtype)
    y.host[...] = value
    return y


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    if isinstance(obj, ndarray):
        if obj.data.device_id != _current_device():
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
    y = _new(np.arange(*args, dtype=dtype))
    _current_stream().run(lambda: operator.setitem(y.host, ..., np.arange(*args, dtype=dtype)))
    return y


def empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    _check_devices([prototype])
    return _new(np.empty_like(prototype.host, dtype, shape=shape))


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
        return _ufunc(self.function, args, kwargs)

    def at(self, a, indices, b):
        _change(a, lambda into, *seen: self.function.at(into, *seen), indices, b)


for _name in UFUNCS:
    globals()[_name] = ufunc(getattr(np, _name))
for _name in FUNCTIONS:
    if _name not in globals():
        globals()[_name] = functools.partial(launch, getattr(np, _name))


def may_share_memory(a, b, max_work=None):
    return np.may_share_memory(a.host, b.host)


def copyto(dst, src, casting="same_kind", where=None):
    _change(dst, np.copyto, src)


def put_along_axis(arr, indices, values, axis):
    _change(arr, np.put_along_axis, indices, values, axis)


matmul = dot = einsum = tensordot = _refuse_products
inf, nan, newaxis = np.inf, np.nan, None
for _name in words("""float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64"""):
    globals()[_name] = getattr(np, _name)
bool_ = np.bool_
generic = np.generic


# ---- modules


def _module(name, **names):
    module = types.ModuleType(f"{__name__}.{name}")
    vars(module).update(names)
    return module


class RawModule:
    """Compiles CUDA C for the CPU: the kernels themselves run, on the memory of the arrays."""

    compiler = None  # (code, options) -> an object with get_function(name)

    def __init__(self, code=None, *, path=None, options=(), backend="nvrtc", **_):
        self.code, self.options = code, options

    def get_function(self, name):
        kernel = RawModule.compiler(self.code, self.options).get_function(name)

        def call(grid, block, args, *, shared_mem=0, stream=None):
            _check_devices(_arrays(args))
            for a in args:
                if isinstance(a, (int, float)) and not isinstance(a, np.generic):
                    raise TypeError(f"{name}: {a!r} has no C type: say np.int32 or np.float32")
            seen = [np.uintp(a.data.ptr) if isinstance(a, ndarray) else a for a in args]
            run = functools.partial(kernel, grid, block, tuple(seen), shared_mem=shared_mem)
            (stream or _current_stream()).run(run)

        return call


def get_elapsed_time(start_event, end_event):
    return 1.0


def alloc_pinned_memory(size):
    return (ctypes.c_char * size)()


runtime = _module(
    "cuda.runtime",
    CUDARuntimeError=CUDARuntimeError,
    getDeviceCount=_device_count,
    driverGetVersion=lambda: card.driver,
    runtimeGetVersion=lambda: card.runtime,
    getDeviceProperties=lambda device: {"name": b"stand-in"},
    memGetInfo=lambda: Device.mem_info,
    streamCaptureModeThreadLocal=1,
)
memory = _module(
    "cuda.memory",
    MemoryPointer=MemoryPointer,
    MemoryPool=MemoryPool,
    OutOfMemoryError=OutOfMemoryError,
)
cuda = _module(
    "cuda",
    Device=Device,
    Event=Event,
    Graph=Graph,
    MemoryPool=MemoryPool,
    Stream=Stream,
    alloc_pinned_memory=alloc_pinned_memory,
    get_current_stream=lambda device_id=-1: _current_stream(),
    get_elapsed_time=get_elapsed_time,
    is_available=is_available,
    memory=memory,
    runtime=runtime,
    using_allocator=using_allocator,
)


def _as_strided(x, shape=None, strides=None):
    return launch(np.lib.stride_tricks.as_strided, x, shape, strides)


lib = _module("lib", stride_tricks=_module("lib.stride_tricks", as_strided=_as_strided))


__name__ = "cupy"  # as whom it stands in messages
