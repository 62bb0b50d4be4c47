# %% [markdown] lang="en"
# # 16 Fast in Python
#
# | | |
# |---|---|
# | goal | Go from loops in Python to a kernel near the machine's peak, then multiply less (Winograd). |
# | time | 60 minutes |
# | runs | under 15 seconds on two cores; a minute the first time, when the kernels are compiled |
# | needs | numpy, numba, matplotlib and tinynet; no compiler, no network |
# | before | 06 im2col: a convolution is a matrix product; 07 Overlapping max-pool |

# %%
import time
from concurrent.futures import ThreadPoolExecutor

import matplotlib.pyplot as plt
import numpy as np
from numba import njit

import tinynet as tn
from tinynet import functions as F
from tinynet import kernels, nn
from tinynet.kernels import conv
from tinynet.kernels.convolution import winograd
from tinynet.lessons import check, figure, hint, predict, show, solution

# %% [markdown] lang="en"
# ## Build
#
# AlexNet spends nearly all its time on one operation, the multiply-add: multiply two numbers, add
# the product to a sum. The speed of a convolution is the number of these per second. We count each
# as two operations, one multiplication and one addition; a billion operations a second is one
# GFLOP/s.
#
# Our example is the third convolution of the small AlexNet: 128 channels in, 192 out, $3 \times 3$
# filters, $8 \times 8$ pixels. This is its definition:
#
# $$y[n, o, i, j] = \sum_{c, p, q} w[o, c, p, q]\; x[n, c, i + p, j + q]$$

# %%
N = 16
C = 128
O = 192
S = 8
K = 3
rng = np.random.default_rng(0)
x = rng.standard_normal((N, C, S, S)).astype(np.float32)
weight = rng.standard_normal((O, C, K, K)).astype(np.float32)
framed = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))  # a border of zeros keeps the size S


# %%
def loops(framed, weight, y):
    _, _, H, W = y.shape
    _, C, K, _ = weight.shape
    for n, o in np.ndindex(y.shape[:2]):
        for i in range(H):
            for j in range(W):
                total = np.float32(0)
                for c in range(C):
                    for p in range(K):
                        for q in range(K):
                            total += weight[o, c, p, q] * framed[n, c, i + p, j + q]
                y[n, o, i, j] = total


# %%
def operations(y):
    """Return the number of operations for these outputs."""
    return 2 * C * K * K * y.size


few = np.empty((1, 1, 2, 2), np.float32)  # four outputs: Python would take minutes for all
begin = time.perf_counter()
loops(framed, weight, few)
in_python = operations(few) / (time.perf_counter() - begin) / 1e9
print(f"loops in Python: {in_python:.4f} GFLOP/s")
print(f"all {N} images would take {operations(np.empty((N, O, S, S))) / in_python / 1e9:.0f} s")

# %% [markdown] lang="en"
# Multiplying takes only a small part of this time. For each product Python looks up the meaning of
# `*` for these two objects, creates a new object for the result, and discards it.
#
# **Numba** removes this overhead. When the function is first called, it compiles machine code for
# the types of the arguments. The loops stay as they are. Predict: how many times as fast is the
# same code? Write your guess in place of the dots, then run the cell: it shows the truth only after a
# guess.

# %%
compiled = njit(loops)
some = np.empty((1, O, S, S), np.float32)
compiled(framed, weight, some)  # the first call compiles


# %%
def best(run, rounds=5):
    """Return the shortest of a few times: noise only adds time."""
    run()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


in_numba = operations(some) / best(lambda: compiled(framed, weight, some), 3) / 1e9


# %% tags=["predict"]
def times_as_fast():
    print(f"loops in Python {in_python:.4f} GFLOP/s, the same in Numba {in_numba:.2f} GFLOP/s")
    return in_numba / in_python


predict("16.a", ..., times_as_fast)

# %% [markdown] lang="en"
# Nothing of the arithmetic has changed: what is gone is the overhead of each operation.
#
# Now write one. The rules: only loops and numbers, no NumPy calls inside the loops (each would
# create an array), and the result has the dtype of the input.


