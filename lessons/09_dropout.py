# %% [markdown] lang="en"
# # 09 Dropout
#
# | | |
# |---|---|
# | goal | Write dropout in the paper's form and in today's, and determine the factor at test time. |
# | time | 40 minutes |
# | runs | under 10 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; no network, no download; CIFAR-10 and a GPU are used if present |
# | before | 03 A linear model and its templates: training on batches, a test set |

# %%
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
# A net with many weights and few training pictures memorises them (overfitting). One remedy is to
# train many nets and average them, which costs many times as much. Dropout (section 4.2 of the
# paper) is a cheap version: in every training step each hidden unit is set to zero with probability
# $p$. So every step trains a different, thinner net, and all of them share their weights. No unit
# can rely on the presence of another.
#
# At test time all units are present. But the next layer was trained with a fraction $1 - p$ of
# them. How must the outputs be scaled so that its mean input stays the same?
#
# $$\text{training:}\quad y[i] = \begin{cases} x[i] & u[i] \ge p \\ 0 & u[i] < p \end{cases}
# \qquad \text{test:}\quad y[i] = \;?$$
#
# $u[i]$ is a random number between 0 and 1. The paper has $p = 0.5$, and multiplies by 0.5.
#
# **Exercise 09.1.** Write it for any $p$.


# %% tags=["exercise"]
def my_paper_dropout(x, p, u, training):
    "Your code: u holds a random number for each unit; a unit is zeroed where u < p."
    return None


check("09.1", my_paper_dropout)

# %%
# hint("09.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_paper_dropout(x, p, u, training):
    return np.where(u >= p, x, 0) if training else x * (1 - p)


check("09.1", my_paper_dropout)

# %% [markdown] lang="en"
# The factor is the fraction **kept**, $1 - p$. Many posts say "multiply by the dropout rate". For
# the paper's $p = 0.5$ the two are the same number, which hides the mistake. Under *Break* we take
# another $p$.
#
# Today's frameworks do the reverse: they divide by $1 - p$ in training and change nothing at test
# time. Then test code does not depend on dropout. This is the *inverted* form.
#
# **Exercise 09.2.** Write it.


# %% tags=["exercise"]
def my_inverted_dropout(x, p, u, training):
    "Your code: at test time return x unchanged."
    return None


check("09.2", my_inverted_dropout)

# %%
# hint("09.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_inverted_dropout(x, p, u, training):
    return np.where(u >= p, x / (1 - p), 0) if training else x


check("09.2", my_inverted_dropout)

# %% [markdown] lang="en"
# Are the two forms equivalent? Take the layer after the dropout. In the inverted form its inputs
# are $1 / keep$ times as large, with $keep = 1 - p$. With the same initial weights and the same
# learning rate, it is **not the same training**. Which weights, which learning rate and which
# weight decay would make it the same?
#
# $$w' = keep \cdot w \qquad lr' = \;? \qquad decay' = \;?$$
#
# A step is $lr\,(g + decay \cdot w)$. How do $g$ and $w$ change, and how must the step change?
#
# **Exercise 09.3.** Convert all three. The check trains both and compares every step.


# %% tags=["exercise"]
def my_convert(weight, lr, weight_decay, p):
    "Your code: return weight, lr and weight_decay for inverted dropout."
    return None


check("09.3", my_convert)

# %%
# hint("09.3")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_convert(weight, lr, weight_decay, p):
    keep = 1 - p
    return keep * weight, keep**2 * lr, weight_decay / keep**2


check("09.3", my_convert)

# %% [markdown] lang="en"
# For $p = 0.5$: half the initial weights, a quarter of the rate, four times the decay. If you use
# the paper's numbers in a framework with inverted dropout, fc7 and fc8 start with weights that are
# effectively twice as large as the authors', and a rate that is effectively four times theirs.
#
# ## Judge
#
# How can a judge test something random? It runs the layer twice and requires identical bits. Here
# is a dropout that draws its own numbers. What will the judge say?


# %%
def careless_dropout(x):
    mask = np.random.default_rng().random(x.shape) >= 0.5
    return x * tn.tensor(mask / 0.5)


x = np.random.default_rng(0).standard_normal((3, 8))
try:
    tn.testing.check_layer(careless_dropout, x)
except AssertionError as error:
    print(error)

# %% [markdown] lang="en"
# The library's random numbers are a function of the seed, the training step and the layer's index.
# There is no generator state. So a gradient check can repeat a forward pass, an interrupted run
# resumes with the same numbers, and a GPU drops exactly the same units.

