# %% [markdown] lang="en"
# # 08 Local response normalization
#
# | | |
# |---|---|
# | goal | Write LRN forward and backward, and analyse a wrong version that is often copied. |
# | time | 45 minutes |
# | runs | under 10 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; no network, no download |
# | before | 02 Tensors and gradient checks; 07 Max-pooling with windows that overlap |

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.lessons import check, figure, hint, kernel_name, move, predict, show, solution
from tinynet.nn.mistakes import KerasPostLRN, lrn_error

# %% [markdown] lang="en"
# ## Build
#
# A ReLU has no upper bound. A tanh is bounded by 1, but one ReLU channel can be thirty times as
# large as all others at the same pixel. In section 3.3 of the paper neighbouring channels inhibit
# each other, as nerve cells do (*lateral inhibition*): every value is divided by a number that
# grows with the squares of its neighbours.
#
# $$\text{scale}[c] = k + \alpha \sum_{j \in \text{window}(c)} x[j]^2
# \qquad y[c] = x[c] \cdot \text{scale}[c]^{-\beta}$$
#
# The window of channel $c$ goes from $c - \lfloor n/2 \rfloor$ to $c + \lfloor n/2 \rfloor$,
# clipped at the first and the last channel. It runs over **channels, at one pixel**. Remember this;
# you will need it at the end.
#
# The paper takes $k = 2$, $n = 5$, $\alpha = 10^{-4}$, $\beta = 0.75$.
#
# Predict: six channels hold 1, -2, 3, -4, 5, -6. With $n = 5$, how many channels are in the window of
# channel 0, and what is its sum of squares? Write both numbers in place of the dots, as a pair such
# as (1, 2), then run the cell: it shows the truth only after a guess.

# %% tags=["predict"]
channels = np.array([1.0, -2, 3, -4, 5, -6])


def first_window():
    windows = [channels[max(0, c - 2) : c + 3] for c in range(6)]
    sums = [(window**2).sum() for window in windows]
    for c in range(6):
        print(f"channel {c}: window of {len(windows[c])}; its sum of squares is {sums[c]:g}")
    return len(windows[0]), sums[0]


predict("08.a", ..., first_window)

# %% [markdown] lang="en"
# The window of channel 0 has three channels: itself and two on one side. The missing two are not
# replaced.
#
# **Exercise 08.1.** Write `my_lrn(x, n, k, alpha, beta)` for `x` of shape (N, C, H, W); return `y`.
# Loop over the distance to the neighbour, 1 to n // 2, and use slices over the channels. You may
# write the window sum as a separate function: backward needs it again.


# %% tags=["exercise"]
def my_lrn(x, n, k, alpha, beta):
    """Your code: divide every value by its scale to the power beta."""
    return None


check("08.1", my_lrn)

