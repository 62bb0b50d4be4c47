# %% [markdown] lang="en"
# # 18 After AlexNet
#
# | | |
# |---|---|
# | goal | See what VGG, GoogLeNet, ResNet and DenseNet changed, and measure the effect of a skip. |
# | time | 50 minutes |
# | runs | under 15 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; no network, no download; CIFAR-10 is used if present |
# | before | 05 Convolution by hand, 12 Count AlexNet |

# %%
import itertools
import time

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.analysis import summary
from tinynet.lessons import check, figure, hint, pictures, predict, show, solution

# %% [markdown] lang="en"
# Five years lie between AlexNet and DenseNet. The figure shows accuracy on ImageNet (top-1, one
# central crop, as torchvision's documentation lists it for its first set of weights) against the
# cost of the network. The library counts the costs here, without initialising any weights.

# %%
FAMILIES = [  # year, name, variant, top-1
    (2012, "alexnet", "torchvision", 56.522),
    (2014, "vgg-16", None, 71.592),
    (2014, "vgg-19", None, 72.376),
    (2014, "googlenet-torchvision", None, 69.778),
    (2015, "resnet-18", None, 69.758),
    (2015, "resnet-34", None, 73.314),
    (2015, "resnet-50", None, 76.130),
    (2017, "densenet-121", None, 74.434),
]

# %%
costs = []
for year, name, variant, top1 in FAMILIES:
    rows = summary.counted(name, variant=variant)[1]
    costs.append([sum(getattr(r, what) for r in rows) for what in ("parameters", "multiply_adds")])
    print(f"{year} {name:22} {costs[-1][0]:12,} {costs[-1][1]:15,} {top1:5.1f} %")

# %%
LOOKS = {2012: ("#000000", "o"), 2014: ("#0072B2", "s"), 2015: ("#D55E00", "^")}
LOOKS[2017] = ("#009E73", "D")
BESIDE = {"vgg-16": (-8, -14), "vgg-19": (-8, 8), "resnet-34": (9, -4), "resnet-18": (9, -4)}
BESIDE |= {"googlenet-torchvision": (6, -15), "densenet-121": (9, -3)}

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
UNITS = ("parameters (millions)", 1e6), ("multiply-adds (billions)", 1e9)
for k, ax in enumerate(axes):
    unit, size = UNITS[k]
    for (year, name, _, top1), cost in zip(FAMILIES, costs, strict=True):
        color, marker = LOOKS[year]
        at = cost[k] / size
        ax.plot(at, top1, color=color, marker=marker, markersize=8, linestyle="none")
        short = name.removesuffix("-torchvision")
        place = BESIDE.get(name, (8, 5))
        side = "right" if place[0] < 0 else "left"
        ax.annotate(short, (at, top1), place, textcoords="offset points", fontsize=9, ha=side)
    ax.set(xscale="log", xlabel=unit)
    ticks = (5, 10, 20, 50, 100, 200) if k == 0 else (0.5, 1, 2, 5, 10, 20)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.grid(visible=True, color="#e4e4e4")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set(ylabel="top-1 accuracy on ImageNet (%)", ylim=(54, 79))
for year, (color, marker) in LOOKS.items():
    axes[1].plot([], [], color=color, marker=marker, linestyle="none", label=str(year))
axes[1].legend(frameon=False, loc="lower right")
fewest = min(range(len(FAMILIES)), key=lambda i: costs[i][0])
name = FAMILIES[fewest][1].split("-")[0]
better = FAMILIES[fewest][3] - FAMILIES[0][3]
fig.suptitle(
    f"{name}: {costs[0][0] / costs[fewest][0]:.0f} times fewer parameters than alexnet, "
    f"{better:+.0f} points"
)
figure(
    fig,
    "Top-1 accuracy against parameters and against multiply-adds. AlexNet of 2012 has "
    f"{FAMILIES[0][3]:.1f} % with {costs[0][0] / 1e6:.0f} million parameters, VGG-19 of 2014 "
    f"{FAMILIES[2][3]:.1f} % with {costs[2][0] / 1e6:.0f} million, ResNet-50 of 2015 "
    f"{FAMILIES[6][3]:.1f} % with {costs[6][0] / 1e6:.0f} million. The fewest parameters are those "
    f"of {FAMILIES[fewest][1]}: {costs[fewest][0] / 1e6:.0f} million.",
)