# %% tags=["exercise"]
@njit
def my_max_pool(x, k, s):
    "Your code: six loops; return the maxima of the k x k windows of x (N, C, H, W), s apart."
    return None


check("16.1", my_max_pool)

# %%
# hint("16.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
@njit
def my_max_pool(x, k, s):
    N, C, H, W = x.shape
    OH = (H - k) // s + 1
    OW = (W - k) // s + 1
    y = np.empty((N, C, OH, OW), x.dtype)
    for n in range(N):
        for c in range(C):
            for i in range(OH):
                for j in range(OW):
                    best = x[n, c, s * i, s * j]
                    for p in range(k):
                        for q in range(k):
                            best = max(best, x[n, c, s * i + p, s * j + q])
                    y[n, c, i, j] = best
    return y


check("16.1", my_max_pool)

# %% [markdown] lang="en"
# The compiled convolution still uses only a fraction of the machine, for two reasons.
#
# 1. **One number at a time.** A register of this processor holds several floats, and one
#    instruction multiplies and adds them all. Here the additions of one sum wait for each other.
# 2. **Two loads for one multiply-add.** Each product loads a weight and a pixel. A core can
#    multiply faster than it can load.
#
# The remedy for both is to compute a *block* of sums together. Take $P$ pixels and $V$ registers
# full of output channels. For each $k$ (a tap and an input channel) load $V$ registers of weights
# and $P$ pixels, and use each loaded number many times:
#
# $$y[p, v] \mathrel{+}= x[p] \cdot w[v] \qquad P \cdot V \text{ multiply-adds for } P + V
# \text{ loads}$$
#
# All $P \cdot V$ sums must stay in registers. This is the principle of a *microkernel*.

# %%
block = winograd.host_shape()
print(f"here: {block.lanes} floats a register, {block.pixels} pixels x {block.vectors} registers")
for P, V in ((1, 1), (2, 2), (block.pixels, block.vectors)):
    print(f"P = {P}, V = {V}: {(P + V) / (P * V):.2f} loads for a multiply-add of a register")

# %% [markdown] lang="en"
# Once multiplication is the bottleneck, the next step is fewer multiplications. Slide a filter of 3
# numbers over 4, for two outputs:
#
# $$y_0 = d_0 g_0 + d_1 g_1 + d_2 g_2 \qquad y_1 = d_1 g_0 + d_2 g_1 + d_3 g_2$$
#
# These are six multiplications. Winograd (1980) needs four, because the two sums share terms:
#
# $$m_1 = (d_0 - d_2)\, g_0 \quad
# m_2 = (d_1 + d_2)\, \tfrac{g_0 + g_1 + g_2}{2} \quad
# m_3 = (d_2 - d_1)\, \tfrac{g_0 - g_1 + g_2}{2} \quad
# m_4 = (d_1 - d_3)\, g_2$$
#
# A filter is applied to thousands of pixels, so operations on $g$ alone are done once and cost
# almost nothing. Which sums of $m_1 \dots m_4$ are $y_0$ and $y_1$? Work it out on paper. The check
# counts multiplications: its numbers are objects that count them.


# %% tags=["exercise"]
def my_f23(d, g):
    "Your code: d has 4 numbers, g has 3; return (y0, y1) with four multiplications."
    return None, None


check("16.2", my_f23)

# %%
# hint("16.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_f23(d, g):
    m1 = (d[0] - d[2]) * g[0]
    m2 = (d[1] + d[2]) * ((g[0] + g[1] + g[2]) / 2)
    m3 = (d[2] - d[1]) * ((g[0] - g[1] + g[2]) / 2)
    m4 = (d[1] - d[3]) * g[2]
    return m1 + m2 + m3, m2 - m3 - m4


check("16.2", my_f23)

# %% [markdown] lang="en"
# ## Judge
#
# A fast kernel that is wrong is useless, and off-by-one errors are common in loops. So everything
# is checked here before it is timed. `check_kernel` compares a function with its definition, with
# unusual memory layouts and read-only inputs; the reference is computed in float64.

