# %% [markdown] lang="en"
# # 05 Convolution by hand
#
# | | |
# |---|---|
# | goal | Write a convolution in four loops, compute the size of its output, and see what filters detect. |
# | time | 40 minutes |
# | runs | under 10 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; no network, no download |
# | before | 02 Tensors: arrays with axes; 03 A linear model, with one weight for each pixel |

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet.lessons import check, figure, hint, kernel_name, move, predict, show, solution

# %% [markdown] lang="en"
# ## Build
#
# A linear layer has one weight for each pixel. If the shape moves by one pixel, other weights apply
# to it, and the layer has to learn the same shape again at every position.
#
# A convolution has a small **filter** of weights, which it applies to one part of the picture at a
# time, the **window**. Multiply each pixel of the window by its weight and add up the products:
# that is one output. Then move the window, and do it again with the same weights. What is learned
# at one position applies at all positions.
#
# Here is one window. What is the output? Write your guess in place of the dots, then run the cell:
# it shows the truth only after a guess.

# %% tags=["predict"]
x = np.array([[1, 2, 0], [0, 1, 3], [2, 1, 1]])
weight = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])


def output():
    print(x * weight)
    return (x * weight).sum()


predict("05.a", ..., output)

# %% [markdown] lang="en"
# Now slide the window. The picture below is 7 x 7, the filter 3 x 3, and every weight is 1/9: each
# output is the mean of nine pixels, which blurs.
#
# Before you run the cell: how many outputs are there?


# %%
def draw_window(i=2, j=1):
    """Draw a picture with its window at (i, j), the filter, and the outputs up to there."""
    x = np.zeros((7, 7))
    x[1:6, 3] = 9
    x[3, 1:6] = 9  # a plus
    y = np.full((5, 5), np.nan)
    for place in range(5 * i + j + 1):
        h, w = divmod(place, 5)
        y[h, w] = x[h : h + 3, w : w + 3].mean()
    fig, axes = plt.subplots(1, 3, figsize=(9, 3.7), layout="constrained")
    titles = "picture 7 x 7", "filter 3 x 3", "output 5 x 5"
    for axis, values, title in zip(axes, (x, np.full((3, 3), 1 / 9), y), titles, strict=True):
        side = len(values)
        axis.imshow(values, cmap="Greys", vmin=0, vmax=18)
        for (h, w), value in np.ndenumerate(values):
            label = "" if np.isnan(value) else "1/9" if value == 1 / 9 else f"{value:.0f}"
            axis.text(w, h, label, ha="center", va="center", fontsize=11)
        axis.add_patch(plt.Rectangle((-0.5, -0.5), side, side, fill=False, lw=1, clip_on=False))
        axis.set(title=title, xlim=(side / 2 - 4, side / 2 + 3), ylim=(side / 2 + 3, side / 2 - 4))
        axis.set_axis_off()
    for axis, side in ((axes[0], 3), (axes[2], 1)):
        frame = plt.Rectangle((j - 0.5, i - 0.5), side, side, fill=False, lw=4, ec="#D55E00")
        axis.add_patch(frame).set_clip_on(False)
    words = f"y[{i}, {j}] = {y[i, j]:.0f}, the mean of the nine pixels in the window"
    fig.suptitle(words)
    return fig, f"A 3 x 3 window at row {i}, column {j} of a 7 x 7 picture of a plus. {words}."


# %%
move(draw_window, i=range(5), j=range(5))

# %% [markdown] lang="en"
# Move the window yourself. In a notebook with ipywidgets there are two sliders below the figure;
# without them call `figure(*draw_window(i, j))` with your own `i` and `j`.

# %% [markdown] lang="en"
# ### How many windows fit
#
# A convolution has two more parameters. The **stride** $S$ is the distance between neighbouring
# windows. The **padding** $P$ is the number of zeros added on each side of the picture, so that
# windows can extend over the border.
#
# Along one axis the padded picture is $H + 2P$ pixels wide. The first window starts at 0, and the
# last possible start of a window of $K$ pixels is $H + 2P - K$. The windows in between start $S$
# apart:
#
# $$OH = \left\lfloor \frac{H + 2P - K}{S} \right\rfloor + 1$$
#
# The bracket rounds down: an incomplete step does not count.


