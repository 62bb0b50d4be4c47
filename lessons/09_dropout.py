# %% [markdown] lang="en"
# # 09 Dropout
#
# | | |
# |---|---|
# | goal | Write dropout in the paper's form and in today's, and settle by what to multiply in tests. |
# | time | 40 minutes |
# | runs | under 10 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; no network, no download; CIFAR-10 and a GPU are used if they are there |
# | before | 03 A linear model and its templates: training on batches, a test set |

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet import functions as F
from tinynet import kernels, nn
from tinynet.lessons import check, device, figure, hint, pictures, show, solution

# %% [markdown] lang="en"
# ## Build
#
# A net with many weights and few pictures learns the pictures by heart. One cure is to train many
# nets and average them, which costs many times as much. Dropout (section 4.2 of the paper) is the
# cheap version: in every training step each hidden unit is switched off with probability $p$. So
# every step trains another, thinner net, and all of them share their weights. No unit can rely on
# the presence of another one.
#
# In a test all units are there. But the next layer was trained with a share of $1 - p$ of them. What
# must be done so that it sees, on average, what it is used to?
#
# $$\text{training:}\quad y[i] = \begin{cases} x[i] & u[i] \ge p \\ 0 & u[i] < p \end{cases}
# \qquad \text{test:}\quad y[i] = \;?$$
#
# $u[i]$ is a random number between 0 and 1. The paper has $p = 0.5$, and multiplies by 0.5.
#
# **Exercise 09.1.** Write it for any $p$.


# %% tags=["exercise"]
def my_paper_dropout(x, p, u, training):
    "Your code: u holds a random number for each unit; a unit goes where u < p."
    return None


check("09.1", my_paper_dropout)

# %%
# hint("09.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_paper_dropout(x, p, u, training):
    return np.where(u >= p, x, 0) if training else x * (1 - p)


check("09.1", my_paper_dropout)

# %% [markdown] lang="en"
# The factor is what is **kept**, $1 - p$. Many posts say "multiply by the dropout rate". For the
# paper's $p = 0.5$ the two are the same number, so nobody notices. Under *Break* we shall take
# another $p$.
#
# Today everybody turns it round: divide by $1 - p$ in training, and leave tests alone. Then a test
# needs to know nothing about dropout. This is the *inverted* form.
#
# **Exercise 09.2.** Write it.


# %% tags=["exercise"]
def my_inverted_dropout(x, p, u, training):
    "Your code: in tests x comes back as it is."
    return None


check("09.2", my_inverted_dropout)

# %%
# hint("09.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_inverted_dropout(x, p, u, training):
    return np.where(u >= p, x / (1 - p), 0) if training else x


check("09.2", my_inverted_dropout)

# %% [markdown] lang="en"
# Is it only a matter of taste? Take the layer behind the dropout. In the inverted form its inputs
# are $1 / keep$ times as large, with $keep = 1 - p$. If it begins with the same weights and learns
# with the same rate, it is **not the same training**. Which weights, which learning rate and which
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
# For $p = 0.5$: half the initial weights, a quarter of the rate, four times the decay. Who takes the
# paper's numbers into a framework with inverted dropout starts fc7 and fc8 with twice the weights
# that the authors had, and a rate that is four times theirs.
#
# ## Judge
#
# How can a judge look at something random? It asks twice and wants the same bits. Here is a dropout
# that draws its own numbers. What will the judge say?


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
# The library's numbers are a function of the seed, the training step and the number of the layer.
# Nothing is carried along. So a gradient check can ask the same question twice, a run that was
# interrupted draws what it would have drawn, and a GPU drops the very same units.

# %%
tn.testing.check_layer(lambda t: F.dropout(t, 0.3), x)
print("the library's dropout: the judge has nothing to say against it")

# %% [markdown] lang="en"
# ## Meet
#
# Where is the mask stored for backward?

# %%
show(kernels.dropout)
show(F.dropout)
show(nn.Dropout.forward)

# %% [markdown] lang="en"
# Nowhere. Backward draws the same bits again, and is the same function: what went, gets no
# gradient; what stayed, gets gy / (1 - p). The bits are integers of 32 bits, and `p` is compared as
# one, so every backend decides alike.
#
# Does it help? We take only 500 pictures, so that learning by heart is easy, and train a small net
# with 256 hidden units, once without and once with dropout. Predict four curves: loss on the 500
# pictures and on 1000 others, without and with.

