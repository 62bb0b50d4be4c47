# %% [markdown] lang="en"
# # 06 im2col: a convolution is a matrix product
#
# | | |
# |---|---|
# | goal | Replace the four loops by one matrix product, write its backward, and measure its memory cost. |
# | time | 45 minutes |
# | runs | under 10 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; no network, no download |
# | before | 05 Convolution by hand: the four loops, correct but very slow |

# %%
import time
import tracemalloc

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet import functions as F
from tinynet.lessons import check, figure, hint, predict, show, solution

# %% [markdown] lang="en"
# ## Build
#
# Every output of a convolution is the sum of one filter times one window. An element of a matrix
# product is the sum of a row times a column. So write each filter as a row and each window as a
# column, and the whole convolution is one product:
#
# $$\underbrace{y}_{OC \times (OH \cdot OW)} =
#   \underbrace{weight}_{OC \times (C \cdot KH \cdot KW)} \;
#   \underbrace{columns}_{(C \cdot KH \cdot KW) \times (OH \cdot OW)}$$
#
# The matrix product is the best optimised loop, and every computer has a fast one. The
# rearrangement of windows into columns is named after a MATLAB function: **im2col**, image to
# columns.
#
# $$columns[n,\,(c, p, q),\,(i, j)] = x[n,\; c,\; S\,i + p - P,\; S\,j + q - P]$$
#
# The library's function is `im2col(x, geometry)`. A `Geometry` describes the windows: the size of the
# kernel, the stride and the padding. `Geometry.of(2)` are windows of 2 x 2 at every pixel, and
# `Geometry.of((3, 2), 2, 1)` windows 3 high and 2 wide, every 2 pixels, with 1 pixel of padding on
# every side. Dilation would spread the pixels of a window apart; these lessons leave it at 1.
#
# Here is a small picture: 3 x 4 pixels, a 2 x 2 window. Predict: how many columns are there, and how
# many numbers are in each? Write both in place of the dots, such as (1, 2), then run the cell: it
# shows the truth only after a guess.

# %%
Geometry = tn.kernels.Geometry


# %% tags=["predict"]
def columns_and_numbers():
    x = np.arange(12.0).reshape(1, 1, 3, 4)
    columns = tn.kernels.im2col(x, Geometry.of(2))[0]
    print(x[0, 0])
    print(columns)
    return columns.shape[::-1]


predict("06.a", ..., columns_and_numbers)

# %% [markdown] lang="en"
# The window fits at 2 x 3 places, and holds 2 x 2 numbers. Column 0 is the window in the upper left corner: 0, 1, 4, 5. Pixel 5 is in four columns, because
# it lies in four windows.
#
# ### All windows without a copy
#
# A NumPy array is a block of memory and a list of **strides**: for every axis, the distance in
# bytes to the next element. Pictures (N, C, H, W) of float64, one after the other in memory:

# %%
x = np.zeros((2, 3, 5, 7))
print(x.strides)

# %% [markdown] lang="en"
# 8 bytes to the next pixel, 56 to the next row of 7, 280 to the next channel, 840 to the next
# picture.
#
# In NumPy we can also choose the strides. Then several indices may refer to the same memory, as
# overlapping windows require. The array of all windows has six axes, (N, C, KH, KW, OH, OW):
# picture, channel, position in the window, window. What are its six strides?


# %% tags=["exercise"]
def my_strides(strides, stride):
    "Your code: the six strides of all windows; `strides` is (n, c, h, w)."
    return None


check("06.1", my_strides)

# %%
# hint("06.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_strides(strides, stride):
    n, c, h, w = strides
    return n, c, h, w, stride * h, stride * w


check("06.1", my_strides)

# %% [markdown] lang="en"
# The library's `windows` does this with `as_strided`, a NumPy function that does not check the
# strides. Wrong strides read memory outside the array, so the library calls it in one place only.
# How many bytes does a view of all 3 x 3 windows of a 4 x 4 picture take?

