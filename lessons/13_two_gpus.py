# %% [markdown] lang="en"
# # 13 Two GPUs
#
# | | |
# |---|---|
# | goal | Understand AlexNet's two towers, run them on two devices, and count the bytes transferred. |
# | time | 45 minutes |
# | runs | under 10 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; no GPU, no network, no download |
# | before | 05 Convolution by hand, 12 Count AlexNet |

# %%
import math
import time

import numpy as np

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.analysis import communication, summary
from tinynet.distributed import model_parallel
from tinynet.lessons import check, figure, hint, move, predict, show, solution

# %% [markdown] lang="en"
# ## Build
#
# A GTX 580 has 3 GB, and that limits how large a net can be. So half of the maps of each layer were
# on one card and half on the other, and the paper adds a trick: the cards communicate in certain
# layers only. conv2, conv4 and conv5 see the maps of their own card; conv3 and the fully connected
# layers see both (section 3.5). (`tinynet summary alexnet-two-towers --memory` shows the memory
# that this library needs on one card and on two.) Why those layers? Communication costs time; its
# absence costs accuracy. This lesson counts both.
#
# ### Half a layer
#
# A convolution that sees only its own half is a *grouped* convolution, here with two groups. As a
# matrix from input channels to output channels it is block-diagonal:
#
# $$\begin{pmatrix} y_a \\ y_b \end{pmatrix} =
# \begin{pmatrix} w_a & 0 \\ 0 & w_b \end{pmatrix} \begin{pmatrix} x_a \\ x_b \end{pmatrix}$$
#
# Write out the zeros: from a grouped weight (OC, C/G, KH, KW) make the weight of an ordinary
# convolution that computes the same.


# %% tags=["exercise"]
def my_ungrouped(weight, groups):
    "Your code: the weight (OC, C, KH, KW) of the same convolution without groups."
    return None


check("13.1", my_ungrouped)

# %%
# hint("13.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_ungrouped(weight, groups):
    OC, c, KH, KW = weight.shape
    o = OC // groups
    dense = np.zeros((OC, c * groups, KH, KW), weight.dtype)
    for g in range(groups):
        dense[g * o : (g + 1) * o, g * c : (g + 1) * c] = weight[g * o : (g + 1) * o]
    return dense


check("13.1", my_ungrouped)

# %% [markdown] lang="en"
# ### The exchange
#
# Before conv3 each card sends its maps to the other. After that both have all maps:
#
# $$(x_a,\ x_b) \rightarrow (x_a x_b,\ x_a x_b)$$
#
# You do not need two cards for this. In this library `cpu` and `cpu:1` are two devices that share
# one memory: mixing them is an error, and every transfer is counted, as between two GPUs.

# %%
xs = [tn.tensor([[1.0, 2.0]], "cpu", True), tn.tensor([[3.0, 4.0]], "cpu:1", True)]
with model_parallel.crossings() as crossed:
    seen = model_parallel.all_gather_channels(xs)
for tower, maps in enumerate(seen):
    print(f"tower {tower} sees {maps.numpy().tolist()} on {maps.device}")
print([f"{c.source} to {c.target}: {c.nbytes} bytes" for c in crossed])

# %% [markdown] lang="en"
# And backward? Each tower returns a gradient for all the maps it saw, its own and the other's.
# What is the gradient of $x_a$?


# %% tags=["exercise"]
def my_exchange_backward(gys):
    "Your code: gys are two gradients (N, C, ...), one a tower; return two of (N, C/2, ...)."
    return None


check("13.2", my_exchange_backward)

# %%
# hint("13.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_exchange_backward(gys):
    both = gys[0] + gys[1]
    half = both.shape[1] // 2
    return [both[:, :half], both[:, half:]]


check("13.2", my_exchange_backward)

# %% [markdown] lang="en"
# ### Bytes
#
# How much data is that? The cell finds the shapes of the maps that one tower sends, with an empty
# batch, which has the same shapes per picture.


# %%
def towers_of(exchange_at):
    """Return the paper's network on two simulated devices, for counting only."""
    with nn.init.skip_init():
        return tn.models.build("alexnet-two-towers", classes=1000, cross_at=exchange_at)


model = towers_of("conv3")
crossed = model.traffic()
handed = {c.layer: c.shape[1:] for c in crossed if not c.backward and c.layer != "picture"}
print(handed)