# %%
learn, test = pictures(train=500, test=1000)
place = device()
prepare = tn.data.Normalize.fit("standardize", learn.images)
known, labels = prepare(learn.images), learn.labels
others = prepare(test.images)
EPOCHS = 20


def small_net(dropout):
    tn.seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2),
        nn.Flatten(), nn.Linear(16 * 7 * 7, 256), nn.ReLU(), dropout, nn.Linear(256, 10),
    ).to(place)  # fmt: skip


def looked_at(model, images, answers):
    """Return the mean loss and the accuracy in tests: dropout is off."""
    model.eval()
    with tn.no_grad():
        scores = model(tn.tensor(images).to(place))
        loss = F.cross_entropy(scores, answers).item()
    model.train()
    return loss, 100 * (scores.numpy().argmax(axis=1) == answers).mean()


def trained(dropout, epochs):
    """Train for some epochs; return the model and losses and test accuracy of every other one."""
    model, records = small_net(dropout), []
    optimizer = tn.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for epoch in range(epochs):
        for chosen in tn.data.batch_indices(tn.data.epoch_order(500, 0, epoch), 50):
            optimizer.zero_grad()
            F.cross_entropy(model(tn.tensor(known[chosen]).to(place)), labels[chosen]).backward()
            optimizer.step()
        if epoch % 2 == 1:
            learnt, tested = (
                looked_at(model, known, labels),
                looked_at(model, others, test.labels),
            )
            records.append((learnt[0], *tested))
    return model, np.array(records)


models, curves = {}, {}
for p in (0.0, 0.5):
    models[p], curves[p] = trained(nn.Dropout(p), EPOCHS)
    last = curves[p][-1]
    print(f"p = {p}: loss {last[0]:.3f} in training, {last[1]:.3f} in tests; {last[2]:.1f} % right")

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
epochs, gaps = np.arange(2, EPOCHS + 1, 2), {}
top = max(2.5, *(1.05 * curve[:, 1].max() for curve in curves.values()))
for ax, p in zip(axes, (0.0, 0.5), strict=True):
    ax.plot(epochs, curves[p][:, 0], color="#0072B2", linestyle="--", label="the 500 of training")
    ax.plot(epochs, curves[p][:, 1], color="#D55E00", label="1000 others")
    gaps[p] = curves[p][-1, 1] - curves[p][-1, 0]
    ax.fill_between(epochs, curves[p][:, 0], curves[p][:, 1], color="#eeeeee")
    ax.set(xlabel="epoch", ylim=(0, top), xticks=range(0, EPOCHS + 1, 5))
    ax.set_title(
        f"p = {p:g}: a gap of {gaps[p]:.2f}, {curves[p][-1, 2]:.1f} % of the others right",
        fontsize=10,
    )
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("loss, dropout off (nats)")
axes[1].legend(frameon=False)
figure(
    fig,
    "Loss over the epochs on 500 training pictures and on 1000 others: "
    + "; ".join(
        f"with p = {p:g} it ends at {curves[p][-1, 0]:.2f} and {curves[p][-1, 1]:.2f}, "
        f"a gap of {gaps[p]:.2f}"
        for p in curves
    )
    + ".",
)

# %% [markdown] lang="en"
# Without dropout the loss on the 500 goes to nothing, while the loss on the others stops falling
# half way, or even rises: the net has learnt by heart. With dropout the loss on the others ends lower, and the two
# curves stay closer; and learning takes longer, as the paper says. It still overfits; 500 pictures
# are few. This is one seed of each, and a small net: the size of the effect means little, its
# direction is the paper's.
#
# ## Faster
#
# A mask that is stored costs memory; bits that are drawn again cost time. How much? The NumPy
# version draws all bits, then compares, then multiplies: several walks over memory. The compiled one
# draws four words and uses them at once. Guess the ratio.