# %%
# hint("08.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_lrn(x, n, k, alpha, beta):
    squares = x * x
    total = squares.copy()
    for i in range(1, n // 2 + 1):
        total[:, i:] += squares[:, :-i]
        total[:, :-i] += squares[:, i:]
    return x * (k + alpha * total) ** -beta


check("08.1", my_lrn)

# %% [markdown] lang="en"
# That adds n numbers for every channel. But the windows of two neighbours share all but two
# channels: one enters, one leaves. A *running sum* needs two operations a channel, however wide the
# window is.
#
# **Exercise 08.2.** Write `my_running_sum(v, n)` for a list of numbers and an odd n. The windows
# are clipped at both ends of the list, as above. The check counts your additions and subtractions.


# %% tags=["exercise"]
def my_running_sum(v, n):
    """Your code: the list of window sums, each computed from the previous one."""
    return None


check("08.2", my_running_sum)

# %%
# hint("08.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_running_sum(v, n):
    half = n // 2
    total = 0.0
    sums = []
    for value in v[:half]:
        total = total + value
    for c in range(len(v)):
        if c + half < len(v):
            total = total + v[c + half]
        sums.append(total)
        if c >= half:
            total = total - v[c - half]
    return sums


check("08.2", my_running_sum)

# %% [markdown] lang="en"
# Now backward. `gy` is the gradient of the loss with respect to `y`, `gx` the one we want. $x[j]$
# affects the loss in two ways.
#
# 1. It is the numerator of its own output: $gy[j] \cdot \text{scale}[j]^{-\beta}$.
# 2. It is in the scale of **every channel $c$ whose window contains it**:
#
# $$\frac{\partial y[c]}{\partial\, \text{scale}[c]} = -\beta\, \frac{y[c]}{\text{scale}[c]}
# \qquad \frac{\partial\, \text{scale}[c]}{\partial x[j]} = 2 \alpha\, x[j]$$
#
# Multiply, weight by $gy[c]$, sum over these $c$:
#
# $$gx[j] = gy[j] \cdot \text{scale}[j]^{-\beta}
# - 2 \alpha \beta\, x[j] \sum_{c \in \text{window}(j)} \frac{gy[c] \cdot y[c]}{\text{scale}[c]}$$
#
# Why window$(j)$, and not "all $c$ whose window contains $j$"? For odd $n$ they are the same
# channels, because the window is symmetric.
#
# **Exercise 08.3.** Write it as `my_lrn_backward(gy, x, y, scale, n, alpha, beta)`. All four arrays
# have the shape (N, C, H, W), and so has `gx`. The sum is the window sum of forward, applied to
# other numbers.


# %% tags=["exercise"]
def my_lrn_backward(gy, x, y, scale, n, alpha, beta):
    """Your code: return gx."""
    return None


check("08.3", my_lrn_backward)

# %%
# hint("08.3")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_lrn_backward(gy, x, y, scale, n, alpha, beta):
    pull = gy * y / scale
    total = pull.copy()
    for i in range(1, n // 2 + 1):
        total[:, i:] += pull[:, :-i]
        total[:, :-i] += pull[:, i:]
    return gy * scale**-beta - 2 * alpha * beta * x * total


check("08.3", my_lrn_backward)

# %% [markdown] lang="en"
# ## Judge
#
# A test is only as good as the mistakes it finds. Here is an LRN that omits the last neighbour. We
# test it twice with the judge of our own test suite: with the paper's $\alpha = 10^{-4}$, and with
# $\alpha = 1$. Will the judge find the mistake both times?


# %%
def forgetful_lrn(x, n, k, alpha, beta):
    squares = F.pad(x * x, [(0, 0), (n // 2, n // 2), (0, 0), (0, 0)])
    C = x.shape[1]
    total = sum(squares[:, i : i + C] for i in range(n - 1))  # range(n) would be right
    return x / (k + alpha * total) ** beta


def verdict(judge, *args, **settings):
    try:
        judge(*args, **settings)
    except AssertionError as error:
        print(error)
    else:
        print("no error: the judge accepts it")


# %%
x = np.random.default_rng(0).standard_normal((2, 8, 3, 3))
for alpha in (1e-4, 1.0):

    def mine(t, alpha=alpha):
        return forgetful_lrn(t, 5, 2.0, alpha, 0.75)

    def library(t, alpha=alpha):
        return F.local_response_norm(t, n=5, k=2.0, alpha=alpha, beta=0.75)

    wrong = mine(tn.tensor(x)).numpy()
    right = library(tn.tensor(x)).numpy()
    error = np.abs(wrong - right).max() / np.abs(right).max()
    print(f"alpha = {alpha:g}: the largest error is {error:.1e} of the largest output")
    verdict(tn.testing.check_layer, mine, x, against=library)

# %% [markdown] lang="en"
# It finds it both times. With the paper's $\alpha$ the missing neighbour changes the fourth digit
# or a later one. Our judge computes in float64, so it detects even that. A test with a tolerance of
# $10^{-3}$ would not. **Test where the effect is large**: with $\alpha = 1$ no tolerance can hide
# it.
#
# Now flip the sign of the second term of `gx`, and leave forward unchanged. Which judge will find
# it: the one that compares outputs, or the one that compares gradients with slopes?


# %%
class FlippedLRN(tn.Function):
    """LRN whose backward adds where it must subtract."""

    def forward(self, x):
        y, scale = tn.kernels.lrn_forward(x, 5, 2.0, 1.0, 0.75, 1)
        self.saved = x, y, scale
        return y

    def backward(self, gy):
        x, y, scale = self.saved
        gx = tn.kernels.lrn_backward(gy, x, y, scale, 5, 1.0, 0.75, 1)
        return 2 * gy * scale**-0.75 - gx


def flipped_lrn(t):
    return FlippedLRN()(t)


# %%
same = np.array_equal(flipped_lrn(tn.tensor(x)).numpy(), library(tn.tensor(x)).numpy())
print("outputs equal those of the library, bit for bit:", same)
verdict(tn.testing.check_gradient, flipped_lrn, x)

# %% [markdown] lang="en"
# ## Meet
#
# The library's definition is as short as yours. It differs from yours in two ways. Look at the
# arguments and at the return values of forward: which ways?

# %%
show(tn.kernels.lrn.window_sum)
show(tn.kernels.lrn_forward)
show(tn.kernels.lrn_backward)
show(nn.LocalResponseNorm)

# %% [markdown] lang="en"
# `groups` keeps a window inside its group of channels. In 2012 the channels of a layer were split
# over two GPUs, and a window across the border would have required a transfer over the bus. And
# forward also returns `scale`, because backward needs it: computing it twice would be more
# expensive.
#
# What does LRN do to a loud channel, one with large values? At one pixel ten of eleven channels
# hold 1, and one holds 30. The paper's $\alpha = 10^{-4}$ has an effect only on larger values. Here
# we take $10^{-2}$, so that the effect of 30 is visible. Which channels will it inhibit, and will
# it inhibit itself?
#
# In Jupyter, with ipywidgets installed, sliders move the loud channel and set $n$. Elsewhere one
# figure is shown.


# %%
def draw_neighbours(loud_channel=2, n=5):
    """Draw the output of LRN for 11 channels, one of which is loud."""
    x = np.ones((1, 11, 1, 1), np.float32)
    x[0, loud_channel] = 30
    y = F.local_response_norm(tn.tensor(x), n, k=2.0, alpha=1e-2, beta=0.75).numpy()
    left = (y / x).ravel() * 2.0**0.75
    see_it = [abs(c - loud_channel) <= n // 2 for c in range(11)]
    fig, ax = plt.subplots(figsize=(6.4, 3), layout="constrained")
    for bar, near in zip(ax.bar(range(11), left, edgecolor="black"), see_it, strict=True):
        bar.set(facecolor="#0072B2" if near else "#dddddd", hatch="//" if near else "")
    ax.set(xlabel="channel", ylabel="fraction that is left", xticks=range(11), ylim=(0, 1.05))
    ax.set_title(
        f"n = {n}: {sum(see_it)} of 11 windows contain channel {loud_channel}, which holds 30 "
        "(the others 1)",
        fontsize=10,
    )
    ax.spines[["top", "right"]].set_visible(False)
    return fig, (
        f"Channel {loud_channel} of 11 is loud. The {sum(see_it)} channels near it keep at "
        f"most {left[see_it].max():.2f} of their values, the others at least "
        f"{left[np.logical_not(see_it)].min(initial=1):.2f}."
    )


# %%
move(draw_neighbours, loud_channel=range(11), n=range(1, 10, 2))

# %% [markdown] lang="en"
# Only the neighbours within two channels are inhibited, and the loud channel itself. So channels
# compete with their neighbours, and a filter has a large output only if it responds to other
# patterns than its neighbours.

# %% [markdown] lang="en"
# ## Faster
#
# The reference is one line of NumPy for each step, and each step reads and writes the whole array.
# The Numba version goes over it once and does all the work for a pixel while its channels are in
# the cache. The sizes are those after conv1 of AlexNet, for four pictures. Predict: how many times as
# fast is it?

# %%
x = np.random.default_rng(0).standard_normal((4, 96, 55, 55)).astype(np.float32)


def seconds(function, times=3):
    function()
    measured = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        measured.append(time.perf_counter() - start)
    return min(measured)


# %% tags=["predict"]
def times_as_fast():
    times = {}
    for kind in ("reference", "numba"):
        with tn.kernels.use(kind):
            times[kind] = seconds(lambda: tn.kernels.lrn_forward(x, 5, 2.0, 1e-4, 0.75, 1))
            print(f"{kernel_name(kind):10} {1000 * times[kind]:8.1f} ms")
    return times["reference"] / times["numba"]


predict("08.b", ..., times_as_fast)

# %% [markdown] lang="en"
# Does it use your running sum? No. The window is only five wide, and a processor adds eight or
# sixteen channels in one instruction if no sum depends on the previous one. The second reason is
# accuracy. Try it: channel 3 is very loud, the channels after it are not.

# %%
v = np.array([1, 1, 1, 30_000, 1, 1, 1, 1, 1, 1], np.float32) ** 2
total = np.float32(v[0])
sums = []
for c in range(len(v)):  # a running sum with n = 3, in float32
    total = np.float32(total + (v[c + 1] if c + 1 < len(v) else 0))
    sums.append(float(total))
    total = np.float32(total - (v[c - 1] if c >= 1 else 0))
print("running sum", [f"{s:g}" for s in sums])
print("separate   ", [f"{v[max(0, c - 1) : c + 2].sum():g}" for c in range(len(v))])

# %% [markdown] lang="en"
# When the loud channel leaves the window, the small values are lost: float32 holds about seven
# digits, and 900,000,000 + 1 is rounded to 900,000,000. Every later window of the running sum is
# wrong. Separate window sums do not have this problem.
#
# ## Break
#
# A Keras tutorial of AlexNet with this LRN has been copied for years. Find two mistakes in it
# before you read on.

# %%
show(KerasPostLRN.forward)

# %% [markdown] lang="en"
# Reading is one way. A better one is to *test the layer*. The gradient of one single output with
# respect to the input is zero wherever that output does not depend on the input.
#
# **Exercise 08.4.** Write `my_sees(layer, x, c, h, w)` for an array `x` of shape (1, C, H, W) and
# `y = layer(x)`: a mask (C, H, W), true where the output `y[0, c, h, w]` depends on the input.


# %% tags=["exercise"]
def my_sees(layer, x, c, h, w):
    """Your code: a mask (C, H, W) of what one output depends on."""
    return None


check("08.4", my_sees)

# %%
# hint("08.4")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_sees(layer, x, c, h, w):
    t = tn.tensor(x, requires_grad=True)
    layer(t)[0, c, h, w].backward()
    return np.asarray(t.grad)[0] != 0


check("08.4", my_sees)

# %%
x = np.random.default_rng(0).uniform(1, 2, (1, 8, 7, 7))
for name, layer in (("LRN", nn.LocalResponseNorm()), ("the post's layer", KerasPostLRN())):
    t = tn.tensor(x, requires_grad=True)
    layer(t)[0, 3, 3, 3].backward()
    c, h, w = (len(np.unique(places)) for places in np.nonzero(t.grad[0]))
    print(f"{name}: one output sees {c} of 8 channels, {h}x{w} pixels")

# %% [markdown] lang="en"
# LRN sees five channels at one pixel. The post's layer sees **all** channels, over 5x5 **pixels**:
# it pools over pixels instead of channels, and then sums over all channels. What does that do to a
# loud channel? Here it is number 5 of eleven.

# %%
loud = np.ones((1, 11, 1, 1), np.float32)
loud[0, 5] = 30
settings = {"n": 5, "k": 2.0, "alpha": 1e-2, "beta": 0.75}
alone = loud * settings["k"] ** -settings["beta"]  # the output if all neighbours are 0
inhibited = F.local_response_norm(tn.tensor(loud), **settings).numpy()
post = KerasPostLRN(**settings)(tn.tensor(loud)).numpy()

# %%
fig, axes = plt.subplots(2, 1, figsize=(6.4, 5), sharey=True, layout="constrained")
counts = []
for ax, y, title, colour, hatch in (
    (axes[0], inhibited, "LRN", "#0072B2", "//"),
    (axes[1], post, "the post's layer", "#D55E00", ".."),
):
    kept = (y / alone).ravel()
    for bar, share in zip(ax.bar(range(11), kept, edgecolor="black"), kept, strict=True):
        quiet = share < 0.9
        bar.set(facecolor=colour if quiet else "#dddddd", hatch=hatch if quiet else "")
    counts.append(int((kept < 0.9).sum()))
    ax.set(xlabel="channel (number 5 is loud)", xticks=range(11), ylim=(0, 1.05))
    ax.set_title(f"{title}: {counts[-1]} of 11 lose more than a tenth", fontsize=11)
    ax.spines[["top", "right"]].set_visible(False)
fig.supylabel("fraction of the value that is left", fontsize=10)
figure(
    fig,
    "Two bar charts of the output of 11 channels, one of them loud. More than a tenth is lost by "
    f"{counts[0]} channels in LRN and by {counts[1]} in the post's layer. LRN leaves "
    + ", ".join(f"{v:.2f}" for v in (inhibited / alone).ravel())
    + "; the post's layer leaves "
    + ", ".join(f"{v:.2f}" for v in (post / alone).ravel())
    + ".",
)

# %% [markdown] lang="en"
# With LRN channel 5 inhibits itself and two neighbours on each side. With the post's layer all
# channels are divided by the same factor. That is not competition, only a scale factor.
#
# Is the *gradient* wrong? Run the gradient judge. What will it say?

# %%
verdict(tn.testing.check_gradient, KerasPostLRN(alpha=0.1), x[:, :, :4, :4])

# %% [markdown] lang="en"
# No error. Forward and backward agree: it is a correct implementation of another layer. Only a
# comparison with the definition finds this mistake. How large is the error? That depends on the
# number of channels and on the size of their values.

# %%
rng = np.random.default_rng(0)
print("channels   values of size 1   of size 10   of size 100")
for C in (16, 96, 256):
    values = rng.standard_normal((1, C, 9, 9)).astype(np.float32)
    errors = [lrn_error(tn.tensor(size * values)) for size in (1, 10, 100)]
    print(f"{C:8}   " + "   ".join(f"{100 * e:12.2f} %" for e in errors))

# %% [markdown] lang="en"
# And what is the effect on training? One run says little, so these are five: a small net on 5,000
# photographs of CIFAR-10, 8 epochs, the layer after each of its first two ReLUs. The numbers are
# the test error in percent, mean and 95 % interval, from `tinynet claims run lrn keras-lrn`.
#
# | after each ReLU | $\alpha = 10^{-4}$ | $\alpha = 0.1$ |
# |---|---|---|
# | LRN | 47.4 ± 1.7 | 49.0 ± 0.9 |
# | the layer of the post | 47.3 ± 1.7 | 49.1 ± 1.0 |
# | a constant: times $k^{-\beta}$ | 47.3 ± 1.6 | |
# | no layer | 46.6 ± 1.2 | |
#
# So the layer of the post does **no visible harm**, not even where $\alpha$ is a thousand times as
# large: seed by seed its error differs from that of LRN by 0.12 points (95 % interval -0.32 to
# 0.56). That is why it is still copied. Accuracy will not reveal such a bug.
#
# Now look at the first column. A constant factor has the same effect as LRN, and no layer at all is
# not worse than either. With the paper's $\alpha$ and values of size 1, how large is the effect of
# the neighbours?

# %%
values = rng.standard_normal((1, 96, 9, 9)).astype(np.float32)
y = F.local_response_norm(tn.tensor(values)).numpy()
gain = 2.0**-0.75
print(f"constant gain: {gain:.4f}")
print(f"effect of the neighbours: at most {np.abs(y / (gain * values) - 1).max():.2e} of a value")

# %% [markdown] lang="en"
# Less than a thousandth. At this size, a comparison of "LRN against no LRN" measures a constant and
# a learning rate. LRN has an effect where some channels are loud, as in the figures, or in the
# large network of the paper after many epochs; this lesson cannot show that.
#
# | | |
# |---|---|
# | in the paper | $k = 2$, $n = 5$, $\beta = 0.75$, $\alpha = 10^{-4}$ times the sum; after the ReLU of layers 1 and 2; reduces the top-1 and top-5 error by 1.4 and 1.2 points (section 3.3) |
# | in the code of 2012 | $\alpha$ is divided by $n$, so $2 \cdot 10^{-5}$ times the sum; windows end at the border of the GPU; in layer 1 *before* the ReLU. The run without it, on which the paper's 1.4 is based, lacks a second normalization as well |
# | here | $\alpha$ as the paper prints it, `groups=2` in `alexnet`; `tinynet summary --diff paper code2012` lists both |
#
# PyTorch and Caffe divide by $n$, as the code did. For the formula as printed, give PyTorch
# `alpha=5e-4`.

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** You port the paper's formula to PyTorch and write
# `nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2)`. What did you build?
#
# <details><summary>Answer</summary>
# The network as trained in 2012, not as the paper prints it: PyTorch divides alpha by 5. The
# printed formula needs alpha = 5e-4.
# </details>
#
# **2.** Why does no gradient check find the mistake of the post?
#
# <details><summary>Answer</summary>
# Its backward is the derivative of its forward. A gradient check compares a layer with itself; a
# wrong forward is found only by comparison with a definition.
# </details>
#
# **3.** An experiment removes LRN, the accuracy falls, and the difference is reported as the effect
# of LRN. What is wrong?
#
# <details><summary>Answer</summary>
# LRN is a constant factor too: 2 to the power -0.75, or 0.59. Without it the learning rate and the
# initial weights no longer fit, and that explains a part of the difference. A fair comparison keeps
# the factor: in the table above it explains the whole effect.
# </details>