# %% [markdown] lang="en"
# Write the count: the bytes transferred in forward into each layer that sees both towers, four
# bytes per number.


# %% tags=["exercise"]
def my_bytes_forward(maps, sees, batch):
    "Your code: {layer: bytes}; maps[layer] is the shape of the maps that one tower sends."
    return None


check("13.3", my_bytes_forward)

# %%
# hint("13.3")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_bytes_forward(maps, sees, batch):
    return {layer: 2 * 4 * batch * math.prod(maps[layer]) for layer in sees}


check("13.3", my_bytes_forward)

# %% [markdown] lang="en"
# Here is the paper's Figure 2, redrawn, with the bytes transferred at each layer. In JupyterLab
# with ipywidgets you can choose where the convolutions exchange their maps; notes in the code of
# 2012 try other layers too.


# %%
def draw_towers(exchange_at="conv3"):
    """Draw the two towers and the bytes that cross for one picture, forward."""
    fig = communication.draw(towers_of(exchange_at))
    where = exchange_at if exchange_at == "nowhere" else f"at {exchange_at}"
    crossing = sum(fig.numbers.values())
    fig.axes[0].set_title(f"maps exchanged {where}: {crossing / 1000:.0f} kB cross for a picture")
    alt = f"Two rows of layers, one a device, from the picture to fc8; maps exchanged {where}. "
    return fig, f"{alt}{crossing:,} bytes cross for one picture, forward, both ways together."


# %%
move(draw_towers, exchange_at=("conv3", "conv4", "nowhere"))

# %% [markdown] lang="en"
# ## Judge
#
# Two towers must be the same network as one network with groups. The match is exact: the same
# products are added in the same order, so every bit must be equal. The small AlexNet for 32 x 32
# pictures exists in both forms; its first normalization must also be limited to each group.

# %%
one = tn.models.build("small-alexnet", classes=10, seed=0).eval()
one[2].groups = 2  # the first LRN: the code of 2012 ran it on each GPU separately
two = tn.models.build("small-alexnet-two-towers", classes=10, seed=0).eval()
pictures = tn.data.Shapes(train=False, seed=0).images[:8] / np.float32(128) - 1
labels = np.arange(8)

# %%
with model_parallel.crossings() as found:
    scores = [net(tn.tensor(pictures)) for net in (one, two)]
    for s in scores:
        F.cross_entropy(s, labels).backward()
print("same scores, bit for bit:", np.array_equal(scores[0].numpy(), scores[1].numpy()))
a = one[8].weight.grad  # conv3, on one device
b = np.concatenate([tower.conv3[0].weight.grad for tower in two.towers])
print(f"gradient of conv3: largest difference {abs(a - b).max():.1e} of {abs(a).max():.1e}")
print(f"{len(found)} crossings, {sum(c.nbytes for c in found):,} bytes for 8 pictures")

# %% [markdown] lang="en"
# ## Meet
#
# The library's exchange is one line: `.to(device)` is a differentiable copy, `concatenate` has its
# own backward, and autograd does the sum of 13.2 where two paths meet.

# %%
show(model_parallel.all_gather_channels)
show(tn.models.two_towers.TwoTowers.forward)

# %% [markdown] lang="en"
# ## Faster
#
# Less communication saves two things. The first is work: a grouped convolution has half the
# multiply-adds. Predict: how many times as long as two groups do one group and your block-diagonal
# weight take? Write both numbers in place of the dots, as a pair such as (1, 2), then run the cell: it
# shows the truth only after a guess.


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
rng = np.random.default_rng(0)
maps = tn.tensor(rng.standard_normal((8, 96, 27, 27)).astype(np.float32))
grouped = tn.tensor(rng.standard_normal((128, 48, 5, 5)).astype(np.float32))
full = tn.tensor(rng.standard_normal((128, 96, 5, 5)).astype(np.float32))
diagonal = np.zeros_like(full.data)
diagonal[:64, :48] = grouped.data[:64]
diagonal[64:, 48:] = grouped.data[64:]


# %%
def times_as_long():
    taken = []
    for name, weight, groups in (
        ("two groups", grouped, 2),
        ("one group", full, 1),
        ("block-diagonal", tn.tensor(diagonal), 1),
    ):
        with tn.no_grad():
            ms = milliseconds(lambda w=weight, g=groups: F.conv2d(maps, w, padding=2, groups=g))
        print(f"{name:15} {ms:6.1f} ms")
        taken.append(ms)
    return taken[1] / taken[0], taken[2] / taken[0]