# %%
windows = kernels.Geometry.of(3, padding=1)


def definition(x, weight):
    return kernels.conv2d_forward.reference(x, weight, None, windows)


def with_compiled_loops(x, weight):
    y = np.empty((len(x), len(weight), *x.shape[2:]), x.dtype)
    compiled(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), np.ascontiguousarray(weight), y)
    return y


small = rng.standard_normal((2, 5, 4, 6)), rng.standard_normal((3, 5, 3, 3))
tn.testing.check_kernel(with_compiled_loops, *small, against=definition, dtypes=(np.float32,))
print("the compiled loops compute the convolution")

# %% [markdown] lang="en"
# ## Meet
#
# This is the library's fast convolution. It chooses between two algorithms and contains no
# multiplication: both use the same microkernel.

# %%
show(conv.fast_forward)

# %% [markdown] lang="en"
# The microkernel itself, `tinynet/kernels/codegen/microkernel.py`, is a hundred lines that are worth
# studying. Numba allows functions in the instructions of LLVM, its compiler, so the code specifies
# exactly the registers and the order of the block of sums above.
#
# The library's Winograd algorithm uses larger tiles than yours: $4 \times 4$ outputs. The three
# matrices are computed from exact fractions, and the product in the middle is element-wise:
#
# $$y = A^T \big[ (G\, g) \odot (B^T d) \big]$$

# %%
show(winograd.matrices)

# %%
BT, G, AT = winograd.matrices(3)
d = rng.standard_normal(len(BT))
g = rng.standard_normal(3)
y = AT @ ((G @ g) * (BT @ d))
print("through the transforms", y.round(4))
print("the sum itself        ", np.correlate(d, g).round(4))
a = len(BT)
for k, side in ((3, a), (5, len(winograd.matrices(5)[0]))):
    plain = 16 * k * k
    print(f"{k} x {k}, 4 x 4 outputs: {plain} multiplications, or {side * side} through transforms")

# %% [markdown] lang="en"
# ## Faster
#
# Before you speed up anything, find out where the time goes. Guesses about it are often wrong. A
# profile reads a clock before and after each part. Note that the first call of a compiled function
# compiles it, and must not count.
#
# Write it. `clock()` returns the time in seconds; the check supplies its own clock.


# %% tags=["exercise"]
def my_profile(layers, x, clock):
    "Your code: return the seconds that each layer takes on the previous layer's output."
    return None


check("16.3", my_profile)

# %%
# hint("16.3")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_profile(layers, x, clock):
    first = x
    for layer in layers:
        x = layer(x)
    x = first
    seconds = []
    for layer in layers:
        begin = clock()
        x = layer(x)
        seconds.append(clock() - begin)
    return seconds


check("16.3", my_profile)

# %% [markdown] lang="en"
# Here is the profile of a training step, forward and backward, of a small AlexNet-like net: once
# with the NumPy references, once with the compiled kernels.

# %%
layers = {
    "conv 5x5": nn.Conv2d(3, 32, 5, padding=2),
    "relu": nn.ReLU(),
    "lrn": nn.LocalResponseNorm(),
    "max-pool": nn.MaxPool2d(3, 2),
    "conv 3x3": nn.Conv2d(32, 64, 3, padding=1),
    "relu 2": nn.ReLU(),
    "flatten": nn.Flatten(),
    "linear": nn.Linear(64 * 15 * 15, 10),
}
images = tn.tensor(tn.data.Shapes(train=False, seed=0).images[:8] / np.float32(255))


# %%
def there_and_back(layer, given):
    """Return the milliseconds of one layer, forward and backward."""
    gy = np.ones_like(layer(given).data)
    return 1e3 * best(lambda: layer(given).backward(gy), 2)


def step_times():
    """Return the milliseconds of each layer on the previous layer's output."""
    found = {}
    given = images
    for name, layer in layers.items():
        found[name] = there_and_back(layer, given)
        given = tn.Tensor(layer(given).data, requires_grad=True)
    return found


