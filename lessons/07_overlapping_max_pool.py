# %% [markdown] lang="en"
# # 07 Max-pooling with windows that overlap
#
# | | |
# |---|---|
# | goal | Write max-pooling forward and backward, and see the effect of overlap and ties on the gradient. |
# | time | 40 minutes |
# | runs | under 10 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; no network, no download; CIFAR-10 is used if present |
# | before | 05 Convolution by hand: windows, strides and output sizes |

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet import functions as F
from tinynet import kernels, lessons
from tinynet.lessons import check, figure, hint, move, pictures, predict, show, solution

# %% [markdown] lang="en"
# ## Build
#
# The output of a convolution shows *where* an edge is. To recognise a disc we rarely need that
# position to the pixel. Max-pooling keeps the largest value of each window and discards its
# position in the window:
#
# $$y[n, c, i, j] = \max_{0 \le p, q < k}\; x[n, c,\; s\,i + p,\; s\,j + q]$$
#
# The window has $k \times k$ pixels, and the next one begins $s$ pixels further. Before AlexNet the
# usual choice was $s = k$, windows side by side. AlexNet takes $k = 3$ and $s = 2$, so neighbours
# share a row or a column (paper, section 3.4). The figure shows the windows.


# %%
def draw_window(i, j, k=3, s=2, side=7):
    """Draw the window of the output (i, j) over a small image, and how often pixels are used."""
    used = np.zeros((side, side))
    for a in range((side - k) // s + 1):
        for b in range((side - k) // s + 1):
            used[s * a : s * a + k, s * b : s * b + k] += 1
    fig, ax = plt.subplots(figsize=(4.4, 4.4), layout="constrained")
    ax.imshow(used, cmap="Greys", vmin=0, vmax=8)
    for h, w in np.ndindex(side, side):
        ax.text(w, h, f"{used[h, w]:.0f}", ha="center", va="center", fontsize=11)
    corner = s * j - 0.5, s * i - 0.5
    frame = plt.Rectangle(corner, k, k, fill=False, edgecolor="#D55E00", linewidth=4, clip_on=False)
    ax.add_patch(frame).set_zorder(3)
    ax.set(xticks=range(side), yticks=range(side), xlabel="w", ylabel="h")
    shared = int((used[s * i : s * i + k, s * j : s * j + k] > 1).sum())
    ax.set_title(
        f"window of y[{i}, {j}]: it shares {shared} of its {k * k} pixels\n"
        "number: in how many windows a pixel lies",
        fontsize=10,
    )
    alt = (
        f"A {side} x {side} image. A frame marks rows {s * i} to {s * i + k - 1} and columns "
        f"{s * j} to {s * j + k - 1}. Each pixel holds the number of windows it lies in, "
        f"from {used.min():.0f} to {used.max():.0f}; {shared} of the {k * k} in the frame lie in "
        "more than one."
    )
    return fig, alt


# %%
move(draw_window, i=range(3), j=range(3))

# %% [markdown] lang="en"
# A pixel lies in one, two or four windows, as the numbers above show. Remember this: backward has
# to add up the gradients of these windows.
#
# First forward. Two loops over the output are enough; NumPy handles all images and channels at
# once. Return an array with the dtype of `x`: a layer between float32 layers must not return
# float64.


# %% tags=["exercise"]
def my_max_pool(x, k, s):
    "Your code: x is (N, C, H, W); return the maxima of its windows as (N, C, OH, OW)."
    return None


check("07.1", my_max_pool)

# %%
# hint("07.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_max_pool(x, k, s):
    N, C, H, W = x.shape
    OH = (H - k) // s + 1
    OW = (W - k) // s + 1
    y = np.empty((N, C, OH, OW), x.dtype)
    for i in range(OH):
        for j in range(OW):
            y[:, :, i, j] = x[:, :, s * i : s * i + k, s * j : s * j + k].max(axis=(2, 3))
    return y


check("07.1", my_max_pool)

# %% [markdown] lang="en"
# Now backward. Which pixel does $y[i, j]$ depend on? Only on the maximum of its window, the
# "winner": a small change of any other pixel does not change the maximum. So all of $gy[i, j]$ goes
# to the winner and nothing to the others:
#
# $$gx[n, c, h, w] = \sum_{(i, j)\ \text{won by}\ (h, w)} gy[n, c, i, j]$$
#
# Note two special cases. A pixel may win several windows, hence the sum. And two pixels may be
# equal: we give the gradient to the first in row-major order, as PyTorch and Caffe do.
#
# Predict: the image has three rows, 1 0 9 0 1 and two of zeros. $k = 3$, $s = 2$ give two windows.
# If $gy = (2, 5)$, what is the first row of $gx$? Write five numbers in place of the dots, such as
# (1, 2, 3, 4, 5), then run the cell: it shows the truth only after a guess.


# %% tags=["predict"]
def first_row():
    image = np.zeros((1, 1, 3, 5))
    image[0, 0, 0] = 1, 0, 9, 0, 1
    leaf = tn.tensor(image, requires_grad=True)
    F.max_pool2d(leaf, 3, 2).backward(np.array([[[[2.0, 5.0]]]]))
    print(leaf.grad[0, 0])
    return tuple(leaf.grad[0, 0, 0])


predict("07.a", ..., first_row)

# %% [markdown] lang="en"
# The 9 lies in both windows and wins both, so it gets the sum. Now write it for any image.


# %% tags=["exercise"]
def my_max_pool_backward(gy, x, k, s):
    "Your code: every window's gradient goes to its first maximum; return gx (N, C, H, W)."
    return None


check("07.2", my_max_pool_backward)

# %%
# hint("07.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_max_pool_backward(gy, x, k, s):
    N, C, OH, OW = gy.shape
    n, c = np.ogrid[:N, :C]
    gx = np.zeros_like(x)
    for i in range(OH):
        for j in range(OW):
            window = x[:, :, s * i : s * i + k, s * j : s * j + k]
            winner = window.reshape(N, C, k * k).argmax(axis=2)
            gx[n, c, s * i + winner // k, s * j + winner % k] += gy[:, :, i, j]
    return gx


check("07.2", my_max_pool_backward)

# %% [markdown] lang="en"
# ## Judge
#
# A check compares with known answers. A judge needs no answers: it changes $x$ a little in a random
# direction and compares the slope with backward. These judges test every op of the library.
#
# The cell uses `F.max_pool2d`, so that it runs before you have solved the exercises. To test your
# own pool, remove the "#" from the last lines: a `tn.Function` combines a forward with its
# backward.

# %%
x = np.random.default_rng(0).standard_normal((2, 3, 7, 6))
tn.testing.check_gradient(lambda x: F.max_pool2d(x, 3, 2), x)

# %%
print("the gradient of max_pool2d is the slope of max_pool2d")

# class MyPool(tn.Function):
#     def forward(self, x):
#         self.saved = (x,)
#         return my_max_pool(x, 3, 2)
#
#     def backward(self, gy):
#         return my_max_pool_backward(gy, *self.saved, 3, 2)
#
# tn.testing.check_gradient(lambda x: MyPool()(x), x)
# print("and so is yours")

# %% [markdown] lang="en"
# What does the judge say where two pixels are equal? There the maximum has a kink: the slopes on
# the two sides differ. There is no derivative, and the judge refuses.

# %%
try:
    tn.testing.check_gradient(lambda x: F.max_pool2d(x, 3, 2), np.ones((1, 1, 3, 3)))
except ValueError as refusal:
    print(refusal)

# %% [markdown] lang="en"
# ## Meet
#
# This is the library's backward, read from its source as you run the cell.

# %%
show(kernels.max_pool2d_backward)

# %% [markdown] lang="en"
# Compare it with yours.
#
# 1. It does not use `x`. Forward stored each position of a maximum, `argmax`, as a number
#    $p \cdot KW + q$ in one byte.
#    Keeping `x` would cost four bytes for each of its pixels.
# 2. It loops over the $k \cdot k$ positions in a window, not over the windows: 9 iterations for
#    AlexNet's pools, whatever the size of the image.
# 3. It has the same `+=`, and for the same reason.

# %% [markdown] lang="en"
# What is the benefit of overlap? Shift an image by one pixel and measure how much the pooled
# features change. The object is the same, so good features should hardly change.
#
# We compute edges (two Sobel filters and their negatives, then a ReLU), pool them in three ways
# that all halve the size, and shift the image. Which of the three will change least, and which most?

# %%
edge = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32) / 24
weight = np.stack([edge, edge.T, -edge, -edge.T])[:, None].repeat(3, axis=1)
_, test = pictures(train=0, test=200)
seen = test.images / np.float32(255)
ways = {"every second pixel": 1, "2 x 2 windows": 2, "3 x 3 windows": 3}


def features(pixels, k):
    """Return edges, pooled by k x k windows every 2 pixels, at 10 x 10 positions."""
    edges = F.relu(F.conv2d(tn.tensor(pixels), tn.tensor(weight)))
    return F.max_pool2d(edges, k, 2).numpy()[:, :, :10, :10]


# %%
shifts = range(5)
change = {}
for name, k in ways.items():
    still = features(seen[..., :24, :24], k)
    moved = [features(seen[..., :24, d : 24 + d], k) for d in shifts]
    change[name] = [float(np.linalg.norm(m - still) / np.linalg.norm(still)) for m in moved]
    print(f"{name:20}", *(f"{c:6.2f}" for c in change[name]))

# %%
fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
looks = {"every second pixel": ("#767676", ":", "^"), "2 x 2 windows": ("#0072B2", "--", "o")}
looks["3 x 3 windows"] = ("#D55E00", "-", "s")
for name, (color, dash, marker) in looks.items():
    ax.plot(shifts, change[name], color=color, linestyle=dash, marker=marker, label=name)
ax.set(xlabel="shift of the picture (pixels)", ylabel="relative change of the features")
ax.set(xticks=list(shifts), ylim=(0, None))
by_mean = sorted(change, key=lambda name: np.mean(change[name]))
ax.set_title(f"A shift changes {by_mean[0]} least, {by_mean[-1]} most", fontsize=11)
ax.grid(visible=True, color="#e4e4e4")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
figure(
    fig,
    "How much pooled edge features change when the picture moves. After one pixel: "
    + ", ".join(f"{name} {values[1]:.2f}" for name, values in change.items())
    + f"; after {shifts[-1]} pixels: "
    + ", ".join(f"{name} {values[-1]:.2f}" for name, values in change.items())
    + f". On average {by_mean[0]} change least.",
)

# %% [markdown] lang="en"
# The shift changes the overlapping windows least: they are larger, and neighbours share pixels.
# Pictures that differ by a shift of one pixel give more similar inputs to the next layer. Is that
# why such nets "find it slightly more difficult to overfit", as the paper observes (section 3.4)?
#
# `tinynet claims run overlap` trains two small nets that differ only in their pooling windows on the
# same 5,000 photographs of CIFAR-10, with five seeds. Errors in percent, mean and 95 % interval:
#
# | | 5,000 training pictures | 10,000 test pictures | gap |
# |---|---|---|---|
# | 2 x 2 every 2 | 14.1 ± 1.9 | 48.0 ± 0.9 | 33.9 ± 1.3 |
# | 3 x 3 every 2 | 19.7 ± 2.0 | 45.9 ± 1.2 | 26.2 ± 1.6 |
#
# The gap is smaller with overlap, in every seed. Does this answer the question? Decide before you
# read on.
#
# It does not. Look at the first column: the nets with overlap fit their own pictures less, and a
# net that fits less overfits less. Gaps can be compared only between nets that fit the training set
# equally well. The test error needs no such condition. With overlap it is lower, in every seed, by
# 2.1 points (95 % interval 1.5 to 2.7). So yes, here overlap helps with unknown pictures. The table
# does not show why: a window of 3 x 3 overlaps *and* is larger. On the photographs of ImageNet the
# paper found 0.4 and 0.3 points, top-1 and top-5.

# %% [markdown] lang="en"
# ## Faster
#
# The same kernel has other implementations. The reference is the definition; the others must agree
# with it. How many times faster is a compiled loop than NumPy?


# %%
def milliseconds(run, rounds=5):
    """Return the best time of a few rounds, after one that does not count."""
    run()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - started))
    return min(times)


