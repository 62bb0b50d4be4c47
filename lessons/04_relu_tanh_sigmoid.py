# %% [markdown] lang="en"
# # 04 ReLU against tanh and sigmoid
#
# | | |
# |---|---|
# | goal | Write three backward rules, redraw the paper's Figure 1, and test whether tanh is six times slower. |
# | time | 45 minutes |
# | runs | under 30 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; no network, no download; CIFAR-10 and a GPU are used if present |
# | before | 03 A linear model: training, cross-entropy, and the limits of a sum of pixels |

# %%
import math
import time

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet import data, nn, optim
from tinynet import functions as F
from tinynet.lessons import check, device, figure, hint, pictures, predict, show, solution

# %% [markdown] lang="en"
# ## Build
#
# Two linear layers in sequence are equivalent to one linear layer. Between them there must be a
# nonlinear function, the **activation**. Before 2012 it was usually one of two curves that flatten
# on both sides. AlexNet used the third:
#
# $$\mathrm{sigmoid}(x) = \frac{1}{1 + e^{-x}} \qquad \tanh(x) \qquad
#   \mathrm{ReLU}(x) = \max(x, 0)$$
#
# The paper gives the reason (section 3.1): with ReLU, networks "train several times faster than
# their equivalents with tanh units". Its Figure 1 shows a network of four layers that reaches 25 %
# training error on CIFAR-10 (small photographs in ten classes) six times sooner. Blog posts repeat
# the factor of six without its conditions. This lesson measures it.
#
# ### Three slopes
#
# The activation is applied to each number separately, so backward multiplies each gradient by one
# slope: `gy` and `x` are arrays of the same shape. For ReLU the slope is 1 or 0, depending on what?
# At exactly 0 there is no slope; take 0 there, as the code of 2012 did.


# %% tags=["exercise"]
def my_relu_backward(gy, x):
    "Your code: gy times the slope of max(x, 0)."
    return None


check("04.1", my_relu_backward)

# %%
# hint("04.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_relu_backward(gy, x):
    return gy * (x > 0)


check("04.1", my_relu_backward)

# %% [markdown] lang="en"
# For tanh the slope is $1 - \tanh(x)^2$. Forward has already computed $y = \tanh(x)$, so backward
# is given $y$ and needs no second tanh.


# %% tags=["exercise"]
def my_tanh_backward(gy, y):
    "Your code: gy times the slope of tanh, where y = tanh(x)."
    return None


check("04.2", my_tanh_backward)

# %%
# hint("04.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_tanh_backward(gy, y):
    return gy * (1 - y * y)


check("04.2", my_tanh_backward)

# %% [markdown] lang="en"
# For sigmoid the slope is $e^{-x} / (1 + e^{-x})^2$. It too can be written with $y$ alone. How?


# %% tags=["exercise"]
def my_sigmoid_backward(gy, y):
    "Your code: gy times the slope of sigmoid, where y = sigmoid(x)."
    return None


check("04.3", my_sigmoid_backward)

# %%
# hint("04.3")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_sigmoid_backward(gy, y):
    return gy * y * (1 - y)


check("04.3", my_sigmoid_backward)

# %% [markdown] lang="en"
# Look at the slopes far from 0. An activation whose slope is nearly 0 is **saturated**: it passes
# on almost no gradient.

# %%
x = tn.tensor(np.array([-10.0, -5.0, -2.0, 0.5, 2.0, 5.0, 10.0]), requires_grad=True)
print("x      ", *(f"{value:9.1f}" for value in x.numpy()))
for activation in (F.sigmoid, F.tanh, F.relu):
    x.zero_grad()
    activation(x).sum().backward()
    print(f"{activation.__name__:8}", *(f"{slope:9.6f}" for slope in x.grad))

# %% [markdown] lang="en"
# And look at sigmoid near 0: its largest slope is 1/4. Backward multiplies the slopes of all
# layers. The weights below are scaled for each activation so that the numbers neither explode nor
# vanish in forward, as far as possible: their variance is `gain` divided by the number of inputs.
#
# Predict: after ten layers of sigmoid, how much is left of a gradient of 1? A power of ten will do,
# such as `1e-1`. Write it in place of the dots, then run the cell: it shows the truth, and the
# numbers of tanh and ReLU, only after a guess.

# %%
rng = np.random.default_rng(0)
start = rng.normal(size=(64, 100))


def ten_layers(activation, gain):
    """Return the mean size of the gradient at the input of ten layers."""
    y = x = tn.tensor(start, requires_grad=True)
    for _ in range(10):
        weight = rng.normal(size=(100, 100)) * np.sqrt(gain / 100)
        y = activation(y @ tn.tensor(weight))
    y.backward(rng.normal(size=y.shape))
    return np.abs(x.grad).mean()