# %%
tn.testing.check_layer(lambda t: F.dropout(t, 0.3), x)
print("the library's dropout: no error")

# %% [markdown] lang="en"
# ## Meet
#
# Where is the mask stored for backward?

# %%
show(kernels.dropout)
show(F.dropout)
show(nn.Dropout.forward)

# %% [markdown] lang="en"
# Nowhere. Backward draws the same bits again and is the same function: a dropped unit gets no
# gradient, a kept one gets gy / (1 - p). The random numbers are 32-bit integers, and `p` is
# converted to one for the comparison, so every backend makes the same decisions.
#
# Does it help? We take only 500 pictures, so that overfitting is easy, and train a small net with
# 256 hidden units, once without and once with dropout. What will the four curves look like: the loss
# on the 500 training pictures and on 1000 test pictures, without and with dropout?

# %%
learn, test = pictures(train=500, test=1000)
place = device()
prepare = data.Normalize.fit("standardize", learn.images)
loader = data.DataLoader(learn, batch_size=50, shuffle=True, transform=prepare)
EPOCHS = 20


# %%
def small_net(dropout):
    tn.seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Flatten(),
        nn.Linear(16 * 7 * 7, 256),
        nn.ReLU(),
        dropout,
        nn.Linear(256, 10),
    ).to(place)


# %%
models = {}
curves = {}
for p in (0.0, 0.5):
    models[p] = small_net(nn.Dropout(p))
    optimizer = optim.SGD(models[p].parameters(), lr=0.01, momentum=0.9)
    curves[p] = {"training": [], "test": []}
    for epoch in tn.fit(models[p], optimizer, loader, test, epochs=EPOCHS):
        curves[p]["training"].append(tn.evaluate(models[p], learn).loss)  # with dropout off
        curves[p]["test"].append(epoch.test_loss)
    curves[p]["accuracy"] = 100 * epoch.test_accuracy
    print(f"p = {p}:", epoch)

# %%
fig, axes = plt.subplots(2, 1, figsize=(6.4, 5.6), sharey=True, layout="constrained")
epochs = range(1, EPOCHS + 1)
gaps = {}
top = max(2.5, *(1.05 * max(curve["test"]) for curve in curves.values()))
for ax, (p, curve) in zip(axes, curves.items(), strict=True):
    ax.plot(epochs, curve["training"], "--", color="#0072B2", label="500 training pictures")
    ax.plot(epochs, curve["test"], color="#D55E00", label="1000 test pictures")
    ax.fill_between(epochs, curve["training"], curve["test"], color="#eeeeee")
    gaps[p] = curve["test"][-1] - curve["training"][-1]
    ax.set(xlabel="epoch", ylim=(0, top), xticks=range(0, EPOCHS + 1, 5))
    ax.set_title(
        f"p = {p:g}: a gap of {gaps[p]:.2f}, test accuracy {curve['accuracy']:.1f} %",
        fontsize=10,
    )
    ax.spines[["top", "right"]].set_visible(False)
fig.supylabel("loss, dropout off (nats)", fontsize=10)
axes[1].legend(frameon=False)
figure(
    fig,
    "Loss over the epochs on 500 training and on 1000 test pictures: "
    + "; ".join(
        f"with p = {p:g} it ends at {curve['training'][-1]:.2f} and {curve['test'][-1]:.2f}, "
        f"a gap of {gaps[p]:.2f}"
        for p, curve in curves.items()
    )
    + ".",
)

# %% [markdown] lang="en"
# Without dropout the training loss goes to almost 0, while the test loss stops falling half way, or
# even rises: the net overfits. With dropout the test loss ends lower, and the two curves stay
# closer; training takes longer, as the paper says. It still overfits, because 500 pictures are few.
# This is one seed each and a small net: the size of the effect means little, but its direction
# agrees with the paper.
#
# ## Faster
#
# Storing a mask costs memory; drawing bits again costs time. How much? The NumPy version draws all
# bits, then compares, then multiplies: several passes over memory. The compiled one draws four
# words and uses them at once. Predict: how many times as fast is it, for fc6's outputs of 128
# pictures? Write your guess in place of the dots, then run the cell: it shows the truth only after a
# guess.


# %% tags=["predict"]
def times_as_fast():
    x = np.random.default_rng(0).standard_normal((128, 4096)).astype(np.float32)
    taken = {}
    for kind in ("reference", "numba"):
        with kernels.use(kind):
            kernels.dropout(x, 0.5, (0, 0, 0))
            started = time.perf_counter()
            kernels.dropout(x, 0.5, (0, 0, 0))
            taken[kind] = time.perf_counter() - started
        print(f"{lessons.kernel_name(kind):10} {1000 * taken[kind]:7.2f} ms")
    return taken["reference"] / taken["numba"]