# %% tags=["exercise"]
def my_output_size(size, kernel, stride, padding):
    "Your code: how many windows fit along one axis, a whole number (int)."
    return None


check("05.1", my_output_size)

# %%
# hint("05.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_output_size(size, kernel, stride, padding):
    return (size + 2 * padding - kernel) // stride + 1


check("05.1", my_output_size)

# %% [markdown] lang="en"
# ### Four loops
#
# Real pictures have channels: red, green and blue. A filter is as deep as the picture: it has
# weights for each channel, and one output is still one number. A layer has many filters, and each
# makes one channel of the output. With a batch of $N$ pictures:
#
# $$y[n,o,i,j] = bias[o] + \sum_{c,p,q} weight[o,c,p,q] \; x[n,\; c,\; S\,i + p - P,\;
#   S\,j + q - P]$$
#
# | letter | meaning |
# |---|---|
# | $x$ (N, C, H, W) | pictures, channels, height, width |
# | $weight$ (OC, C, KH, KW) | filters, and their windows of weights |
# | $y$ (N, OC, OH, OW) | one channel for each filter |
# | $n, o, i, j$ | which picture, which filter, which place |
# | $c, p, q$ | where inside the window |
#
# Outside the picture $x$ is 0. The indices on the left of the equation are your four loops. The sum
# on the right is the sum of a product of two small arrays.


# %% tags=["exercise"]
def my_conv2d(x, weight, bias, stride, padding):
    "Your code: (N, OC, OH, OW), every output one window times one filter, plus bias."
    return None


check("05.2", my_conv2d)

# %%
# hint("05.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_conv2d(x, weight, bias, stride, padding):
    (N, _, H, W) = x.shape
    (OC, _, KH, KW) = weight.shape
    OH = (H + 2 * padding - KH) // stride + 1
    OW = (W + 2 * padding - KW) // stride + 1
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    y = np.zeros((N, OC, OH, OW), x.dtype)
    for n in range(N):
        for o in range(OC):
            for i in range(OH):
                for j in range(OW):
                    h = stride * i
                    w = stride * j
                    window = x[n, :, h : h + KH, w : w + KW]
                    y[n, o, i, j] = (window * weight[o]).sum() + bias[o]
    return y


check("05.2", my_conv2d)

# %% [markdown] lang="en"
# ### What a filter detects
#
# We take two discs of the built-in pictures, one with horizontal stripes (rows) and one with
# vertical stripes (columns), and three filters: the blur with nine times 1/9, one that subtracts
# the pixels above from those below, and one that subtracts the pixels on the left from those on the
# right. The last two give 0 where the picture is uniform, and large values at edges.
#
# The figure shows the absolute output of the edge filters: dark is strong. Predict: which of the
# two edge filters responds to the disc with columns?

# %%
shapes = tn.data.Shapes(train=False, seed=0)
kinds = ("disc with rows", "disc with columns")
grey = shapes.images.mean(axis=1, keepdims=True).astype(np.float32) / 255  # (N, 1, 32, 32)


def contrast(k):
    return grey[k, 0, 8:24, 8:24].std()


# %%
chosen = [
    max(np.flatnonzero(shapes.labels == shapes.classes.index(kind)), key=contrast) for kind in kinds
]
blur = np.full((3, 3), 1 / 9)
down = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]) / 4
across = down.T
filters = np.stack([blur, down, across])[:, None].astype(np.float32)  # (3, 1, 3, 3)

seen = tn.functions.conv2d(tn.tensor(grey[chosen]), tn.tensor(filters), padding=1).numpy()
print(seen.shape)

# %%
strength = np.abs(seen[:, 1:, 1:-1, 1:-1]).mean(axis=(2, 3))  # (2 pictures, down and across)


