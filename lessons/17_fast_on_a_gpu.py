# %% [markdown] lang="en"
# # 17 Fast on a GPU
#
# | | |
# |---|---|
# | goal | Write CUDA kernels: threads, blocks, warps, barriers; one product in four versions; a profiler. |
# | time | 75 minutes |
# | runs | under 20 seconds on two cores; half a minute the first time, when the kernels are compiled |
# | needs | numpy, matplotlib, tinynet, a C++ compiler (g++), and nvidia-cuda-nvrtc for the profiler; a GPU is used if present; no network |
# | before | 06 im2col: a convolution is a matrix product; 16 Fast in Python: intensity and roofline |

# %%
import functools
import time

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet import kernels
from tinynet.lessons import check, figure, hint, predict, show, solution

# %% [markdown] lang="en"
# ## Build
#
# A CPU has a few fast cores. A GPU has thousands of slow ones, which should all do the same
# operations on different numbers. CUDA is C++ with a few extensions for that.
#
# - A **kernel** is a function that very many threads run. `__global__` marks it.
# - A **thread** is one execution of it. Its index is `threadIdx.x`.
# - A **block** is a group of up to 1024 threads that can wait for each other and share some fast
#   memory. Its number is `blockIdx.x`, its size `blockDim.x`.
# - The **grid** is all blocks of one launch. They run in no guaranteed order, many at once.
#
# You do not need a GPU to write kernels. Given NumPy arrays, the library compiles CUDA code for
# your CPU, where threads take turns; given arrays on a GPU it compiles the same code for the GPU.
# Correctness on the CPU carries over to the GPU. Times do not, so we do not measure them on the
# CPU.

# %%
WHO = r"""
extern "C" __global__ void who(int* y) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = 10 * blockIdx.x + threadIdx.x;
}
"""

# %%
y = np.zeros(12, np.int32)
try:
    kernels.cuda_kernel(WHO)(3, 4, y)  # 3 blocks of 4 threads; in CUDA C++: who<<<3, 4>>>(y)
    print(y)
except tn.DeviceError as reason:
    print("Most cells of this lesson will print nothing. ", reason)
can_run = bool(y.any())

# %% [markdown] lang="en"
# Twelve threads ran, and each wrote to the element at its index. Nearly every kernel begins with
# this line, `blockIdx.x * blockDim.x + threadIdx.x`.
#
# Your turn: ReLU, one thread per number. Note that blocks are whole. For 1000 numbers and blocks of
# 256 threads you launch 4 blocks, and 24 threads have no number. What must they do?

# %% tags=["exercise"]
MY_RELU = r"""
extern "C" __global__ void relu(const float* x, float* y, int n) {
  // your code
}
"""
check("17.1", MY_RELU)

# %%
# hint("17.1")  # without the first "#": a hint, and each time you run it the next one

# %% tags=["solution"]
MY_RELU = r"""
extern "C" __global__ void relu(const float* x, float* y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] > 0 ? x[i] : 0;
}
"""
check("17.1", MY_RELU)

# %% [markdown] lang="en"
# Within a block, 32 neighbouring threads form a **warp**, which executes one instruction together.
# When that instruction reads memory, there are 32 addresses at once, and memory transfers
# **sectors** of 32 bytes: eight floats, whether you need one of them or all. So the speed of most
# kernels depends on one question: how many sectors do 32 threads touch?
#
# Predict it for 32 adjacent floats, for the same float 32 times, and for a column of a matrix of 128
# columns. Write three numbers in place of the dots, such as (1, 2, 3), then run the cell: it counts
# them in a kernel that runs, and shows them only after a guess.

# %%
READ = r"""
extern "C" __global__ void read(const float* x, float* y, int step) {
  y[threadIdx.x] = x[step * threadIdx.x];
}
"""


# %% tags=["predict"]
def sectors():
    kernel = kernels.cuda_kernel(READ)
    x, y = np.ones(128 * 32, np.float32), np.zeros(32, np.float32)
    steps = {"adjacent": 1, "the same": 0, "a column": 128}  # floats from thread to thread
    counted = []
    for name, step in steps.items():
        counted.append(kernels.memory_traffic(kernel, 1, 32, x, y, step)["x"].sectors)
        print(f"{name:10} {counted[-1]:3} sectors, {32 * counted[-1]:5} bytes")
    return tuple(counted)


