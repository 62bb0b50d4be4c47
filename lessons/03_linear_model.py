# %% [markdown] lang="en"
# # 03 A linear model and its templates
#
# | | |
# |---|---|
# | goal | Train a linear model on pictures, and see what it learns and what it cannot learn. |
# | time | 40 minutes |
# | runs | under 15 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; no network, no download; CIFAR-10 and a GPU are used if present |
# | before | 02 Tensors: sums over repeated axes, and the gradient check |

# %%
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
# The data are pictures of 32 x 32 pixels in ten classes: drawn shapes, or the photographs of
# CIFAR-10 if you have them. The shapes have a random position, size and brightness, and 40 % of
# each class have the colour of their class. The model predicts the class.

# %%
learn, test = pictures()
place = device()
fig, axes = plt.subplots(4, 5, figsize=(6, 5.2), layout="constrained")
pairs = axes.reshape(2, 2, 5).transpose(0, 2, 1).reshape(10, 2)
for label, pair in enumerate(pairs):
    for axis, k in zip(pair, np.flatnonzero(test.labels == label), strict=False):
        axis.imshow(test.images[k].transpose(1, 2, 0))
        axis.set_axis_off()
    pair[0].set_title(test.classes[label].replace("with ", "with\n"), fontsize=10)
fig.suptitle("Two pictures of each class", fontsize=11)
figure(fig, f"Two pictures of each of the ten classes: {', '.join(test.classes)}.")

# %% [markdown] lang="en"
# Write the picture as one long row $x$ of $3 \cdot 32 \cdot 32 = 3072$ numbers. A linear model has,
# for each class, a row of 3072 weights and a bias. Its **score** for a class is the sum of products:
#
# $$s[n, c] = \sum_i x[n, i]\, weight[c, i] + bias[c]$$
#
# A row of weights has as many numbers as a picture, so it can be shown as a picture: a
# **template**. If the picture is similar to the template, the score is high. The class with the
# largest of the ten scores is the prediction.
#
# ### Scores to probabilities
#
# Training needs one number that says how wrong the model is. First make the scores positive, with
# sum 1. That is **softmax**:
#
# $$p[n, c] = \frac{e^{s[n, c]}}{\sum_j e^{s[n, j]}}$$
#
# There is one problem. Scores of 1000 are possible, but $e^{1000}$ overflows. Subtract the same
# number from all scores of a picture: does $p$ change?


# %% tags=["exercise"]
def my_softmax(scores):
    "Your code: probabilities (N, classes), also for scores of 1000."
    return None


check("03.1", my_softmax)

# %%
# hint("03.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_softmax(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


check("03.1", my_softmax)

# %% [markdown] lang="en"
# ### How wrong, and which way
#
# The loss of one picture is $-\log p$ of its right class $t$: 0 if the model is certain and right,
# large if it is certain and wrong. Over $N$ pictures we take the mean. This is the
# **cross-entropy**, and AlexNet was trained on it as well (paper, section 3.5).
#
# For one picture, written out:
#
# $$loss = -\log p[t] = -s[t] + \log \sum_j e^{s[j]}$$
#
# The slope of $-s[t]$ is $-1$ for the right class and 0 for the others. The slope of the logarithm
# with respect to $s[c]$ is $e^{s[c]} / \sum_j e^{s[j]}$, which is $p[c]$ again. So:
#
# $$gs[n, c] = \frac{p[n, c] - [c = t_n]}{N}$$
#
# $t_n$ is the right class of picture $n$, in the code `labels[n]`. $[c = t_n]$ is 1 at the right
# class and 0 elsewhere. In words: *the prediction minus the truth*. Few gradients are as simple.
# Write it; you may call your `my_softmax`.


# %% tags=["exercise"]
def my_gscores(scores, labels):
    "Your code: the gradient (N, classes) of the mean cross-entropy."
    return None


check("03.2", my_gscores)

# %%
# hint("03.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_gscores(scores, labels):
    N = len(scores)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    gs = e / e.sum(axis=1, keepdims=True)
    gs[np.arange(N), labels] -= 1
    return gs / N


