# %% [markdown] lang="en"
# # 12 Count AlexNet
#
# | | |
# |---|---|
# | goal | Count every parameter and every multiplication of AlexNet, and correct published counts. |
# | time | 40 minutes |
# | runs | under 10 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; no network, no download |
# | before | 05 Convolution by hand; 07 Max-pooling with windows that overlap |

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.analysis import summary
from tinynet.lessons import check, figure, hint, predict, show, solution

# %% [markdown] lang="en"
# ## Build
#
# How large is AlexNet? Sources give 60,965,224 parameters, or 62,378,344; maps of 55x55, or 56x56;
# inputs of 224, or 227. Each of these numbers is right for *some* network. To find out which, we
# count ourselves, with three small functions.
#
# First: how large are the maps? A window of $K$ pixels moves by $S$ pixels over $H$ pixels with $P$
# zeros on both sides. The last start is at $H + 2P - K$, so (lesson 05)
#
# $$OH = \left\lfloor \frac{H + 2P - K}{S} \right\rfloor + 1$$
#
# if a window must fit. AlexNet's first layer has $H = 224$, $K = 11$, $S = 4$. Is
# $(224 - 11) / 4$ a whole number? There are three ways to treat a remainder: windows must fit; the
# last one may extend past the edge; or, as in TensorFlow's "same", one output for every stride-th
# pixel, with as much padding as needed.

# %%
for size in (224, 227):
    room = size - 11
    print(
        f"{size} pixels: must fit {room // 4 + 1}, rounded up {-(-room // 4) + 1}, "
        f'"same" {-(-size // 4)}'
    )

# %% [markdown] lang="en"
# So 224 pixels give 54 (windows must fit), 55 (the code of 2012 rounded up), or 56 ("same"). And
# 227 pixels give 55 without rounding. This explains 224 and 227: with rounding up, the last window
# begins at pixel 216 and ends at pixel 226, three beyond the edge.
#
# Each number in a map is a neuron. Backward needs them, so in training all of them are kept, for
# every image of a batch. The paper counts 650,000 of them, 253,440 in the first layer (abstract;
# caption of Figure 2). Here is its plan.

# %%
features = [  # ("conv", filters, kernel, stride, padding, groups), ("pool", kernel, stride)
    ("conv", 96, 11, 4, 0, 1),
    ("pool", 3, 2),
    ("conv", 256, 5, 1, 2, 2),
    ("pool", 3, 2),
    ("conv", 384, 3, 1, 1, 1),
    ("conv", 384, 3, 1, 1, 2),
    ("conv", 256, 3, 1, 1, 2),
    ("pool", 3, 2),
]
plan = [*features, ("fc", 4096), ("fc", 4096), ("fc", 1000)]

# %% [markdown] lang="en"
# **Exercise 12.1.** Go through the plan and count the neurons of each layer that has weights. Sizes
# round up, as in the code of 2012. Which layer will have the most?


# %% tags=["exercise"]
def my_neurons(plan, side):
    "Your code: a list with a number for each conv and each fc; pools only change the side."
    return None


check("12.1", my_neurons)