# %% tags=["predict"]
def sigmoid_leaves():
    left = {}
    for activation, gain in ((F.sigmoid, 1), (F.tanh, 1), (F.relu, 2)):
        name = activation.__name__
        left[name] = ten_layers(activation, gain)
        print(f"{name:8} ten layers: a gradient of 1 becomes {left[name]:.1e}")
    return left["sigmoid"]


predict("04.a", ..., sigmoid_leaves)

# %% [markdown] lang="en"
# The weights do not make up for the slopes of sigmoid. A ReLU passes on all of a gradient or
# nothing; with its larger weights about as much arrives as was sent.
#
# ### The race
#
# As in the paper: a network of four layers, no regularization (such as weight decay), the same
# initial weights for both, and for each activation the learning rate that is best *for it*. The
# last point matters: one rate for both puts one of them at a disadvantage. (The rates below are the
# fastest of three.)
#
# The paper does not say which four layers. Ours: three convolutions with overlapping max-pools (you
# will build both in lessons 05 and 07; here they are only used) and a linear layer.
#
# The error is measured on the last 1,000 training pictures, each classified before the update that
# used it: `tn.fit` counts the right answers of an epoch in its `state`, and with `every_step=True`
# we can read the count after each batch, and stop in the middle of an epoch. We use 3,000 drawn shapes. Photographs take longer to learn, so we use 1,000 of them for
# more epochs: then 25 % is reached by memorising them. How many epochs will it take? (The race
# takes most of this lesson's time; it prints its progress.)

# %%
learn, _ = pictures()
place = device()
x = learn.images.astype(np.float32)
x -= x.mean(axis=(0, 2, 3), keepdims=True)
x /= x.std(axis=(0, 2, 3), keepdims=True)
labels = learn.labels
N, LIMIT = (3000, 8) if learn.drawn else (1000, 30)  # pictures, and epochs until we give up
RATES = {"ReLU": 0.005 if learn.drawn else 0.01, "tanh": 0.02}


# %%
def four_layers(act):
    scores = nn.Linear(32 * 16, 10)
    nn.init.set_normal(scores.weight, 0.01)  # small scores at first: the first loss is log(10)
    layers = []
    for inputs, outputs, kernel in ((3, 16, 5), (16, 16, 5), (16, 32, 3)):
        conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        layers += [conv, act(), nn.MaxPool2d(3, stride=2, ceil_mode=True)]
    return nn.Sequential(*layers, nn.Flatten(), scores)


# %%
def started(act, lr, seed, batch):
    """Return a run of `fit` that has not begun, and its state."""
    tn.seed(seed)
    model = four_layers(act).to(place)
    optimizer = optim.SGD(model.parameters(), lr, momentum=0.9)
    loader = data.DataLoader((x[:N], labels[:N]), batch, shuffle=True, seed=seed)
    state = tn.State()
    return tn.fit(model, optimizer, loader, epochs=LIMIT, state=state, every_step=True), state


# %%
def right_answers(steps, state):
    """Yield the number of right answers in each batch."""
    before = 0
    for _ in steps:
        if state.step == 0:  # the record of a whole epoch
            before = 0
            continue
        state.metrics.synchronize()  # on a GPU: wait for the sums
        yield state.metrics.correct - before
        before = state.metrics.correct


