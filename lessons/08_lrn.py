# %% [markdown] lang="en"
# # 08 Local response normalization
#
# | | |
# |---|---|
# | goal | Write LRN forward and backward, and find out what a much copied wrong version does. |
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
from tinynet.lessons import check, figure, hint, move, show, solution
from tinynet.nn.mistakes import KerasPostLRN, lrn_error

# %% [markdown] lang="en"
# ## Build
#
# A ReLU has no ceiling. Where a tanh stops at 1, a ReLU passes on whatever it gets, so one channel
# can be thirty times as loud as all others at the same pixel. Section 3.3 of the paper lets
# neighbours quieten each other, as nerve cells do (*lateral inhibition*): every value is divided by
# a number that grows with the squares around it.
#
# $$\text{scale}[c] = k + \alpha \sum_{j \in \text{window}(c)} x[j]^2
# \qquad y[c] = x[c] \cdot \text{scale}[c]^{-\beta}$$
#
# The window of channel $c$ goes from $c - \lfloor n/2 \rfloor$ to $c + \lfloor n/2 \rfloor$, and
# ends at the first and the last channel. It runs over **channels, at one pixel**. Keep this
# sentence; it will be needed at the end.
#
# The paper takes $k = 2$, $n = 5$, $\alpha = 10^{-4}$, $\beta = 0.75$.
#
# Before you run the next cell: six channels hold 1, -2, 3, -4, 5, -6. With $n = 5$, how many
# channels does channel 0 see, and what is its sum of squares?

# %%
channels = np.array([1.0, -2, 3, -4, 5, -6])
for c in range(6):
    window = channels[max(0, c - 2) : c + 3]
    print(f"channel {c} sees {len(window)} channels; its sum of squares is {(window**2).sum():g}")

# %% [markdown] lang="en"
# Channel 0 sees three channels: itself and two on one side. Nothing stands in for the missing two.
#
# **Exercise 08.1.** Write `my_lrn(x, n, k, alpha, beta)` for `x` of shape (N, C, H, W); return `y`.
# Loop over the distance to the neighbour, 1 to n // 2, and let slices do the channels. You may write
# the sum over the window as a function of its own: backward needs it again.


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
# channels: one comes in, one leaves. A *running sum* needs two steps a channel, however wide the
# window is.
#
# **Exercise 08.2.** Write `my_running_sum(v, n)` for a list of numbers and an odd n. The windows end
# at both ends of the list, as above. The check counts your additions and subtractions.


# %% tags=["exercise"]
def my_running_sum(v, n):
    """Your code: the list of window sums, each made from the one before."""
    return None


check("08.2", my_running_sum)

# %%
# hint("08.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_running_sum(v, n):
    half, total, sums = n // 2, 0.0, []
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
# Now backward. `gy` is the gradient of the loss with respect to `y`, `gx` the one we want. How does
# $x[j]$ reach the loss? In two ways.
#
# 1. It is the numerator of its own output: $gy[j] \cdot \text{scale}[j]^{-\beta}$.
# 2. It is in the scale of **every channel $c$ whose window it is in**:
#
# $$\frac{\partial y[c]}{\partial\, \text{scale}[c]} = -\beta\, \frac{y[c]}{\text{scale}[c]}
# \qquad \frac{\partial\, \text{scale}[c]}{\partial x[j]} = 2 \alpha\, x[j]$$
#
# Multiply, weigh with $gy[c]$, add up over these $c$:
#
# $$gx[j] = gy[j] \cdot \text{scale}[j]^{-\beta}
# - 2 \alpha \beta\, x[j] \sum_{c \in \text{window}(j)} \frac{gy[c] \cdot y[c]}{\text{scale}[c]}$$
#
# Why window$(j)$, and not "all $c$ that see $j$"? For odd $n$ they are the same channels. The window
# is symmetric, so whom I see sees me.
#
# **Exercise 08.3.** Write it as `my_lrn_backward(gy, x, y, scale, n, alpha, beta)`. All four arrays
# have the shape (N, C, H, W), and so has `gx`. The sum is that of forward again, of other numbers.


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
# A test is worth what it can catch. Here is an LRN that forgets the last neighbour. We show it to
# the judge of our own test suite twice: with the paper's $\alpha = 10^{-4}$, and with
# $\alpha = 1$. Will the judge speak both times?


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
        print("silence: the judge has nothing to say against it")