check("03.2", my_gscores)

# %% [markdown] lang="en"
# The last step of backward goes from the gradient of the scores to that of the weights. In a
# general layer the output is called $y$ and its gradient $gy$; here $gy$ is $gs$. Every picture
# uses the same weights, so their gradients are added: what forward repeats, backward sums, as in
# lesson 02.


# %% tags=["exercise"]
def my_linear_backward(gy, x):
    "Your code: (gweight, gbias) of y = x @ weight.T + bias, for gy (N, out) and x (N, in)."
    return None


check("03.3", my_linear_backward)

# %%
# hint("03.3")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_linear_backward(gy, x):
    return gy.T @ x, gy.sum(axis=0)


check("03.3", my_linear_backward)

# %% [markdown] lang="en"
# ### Training
#
# Now all parts are written, and from here on we use the library's. Before the first step all
# weights are 0, so all ten scores are equal. What is the first loss? (It contains the logarithm of
# 10.)
#
# `tn.fit` runs the loop of lesson 00. From each pixel we subtract its mean over all training
# pictures, as the paper does (section 2): only the differences between pictures remain. (The scale
# is not that of lesson 00; any scale with small numbers around 0 works.) A data loader also takes
# a pair of arrays, here rows of numbers and their labels. `weight_decay` pulls the weights towards
# 0, which makes the templates smoother; `momentum` keeps a part of the previous step (lesson 11).


# %%
def prepared(images):
    """Return pictures as rows of numbers around 0."""
    x = 2 * (images.astype(np.float32) / 255) - 1
    return x.reshape(len(x), -1)


def linear_model(inputs):
    """Return a model of ten scores whose weights are 0."""
    model = nn.Linear(inputs, 10)
    model.weight.data[...] = 0
    return model.to(place)


# %%
def trained(x, labels, epochs=10, weight_decay=0.5):
    """Return a trained linear model, and the mean loss of the last epoch."""
    model = linear_model(x.shape[1])
    loader = data.DataLoader((x, labels), batch_size=100, shuffle=True)
    optimizer = optim.SGD(model.parameters(), lr=0.002, momentum=0.9, weight_decay=weight_decay)
    *_, last = tn.fit(model, optimizer, loader, epochs=epochs)
    return model, last.train_loss


# %%
middle = prepared(learn.images).mean(axis=0)  # the mean picture of the training set
x_learn = prepared(learn.images) - middle
x_test = prepared(test.images) - middle
blank = tn.evaluate(linear_model(3072), (x_learn, learn.labels))
model, loss = trained(x_learn, learn.labels)
print(f"first loss {blank.loss:.4f}, log(10) = {np.log(10):.4f}, last epoch {loss:.2f}")
in_color = tn.evaluate(model, (x_test, test.labels)).accuracy
print(f"training pictures {tn.evaluate(model, (x_learn, learn.labels)).accuracy:.1%} right")
print(f"test pictures     {in_color:.1%} right; guessing gives 10 %")

# %% [markdown] lang="en"
# These are its ten rows of weights, shown as pictures. Grey is a weight of 0. With drawn shapes the
# frame has the colour of the class.

# %%
templates = model.weight.numpy().reshape(10, 3, 32, 32).transpose(0, 2, 3, 1)
table = F.confusion_matrix(tn.predict(model, x_test), test.labels)  # a row for each true class
shares = table.diagonal() / table.sum(axis=1)

# %%
fig, axes = plt.subplots(2, 5, figsize=(9, 5), layout="constrained")
for axis, template, name, share in zip(axes.flat, templates, test.classes, shares, strict=True):
    axis.imshow(0.5 + 0.5 * template / np.abs(template).max())
    axis.set(xticks=[], yticks=[])
    hue = 2 * np.pi * (test.classes.index(name) / 10 - np.array([0, 1 / 3, 2 / 3]))
    if test.drawn:
        axis.spines[:].set(color=0.5 + 0.3 * np.cos(hue), linewidth=5)
    axis.set_title(f"{name}\n{100 * share:.0f} % right", fontsize=10)
