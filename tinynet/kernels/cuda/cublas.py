"""cuBLAS bindings through ctypes: matrix products on an NVIDIA GPU.

CuPy multiplies matrices with cuBLAS as well, but not while a graph is being captured. A handle of
tinynet's own can be captured if it has its own workspace: no other allocation reuses the memory
that the graph reads and writes.

cuBLAS is column-major, so the row-major product y = a @ b is requested as y' = b' @ a': the same
memory with rows and columns exchanged.
"""

from __future__ import annotations

import ctypes
import threading
from typing import Any, NamedTuple

from tinynet.core.backend import Array
from tinynet.core.errors import DeviceError

WORKSPACE = 32 << 20  # bytes; what NVIDIA recommends for Hopper, and enough for older cards
DTYPES = {"float32": 0, "float64": 1, "uint16": 14}  # cudaDataType; uint16 holds bfloat16
COMPUTE = {"float32": 68, "tf32": 77, "bfloat16": 68, "float64": 70}  # cublasComputeType_t
DEFAULT = -1  # cublasGemmAlgo_t

_int = ctypes.c_int
_long = ctypes.c_longlong
_pointer = ctypes.c_void_p
_MATRIX = [_pointer, _int, _int]  # address, type, leading dimension
_SIZES = [_pointer, _int, _int, _int, _int, _int]  # handle, two transpositions, m, n, k
SIGNATURES = {
    "cublasCreate_v2": [_pointer],
    "cublasSetStream_v2": [_pointer, _pointer],
    "cublasSetWorkspace_v2": [_pointer, _pointer, ctypes.c_size_t],
    "cublasGemmEx": [*_SIZES, _pointer, *_MATRIX, *_MATRIX, _pointer, *_MATRIX, _int, _int],
    "cublasGemmStridedBatchedEx": [
        *_SIZES,
        _pointer,
        *_MATRIX,
        _long,
        *_MATRIX,
        _long,
        _pointer,
        *_MATRIX,
        _long,
        _int,
        _int,
        _int,
    ],
}


class Matrices(NamedTuple):
    """A stack of matrices as cuBLAS describes them."""

    array: Array  # (count, rows, columns)
    transposed: bool  # whether columns, not rows, are contiguous
    leading: int  # elements from one row (column) to the next
    stride: int  # elements from one matrix to the next

    @classmethod
    def of(cls, x: Array) -> Matrices | None:
        """Describe x (count, rows, columns), or return None if neither axis is contiguous.

        The stride of an axis of length 1 does not matter.
        """
        count, R, C = x.shape
        s, r, c = (n // x.itemsize for n in x.strides)
        stride = s if count > 1 else 0
        if (c == 1 or C == 1) and (r >= C or R == 1) and stride >= 0:
            return cls(x, False, max(r if R > 1 else C, 1), stride)
        if (r == 1 or R == 1) and (c >= R or C == 1) and stride >= 0:
            return cls(x, True, max(c if C > 1 else R, 1), stride)
        return None

    @classmethod
    def read(cls, x: Array) -> Matrices:
        """Describe x, or a row-major copy of it."""
        _, R, C = x.shape
        return cls.of(x) or cls(x.copy(order="C"), False, C, R * C)


def load() -> ctypes.CDLL:
    """Load the library from the wheels of NVIDIA or from the system."""
    import cupy

    major = cupy.cuda.runtime.runtimeGetVersion() // 1000
    name = f"libcublas.so.{major}"
    try:
        from cuda import pathfinder

        path = pathfinder.load_nvidia_dynamic_lib("cublas").abs_path
    except (ImportError, RuntimeError):  # "not found" is a RuntimeError
        path = None
    try:
        return ctypes.CDLL(path or name)
    except OSError:
        raise DeviceError(
            f"gemm: {name}, the matrix products of CUDA, was not found. "
            f"pip install 'cupy-cuda{major}x[ctk]' brings it."
        ) from None


class Blas:
    """A cuBLAS handle of one thread and one device."""

    def __init__(self) -> None:
        import cupy

        self.library = load()
        self.handle = ctypes.c_void_p()
        self.stream = -1
        for name, types in SIGNATURES.items():
            getattr(self.library, name).argtypes = types
        self._call("cublasCreate_v2", ctypes.byref(self.handle))
        self.workspace = cupy.get_default_memory_pool().malloc(WORKSPACE)

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self.library, name)(*arguments)
        if status:
            raise DeviceError(f"gemm: {name} of cuBLAS failed with status {status}.")

    def follow(self, stream: int) -> None:
        """Run the products on a stream. Changing it resets the workspace, which is set again."""
        if stream == self.stream:
            return
        self._call("cublasSetStream_v2", self.handle, stream)
        self._call("cublasSetWorkspace_v2", self.handle, self.workspace.ptr, WORKSPACE)
        self.stream = stream

    def gemm(self, a: Matrices, b: Matrices, y: Matrices, precision: str) -> None:
        """Write a @ b into y, each a stack of matrices."""
        count, M, N = y.array.shape
        real = ctypes.c_double if y.array.dtype == "float64" else ctypes.c_float
        one = ctypes.byref(real(1))
        zero = ctypes.byref(real(0))
        compute = COMPUTE["float64" if real is ctypes.c_double else precision]
        sizes = self.handle, int(b.transposed), int(a.transposed), N, M, a.array.shape[2]
        first, second, result = (self._matrix(m) for m in (b, a, y))
        if count == 1:  # this function can also split a long sum
            factors: tuple[Any, ...] = (*first, *second, zero, *result)
            self._call("cublasGemmEx", *sizes, one, *factors, compute, DEFAULT)
        else:
            factors = (*first, b.stride, *second, a.stride, zero, *result, y.stride)
            name = "cublasGemmStridedBatchedEx"
            self._call(name, *sizes, one, *factors, count, compute, DEFAULT)

    def _matrix(self, x: Matrices) -> tuple[int, int, int]:
        return x.array.data.ptr, DTYPES[x.array.dtype.name], x.leading


_mine = threading.local()


def blas() -> Blas:
    """Return this thread's handle for the current device, on the current stream."""
    import cupy

    handles: dict[int, Blas] = _mine.__dict__.setdefault("handles", {})
    device = cupy.cuda.Device().id
    if device not in handles:
        handles[device] = Blas()
    handles[device].follow(cupy.cuda.get_current_stream().ptr)
    return handles[device]