x = np.random.default_rng(0).standard_normal((2, 8, 3, 3))
for alpha in (1e-4, 1.0):

    def mine(t, alpha=alpha):
        return forgetful_lrn(t, 5, 2.0, alpha, 0.75)

    def library(t, alpha=alpha):
        return F.local_response_norm(t, 5, k=2.0, alpha=alpha, beta=0.75)

    wrong, right = mine(tn.tensor(x)).numpy(), library(tn.tensor(x)).numpy()
    error = np.abs(wrong - right).max() / np.abs(right).max()
    print(f"alpha = {alpha:g}: the largest error is {error:.1e} of the largest output")
    verdict(tn.testing.check_layer, mine, x, against=library)

# %% [markdown] lang="en"
# It speaks both times. With the paper's $\alpha$ the missing neighbour changes the fourth digit or a
# later one. Our judge computes in float64, so it notices even that. A test with a tolerance of
# $10^{-3}$ would not.
# **Test where the effect is large**: with $\alpha = 1$ no tolerance can hide it.
#
# Now one for you. Flip the sign of the second term of `gx`, and leave forward as it is. Which judge
# will notice: the one that compares outputs, or the one that compares gradients with slopes?


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


same = np.array_equal(flipped_lrn(tn.tensor(x)).numpy(), library(tn.tensor(x)).numpy())
print("outputs equal those of the library, bit for bit:", same)
verdict(tn.testing.check_gradient, flipped_lrn, x)

# %% [markdown] lang="en"
# ## Meet
#
# The library's definition is as short as yours. Two things are other than in your version. Look at
# the arguments, and at what forward returns: what are they?

# %%
show(tn.kernels.lrn.window_sum)
show(tn.kernels.lrn_forward)
show(tn.kernels.lrn_backward)
show(nn.LocalResponseNorm)

# %% [markdown] lang="en"
# `groups` keeps a window inside its group of channels. In 2012 the channels of a layer lay on two
# GPUs, and a window that crossed the border would have meant a transfer over the bus. And forward
# returns `scale` as well, because backward needs it: computing it twice would be the dearer way.
#
# What does LRN do to a loud channel? Eleven channels hold 1 at one pixel, and one of them holds 30.
# The paper's $\alpha = 10^{-4}$ is made for channels that are louder still. Here we take $10^{-2}$, so
# that a channel of 30 shows. Which channels will it quieten, and will it quieten itself?
#
# In Jupyter, with ipywidgets installed, sliders move the loud channel and set $n$. Elsewhere it is
# one still picture.