# %%
x = np.arange(16.0).reshape(1, 1, 4, 4)
view = tn.kernels.geometry.windows(x, Geometry.of(3), outputs=(2, 2))
print(view.shape, view.size, "numbers seen,", x.size, "numbers stored")
print(np.shares_memory(view, x))

# %% [markdown] lang="en"
# None beyond the picture's own. The copy is made when the six axes are merged, because no strides
# can describe the result.
#
# ### The product
#
# Now the convolution: columns, one `@`, and a reshape. There is no bias this time. `stride` and
# `padding` are whole numbers, as `Geometry.of((KH, KW), stride, padding)` takes them.


# %% tags=["exercise"]
def my_conv2d(x, weight, stride, padding):
    "Your code: (N, OC, OH, OW) by tn.kernels.im2col and @, without loops."
    return None


check("06.2", my_conv2d)

# %%
# hint("06.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_conv2d(x, weight, stride, padding):
    (N, _, H, W) = x.shape
    (OC, _, KH, KW) = weight.shape
    OH = (H + 2 * padding - KH) // stride + 1
    OW = (W + 2 * padding - KW) // stride + 1
    columns = tn.kernels.im2col(x, Geometry.of((KH, KW), stride, padding))
    return (weight.reshape(OC, -1) @ columns).reshape(N, OC, OH, OW)


check("06.2", my_conv2d)

# %% [markdown] lang="en"
# ### 1 x 1: no rearrangement
#
# What does im2col do with a window of one pixel?

# %%
x = np.random.default_rng(0).normal(size=(2, 5, 4, 6))
columns = tn.kernels.im2col(x, Geometry.of(1))
print(columns.shape, np.array_equal(columns, x.reshape(2, 5, 24)))

# %% [markdown] lang="en"
# Only a reshape. A 1 x 1 convolution is a matrix product over channels, the same at every pixel: a
# small linear layer that mixes the 5 channels. It is cheap, so networks use it to reduce the number
# of channels before a larger window. Compare the weights of a 3 x 3 convolution from 256 to 256
# channels with the same through 64 channels in between:

# %%
direct = 3 * 3 * 256 * 256
squeezed = 1 * 1 * 256 * 64 + 3 * 3 * 64 * 64 + 1 * 1 * 64 * 256
print(f"{direct:,} against {squeezed:,}: {direct / squeezed:.1f} times fewer")

# %% [markdown] lang="en"
# ### The way back
#
# Training needs gradients. The gradient of the matrix product is in lesson 03. What remains is the
# gradient of im2col: given the gradient of every number in the columns, what is the gradient of the
# picture?
#
# im2col copies. A pixel that was copied to four positions affects the loss in four ways, so its
# gradient is the **sum** of four numbers:
#
# $$gx[n, c, h, w] = \sum_{\text{all } (p,q,i,j) \text{ that read it}} gcolumns[n, (c,p,q), (i,j)]$$
#
# That is col2im. It is not the inverse of im2col: it does not restore the picture, it adds.
#
# To keep yours short, its windows are K x K, and there is no padding: `columns` is
# (N, C * K * K, OH * OW), with OH = (H - K) // stride + 1.


# %% tags=["exercise"]
def my_col2im(columns, shape, K, stride):
    "Your code: gx (N, C, H, W); add every number of columns to the pixel it was copied from."
    return None


check("06.3", my_col2im)

# %%
# hint("06.3")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_col2im(columns, shape, K, stride):
    N, C, H, W = shape
    OH = (H - K) // stride + 1
    OW = (W - K) // stride + 1
    columns = columns.reshape(N, C, K, K, OH, OW)
    gx = np.zeros(shape, columns.dtype)
    for p in range(K):
        for q in range(K):
            rows = slice(p, p + stride * OH, stride)
            cols = slice(q, q + stride * OW, stride)
            gx[:, :, rows, cols] += columns[:, :, p, q]
    return gx


check("06.3", my_col2im)

