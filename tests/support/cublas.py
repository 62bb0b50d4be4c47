"""A stand-in for cuBLAS: it multiplies what lies at the addresses, and refuses what cuBLAS refuses.

It reads memory as cuBLAS does, in columns, with leading dimensions and strides; rounds the factors
as the compute type says; and while a graph is being captured it wants a workspace of ours.
"""

import ctypes

import numpy as np

from support.cupy import card, cuda
from support.cupy._streams import Stream, refuse_while_capturing
from tinynet.core import bfloat16

STORED = {0: np.float32, 1: np.float64, 14: np.uint16}
BFLOAT16 = 14
FLOAT32 = 68
FLOAT64 = 70
TF32 = 77
NOT_SUPPORTED = 15


class Function:
    """What ctypes makes of a C function: arguments are checked against argtypes."""

    def __init__(self, call):
        self.call = call
        self.argtypes = None

    def __call__(self, *arguments):
        assert len(arguments) == len(self.argtypes)
        for value, kind in zip(arguments, self.argtypes, strict=True):
            if not isinstance(value, type(ctypes.byref(ctypes.c_int()))):
                kind.from_param(value)
        return self.call(*arguments)


class StandIn:
    def __init__(self):
        self.handles = {}  # number -> {"device", "stream", "workspace"}
        for name in ("Create_v2", "SetStream_v2", "SetWorkspace_v2", "GemmEx"):
            setattr(self, f"cublas{name}", Function(getattr(self, name)))
        self.cublasGemmStridedBatchedEx = Function(self.GemmStridedBatchedEx)

    def Create_v2(self, handle):
        refuse_while_capturing()
        handle._obj.value = len(self.handles) + 1
        device = cuda.Device().id
        self.handles[handle._obj.value] = {"device": device, "stream": 0, "workspace": None}
        return 0

    def SetStream_v2(self, handle, stream):
        self.handles[handle.value].update(stream=stream, workspace=None)
        return 0

    def SetWorkspace_v2(self, handle, address, size):
        self.handles[handle.value]["workspace"] = address
        return 0

    def GemmEx(
        self, handle, ta, tb, m, n, k, alpha, a, at, lda, b, bt, ldb, beta, c, ct, ldc, kind, algo
    ):
        return self.GemmStridedBatchedEx(
            handle,
            ta,
            tb,
            m,
            n,
            k,
            alpha,
            a,
            at,
            lda,
            0,
            b,
            bt,
            ldb,
            0,
            beta,
            c,
            ct,
            ldc,
            0,
            1,
            kind,
            algo,
        )

    def GemmStridedBatchedEx(
        self,
        handle,
        ta,
        tb,
        m,
        n,
        k,
        alpha,
        a,
        at,
        lda,
        sa,
        b,
        bt,
        ldb,
        sb,
        beta,
        c,
        ct,
        ldc,
        sc,
        count,
        kind,
        algo,
    ):
        facts = self.handles[handle.value]
        assert facts["device"] == cuda.Device().id
        stream = Stream.handles[facts["stream"]]
        assert stream is cuda.get_current_stream()
        if stream.is_capturing() and facts["workspace"] is None:
            return NOT_SUPPORTED
        assert (alpha._obj.value, beta._obj.value) == (1, 0)
        assert type(alpha._obj) is (ctypes.c_double if kind == FLOAT64 else ctypes.c_float)
        rows = (k, m)[not ta], (n, k)[not tb]
        types_fit = at == bt and (ct == at or (at, ct) == (BFLOAT16, 0))
        if lda < rows[0] or ldb < rows[1] or ldc < m or not types_fit:
            return NOT_SUPPORTED
        if (ct == 1) != (kind == FLOAT64):
            return NOT_SUPPORTED
        first = (a, STORED[at], (k, m) if ta else (m, k), lda, sa)
        second = (b, STORED[bt], (n, k) if tb else (k, n), ldb, sb)
        card.products.append((n, m, k, count, kind, STORED[at].__name__))

        def multiply():
            x, y = (rounded(matrices(*f, count), kind) for f in (first, second))
            x, y = x.transpose(0, 2, 1) if ta else x, y.transpose(0, 2, 1) if tb else y
            with np.errstate(all="ignore"):
                found = np.matmul(x, y)
                found = bfloat16.rounded(found) if ct == BFLOAT16 else found
                matrices(c, STORED[ct], (m, n), ldc, sc, count)[...] = found

        stream.run(multiply)
        return 0


def matrices(address, dtype, shape, leading, stride, count):
    """Return the stack of matrices at an address, stored in columns."""
    (R, C) = shape
    size = np.dtype(dtype).itemsize
    reach = stride * (count - 1) + leading * (C - 1) + R
    memory = (ctypes.c_char * (reach * size)).from_address(address)
    flat = np.frombuffer(memory, dtype)
    strides = (stride * size, size, leading * size)
    return np.lib.stride_tricks.as_strided(flat, (count, R, C), strides)


def rounded(x, kind):
    """Return the factors as the tensor cores see them."""
    if x.dtype == np.uint16:
        return (x.astype(np.uint32) << 16).view(np.float32)
    if kind != TF32:
        return x
    bits = x.copy().view(np.uint32)
    return ((bits + 0xFFF + (bits >> 13 & 1)) & 0xFFFFE000).astype(np.uint32).view(np.float32)
