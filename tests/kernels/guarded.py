"""Kernels run on arrays between forbidden pages: an access beside an array ends the process.

python guarded.py end|start all|planted

Every array that NumPy makes gets pages of its own, aligned to their end (or start), and the pages
around them forbid any access. The processor checks each access of the compiled kernels.
"""

import ctypes
import functools
import mmap
import sys

import numpy as np

from tinynet import kernels
from tinynet.kernels.codegen.native import In1, Out1, native
from tinynet.kernels.geometry import Geometry

PAGE = mmap.PAGESIZE
PROT_NONE = 0
libc = ctypes.CDLL(None, use_errno=True)
side = "end"


def guarded(shape, dtype=float, fill=None):
    """Return an array between two forbidden pages. Its memory is never given back."""
    dtype = np.dtype(dtype)
    shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    size = int(np.prod(shape)) * dtype.itemsize
    pages = max(1, -(-size // PAGE))
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for forbidden in (start, start + (pages + 1) * PAGE):
        if libc.mprotect(ctypes.c_void_p(forbidden), PAGE, PROT_NONE):
            raise OSError(ctypes.get_errno(), "mprotect")
    offset = PAGE + (pages * PAGE - size if side == "end" else 0)
    array = np.frombuffer(memory, dtype, size // dtype.itemsize, offset).reshape(shape)
    if fill is not None:
        array[...] = fill
    return array


def moved(array):
    """Return a guarded copy, in the same order in memory."""
    order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    copy = guarded([array.shape[axis] for axis in order], array.dtype)
    copy[...] = array.transpose(order)
    return copy.transpose(np.argsort(order))


CONVOLUTIONS = [  # x, weight, windows
    ((1, 1, 1, 1), (1, 1, 1, 1), Geometry((1, 1))),
    ((2, 3, 7, 5), (5, 3, 3, 2), Geometry((3, 2), padding=((1, 1), (0, 1)))),
    ((1, 6, 9, 11), (34, 3, 3, 3), Geometry((3, 3), (2, 3), ((2, 0), (1, 4)), (2, 1), 2)),
    ((3, 17, 5, 6), (48, 17, 1, 1), Geometry((1, 1))),
    ((1, 3, 27, 31), (20, 3, 11, 11), Geometry((11, 11), (4, 4), ((2, 2), (2, 2)))),
    ((2, 8, 6, 6), (16, 4, 2, 2), Geometry((2, 2), (3, 1), ((0, 3), (5, 0)), (1, 2), 2)),
    ((2, 32, 8, 9), (48, 32, 3, 3), Geometry((3, 3), padding=((1, 1), (1, 1)))),  # Winograd
    ((1, 96, 5, 4), (64, 48, 3, 3), Geometry((3, 3), padding=((0, 2), (2, 1)), groups=2)),
    ((3, 32, 11, 7), (40, 32, 5, 5), Geometry((5, 5), padding=((2, 2), (1, 3)))),
]


def convolve(case):
    rng = np.random.default_rng(0)
    x_shape, w_shape, geometry = case

    def fill(*shape):
        return moved(rng.integers(-3, 4, shape).astype(np.float32))

    for last in (False, True):
        x = fill(*x_shape)
        weight = fill(*w_shape)
        if last:
            x = moved(np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2))
        y = kernels.conv2d_forward(x, weight, fill(w_shape[0]), geometry)
        gy = fill(*y.shape)
        kernels.conv2d_backward_input(gy, weight, x_shape, geometry)
        kernels.conv2d_backward_weight(gy, x, geometry)
        kernels.conv2d_backward_bias(gy)


def run_other_kernels():
    rng = np.random.default_rng(0)
    for C, kernel, stride in ((1, (2, 3), (1, 2)), (17, (3, 3), (2, 2)), (8, (1, 4), (3, 1))):
        padding = tuple((k // 2, (k - 1) // 2) for k in kernel)
        geometry = Geometry(kernel, stride, padding)
        x = moved(rng.standard_normal((2, C, 7, 6), dtype=np.float32))
        y, argmax = kernels.max_pool2d_forward(x, geometry, True)
        kernels.max_pool2d_backward(moved(y), moved(argmax), x.shape, geometry)
        y = kernels.avg_pool2d_forward(x, geometry, True, False)
        kernels.avg_pool2d_backward(moved(y), x.shape, geometry, False)
        y, scale = kernels.lrn_forward(x, 5, 2.0, 1.0, 0.75, 1)
        kernels.lrn_backward(moved(x), x, moved(y), moved(scale), 5, 1.0, 0.75, 1)
        mean, var = map(moved, kernels.batch_norm_statistics(x))
        y = kernels.batch_norm_forward(x, mean, var, mean, var, 0.1)
        kernels.batch_norm_backward(moved(y), x, mean, var, mean, 0.1, training=True)
        y = kernels.batch_norm_relu_forward(x, mean, var, mean, var, 0.1)
        kernels.batch_norm_relu_backward(moved(y), moved(y), x, mean, var, mean, 0.1, training=True)
        columns = kernels.im2col(x, geometry)
        kernels.col2im(moved(columns), x.shape, geometry)
        kernels.dropout(moved(x[:, :, 1, 1]), 0.5, (1, 2, 3))
        kernels.cross_entropy(moved(x[:, :, 1, 1]), moved(np.array([0, C - 1])))
        w = [moved(x) for _ in range(3)]
        kernels.momentum_update(*w, 0.1, 0.9, 0.0, False, "paper")


def read_one_beyond():
    """Plant the mistake that the forbidden pages must notice."""
    shifted = native(_shifted)
    x, y = (np.zeros(8, np.float32) for _ in range(2))
    shifted(7, x, y)
    yield
    shifted(8, moved(x), y)
    yield


def _shifted(lo: int, hi: int, x: In1, y: Out1) -> None:
    for i in range(lo, hi):
        y[i] = x[i + 1]


def main(where, case):
    global side
    side = where
    cases = {f"{c}": functools.partial(convolve, c) for c in CONVOLUTIONS} | {
        "other kernels": run_other_kernels
    }
    runs = cases if case == "all" else {"planted": read_one_beyond().__next__}
    with kernels.use("numba"):
        for run in runs.values():
            run()  # compiles; Numba must still find NumPy's own functions
        np.empty = guarded
        np.zeros = lambda shape, dtype=float: guarded(shape, dtype, 0)
        for name, run in runs.items():
            sys.stdout.write(name + "\n")
            sys.stdout.flush()
            run()
            sys.stdout.write("survived\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