# %% [markdown] lang="en"
# ### What one output sees
#
# The gradient also shows what an output depends on. Pass back a gradient of 1 from one single
# output: it depends on exactly the pixels with a nonzero gradient. Those pixels are its **receptive
# field**. Stack three 3 x 3 convolutions, here with one channel each. How wide is it after one, two
# and three?

# %%
weights = [tn.tensor(np.ones((1, 1, 3, 3))) for _ in range(3)]
for depth in (1, 2, 3):
    x = tn.tensor(np.ones((1, 1, 9, 9)), requires_grad=True)
    y = x
    for weight in weights[:depth]:
        y = F.conv2d(y, weight, padding=1)
    y[0, 0, 4, 4].backward()
    rows = np.flatnonzero(x.grad[0, 0].any(axis=1))
    side = rows[-1] - rows[0] + 1
    print(f"{depth} x (3 x 3): sees {side} x {side} pixels, with {9 * depth} weights")

# %% [markdown] lang="en"
# Three layers see 7 x 7 pixels with 27 weights, where one 7 x 7 filter needs 49. With C channels
# everywhere both numbers are multiplied by C * C. That is the argument of VGG, which lesson 18
# examines.

# %% [markdown] lang="en"
# ## Judge
#
# For a linear function there is a judge without a step size. im2col only copies, so it is linear:
# it multiplies by a huge matrix $A$, which is never written out. Its backward must multiply by the
# transpose of that matrix, and one equation, for all $x$ and $u$, defines the transpose:
#
# $$\langle A x, u \rangle = \langle x, A^T u \rangle$$
#
# Draw $x$ and $u$ at random, compute both sides, compare. `tn.testing.check_adjoint` does it. There
# are three candidates: the library's col2im, one that has `=` instead of `+=`, and one that takes
# the mean. The second is the most common mistake here. Which of the three will pass?

# %%
every_second = Geometry.of(3, stride=2)


def forward(x):
    return tn.kernels.im2col(x, every_second)


def library(columns):
    return tn.kernels.col2im(columns, (1, 2, 5, 5), every_second)


def overwritten(columns):
    parts = columns.reshape(1, 2, 3, 3, 2, 2)
    gx = np.zeros((1, 2, 5, 5))
    for p, q in np.ndindex(3, 3):
        gx[:, :, p : p + 4 : 2, q : q + 4 : 2] = parts[:, :, p, q]
    return gx


# %%
def averaged(columns):
    return library(columns) / library(np.ones_like(columns))


x = np.random.default_rng(0).normal(size=(1, 2, 5, 5))
for candidate in (library, overwritten, averaged):
    try:
        tn.testing.check_adjoint(forward, candidate, x)
        print(f"{candidate.__name__}: no error, it is right")
    except AssertionError as error:
        print(error)

# %% [markdown] lang="en"
# ## Meet
#
# The library's three functions. Find the strides of exercise 06.1 in the first, the one copy in the
# second, and the `+=` in the third.

# %%
show(tn.kernels.geometry.windows)

# %%
show(tn.kernels.im2col)

# %%
show(tn.kernels.col2im)

# %% [markdown] lang="en"
# Why does `col2im` loop over `p` and `q`, and not over the windows? Because two windows may contain
# the same pixel, but for a fixed `(p, q)` all windows use different pixels. So `+=` on a slice is
# safe, and there are only K * K iterations.

# %% [markdown] lang="en"
# ## Faster
#
# im2col costs memory. Each pixel is stored up to K * K times. We compare three ways to compute the
# same convolution, 16 pictures of 32 x 32 with 16 channels, 32 filters of 5 x 5:
#
# - the four loops of lesson 05;
# - im2col and a matrix product: the library's reference;
# - the library's Numba version, which multiplies small pieces and never builds the columns.
#
# How much more memory than the pictures themselves will the second need?

# %%
rng = np.random.default_rng(0)
x = rng.normal(size=(16, 16, 32, 32)).astype(np.float32)
weight = rng.normal(size=(32, 16, 5, 5)).astype(np.float32)
bias = np.zeros(32, np.float32)