worst = int(np.argmin(shares))
best = int(np.argmax(shares))
fig.suptitle(
    f"One template for each class: best for the {test.classes[best]}, "
    f"worst for the {test.classes[worst]}"
)
seen = "blurred outlines of the shapes" if test.drawn else "blurred patches"
figure(
    fig,
    f"The ten templates of a linear model: {seen} in the colours of their "
    "classes. Test pictures classified correctly: "
    + ", ".join(f"{n} {100 * share:.0f} %" for n, share in zip(test.classes, shares, strict=True))
    + ".",
)

# %% [markdown] lang="en"
# ## Judge
#
# We use two judges. `check_gradient`, which you know, tests whether backward is the derivative of
# forward. `check_kernel` compares a function of plain arrays with the library's own definition of
# it in `tn.kernels`, on a list of cases: seven pictures with small scores, the same with scores a
# thousand times as large, a single picture, a single class. Does it find a gradient without the
# $1/N$? And if softmax does not subtract the maximum, which case fails?

# %%
rng = np.random.default_rng(0)
scores = rng.normal(size=(5, 4))
labels = rng.integers(0, 4, 5)
tn.testing.check_gradient(F.cross_entropy, scores, labels)
tn.testing.check_gradient(F.linear, rng.normal(size=(5, 6)), rng.normal(size=(4, 6)), scores[0])
print("the library's gradients: no error")


# %%
def without_the_mean(scores, labels):
    loss, gradient = tn.kernels.cross_entropy(scores, labels)
    return loss, gradient * len(scores)


def without_the_maximum(scores, labels):
    e = np.exp(scores)
    p = e / e.sum(axis=1, keepdims=True)
    rows = np.arange(len(scores))
    loss = np.asarray(-np.log(p[rows, labels]).mean())
    p[rows, labels] -= 1
    return loss, p / p.dtype.type(len(scores))


# %%
for candidate in (without_the_mean, without_the_maximum):
    try:
        with np.errstate(all="ignore"):
            tn.testing.check_kernel(candidate, against=tn.kernels.cross_entropy)
    except AssertionError as error:
        print(error)

# %% [markdown] lang="en"
# ## Meet
#
# The library computes the loss and its gradient in one function, because both need the same
# exponentials.

# %%
show(tn.kernels.cross_entropy)

# %%
from tinynet.functions.matmul import Linear

show(Linear)

# %% [markdown] lang="en"
# 1. The loss is $\log \sum e^{s}$ minus the score of the right class. It is not the logarithm of a
#    probability, although the probabilities are computed as well, for the gradient. Why not? (What
#    is $\log p$ if $p$ was rounded to 0?)
# 2. `Linear.backward` has a third product, `gy @ weight`: the gradient of the pictures. It is not
#    needed here, so it is not computed. In a network with two layers the first layer needs it.

# %% [markdown] lang="en"
# ## Faster
#
# Multiply one picture at a time, or a hundred in one matrix product: the number of multiplications
# is the same. Is there a difference in time?

# %%
weight = model.weight.numpy()
batch = x_learn[:100]


def one_by_one():
    return np.stack([weight @ picture for picture in batch])


def together():
    return batch @ weight.T


# %%
assert np.allclose(one_by_one(), together(), atol=1e-3)
for way in (one_by_one, together):
    times = []
    for _ in range(20):
        started = time.perf_counter()
        way()
        times.append(time.perf_counter() - started)
    print(f"{way.__name__:12}{1e6 * min(times) / len(batch):8.2f} microseconds a picture")

# %% [markdown] lang="en"
# One by one, the weights are loaded from memory again for each picture. In a batch, a loaded weight
# is used for many pictures. That is one reason to train in batches; the other is that the mean
# gradient is less noisy than that of a single picture. (Was it the other way round? The large
# product is shared between threads, which wait for each other on a busy machine. Run the cell
# again.)