if can_run:
    predict("17.a", ..., sectors)

# %% [markdown] lang="en"
# In all three cases each thread uses four bytes. Write a function that counts the sectors of any
# addresses.


# %% tags=["exercise"]
def my_sectors(addresses):
    "Your code: addresses are 32 byte addresses; return how many sectors of 32 bytes they touch."
    return None


check("17.2", my_sectors)

# %%
# hint("17.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_sectors(addresses):
    return len(np.unique(addresses // 32))


check("17.2", my_sectors)

# %% [markdown] lang="en"
# Now the kernel on which most layers are based, the matrix product
#
# $$y[m, n] = \sum_k a[m, k]\; b[k, n]$$
#
# One thread computes one number of $y$. Below are two kernels that differ in one line: in the
# first, the 32 threads of a warp (neighbours in x) go down the rows of $y$, in the second along a
# row. The sums and the number of multiplications are the same.

# %%
NAIVE = r"""
extern "C" __global__ void naive(const float* a, const float* b, float* y, int M, int K, int N) {
  const int m = blockIdx.x * 32 + threadIdx.x, n = blockIdx.y * 8 + threadIdx.y;
  if (m >= M || n >= N) return;
  float sum = 0;
  for (int k = 0; k < K; ++k) sum += a[m * K + k] * b[k * N + n];
  y[m * N + n] = sum;
}
"""

# %%
COALESCED = r"""
extern "C" __global__ void coalesced(const float* a, const float* b, float* y, int M, int K, int N) {
  const int n = blockIdx.x * 32 + threadIdx.x, m = blockIdx.y * 8 + threadIdx.y;
  if (m >= M || n >= N) return;
  float sum = 0;
  for (int k = 0; k < K; ++k) sum += a[m * K + k] * b[k * N + n];
  y[m * N + n] = sum;
}
"""

# %% [markdown] lang="en"
# Predict: how many sectors does a warp need to read $a$, and $b$, once? Write four numbers: for $a$ and
# $b$ in the first kernel, then for $a$ and $b$ in the second.


# %% tags=["predict"]
def sectors_of_both():
    a, b, y = (np.ones((32, 32), np.float32) for _ in range(3))
    needed = []
    for name in ("naive", "coalesced"):
        kernel = kernels.cuda_kernel(NAIVE + COALESCED, name)
        found = kernels.memory_traffic(kernel, (1, 4), (32, 8), a, b, y, 32, 32, 32)
        each = {array: traffic.sectors / traffic.requests for array, traffic in found.items()}
        print(f"{name:10} sectors for each request of a warp: {each}")
        needed += each["a"], each["b"]
    return tuple(needed)


if can_run:
    predict("17.b", ..., sectors_of_both)

# %% [markdown] lang="en"
# `memory_traffic` runs a kernel with pointers that record every access. The naive kernel transfers
# 32 bytes for every 4 that it uses. The other one is called *coalesced*: neighbouring threads read
# neighbouring addresses.
#
# Still every number of $a$ is loaded $N$ times and every number of $b$ $M$ times. A block can do
# better: load a tile of each into **shared memory** once, and let all threads read it there. This
# needs a **barrier**, `__syncthreads()`: no thread continues before all threads of the block have
# reached it. The cell shows why, with 8 threads that each pass a number to the opposite thread.

# %%
TURNED = r"""
extern "C" __global__ void turned(const float* x, float* y) {
  __shared__ float row[8];
  row[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = row[7 - threadIdx.x];
}
"""

# %%
if can_run:
    x = np.arange(1, 9, dtype=np.float32)
    y = np.zeros(8, np.float32)
    for text in (TURNED, TURNED.replace("__syncthreads();", "")):
        kernels.cuda_kernel(text)(1, 8, x, y)
        print("with a barrier   " if "sync" in text else "without a barrier", y)

# %% [markdown] lang="en"
# Without it a thread reads a number that the opposite thread has not written yet.
#
# Write the tiled product. A block of $16 \times 16$ threads owns $16 \times 16$ numbers of $y$. In
# steps of 16 along $k$, each thread loads one number of $a$ and one of $b$ into shared memory, all
# wait, and each adds 16 products. Sizes need not be multiples of 16.

# %% tags=["exercise"]
MY_TILED = r"""
extern "C" __global__ void tiled(const float* a, const float* b, float* y, int M, int K, int N) {
  // your code; blocks of (16, 16) threads, n = blockIdx.x * 16 + threadIdx.x, m likewise with y
}
"""
check("17.3", MY_TILED)

# %%
# hint("17.3")  # without the first "#": a hint, and each time you run it the next one

# %% tags=["solution"]
MY_TILED = r"""
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
check("17.3", MY_TILED)

# %% [markdown] lang="en"
# The fourth version treats shared memory as the tiles treated main memory: load once, use often.
# Each thread keeps a square of $R \times R$ sums in its registers, like the microkernel of
# lesson 16. With $R = 1$ the code below is the tiled kernel again; with $R = 4$ a block computes
# $64 \times 64$ numbers, and each loaded number is used 64 times.

# %%
DECLARE = r"""
constexpr int T = 16 * R;  // a block owns T x T numbers of y
extern "C" __global__ void squares(const float* a, const float* b, float* y, int M, int K, int N) {
  __shared__ float left[T][16], right[16][T];
  const int tx = threadIdx.x, ty = threadIdx.y, me = ty * 16 + tx;
  const int m0 = blockIdx.y * T, n0 = blockIdx.x * T;
  float sum[R][R] = {};
"""

# %%
LOAD = r"""
  for (int k0 = 0; k0 < K; k0 += 16) {
    for (int i = me; i < T * 16; i += 256) {
      const int m = m0 + i / 16, k = k0 + i % 16;
      left[i / 16][i % 16] = m < M && k < K ? a[m * K + k] : 0;
    }
    for (int i = me; i < T * 16; i += 256) {
      const int k = k0 + i / T, n = n0 + i % T;
      right[i / T][i % T] = k < K && n < N ? b[k * N + n] : 0;
    }
"""

# %%
MULTIPLY = r"""
    __syncthreads();
    for (int k = 0; k < 16; ++k)
      for (int i = 0; i < R; ++i)
        for (int j = 0; j < R; ++j) sum[i][j] += left[ty + 16 * i][k] * right[k][tx + 16 * j];
    __syncthreads();
  }
"""

# %%
STORE = r"""
  for (int i = 0; i < R; ++i)
    for (int j = 0; j < R; ++j) {
      const int m = m0 + ty + 16 * i, n = n0 + tx + 16 * j;
      if (m < M && n < N) y[m * N + n] = sum[i][j];
    }
}
"""
SQUARES = DECLARE + LOAD + MULTIPLY + STORE

# %% [markdown] lang="en"
# ## Judge
#
# Each version is described by its kernel, the number of threads, and the part of $y$ that a block
# computes in x and y. `check_kernel` compares all four with the definition, including sizes that
# are not multiples of the tiles.

# %%
VERSIONS = {  # the kernel, threads of a block, what a block owns along blockIdx.x and blockIdx.y
    "naive": (kernels.cuda_kernel(NAIVE), (32, 8), "MN", (32, 8)),
    "coalesced": (kernels.cuda_kernel(COALESCED), (32, 8), "NM", (32, 8)),
    "shared tile": (kernels.cuda_kernel("#define R 1" + SQUARES), (16, 16), "NM", (16, 16)),
    "register tile": (kernels.cuda_kernel("#define R 4" + SQUARES), (16, 16), "NM", (64, 64)),
}


def launch_of(name, M, N):
    """Return the kernel, its blocks and its threads for a result of M x N."""
    kernel, threads, axes, owned = VERSIONS[name]
    size = {"M": M, "N": N}
    blocks = tuple(-(-size[axis] // own) for axis, own in zip(axes, owned, strict=True))
    return kernel, blocks, threads


# %%
def product(name):
    """Return a function of two matrices."""

    def run(a, b):
        (M, K) = a.shape
        N = b.shape[1]
        kernel, blocks, threads = launch_of(name, M, N)
        y = np.empty((M, N), a.dtype)
        kernel(blocks, threads, np.ascontiguousarray(a), np.ascontiguousarray(b), y, M, K, N)
        return y

    return run


# %%
rng = np.random.default_rng(0)
for name in VERSIONS if can_run else ():
    factors = rng.standard_normal((45, 70)), rng.standard_normal((70, 83))
    tn.testing.check_kernel(product(name), *factors, against=kernels.matmul, dtypes=(np.float32,))
    print(f"{name}: computes the product")

# %% [markdown] lang="en"
# ## Meet
#
# This is the matrix product of the library's linear layers in CUDA C.

# %%
show("tile_product.cuh")

# %% [markdown] lang="en"
# Compare it with `SQUARES`.
#
# 1. The matrices need not be stored. `left.row(m)[k]` may read its number from anywhere, for
#    example from an image: a convolution without im2col.
# 2. The tiles have 4 columns more than they need. Shared memory has 32 banks, and lanes that access
#    different numbers in one bank are serialised (a bank conflict); the padded width avoids this.
# 3. A thread reads its $4 + 4$ numbers into `u` and `v` first, then multiplies 16 times.

# %% [markdown] lang="en"
# ## Faster
#
# Count first: for each version, the bytes moved between memory and the GPU's cores without a cache,
# for matrices of $128 \times 128$. By hand, with $s = M N K$ multiplications: the naive warp loads
# 32 sectors of $a$ and one of $b$ for 32 of them, so $32 s + s$ bytes. The coalesced one loads 1
# and 4 sectors: $s + 4 s$. A tile of width $T$ reads each number of both once for $T$ uses:
# $2 \cdot 4 s / T$. In each version $y$ is added, written once.

# %%
side = 128
s = side**3
once = 4 * side**2
by_hand = {
    "naive": 33 * s + 8 * once,
    "coalesced": 5 * s + once,
    "shared tile": 8 * s // 16 + once,
    "register tile": 8 * s // 64 + once,
}
moved = dict(by_hand)

# %%
a, b, y = (np.ones((side, side), np.float32) for _ in range(3))
for name in VERSIONS if can_run else ():
    found = kernels.memory_traffic(*launch_of(name, side, side), a, b, y, side, side, side)
    moved[name] = sum(traffic.bytes_moved for traffic in found.values())
for name in VERSIONS:
    intensity = 2 * s / moved[name]
    told = f"counted {moved[name]:12,}" if can_run else "nothing was counted"
    print(
        f"{name:14} by hand {by_hand[name]:12,} bytes, {told}; {intensity:5.2f} operations a byte"
    )

# %% [markdown] lang="en"
# The last column is the *intensity* of lesson 16: operations for each byte that moves. The first
# two kernels are limited by memory bandwidth. The tiles raise the intensity, towards the arithmetic
# limit.

# %%
fig, ax = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
least = 3 * once  # a and b read once, y written once
for (name, n), marker in zip(moved.items(), "v^sD", strict=True):
    ax.plot([least / 1e6, n / 1e6], [name, name], color="#0072B2", linewidth=2)
    ax.plot(n / 1e6, name, marker, color="#0072B2", markersize=9)
    text = f"{n / 1e6:.2f} MB, {n / least:.0f} x the minimum"
    ax.annotate(text, (n / 1e6, name), (9, 0), textcoords="offset points", va="center", fontsize=9)
ax.axvline(least / 1e6, color="#D55E00", linestyle="--")
ax.text(least / 1e6 * 1.08, 3.85, "minimum: each matrix once", color="#D55E00", fontsize=9)
ax.set(
    xscale="log",
    xlim=(0.1, 2000),
    ylim=(4.1, -0.6),
    xlabel="megabytes moved, no cache (logarithmic)",
)
most, fewest = (pick(moved, key=moved.get) for pick in (max, min))
ax.set_title(
    f"{side} x {side} matrices: {most} moves {moved[most] / moved[fewest]:.0f} times the bytes of "
    f"{fewest}",
    fontsize=11,
)
ax.spines[["top", "right"]].set_visible(False)
how = "counted while the kernels ran" if can_run else "by hand, nothing was run"
figure(
    fig,
    f"The megabytes that a product of {side} x {side} matrices moves, {how}: "
    + ", ".join(f"{name} {n / 1e6:.2f} MB" for name, n in moved.items())
    + f". Reading and writing each matrix once would take {least / 1e6:.2f} MB.",
)

# %% [markdown] lang="en"
# Bytes are not seconds. A GPU has caches, which help the naive version, and other limits besides
# memory. A **profiler** names the limit. Usually it watches a kernel on a GPU; `kernels.profile`
# needs none. NVIDIA's compiler makes the instructions for the GPU that you name. The profiler executes a
# few blocks of them and counts. Then it divides each count by what the GPU can do in a second:
#
# - instructions that its cores begin,
# - bytes that its memory moves,
# - sectors that its first cache delivers ("cache"), passes through shared memory,
# - waits for loads that too few warps can hide ("latency").
#
# The largest of these times is the estimate. It is not a measurement.

# %%
try:
    run = functools.partial(kernels.cuda_kernel(WHO), 3, 4, np.zeros(12, np.int32))
    kernels.profile(run, carry_out=False)
    can_profile = True
except tn.DeviceError as reason:
    can_profile = False
    print("There is no profiler here.", reason)

# %% [markdown] lang="en"
# The cell estimates the four versions on an RTX A6000, because similar ones were measured on that card.
# Predict: how many times as fast as the naive version is the one with the register tile? Write a number
# in place of the dots.

# %%
MEASURED = {  # GFLOP/s on an RTX A6000, by Simon Boehm
    "naive": "309",
    "coalesced": "1,987",
    "shared tile": "2,980",
    "register tile": "8,475 to 15,972",
}


# %% tags=["predict"]
def ranked():
    a, b, y = (np.ones(s, np.float32) for s in ((2048, 128), (128, 2048), (2048, 2048)))
    found = {}
    for name in VERSIONS:
        run = functools.partial(*launch_of(name, 2048, 2048), a, b, y, 2048, 128, 2048)
        row = kernels.profile(run, gpu="a6000", carry_out=False).kernels[0]
        found[name] = 2 * 2048 * 2048 * 128 / row.estimate_us / 1e3
        print(f"{name:14} limit: {row.bound:14} {found[name]:7,.0f} GFLOP/s estimated,", end=" ")
        print(MEASURED[name], "measured")
    return found["register tile"] / found["naive"]


if can_profile:
    predict("17.c", ..., ranked, "times")

# %% [markdown] lang="en"
# The measured rates are those of Simon Boehm's
# [worklog](https://siboehm.com/articles/22/CUDA-MMM), from the table in its
# [repository](https://github.com/siboehm/SGEMM_CUDA), for matrices of $4092 \times 4092$. His kernels
# have the designs of ours, not the same lines. His register tiles keep 8 or 64 sums a thread, ours 16.
#
# The order is the same. The estimated rates are too high: 1.3 and 1.5 times for the second and third
# version, nearly four times for the first. The profiler's cache never loses a sector that is still
# needed, and a real one does. So trust the order and the limit, and measure the time. The lines of this
# lesson have not been measured on a GPU yet.
#
# Your turn. A transpose, $y[w, h] = x[h, w]$, reads along rows and writes along columns.

# %%
TRANSPOSE = r"""
extern "C" __global__ void transpose(const float* x, float* y, int H, int W) {
  const int w = blockIdx.x * 32 + threadIdx.x, h = blockIdx.y * 32 + threadIdx.y;
  if (h < H && w < W) y[w * H + h] = x[h * W + w];
}
"""


# %%
def inspect(text):
    """Print what the profiler says of a transpose of 64 x 96 numbers."""
    x, y = np.ones((64, 96), np.float32), np.ones((96, 64), np.float32)
    run = functools.partial(kernels.cuda_kernel(text), (3, 2), (32, 32), x, y, 64, 96)
    row = kernels.profile(run, carry_out=False).kernels[0]
    print(
        f"coalescing {row.coalescing:.2f} (1 is best), bank conflicts {row.bank_conflicts:.1f} (1: none)"
    )


if can_profile:
    inspect(TRANSPOSE)

# %% [markdown] lang="en"
# Coalescing is the number of sectors that would do, divided by those that are touched. If you exchange
# the roles of the axes, the writes are coalesced and the reads are not. Let each block turn a tile of
# $32 \times 32$ numbers in shared memory, so that both go along rows. Then look at the second number: the
# 32 numbers of a column of your tile must not lie in one bank. Mend the kernel until `inspect` finds
# nothing to complain about: coalescing of at least 0.9, and no bank conflicts.

# %% tags=["exercise"]
MY_TRANSPOSE = r"""
extern "C" __global__ void transpose(const float* x, float* y, int H, int W) {
  // your code; blocks of (32, 32) threads, blockIdx.x along W and blockIdx.y along H
}
"""
check("17.4", MY_TRANSPOSE)

# %%
# hint("17.4")  # without the first "#": a hint, and each time you run it the next one

# %% tags=["solution"]
MY_TRANSPOSE = r"""
extern "C" __global__ void transpose(const float* x, float* y, int H, int W) {
  __shared__ float tile[32][33];  // 33: the numbers of a column lie in 32 banks
  const int tx = threadIdx.x, ty = threadIdx.y, w0 = blockIdx.x * 32, h0 = blockIdx.y * 32;
  if (h0 + ty < H && w0 + tx < W) tile[ty][tx] = x[(h0 + ty) * W + w0 + tx];
  __syncthreads();
  if (w0 + ty < W && h0 + tx < H) y[(w0 + ty) * H + h0 + tx] = tile[tx][ty];
}
"""
check("17.4", MY_TRANSPOSE)

# %% [markdown] lang="en"
# Only a measurement shows the time: if this machine has a GPU that the library can use, the next cell
# times the four versions of the product there, next to a plain copy, which measures the memory
# bandwidth.


# %%
def on_gpu(x):
    return tn.tensor(x, device="cuda").data


def seconds(run, result, rounds=5):
    """Return the time of one launch on the GPU: a launch returns at once, reading a number waits."""
    run()
    tn.Tensor(result[:1]).numpy()
    begin = time.perf_counter()
    for _ in range(rounds):
        run()
    tn.Tensor(result[:1]).numpy()
    return (time.perf_counter() - begin) / rounds


# %%
try:
    tn.zeros(1, device="cuda")
    has_gpu = True
except tn.DeviceError as reason:
    has_gpu = False
    print("No measurement on a GPU here:", reason)

# %%
COPY = r"""
extern "C" __global__ void copy(const float* x, float* y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i];
}
"""
if has_gpu:
    long_x = on_gpu(np.ones(1 << 26, np.float32))
    long_y = on_gpu(np.ones(1 << 26, np.float32))
    copy = kernels.cuda_kernel(COPY)
    copied = seconds(lambda: copy(1 << 18, 256, long_x, long_y, 1 << 26), long_y)
    roof = 2 * 4 * (1 << 26) / copied / 1e9

# %%
if has_gpu:
    large = 2048
    a, b, y = (on_gpu(rng.standard_normal((large, large)).astype(np.float32)) for _ in range(3))
    rates = {}
    for name in VERSIONS:
        kernel, blocks, threads = launch_of(name, large, large)
        run = lambda: kernel(blocks, threads, a, b, y, large, large, large)  # noqa: B023, E731
        taken = seconds(run, y)
        rates[name] = moved[name] * (large / side) ** 3 / taken / 1e9
        print(f"{name:14} {2 * large**3 / taken / 1e9:9.0f} GFLOP/s, loads {rates[name]:7.0f} GB/s")

# %%
if has_gpu:
    fig, ax = plt.subplots(figsize=(7.2, 3.4), layout="constrained")
    ax.barh(list(rates), list(rates.values()), color="#56B4E9", edgecolor="black")
    ax.axvline(roof, color="#D55E00", linestyle="--")
    ax.text(roof, 3.85, f" a copy: {roof:.0f} GB/s", color="#D55E00", fontsize=9)
    ax.set(ylim=(4.1, -0.6), xlabel="GB/s that the warps load; beyond the roof, from a cache")
    beyond = sum(rate > roof for rate in rates.values())
    ax.set_title(f"{beyond} of {len(rates)} versions load more than memory gives", fontsize=11)
    ax.spines[["top", "right"]].set_visible(False)
    told = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
    figure(fig, f"Gigabytes a second that each version loads: {told}. A copy moves {roof:.0f}.")

# %% [markdown] lang="en"
# ## Break
#
# A missing barrier causes a **race**: two threads access the same location, at least one of them
# writes, and their order is undefined. The result may still be right by chance, which makes a race
# hard to find.
#
# The kernel below divides each number by the sum of its block. The sum is computed by halving: 32
# threads add the upper half to the lower, then 16, then 8, until one number is left. It has a race.
# Run it.

# %%
SHARE = r"""
extern "C" __global__ void share(const float* x, float* y) {
  __shared__ float part[64];
  const int t = threadIdx.x, i = blockIdx.x * 64 + t;
  part[t] = x[i];
  for (int half = 32; half > 0; half /= 2) {
    __syncthreads();
    if (t < half) part[t] += part[t + half];
  }
  y[i] = x[i] / part[0];
}
"""

# %%
if can_run:
    x = np.ones(128, np.float32)
    y = np.zeros(128, np.float32)
    kernels.cuda_kernel(SHARE)(2, 64, x, y)
    print("all are 1/64:", bool((y == 1 / 64).all()))

# %% [markdown] lang="en"
# The result is right, but the kernel is wrong. Here the threads run in order, and thread 0 is
# always first. Run them in another order (`kernels.execution_order`), and fix the kernel.

# %% tags=["exercise"]
MY_SHARE = None  # your code: the text of SHARE, fixed
check("17.5", MY_SHARE)

# %%
# hint("17.5")  # without the first "#": a hint, and each time you run it the next one

# %% tags=["solution"]
if can_run:
    for order in ("forward", "backward", "mixed"):
        with kernels.execution_order(order):
            kernels.cuda_kernel(SHARE)(2, 64, x, y)
            print(order, bool((y == 1 / 64).all()))
MY_SHARE = SHARE.replace("  y[i] =", "  __syncthreads();\n  y[i] =")
check("17.5", MY_SHARE)

# %% [markdown] lang="en"
# Other orders do not find every race. A common one is counting. `count[x[i]] += 1` reads, adds and
# writes. If two threads read the same count, both write the same new value, and one increment is
# lost. On this CPU one thread ends before the next begins, in any order, so no increment is lost.
#
# `tn.testing.check_races` finds such a race even if the result is right. It runs the kernel under
# ThreadSanitizer, which tracks the order that barriers define, and reports two accesses without a
# defined order. On a GPU NVIDIA's `compute-sanitizer --tool racecheck` does this. Which line
# will it name?

# %%
COUNT = r"""
extern "C" __global__ void count(const int* x, int* counts) {
  counts[x[threadIdx.x]] += 1;
}
"""

# %%
if can_run:
    x = np.arange(64, dtype=np.int32) % 3
    counts = np.zeros(3, np.int32)
    kernels.cuda_kernel(COUNT)(1, 64, x, counts)
    print("counts", counts, "expected", np.bincount(x))
    try:
        tn.testing.check_races(kernels.cuda_kernel(COUNT), 1, 64, x, counts)
    except (AssertionError, tn.DeviceError) as told:
        print(told)

# %% [markdown] lang="en"
# `atomicAdd(&counts[x[threadIdx.x]], 1)` fixes it: reading, adding and writing become one atomic
# operation. It has a cost, since threads that update the same location are serialised. The
# library's backward passes avoid atomics: each thread computes one output and collects its
# contributions, as in the backward of max-pooling.
#
# | | |
# |---|---|
# | in the paper | two GTX 580 with 3 GB each; the size of the net is limited by their memory and by the training time (section 1); half of the kernels on each (section 3.2) |
# | in the code of 2012 | cuda-convnet: hand-written kernels, images last in memory (channels, height, width, images) so that the threads of a warp read neighbouring images |
# | here | images first; a convolution keeps an image's patch in shared memory and multiplies it on the tensor cores, `conv_tile.cu`; the same files run on a GPU and, under tests and sanitizers, on the CPU |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** 1000 numbers, blocks of 256 threads. How many blocks, and what do the last 24 threads do?
#
# <details><summary>Answer</summary>
# 4 blocks, 1024 threads. The last 24 must do nothing: if (i < n). But they must still reach every
# __syncthreads(), so they must not return before one.
# </details>
#
# **2.** A warp reads one column of a matrix of 128 columns. What fraction of the transferred bytes
# is used?
#
# <details><summary>Answer</summary>
# An eighth: 32 sectors of 32 bytes are transferred, and 4 bytes of each are used.
# </details>
#
# **3.** A kernel gave the right result in a thousand runs on your card. Is it free of races?
#
# <details><summary>Answer</summary>
# Not necessarily. Another GPU, block size or load may order the threads differently. Only an
# analysis of the ordering of accesses can tell, by reading or by a sanitizer.
# </details>