# %% tags=["predict"]
predict("13.a", ..., times_as_long)

# %% [markdown] lang="en"
# Half the work is not always half the time; look at your own ratio. And zeros cost as much as other
# numbers: the block-diagonal weight explains a grouped convolution, but it is not a way to compute
# one.
#
# The second saving is traffic. The table shows the bytes that a training step moves between the two
# devices, for the paper's batch of 128: with the towers, where activations cross and weights stay;
# with data parallelism, where each device has the whole net and half of the pictures, and gradients
# cross; and with the mixture of Krizhevsky's "One weird trick" (2014).

# %%
print(communication.schemes(model, crossed, 128))

# %% [markdown] lang="en"
# Two numbers decide: a tower sends activations, which grow with the batch; data parallelism sends a
# gradient for each weight, which does not. AlexNet has 61 million weights, most of them in fc6, so
# the towers were the better choice in 2012. The mixture sends the smaller of the two in each part
# of the net.
#
# ## Break
#
# On two cards the normalization of conv1 cannot cross the border between the cards: its windows of
# five channels end there. If you normalize over all channels instead, how many channels differ?
# Predict, for twelve channels in two towers.

# %% tags=["predict"]
x = tn.tensor(np.random.default_rng(1).standard_normal((1, 12, 4, 4)) * 20)


def how_many_differ():
    whole, halves = (F.local_response_norm(x, groups=g).numpy() for g in (1, 2))
    differ = np.flatnonzero(~np.isclose(whole, halves).all(axis=(0, 2, 3)))
    print("channels that differ:", differ.tolist())
    return len(differ)


predict("13.b", ..., how_many_differ)

# %% [markdown] lang="en"
# A window of five reaches two channels across the border, from either side. In conv1, of 96
# channels, the accuracy would not reveal the difference. A bitwise comparison does.
#
# A second mistake: backward of the exchange gives each tower only the gradient of its *own* half.
# Everything still runs on two devices, and the loss still falls. Which judge finds it?


# %%
def lossy(xs):
    """Exchange, but drop the gradient from the other tower."""
    return [
        F.concatenate([x if x is own else x.detach().to(own.device) for x in xs], axis=1)
        for own in xs
    ]


for exchange in (model_parallel.all_gather_channels, lossy):
    xs = [tn.tensor([[1.0, 2.0]], "cpu", True), tn.tensor([[3.0, 4.0]], "cpu:1", True)]
    seen = exchange(xs)
    loss = (seen[0] ** 2).sum() + (seen[1] ** 2).sum().to("cpu")
    loss.backward()
    print(f"{exchange.__name__:19} loss {loss.item():.0f}, gradient of x_a {xs[0].grad.tolist()}")

# %% [markdown] lang="en"
# The loss is the same; the gradient is half of what it should be. The slope of $2 x^2$ is $4x$: a
# gradient check finds this at once, the loss does not show it.
#
# | | |
# |---|---|
# | in the paper | towers with an exchange before conv3 only; 1.7 and 1.2 points better than a net of one GPU with half the maps (section 3.2) |
# | in the code of 2012 | each GPU had its own copy of the picture from the host; nets with the exchange at conv4, or nowhere, were tried and were worse (notes in the layer files) |
# | here | `tinynet train small-alexnet-two-towers`; `tinynet summary alexnet-two-towers --traffic --figure towers.png` |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** Why does conv3 see both towers, and conv2 not?
#
# <details><summary>Answer</summary>
# The towers must exchange somewhere, or they are two separate nets. The maps before conv3 are small
# (13 x 13); before conv2 they are 27 x 27, which is more to send.
# </details>
#
# **2.** The batch is doubled. What happens to the traffic of a step with towers, and with data
# parallelism?
#
# <details><summary>Answer</summary>
# With towers it doubles: activations grow with the number of pictures. With data parallelism it
# stays the same: gradients have the size of the weights.
# </details>
#
# **3.** A grouped convolution has half the weights of a full one. Is the paper's net therefore half as
# large as one tower with all maps?
#
# <details><summary>Answer</summary>
# No. Only conv2, conv4 and conv5 are grouped, and nearly all weights are in the fully connected
# layers: 60,965,224 against 62,378,344 (lesson 12).
# </details>
