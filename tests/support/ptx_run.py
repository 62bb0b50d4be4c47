"""PTX of a kernel, executed on arrays."""

import numpy as np

from tinynet.kernels.profiler import nvrtc, record
from tinynet.kernels.profiler.lanes import Lanes
from tinynet.kernels.profiler.memory import Memory


def run(text, *arguments, threads=32, blocks=1):
    """Execute a kernel called f from PTX; return its memory and what was counted."""
    build = nvrtc.compiled(f'extern "C" __global__ void f{text}', "sm_90")["f"]
    packed = record.packed(build, arguments)
    arrays = [a for a in arguments if isinstance(a, np.ndarray)]
    memory = Memory(build.entry, packed, arrays, blocks)
    lanes = Lanes(build.entry, (blocks, 1, 1), (threads, 1, 1), np.arange(blocks), memory)
    return memory, lanes.run()
