# %% [markdown] lang="en"
# # 10 Data augmentation
#
# | | |
# |---|---|
# | goal | Augment pictures as the paper did, count the variants, and see which flips hurt. |
# | time | 45 minutes |
# | runs | under 10 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; no network, no download; CIFAR-10, MNIST and a GPU are used if present |
# | before | 05 Convolution by hand; 09 Dropout: overfitting |

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
# A cat that is a little further to the left is the same cat. A net has to learn that from examples.
# Section 4.1 of the paper makes new pictures from each training picture in two ways. The new
# picture must keep its label; that is the only rule, and we will break it at the end.
#
# **Way one: crops and mirrors.** Pictures are 256x256. Each time one is used, a window of 224x224
# is cut out at a random position, and mirrored left to right with probability one half. The paper
# says that this multiplies the training set by 2048. Is that so? Try a small case first: a window
# of 3 pixels in a picture of 4. At how many positions can it begin?
#
# **Exercise 10.1.** Count.


# %% tags=["exercise"]
def my_pictures_in_one(side, size):
    "Your code: the number of windows of a picture, mirrored or not."
    return None


check("10.1", my_pictures_in_one)

# %%
# hint("10.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_pictures_in_one(side, size):
    places = side - size + 1
    return places * places * 2


check("10.1", my_pictures_in_one)

# %% [markdown] lang="en"
# 2178, not 2048: the positions are 0 to 32, both included, which are 33. The code of 2012 drew from
# these 33. The paper counts 32.
#
# **Way two: colour.** A slightly redder light changes all pixels at once, along a direction in
# which colours vary anyway. The paper measures these directions: the covariance of the values of
# all pixels is a 3x3 matrix; its eigenvectors $p_i$ are the directions, and the square roots of its
# eigenvalues $\lambda_i$ are the standard deviations of the colours along them. Each picture
# becomes
#
# $$y = x + \sum_i \alpha_i \sqrt{\lambda_i}\; p_i \qquad \alpha_i \sim N(0,\ 0.1^2)$$
#
# with one draw of the three $\alpha_i$ for the whole picture.
#
# **Exercise 10.2.** Write `my_colour_basis(images)`: the deviations $\sqrt{\lambda_i}$, largest first,
# and the directions, one in each column.


# %% tags=["exercise"]
def my_colour_basis(images):
    "Your code: images is (N, C, H, W); return deviations (C,) and vectors (C, C)."
    return None


check("10.2", my_colour_basis)

# %%
# hint("10.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_colour_basis(images):
    C = images.shape[1]
    pixels = images.transpose(1, 0, 2, 3).reshape(C, -1).astype(float)
    pixels -= pixels.mean(axis=1, keepdims=True)
    covariance = pixels @ pixels.T / pixels.shape[1]
    eigenvalues, vectors = np.linalg.eigh(covariance)
    return np.sqrt(np.maximum(eigenvalues[::-1], 0)), vectors[:, ::-1]


check("10.2", my_colour_basis)

# %%
coloured, _ = pictures()
deviations, vectors = data.pca_color_basis(coloured.images)
for i in range(3):
    red, green, blue = vectors[:, i]
    print(
        f"direction {i + 1}: red {red:+.2f} green {green:+.2f} blue {blue:+.2f}, "
        f"deviation {deviations[i]:5.1f}, eigenvalue {deviations[i] ** 2:7.1f}"
    )

# %% [markdown] lang="en"
# The first direction is the brightness: all three channels together. Now compare the two columns on
# the right with the paper. It prints $\alpha_i \lambda_i$, without the root. With pixels of 0 to
# 255 a tenth of the *eigenvalue* is more than the whole range: the picture would be destroyed. The
# code of 2012 calls its array `color_stdevs`, standard deviations. (And one post prints
# $\alpha_2 \lambda_2$ twice, and $\alpha_3 \lambda_3$ not at all.)
#
# **At test time** nothing is random. The paper takes ten views of each picture, the corners, the
# centre and their mirror images, and averages the ten softmax outputs.
#
# **Exercise 10.3.** Write `my_ten_views(images, size)`: the five views, then the five mirrored.


# %% tags=["exercise"]
def my_ten_views(images, size):
    "Your code: return (10, N, C, size, size)."
    return None


check("10.3", my_ten_views)