# %%
def race(act, lr, seed=0, batch=50):
    """Train until 25 % error; return the epochs and the errors after each batch."""
    wrong, epochs, errors = [], [], []
    for right in right_answers(*started(act, lr, seed, batch)):
        wrong.append(batch - right)
        if len(wrong) * batch >= 1000:
            epochs.append(len(wrong) * batch / N)
            errors.append(sum(wrong[-1000 // batch :]) / 1000)
            if errors[-1] <= 0.25:
                break
    return epochs, errors


# %%
curves = {"ReLU": race(nn.ReLU, RATES["ReLU"]), "tanh": race(nn.Tanh, RATES["tanh"])}
for name, (epochs, errors) in curves.items():
    print(f"{name} at lr {RATES[name]:g}: error {errors[-1]:.0%} after {epochs[-1]:.1f} epochs")

# %% [markdown] lang="en"
# The factor of six comes from two such curves. When does a curve *reach* a level? It is a list of
# points with straight lines between them. If it begins at the level or below, the answer is its
# first epoch; if it never reaches the level, `math.inf`.
#
# When your function is right, try it on the race: `my_epochs_to(*curves["tanh"], 0.25) /
# my_epochs_to(*curves["ReLU"], 0.25)` is the number for which the paper gives six. The cell below
# the exercise computes the same.


# %% tags=["exercise"]
def my_epochs_to(epochs, errors, level):
    "Your code: the epoch at which the errors first fall to level; math.inf if never."
    return None


check("04.4", my_epochs_to)

# %%
# hint("04.4")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_epochs_to(epochs, errors, level):
    for i, error in enumerate(errors):
        if error <= level:
            if i == 0:
                return epochs[0]
            part = (errors[i - 1] - level) / (errors[i - 1] - error)
            return epochs[i - 1] + part * (epochs[i] - epochs[i - 1])
    return math.inf


check("04.4", my_epochs_to)

# %%
reached = {  # each curve ends at or below 25 %; the crossing is between its last two points
    name: float(np.interp(0.25, errors[:-3:-1], epochs[:-3:-1]))
    for name, (epochs, errors) in curves.items()
    if errors[-1] <= 0.25
}

# %%
fig, axis = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
for (name, (epochs, errors)), line, colour in zip(
    curves.items(), ("-", "--"), ("#0072B2", "#D55E00"), strict=True
):
    percent = [100 * error for error in errors]
    axis.plot(epochs, percent, line, color=colour, linewidth=2, label=name)
    if name in reached:
        axis.plot(reached[name], 25, "o", color=colour, markersize=8)
axis.axhline(25, color="#767676", linestyle=":", label="25 %")
axis.set(xlabel="epochs", ylabel="training error (%)", ylim=(0, 100), xlim=(0, None))
told = ", ".join(f"{name} after {epoch:.1f} epochs" for name, epoch in reached.items())
axis.set_title(f"25 % error in this race: {told or 'never'}", fontsize=11)
axis.grid(visible=True, color="#e4e4e4")
axis.spines[["top", "right"]].set_visible(False)
axis.legend(frameon=False)
figure(
    fig,
    f"Training error against epochs for a network of four layers on {N:,} {learn.kind}, one seed, as "
    "in the paper's Figure 1. "
    + " ".join(
        f"{name} falls to 25 % after {epoch:.2f} epochs." for name, epoch in reached.items()
    ),
)
for name, epoch in reached.items():
    print(f"{name}: 25 % after {epoch:.2f} epochs")
if len(reached) == 2:
    print(f"in this race tanh needs {reached['tanh'] / reached['ReLU']:.2f} times as many")

# %% [markdown] lang="en"
# (The curves begin after the first 1,000 pictures.)
#
# ### Is tanh six times slower?
#
# One seed is one race. You ran one, with each activation at its best rate. `tinynet claims run relu`
# runs this race on 5,000 photographs of CIFAR-10: every activation with six rates, then with its
# best one and five seeds. A race stops after 32 epochs. The table shows the epochs to the first
# point at or below 25 %, for the first seed:
#
# | learning rate | ReLU | tanh |
# |---|---|---|
# | 0.0025 | 14.15 | 24.43 |
# | 0.005 | **11.20** | 14.16 |
# | 0.01 | 14.16 | **9.46** |
# | 0.02 | never | 12.42 |
# | 0.05 | never | never |
#
# With each activation at its best rate, and five seeds, ReLU needs 10.99 epochs and tanh 9.29. That
# is 0.85 times as many (95 % interval 0.75 to 0.96): here tanh is a little *faster*, not six times
# slower. Your own race may differ. Now read the second row alone: at the rate that is best for
# ReLU, tanh takes 1.26 times as long. And the fourth row: at 0.02 tanh arrives, and ReLU never
# does; the section Break shows how a ReLU can die. A comparison at one rate for both can give
# either result.
#
# Is the paper wrong, then? This experiment cannot tell. The paper used other data, all the
# photographs of CIFAR-10, and a network that it does not describe. Ours begins with weights of
# variance $2 / fan_{in}$ (He and others, 2015); $fan_{in}$ is the number of inputs of a unit. They
# keep the numbers in a range where tanh still has a slope; AlexNet's weights began with a standard
# deviation of 0.01 in every layer (section 5). This run shows only that the factor of six belongs
# to one experiment, not to tanh in general.
#
# Two reasons for ReLU remain, whatever the race shows. Its slope does not shrink with depth, as the
# table of ten layers showed, and it costs almost nothing to compute, as you will see below.

# %% [markdown] lang="en"
# ## Judge
#
# Are the three rules the derivatives of their forwards? And does the judge find a common mistake:
# the tanh rule with $x$ instead of $y$?


# %%
class SlippedTanh(tn.Function):
    """tanh with a wrong backward."""

    def forward(self, x):
        self.saved = x
        return np.tanh(x)

    def backward(self, gy):
        return gy * (1 - self.saved * self.saved)


# %%
few = rng.normal(size=(3, 4))
for activation in (F.sigmoid, F.tanh, F.relu):
    tn.testing.check_layer(activation, few)
    print(f"{activation.__name__}: no error")
try:
    tn.testing.check_gradient(lambda x: SlippedTanh()(x), few)
except AssertionError as error:
    print(error)

# %% [markdown] lang="en"
# ## Meet

# %%
from tinynet.functions.elementwise import ReLU, Sigmoid

show(ReLU)

# %%
show(Sigmoid)

# %% [markdown] lang="en"
# 1. `ReLU` saves its output, not its input. $y > 0$ exactly where $x > 0$, so either would work.
#    The next layer needs the output anyway, so no additional array has to be kept.
# 2. `Sigmoid` is written with tanh. Try $1 / (1 + e^{-x})$ for $x = -1000$: what does NumPy say?
# 3. In a network the library fuses a convolution and the ReLU after it into one function,
#    `F.conv2d_relu`, which takes the maximum while the sum is still at hand.

# %% [markdown] lang="en"
# ## Faster
#
# ReLU has a second advantage: one comparison for each number, where tanh needs an exponential.
# How large is the ratio?

# %%
million = tn.tensor(rng.normal(size=1_000_000).astype(np.float32))
for activation in (F.relu, F.tanh, F.sigmoid):
    times = []
    for _ in range(5):
        started = time.perf_counter()
        activation(million)
        times.append(time.perf_counter() - started)
    print(f"{activation.__name__:8}{1000 * min(times):7.2f} ms for a million numbers")

# %% [markdown] lang="en"
# In a whole training step this matters less: the convolutions take most of the time.
#
# ## Break
#
# A ReLU that is never above 0 has the slope 0 for every picture. No gradient reaches its weights,
# so it never changes: it is **dead**. One large step can cause this. We train on 1,500 pictures
# with a rate of 0.005, and with ten times that rate, and count the filters of the last convolution
# that are 0 for all of 500 pictures. Predict how many of 32, at the higher rate.


# %%
def trained(rate):
    """Return a net after one epoch at this learning rate."""
    tn.seed(0)
    model = four_layers(nn.ReLU).to(place)
    optimizer = optim.SGD(model.parameters(), rate, momentum=0.9)
    loader = data.DataLoader((x[:1500], labels[:1500]), batch_size=50)
    for _ in tn.fit(model, optimizer, loader, epochs=1):
        pass
    return model


# %% tags=["predict"]
def dead_filters():
    for rate in (0.005, 0.05):
        model = trained(rate)
        with tn.no_grad():
            y = model[:8](tn.tensor(x[:500]).to(place))  # as far as the third ReLU
        dead = int((y.numpy().max(axis=(0, 2, 3)) <= 0).sum())
        loss = tn.evaluate(model, (x[:500], labels[:500])).loss
        print(f"lr {rate:g}: {dead} of {y.shape[1]} filters are dead, the loss is {loss:.2f}")
    return dead


predict("04.b", ..., dead_filters)

# %% [markdown] lang="en"
# A loss that stays at log(10) = 2.30 is the symptom: only the biases of the last layer still
# matter, and biases alone cannot do better than guessing. tanh cannot die like this: it saturates,
# and may recover.
#
# | | |
# |---|---|
# | in the paper | ReLU after every layer but the last (section 3.1); six times as fast to 25 % on CIFAR-10; biases of 1 in some layers, so that the ReLUs begin with inputs above 0 (section 5) |
# | in the code of 2012 | the neuron is a parameter of each layer, `neuron=relu`; in layer 1 it comes after the pooling, which gives the same numbers if no layer lies between (lesson 08 discusses the layer between) |
# | here | the slope at exactly 0 is 0; `F.conv2d_relu` and `F.max_pool2d_relu` do two steps in one |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** Ten layers of sigmoid: by which factor do the slopes alone shrink a gradient, at least?
#
# <details><summary>Answer</summary>
# By 4 ** 10, about a million: the largest slope is 1/4, and the slopes of ten layers multiply.
# Large weights could compensate, but large weights saturate the sigmoid.
# </details>
#
# **2.** A comparison of ReLU and tanh with one learning rate for both gives a factor of ten. What
# was measured?
#
# <details><summary>Answer</summary>
# Which of the two that rate suits better. The paper chose a rate for each.
# </details>
#
# **3.** All weights of one layer are multiplied by 10, and its biases are 0. What happens to its
# output with ReLU, and with tanh?
#
# <details><summary>Answer</summary>
# ReLU: ten times the output, max(10 x, 0) = 10 max(x, 0). tanh: it saturates; nearly all outputs are
# near 1 or -1, and their slopes near 0.
# </details>