# %%
profiles = {}
for kind in ("reference", "numba"):
    with kernels.use(kind):
        profiles[kind] = step_times()

# %% [markdown] lang="en"
# Predict: which of these layers takes most of the time with the references, and which with the compiled
# kernels? Write two names, such as `("linear", "linear")`.


# %% tags=["predict"]
def slowest_layers():
    print(f"{'':10}" + "".join(f"{kind:>16}" for kind in profiles))
    for name in layers:
        cells = [f"{p[name]:7.2f} ms {p[name] / sum(p.values()):4.0%}" for p in profiles.values()]
        print(f"{name:10}" + "".join(f"{cell:>16}" for cell in cells))
    print(f"{'all':10}" + "".join(f"{sum(p.values()):13.2f} ms" for p in profiles.values()))
    return tuple(max(p, key=p.get) for p in profiles.values())


predict("16.b", ..., slowest_layers)

# %% [markdown] lang="en"
# If a part that takes a fraction $s$ of the time becomes $f$ times faster, the new time is
# $1 - s + s / f$ of the old one. However fast the convolutions become, the rest remains (Amdahl's
# law). So speed up the largest part, then profile again: another layer may now be the largest.

# %%
for kind, found in profiles.items():
    share = sum(ms for name, ms in found.items() if name.startswith("conv")) / sum(found.values())
    print(
        f"{kind:10} convolutions {share:4.0%}; if they took no time: {1 / (1 - share):.1f} x faster"
    )

# %% [markdown] lang="en"
# How fast could a kernel be at most? There are two upper limits, the "roofs": the peak rate of
# arithmetic, and the memory bandwidth. Which of them is lower depends on one ratio, the *arithmetic
# intensity*: operations for each byte that must move. Adding two arrays has an intensity of one
# twelfth of an operation per byte. Our convolution uses every number hundreds of times.
#
# We measure both limits on this machine: memory by copying an array too large for the caches,
# arithmetic by a matrix product of BLAS, which is tuned for that.

# %%
threads = tn.get_num_threads()
big = np.ones(1 << 23, np.float32)
copy = np.empty(1 << 23, np.float32)
parts = np.array_split(np.arange(len(big)), threads)
with ThreadPoolExecutor(threads) as pool:
    slices = [slice(p[0], p[-1] + 1) for p in parts]
    seconds = best(lambda: list(pool.map(lambda s: np.copyto(copy[s], big[s]), slices)))
    bandwidth = 2 * big.nbytes / min(seconds, best(lambda: np.copyto(copy, big), 3)) / 1e9
square = rng.standard_normal((768, 768)).astype(np.float32)
peak = 2 * 768**3 / best(lambda: kernels.matmul(square, square), 15) / 1e9
print(f"{threads} threads: memory {bandwidth:.1f} GB/s, arithmetic {peak:.0f} GFLOP/s")
print(f"they meet at {peak / bandwidth:.0f} operations a byte")

# %% [markdown] lang="en"
# Now all versions of the same convolution, and two other kernels: the momentum update, with few
# operations on much memory, and max-pooling.


# %%
def with_numba(x, weight):
    return kernels.conv2d_forward(x, weight, None, windows)


def on_microkernel(x, weight):
    with conv.direct():
        return with_numba(x, weight)


# %%
y = with_numba(x, weight)
work = operations(y)
bytes_moved = x.nbytes + weight.nbytes + y.nbytes
rungs = {"loops in Python": in_python, "the same in Numba": in_numba}
runs = {"im2col, NumPy": definition, "microkernel": on_microkernel, "Winograd": with_numba}
exact = definition(x.astype(np.float64), weight)
for name, run in runs.items():
    off = np.abs(run(x, weight) - exact).max() / np.abs(exact).max()
    rungs[name] = work / best(lambda run=run: run(x, weight), 4) / 1e9
    print(f"{name:18} {rungs[name]:8.2f} GFLOP/s, off by {off:.0e} of the largest output")

w, grad, v = (np.zeros(1 << 22, np.float32) for _ in range(3))

