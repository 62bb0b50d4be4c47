# %% [markdown] lang="en"
# # 19 Who is right?
#
# | | |
# |---|---|
# | goal | Check published claims about AlexNet by computation, number by number. |
# | time | 45 minutes |
# | runs | under 10 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; no network, no download |
# | before | 05 Convolution by hand, 12 Count AlexNet |

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet import functions as F
from tinynet import kernels, nn
from tinynet.analysis import summary
from tinynet.lessons import check, figure, hint, predict, show, solution

# %% [markdown] lang="en"
# ## Build
#
# AlexNet is described by the paper of 2012, by the code that computed its tables (published in
# 2025), and by many tutorials based on them. They contradict one another. This lesson computes a
# number of such claims. You do not need an authority for that: nearly every number is a product of
# a few small ones. Where a claim cannot be computed, we look it up in the source.
#
# Begin with the best known number. One post says that AlexNet won with an error of 15.4 %, another
# says 16.4 % (lesson 12 gave the answer). Here are the results in the paper (section 6, Table 2):
# "5 nets" means that the probabilities of five nets were averaged, and a star means pretrained on
# more pictures.

# %%
TABLE_2 = {
    "SIFT + Fisher vectors": {"top-5 test": 26.2},
    "1 net": {"top-1 validation": 40.7, "top-5 validation": 18.2},
    "5 nets": {"top-1 validation": 38.1, "top-5 validation": 16.4, "top-5 test": 16.4},
    "1 net*": {"top-1 validation": 39.0, "top-5 validation": 16.6},
    "7 nets*": {"top-1 validation": 36.7, "top-5 validation": 15.4, "top-5 test": 15.3},
}

# %% [markdown] lang="en"
# Write the function that looks a number up. It may be in no cell or in several, so the answer is a
# list of (row, column).


# %% tags=["exercise"]
def my_where(number, table):
    "Your code: a list of (row, column), one for each cell of table[row][column] == number."
    return None


check("19.1", my_where)

# %%
# hint("19.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_where(number, table):
    return [
        (row, column)
        for row, cells in table.items()
        for column, value in cells.items()
        if value == number
    ]


check("19.1", my_where)

# %% [markdown] lang="en"
# Predict: how many cells hold 15.4, how many 16.4, and how many 15.3? Write three numbers in place of
# the dots, such as (1, 2, 3), then run the cell: it shows the truth only after a guess.


# %% tags=["predict"]
def how_many_cells():
    counts = []
    for number in (15.4, 16.4, 15.3):
        cells = [(r, c) for r, row in TABLE_2.items() for c, v in row.items() if v == number]
        print(number, "is", "; ".join(f"{row}, {column}" for row, column in cells))
        counts.append(len(cells))
    return tuple(counts)


predict("19.a", ..., how_many_cells)

# %% [markdown] lang="en"
# Both numbers are in the paper, but neither is the winning error. The competition was decided on
# the test set, and the winning entry was the average of seven nets: 15.3 %. The 15.4 is the same
# entry on the *validation* set, the 16.4 another entry. The two posts read the wrong cell of the
# table.
#
# But is the difference between 15.4 and 15.3 significant? Both were measured on a sample of
# pictures, and another sample would have given other numbers. From lesson 12: an error $p$,
# measured on $n$ pictures, has the standard deviation $\sqrt{p (1 - p) / n}$. For the difference of
# two such numbers the variances add up:
#
# $$apart = \frac{|p - q|}{\sqrt{p (1 - p) / n + q (1 - q) / m}}$$
#
# Below about 2, chance alone explains a difference. There were 50,000 pictures for validation and
# 150,000 for the test (section 2). How far apart are 15.4 and 15.3, and 16.4 and 15.3?


# %% tags=["exercise"]
def my_apart(a, n, b, m):
    "Your code: a % of n pictures and b % of m others; how many standard deviations apart?"
    return None


check("19.2", my_apart)