# %% tags=["predict"]
def strongest():
    return ("down", "across")[strength[kinds.index("disc with columns")].argmax()]


predict("05.b", ..., strongest)  # "down" or "across"

# %%
fig, axes = plt.subplots(2, 4, figsize=(9, 5.3), layout="constrained")
for row, kind in enumerate(kinds):
    axes[row, 0].imshow(grey[chosen[row], 0], cmap="gray")
    axes[row, 1].imshow(seen[row, 0], cmap="gray")
    for column in (1, 2):
        edges = np.abs(seen[row, column, 1:-1, 1:-1])  # inside the border of zeros
        axes[row, 1 + column].imshow(edges, cmap="gray_r", vmin=0, vmax=0.6)
        axes[row, 1 + column].set_xlabel(f"mean {edges.mean():.3f}")
    axes[row, 0].set_ylabel(kind)
for axis, title in zip(axes[0], ("picture", "blur", "edges down", "edges across"), strict=True):
    axis.set_title(title)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])

ratios = strength.max(axis=1) / strength.min(axis=1)
fig.suptitle(
    f"Rows activate the filter for edges {('down', 'across')[strength[0].argmax()]} "
    f"({ratios[0]:.1f} times the other), columns the filter for edges "
    f"{('down', 'across')[strength[1].argmax()]} ({ratios[1]:.1f} times)"
)
figure(
    fig,
    "Two striped discs, blurred and filtered for edges. "
    + " ".join(
        f"The {kind} gives {a:.3f} on average with the filter for edges down and "
        f"{b:.3f} with the filter for edges across."
        for kind, (a, b) in zip(kinds, strength, strict=True)
    ),
)

# %% [markdown] lang="en"
# The two edge filters distinguish rows from columns wherever the disc is. A network does not need
# such filters as input: it learns its own, and those of its first layer often look like these.
#
# Most mistakes, also in print, are made with sizes. Answer before you compute:
#
# - a: a 7 x 7 picture under a 3 x 3 window, stride 1, no padding. How many outputs along one axis?
# - b: 32 x 32 x 3 under a 5 x 5 x 3 filter, stride 1, no padding. How many outputs along one axis?
# - c: how many numbers does that one filter have, with its bias?
# - d: 64 filters of 3 x 3 on 128 channels. How many weights, without biases?
# - e: AlexNet's first layer as the paper's text gives it: 224 pixels, an 11 x 11 window, stride 4,
#   no padding. How many outputs along one axis?
# - f: the same with 227 pixels. How many outputs along one axis?
# - g: which padding keeps the size 27 x 27 with a 5 x 5 window, stride 1?
# - h: how many multiply-adds has the layer of f, with 96 filters on 3 channels?

# %% tags=["exercise"]
my_sizes = {"a": None, "b": None, "c": None, "d": None, "e": None, "f": None, "g": None, "h": None}

check("05.3", my_sizes)

# %%
# hint("05.3")  # without the first "#": a hint, and each time you run it the next one

# %% tags=["solution"]
my_sizes = {
    "a": 7 - 3 + 1,
    "b": 32 - 5 + 1,
    "c": 5 * 5 * 3 + 1,
    "d": 3 * 3 * 128 * 64,
    "e": (224 - 11) // 4 + 1,
    "f": (227 - 11) // 4 + 1,
    "g": (5 - 1) // 2,
    "h": 55 * 55 * 96 * 11 * 11 * 3,
}

check("05.3", my_sizes)

# %% [markdown] lang="en"
# ## Judge
#
# `check` tried a few small cases. The library has a stricter judge, `tn.testing.check_kernel`: odd
# shapes, two float types, other memory layouts, read-only arrays. It also tests the library's own
# kernels against their definitions. It raises nothing if all is well.
#
# We try it on three candidates: the library's function, and two with a mistake. The first mistake
# flips the filter. The second omits one column of the window.


# %%
def library(x, weight, bias, stride, padding):
    windows = tn.kernels.Geometry.of(weight.shape[2:], stride, padding)
    return tn.kernels.conv2d_forward(x, weight, bias, windows)