# %%
images = np.random.default_rng(0).standard_normal((32, 16, 27, 27)).astype(np.float32)
windows = kernels.Geometry.of(3, stride=2)
taken = {}
for kind in ("reference", "numba"):
    with kernels.use(kind):
        taken[kind] = milliseconds(lambda: kernels.max_pool2d_forward(images, windows, False))
        print(f"{lessons.kernel_name(kind):10} {taken[kind]:7.2f} ms")
print(f"here, the compiled loop is {taken['reference'] / taken['numba']:.0f} times as fast")

# %% [markdown] lang="en"
# ## Break
#
# The most common bug of an overlapping pool is one character: `=` instead of `+=`. Here it is.
# Predict with which windows a test will find it: 2 x 2 every 2, 3 x 3 every 3, 3 x 3 every 2. Write three
# answers, such as `(True, True, True)`.


# %%
def overwriting(gy, x, k, s):
    gx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(gy.shape):
        window = x[n, c, s * i : s * i + k, s * j : s * j + k]
        p, q = divmod(int(window.argmax()), k)
        gx[n, c, s * i + p, s * j + q] = gy[n, c, i, j]
    return gx


# %% tags=["predict"]
def found_with():
    found = []
    for k, s in ((2, 2), (3, 3), (3, 2)):
        windows = kernels.Geometry.of(k, s)
        y, argmax = kernels.max_pool2d_forward(x, windows, False)
        gy = np.ones_like(y)
        right = kernels.max_pool2d_backward(gy, argmax, x.shape, windows)
        wrong = int((overwriting(gy, x, k, s) != right).sum())
        print(f"windows {k} x {k} every {s}: {wrong} of {x.size} gradients are wrong")
        found.append(wrong > 0)
    return tuple(found)


