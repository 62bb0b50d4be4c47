"""Exercises of lesson 17: CUDA kernels, memory traffic, the profiler and a race condition."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from tinynet.core.errors import DeviceError
from tinynet.kernels import cuda_kernel, execution_order, memory_traffic, profile
from tinynet.kernels.profiler.lanes import UnsupportedError
from tinynet.lessons.exercise import Wrong, cases, exercise, expect, small
from tinynet.words import phrase

ORDERS = ("forward", "backward", "mixed")
SLACK = 4096  # guard numbers around an array: writes beyond its ends stay inside them
TILE = 16
SIDE = 32  # of the tile of a transpose
COALESCED = 0.9  # of the sectors of a transpose: what the profiler is content with


class Bench:
    """A learner's kernel, run on the CPU on arrays with guard regions."""

    def __init__(self, text: Any) -> None:
        if not isinstance(text, str):
            raise Wrong(
                phrase('expected CUDA C in quotes, r"""...""", got {text}.', text=small(text))
            )
        bare = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
        if re.search(r"\)\s*\{\s*\}\s*$", bare):
            raise NotImplementedError
        try:
            self.kernel = cuda_kernel(text)
        except (TypeError, ValueError) as error:
            raise Wrong(str(error)) from None

    def run(self, blocks: Any, threads: Any, *arguments: Any) -> None:
        """Launch the kernel; report its errors as Wrong."""
        try:
            self.kernel(blocks, threads, *arguments)
        except DeviceError as error:  # the compiler refuses the text, or there is no compiler
            if "cannot compile" not in str(error):
                raise
            raise Wrong(str(error)) from None
        except (
            TypeError,
            RuntimeError,
        ) as error:  # wrong arguments, or a barrier that some threads skip
            raise Wrong(str(error)) from None

    def fill(self, size: int, blocks: Any, threads: Any, *arguments: Any) -> Any:
        """Return the output of `size` numbers; the output is the argument that is None."""
        held = np.full(size + 2 * SLACK, -77, np.float32)
        y = held[SLACK : SLACK + size]
        self.run(blocks, threads, *(y if a is None else a for a in arguments))
        beyond = np.flatnonzero(np.delete(held, np.s_[SLACK : SLACK + size]) != -77)
        if len(beyond):
            place = int(beyond[0]) - SLACK + (size if beyond[0] >= SLACK else 0)
            raise Wrong(
                phrase(
                    "for an output of {size} numbers and {blocks} blocks of {threads} threads: "
                    "expected nothing beyond the end, got a number written to y[{place}].\n"
                    "  A grid has whole blocks, so it may have extra threads: "
                    "they must do nothing.",
                    size=size,
                    blocks=small(blocks),
                    threads=small(threads),
                    place=place,
                )
            )
        return y.copy()


def guarded(x: Any) -> Any:
    """Return x between guard numbers (NaN) that must not be read."""
    held = np.full(x.size + 2 * SLACK, np.nan, x.dtype)
    held[SLACK : SLACK + x.size] = x.reshape(-1)
    return held[SLACK : SLACK + x.size].reshape(x.shape)


# ---- a first kernel


@exercise(
    "17.1",
    "A kernel of your own: ReLU",
    hints=(
        "The index of this thread: const int i = blockIdx.x * blockDim.x + threadIdx.x;",
        "A grid has whole blocks: some threads have no element. if (i < n) ...",
        "y[i] = x[i] > 0 ? x[i] : 0;",
    ),
    value=True,
)
def relu(answer: Any) -> None:
    """Write a kernel relu(x, y, n) in CUDA C: one thread per element, y[i] = max(x[i], 0)."""
    bench = Bench(answer)
    x = guarded(np.array([3, -1, 2, -5, 4, 1], np.float32))
    expect(
        bench.fill(6, 2, 3, x, None, 6),
        [3, 0, 2, 0, 4, 1],
        "x = [3, -1, 2, -5, 4, 1] and 2 blocks of 3 threads",
        "The blocks before this one hold blockIdx.x * blockDim.x threads.",
    )
    expect(
        bench.fill(5, 2, 3, x[:5], None, 5),
        [3, 0, 2, 0, 4],
        "x = [3, -1, 2, -5, 4] and 2 blocks of 3 threads",
    )


@relu.solution
def relu_solution() -> str:
    return r"""
extern "C" __global__ void relu(const float* x, float* y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] > 0 ? x[i] : 0;
}
"""


# ---- sectors