# %%
# hint("12.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_neurons(plan, side):
    neurons = []
    for kind, *row in plan:
        if kind == "fc":
            neurons.append(row[0])
            continue
        filters, kernel, stride, padding = (0, *row, 0) if kind == "pool" else row[:4]
        side = -(-(side + 2 * padding - kernel) // stride) + 1
        if kind == "conv":
            neurons.append(filters * side * side)
    return neurons


check("12.1", my_neurons)

# %% [markdown] lang="en"
# The largest maps come first, where the filters are few. Lesson 19 adds up the list and compares
# the sum with the paper's.
#
# Next: what does a layer cost? Parameters measure the storage, multiply-adds the work for one
# image. A filter of a convolution is stored once and applied at every position.
#
# **Exercise 12.2.** Write `my_layer_cost`, for convolutions with groups. A fully connected layer is
# a convolution of 1x1 pixels at one position.


# %% tags=["exercise"]
def my_layer_cost(inputs, outputs, kernel, places, groups):
    "Your code: return (parameters, multiply_adds)."
    return None


check("12.2", my_layer_cost)

# %%
# hint("12.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_layer_cost(inputs, outputs, kernel, places, groups):
    weights = outputs * (inputs // groups) * kernel * kernel
    return weights + outputs, weights * places


check("12.2", my_layer_cost)

# %% [markdown] lang="en"
# **Exercise 12.3.** Put them together: go through the plan again and add up. Before you run the
# check: which layer will have the most parameters, and which the most multiply-adds?


# %% tags=["exercise"]
def my_count(plan, channels, side):
    "Your code: return (parameters, multiply_adds) of all layers; sizes round up."
    return None


check("12.3", my_count)

# %%
# hint("12.3")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_count(plan, channels, side):
    parameters = multiply_adds = 0
    for kind, *row in plan:
        if kind == "pool":
            side = -(-(side - row[0]) // row[1]) + 1
            continue
        if kind == "conv":
            outputs, kernel, stride, padding, groups = row
            side = -(-(side + 2 * padding - kernel) // stride) + 1
        else:
            outputs = row[0]
            kernel = 1
            groups = 1
            channels, side = channels * side * side, 1
        new = my_layer_cost(channels, outputs, kernel, side * side, groups)
        parameters, multiply_adds = parameters + new[0], multiply_adds + new[1]
        channels = outputs
    return parameters, multiply_adds


check("12.3", my_count)

# %% [markdown] lang="en"
# ## Judge
#
# Check the count against the network itself: build it, and add up the sizes of its arrays.
# `skip_init` leaves the 60 million weights at zero, since we only count them.

# %%
with nn.init.skip_init():
    network = tn.models.build("alexnet", classes=1000)
total = sum(p.data.size for p in network.parameters())
print(f"{total:,} parameters in {len(network.parameters())} arrays")

# %% [markdown] lang="en"
# Multiplications cannot be counted from arrays. For those we measure the time, under *Faster*.
#
# ## Meet
#
# The library's count does not use a plan. It runs a batch of **zero** images through the real
# network and records every layer: an empty batch costs nothing and has the same shapes.

# %%
show(summary.layers)

# %%
layers = [r for r in summary.layers(network, (3, 224, 224)) if r.multiply_adds]
names = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
for name, r in zip(names, layers, strict=True):
    shape = "x".join(map(str, r.shape))
    print(f"{name}  {shape:>9}  {r.parameters:12,} parameters  {r.multiply_adds:12,} multiply-adds")
parameters = np.array([r.parameters for r in layers], np.int64)
work = np.array([r.multiply_adds for r in layers], np.int64)
print(f"sum{parameters.sum():25,} parameters  {work.sum():12,} multiply-adds")

# %% [markdown] lang="en"
# The figure shows each layer as a square whose area is the number of its parameters (above) or its
# multiply-adds for one image (below).

# %%
fig, ax = plt.subplots(figsize=(9, 4.6), layout="constrained")
rows = ((parameters, "#0072B2", "", 1), (work, "#E69F00", "//", -1))
sides = [np.sqrt(values / values.sum()) for values, *_ in rows]
widths = np.maximum(np.maximum(*sides), 0.13)
middles = np.cumsum(widths + 0.03) - widths / 2
for (values, colour, hatch, way), side in zip(rows, sides, strict=True):
    for x, s, value in zip(middles, side, values, strict=True):
        corner = (x - s / 2, 0.05 if way > 0 else -0.05 - s)
        box = plt.Rectangle(corner, s, s, facecolor=colour, edgecolor="black", hatch=hatch)
        ax.add_patch(box)
        share = f"{100 * value / values.sum():.1f} %"
        ax.text(x, way * (0.085 + s), share, ha="center", va="center", fontsize=9)
for x, name in zip(middles, names, strict=True):
    ax.text(x, 0, name, ha="center", va="center", fontsize=10, fontweight="bold")
ax.text(0, 0.8, f"{parameters.sum():,} parameters", fontsize=11, weight="bold")
ax.text(0, -0.75, f"{work.sum():,} multiply-adds for one image", fontsize=11, weight="bold")
ax.set(xlim=(-0.02, middles[-1] + 0.15), ylim=(-0.8, 0.9), aspect="equal")
ax.set_axis_off()
stored, done = (100 * values[:5].sum() / values.sum() for values in (parameters, work))
ax.set_title(f"Convolutions: {done:.0f} % of the work with {stored:.0f} % of the parameters")
figure(
    fig,
    "AlexNet's eight layers as squares, once by parameters, once by multiply-adds. The five "
    f"convolutions hold {stored:.1f} % of the parameters and do {done:.1f} % of the work; fc6 alone "
    f"holds {100 * parameters[5] / parameters.sum():.1f} % of the parameters.",
)

# %% [markdown] lang="en"
# The network has two parts: convolutions that do nearly all the work, and fully connected layers
# that hold nearly all the parameters. This is why later networks dropped the fully connected
# layers, and why the two parts were later parallelised in different ways (lesson 13).
#
# ## Faster
#
# fc6 does 5 % of the multiply-adds. Predict: how long does it take for one image, as a percentage of
# the time of conv2? And for each image, with 32 at once? Write both in place of the dots, as a pair
# such as (1, 2), then run the cell: it shows the truth only after a guess.


# %%
def milliseconds(run, rounds=3):
    """Return the best time of a few rounds, after one that does not count."""
    run()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - started))
    return min(times)


# %%
rng = np.random.default_rng(0)
conv2 = tn.tensor(np.ones((256, 48, 5, 5), np.float32))
fc6 = network.classifier[1].weight
fc6.data[...] = 0.01  # untouched zeros would not be in memory at all


# %%
def timed():
    """Return the milliseconds an image of conv2 and fc6, for each size of a batch."""
    per_image = {}
    for batch in (1, 32):
        x = tn.tensor(rng.standard_normal((batch, 96, 27, 27)).astype(np.float32))
        v = tn.tensor(rng.standard_normal((batch, 9216)).astype(np.float32))
        with tn.no_grad():
            a = milliseconds(lambda x=x: F.conv2d(x, conv2, padding=2, groups=2)) / batch
            b = milliseconds(lambda v=v: F.linear(v, fc6)) / batch
        per_image[batch] = a, b
        print(f"{batch:2} images: conv2 {a:6.2f} ms, fc6 {b:6.2f} ms for each image")
    return per_image


# %%
def percentages():
    per_image = timed()
    for name, i, macs in (("conv2", 0, work[1]), ("fc6", 1, work[5])):
        speeds = [macs / per_image[batch][i] / 1e6 for batch in (1, 32)]
        print(f"{name}: {speeds[0]:.0f} and {speeds[1]:.0f} billion multiply-adds a second")
    return tuple(100 * fc / conv for conv, fc in per_image.values())


# %% tags=["predict"]
predict("12.a", ..., percentages, "%")

# %% [markdown] lang="en"
# fc6 has 151 MB of weights. For one image each weight is loaded from memory and used once: the
# multiplications wait for the memory. With 32 images each loaded weight is used 32 times. conv2
# uses each of its weights 729 times in a single image, so the batch size matters far less.
# **Multiply-adds predict the time only where memory is not the bottleneck.**
#
# ## Break
#
# One post builds AlexNet in Keras with padding "same" in conv1, omits the pooling after conv1, and
# prints 62,378,344 parameters: exactly the number of a correct one-tower AlexNet. Is it one? What
# will the multiply-adds show?

# %%
for variant in ("paper", "one-tower", "keras-same", "pool-first"):
    _, rows = summary.counted("alexnet", variant=variant)
    counted = sum(r.parameters for r in rows), sum(r.multiply_adds for r in rows)
    print(f"{variant:11} maps of conv1 {rows[0].shape[1]}, {counted[0]:12,} {counted[1]:15,}")

# %% [markdown] lang="en"
# The parameters are the same, the work is 2.7 times as much. A filter has the same weights at every
# position; without the pool it is applied four times as often. The number of parameters does not
# show that, unless the input of the fully connected layer changes: here a later pool happens to
# restore its size.
#
# What if all sizes are rounded down, with 224 pixels? Predict the side of the last maps, in pixels.


# %% tags=["predict"]
def last_side():
    side = 224
    windows = ((11, 4, "conv1"), (3, 2, "pool1"), (3, 2, "pool2"), (3, 2, "pool5"))
    for kernel, stride, what in windows:
        side = (side - kernel) // stride + 1
        print(f"{what}: {side}x{side}")
    print(f"fc6 would have {side * side * 256 * 4096:,} weights instead of {6 * 6 * 256 * 4096:,}")
    return side


predict("12.b", ..., last_side, "pixels")

# %% [markdown] lang="en"
# One row of windows less in the first layer costs three tenths of the weights of fc6.
#
# Now you can check published numbers. One table first, from the paper (section 6, table 2 and the
# text below it): top-5 error in the challenge of 2012.
#
# | entry | validation | test |
# |---|---|---|
# | one net | 18.2 % | |
# | five nets, averaged | 16.4 % | 16.4 % |
# | seven nets, two of them trained on more pictures first | 15.4 % | 15.3 % |
# | the second best team | | 26.2 % |
#
# **Exercise 12.4.** These lines are from posts and papers, with the same numbers. Which are wrong?
#
# - A: conv1, with windows of 11 that must fit, stride 4, without padding, turns 224 pixels into
#   55x55 maps.
# - B: conv3 has 884,736 weights.
# - C: The first fully connected layer has 13 * 13 * 256 * 4096 = 177 million weights.
# - D: The network of the paper, with its two towers, has 62,378,344 parameters.
# - E: More than nine tenths of the multiply-adds are in the convolutions.
# - F: conv1 has 253,440 outputs (figure 2 of the paper).
# - G: Overlapping pooling, 3x3 with stride 2, turns 13x13 into 6x6.
# - H: The winner of 2012 had 15.4 % top-5 error on the test set.

# %% tags=["exercise"]
my_wrong_lines = None  # your answer: a set of letters, such as {"A", "B"}

check("12.4", my_wrong_lines)

# %%
# hint("12.4")  # without the first "#": a hint, and each time you run it the next one

# %% tags=["solution"]
my_wrong_lines = {"A", "C", "D", "F", "H"}

check("12.4", my_wrong_lines)

# %% [markdown] lang="en"
# So, 15.4 or 16.4? Neither: the winning entry had 15.3 % on the test pictures. 15.4 % belongs to
# the same seven nets on the validation pictures, and 16.4 % to the five nets without the extra
# pictures.
#
# Is the difference between 15.3 and 15.4 significant? The validation set has 50,000 pictures. If a
# net errs on 15.4 % of all possible pictures, what is the standard deviation of the error on a
# sample of 50,000?

# %%
error = 0.154
pictures = 50_000
chance = np.sqrt(error * (1 - error) / pictures)
print(f"one standard deviation: {100 * chance:.2f} points")

# %% [markdown] lang="en"
# A tenth of a point between two samples is within chance. But a quoted number should still say what
# was measured, on which pictures, with how many nets.
#
# | | |
# |---|---|
# | in the paper | 224x224 inputs, "60 million parameters", "650,000 neurons"; figure 2 prints 253,440 for conv1, which is 55 * 48 * 96 and should be 55 * 55 * 96 |
# | in the code of 2012 | 224 pixels, sizes round up: 55, and the last window extends 3 pixels past the edge; 60,965,224 parameters |
# | here | 3 rows and columns of zeros at the bottom and right, so that the windows fit: the same 55, the same 60,965,224; `tinynet summary alexnet` |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** Caffe's AlexNet takes crops of 227 pixels, and its conv1 has no padding. Does its number of
# parameters differ from the paper's net?
#
# <details><summary>Answer</summary>
# No. 227 pixels give 55x55 maps without rounding, and all later layers are the same.
# </details>
#
# **2.** You want to halve the memory that the parameters take. Which layer do you change first? And
# to halve the time of a training step with 128 images?
#
# <details><summary>Answer</summary>
# fc6 for the memory: it holds 62 % of the parameters. The convolutions for the time: they do 92 % of
# the multiply-adds, and with 128 images the fully connected layers no longer wait for their weights.
# </details>
#
# **3.** A network has exactly the right number of parameters. What do you check next?
#
# <details><summary>Answer</summary>
# The multiply-adds, or the shapes of the maps: the parameters of convolutions do not depend on the
# size of the maps.
# </details>
