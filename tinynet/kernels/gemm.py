"""`gemm`, the product of stacks of matrices for all kernels, and the precision of a GPU's products.

BLAS computes it on a CPU, cuBLAS on a GPU: this is the only place in the project that multiplies
matrices on a GPU.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.core.bfloat16 import BFloat16, numbers, rounded, words_of
from tinynet.kernels import dispatch
from tinynet.kernels.bfloat16 import bfloat16, floats
from tinynet.kernels.cuda.launch import observer

PRECISIONS = ("float32", "tf32", "bfloat16")

_precision: contextvars.ContextVar[str] = contextvars.ContextVar(
    "tinynet.precision", default="float32"
)


@contextlib.contextmanager
def precision(kind: str) -> Iterator[None]:
    """Inside the block, set how a GPU multiplies float32 matrices; sums are always float32.

    The products of linear layers and of convolutions follow it, forward and backward. Weights and
    their gradients stay float32 in memory; "bfloat16" also stores activations so. A graph keeps the
    precision of the call that recorded it.

    Parameters
    ----------
    kind : "float32", "tf32" or "bfloat16"
        "float32", the default, keeps the 24-bit significand of each factor. "tf32" rounds it to 11
        bits for the tensor cores (compute capability 8.0 on). "bfloat16" rounds it to 8 bits, and
        stores as bfloat16 what a convolution or linear layer makes behind its ReLU, what response
        normalization, max-pooling and dropout make of that, and the gradients of these. CPUs and
        float64 ignore the setting, the CUDA kernels that run on a CPU for tests do not.

    Raises
    ------
    ValueError
        The kind is unknown.

    Examples
    --------
    >>> import tinynet as tn
    >>> with tn.precision("tf32"):
    ...     y = tn.ones(2, 3) @ tn.ones(3, 4)
    >>> y.dtype
    dtype('float32')
    """
    if kind not in PRECISIONS:
        raise ValueError(f"precision: it is one of {', '.join(PRECISIONS)}, not {kind!r}.")
    token = _precision.set(kind)
    try:
        yield
    finally:
        _precision.reset(token)


def precision_of(x: Array) -> str:
    """Return the precision in which a kernel of ours multiplies x on its device.

    Tensor cores have tf32 and bfloat16 from compute capability 8.0 on; older GPUs use float32.
    """
    kind = _precision.get()
    x = words_of(x)
    has_both = array_module(x) is np or int(x.device.compute_capability) >= 80
    return kind if has_both else "float32"


def stores_bfloat16(x: Array) -> bool:
    """Return whether kernels store what they make of x as bfloat16: on a GPU, in this precision."""
    if _precision.get() != "bfloat16":
        return False
    single = isinstance(x, BFloat16) or x.dtype == np.float32
    return single and launches(x) and precision_of(x) == "bfloat16"


def launches(x: Array) -> bool:
    """Return whether kernels run as on a GPU for this array: there, on a CPU, or in a profile."""
    on_cpu = array_module(words_of(x)) is np
    return not on_cpu or observer.get() is not None or dispatch.forced() == "cuda_on_cpu"


def factor(x: Array) -> Array:
    """Return x as products read it: if bfloat16 is the precision, a copy, in x's memory order."""
    if isinstance(x, BFloat16) or not stores_bfloat16(x):
        return x
    turned = x.ndim == 2 and not x.flags.c_contiguous and x.T.flags.c_contiguous
    return bfloat16(x.T).T if turned else bfloat16(x)


