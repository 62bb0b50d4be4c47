# %% [markdown] lang="en"
# # 16 Fast in Python
#
# | | |
# |---|---|
# | goal | Climb from loops in Python to a kernel near the machine's peak, and then multiply less. |
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
from tinynet.lessons import check, figure, hint, show, solution

# %% [markdown] lang="en"
# ## Build
#
# Nearly all the time of AlexNet goes into one sentence: multiply two numbers, add the product to
# a sum. The speed of a convolution is how many of these a second can hold. We count each as two
# operations, one multiplication and one addition, and call a billion operations a second one
# GFLOP/s.
#
# Our subject is the third convolution of the small AlexNet: 128 channels in, 192 out, $3 \times 3$
# filters, $8 \times 8$ pixels. Here it is as its definition reads, number by number:
#
# $$y[n, o, i, j] = \sum_{c, p, q} w[o, c, p, q]\; x[n, c, i + p, j + q]$$

# %%
N, C, O, S, K = 16, 128, 192, 8, 3
rng = np.random.default_rng(0)
x = rng.standard_normal((N, C, S, S)).astype(np.float32)
weight = rng.standard_normal((O, C, K, K)).astype(np.float32)
framed = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))  # a border of zeros, so that S stays S


def loops(framed, weight, y):
    """Write y (N, O, S, S)."""
    N, O, H, W = y.shape
    C, K = weight.shape[1], weight.shape[2]
    for n in range(N):
        for o in range(O):
            for i in range(H):
                for j in range(W):
                    total = np.float32(0)
                    for c in range(C):
                        for p in range(K):
                            for q in range(K):
                                total += weight[o, c, p, q] * framed[n, c, i + p, j + q]
                    y[n, o, i, j] = total


def operations(y):
    """Return how many operations these outputs take."""
    return 2 * C * K * K * y.size


few = np.empty((1, 1, 2, 2), np.float32)  # four outputs: Python would take minutes for all
begin = time.perf_counter()
loops(framed, weight, few)
in_python = operations(few) / (time.perf_counter() - begin) / 1e9
print(f"loops in Python: {in_python:.4f} GFLOP/s")
print(f"all {N} images would take {operations(np.empty((N, O, S, S))) / in_python / 1e9:.0f} s")

# %% [markdown] lang="en"
# Where does the time go? Not into multiplying. For each product Python looks up what `*` means
# for these two objects, makes a new object for the result, and throws it away.
#
# **Numba** removes exactly that. It reads the function when it is first called, with the types that
# the arguments have at that moment, and compiles machine code for them. The loops stay as they are.
# Predict: how many times faster is the same text?

# %%
compiled = njit(loops)
some = np.empty((1, O, S, S), np.float32)
compiled(framed, weight, some)  # the first call compiles


def best(run, rounds=5):
    """Return the shortest of a few times: noise only ever adds."""
    run()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


in_numba = operations(some) / best(lambda: compiled(framed, weight, some), 3) / 1e9
print(f"the same loops in Numba: {in_numba:.2f} GFLOP/s, {in_numba / in_python:.0f} times as fast")

# %% [markdown] lang="en"
# Now write one. Rules of the game: loops and numbers only, no calls of NumPy inside (each would
# make an array), and the result gets the type of the input.


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
    OH, OW = (H - k) // s + 1, (W - k) // s + 1
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
# The compiled convolution still wastes most of the machine, for two reasons.
#
# 1. **One number at a time.** A register of this processor holds several floats, and one
#    instruction multiplies and adds them all. Here the additions of one sum wait for each other.
# 2. **Two loads for one multiply-add.** Each product fetches a weight and a pixel. A core can
#    multiply faster than it can fetch.
#
# The remedy for both is one idea: compute a *block* of sums together. Take $P$ pixels and $V$
# registers full of output channels. For each $k$ (a tap and an input channel) load $V$ registers
# of weights and $P$ pixels, and use each loaded number many times:
#
# $$y[p, v] \mathrel{+}= x[p] \cdot w[v] \qquad P \cdot V \text{ multiply-adds for } P + V
# \text{ loads}$$
#
# All $P \cdot V$ sums must stay in registers. That is the whole secret of a *microkernel*.

# %%
block = winograd.host_shape()
print(f"here: {block.lanes} floats a register, {block.pixels} pixels x {block.vectors} registers")
for P, V in ((1, 1), (2, 2), (block.pixels, block.vectors)):
    print(f"P = {P}, V = {V}: {(P + V) / (P * V):.2f} loads for a multiply-add of a register")