# %% [markdown] lang="en"
# The right panel is nearly as expected: more work, more accuracy, except for VGG, which does about
# four times the work of ResNet-50 with a lower accuracy. The left one is not. GoogLeNet has about a
# ninth of AlexNet's parameters and is far better. Nearly all of AlexNet's parameters are in two
# fully connected layers. VGG kept such layers, and has the most parameters of all; the others
# dropped them. The rest of this lesson presents four ideas, each small enough to compute.
#
# ## Build
#
# ### VGG: small filters, many layers
#
# A value after several layers depends on a square of pixels, its receptive field. Go through the
# layers with two numbers: the field, and the *jump*, the distance in pixels between two
# neighbouring values.
#
# $$field \leftarrow field + (k - 1) \cdot jump, \qquad jump \leftarrow jump \cdot stride$$


# %% tags=["exercise"]
def my_receptive_field(layers):
    "Your code: layers is a list of (k, stride); return the side of the receptive field in pixels."
    return None


check("18.1", my_receptive_field)

# %%
# hint("18.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_receptive_field(layers):
    field = 1
    jump = 1
    for k, stride in layers:
        field += (k - 1) * jump
        jump *= stride
    return field


check("18.1", my_receptive_field)

# %% [markdown] lang="en"
# Three layers of 3 x 3 see 7 x 7 pixels, as one layer of 7 x 7 does. How many weights does each
# have, for one pair of channels? We need no formula: the gradient shows which pixels matter.