# %%
# hint("19.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_apart(a, n, b, m):
    p = a / 100
    q = b / 100
    variance = p * (1 - p) / n + q * (1 - q) / m
    return abs(p - q) / variance**0.5


check("19.2", my_apart)

# %%
for error, count in ((15.4, 50_000), (16.4, 150_000)):
    shares = np.array([error, 15.3]) / 100
    spread = np.sqrt((shares * (1 - shares) / (count, 150_000)).sum())
    print(f"{error} of {count:,} and 15.3 of 150,000: {(shares[0] - shares[1]) / spread:.1f} apart")

# %% [markdown] lang="en"
# The first difference is consistent with chance: the 15.4 is the winner's error too, measured on
# fewer pictures. The second is not: it is another entry. (The 16.4 and the 15.3 were measured on
# the *same* pictures. Then the errors are correlated, and they are farther apart than this.)
#
# ### 54, 55 or 56?
#
# The picture has 224 pixels, the first filter 11, and the stride is 4. One post prints maps of 55 x
# 55 "without padding", another 56 x 56. The rules are those of lessons 05 and 12; nearly every
# dispute about sizes comes from them:
#
# - "floor": windows that would extend past the picture are left out (PyTorch, and this library);
# - "ceil": a last window may extend past the edge (cuda-convnet, the code of 2012);
# - "same": zeros on all sides, as many as needed for $\lceil size / stride \rceil$ windows (Keras).

# %% [markdown] lang="en"
# The library contains ten networks that are called AlexNet, each with the details of its source. We
# measure them. An *empty* batch has the same map sizes as a full one and costs nothing; inside
# `nn.init.skip_init()` no weights are initialised either.


# %%
def network(variant):
    """Return a variant of AlexNet that can be counted, but not used."""
    with nn.init.skip_init():
        found = tn.models.entry("alexnet", variant)
        return found.make(found.classes), found


for variant in ("paper", "caffe", "keras-same"):
    net, entry = network(variant)
    with kernels.use("reference"):
        maps = net.features[0](tn.zeros(0, 3, entry.side, entry.side))
    padding = net.features[0].padding
    print(f"{variant:11} picture {entry.side}, padding {padding}: maps {maps.shape[2:]}")

# %% [markdown] lang="en"
# So 55 is right for 224 pixels only with the rule "ceil", that is with three more columns and rows
# of zeros at the right and bottom; for 227 pixels it is right without any. The post's own numbers
# give 54. And 56 is another network.
#
# ### A wrong number has a reason
#
# Wrong numbers are seldom random. Usually one assumption is wrong, and it shows what the author
# computed. Write a function that tries assumptions: `compute(**settings)` gives the right number,
# and each of `changes` replaces some settings.


# %% tags=["exercise"]
def my_explain(published, compute, settings, changes):
    "Your code: the names of the changes with which compute(...) gives the published number."
    return None


check("19.3", my_explain)

# %%
# hint("19.3")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_explain(published, compute, settings, changes):
    return [
        name for name, change in changes.items() if compute(**{**settings, **change}) == published
    ]


check("19.3", my_explain)

# %% [markdown] lang="en"
# Here are four published products and their explanations. The first is in the paper itself: Figure
# 2 says that the first layer has 253,440 neurons. Which assumption explains each number?


# %%
def product(height, width, inputs, outputs):
    """Return the number of weights of a layer; with inputs=1, of neurons."""
    return height * width * inputs * outputs


# %%
CASES = {
    "neurons of conv1": (
        253_440,
        {"height": 55, "width": 55, "inputs": 1, "outputs": 96},
        {"one tower only": {"outputs": 48}, "48, of a tower, for one 55": {"height": 48}},
    ),
    "weights of conv3": (
        594_432,
        {"height": 3, "width": 3, "inputs": 256, "outputs": 384},
        {"one tower only": {"inputs": 128}, "129 for 192": {"outputs": 2 * 129}},
    ),
}

