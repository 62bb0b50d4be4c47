# %% [markdown] lang="en"
# # 00 Hello, net
#
# | | |
# |---|---|
# | goal | Train a small convolutional net, classify pictures with it, and measure top-1 and top-5 errors. |
# | time | 30 minutes |
# | runs | under 15 seconds on two cores; the first time a little longer, to compile |
# | needs | numpy, matplotlib and tinynet; no network, no download; CIFAR-10 and a GPU are used if present |
# | before | nothing: a little Python and NumPy |

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet import data, kernels, lessons, optim
from tinynet import functions as F
from tinynet.lessons import check, device, figure, hint, pictures, predict, show, solution

# %% [markdown] lang="en"
# ## Build
#
# In 2012 a net learnt to classify images into 1000 classes. We begin with ten classes. Nothing is
# downloaded for them: the program draws discs, rings, squares and so on, each with a random
# position, size, tilt and colour. If the photographs of CIFAR-10 are on your disk
# (`tinynet data get cifar10`), they are used instead, here and in most lessons. The first line that
# the cell prints says which ones you see. Photographs are much harder: expect more mistakes.

# %%
train, test = pictures()
place = device()
print(train)
print(test)

# %%
fig, axes = plt.subplots(2, 5, figsize=(7.5, 3.9), layout="constrained")
brightness = np.tensordot((0.2, 0.7, 0.1), train.images, axes=(0, 1))  # luminance
for label, ax in enumerate(axes.flat):
    of_this_class = np.flatnonzero(train.labels == label)[:30]
    clearest = max(of_this_class, key=lambda i: brightness[i].std())
    ax.imshow(train.images[clearest].transpose(1, 2, 0))
    ax.set_title(f"{label} {train.classes[label]}", fontsize=9)
    ax.set_axis_off()
fig.suptitle(f"{len(train.classes)} kinds of {train.kind}, one of each")
names = ", ".join(train.classes)
figure(fig, f"One of the {train.kind} of each of {len(train.classes)} classes: {names}.")

# %% [markdown] lang="en"
# A picture is an array of three channels, 32 rows and 32 columns: N, C, H, W when there are N of
# them. Its bytes go from 0 to 255. Training works best with numbers around zero, so we shift and
# scale them once.


# %%
def prepared(images):
    return (images.astype(np.float32) - 128) / 64


x = prepared(train.images)
print("before:", train.images.min(), "to", train.images.max())
print(f"after: {x.min():.1f} to {x.max():.1f}, with mean {x.mean():.2f}")

# %% [markdown] lang="en"
# The net is the demo model of the library: AlexNet's ideas in two convolutions. Later lessons build
# and explain every part of it; you need none of that yet. For now, one thing matters: it takes
# pictures and returns ten *scores* for each, one per class. The highest score is its guess.
# `tn.predict` turns the scores into *probabilities*, which are positive and sum to one.
#
# It is not trained yet. Predict: what percentage of the test pictures does it classify correctly?
# Write your guess in place of the dots, then run the cell: it shows the truth only after a guess.

# %%
net = tn.models.build("demo", classes=10, seed=0).to(place)
probabilities = tn.predict(net, test.images, transform=prepared)
print("probabilities:", probabilities.shape, "for", test.images.shape)


# %% tags=["predict"]
def untrained():
    return 100 * F.accuracy(probabilities, test.labels)


predict("00.a", ..., untrained, "%")

# %% [markdown] lang="en"
# ### The training loop
#
# Training is a loop, and the loop is short. This is the only lesson that writes it out. Read it
# once, and then line by line below.

# %%
loader = data.DataLoader(train, batch_size=50, shuffle=True, seed=0, transform=prepared)
optimizer = optim.SGD(net.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)