# %%
# hint("10.3")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_ten_views(images, size):
    H, W = images.shape[2:]
    bottom = H - size
    right = W - size
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    views = [images[:, :, r : r + size, c : c + size] for r, c in corners]
    return np.stack(views + [view[..., ::-1] for view in views])


check("10.3", my_ten_views)

# %% [markdown] lang="en"
# ## Judge
#
# How can you test something random? By properties that hold for every draw, and by averages. Three
# tests of the library's colour noise: is the shift the same for all pixels of a picture? Is it
# different for another picture? Is its spread along each direction 0.1 deviations? The last one is
# an average over n draws, so its relative error is about $1 / \sqrt{2n}$.

# %%
n = 20_000
grey = np.zeros((n, 3, 2, 2))
basis = deviations, vectors
shift = data.pca_color_noise(grey, basis, np.random.default_rng(0), std=0.1)
print("one shift for a picture:   ", bool(np.ptp(shift, axis=(2, 3)).max() == 0))
print("another for the next one:  ", bool((shift[0] != shift[1]).all()))
along = shift[:, :, 0, 0] @ vectors
for i in range(3):
    ratio = along[:, i].std() / (0.1 * deviations[i])
    print(f"spread along direction {i + 1}:  {ratio:.3f} of the expected value")
print(f"relative standard error:    {1 / np.sqrt(2 * n):.3f}")

# %% [markdown] lang="en"
# ## Meet

# %%
show(data.PCAColorNoise)
show(data.RandomCrop.sample)
show(data.RandomCrop.apply)

# %% [markdown] lang="en"
# `vectors @ (...)` needs the directions in columns. Two well-known libraries had the vectors
# transposed: the noise then has wrong directions, the pictures still look fine, and no test fails.
# A check like the one above finds it.
#
# The figure shows all augmentations. The last column follows the paper's formula literally. What
# will it look like?

# %%
four = coloured.images[[1, 4, 31, 12]]
rng = np.random.default_rng(3)
bright = four.astype(float)
columns = {
    "original": four,
    "crop": data.random_crop(four, 24, rng),
    "another crop": data.random_crop(four, 24, rng),
    "mirrored": four[..., ::-1],
    "colour": data.pca_color_noise(bright, basis, rng, std=0.4),
    "eigenvalues,\nas printed": data.pca_color_noise(bright, (deviations**2, vectors), rng),
}

# %%
fig, axes = plt.subplots(4, len(columns), figsize=(8, 6.2), layout="constrained")
for ax_column, (name, images) in zip(axes.T, columns.items(), strict=True):
    ax_column[0].set_title(name, fontsize=10)
    for ax, image in zip(ax_column, images, strict=True):
        ax.imshow(np.clip(image, 0, 255).astype(np.uint8).transpose(1, 2, 0))
        ax.set(xticks=[], yticks=[])
gone = float(
    np.mean((columns["eigenvalues,\nas printed"] < 0) | (columns["eigenvalues,\nas printed"] > 255))
)
fig.suptitle(
    f"Five columns keep the content; eigenvalues push {100 * gone:.0f} % of all values out of range"
)
figure(
    fig,
    f"{len(four)} {coloured.kind}: as they are, two crops of each, mirrored, with colour noise, and "
    f"with noise made from eigenvalues. In the last column {100 * gone:.0f} % of all values have left "
    "the range of 0 to 255.",
)

# %% [markdown] lang="en"
# (The colour noise of the fifth column is four times the paper's, so that it is visible.)
#
# ## Faster
#
# The paper made the new pictures on the CPU while the GPUs trained, and calls them computationally
# free. That is true only if it is fast enough. A picture can be cropped as bytes and then converted
# to floats, or the other way round. Which is faster, and why?

# %%
images = np.tile(coloured.images[:500], (4, 1, 1, 1))
prepare = data.Normalize.fit("standardize", coloured.images)


def bytes_first(rng):
    return prepare(data.random_crop(images, 24, rng))


def floats_first(rng):
    return data.random_crop(prepare(images), 24, rng)


# %%
same = np.array_equal(bytes_first(np.random.default_rng(0)), floats_first(np.random.default_rng(0)))
print("the results are the same:", same)
for way in (bytes_first, floats_first):
    best = np.inf
    for seed in range(3):
        started = time.perf_counter()
        way(np.random.default_rng(seed))
        best = min(best, time.perf_counter() - started)
    print(f"{way.__name__:13} {1000 * best:6.1f} ms for {len(images):,} pictures")

