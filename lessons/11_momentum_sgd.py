# %% [markdown] lang="en"
# # 11 Momentum SGD, as the paper writes it
#
# | | |
# |---|---|
# | goal | Write the updates of the paper and of PyTorch, and know when they differ. |
# | time | 40 minutes |
# | runs | under 10 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; no network, no download; CIFAR-10 and a GPU are used if present |
# | before | 03 A linear model and its templates: a loss and its gradient |

# %%
import itertools
import time

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet import data, kernels, lessons, nn, optim
from tinynet import functions as F
from tinynet.lessons import check, device, figure, hint, pictures, predict, show, solution

# %% [markdown] lang="en"
# ## Build
#
# The negative gradient is the direction of steepest descent at *this* point. In a long narrow
# valley it points mostly across the valley, not along it. Plain gradient descent jumps from side to
# side and hardly moves forward. Momentum adds up the steps: components that alternate cancel,
# components that agree grow.
#
# The paper (section 5) keeps a velocity $v$ for every weight $w$:
#
# $$v \leftarrow 0.9\, v - 0.0005\, \epsilon\, w - \epsilon\, g
# \qquad w \leftarrow w + v$$
#
# $g$ is the gradient of the loss, averaged over the batch. $\epsilon$ is the learning rate, `lr` in
# the code. The middle term is the weight decay: each step pulls every weight a little towards zero.
# With names instead of numbers:
#
# $$v \leftarrow \text{momentum} \cdot v - lr\, (g + \text{weight\_decay} \cdot w)$$
#
# Predict: $w = 1$, $v = 0.2$, $g = 0.5$, $lr = 0.1$, momentum 0.9, no decay. What is the new $w$?
# Estimate it, write it in place of the dots, then run the cell: it shows the truth only after a guess.


# %% tags=["predict"]
def new_w():
    w, v, g = (np.array([number]) for number in (1.0, 0.2, 0.5))
    kernels.momentum_update([w], [g], [v], 0.1, 0.9, 0.0, False, "paper")
    print(f"the new v is {v.item():.2f}")
    return w.item()


predict("11.a", ..., new_w)

# %% [markdown] lang="en"
# It grows, although the gradient is positive: the old velocity is stronger. That is the purpose of
# momentum, and also its danger.
#
# **Exercise 11.1.** Write the step. The check compares five steps that were computed by hand.


# %% tags=["exercise"]
def my_momentum_step(w, v, g, lr, momentum, weight_decay):
    "Your code: return the new w and the new v."
    return None


check("11.1", my_momentum_step)

# %%
# hint("11.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_momentum_step(w, v, g, lr, momentum, weight_decay):
    v = momentum * v - lr * (g + weight_decay * w)
    return w + v, v


check("11.1", my_momentum_step)

# %% [markdown] lang="en"
# PyTorch uses another order. The velocity is a sum of gradients, and `lr` is applied when the
# weight is updated:
#
# $$v \leftarrow \text{momentum} \cdot v + (g + \text{weight\_decay} \cdot w)
# \qquad w \leftarrow w - lr \cdot v$$
#
# **Exercise 11.2.** Write it, and look at the five steps in the check: at which step do the two
# begin to differ?


# %% tags=["exercise"]
def my_torch_step(w, v, g, lr, momentum, weight_decay):
    "Your code: return the new w and the new v; v holds no lr."
    return None


check("11.2", my_torch_step)

# %%
# hint("11.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_torch_step(w, v, g, lr, momentum, weight_decay):
    v = momentum * v + (g + weight_decay * w)
    return w - lr * v, v


check("11.2", my_torch_step)

# %% [markdown] lang="en"
# The cell runs both rules of the library on one weight with a gradient of 0.5. The rate falls to a
# tenth after the third step.

# %%
paths = {}
for rule in ("paper", "torch"):
    w = tn.tensor(np.ones(1), requires_grad=True)
    optimizer = optim.SGD([w], lr=0.01, momentum=0.9, weight_decay=0.0005, rule=rule)
    paths[rule] = []
    for step in range(30):
        optimizer.lr = 0.01 if step < 3 else 0.001
        w.grad = np.full(1, 0.5)
        optimizer.step()
        paths[rule].append(w.item())

# %%
for step in (0, 1, 2, 3, 4, 9, 29):
    a = paths["paper"][step]
    b = paths["torch"][step]
    print(f"after step {step + 1:2}: paper {a:.10f}   torch {b:.10f}   difference {b - a:.4f}")

# %% [markdown] lang="en"
# They are equal until the rate falls. Then the paper's velocity still consists of steps of the old
# size, and it takes about $1 / (1 - 0.9) = 10$ steps until these have decayed. PyTorch's velocity
# is a sum of gradients: the next step is immediately a tenth as large. So the same schedule gives
# slightly different runs in the two frameworks.
#
# ## Judge
#
# `check_kernel` compares your function with the library's definition, in both float types and many
# memory layouts. An update takes all weights of a net, one after the other, and must change them in
# place. Here is a plausible one with a mistake. Find it before you run the cell.


