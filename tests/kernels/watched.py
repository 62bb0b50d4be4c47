"""CUDA kernels run on the CPU under a sanitizer, which ends the process at an error.

python watched.py address|thread GROUP PRECISION  convolutions or others, on their chosen cases
python watched.py address|thread FILE.cu KERNEL   one kernel, with an input and an output of 256

Each group and precision takes a process of its own: ThreadSanitizer maps memory for every thread of
a block of every compiled kernel, and a process may have 65,530 maps.

The sanitizer's library must be loaded before Python starts (LD_PRELOAD).
"""

import functools
import os
import sys
from pathlib import Path

import numpy as np

from support.bfloat16_maps import MAPS
from support.kernel_groups import GROUPS, group
from tinynet import kernels
from tinynet.core.bfloat16 import BFloat16, rounded
from tinynet.kernels.cuda import on_cpu
from tinynet.kernels.gemm import precision
from tinynet.testing.cases import cases_for


def takes(kernel, kind):
    """Return whether a kernel does something else in a precision than in float32."""
    stores = kind == "bfloat16" and kernel.takes_bfloat16
    return kind == "float32" or stores or group(kernel.__name__) == "convolutions"


def run_group(which, kind):
    """Run kernels in a precision: few images, but full blocks of threads."""
    for kernel in kernels.KERNELS:
        if group(kernel.__name__) != which or not takes(kernel, kind):
            continue
        for name, case in cases_for(kernel.__name__).items():
            floats = [isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in case]
            case = [a.astype(np.float32) if f else a for a, f in zip(case, floats, strict=True)]
            if kernel.__name__ == "from_bfloat16":
                case = [BFloat16(*case)]
            elif kind == "bfloat16":
                maps = MAPS.get(kernel.__name__, ())
                case = [
                    BFloat16(rounded(a)) if i in maps and a is not None else a
                    for i, a in enumerate(case)
                ]
            if kernel.kind_for(*case) == "cuda_on_cpu":
                sys.stdout.write(f"{kernel.__name__}: {name}\n")
                sys.stdout.flush()
                with precision(kind):
                    kernel(*case)


def run_one(file, name):
    x = np.ones(256, np.float32)
    y = np.zeros(256, np.float32)
    text = f'#line 1 "{Path(file).name}"\n' + Path(file).read_text(encoding="utf-8")
    on_cpu.Module(text).get_function(name)((2,), (128,), (x, y), shared_mem=512)


def main(sanitizer, what, *more):
    os.environ.pop("LD_PRELOAD", None)  # else the compiler is watched, too
    on_cpu.Module = functools.partial(on_cpu.Module, sanitizer=sanitizer)
    with kernels.use("cuda_on_cpu"):
        run_group(what, *more) if what in GROUPS else run_one(what, *more)
    sys.stdout.write("survived\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
