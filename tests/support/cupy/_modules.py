"""Modules of the stand-in: `cuda`, `cuda.runtime`, `lib`; and RawModule."""

import ctypes
import functools
import types

import numpy as np

from support.cupy._arrays import arrays_in, check_devices, launch, ndarray
from support.cupy._card import card
from support.cupy._memory import (
    MemoryPointer,
    MemoryPool,
    OutOfMemoryError,
    using_allocator,
)
from support.cupy._streams import (
    CUDARuntimeError,
    Device,
    Event,
    Graph,
    Stream,
    current_stream,
    device_count,
    is_available,
)


def _module(name, **names):
    module = types.ModuleType(f"cupy.{name}")
    vars(module).update(names)
    return module


class RawModule:
    """Compiles CUDA C for the CPU: the kernels themselves run, on the memory of the arrays."""

    compiler = None  # (code, options) -> an object with get_function(name)

    def __init__(self, code=None, *, path=None, options=(), backend="nvrtc", **_):
        self.code = code
        self.options = options

    def get_function(self, name):
        @functools.cache
        def kernel():
            return RawModule.compiler(self.code, self.options).get_function(name)

        def call(grid, block, args, *, shared_mem=0, stream=None):
            check_devices(arrays_in(args))
            for a in args:
                if isinstance(a, (int, float)) and not isinstance(a, np.generic):
                    raise TypeError(f"{name}: {a!r} has no C type: say np.int32 or np.float32")
            seen = [np.uintp(a.data.ptr) if isinstance(a, ndarray) else a for a in args]
            (stream or current_stream()).run(
                lambda: kernel()(grid, block, tuple(seen), shared_mem=shared_mem)
            )

        return call


def get_elapsed_time(start_event, end_event):
    return 1.0


def alloc_pinned_memory(size):
    return (ctypes.c_char * size)()


runtime = _module(
    "cuda.runtime",
    CUDARuntimeError=CUDARuntimeError,
    getDeviceCount=device_count,
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
    get_current_stream=lambda device_id=-1: current_stream(),
    get_elapsed_time=get_elapsed_time,
    is_available=is_available,
    memory=memory,
    runtime=runtime,
    using_allocator=using_allocator,
)


def _as_strided(x, shape=None, strides=None):
    return launch(np.lib.stride_tricks.as_strided, x, shape, strides)


lib = _module("lib", stride_tricks=_module("lib.stride_tricks", as_strided=_as_strided))