predict("07.b", ..., found_with)

# %% [markdown] lang="en"
# Windows side by side never share a pixel, so there the bug has no effect. A test that tries only
# $k = s$ cannot find it. Ask of every test: which mistake would it catch?

# %% [markdown] lang="en"
# | | |
# |---|---|
# | in the paper | $z = 3$, $s = 2$ after layers 1, 2 and 5; 0.4 and 0.3 points better than $z = s = 2$ (section 3.4) |
# | in the code of 2012 | a window that extends past the edge counts too (rounding up), and equal maxima all get the gradient; the net with 2/2 in the comparison also had other paddings in two layers |
# | here | windows must fit unless you ask for `ceil_mode=True`; the first of equal maxima gets the gradient |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** A 55 x 55 map is pooled with $k = 3$, $s = 2$. How large is the result?
#
# <details><summary>Answer</summary>
# (55 - 3) // 2 + 1 = 27. With k = 2 it would be (55 - 2) // 2 + 1 = 27 as well: the overlap does
# not change the output size.
# </details>
#
# **2.** How many windows can one pixel win, at most, with $k = 3$ and $s = 2$?
#
# <details><summary>Answer</summary>
# Four: a pixel in an even row and an even column, away from the border, lies in two windows along
# each axis.
# </details>
#
# **3.** Why does `check_gradient` not notice a pool that gives the gradient to the *last* of equal
# maxima?
#
# <details><summary>Answer</summary>
# At a tie there is no derivative to compare with, and it refuses to judge. This takes a judge that
# compares with the definition, such as check_kernel, and inputs full of ties.
# </details>