# %% [markdown] lang="en"
# ## Break
#
# Which features does the model use? Three experiments show it.
#
# **Remove the colours.** The shapes are all still visible. Predict: what percentage of the test pictures
# does a model get right that is trained and tested in grey? Write your guess in place of the dots, then
# run the cells: the truth is computed only after a guess.

# %%
grey_learn, grey_test = (
    prepared(images.mean(axis=1, keepdims=True, dtype=np.float32))
    for images in (learn.images, test.images)
)
grey_middle = grey_learn.mean(axis=0)


# %% tags=["predict"]
def right_in_grey():
    grey_model, _ = trained(grey_learn - grey_middle, learn.labels)
    in_grey = tn.evaluate(grey_model, (grey_test - grey_middle, test.labels)).accuracy
    print(f"in grey {in_grey:.1%} of the test pictures, in colour {in_color:.1%}")
    return 100 * in_grey


predict("03.a", ..., right_in_grey, "%")

# %% [markdown] lang="en"
# With drawn shapes it is hardly better than guessing. A shape is lighter than its background as
# often as it is darker. A template is a weighted sum of pixels, in which light discs and dark discs
# cancel. An **edge** would help: it is there in both cases. But an edge cannot be detected by a sum
# of pixels times weights at fixed positions. (Photographs lose less: the positions of their light
# and dark areas say something about the class, and such a sum can use that.)
#
# **Shift the test pictures** by a few pixels, in colour.

# %%
for pixels in (0, 2, 4, 6):
    moved = prepared(np.roll(test.images, pixels, axis=3)) - middle
    found = tn.evaluate(model, (moved, test.labels)).accuracy
    print(f"{pixels} pixels to the right: {found:.1%}")

# %% [markdown] lang="en"
# The training shapes already vary in position by a few pixels, so the first shift does little harm.
# With larger shifts the template no longer matches the shape: it depends on the position. (In
# photographs the object fills the picture, so they lose less than shapes.)
#
# **Shuffle the training labels.** Now there is nothing to learn. Without weight decay and with
# twice as many epochs, what percentage of the *training* pictures will get their wrong labels? Predict.


# %% tags=["predict"]
def memorised():
    shuffled = np.random.default_rng(0).permutation(learn.labels)
    deceived, _ = trained(x_learn, shuffled, epochs=20, weight_decay=0.0)
    true = tn.evaluate(deceived, (x_test, test.labels)).accuracy
    print(f"test pictures with their true labels: {true:.1%}")
    return 100 * tn.evaluate(deceived, (x_learn, shuffled)).accuracy


predict("03.b", ..., memorised, "%")

# %% [markdown] lang="en"
# 30,730 parameters can memorise much of a random list. The accuracy on training pictures says
# little about generalisation.
#
# | | |
# |---|---|
# | in the paper | softmax over 1000 classes, on top of seven layers that were learned too (section 3.5): 37.5 % top-1 error; the best earlier results, classifiers on hand-designed features, 47.1 % and 45.7 % (section 6, Table 1) |
# | in the code of 2012 | a `softmax` layer below `cost.logreg`; where the two meet, `layer.cu` of cuda-convnet computes their gradient in one, as here |
# | here | `F.cross_entropy` on scores; there is no softmax layer to forget or to apply twice |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** All scores of a trained model are multiplied by 10. What happens to its answers, and to its
# loss?
#
# <details><summary>Answer</summary>
# The answers stay the same: the largest score is still the largest. The probabilities move towards
# 0 and 1. Where the model was right the loss falls, where it was clearly wrong it grows.
# </details>
#
# **2.** The gradients of one picture's ten scores add up to what?
#
# <details><summary>Answer</summary>
# To 0: the probabilities add up to 1, and 1 is subtracted. Raising all scores together changes
# nothing.
# </details>
#
# **3.** Why can the linear model be better than guessing on coloured shapes, and not on grey ones?
#
# <details><summary>Answer</summary>
# The colour of the class is present whether the shape is lighter or darker than its background: a
# sum of pixels can detect it. In grey the two signs of contrast cancel.
# </details>