# %% [markdown] lang="en"
# And once multiplying is all that is left, one can multiply less. Slide a filter of 3 numbers over
# 4, for two outputs:
#
# $$y_0 = d_0 g_0 + d_1 g_1 + d_2 g_2 \qquad y_1 = d_1 g_0 + d_2 g_1 + d_3 g_2$$
#
# Six multiplications. Winograd (1980) needs four, because the two sums have so much in common:
#
# $$m_1 = (d_0 - d_2)\, g_0 \quad
# m_2 = (d_1 + d_2)\, \tfrac{g_0 + g_1 + g_2}{2} \quad
# m_3 = (d_2 - d_1)\, \tfrac{g_0 - g_1 + g_2}{2} \quad
# m_4 = (d_1 - d_3)\, g_2$$
#
# A filter meets thousands of pixels, so what is done to $g$ alone is done once and costs nothing.
# Which sums of $m_1 \dots m_4$ are $y_0$ and $y_1$? Take a pencil. The check counts
# multiplications: it hands you numbers that keep a tally.


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
# A fast kernel that is wrong is of no use, and loops are where one is wrong by one. So nothing is
# timed here that was not judged first. `check_kernel` holds a function against its definition, with
# odd memory orders and read-only inputs; it takes float64 as the truth.


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
# The library's fast convolution. It chooses between two ways, and says nowhere how to multiply:
# both end in the same microkernel.

# %%
show(conv.fast_forward)

# %% [markdown] lang="en"
# The microkernel itself, `tinynet/kernels/codegen/microkernel.py`, is a hundred lines that are worth an
# hour. Numba lets a function be written in the instructions of LLVM, its compiler, so the block of
# sums above is said exactly: these registers, this order. Nothing is left to luck.
#
# Winograd's way goes further than yours: tiles of $4 \times 4$ outputs. The three matrices come from
# exact fractions, and the product in the middle is taken point by point:
#
# $$y = A^T \big[ (G\, g) \odot (B^T d) \big]$$

# %%
show(winograd.matrices)

# %%
BT, G, AT = winograd.matrices(3)
d, g = rng.standard_normal(len(BT)), rng.standard_normal(3)
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
# Before you speed up anything, find out where the time goes. Feelings about it are wrong more often
# than right. A profile is a clock read before and after each part. One trap: the first call of a
# compiled function compiles it, and must not count.
#
# Write it. `clock()` returns the time in seconds; the check brings a clock of its own.


# %% tags=["exercise"]
def my_profile(layers, x, clock):
    "Your code: return the seconds that each layer takes on the output of the one before."
    return None


check("16.3", my_profile)

# %%
# hint("16.3")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_profile(layers, x, clock):
    first = x
    for layer in layers:
        x = layer(x)
    x, seconds = first, []
    for layer in layers:
        begin = clock()
        x = layer(x)
        seconds.append(clock() - begin)
    return seconds


check("16.3", my_profile)

# %% [markdown] lang="en"
# Here is the profile of a training step, forward and backward, of a small net in AlexNet's manner:
# once with the NumPy references, once with the compiled kernels. Predict: which layer takes most
# of the time in each column?

# %%
layers = {
    "conv 5x5": nn.Conv2d(3, 32, 5, padding=2), "relu": nn.ReLU(), "lrn": nn.LocalResponseNorm(),
    "max-pool": nn.MaxPool2d(3, 2), "conv 3x3": nn.Conv2d(32, 64, 3, padding=1),
    "relu 2": nn.ReLU(), "flatten": nn.Flatten(), "linear": nn.Linear(64 * 15 * 15, 10),
}  # fmt: skip
images = tn.tensor(tn.data.Shapes(train=False, seed=0).images[:8] / np.float32(255))


def there_and_back(layer, given):
    """Return the milliseconds of one layer, forward and backward."""
    gy = np.ones_like(layer(given).data)
    return 1e3 * best(lambda: layer(given).backward(gy), 2)


def step_times():
    """Return the milliseconds of each layer on the output of the one before."""
    found, given = {}, images
    for name, layer in layers.items():
        found[name] = there_and_back(layer, given)
        given = tn.Tensor(layer(given).data, requires_grad=True)
    return found


profiles = {}
for kind in ("reference", "numba"):
    with kernels.use(kind):
        profiles[kind] = step_times()
print(f"{'':10}" + "".join(f"{kind:>16}" for kind in profiles))
for name in layers:
    cells = [f"{p[name]:7.2f} ms {p[name] / sum(p.values()):4.0%}" for p in profiles.values()]
    print(f"{name:10}" + "".join(f"{cell:>16}" for cell in cells))