# %%
def hasty_update(weights, gradients, velocities, lr, momentum, weight_decay):
    for weight, gradient, velocity in zip(weights, gradients, velocities, strict=True):
        g = gradient + weight_decay * weight
        weight += velocity
        velocity *= momentum
        velocity -= lr * g


w, g, v = np.random.default_rng(0).standard_normal((3, 2, 6))  # two weights of 6 numbers each
case = w, g, v, 0.1, 0.9, 0.0005, False, "paper"
try:
    tn.testing.check_kernel(hasty_update, *case, against=kernels.momentum_update)
except AssertionError as error:
    print(error)

# %% [markdown] lang="en"
# The weight is updated before the velocity, so every gradient is used one step late. Such a run
# still learns. Only the comparison finds the mistake.
#
# ## Meet

# %%
show(kernels.momentum_update)

# %% [markdown] lang="en"
# Three remarks.
#
# 1. Everything is done in place: `-=` and `*=` change the existing arrays. A new array of 60
#    million weights for each term would cost more than the arithmetic.
# 2. `rule="paper"` and `rule="torch"` are the two exercises above.
# 3. `nesterov` looks ahead: the gradient is taken at the point to which the velocity leads.
#
# The update is the subject of this lesson, so its cells write the loop by hand, and do not call
# `tn.fit`: zero the gradients, go backward, step.
#
# What is the benefit of momentum? Take a ravine that is 100 times as steep across as along. Both
# runs have the same start, the same rate and the same number of steps. Which of the two will be
# nearer to the lowest point?

# %%
steep = np.array([1.0, 100.0])  # loss = (w0**2 + 100 * w1**2) / 2


def walk(lr, momentum, steps, start=(-9.0, 0.9)):
    """Return the points (steps + 1, 2) that the library's SGD visits in the ravine."""
    w = tn.tensor(np.array(start), requires_grad=True)
    optimizer = optim.SGD([w], lr=lr, momentum=momentum)
    places = [w.numpy().copy()]
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * (w * w * tn.tensor(steep)).sum()).backward()
        optimizer.step()
        places.append(w.numpy().copy())
    return np.array(places)


# %%
def height(places):
    return 0.5 * (places**2 * steep).sum(axis=-1)


# %%
fig, axes = plt.subplots(2, 1, figsize=(8, 5.2), sharex=True, layout="constrained")
x, y = np.meshgrid(np.linspace(-10, 6, 200), np.linspace(-1.25, 1.25, 120))
walks = {0.0: ("#D55E00", "o"), 0.9: ("#0072B2", "s")}
ends = {}
for ax, (momentum, (colour, marker)) in zip(axes, walks.items(), strict=True):
    places = walk(0.018, momentum, 60)
    ends[momentum] = height(places)[-1]
    levels = [0.1, 1, 4, 10, 20, 35, 55, 80]
    ax.contour(x, y, height(np.stack([x, y], -1)), levels, colors="#999999", linewidths=0.8)
    ax.plot(*places.T, color=colour, marker=marker, markersize=3, linewidth=1)
    ax.plot(0, 0, marker="*", color="black", markersize=11)
    ax.set_title(f"momentum {momentum:g}: loss {ends[momentum]:.2g} after 60 steps", fontsize=10)
    ax.set(ylabel="w1 (steep)", ylim=(-1.25, 1.25))
axes[1].set_xlabel("w0 (flat); the star is the lowest point")
first, last = ends.values()
fig.suptitle(
    f"Momentum ends {'lower' if last < first else 'higher'}, by a factor of "
    f"{max(first, last) / min(first, last):.0f}"
)
figure(
    fig,
    "Two paths of 60 steps in a ravine, from the same start with the same rate of 0.018. Without "
    "momentum the path jumps from side to side, then creeps along the floor, and the loss ends at "
    f"{ends[0.0]:.2g}. With momentum 0.9 the "
    f"path swings past the lowest point and back, and ends at {ends[0.9]:.2g}.",
)

# %% [markdown] lang="en"
# Momentum overshoots the lowest point and comes back. It looks worse but is faster: along the floor
# the steps agree, and they add up to $1 + 0.9 + 0.81 + \dots = 10$ times the size.
#
# ## Faster
#
# An update reads three numbers for each weight and writes two, and does five or six operations with
# them. The arithmetic is negligible; the time is memory access. NumPy passes over the arrays once
# for each operation, a compiled loop once in all. How large is the ratio for eight million weights?

# %%
rng = np.random.default_rng(0)
arrays = [rng.standard_normal((1, 8_000_000), np.float32) for _ in range(3)]
taken = {}

