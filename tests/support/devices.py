"""Devices of this machine, for marks and skips."""

import functools
import importlib.util


@functools.cache
def cuda_devices():
    """Return how many CUDA devices CuPy can use here; without CuPy, none."""
    if importlib.util.find_spec("cupy") is None:
        return 0
    import cupy

    return cupy.cuda.runtime.getDeviceCount() if cupy.is_available() else 0