def turned_round(x, weight, bias, stride, padding):
    return library(x, weight[:, :, ::-1, ::-1], bias, stride, padding)


def a_column_less(x, weight, bias, stride, padding):
    less = weight.copy()
    less[..., -1] = 0
    return library(x, less, bias, stride, padding)


# %%
rng = np.random.default_rng(0)
case = rng.normal(size=(2, 3, 6, 7)), rng.normal(size=(4, 3, 3, 2)), rng.normal(size=4), 2, 1


def verdict(candidate):
    try:
        tn.testing.check_kernel(candidate, *case, against=library)
    except AssertionError as error:
        return str(error)
    return f"{candidate.__name__}: no error, it is right"


for candidate in (library, turned_round, a_column_less):
    print(verdict(candidate), end="\n\n")

# %% [markdown] lang="en"
# When your `my_conv2d` passes the check above, ask `print(verdict(my_conv2d))` too. If it says that
# your result is float64 where float32 was expected, that is a common mistake: `np.zeros` without a
# dtype makes float64, and the whole network then computes in float64, at half the speed.

# %% [markdown] lang="en"
# ## Meet
#
# The library's definition. Where are the loops?

# %%
show(tn.kernels.conv2d_forward)

# %% [markdown] lang="en"
# There are none: `im2col` copies all windows side by side, and one matrix product does the rest.
# That is lesson 06. Until then skip `Geometry` (kernel, stride, padding, dilation and groups in
# one), `gemm` (the matrix product) and the decorator. The equation is at the top of the same file,
# `tinynet/kernels/conv.py`. It has two more parameters. Dilation spreads the pixels of a window
# apart; it is 1 in all these lessons. Groups are AlexNet's two towers, lesson 13.
#
# The size formula is in a separate file, because pooling needs it too. `ceil_mode` rounds up.

# %%
show(tn.kernels.geometry.output_size)

# %% [markdown] lang="en"
# ## Faster
#
# One iteration of the four loops is one product of two small arrays. We measure one iteration and
# multiply by the number of iterations. We compare it with the library's definition in NumPy and its
# loops compiled by Numba, both on 64 pictures. Guess first: how many times faster is each?


# %%
def seconds(run, rounds=5):
    """Return the best time of a few rounds, after one that does not count: it may compile."""
    run()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


def thousand_turns():
    for _ in range(1000):
        (x[0, :, 0:5, 0:5] * weight[0]).sum() + bias[0]


# %%
x = shapes.images[:64].astype(np.float32) / 255  # (64, 3, 32, 32)
weight = rng.normal(size=(16, 3, 5, 5)).astype(np.float32)
bias = np.zeros(16, np.float32)
turns = 16 * 32 * 32  # outputs of one picture, with padding 2

one = seconds(thousand_turns) / 1000
print(f"one iteration: {1e6 * one:.1f} microseconds; {turns:,} iterations a picture")


# %% tags=["predict"]
def times_as_fast():
    taken = {"four loops": turns * one}
    for kind in ("reference", "numba"):
        with tn.kernels.use(kind):
            taken[kind] = seconds(lambda: library(x, weight, bias, 1, 2)) / len(x)
    for name, each in taken.items():
        ratio = taken["four loops"] / each
        print(f"{kernel_name(name):10} {1000 * each:9.3f} ms a picture, {ratio:6.0f} times as fast")
    return ratio


predict("05.c", ..., times_as_fast)  # of the loops compiled by Numba

# %% [markdown] lang="en"
# An iteration of a Python loop costs microseconds, whatever it computes. A forward pass of AlexNet
# has 724,406,816 multiply-adds (lesson 12 counts them), and a training run has millions of passes:
# training it like this is not feasible. Lesson 06 explains the second line, lesson 16 the third.

# %% [markdown] lang="en"
# ## Break
#
# **Zero padding is an assumption about the pixels outside.** Blur a picture that is white
# everywhere. What will the corner be?