# %%
for kind in ("reference", "numba"):
    with kernels.use(kind):
        best = np.inf
        for _ in range(4):
            started = time.perf_counter()
            kernels.momentum_update(*arrays, 1e-3, 0.9, 5e-4, False, "paper")
            best = min(best, time.perf_counter() - started)
    taken[kind] = best
    moved = 5 * arrays[0].nbytes / best / 1e9
    print(
        f"{lessons.kernel_name(kind):10} {1000 * best:6.1f} ms; 5 numbers per weight: {moved:5.1f} GB/s"
    )

# %% [markdown] lang="en"
# ## Break
#
# **How large may the rate be?** Across the ravine the curvature is 100. Plain descent multiplies
# $w_1$ by $1 - 100\, lr$ in each step, so it explodes above $2 / 100 = 0.02$. Momentum makes larger
# steps. Predict: does it explode at a `"lower"` or at a `"higher"` rate?


# %% tags=["predict"]
def explodes_at():
    lowest = {}  # the lowest rate that explodes, plain and with momentum
    for lr in (0.005, 0.018, 0.025, 0.035, 0.04):
        last = {m: height(walk(lr, m, 300))[-1] for m in (0.0, 0.9)}
        told = f"loss after 300 steps {last[0.0]:10.2g} plain, {last[0.9]:10.2g} with momentum"
        print(f"lr {lr:.3f}: {told}")
        lowest = {m: lr for m in last if last[m] > 1e6} | lowest
    return "lower" if lowest[0.9] < lowest[0.0] else "higher"


predict("11.b", ..., explodes_at)

# %% [markdown] lang="en"
# At a higher rate (numbers like 1e+107 are explosions). The limit with momentum is
# $2\,(1 + 0.9) / 100 = 0.038$: where plain descent oscillates, the velocity of the previous step
# acts against it.
#
# **What does `decay` mean?** A Keras post about AlexNet sets
# `SGD(lr=0.01, decay=5e-5, momentum=0.9)` and calls it the weight decay of the paper. In the Keras
# of that time `decay` was something else: a rate that falls as
# $lr / (1 + \text{decay} \cdot \text{step})$.
#
# **Exercise 11.3.** Write that rate.


# %% tags=["exercise"]
def my_keras_rate(lr, decay, step):
    "Your code: the learning rate at a step, under Keras's decay."
    return None


check("11.3", my_keras_rate)

# %%
# hint("11.3")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_keras_rate(lr, decay, step):
    return lr / (1 + decay * step)


check("11.3", my_keras_rate)

# %% [markdown] lang="en"
# What would that do in the paper's run: 1.2 million pictures, batches of 128, 90 epochs? And what
# does real weight decay do to a weight with a gradient of 0?

# %%
steps_an_epoch = 1_200_000 // 128
for epoch in (1, 10, 90):
    rate = 0.01 / (1 + 5e-5 * epoch * steps_an_epoch)
    print(f"decay=5e-5, after epoch {epoch:2}: lr {rate:.6f}")

w = tn.tensor(np.ones(1), requires_grad=True)
optimizer = optim.SGD([w], lr=0.01, momentum=0.9, weight_decay=0.0005)
for _ in range(steps_an_epoch):
    w.grad = np.zeros(1)
    optimizer.step()
print(f"weight decay 0.0005, after one epoch without a gradient: w = {w.item():.3f} of 1")

# %% [markdown] lang="en"
# These are two different things. The post's run has no weight decay at all, and a rate that falls
# smoothly to a 43rd over the run, where the paper divides by 10 three times.
#
# **Which rate for a real network?** Its curvature is not known. So we measure: raise the rate step
# by step, and record the loss. It falls, falls faster, and then diverges. A rate well below the
# divergence is a good first guess (Smith 2015, "Cyclical learning rates for training neural
# networks").
#
# **Exercise 11.4.** Write `my_range_test(step, rates)`. `step(rate)` does one step of training and
# returns its loss. Stop where the loss is not finite, or more than twice the lowest so far.


# %% tags=["exercise"]
def my_range_test(step, rates):
    "Your code: return the losses, without the one that diverged."
    return None


check("11.4", my_range_test)

# %%
# hint("11.4")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_range_test(step, rates):
    losses = []
    for rate in rates:
        loss = step(rate)
        if not np.isfinite(loss) or (losses and loss > 2 * min(losses)):
            break
        losses.append(loss)
    return losses


check("11.4", my_range_test)

# %% [markdown] lang="en"
# Here is one on a small net, 80 steps of 100 pictures, from 0.0001 upwards. The loop is again by
# hand, because the loss of a single step decides whether that step is still done. Which rate would
# you choose?

# %%
learn, _ = pictures()
place = device()
prepare = data.Normalize.fit("standardize", learn.images)
rates = np.geomspace(1e-4, 1.0, 80)