print(f"{'all':10}" + "".join(f"{sum(p.values()):13.2f} ms" for p in profiles.values()))

# %% [markdown] lang="en"
# A part that takes a share $s$ of the time and becomes $f$ times faster leaves $1 - s + s / f$ of it.
# However fast the convolutions become, the rest remains (Amdahl's law). So one speeds up the largest
# share, looks again, and finds another layer on top.

# %%
for kind, found in profiles.items():
    share = sum(ms for name, ms in found.items() if name.startswith("conv")) / sum(found.values())
    print(
        f"{kind:10} convolutions {share:4.0%}; if they took no time: {1 / (1 - share):.1f} x faster"
    )

# %% [markdown] lang="en"
# How fast could a kernel be at all? Two roofs hang over it. It cannot multiply faster than the
# registers allow, and it cannot work on numbers that memory has not delivered. Which roof is lower
# depends on one ratio, the *intensity*: operations for each byte that must move. Adding two arrays
# has a twelfth of an operation a byte. Our convolution uses every number hundreds of times.
#
# We measure both roofs on this machine, now: memory by copying an array too large for the caches,
# arithmetic by a matrix product of BLAS, which is tuned for nothing else.

# %%
threads = tn.get_num_threads()
big, copy = np.ones(1 << 23, np.float32), np.empty(1 << 23, np.float32)
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
# Now every rung of the ladder, each for the same convolution, and two kernels of another kind: the
# momentum update, which does little to much memory, and max-pooling.


# %%
def with_numba(x, weight):
    return kernels.conv2d_forward(x, weight, None, windows)


def on_microkernel(x, weight):
    with conv.direct():
        return with_numba(x, weight)


y = with_numba(x, weight)
work, bytes_moved = operations(y), x.nbytes + weight.nbytes + y.nbytes
rungs = {"loops in Python": in_python, "the same in Numba": in_numba}
runs = {"im2col, NumPy": definition, "microkernel": on_microkernel, "Winograd": with_numba}
exact = definition(x.astype(np.float64), weight)
for name, run in runs.items():
    off = np.abs(run(x, weight) - exact).max() / np.abs(exact).max()
    rungs[name] = work / best(lambda run=run: run(x, weight), 4) / 1e9
    print(f"{name:18} {rungs[name]:8.2f} GFLOP/s, off by {off:.0e} of the largest output")

w, grad, v = (np.zeros(1 << 22, np.float32) for _ in range(3))
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
peak = max(peak, rungs["microkernel"])  # the fastest plain product that was seen is the roof
reach = np.geomspace(0.05, intensity, 200)
ax.plot(reach, np.minimum(peak, bandwidth * reach), color="black", linewidth=2)
ax.text(0.06, bandwidth * 0.06 * 1.5, f"memory, {bandwidth:.0f} GB/s", rotation=38, fontsize=9)
ax.text(peak / bandwidth * 1.2, peak * 1.25, f"arithmetic, {peak:.0f} GFLOP/s", fontsize=9)
looks = dict(zip(rungs, "vD^so", strict=True))
ax.plot([intensity] * len(rungs), list(rungs.values()), color="#0072B2", linewidth=1)
low = 0.0
for name, rate in sorted(rungs.items(), key=lambda rung: rung[1]):
    ax.plot(intensity, rate, looks[name], color="#0072B2", markersize=8)
    low = max(rate, 1.8 * low)  # labels of neighbours keep their distance
    ax.annotate(f"{name} {rate:.3g}", (intensity, low), (10, -3), fontsize=9,
                textcoords="offset points")  # fmt: skip
places = (0.1, 0.34), (0.3, 0.42)
for (name, (ops, moved, seconds)), place in zip(others.items(), places, strict=True):
    star = ops / moved, ops / seconds / 1e9
    ax.plot(*star, "*", color="#D55E00", markersize=11)
    ax.annotate(name, star, place, fontsize=9, textcoords="axes fraction",
                arrowprops={"arrowstyle": "-", "color": "#D55E00", "relpos": (0, 1)})  # fmt: skip