def library_conv(x, weight, bias):
    return tn.kernels.conv2d_forward(x, weight, bias, Geometry.of(5, padding=2))


def loops(x, weight, bias):
    x = np.pad(x, [(0, 0), (0, 0), (2, 2), (2, 2)])
    y = np.zeros((len(x), len(weight), x.shape[2] - 4, x.shape[3] - 4), x.dtype)
    for n, o, i, j in np.ndindex(y.shape):  # four loops in one line
        y[n, o, i, j] = (x[n, :, i : i + 5, j : j + 5] * weight[o]).sum() + bias[o]
    return y


# %%
def milliseconds(function, x, repeats):
    """Return the best time for one picture."""
    function(x, weight, bias)
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function(x, weight, bias)
        times.append(time.perf_counter() - begin)
    return 1e3 * min(times) / len(x)


# %%
def cost(function, x, repeats):
    """Return milliseconds and megabytes of scratch memory, both for one picture."""
    taken = milliseconds(function, x, repeats)
    tracemalloc.start()
    y = function(x, weight, bias)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return taken, max(0, peak - y.nbytes) / len(x) / 1e6


# %%
# the loops get one picture of half the side: they need the same time for each output
ways = {"four loops": cost(loops, x[:1, :, :16, :16], 1)}
ways["four loops"] = tuple(4 * value for value in ways["four loops"])
with tn.kernels.use("reference"):
    ways["im2col, product"] = cost(library_conv, x, 3)
with tn.kernels.use("numba"):
    ways["Numba, no columns"] = cost(library_conv, x, 3)
for name, (milliseconds, megabytes) in ways.items():
    print(f"{name:<18}{milliseconds:9.2f} ms a picture {megabytes:7.2f} MB of scratch a picture")
print(f"the picture itself: {x[0].nbytes / 1e6:.2f} MB")

# %%
fig, axes = plt.subplots(2, 1, figsize=(6.4, 4.6), sharey=True, layout="constrained")
looks = ("#767676", "^"), ("#0072B2", "o"), ("#D55E00", "s")
for axis, index, label in ((axes[0], 0, "milliseconds"), (axes[1], 1, "megabytes of scratch")):
    for (name, pair), (colour, marker) in zip(ways.items(), looks, strict=True):
        axis.plot(pair[index], name, marker, color=colour, markersize=10)
        axis.annotate(
            f"{pair[index]:.3g}",
            (pair[index], name),
            (10, 0),
            va="center",
            textcoords="offset points",
        )
    axis.set(xscale="log", xlabel=f"{label} for one picture")
    axis.margins(x=0.25, y=0.35)
    axis.grid(visible=True, axis="y", color="#e4e4e4")
    axis.spines[["top", "right"]].set_visible(False)
axes[0].invert_yaxis()
axes[1].axvline(x[0].nbytes / 1e6, color="black", linestyle=":")
axes[1].set_title("dotted line: the picture itself", fontsize=10)
faster = ways["four loops"][0] / ways["im2col, product"][0]
larger = 1e6 * ways["im2col, product"][1] / x[0].nbytes
fig.suptitle(
    f"im2col is {faster:.0f} times as fast as the loops, for {larger:.0f} times the picture's memory",
    fontsize=10,
)
figure(
    fig,
    "Time and scratch memory of three convolutions for one picture. "
    + " ".join(f"{name}: {a:.3g} ms, {b:.3g} MB." for name, (a, b) in ways.items())
    + f" The picture itself takes {x[0].nbytes / 1e6:.3g} MB.",
)

# %% [markdown] lang="en"
# im2col trades memory for speed. For AlexNet the cost is large. If the columns of a whole batch of
# 128 were stored at once, each layer would need:

# %%
layers = {  # rows of the columns (all groups), places
    "conv1": (3 * 11 * 11, 55 * 55),
    "conv2": (96 * 5 * 5, 27 * 27),
    "conv3": (256 * 3 * 3, 13 * 13),
    "conv4": (384 * 3 * 3, 13 * 13),
    "conv5": (384 * 3 * 3, 13 * 13),
}
for name, (rows, places) in layers.items():
    print(f"{name}: {4 * rows * places * 128 / 1e6:5.0f} MB")