# %%
for epoch in range(3):
    optimizer.lr = 0.02 if epoch < 2 else 0.002
    losses = []
    for images, labels in loader:
        scores = net(tn.tensor(images).to(place))
        loss = F.cross_entropy(scores, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    measured = tn.evaluate(net, test, transform=prepared)
    print(f"epoch {epoch + 1}: training loss {np.mean(losses):.4f}; test: {measured}")

# %% [markdown] lang="en"
# * `loader` yields *batches* of 50 prepared pictures with their labels. One pass through all
#   pictures is an *epoch*. Each epoch has another order: `shuffle=True`. The order depends only on
#   the seed and on the number of the epoch.
# * `optimizer` knows the weights and how to change them. (Lesson 11 explains `momentum` and
#   `weight_decay`.) `lr` is the learning rate, the size of a step. The third epoch has smaller ones.
# * `scores` has a row for each picture. `.to(place)` moves the pictures to the device that
#   computes: to a GPU if there is one.
# * `loss` is one number that says how badly the scores fit the labels. For one picture with label
#   $t$ and scores $s$ it is $-\log\left(e^{s_t} / \sum_j e^{s_j}\right)$; for a batch it is the mean.
# * `zero_grad()` removes the gradients of the previous step. Without it, the next line would add to
#   them.
# * `backward()` computes, for every weight, how the loss would change if that weight grew. That is
#   the *gradient*.
# * `step()` moves each weight a little against its gradient.
# * `tn.evaluate` measures the test pictures. Nothing is learnt from them.
#
# All networks of this course are trained by such a loop, so the library has it: `tn.fit`. The
# optimizer gets a schedule in the place of a learning rate: 0.02, and a tenth of it from two thirds
# of the run on. `fit` is a generator: after each epoch it yields a record, and you can stop
# whenever you like.
#
# A second net starts from the same weights. How different will the two be after three epochs?

# %%
model = tn.models.build("demo", classes=10, seed=0).to(place)
rates = optim.MultiStep(0.02, ((2 / 3, 0.1),), epochs=3)
optimizer = optim.SGD(model.parameters(), lr=rates, momentum=0.9, weight_decay=5e-4)
for epoch in tn.fit(model, optimizer, loader, test, epochs=3):
    print(epoch)
pairs = zip(net.parameters(), model.parameters(), strict=True)
largest = max(np.abs(a.numpy() - b.numpy()).max() for a, b in pairs)
print(f"largest difference between two weights: {largest:g}")

# %% [markdown] lang="en"
# Not at all: `fit` does the same steps on the same batches. (On a GPU, sums may be taken in another
# order, and the last digits may differ.) `fit` also remembers how the pictures were prepared.
# `tn.predict` and `tn.evaluate` need no `transform` from now on.
#
# Here are two pictures: the one with the most confident right answer, and one that the net gets
# wrong. The bars show the five best classes.

# %%
probabilities = tn.predict(model, test.images)
right = probabilities.argmax(axis=1) == test.labels
sure = int(np.where(right, probabilities.max(axis=1), 0).argmax())
mistaken = int(np.flatnonzero(~right)[0])

# %%
fig, axes = plt.subplots(2, 2, figsize=(7.5, 5.2), width_ratios=(1, 2), layout="constrained")
told = []
for (picture, bars), i in zip(axes, (sure, mistaken), strict=True):
    percent = 100 * probabilities[i]
    best = np.argsort(-percent, kind="stable")[:5]
    names = [test.classes[j] for j in best]
    colors = ["#0072B2" if j == test.labels[i] else "#bbbbbb" for j in best]
    hatches = ["//" if j == test.labels[i] else "" for j in best]
    picture.imshow(test.images[i].transpose(1, 2, 0))
    picture.set_title(test.classes[test.labels[i]], fontsize=10)
    picture.set_axis_off()
    bars.barh(names, percent[best], color=colors, edgecolor="#333333", hatch=hatches)
    bars.invert_yaxis()
    bars.set(xlim=(0, 100), xlabel="probability (%); hatched: the true class")
    bars.set_title(f"its guess: {names[0]}, {percent[best[0]]:.0f} %", fontsize=10)
    bars.spines[["top", "right"]].set_visible(False)
    guessed = ", ".join(f"{n} {percent[j]:.0f} %" for n, j in zip(names, best, strict=True))
    told.append(f"{test.classes[test.labels[i]]}: {guessed}")
of_the_truth = probabilities[mistaken, test.labels[mistaken]]
rank = int((probabilities[mistaken] > of_the_truth).sum()) + 1
first, second = (test.classes[test.labels[i]] for i in (sure, mistaken))
fig.suptitle(f"Above, {first} is its first guess; below, {second} is only guess number {rank}")
figure(
    fig,
    f"Two {test.kind} with the five best guesses, the true class hatched. "
    + "; ".join(told)
    + f". Of the second picture the true class is guess number {rank}.",
)

# %% [markdown] lang="en"
# When the first guess is wrong, the right class is often the second. That is why the ImageNet
# challenge counted two errors: for the *top-1 error* only the best guess counts, for the *top-5
# error* five guesses are allowed. A photograph of a dog on a sofa has one label, and it is not
# always the object you notice first.
#
# Write both: first the k best classes of each picture, then the fraction of pictures whose label is
# not among them. `scores` has a row for each picture (scores or probabilities, which have the same
# order), `labels` one class for each row. If two scores are equal, the order must not depend on the sorting routine: the lower class comes first.
#
# This is the first exercise, and all others work the same way. Replace `return None` by your code
# and run the cell: `check` says whether it is right, or shows a small case in which it is not.
# Change it and run it again, as often as you like. If you are stuck, remove the first "#" from the
# line with `hint` and run it: each run prints the next hint. You may call `hint("00.1")` in any
# cell; `hint("00.1", 2)` prints the second one. `solution("00.1")` shows our answer. You can
# continue without solving an exercise: later cells never use your code.


# %% tags=["exercise"]
def my_topk(scores, k):
    "Your code: the k best classes of each row of scores (N, classes), best first; (N, k)."
    return None


check("00.1", my_topk)

# %%
# hint("00.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_topk(scores, k):
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


check("00.1", my_topk)


# %% tags=["exercise"]
def my_top_error(scores, labels, k):
    "Your code: the fraction of pictures whose label is not among their k best classes."
    return None


check("00.2", my_top_error)

# %%
# hint("00.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_top_error(scores, labels, k):
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return 1 - (best == labels[:, None]).any(axis=1).mean()


check("00.2", my_top_error)

# %% [markdown] lang="en"
# ## Judge
#
# How do you test a number that you have never seen before? Look for cases where you know the answer
# without computing.
#
# A net that guesses at random must have a top-1 error near 90 %, a top-5 error near 50 %, and a
# loss near $\ln 10$. Ten guesses among ten classes are always right.
#
# Also compute the number in a second way that shares no code with the first. Here nothing is
# sorted: a picture is wrong if k classes or more have a better score than its true class. (This way
# resolves ties in favour of the true class; here there are no ties.) Which numbers do you
# expect?


# %%
def top_error(scores, labels, k):
    true = scores[np.arange(len(labels)), labels]
    return ((scores > true[:, None]).sum(axis=1) >= k).mean()


blank = np.random.default_rng(1).normal(scale=1e-3, size=probabilities.shape)
print("               top-1   top-5  top-10")
for who, s in {"random scores": blank, "our net": probabilities}.items():
    print(f"{who:13}", *(f"{100 * top_error(s, test.labels, k):5.1f} %" for k in (1, 5, 10)))
unknowing = F.cross_entropy(tn.tensor(blank), test.labels).item()
print(f"loss of random scores {unknowing:.4f}, ln 10 = {np.log(10):.4f}")

# %% [markdown] lang="en"
# With ten classes, five guesses are half of them: the top-5 error says little here. Among the 1000
# classes of ImageNet, five guesses are one in two hundred. (The library counts right answers, not
# errors: `F.accuracy` and `F.top_k_accuracy`.)
#
# ## Meet
#
# This is the net you trained, read from the library.

# %%
show(tn.models.demo)

# %% [markdown] lang="en"
# Two convolutions (`Conv2d`) detect small patterns, ReLU sets negative numbers to 0, LRN makes
# neighbouring channels compete, the pools make the maps smaller, and one matrix (`Linear`) turns
# the result into ten scores. Lessons 03 to 08 build each of these. A model prints its layers:

# %%
print(model)

# %% [markdown] lang="en"
# `tinynet train` in a terminal trains the same net for eight epochs, with a progress line, and
# keeps it in a folder. `tinynet predict FOLDER PICTURE` classifies a picture of yours.
#
# How many parameters does it have?

# %%
for name, p in model.named_parameters():
    print(f"{name:10} {p.shape!s:16} {p.data.size:6,}")
print("together", f"{sum(p.data.size for p in model.parameters()):,}")

# %% [markdown] lang="en"
# ## Faster
#
# Each layer has a readable reference version and one that is compiled for your processor. They
# compute the same. Predict: how many times as many pictures a second does the compiled one
# classify?


# %%
def times_as_many():
    speed = {}
    for kind in ("reference", "numba"):
        with kernels.use(kind):
            tn.predict(model, twenty)
            started = time.perf_counter()
            answer = tn.predict(model, twenty).argmax(axis=1)
            speed[kind] = 20 / (time.perf_counter() - started)
        told = f"{speed[kind]:8,.0f} pictures a second, {(answer == guesses).sum()} of 20 guesses as before"
        print(f"{lessons.kernel_name(kind):10} {told}")
    return speed["numba"] / speed["reference"]


# %% tags=["predict"]
twenty = test.images[:20]
guesses = probabilities[:20].argmax(axis=1)
model.to("cpu")  # both versions run on the CPU
predict("00.b", ..., times_as_many)

# %% [markdown] lang="en"
# ## Break
#
# The learning rate sets the size of a step. Above it was 0.02. We start again, take twenty steps
# and compare the loss on the same 200 test pictures before and after. Random guessing gives 2.30.
# What happens with a thousandth of the rate, and with a thousand times the rate?

# %%
loader = data.DataLoader(train[:1000], batch_size=50, transform=prepared)
some = test[:200]
for lr in (0.00002, 0.02, 20.0):
    fresh = tn.models.build("demo", classes=10, seed=0)
    optimizer = optim.SGD(fresh.parameters(), lr=lr, momentum=0.9)
    before = tn.evaluate(fresh, some, transform=prepared)
    (epoch,) = tn.fit(fresh, optimizer, loader, some, epochs=1)
    print(f"lr {lr:<7g} loss before {before.loss:.2f}, after twenty steps {epoch.test_loss:.2f}")

# %% [markdown] lang="en"
# With steps that are too small, hardly anything changes in twenty steps. With steps that are too
# large, the loss becomes far worse than random guessing. Lesson 11 shows how to find a good
# learning rate.
#
# | | |
# |---|---|
# | in the paper | top-1 error 37.5 %, top-5 error 17.0 % on ILSVRC-2010 (section 6, table 1) |
# | in the code of 2012 | if m classes share the best score and the right one is among them, it counts 1/m |
# | here | ties go to the lower class |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** Can the top-5 error be larger than the top-1 error?
#
# <details><summary>Answer</summary>
# No. If the first guess is right, then one of five is right.
# </details>
#
# **2.** A net for 1000 classes has a loss of 6.9 after many steps. What has it learnt?
#
# <details><summary>Answer</summary>
# Nothing: ln 1000 is 6.91, the loss of equal scores for all classes.
# </details>
#
# **3.** Why must the error be measured on pictures that the net did not learn from?
#
# <details><summary>Answer</summary>
# It has 34,538 parameters and saw 3000 pictures three times: it can memorise some of them. You want
# to know how it does on pictures it has never seen.
# </details>