def on_host(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return np.matmul(a, b), in `out` if it is given; report an invalid value if there is one.

    With AVX-512, OpenBLAS may report "invalid value" of finite numbers: it also computes with
    numbers beside its own (findings/numpy-matmul-warns-of-finite-numbers.sh). So a product is
    computed again if the flag is set and it holds a NaN, to warn or raise as the caller chose.
    """
    flags: list[str] = []
    with np.errstate(invalid="call", call=lambda kind, _: flags.append(kind)):
        y = np.matmul(a, b, out=out)
    return np.matmul(a, b, out=y) if flags and np.isnan(y).any() else y


def gemm(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return a @ b for stacks of matrices (..., M, K) and (..., K, N), in `out` if it is given.

    On a GPU it uses cuBLAS and can be captured in a graph. Matrices can be transposed views or
    parts of larger ones; other memory orders are copied first.

    Raises
    ------
    ValueError
        The number of columns of a is not the number of rows of b.

    >>> import numpy as np
    >>> from tinynet import kernels
    >>> kernels.gemm(np.ones((5, 2, 3)), np.ones((3, 4))).shape
    (5, 2, 4)
    """
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    M, K = a.shape[-2:]
    N = b.shape[-1]
    xp = array_module(words_of(a))
    if xp is np:
        watching = observer.get()
        carried = not watching or watching.on_product(a, b, (*batch, M, N))
        left, right = (numbers(x.words) if isinstance(x, BFloat16) else x for x in (a, b))
        if not carried:
            return np.empty((*batch, M, N), np.result_type(left, right)) if out is None else out
        if isinstance(out, BFloat16):
            out.words[...] = rounded(on_host(left, right))
            return out
        return on_host(left, right, out)
    if b.shape[-2] != K:
        raise ValueError(f"gemm: a {a.shape} and b {b.shape} do not fit, {K} is not {b.shape[-2]}.")
    kinds = ["float32" if isinstance(x, BFloat16) else x.dtype for x in (a, b)]
    dtype = np.result_type(*kinds)
    y = xp.empty((*batch, M, N), dtype) if out is None else out
    if 0 in y.shape or K == 0:
        words_of(y).fill(0)
    elif not isinstance(y, BFloat16) and y.dtype != dtype:
        y[...] = gemm(a, b)
    else:
        _multiply(*_factors(a, b, dtype), words_of(y))
    return y


def _factors(a: Array, b: Array, dtype: Any) -> tuple[Array, Array]:
    """Return a and b as cuBLAS reads them: both of a dtype, or the words of bfloat16."""
    halves = [factor(x) for x in (a, b)]
    if dtype == np.float32 and any(isinstance(x, BFloat16) for x in halves):
        left, right = (bfloat16(x).words for x in halves)
    else:
        left, right = (floats(x).astype(dtype, copy=False) for x in (a, b))
    return left, right


def _multiply(a: Array, b: Array, y: Array) -> None:
    """Write a @ b into y on a GPU, in as few calls of cuBLAS as possible without copies."""
    from tinynet.kernels.cuda.cublas import Matrices, blas

    batch = y.shape[:-2]
    xp = array_module(y)
    if len(batch) > 1 and (a.shape[:-2] != batch or b.shape[:-2] != batch):
        for i in range(batch[-1]):  # such as groups of filters, broadcast over the images
            _multiply(_pick(a, i), _pick(b, i), y[..., i, :, :])
        return
    stack = y.reshape(-1, *y.shape[-2:])
    result = Matrices.of(stack)
    if result is None or result.transposed or stack.data.ptr != y.data.ptr:
        fresh = xp.empty(y.shape, y.dtype)  # cuBLAS cannot write to the memory order of y
        _multiply(a, b, fresh)
        y[...] = fresh
        return
    wide = (xp.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (a, b))
    left, right = (Matrices.read(x.reshape(-1, *x.shape[-2:])) for x in wide)
    blas().gemm(left, right, result, _precision.get())


def _pick(x: Array, i: int) -> Array:
    """Return the i-th along the last axis of a stack, or the only one."""
    return x if x.ndim < 3 else x[..., min(i, x.shape[-3] - 1), :, :]


def sums_in_halves(x: Array) -> bool:
    """Return whether layers that both towers see sum in halves, as two devices would.

    They do on a CPU, where the towers equal one device bit for bit. On a GPU they equal it up to
    rounding, and halves would only be more launches (docs/decisions/0032).
    """
    return array_module(words_of(x)) is np and observer.get() is None