# %%
update = best(lambda: kernels.momentum_update([w], [grad], [v], 0.01, 0.9, 5e-4, False, "paper"), 3)
maps = rng.standard_normal((32, 32, 32, 64)).astype(np.float32)
maps = maps.transpose(0, 3, 1, 2)  # channels last in memory, as a convolution leaves them
setting = kernels.Geometry.of(3, stride=2), False
pooled = kernels.max_pool2d_forward(maps, *setting)
pooling = best(lambda: kernels.max_pool2d_forward(maps, *setting), 3)
others = {  # operations, bytes, seconds
    "momentum update": (6 * w.size, 5 * w.nbytes, update),
    "max-pool 3/2": (9 * pooled[0].size, maps.nbytes + sum(p.nbytes for p in pooled), pooling),
}
for name, (ops, moved, seconds) in others.items():
    print(f"{name:18} {ops / seconds / 1e9:8.2f} GFLOP/s, {moved / seconds / 1e9:.1f} GB/s")

# %%
fig, ax = plt.subplots(figsize=(7.6, 5.4), layout="constrained")
intensity = work / bytes_moved
peak = max(peak, rungs["microkernel"])  # the fastest measured product is the roof
reach = np.geomspace(0.05, intensity, 200)
ax.plot(reach, np.minimum(peak, bandwidth * reach), color="black", linewidth=2)
ax.text(0.06, bandwidth * 0.06 * 1.5, f"memory, {bandwidth:.0f} GB/s", rotation=38, fontsize=9)
ax.text(peak / bandwidth * 1.2, peak * 1.25, f"arithmetic, {peak:.0f} GFLOP/s", fontsize=9)
looks = dict(zip(rungs, "vD^so", strict=True))
ax.plot([intensity] * len(rungs), list(rungs.values()), color="#0072B2", linewidth=1)
low = 0.0
for name, rate in sorted(rungs.items(), key=lambda rung: rung[1]):
    ax.plot(intensity, rate, looks[name], color="#0072B2", markersize=8)
    low = max(rate, 1.8 * low)  # keep neighbouring labels apart
    ax.annotate(
        f"{name} {rate:.3g}", (intensity, low), (10, -3), fontsize=9, textcoords="offset points"
    )
places = (0.1, 0.34), (0.3, 0.42)
for (name, (ops, moved, seconds)), place in zip(others.items(), places, strict=True):
    star = ops / moved, ops / seconds / 1e9
    ax.plot(*star, "*", color="#D55E00", markersize=11)
    ax.annotate(
        name,
        star,
        place,
        fontsize=9,
        textcoords="axes fraction",
        arrowprops={"arrowstyle": "-", "color": "#D55E00", "relpos": (0, 1)},
    )
ax.set(xscale="log", yscale="log", xlabel="operations for each byte that must move")
slowest = min(rungs, key=rungs.get)
fastest = max(rungs, key=rungs.get)
climb = rungs[fastest] / rungs[slowest]
ax.set(ylabel="GFLOP/s")
climb = float(f"{climb:.1g}")  # more digits are not significant
ax.set_title(f"One convolution: {fastest} is {climb:,.0f} times as fast as {slowest}", fontsize=11)
ax.set(xlim=(0.04, 40 * intensity), ylim=(min(rungs.values()) / 3, 5 * max(peak, *rungs.values())))
ax.grid(visible=True, color="#e4e4e4")
ax.spines[["top", "right"]].set_visible(False)
figure(
    fig,
    f"Roofline of this machine, both axes logarithmic: memory {bandwidth:.0f} GB/s, arithmetic "
    f"{peak:.0f} GFLOP/s. One convolution at {intensity:.0f} operations a byte: "
    + ", ".join(f"{name} {rate:.3g} GFLOP/s" for name, rate in rungs.items())
    + ". Under the slope of memory: "
    + ", ".join(f"{n} {o / s / 1e9:.1f} GFLOP/s" for n, (o, _, s) in others.items())
    + ".",
)