@exercise(
    "17.2",
    "Sectors of a warp",
    hints=(
        "Sector number s holds the bytes 32 s to 32 s + 31. In which sector lies an address?",
        "addresses // 32 are the sector numbers; each sector is fetched once.",
        "np.unique(...) keeps each value once.",
    ),
)
def sectors(answer: Any) -> None:
    """Write my_sectors(addresses): the number of 32-byte sectors that a warp's addresses touch."""
    lane = np.arange(32)
    cases = [
        (4 * lane, 4, "lane i reads float i", "32 floats are 128 bytes: 4 sectors."),
        (0 * lane, 1, "all lanes read float 0", "All lanes share one sector."),
        (512 * lane, 32, "lane i reads float 128 i", "No two of them share a sector."),
        (4 * lane[::-1], 4, "lane i reads float 31 - i", "The order of the lanes does not matter."),
        (4 * lane + 4, 5, "lane i reads float i + 1", "The last float lies in a fifth sector."),
        (
            4 * (lane % 4) + 4096 * (lane // 4),
            8,
            "8 groups of 4 neighbours, far apart",
            "The bytes between the groups are not fetched.",
        ),
    ]
    for addresses, count, case, why in cases:
        expect(answer(addresses), count, case, why)


@sectors.solution
def sectors_solution(addresses):
    return len(np.unique(addresses // 32))


# ---- a tile in shared memory


@exercise(
    "17.3",
    "A matrix product through shared memory",
    hints=(
        "In step k0 thread (ty, tx) copies a[m * K + k0 + tx] to left[ty][tx] and "
        "b[(k0 + ty) * N + n] to right[ty][tx]; outside the matrix it stores 0.",
        "Then __syncthreads(), and sum += left[ty][k] * right[k][tx] for the 16 values of k.",
        "Another __syncthreads() ends the step: a fast thread must not overwrite what a slow one "
        "still reads. Only the last line, y[m * N + n] = sum, has the test if (m < M && n < N).",
    ),
    value=True,
)
def tiled(answer: Any) -> None:
    """Write tiled(a, b, y, M, K, N): blocks of 16 x 16 threads that share tiles of a and b."""
    bench = Bench(answer)
    rng = cases(0)
    sizes = {
        (16, 16, 16): "One step: every thread loads its numbers, and all wait before they read.",
        (16, 48, 16): "Three steps: no thread may load the next tile while others read this one.",
        (20, 21, 37): "Tiles extend past the edges: load 0 outside a matrix, and write nothing "
        "there.",
    }
    for (M, K, N), why in sizes.items():
        blocks = (-(-N // TILE), -(-M // TILE))
        for order in ORDERS:
            # Other numbers each time: shared memory still holds the last ones.
            a, b = (guarded(rng.integers(-4, 5, s).astype(np.float32)) for s in ((M, K), (K, N)))
            with execution_order(order):
                y = bench.fill(M * N, blocks, (TILE, TILE), a, b, None, M, K, N)
            _same(
                y.reshape(M, N), a @ b, phrase("a ({M}, {K}) and b ({K}, {N})", M=M, K=K, N=N), why
            )
    _uses_tiles(bench, rng)


def _same(y: Any, truth: Any, case: str, why: str) -> None:
    """Raise Wrong at the first element that differs: small integers are added without rounding."""
    for m, n in np.argwhere(y != truth)[:1]:
        raise Wrong(
            phrase(
                "for {case}: expected y[{m}, {n}] = {truth:g}, got {got:g}.\n  {why}",
                case=case,
                m=m,
                n=n,
                truth=truth[m, n],
                got=y[m, n],
                why=phrase(why),
            )
        )


def _uses_tiles(bench: Bench, rng: Any) -> None:
    """Raise Wrong if a number of `a` is fetched for each of its uses."""
    side = 2 * TILE
    a, b = (rng.standard_normal((side, side)).astype(np.float32) for _ in range(2))
    grid = (2, 2), (TILE, TILE)
    found = memory_traffic(bench.kernel, *grid, a, b, np.zeros_like(a), side, side, side)
    used = next(iter(found.values())).bytes_used
    wanted = 2 * a.nbytes
    if used > wanted:
        raise Wrong(
            phrase(
                "the numbers are right, but for matrices of {side} x {side} the threads read "
                "{used:,} bytes of a: expected {wanted:,}, got {ratio:.0f} times as much.\n  Each "
                "block loads a number into __shared__ memory once; 16 threads read it there.",
                side=side,
                used=used,
                wanted=wanted,
                ratio=used / wanted,
            )
        )


@tiled.solution
def tiled_solution() -> str:
    return r"""
extern "C" __global__ void tiled(const float* a, const float* b, float* y, int M, int K, int N) {
  __shared__ float left[16][16], right[16][16];
  const int tx = threadIdx.x, ty = threadIdx.y;
  const int n = blockIdx.x * 16 + tx, m = blockIdx.y * 16 + ty;
  float sum = 0;
  for (int k0 = 0; k0 < K; k0 += 16) {
    left[ty][tx] = m < M && k0 + tx < K ? a[m * K + k0 + tx] : 0;
    right[ty][tx] = k0 + ty < K && n < N ? b[(k0 + ty) * N + n] : 0;
    __syncthreads();
    for (int k = 0; k < 16; ++k) sum += left[ty][k] * right[k][tx];
    __syncthreads();
  }
  if (m < M && n < N) y[m * N + n] = sum;
}
"""


# ---- a transpose that the profiler is content with


@exercise(
    "17.4",
    "A transpose without scattered accesses",
    hints=(
        "Read a row of x as before, but into __shared__ float tile[32][32], at tile[ty][tx]; then "
        "__syncthreads().",
        "Write a row of y: thread tx of a warp writes y[(w0 + ty) * H + h0 + tx], and reads its "
        "number from tile[tx][ty].",
        "Rows of 32 numbers put a column of the tile into one bank. With tile[32][33] each row "
        "begins one bank later.",
    ),
    value=True,
)
def transpose(answer: Any) -> None:
    """Mend transpose(x, y, H, W) until the profiler finds coalesced accesses and no conflicts."""
    bench = Bench(answer)
    rng = cases(0)
    sizes = {
        (SIDE, SIDE): "One block: all must have read before one writes.",
        (40, 70): "H is not W: a row of x has W numbers, a row of y has H.",
    }
    for (H, W), why in sizes.items():
        for order in ORDERS:
            # Other numbers each time: shared memory still holds the last ones.
            x = guarded(rng.integers(-9, 10, (H, W)).astype(np.float32))
            with execution_order(order):
                y = bench.fill(H * W, _tiles(H, W), (SIDE, SIDE), x, None, H, W)
            _same(y.reshape(W, H), x.T, phrase("x ({H}, {W})", H=H, W=W), why)
    _pleases_the_profiler(bench)


def _tiles(H: int, W: int) -> tuple[int, int]:
    """Return the blocks of a transpose, along W and H."""
    return -(-W // SIDE), -(-H // SIDE)


def _pleases_the_profiler(bench: Bench) -> None:
    """Raise Wrong where a transpose touches too many sectors, or its lanes wait for a bank."""
    H = 2 * SIDE
    W = 3 * SIDE
    x = np.zeros((H, W), np.float32)
    y = np.zeros((W, H), np.float32)
    grid = _tiles(H, W), (SIDE, SIDE)
    try:
        row = profile(lambda: bench.run(*grid, x, y, H, W), carry_out=False).kernels[0]
    except UnsupportedError as error:
        raise Wrong(str(error)) from None
    if row.coalescing < COALESCED:
        raise Wrong(
            phrase(
                "the numbers are right, but a warp touches {sectors:.1f} sectors at each access: "
                "expected a coalescing of at least {least}, got {got:.2f}.\n  The 32 threads of a "
                "warp must read along a row of x and write along a row of y; the tile in shared "
                "memory is turned in between.",
                sectors=row.sectors_per_request,
                least=COALESCED,
                got=row.coalescing,
            )
        )
    if row.bank_conflicts > 1:
        raise Wrong(
            phrase(
                "the numbers are right and the accesses coalesced, but the warps pass through "
                "shared memory {times:.1f} times as often as they must.\n  Shared memory has 32 "
                "banks, and neighbouring numbers lie in neighbouring banks: which bank holds "
                "tile[0][0], and which holds tile[1][0]?",
                times=row.bank_conflicts,
            )
        )


@transpose.solution
def transpose_solution() -> str:
    return r"""
extern "C" __global__ void transpose(const float* x, float* y, int H, int W) {
  __shared__ float tile[32][33];  // 33: the numbers of a column lie in 32 banks
  const int tx = threadIdx.x, ty = threadIdx.y, w0 = blockIdx.x * 32, h0 = blockIdx.y * 32;
  if (h0 + ty < H && w0 + tx < W) tile[ty][tx] = x[(h0 + ty) * W + w0 + tx];
  __syncthreads();
  if (w0 + ty < W && h0 + tx < H) y[(w0 + ty) * H + h0 + tx] = tile[tx][ty];
}
"""


# ---- a race


@exercise(
    "17.5",
    "Find the race",
    hints=(
        "Run the threads in another order: with kernels.execution_order('backward'): ...",
        "Which thread writes part[0] last, and which threads read it? What makes them wait?",
        "A second __syncthreads(), after the loop, before the last line.",
    ),
    value=True,
)
def race(answer: Any) -> None:
    """Fix share(x, y), which divides each number by the sum of its block of 64."""
    bench = Bench(answer)
    x = np.arange(1, 129, dtype=np.float32)
    truth = (x.reshape(2, 64) / x.reshape(2, 64).sum(axis=1, keepdims=True)).reshape(-1)
    for order in ORDERS:
        with execution_order(order):
            y = bench.fill(128, 2, 64, guarded(x), None)
        expect(
            y,
            truth,
            phrase("x = 1, 2, ..., 128, thread order {order}", order=order),
            "Some threads read part[0] before the last addition. Where must they wait?",
        )


@race.solution
def race_solution() -> str:
    return r"""
extern "C" __global__ void share(const float* x, float* y) {
  __shared__ float part[64];
  const int t = threadIdx.x, i = blockIdx.x * 64 + t;
  part[t] = x[i];
  for (int half = 32; half > 0; half /= 2) {
    __syncthreads();
    if (t < half) part[t] += part[t + half];
  }
  __syncthreads();
  y[i] = x[i] / part[0];
}
"""