# %% [markdown] lang="en"
# A float is four bytes, and a crop has 24 * 24 of the 32 * 32 pixels: cropping first moves fewer
# bytes and normalises fewer pixels.
#
# ## Break
#
# The rule was: the new picture must keep its label. A post asks whether flipping a 6 or a 9 would
# hurt on MNIST. Look at the pictures before you train. Which flip turns a 6 into a 9? Is it the
# mirror?
#
# If MNIST is on this machine (`tinynet data get mnist`), it is used. If not, seven-segment digits
# replace it: they are drawn at random positions, with noise.

# %%
SEGMENTS = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")
PLACES = {  # rows and columns of each segment in a digit of 16x10 pixels
    "a": (0, 2, 0, 10),
    "g": (7, 9, 0, 10),
    "d": (14, 16, 0, 10),
    "f": (0, 9, 0, 2),
    "b": (0, 9, 8, 10),
    "e": (7, 16, 0, 2),
    "c": (7, 16, 8, 10),
}


# %%
def drawn_digits(count, seed):
    """Return a data set of seven-segment digits (count, 1, 28, 28)."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % 10)
    digits = rng.normal(40, 25, (count, 1, 28, 28))
    corners = rng.integers((3, 6), (10, 13), (count, 2))  # the central corner centres the digit
    for picture, label, (row, column) in zip(digits[:, 0], labels, corners, strict=True):
        for segment in SEGMENTS[label]:
            top, bottom, left, right = PLACES[segment]
            picture[row + top : row + bottom, column + left : column + right] += 150
    return data.ArrayDataset(np.clip(digits, 0, 255).astype(np.uint8), labels)


# %%
if data.find("mnist"):
    source = "MNIST"
    whole = data.MNIST(train=True)
    unseen = data.MNIST(train=False)
    learn = whole[:4000]
    test = unseen[:2000]
else:
    source = "drawn digits"
    learn = drawn_digits(1500, 0)
    test = drawn_digits(1000, 1)
place = device()
print(f"{source}: {len(learn):,} training pictures, {len(test):,} test pictures")

# %%
WAYS = {  # the axes of (N, C, H, W) that are flipped, each group drawn independently
    "nothing": (),
    "mirrors": (3,),
    "upside down": (2,),
    "half turns": ((2, 3),),
}

# %%
fig, axes = plt.subplots(4, 4, figsize=(5.2, 5.8), layout="constrained")
for row, digit in zip(axes, (6, 9, 2, 5), strict=True):
    picture = learn.images[learn.labels == digit][:1]
    for ax, (name, flips) in zip(row, WAYS.items(), strict=True):
        ax.imshow(np.flip(picture, flips[0])[0, 0] if flips else picture[0, 0], cmap="gray")
        ax.set(xticks=[], yticks=[])
        if digit == 6:
            ax.set_title(name, fontsize=9)
fig.suptitle("Half a turn turns a 6 into a 9; the mirror does not", fontsize=11)
figure(
    fig,
    f"A 6, a 9, a 2 and a 5 ({source}): original, mirrored, upside down, and turned by half a "
    "turn. Half a turn swaps the 6 and the 9; the mirror does not, but it makes the 2 "
    "and the 5 look like each other.",
)

# %% [markdown] lang="en"
# The mirror image of a 6 is not a 9; it is not a digit at all. Half a turn makes it a 9. But look
# at the 2 and the 5: mirrored, or upside down, one looks like the other. Which digits will be
# confused after each flip?
#
# We train on augmented pictures, each flip with probability one half, and test on the original
# pictures. The library has `RandomHorizontalFlip`; for the other flips we write a transform of our
# own. `sample` draws what is random for a batch, and `apply` uses it. Test pictures are prepared
# without the random transforms.
#
# Predict: of 100 original 5s, how many does a net call 2 that was trained with mirrors? Write your guess
# in place of the dots, then run the cells: the truth is computed only after a guess.


# %%
class RandomFlips(data.Transform):
    """Flips along some groups of axes, each with probability one half."""

    def __init__(self, flips):
        self.flips = flips

    def sample(self, rng, n):
        return rng.random((n, len(self.flips))) < 0.5

    def apply(self, images, params):
        for axes, coin in zip(self.flips, params.T, strict=True):
            images = np.where(coin[:, None, None, None], np.flip(images, axes), images)
        return images


# %%
def small_net():
    """Return an untrained net of two convolutions."""
    tn.seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 7 * 7, 10),
    )
    return model.to(place)


# %%
def answers_after(flips):
    """Train a small net with these flips; return its answers to the test pictures."""
    model = small_net()
    augmented = [RandomFlips(flips), data.Normalize(mean=128, std=128)]
    loader = data.DataLoader(learn, batch_size=50, shuffle=True, transform=augmented)
    optimizer = optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    for _ in tn.fit(model, optimizer, loader, epochs=5):
        pass
    return tn.predict(model, test.images)


# %%
PAIRS = ((6, 9), (9, 6), (2, 5), (5, 2))


# %% tags=["predict"]
def mirrored_fives():
    print(f"{'':12} all   " + "".join(f"a {a} called {b}   " for a, b in PAIRS))
    fives = {}
    for name, flips in WAYS.items():
        probabilities = answers_after(flips)
        table = F.confusion_matrix(probabilities, test.labels)
        mixed = [100 * table[a, b] / table[a].sum() for a, b in PAIRS]
        right = 100 * F.accuracy(probabilities, test.labels)
        print(f"{name:12} {right:5.1f} %" + "".join(f"{share:10.1f} %  " for share in mixed))
        fives[name] = mixed[-1]
    return fives["mirrors"]


predict("10.a", ..., mirrored_fives)

# %% [markdown] lang="en"
# A drawn 2, mirrored, *is* a drawn 5: there the net can only guess; the same holds for 6 and 9
# after half a turn. Handwritten digits differ more.
#
# Here are the real digits, with more pictures and five seeds: the first 5,000 of MNIST, 4 epochs,
# three convolutions of 16, 16 and 32 filters (`tinynet claims run flips`; means over the seeds,
# in %):
#
# | augmented by | all digits right | 5s right | a 6 called 9 | a 9 called 6 | a 5 called 2 |
# |---|---|---|---|---|---|
# | nothing | 97.0 | 97.2 | 0.0 | 0.0 | 0.1 |
# | mirrors | 93.6 | 89.0 | 0.0 | 0.0 | 2.0 |
# | upside down | 93.1 | 88.3 | 0.4 | 0.4 | 7.6 |
# | half turns | 93.2 | 94.7 | 5.4 | 4.7 | 0.1 |
# | mirrors and upside down | 86.5 | 74.7 | 8.4 | 7.3 | 11.5 |
#
# Would flipping a 6 or a 9 hurt? With mirrors a 6 is never called a 9. But mirrors cost 3.4 points,
# and the **5s** 8.2 points. Half turns confuse 6 and 9 in one case of twenty: people write the two a
# little differently, and the net learns the difference. If you use mirrors *and* upside-down flips,
# you also get half turns.
#
# So the paper's mirrors are right for cats and wrong for digits. No augmentation is good in itself;
# it is an assumption about the labels. (`tinynet train --data mnist` does not use mirrors.)
#
# | | |
# |---|---|
# | in the paper | 224x224 of 256x256 and mirrors, "a factor of 2048"; $\alpha_i \lambda_i$; ten views at test time, softmax averaged (section 4.1) |
# | in the code of 2012 | 33 positions on each axis, so 2178; one position and one mirror for 32 consecutive pictures; standard deviations instead of eigenvalues, then everything divided by 1.1 |
# | here | a position and a mirror for each picture; `pca_color_basis` returns deviations; `ten_crop` and `average_views` |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** Crops of 227 pixels of 256, and mirrors: how many different pictures?
#
# <details><summary>Answer</summary>
# 30 * 30 * 2 = 1800.
# </details>
#
# **2.** Two programs return eigenvectors for the same pictures, and one of the three has the opposite
# sign. Which is wrong?
#
# <details><summary>Answer</summary>
# Neither: minus an eigenvector is an eigenvector too, and alpha is as often negative as positive.
# </details>
#
# **3.** You classify photographs of letters. Which of crops, mirrors and colour noise do you use?
#
# <details><summary>Answer</summary>
# Crops and colour noise keep the labels, if the crops do not cut into the letter. Mirrors do not: a b
# becomes a d.
# </details>