# %%
for kernel, depth in ((7, 1), (3, 3)):
    stack = nn.Sequential(*(nn.Conv2d(1, 1, kernel, padding=kernel // 2) for _ in range(depth)))
    picture = tn.zeros(1, 1, 15, 15, requires_grad=True)
    stack(picture)[0, 0, 7, 7].backward()
    seen = np.flatnonzero(picture.grad[0, 0].any(axis=0))
    weights = sum(layer.weight.data.size for layer in stack)
    print(f"{depth} of {kernel} x {kernel}: sees {len(seen)} pixels a side, {weights} weights")

# %% [markdown] lang="en"
# ### GoogLeNet: a 1 x 1 convolution first
#
# A 1 x 1 convolution mixes channels at one pixel. GoogLeNet puts one before each large filter to
# reduce the number of channels. The input of its module 3a is 192 maps of 28 x 28, and 32 of its
# output channels come from 5 x 5 filters (Szegedy et al. 2015, Table 1: 16 channels in between).

# %%
direct = nn.Sequential(nn.Conv2d(192, 32, 5, padding=2))
reduced = nn.Sequential(nn.Conv2d(192, 16, 1), nn.Conv2d(16, 32, 5, padding=2))
work = {
    name: sum(row.multiply_adds for row in summary.layers(net, (192, 28, 28)))
    for name, net in (("5x5", direct), ("1x1, 5x5", reduced))
}
print(*(f"{name}: {n:,} multiply-adds" for name, n in work.items()), sep="\n")
print(f"{work['5x5'] / work['1x1, 5x5']:.1f} times less")

# %% [markdown] lang="en"
# ### DenseNet: keep everything
#
# A dense layer computes a few new channels, `growth` of them, and appends them to its input. A post
# says that the number of channels grows exponentially this way. Does it?


# %% tags=["exercise"]
def my_channels_seen(inputs, growth, layers):
    "Your code: a list of the number of input channels of layer 0, 1, 2, ... of a dense block."
    return None


check("18.2", my_channels_seen)

# %%
# hint("18.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_channels_seen(inputs, growth, layers):
    return [inputs + i * growth for i in range(layers)]


check("18.2", my_channels_seen)

# %% [markdown] lang="en"
# It grows linearly. The library's DenseNet-121 confirms it: its first block and the transition
# after it, which halves the number of channels and the side of the maps.

# %%
with nn.init.skip_init():
    dense = tn.models.build("densenet-121", classes=1000)
inside = dict(dense.named_parameters())
block = [n for n in inside if "denseblock1." in n and n.endswith("conv1.weight")]
print("layers of block 1 see", [inside[n].shape[1] for n in block])
print("transition 1 makes", inside["features.transition1.conv.weight"].shape[:2], "(out, in)")

# %% [markdown] lang="en"
# ### ResNet: a way around
#
# A residual block adds its computation to its input: $y = x + f(x)$. The usual explanation: the
# gradient of a deep chain is a product of derivatives; if each is a little below 1, the product
# vanishes. With a skip each factor becomes $1 + f'$, and the 1 keeps the product from vanishing:
#
# $$gx = gy + f'(x)^\top gy$$
#
# So do skips cure vanishing gradients? This can be measured: build a net with 40 layers, and
# compute the norm of the gradient of each layer's weight.


# %% tags=["exercise"]
def my_gradient_norms(model, x, labels):
    "Your code: the norm of the gradient of each convolution's weight, the first layer first."
    return None


check("18.3", my_gradient_norms)

# %%
# hint("18.3")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_gradient_norms(model, x, labels):
    model.zero_grad()
    F.cross_entropy(model(tn.tensor(x)), labels).backward()
    return [float(np.linalg.norm(p.grad)) for p in model.parameters() if len(p.shape) == 4]


check("18.3", my_gradient_norms)

# %% [markdown] lang="en"
# The skip was not the only change. ResNet of 2015 also has batch normalization (Ioffe and Szegedy
# 2015) and He's initial weights, $N(0, 2 / fan\_in)$ (He et al. 2015); AlexNet's were
# $N(0, 0.01^2)$. To separate their effects, we try all eight combinations. The maps are small, 8 x
# 8 with 16 channels, and the arithmetic is in float64, so that tiny numbers do not become 0.


# %%
def block_of(width, norm):
    """Return two 3x3 convolutions with a ReLU between them."""
    body = []
    for second in (False, True):
        body.append(nn.Conv2d(width, width, 3, padding=1, bias=not norm))
        if norm:
            body.append(nn.BatchNorm2d(width))
        if not second:
            body.append(nn.ReLU())
    return nn.Sequential(*body)


# %%
def deep_net(skips, norm, he, layers=40, width=16):
    """Return a net of such blocks, with or without each of the cures."""
    net = [nn.Conv2d(3, width, 5, stride=2, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    for _ in range(layers // 2):
        block = block_of(width, norm)
        net += [nn.Residual(block) if skips else block, nn.ReLU()]
    model = nn.Sequential(*net, nn.GlobalAvgPool2d(), nn.Linear(width, 10))
    for p in model.parameters():
        if len(p.shape) == 4 and not he:
            nn.init.set_normal(p, 0.01)
    return model.to(np.float64)


# %%
def norms(model, x, labels):
    """Return the norm of each convolution's gradient, without the stem."""
    model.zero_grad()
    loss = F.cross_entropy(model(tn.tensor(x)), labels)
    loss.backward()
    convolutions = [p for p in model.parameters() if len(p.shape) == 4]
    return [float(np.linalg.norm(p.grad)) for p in convolutions[1:]], loss.item()


learn, _ = pictures(train=3000, test=0)
prepare = tn.data.Normalize.fit("standardize", learn.images)
x = prepare(learn.images[:10]).astype(np.float64)
labels = learn.labels[:10]

# %% [markdown] lang="en"
# Four of the eight nets have skips. Predict: in how many of the eight does the gradient vanish, to
# less than a billionth in every layer? Write your guess in place of the dots, then run the cell: it
# shows the truth only after a guess.

# %%
found = {}
losses = {}
for cures in itertools.product((False, True), repeat=3):
    tn.seed(0)
    found[cures], losses[cures] = norms(deep_net(*cures), x, labels)


# %% tags=["predict"]
def how_many_vanish():
    print("skips norm  He      loss     layer 1    layer 20    layer 40")
    for cures, line in found.items():
        marks = "  ".join(f"{'yes' if cure else '-':4}" for cure in cures)
        print(f"{marks}{losses[cures]:8.3g}", *(f"{line[i]:11.1e}" for i in (0, 19, 39)))
    return sum(max(line) < 1e-9 for line in found.values())


predict("18.a", ..., how_many_vanish)

# %%
COLOURS = {(False, False): "#767676", (False, True): "#0072B2", (True, False): "#D55E00"}
COLOURS[True, True] = "#009E73"
NAMES = {(False, False): "neither", (False, True): "He's weights", (True, False): "batch norm"}
NAMES[True, True] = "both"
MARKS = {(False, False): "o", (False, True): "s", (True, False): "^", (True, True): "D"}

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for (skips, norm, he), line in found.items():
    kind = norm, he
    axes[int(skips)].semilogy(
        range(1, 41), line, color=COLOURS[kind], marker=MARKS[kind], markevery=6, label=NAMES[kind]
    )
for ax, title in zip(axes, ("without skips", "with skips"), strict=True):
    ax.set(title=title, xlabel="layer (1 is next to the picture)", ylim=(1e-5, 1e6))
    ax.grid(visible=True, color="#e4e4e4")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set(ylabel="norm of the weight's gradient")
below = f"neither: all 40 far below, near {np.median(found[False, False, False]):.0e}"
axes[0].annotate(
    below, (20, 1.3e-5), (20, 2e-4), ha="center", color="#767676", arrowprops={"arrowstyle": "->"}
)
axes[1].legend(frameon=False, loc="lower right", ncols=2)
gone = [sum(np.median(v) < 1e-10 for c, v in found.items() if c[0] == skips) for skips in (0, 1)]
fig.suptitle(f"Without skips {gone[0]} of 4 gradients is gone, with skips {gone[1]} of 4")
nothing, he_only, norm_only = (found[c] for c in ((0, 0, 0), (0, 0, 1), (0, 1, 0)))
figure(
    fig,
    "Gradient norms over 40 layers. Without skips: with neither cure "
    f"{min(nothing):.0e} to {max(nothing):.0e}, with He's weights {min(he_only):.0e} to "
    f"{max(he_only):.0e}, with batch norm from {norm_only[-1]:.0e} at the last layer up to "
    f"{norm_only[0]:.0e} at the first. With skips every line lies between "
    f"{min(min(v) for c, v in found.items() if c[0]):.0e} and "
    f"{max(max(v) for c, v in found.items() if c[0]):.0e}.",
)

# %% [markdown] lang="en"
# Read the left panel first.
#
# - With AlexNet's weights and no other cure the gradient vanishes; in float32 it is exactly zero.
#   Here the usual explanation holds, and in the right panel a skip does cure it. (The line is flat,
#   far below the others: the gradient of a weight is a product of a forward activation, which
#   shrinks with depth, and a backward gradient, which shrinks in the other direction; together they
#   are nearly constant.)
# - But He's weights alone also cure it. They were derived for that (see lesson 04).
# - Batch normalization alone also prevents vanishing. With it the gradient *grows* towards the
#   picture.
#
# So the answer has two parts. Skips cure vanishing gradients where there are any. In the networks
# of 2015 there were none: they had batch normalization and He's weights. The paper that introduced
# the skips says so itself: its plain nets have healthy gradients, but are still harder to train (He
# et al. 2016, section 4.1). A skip makes the *function* easier to improve: a block that is not
# needed has to learn 0, not the identity.
#
# Which of them learn? Three seeds, 4 epochs of 2,500 photographs of CIFAR-10 (200 steps), the better
# of two learning rates; this takes minutes, so here are the results as a table. Test error in %,
# mean; chance is 90:
#
#     tinynet claims run skips
#
# | | without skips | with skips |
# |---|---|---|
# | AlexNet's weights | 90.0 | 70.2 |
# | He's weights | 89.5 | 90.0 |
# | batch norm | 85.3 | 65.3 |
# | both | 85.3 | 64.2 |
#
# In three rows the gradients do not vanish without a skip, but after 200 steps none is far from
# chance; this does not show what they would reach with more time. With skips three of four learn.
# The fourth is the subject of *Break*.
#
# ## Judge
#
# The norm of a gradient can be tested too: it is the slope of the loss along the direction of the
# gradient. So take a tiny step in that direction, and compare. This test needs only the loss.

# %%
tn.seed(0)
model = deep_net(True, True, True, layers=6)
layer = [p for p in model.parameters() if len(p.shape) == 4][3]


def loss_at(step, direction):
    """Return the loss after a step of one layer's weight."""
    layer.data += step * direction
    loss = F.cross_entropy(model(tn.tensor(x)), labels).item()
    layer.data -= step * direction
    return loss


# %%
model.zero_grad()
F.cross_entropy(model(tn.tensor(x)), labels).backward()
norm = np.linalg.norm(layer.grad)
along = layer.grad / norm
slope = (loss_at(1e-5, along) - loss_at(-1e-5, along)) / 2e-5
print(f"norm of the gradient {norm:.6f}, slope of the loss {slope:.6f}")

# %% [markdown] lang="en"
# ## Meet
#
# The library's skip is one line, and so is its dense connection. Autograd needs no special case for
# either: addition passes its gradient to both inputs, and where two paths meet the gradients are
# added.

# %%
show(nn.Residual.forward)
show(nn.Concatenate.forward)

# %% [markdown] lang="en"
# How does a skip work if a block halves the maps and doubles the channels? Then $x$ and $f(x)$ have
# different shapes. ResNet has two solutions: a 1 x 1 convolution with stride 2, or subsampling
# without weights. This is the second one.

# %%
show(nn.Subsample)

# %% [markdown] lang="en"
# ## Faster
#
# GoogLeNet's 1 x 1 saved a factor in multiply-adds. Does it save the same factor in time?


# %%
def milliseconds(net, x, rounds=5):
    """Return the best time of a forward pass."""
    with tn.no_grad():
        net(x)
        times = []
        for _ in range(rounds):
            started = time.perf_counter()
            net(x)
            times.append(1000 * (time.perf_counter() - started))
    return min(times)


# %%
maps = tn.tensor(np.random.default_rng(0).standard_normal((4, 192, 28, 28)).astype(np.float32))
taken = {"5x5": milliseconds(direct, maps), "1x1, 5x5": milliseconds(reduced, maps)}
for name, ms in taken.items():
    print(f"{name:9} {work[name]:12,} multiply-adds  {ms:6.2f} ms")
print(f"{taken['5x5'] / taken['1x1, 5x5']:.1f} times as fast")

# %% [markdown] lang="en"
# Compare the two ratios. The number of multiplications ignores the memory that the layer in the
# middle writes and reads, and the low arithmetic intensity of a 1 x 1 convolution. Lesson 16 shows
# this as a roofline.
#
# ## Break
#
# Look at the right panel again: one line lies far above the others. It is the net with skips and
# He's weights but *without* batch normalization. What goes wrong? Each block adds numbers as large
# as its input, so the values grow from block to block. Predict: how many times as large is the standard
# deviation after block 20 as after block 1?


# %%
def sizes(model):
    """Return the standard deviation of each block's output."""
    seen = []

    def note(module, x, y):
        if isinstance(module, nn.Residual):
            seen.append(float(y.data.std()))

    with tn.no_grad(), nn.observe(note):
        model(tn.tensor(x))
    return seen


# %% tags=["predict"]
def grows_by():
    tn.seed(0)
    grown = sizes(deep_net(True, False, True))
    for i in (0, 9, 19):
        print(f"block {i + 1:2}: deviation {grown[i]:9.2f}")
    return grown[19] / grown[0]


predict("18.b", ..., grows_by)

# %% [markdown] lang="en"
# Neither the skip nor He's rule is the mistake: each is right for a net without the other. Together
# they more than double the variance in every block. One remedy costs nothing: initialise the last convolution
# of every block with zeros.

# %%
tn.seed(0)
quiet = deep_net(True, False, True)
for block in (layer for layer in quiet if isinstance(layer, nn.Residual)):
    nn.init.set_constant(block.body[2].weight, 0.0)  # the last convolution of the block
still = sizes(quiet)
for i in (0, 9, 19):
    print(f"last weights 0: block {i + 1:2}, deviation {still[i]:5.2f}")
first, last = norms(quiet, x, labels)[0][1::38]
print(f"last weights 0: gradient {first:.1f} in the first block, {last:.1f} in the last")

# %% [markdown] lang="en"
# The net begins as the identity, whatever its depth, and the last convolution of every block has a
# nonzero gradient from the first step.
#
# | | |
# |---|---|
# | in the paper | five convolutions; removing any of the middle layers costs about 2 points of top-1 (section 7) |
# | in the code of 2012 | conv3 to conv5 start with a standard deviation of 0.03, three times the paper's |
# | here | `tn.models` has all the families of the figure; the small ones learn the drawn shapes in a minute: `tinynet train small-resnet` |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** Two layers of 3 x 3 against one of 5 x 5: how do their weights compare, and what do the two
# layers have in addition?
#
# <details><summary>Answer</summary>
# 18 against 25 for each pair of channels, with the same receptive field, and one more ReLU.
# </details>
#
# **2.** Your 40-layer net without skips does not learn. Its gradients are of the same size in all
# layers. Is the cause a vanishing gradient?
#
# <details><summary>Answer</summary>
# No: gradients of equal size in all layers are not vanishing. Plain deep nets can be hard to train
# with healthy gradients; the ResNet paper reports this about its own.
# </details>
#
# **3.** A dense block has 64 input channels and 6 layers of growth 32. How many channels does it
# output, and how many does the transition output?
#
# <details><summary>Answer</summary>
# 64 + 6 * 32 = 256, and half of that: 128.
# </details>