# %%
x = np.random.default_rng(0).standard_normal((128, 4096)).astype(np.float32)
for kind in ("reference", "numba"):
    with kernels.use(kind):
        kernels.dropout(x, 0.5, (0, 0, 0))
        started = time.perf_counter()
        kernels.dropout(x, 0.5, (0, 0, 0))
        seconds = time.perf_counter() - started
    print(f"{kind:10} {1000 * seconds:7.2f} ms for fc6's outputs of 128 pictures")

# %% [markdown] lang="en"
# ## Break
#
# **The wrong factor.** "At test time multiply by the dropout rate." Take the paper's form with
# $p = 0.2$: the right factor is 0.8, the rate is 0.2. First think: dropout stands before the last
# layer. If all its inputs become a quarter, what happens to the scores, and what to the softmax of
# them? Will the answers change, or only how sure the net is?

# %%
dropout = nn.Dropout(0.2, inverted=False)  # in tests it multiplies by 1 - dropout.p
model, _ = trained(dropout, 10)
for name, factor in (("1 - p, what is kept", 0.8), ("p, the rate", 0.2), ("1, forgotten", 1.0)):
    dropout.p = 1 - factor
    loss, right = looked_at(model, others, test.labels)
    print(f"times {factor:.1f} ({name:19}): loss {loss:.3f}, {right:.1f} % right")

# %% [markdown] lang="en"
# The loss notices, the answers hardly do: a factor makes all scores smaller or larger together, and
# the largest stays the largest, up to the bias. That is how a wrong sentence survives. (With
# photographs the wrong factor can even have the lower loss: after 500 of them the net is sure of
# answers that are wrong, and smaller scores are less sure of everything.)
#
# So measure where the net has learnt something, on the drawn pictures, and more than once. With two
# hidden layers of 256 units, dropout behind both, 500 pictures, 40 epochs, learning rate 0.02, and
# three seeds (`python -m tinynet.lessons.measure dropout --seeds 3`; means over the seeds):
#
# | tested with a factor of | accuracy, $p = 0.2$ | loss | accuracy, $p = 0.5$ | loss | accuracy, $p = 0.8$ | loss |
# |---|---|---|---|---|---|---|
# | $1 - p$, what is kept | 82.9 % | 0.67 | 82.9 % | 0.49 | 25.9 % | 2.14 |
# | $p$, the dropout rate | 78.0 % | 1.56 | 82.9 % | 0.49 | 19.0 % | 4.48 |
# | 1, forgotten | 82.9 % | 0.94 | 83.0 % | 1.24 | 18.4 % | 6.51 |
#
# So the answer is: by what is **kept**. In every column its loss is the lowest, and no other factor
# gives more right answers by more than a tenth of a point, which is nothing. Only for $p = 0.5$ is the
# post right, since there the two are one number. (With $p = 0.8$ this small net hardly learns.)
#
# **Forgetting to switch it off.** What is the accuracy if a test is done in training mode?

# %%
model = models[0.5]
_, right = looked_at(model, others, test.labels)
with tn.no_grad():
    answers = model(tn.tensor(others).to(place)).numpy().argmax(axis=1)
print(f"eval(): {right:.1f} % right; train(): {100 * (answers == test.labels).mean():.1f} %")

# %% [markdown] lang="en"
# | | |
# |---|---|
# | in the paper | $p = 0.5$ behind fc6 and fc7; all outputs times 0.5 in tests; about twice as many steps until it has converged (section 4.2) |
# | in the code of 2012 | the same: a mask of zeros and ones in training, times what is kept in tests |
# | here | `nn.Dropout` is inverted; `inverted=False` is the paper's form, and `alexnet` uses it |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** Dropout with $p = 0.8$, the paper's form. By what do you multiply in tests?
#
# <details><summary>Answer</summary>
# By 0.2, the share that was kept.
# </details>
#
# **2.** Why must backward drop the same units as forward?
#
# <details><summary>Answer</summary>
# A unit that was zero in forward had no influence on the loss, so its gradient is zero. With another
# mask backward would be the derivative of a function that nobody computed.
# </details>
#
# **3.** With dropout the training loss that is printed during an epoch is often higher than the test
# loss. Is that a mistake?
#
# <details><summary>Answer</summary>
# No. It is measured with half of the units missing; the test has them all.
# </details>