# %% [markdown] lang="en"
# How to read the figure: all points on the blue line compute the same outputs, so they have the
# same intensity; only the speed differs. The orange stars lie to the left, where memory bandwidth
# is the lower limit: faster multiplication would not help them, fewer passes over memory would.
# That is why the library fuses a ReLU with the convolution before it, instead of giving it a
# separate pass.
#
# Winograd may be above the arithmetic limit without a contradiction: we count the multiplications
# of the definition, and it does fewer.
#
# The result depends on the conditions: other programs on your machine move every point, and a
# laptop that gets warm slows down. The order of the points is the result, the third digit is not.

# %% [markdown] lang="en"
# ## Break
#
# Fewer multiplications cost accuracy. The transforms add and subtract numbers of different sizes,
# which increases the rounding error. In float32 it is small enough for training. What happens in
# float16, which has only 11 bits?

# %%
tiles = rng.standard_normal((400, len(BT)))
filters = rng.standard_normal((400, 3))
exact = np.array([np.correlate(d, g) for d, g in zip(tiles, filters, strict=True)])


def errors_in(kind):
    """Return the relative errors of the plain sums and of Winograd's, everything stored in `kind`."""
    d, g, bt, gg, at = (m.astype(kind) for m in (tiles, filters, BT, G, AT))
    plain = sum(d[:, q : q + 4] * g[:, q : q + 1] for q in range(3))
    short = ((g @ gg.T) * (d @ bt.T)) @ at.T
    return [np.abs(found - exact).max() / np.abs(exact).max() for found in (plain, short)]


# %%
for kind in (np.float32, np.float16):
    plain, short = errors_in(kind)
    print(
        f"{np.dtype(kind).name}: plain {plain:.0e}, Winograd {short:.0e}, {short / plain:.0f} x more"
    )

# %% [markdown] lang="en"
# The loss is a few digits in each type, but float16 has only three to lose. So the tolerance of a
# kernel check must be justified: `tn.testing.tolerance` derives it from the number of terms and the
# type, and Winograd's kernel states its own.
#
# One more mistake is common and expensive: an array of float64, for example from `np.empty(shape)`.
# The results are right, and there is no warning. What does it cost?

# %%
double = best(lambda: with_numba(x.astype(np.float64), weight.astype(np.float64)), 1)
single = work / rungs["Winograd"] / 1e9
print(
    f"float32 {1e3 * single:.1f} ms, float64 {1e3 * double:.1f} ms: {double / single:.0f} x as long"
)

# %% [markdown] lang="en"
# The compiled kernels are written for float32; float64 uses the readable reference, which is also
# what the gradient checks use. `tinynet info --kernels` lists the fallbacks and the reasons.
#
# | | |
# |---|---|
# | in the paper | two GTX 580 GPUs, five to six days, and "a highly-optimized GPU implementation of 2D convolution" (section 1) |
# | in the code of 2012 | direct convolution in hand-written CUDA (cuda-convnet), no im2col; other kernels for 3 input channels than for many |
# | here | direct convolution on a microkernel of Numba, and Winograd's algorithm for 3 x 3 and 5 x 5 (Lavin and Gray, 2015: three years after the paper) |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** A step spends 80 % of its time in convolutions. You make them 4 times as fast. How much
# faster is the step?
#
# <details><summary>Answer</summary>
# It takes 0.2 + 0.8 / 4 = 0.4 of the time, so it is 2.5 times as fast. With convolutions that cost
# nothing it would be 5 times.
# </details>
#
# **2.** A microkernel keeps 5 pixels x 2 registers of sums. Why not 20 x 20, with far fewer loads?
#
# <details><summary>Answer</summary>
# The sums must stay in registers, of which there are 16 or 32. The others are written to memory and
# read again for each k, which the block is meant to avoid.
# </details>
#
# **3.** F(2, 3) takes 4 multiplications instead of 6. How many does it take in two dimensions, for
# 2 x 2 outputs of a 3 x 3 filter?
#
# <details><summary>Answer</summary>
# 4 x 4 = 16 instead of 4 x 9 = 36: the saving is squared, 2.25 times fewer.
# </details>