# %%
def draw_neighbours(loud_channel=2, n=5):
    """Draw what LRN leaves of 11 channels, one of which is loud."""
    x = np.ones((1, 11, 1, 1), np.float32)
    x[0, loud_channel] = 30
    y = F.local_response_norm(tn.tensor(x), n, k=2.0, alpha=1e-2, beta=0.75).numpy()
    left = (y / x).ravel() * 2.0**0.75
    see_it = [abs(c - loud_channel) <= n // 2 for c in range(11)]
    fig, ax = plt.subplots(figsize=(6.4, 3), layout="constrained")
    for bar, near in zip(ax.bar(range(11), left, edgecolor="black"), see_it, strict=True):
        bar.set(facecolor="#0072B2" if near else "#dddddd", hatch="//" if near else "")
    ax.set(xlabel="channel", ylabel="share that is left", xticks=range(11), ylim=(0, 1.05))
    ax.set_title(
        f"n = {n}: {sum(see_it)} of 11 channels see channel {loud_channel}, which holds 30 "
        "(the others 1)",
        fontsize=10,
    )
    ax.spines[["top", "right"]].set_visible(False)
    return fig, (
        f"Channel {loud_channel} of 11 is loud. The {sum(see_it)} channels that see it keep at "
        f"most {left[see_it].max():.2f} of their values, the others at least "
        f"{left[np.logical_not(see_it)].min(initial=1):.2f}."
    )


move(draw_neighbours, loud_channel=range(11), n=range(1, 10, 2))

# %% [markdown] lang="en"
# Only the neighbours within two channels are quietened, and the loud channel itself. So channels
# compete with those beside them, and a filter that wants to be heard must differ from its
# neighbours.

# %% [markdown] lang="en"
# ## Faster
#
# The reference is one line of NumPy for each step, and each step reads and writes the whole array.
# The Numba version walks over it once and does everything for a pixel while its channels are at
# hand. The sizes are those behind conv1 of AlexNet, for four pictures. Guess the ratio first.

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


times = {}
for kind in ("reference", "numba"):
    with tn.kernels.use(kind):
        times[kind] = seconds(lambda: tn.kernels.lrn_forward(x, 5, 2.0, 1e-4, 0.75, 1))
        print(f"{kind:10} {1000 * times[kind]:8.1f} ms")
print(f"the Numba version takes {times['numba'] / times['reference']:.3f} of the reference's time")

# %% [markdown] lang="en"
# Does it use your running sum? It does not. The window is only five wide, and a processor adds
# eight or sixteen channels in one instruction when no sum waits for the one before. There is a
# second reason, and it is about being right. Try it: channel 3 is very loud, and afterwards all is
# quiet.

# %%
v = np.array([1, 1, 1, 30_000, 1, 1, 1, 1, 1, 1], np.float32) ** 2
total, sums = np.float32(v[0]), []
for c in range(len(v)):  # a running sum with n = 3, in float32
    total = np.float32(total + (v[c + 1] if c + 1 < len(v) else 0))
    sums.append(float(total))
    total = np.float32(total - (v[c - 1] if c >= 1 else 0))
print("running sum", [f"{s:g}" for s in sums])
print("each anew  ", [f"{v[max(0, c - 1) : c + 2].sum():g}" for c in range(len(v))])

# %% [markdown] lang="en"
# The loud channel came and went, and took the small ones with it: float32 holds about seven digits,
# and 900,000,000 + 1 is 900,000,000. Every later window of the running sum is wrong. Summing each
# window anew forgets the loud channel for good.
#
# ## Break
#
# A Keras tutorial of AlexNet has been copied for years, with this LRN in it. Read it, and find two
# mistakes before you read on.

# %%
show(KerasPostLRN.forward)

# %% [markdown] lang="en"
# Reading is one way. Here is a better one: *ask the layer*. The gradient of one single output with
# respect to the whole input is zero wherever that output does not look.
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
# it pools where it should walk along the channels, and then adds all of them up. What does that do to
# a loud channel? Here it is number 5 of eleven.

# %%
loud = np.ones((1, 11, 1, 1), np.float32)
loud[0, 5] = 30
settings = {"n": 5, "k": 2.0, "alpha": 1e-2, "beta": 0.75}
alone = loud * settings["k"] ** -settings["beta"]  # what remains if all neighbours are silent
inhibited = F.local_response_norm(tn.tensor(loud), **settings).numpy()
post = KerasPostLRN(**settings)(tn.tensor(loud)).numpy()

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
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
axes[0].set_ylabel("share of the value that is left")
figure(
    fig,
    "Two bar charts of what is left of 11 channels, one of them loud. More than a tenth is lost by "
    f"{counts[0]} channels in LRN and by {counts[1]} in the post's layer. LRN leaves "
    + ", ".join(f"{v:.2f}" for v in (inhibited / alone).ravel())
    + "; the post's layer leaves "
    + ", ".join(f"{v:.2f}" for v in (post / alone).ravel())
    + ".",
)

# %% [markdown] lang="en"
# With LRN channel 5 quietens itself and two neighbours on each side. With the post's layer everybody
# is quietened by the same factor. That is no competition; it is a volume knob.
#
# Is it a wrong *gradient*? Ask the gradient judge. What will it say?

# %%
verdict(tn.testing.check_gradient, KerasPostLRN(alpha=0.1), x[:, :, :4, :4])

# %% [markdown] lang="en"
# Silence. Forward and backward fit together perfectly: it is a right layer of another kind. Only a
# comparison with the definition finds this mistake. How far off is it? That depends on how many
# channels there are, and how loud they are.

# %%
rng = np.random.default_rng(0)
print("channels   values of size 1   of size 10   of size 100")
for C in (16, 96, 256):
    values = rng.standard_normal((1, C, 9, 9)).astype(np.float32)
    errors = [lrn_error(tn.tensor(size * values)) for size in (1, 10, 100)]
    print(f"{C:8}   " + "   ".join(f"{100 * e:12.2f} %" for e in errors))

# %% [markdown] lang="en"
# And what does it do to training? One run says little, so these are five: a small net on the drawn
# shapes, four epochs, the layer behind each of its two ReLUs. The numbers are the test accuracy in
# percent, mean (least to most), and come from `python -m tinynet.lessons.measure lrn --seeds 5`.
# Every line has the same settings: batches of 50, learning rate 0.02, in the last epoch a tenth.
#
# | behind each ReLU | $\alpha = 10^{-4}$ | $\alpha = 0.1$ |
# |---|---|---|
# | LRN | 93.6 (91.1 to 96.7) | 88.5 (80.0 to 93.3) |
# | the layer of the post | 93.5 (91.3 to 94.8) | 91.2 (87.2 to 93.4) |
# | a constant: times $k^{-\beta}$ | 93.0 (88.9 to 95.2) | |
# | nothing | 24.2 (10.0 to 49.7) | |
#
# So the layer of the post does **no visible harm**, not even where $\alpha$ is a thousand times as
# large: the ranges overlap. So nothing stops people from copying it. Who wants to find such a
# mistake must not look at the accuracy.
#
# Now look at the last two lines. Without any layer the same net hardly learns, at this learning rate,
# and a mere constant repairs it. How much of LRN is left, with the paper's $\alpha$ and values of
# size 1, if you take the neighbours away?

# %%
values = rng.standard_normal((1, 96, 9, 9)).astype(np.float32)
y = F.local_response_norm(tn.tensor(values)).numpy()
gain = 2.0**-0.75
print(f"constant gain: {gain:.4f}")
print(
    f"what the neighbours change: {np.abs(y / (gain * values) - 1).max():.2e} of a value, at most"
)

# %% [markdown] lang="en"
# Less than a thousandth. At this size a measurement of "LRN against nothing" measures a constant and
# a learning rate. LRN acts where some channels are loud, as in the figures, or in the big
# network of the paper after many epochs; this lesson cannot show that.
#
# | | |
# |---|---|
# | in the paper | $k = 2$, $n = 5$, $\beta = 0.75$, $\alpha = 10^{-4}$ times the sum; behind the ReLU of layers 1 and 2; worth 1.4 and 1.2 points of top-1 and top-5 error (section 3.3) |
# | in the code of 2012 | $\alpha$ is divided by $n$, so $2 \cdot 10^{-5}$ times the sum; windows end at the border of the GPU; in layer 1 *before* the ReLU. The run without it, behind the paper's 1.4, lacks a second normalization as well |
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
# The network as it was trained in 2012, not as the paper prints it: PyTorch divides alpha by 5. The
# printed formula needs alpha = 5e-4.
# </details>
#
# **2.** Why does no gradient check find the mistake of the post?
#
# <details><summary>Answer</summary>
# Its backward is the derivative of its forward. A gradient check compares a layer with itself; to
# find a wrong forward you need a definition to compare with.
# </details>
#
# **3.** Somebody removes LRN, the accuracy falls, and he reports the difference as the worth of
# LRN. What did he forget?
#
# <details><summary>Answer</summary>
# LRN is a constant factor too: 2 to the power -0.75, or 0.59. Without it the learning rate and the
# initial weights no longer fit, and a part of what he measured is that. A fair comparison keeps the
# factor: in the table above it is all there is to see.
# </details>