# %%
CASES |= {
    "weights of fc6": (
        177_209_344,
        {"height": 6, "width": 6, "inputs": 256, "outputs": 4096},
        {"no pool after conv5": {"height": 13, "width": 13}, "55 maps": {"height": 55}},
    ),
    "weights of conv2": (
        614_400,
        {"height": 5, "width": 5, "inputs": 48, "outputs": 256},
        {"one tower that sees all": {"inputs": 96}, "half the filters": {"outputs": 128}},
    ),
}

# %%
for what, (published, settings, changes) in CASES.items():
    why = [n for n, c in changes.items() if product(**{**settings, **c}) == published]
    print(f"{what}: {product(**settings):,}; published {published:,}: {', '.join(why)}")

# %% [markdown] lang="en"
# ### Right as printed
#
# "60 million parameters" is not wrong because there are 60,965,224: it is rounded. A claim is right
# if the computed number, rounded to as many significant digits as were printed, is the claimed one.
# Which digits are significant? All from the first that is not zero.


# %% tags=["exercise"]
def my_agrees(claimed, computed, digits):
    "Your code: True if computed, rounded to `digits` significant digits, equals claimed."
    return None


check("19.4", my_agrees)

# %%
# hint("19.4")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_agrees(claimed, computed, digits):
    return float(f"{computed:.{digits}g}") == claimed


check("19.4", my_agrees)

# %% [markdown] lang="en"
# Now all claims together. Every number in the column "computed" is computed here, by the library's
# networks or by a line of arithmetic.


# %%
def parameters(name, variant=None):
    """Count the parameters of a network."""
    with nn.init.skip_init():
        entry = tn.models.entry(name, variant)
        return sum(p.data.size for p in entry.make(entry.classes).parameters())


def neurons(variant):
    """Count the outputs of the layers with weights, the input not counted."""
    net, entry = network(variant)
    found = summary.layers(net, (3, entry.side, entry.side))
    return sum(int(np.prod(layer.shape)) for layer in found if layer.multiply_adds)


# %%
bn_net, _ = network("batchnorm-227")
moving = sum(v.size for n, v in bn_net.state_dict().items() if "running" in n)
batchnorm = parameters("alexnet", "batchnorm-227") + moving
all_neurons = neurons("paper")