# %% [markdown] lang="en"
# A graphics card of 2012 had 3 GB in all. Real libraries therefore build the columns of a few
# pictures at a time, or, like our Numba version, read each window directly from the picture.

# %% [markdown] lang="en"
# ## Break
#
# The rows of the columns are ordered (c, p, q). We order them (p, q, c) instead, and change nothing
# else: the weight rows keep their order. The shapes still fit. One judge tests whether backward is
# the derivative of forward, the other whether this is the library's convolution.
#
# Predict for each judge whether it finds the mistake, such as `(True, True)`: first the judge of the
# gradient, then the comparison.


# %%
def as_product(x, weight, joined_first):
    (N, C, H, W) = x.shape
    (OC, _, KH, KW) = weight.shape
    OH = H - KH + 1
    OW = W - KW + 1
    shape = (N, C, 1, OH * OW) if joined_first == "c" else (N, 1, C, OH * OW)
    shifted = [x[:, :, p : p + OH, q : q + OW].reshape(shape) for p in range(KH) for q in range(KW)]
    columns = F.concatenate(shifted, axis=2 if joined_first == "c" else 1)
    columns = columns.reshape(N, C * KH * KW, OH * OW)
    return (weight.reshape(OC, -1) @ columns).reshape(N, OC, OH, OW)


# %%
def right_order(x, weight):
    return as_product(x, weight, "c")


def wrong_order(x, weight):
    return as_product(x, weight, "p, q")


x = rng.normal(size=(2, 3, 4, 5))
weight = rng.normal(size=(2, 3, 3, 2))


# %%
def finds(judge, layer, **how):
    """Return whether a judge finds a mistake in a layer, and print what it says."""
    try:
        judge(layer, x, weight, **how)
    except AssertionError as error:
        print(error)
        return True
    print(f"{judge.__name__}, {layer.__name__}: no error")
    return False


# %% tags=["predict"]
def found_by_each():
    for layer in (right_order, wrong_order):
        gradient = finds(tn.testing.check_gradient, layer)
        definition = finds(tn.testing.check_layer, layer, against=F.conv2d)
    return gradient, definition


predict("06.b", ..., found_by_each)

# %% [markdown] lang="en"
# The gradient check passes. It must pass: the wrong order is a valid layer with permuted weights,
# and a network can be trained with it. It fails when weights from another program are loaded. One
# framework ran like this for months (PyDeepFlow, issue 84). A gradient check tests whether forward
# and backward agree; only a comparison with a definition tests forward itself.

# %% [markdown] lang="en"
# | | |
# |---|---|
# | in the paper | no details; section 1 refers to the published code |
# | in the code of 2012 | its own kernels, which read each window directly from the picture; the pictures of a batch are contiguous in memory |
# | here | the definition is im2col and a product; the fast versions never build the columns |
#
# Caffe, a year later, made im2col and a matrix product famous, one picture at a time.

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** With stride equal to the window (2 x 2, stride 2), how much larger are the columns than the
# picture?
#
# <details><summary>Answer</summary>
# Not at all, if the sides are even: every pixel lies in exactly one window. In this case col2im is
# even the inverse of im2col.
# </details>
#
# **2.** col2im(im2col(x)) with 3 x 3 windows, stride 1, no padding, on a large picture: by which
# factor is a pixel in the middle multiplied, and by which one in the corner?
#
# <details><summary>Answer</summary>
# By 9 and by 1: the numbers of windows that contain them. Try it with a picture of ones.
# </details>
#
# **3.** Which judge can you use for im2col that you cannot use for a ReLU?
#
# <details><summary>Answer</summary>
# The adjoint test. It holds for linear functions only, and
# max(x, 0) is not linear. It needs no small step, so it is exact up to rounding.
# </details>