# %%
white = tn.tensor(np.ones((1, 1, 6, 6)))
blurred = tn.functions.conv2d(white, tn.tensor(np.full((1, 1, 3, 3), 1 / 9)), padding=1)
print(np.round(blurred.numpy()[0, 0], 2))

# %% [markdown] lang="en"
# 4/9: only four of the nine pixels are inside the picture, the others count as black. Networks
# tolerate this border effect. Some use it to learn where the border is.
#
# **A flipped filter.** In mathematics a convolution rotates the filter by 180 degrees. This library
# does not, and neither did the paper's code: it computes a cross-correlation, which the field calls
# convolution. For which of our three filters does it matter, and how?

# %%
for name, one in zip(("blur", "down", "across"), filters, strict=True):
    straight = library(grey[chosen], one[None], np.zeros(1, np.float32), 1, 0)
    round_ = turned_round(grey[chosen], one[None], np.zeros(1, np.float32), 1, 0)
    same = np.allclose(straight, round_)
    opposite = np.allclose(straight, -round_, atol=1e-6)
    print(f"{name:<8} the same: {same!s:<6} the sign flipped: {opposite}")

# %% [markdown] lang="en"
# For a network that learns its filters it makes no difference: it learns them rotated. For weights
# that another program has trained it matters a lot.
#
# **A filter that does not add up to 1.** Use nine ones instead of nine times 1/9. Every output is
# nine times as large. A second such layer makes it 81 times. That is why lesson 04's networks start
# with scaled weights.

# %% [markdown] lang="en"
# **224 or 227, 54 or 55.** The paper states a picture of 224 pixels, a window of 11 and a stride of
# 4, and draws 55 outputs. Your formula gives 54. For ten years people have asked which is wrong.

# %%
ways = {
    "224, rounded down": ((224, 11, 4, (0, 0)), {}),
    "224, rounded up (2012)": ((224, 11, 4, (0, 0)), {"ceil_mode": True}),
    "224 and 3 zeros behind (here)": ((224, 11, 4, (0, 3)), {}),
    "227 (Caffe)": ((227, 11, 4, (0, 0)), {}),
    "224 and 2 zeros on each side (torchvision)": ((224, 11, 4, (2, 2)), {}),
}
for name, (numbers, how) in ways.items():
    print(f"{name:<44}{tn.kernels.geometry.output_size(*numbers, **how)}")

# %% [markdown] lang="en"
# Neither is. The code of 2012 rounds up: its last window extends 3 pixels beyond the right and the
# lower edge, over zeros. If you round down, you need three more pixels for the same windows.
#
# | | |
# |---|---|
# | in the paper | 224 x 224 x 3 pixels, 96 filters of 11 x 11 x 3, stride 4 (section 3.5); Figure 2 draws 55 x 55 |
# | in the code of 2012 | 1 + ceil((224 - 11) / 4) = 55 (`layer.py` of cuda-convnet) |
# | here | windows must fit; AlexNet gets 3 rows and 3 columns of zeros behind the picture, which is the same |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** A layer has 96 filters of 11 x 11 on 3 channels. The pictures become twice as wide and high.
# How many more weights does it need?
#
# <details><summary>Answer</summary>
# None. The filters are the same; they are applied at more positions. The numbers of outputs and
# multiply-adds become about four times as large.
# </details>
#
# **2.** Can a convolution do what a linear layer does?
#
# <details><summary>Answer</summary>
# Yes: with a window as large as the picture there is one position, and the filter has one weight
# for each pixel and channel. Conversely, a convolution is a linear layer in which most weights are
# 0 and the others are shared.
# </details>
#
# **3.** Two 3 x 3 filters are applied one after the other, with nothing in between. Which single filter
# does the same?
#
# <details><summary>Answer</summary>
# One of 5 x 5. Each output of the second depends on 3 x 3 outputs of the first, and these depend on
# 5 x 5 pixels; a composition of linear maps is linear. That is why there is a ReLU between two
# convolutions: without it the second is useless.
# </details>