# %%
CLAIMS = [  # source, claim, the claimed number, its digits, the computed number
    ("a post", "top-5 error of the winner: 15.4", 15.4, 3, TABLE_2["7 nets*"]["top-5 test"]),
    ("a post", "top-5 error of the winner: 16.4", 16.4, 3, TABLE_2["7 nets*"]["top-5 test"]),
    ("a post", "overlapping pools, top-1: 0.3", 0.3, 1, 41.058 - 40.664),
    ("a post", "overlapping pools, top-5: 0.4", 0.4, 1, 18.510 - 18.210),
    ("paper", "neurons of conv1: 253,440", 253_440, 6, 55 * 55 * 96),
    ("paper", "neurons: 650,000", 650_000, 2, all_neurons),
    ("paper", "parameters: 60 million", 60e6, 1, parameters("alexnet", "paper")),
    ("paper", "crops and mirrors: 2048", 2048, 4, (256 - 224 + 1) ** 2 * 2),
    ("a post", "parameters: 62,378,344", 62_378_344, 8, parameters("alexnet", "paper")),
    ("a post", "side of conv1's maps: 56", 56, 2, 1 + -(-(224 - 11) // 4)),
]

# %%
CLAIMS += [
    ("a post", "weights of conv3: 594,432", 594_432, 6, 3 * 3 * 256 * 384),
    ("a post", "weights of fc6: 177 million", 177e6, 3, 6 * 6 * 256 * 4096),
    ("a post", "3*3*128*64 = 73,728", 73_728, 5, 3 * 3 * 128 * 64),
    ("a post", "with batch norm: 58,324,746", 58_324_746, 8, batchnorm),
    ("a post", "weight decay: 5e-5", 5e-5, 1, 5e-4),
    ("a post", "VGG-19: 110 million", 110e6, 2, parameters("vgg-19")),
    ("a post", "GoogLeNet: 4 million", 4e6, 1, parameters("googlenet")),
]

# %%
RIGHT = []
for who, what, claimed, digits, computed in CLAIMS:
    RIGHT.append(float(f"{computed:.{digits}g}") == claimed)
    verdict = "right" if RIGHT[-1] else "WRONG"
    print(f"{who:7} {what:33} computed {computed:<14,.10g} {verdict}")
print(f"neurons with the 253,440 of Figure 2: {all_neurons - 55 * 55 * 96 + 253_440:,}")

# %% [markdown] lang="en"
# Some rows need an explanation.
#
# - **Overlapping pools.** The paper writes 0.4 and 0.3 points (section 3.4). The computed values
#   are differences of two runs, 147 and 145, which the author recorded at the end of the layer
#   files of the code of 2012. A post swapped the two.
# - **650,000 neurons.** Neither the sum with 290,400 neurons in the first layer nor the one with
#   the 253,440 of Figure 2 (the last line) rounds to 650,000. Decide for yourself.
# - **2048.** The text describes 224 x 224 windows of a 256 x 256 picture (section 4.1). Those have
#   33 positions on each axis, both ends included, and the code draws from 33: 2178.
#   $32 \cdot 32 \cdot 2$ is 2048, an off-by-one error.
# - **5e-5.** `SGD(decay=5e-5)` of Keras is not weight decay. The cell below the figure shows what it
#   is.
#
# The main figure: claimed over computed, for all claims. The distance from the line is the size of
# the error.

# %%
order = sorted(range(len(CLAIMS)), key=lambda i: CLAIMS[i][2] / CLAIMS[i][4])

# %%
fig, ax = plt.subplots(figsize=(7.6, 5.6), layout="constrained")
ax.axvline(1, color="#767676", linewidth=1)
for row, i in enumerate(order):
    who, what, claimed, digits, computed = CLAIMS[i]
    color, marker = ("#0072B2", "o") if RIGHT[i] else ("#D55E00", "X")
    ratio = claimed / computed
    ax.plot([1, ratio], [row, row], color=color, linewidth=1)
    ax.plot(ratio, row, color=color, marker=marker, markersize=8, markeredgecolor="white")
ax.set_xscale("log")
ax.set_xticks([0.1, 0.2, 0.5, 1, 2, 5], ["0.1", "0.2", "0.5", "1", "2", "5"])
ax.minorticks_off()
ax.set_yticks(range(len(order)), [f"{CLAIMS[i][1]} ({CLAIMS[i][0]})" for i in order], fontsize=9)
ax.set(xlabel="claimed / computed (a cross: wrong as printed; a dot: right)")
ax.set_title(f"{sum(RIGHT)} of {len(CLAIMS)} claims are right as printed", fontsize=11)
ax.grid(visible=True, axis="x", color="#e4e4e4")
ax.spines[["top", "right"]].set_visible(False)
worst = [CLAIMS[order[0]], CLAIMS[order[-1]]]
figure(
    fig,
    f"{len(CLAIMS)} claims about AlexNet as claimed over computed; {sum(RIGHT)} are right as "
    "printed. The farthest below is "
    + f"'{worst[0][1]}' at {worst[0][2] / worst[0][4]:.2f}, the farthest above "
    + f"'{worst[1][1]}' at {worst[1][2] / worst[1][4]:.1f}.",
)

# %% [markdown] lang="en"
# Weight decay pulls every weight towards zero, a little in each step. The `decay` of Keras's old
# optimizer lowers the learning rate instead: $lr_t = lr / (1 + decay \cdot t)$. To see the
# difference, take a weight of 1 whose gradient is always zero. Predict its value after 20,000
# steps, first with weight_decay=5e-4, then with decay=5e-5.


# %%
def two_weights():
    w = {"weight_decay=5e-4": nn.Parameter(np.ones(1)), "decay=5e-5": nn.Parameter(np.ones(1))}
    for name, weight in w.items():
        decay = 5e-4 if name.startswith("weight") else 0.0
        optimizer = tn.optim.SGD([weight], lr=0.01, momentum=0.9, weight_decay=decay)
        for t in range(20_000):
            if name == "decay=5e-5":
                optimizer.lr = 0.01 / (1 + 5e-5 * t)
            weight.grad = np.zeros(1)
            optimizer.step()
        print(f"{name:18} weight {weight.item():.3f}, learning rate {optimizer.lr:.4f}")
    return tuple(weight.item() for weight in w.values())


# %% tags=["predict"]
predict("19.b", ..., two_weights)

# %% [markdown] lang="en"
# ## Judge
#
# Not every claim is a number. A Keras post that is often copied has its own local response
# normalization. It runs and trains without errors. The library keeps it, in a module whose name
# prevents accidental use. Is it the paper's? The judge that tests our layers can tell.

# %%
published = nn.mistakes.KerasPostLRN(n=5, alpha=0.1)
x = np.random.default_rng(0).standard_normal((2, 8, 7, 6))
try:
    tn.testing.check_layer(published, x, against=lambda x: F.local_response_norm(x, n=5, alpha=0.1))
except AssertionError as verdict:
    print(verdict)

# %% [markdown] lang="en"
# Every element is wrong, and no single factor would correct it. The source shows why.

# %%
show(nn.mistakes.KerasPostLRN)

# %% [markdown] lang="en"
# The paper's window covers 5 *channels* at one pixel. This one covers 5 x 5 *pixels*, and then sums
# *all* channels. Where the numbers are small, an alpha of 1e-4 hides the mistake, which is why it
# was not noticed. Here they are around 10, and the error grows with the number of channels:

# %%
for channels in (8, 96, 256):
    maps = tn.tensor(10 * np.random.default_rng(1).standard_normal((2, channels, 9, 9)))
    print(f"{channels:4} channels: {100 * nn.mistakes.lrn_error(maps):5.1f} % off")

# %% [markdown] lang="en"
# ## Meet
#
# Which is right, the paper or the code that computed its tables? Computation cannot decide this:
# both were written by the same people. The library builds both and prints the differences.
# `tinynet summary --diff paper code2012` shows the same with all layers.

# %%
from tinynet.analysis.compare import contrast

print(contrast("paper", "code2012").split("\n\n")[-1])

# %% [markdown] lang="en"
# Ask for each difference: to reproduce the paper's *results*, which side should I take? The logs at
# the end of the code's layer files show exactly the error rates of the paper's tables. The text is
# what was printed; the code is what was run.

# %% [markdown] lang="en"
# ## Faster
#
# Counting a network should cost less than running it. Predict: how many times longer does it take
# to initialise 61 million weights than to skip it?


# %%
def seconds(make):
    """Return how long it takes to make and count a network."""
    started = time.perf_counter()
    total = sum(p.data.size for p in make().parameters())
    return time.perf_counter() - started, total


def uncounted():
    return tn.models.build("alexnet", classes=1000)


# %% tags=["predict"]
def times_as_long():
    drawn = seconds(uncounted)
    with nn.init.skip_init():
        undrawn = seconds(uncounted)
    print(f"drawn    {1000 * drawn[0]:8.1f} ms for {drawn[1]:,}")
    print(f"undrawn  {1000 * undrawn[0]:8.1f} ms for {undrawn[1]:,}")
    return drawn[0] / undrawn[0]


predict("19.c", ..., times_as_long)

# %% [markdown] lang="en"
# An undrawn array of zeros is not even written: the operating system allocates memory only when it
# is accessed. That is why this lesson could count VGG-19 so quickly.

# %% [markdown] lang="en"
# ## Break
#
# We have three ways to detect a mistake in a network: count its parameters, count its
# multiply-adds, and compare its outputs with the right network's. Here are five mistakes, all of
# them published. Which test detects which mistake?


# %%
def small_net(groups=2, order=("lrn", "pool"), alpha=1e-4, hidden=2, side=6):
    """Return AlexNet's second layer and its head, small, with room for mistakes."""
    lrn = nn.LocalResponseNorm(alpha=alpha, groups=groups)
    middle = {"lrn": lrn, "pool": nn.MaxPool2d(3, stride=2)}
    last = nn.MaxPool2d(3, stride=2) if side == 6 else nn.ReLU()
    tn.seed(0)
    conv = [nn.Conv2d(8, 16, 5, padding=2, groups=groups), nn.ReLU()]
    first = [nn.Linear(16 * (3 if side == 6 else 7) ** 2, 32), nn.ReLU()]
    head = [nn.Linear(32, 32), nn.ReLU()] * (hidden - 1)
    layers = *conv, *(middle[name] for name in order), last, nn.Flatten(), *first, *head
    return nn.Sequential(*layers, nn.Linear(32, 10))


# %%
MISTAKES = {
    "one tower that sees all": {"groups": 1},
    "pool before LRN": {"order": ("pool", "lrn")},
    "alpha times 5": {"alpha": 5e-4},
    "one hidden layer": {"hidden": 1},
    "no pool after conv5": {"side": 13},
}
image = np.random.default_rng(2).standard_normal((1, 8, 15, 15)).astype(np.float32) * 9


# %%
def facts(net):
    """Return parameters, multiply-adds and outputs of a net."""
    rows = summary.layers(net, image.shape[1:])
    counts = [sum(getattr(r, what) for r in rows) for what in ("parameters", "multiply_adds")]
    return *counts, net(tn.tensor(image)).numpy()


# %%
right = facts(small_net())
print(f"{'':24}  parameters  multiply-adds  outputs")
for name, change in MISTAKES.items():
    wrong = facts(small_net(**change))
    rings = [a != b for a, b in zip(right[:2], wrong[:2], strict=True)]
    rings.append(not np.allclose(right[2], wrong[2], rtol=1e-4))
    bells = ["found" if ring else "-" for ring in rings]
    print(f"{name:24}  {bells[0]:>10}  {bells[1]:>13}  {bells[2]:>7}")

# %% [markdown] lang="en"
# A count is a weak test: it does not depend on the order of layers or on constants. Two networks
# with 60,965,224 parameters each can be different networks, and in our list of variants they are:
# `paper`, `code2012`, `caffe` and `caffenet` all have that number. Only the outputs distinguish
# them.
#
# | | |
# |---|---|
# | in the paper | 15.3 % for seven nets on the test set; 253,440 neurons in Figure 2; 2048 crops and mirrors |
# | in the code of 2012 | logs with the paper's error rates; 33 positions on each axis; sizes round up; LRN's alpha divided by 5 |
# | here | ten variants of AlexNet, `tinynet summary --diff A B` for any two, counts checked by tests |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** A post gives "16.4 %" and cites the paper. Is the citation false?
#
# <details><summary>Answer</summary>
# No. The number is in Table 2: five nets, on both sets. But it does not answer the question "with
# which error did AlexNet win?".
# </details>
#
# **2.** Multiplying by the dropout rate at test time gives the right result in the paper's network.
# Why is the rule still wrong?
#
# <details><summary>Answer</summary>
# The outputs must be multiplied by the fraction that is kept. Rate and fraction are equal only at
# 0.5; at a rate of 0.2 the factor would be 0.2 instead of 0.8.
# </details>
#
# **3.** Your own count of a network agrees with a published one to the last digit. What does that
# show?
#
# <details><summary>Answer</summary>
# That both have the same number of parameters. The order of layers, padding, pooling, constants and
# the whole training may still differ.
# </details>