predict("09.a", ..., times_as_fast)

# %% [markdown] lang="en"
# The compiled version reads each input once and writes each output once. Its random words stay in
# registers; those of NumPy are arrays of half a million numbers, written and read for each step.
#
# ## Break
#
# **The wrong factor.** "At test time multiply by the dropout rate." Take the paper's form with
# $p = 0.2$: the right factor is 0.8, the rate is 0.2. Dropout comes before the last layer. If all its
# inputs become a quarter, what happens to the scores, and to their softmax?
#
# Predict: with the wrong factor, how many of the 1000 answers on the test pictures become different?

# %%
dropout = nn.Dropout(0.2, inverted=False)  # at test time it multiplies by 1 - dropout.p
model = small_net(dropout)
optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
for _ in tn.fit(model, optimizer, loader, epochs=10):
    pass


# %% tags=["predict"]
def different_answers():
    names = {0.8: "1 - p, kept fraction", 0.2: "p, the rate", 1.0: "1, no scaling"}
    answers = {}
    for factor, name in names.items():
        dropout.p = 1 - factor
        answers[factor] = tn.predict(model, test.images).argmax(axis=1)
        print(f"times {factor:.1f} ({name:20}): {tn.evaluate(model, test)}")
    return int((answers[0.8] != answers[0.2]).sum())


predict("09.b", ..., different_answers)

# %% [markdown] lang="en"
# The loss changes, but few answers do: a factor scales all scores together, and the largest
# stays the largest, except for the effect of the bias. So the mistake remains unnoticed. (With
# photographs the wrong factor can even have the lower loss: after training on 500 of them the net
# is confident of wrong answers, and smaller scores reduce its confidence.)
#
# So measure with more pictures, and with several seeds: 5,000 photographs of CIFAR-10, 8 epochs, two
# hidden layers of 256 units, dropout after both, and five seeds (`tinynet claims run
# dropout-factor`; means over the seeds):
#
# | test-time factor | error, $p = 0.2$ | loss | error, $p = 0.5$ | loss | error, $p = 0.8$ | loss |
# |---|---|---|---|---|---|---|
# | $1 - p$, fraction kept | 49.6 % | 1.37 | 57.1 % | 1.54 | 77.2 % | 2.05 |
# | $p$, the dropout rate | 72.2 % | 2.15 | 57.1 % | 1.54 | 77.5 % | 4.53 |
# | 1, no scaling | 49.7 % | 1.49 | 57.7 % | 2.46 | 78.0 % | 6.69 |
#
# So the right factor is the fraction **kept**. In every column its loss is the lowest, and so is its
# error. With $p = 0.2$ the factor $p$ makes the outputs of both hidden layers four times too small
# beside the biases, and costs 22.6 points. Only for $p = 0.5$ are the posts right, because there the
# two numbers are equal. (With $p = 0.8$ this small net hardly learns.)
#
# **Testing in training mode.** `tn.evaluate` and `tn.predict` turn dropout off, and on again
# afterwards. A loop of your own must call `model.eval()` for that. What is the accuracy if dropout
# stays on in a test?

# %%
model = models[0.5]
right = tn.evaluate(model, test).accuracy
model.train()
with tn.no_grad():
    scores = model(tn.tensor(prepare(test.images)).to(place))
print(f"eval(): {right:.1%} right; train(): {F.accuracy(scores, test.labels):.1%}")

# %% [markdown] lang="en"
# | | |
# |---|---|
# | in the paper | $p = 0.5$ after fc6 and fc7; all outputs times 0.5 at test time; about twice as many steps to converge (section 4.2) |
# | in the code of 2012 | the same: a mask of zeros and ones in training, times the fraction kept at test time |
# | here | `nn.Dropout` is inverted; `inverted=False` is the paper's form, and `alexnet` uses it |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** Dropout with $p = 0.8$, the paper's form. What is the factor at test time?
#
# <details><summary>Answer</summary>
# 0.2, the fraction that was kept.
# </details>
#
# **2.** Why must backward drop the same units as forward?
#
# <details><summary>Answer</summary>
# A unit that was zero in forward had no influence on the loss, so its gradient is zero. With
# another mask backward would be the derivative of a function other than forward.
# </details>
#
# **3.** With dropout the training loss that is printed during an epoch is often higher than the test
# loss. Is that a mistake?
#
# <details><summary>Answer</summary>
# No. It is measured with half of the units zeroed; the test uses all of them.
# </details>