ax.set(xscale="log", yscale="log", xlabel="operations for each byte that must move")
slowest, fastest = min(rungs, key=rungs.get), max(rungs, key=rungs.get)
climb = rungs[fastest] / rungs[slowest]
ax.set(ylabel="GFLOP/s")
climb = float(f"{climb:.1g}")  # more digits would say nothing
ax.set_title(f"One convolution: {fastest} is {climb:,.0f} times as fast as {slowest}", fontsize=11)
ax.set(xlim=(0.04, 40 * intensity), ylim=(min(rungs.values()) / 3, 5 * max(peak, *rungs.values())))
ax.grid(visible=True, color="#e4e4e4")
ax.spines[["top", "right"]].set_visible(False)
figure(
    fig,
    f"Roofline of this machine, both axes logarithmic: memory {bandwidth:.0f} GB/s, arithmetic "
    f"{peak:.0f} GFLOP/s. One convolution at {intensity:.0f} operations a byte climbs: "
    + ", ".join(f"{name} {rate:.3g} GFLOP/s" for name, rate in rungs.items())
    + ". Under the slope of memory: "
    + ", ".join(f"{n} {o / s / 1e9:.1f} GFLOP/s" for n, (o, _, s) in others.items())
    + ".",
)

# %% [markdown] lang="en"
# Read it like this. Everything on the blue line computes the same outputs, so it stands over the
# same intensity; only the speed differs. The orange stars lie to the left, where the slope of
# memory is the lower roof: a better multiplication would not help them, fewer passes over memory
# would. That is why the library lets a ReLU come along with a convolution instead of giving it a
# pass of its own.
#
# Winograd may stand above the roof, and no law is broken: we count the multiplications of the
# definition, and it does not do them. Its rungs are named after the work that was asked for.
#
# What a small run cannot show: other programs on your machine move every point, and a laptop
# that grows warm slows down. The order of the rungs is the result, the third digit is not.

# %% [markdown] lang="en"
# ## Break
#
# Fewer multiplications have a price. The transforms add and subtract numbers of different sizes, and
# what is lost in the last digit stays lost. In float32 it is small enough for training. Predict:
# what happens in float16, where only 11 bits are kept?

# %%
tiles = rng.standard_normal((400, len(BT)))
filters = rng.standard_normal((400, 3))
exact = np.array([np.correlate(d, g) for d, g in zip(tiles, filters, strict=True)])


def errors_in(kind):
    """Return the relative errors of the plain sums and of Winograd's, everything kept in `kind`."""
    d, g, bt, gg, at = (m.astype(kind) for m in (tiles, filters, BT, G, AT))
    plain = sum(d[:, q : q + 4] * g[:, q : q + 1] for q in range(3))
    short = ((g @ gg.T) * (d @ bt.T)) @ at.T
    return [np.abs(found - exact).max() / np.abs(exact).max() for found in (plain, short)]


for kind in (np.float32, np.float16):
    plain, short = errors_in(kind)
    print(
        f"{np.dtype(kind).name}: plain {plain:.0e}, Winograd {short:.0e}, {short / plain:.0f} x more"
    )

# %% [markdown] lang="en"
# The loss is a few digits in each type, but float16 has only three to lose. So the judge of a fast kernel
# needs a tolerance with a reason: `tn.testing.tolerance` derives it from the number of terms and the
# type, and Winograd's kernel states its own.
#
# One more break, the most expensive in daily life. An array of float64 slips in, say because
# somebody wrote `np.empty(shape)`. Nothing is wrong, nothing warns. Predict what it costs.

# %%
double = best(lambda: with_numba(x.astype(np.float64), weight.astype(np.float64)), 1)
single = work / rungs["Winograd"] / 1e9
print(
    f"float32 {1e3 * single:.1f} ms, float64 {1e3 * double:.1f} ms: {double / single:.0f} x as long"
)

# %% [markdown] lang="en"
# The compiled kernels are written for float32; float64 takes the readable reference, which is what
# the gradient checks want. `tinynet info --kernels` lists what falls back, and why.
#
# | | |
# |---|---|
# | in the paper | two GTX 580 GPUs, five to six days, and "a highly-optimized GPU implementation of 2D convolution" (section 1) |
# | in the code of 2012 | direct convolution in hand-written CUDA (cuda-convnet), no im2col; other kernels for 3 input channels than for many |
# | here | direct convolution on a microkernel of Numba, and Winograd's way for 3 x 3 and 5 x 5 (Lavin and Gray, 2015: three years after the paper) |

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
# The sums must stay in registers, of which there are 16 or 32. What does not fit is written to
# memory and read again for each k, which is what the block was to avoid.
# </details>
#
# **3.** F(2, 3) takes 4 multiplications instead of 6. How many does it take in two dimensions, for
# 2 x 2 outputs of a 3 x 3 filter?
#
# <details><summary>Answer</summary>
# 4 x 4 = 16 instead of 4 x 9 = 36: the saving is squared, 2.25 times fewer.
# </details>