# %%
def small_net():
    """Return an untrained net of one convolution."""
    tn.seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Flatten(),
        nn.Linear(16 * 7 * 7, 10),
    )
    return model.to(place)


# %%
def batches():
    """Yield prepared batches, epoch after epoch."""
    loader = data.DataLoader(learn, 100, shuffle=True, transform=prepare)
    while True:
        yield from loader


# %%
def step(model, optimizer, images, labels):
    """Do one step; return the loss before it."""
    loss = F.cross_entropy(model(tn.tensor(images).to(place)), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


# %%
def measured(momentum):
    """Return the losses of a small net at rising rates, until they diverge."""
    model = small_net()
    optimizer = optim.SGD(model.parameters(), lr=0.0, momentum=momentum, weight_decay=5e-4)
    losses = []
    for rate, batch in zip(rates, batches(), strict=False):
        optimizer.lr = float(rate)
        loss = step(model, optimizer, *batch)
        if not np.isfinite(loss) or (losses and loss > 2 * min(losses)):
            break
        losses.append(loss)
    return losses


# %%
found = {momentum: measured(momentum) for momentum in (0.0, 0.9)}

# %%
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
looks = {0.0: ("#D55E00", "--"), 0.9: ("#0072B2", "-")}
lowest = {}
for momentum, losses in found.items():
    smooth = np.convolve(losses, np.ones(5) / 5, mode="valid")
    at = rates[4 : len(losses)]
    colour, dash = looks[momentum]
    ax.plot(at, smooth, color=colour, linestyle=dash, label=f"momentum {momentum:g}")
    lowest[momentum] = at[smooth.argmin()]
    ax.plot(lowest[momentum], smooth.min(), color=colour, marker="o", markersize=8)
    ax.plot(rates[len(losses) - 1], smooth[-1], color=colour, marker="x", markersize=9)
ax.set(xscale="log", xlabel="learning rate", ylabel="loss (nats), mean of 5 steps")
ax.axhline(np.log(10), color="#767676", linestyle=":", linewidth=1, label="guessing: ln 10")
ax.set_title(
    f"Lowest (dots) at {lowest[0.0]:.2g} without momentum, at {lowest[0.9]:.2g} with it; "
    "crosses: diverged",
    fontsize=10,
)
ax.legend(frameon=False, loc="upper center")
ax.spines[["top", "right"]].set_visible(False)
last = {momentum: rates[len(losses) - 1] for momentum, losses in found.items()}
figure(
    fig,
    "Loss of a small net while the learning rate rises from 0.0001. It falls slowly at first, is "
    f"lowest at {lowest[0.0]:.2g} without momentum and at {lowest[0.9]:.2g} with momentum 0.9, and "
    f"the runs end at {last[0.0]:.2g} and {last[0.9]:.2g}.",
)
for momentum, losses in found.items():
    print(
        f"momentum {momentum:g}: {len(losses)} of {len(rates)} steps, up to lr {last[momentum]:.3f}"
    )

# %% [markdown] lang="en"
# Both curves fall, have a lowest point, and diverge. Choose a rate to the left of the lowest point,
# where the loss still falls steeply: at the lowest point the steps are already too large. With
# momentum the loss falls earlier, because small steps add up. The dotted line is the loss of
# guessing: the net begins above it, because its first scores are large, and falls to about that
# level in these few steps. The test searches for a rate; it does not train a net. It is one run
# each, so the last digits mean nothing.

# %% [markdown] lang="en"
# | | |
# |---|---|
# | in the paper | the rate is inside the velocity, momentum 0.9, weight decay 0.0005, batches of 128; 0.01 at first, divided by 10 three times (section 5) |
# | in the code of 2012 | the same rule; but biases have their own rate, 0.02 from beginning to end, and no weight decay |
# | here | `SGD(rule="paper")` is the default, `rule="torch"` the other; recipes give biases no weight decay |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** Along the floor of the ravine all gradients agree. By which factor are the steps with
# momentum 0.9 larger, after a while?
#
# <details><summary>Answer</summary>
# Ten: 1 + 0.9 + 0.81 + ... = 1 / (1 - 0.9). This is why a rate that was tuned without momentum is
# often too large with it.
# </details>
#
# **2.** In a PyTorch run the rate falls from 0.01 to 0.001, and you want exactly the paper's path.
# What do you do to the velocity at that step?
#
# <details><summary>Answer</summary>
# Multiply PyTorch's velocity by 10, the old rate divided by the new one. Then lr * v is unchanged,
# as in the paper.
# </details>
#
# **3.** Why do biases often get no weight decay?
#
# <details><summary>Answer</summary>
# A bias only shifts; it does not make the output more sensitive to the input, as large weights do.
# Making it small has little benefit, and the code of 2012 did not.
# </details>
