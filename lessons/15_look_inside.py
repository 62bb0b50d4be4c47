# %% [markdown] lang="en"
# # 15 Look inside
#
# | | |
# |---|---|
# | goal | Look inside a trained net: filters, feature maps, occlusion maps, nearest neighbours. |
# | time | 45 minutes |
# | runs | under 20 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; no network, no download; CIFAR-10 and a GPU are used if present |
# | before | 05 Convolution by hand, 07 Max-pooling, 14 Train the small AlexNet |

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet import data, nn, optim
from tinynet.lessons import check, device, figure, hint, pictures, predict, show, solution
from tinynet.plot.filters import mosaic

# %% [markdown] lang="en"
# The paper looks inside its net twice. Its Figure 3 shows the filters of the first layer. Its
# Figure 4 shows, for five pictures, the training pictures whose activations in the last hidden
# layer are nearest. We do both in this lesson. First we need a trained net: two convolutions, one
# hidden layer of 64, and 3,000 pictures.

# %%
train, test = pictures()
place = device()


# %%
def small_net():
    """Return an untrained net of two convolutions and two linear layers."""
    tn.seed(0)
    layers = []
    for inputs, outputs, kernel in ((3, 12, 5), (12, 24, 3)):
        conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        layers += [conv, nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)]
    linear = nn.Linear(24 * 8 * 8, 64), nn.ReLU(), nn.Linear(64, 10)
    return nn.Sequential(*layers, nn.Flatten(), *linear)


# %%
def trained_on(train, test):
    """Return a net trained on these pictures, its initial weights, and the preprocessing."""
    model = small_net()
    untrained = model.state_dict()
    model.to(place)
    prepare = data.Normalize.fit("standardize", train.images)
    loader = data.DataLoader(train, batch_size=25, shuffle=True, transform=prepare)
    rates = optim.MultiStep(0.007, ((0.75, 0.1),), epochs=4)
    optimizer = optim.SGD(model.parameters(), lr=rates, momentum=0.9, weight_decay=5e-4)
    for epoch in tn.fit(model, optimizer, loader, test, epochs=4):
        print(epoch)
    return model, untrained, prepare


# %%
model, untrained, prepare = trained_on(train, test)
x = prepare(test.images)
probabilities = tn.predict(model, x)
said = probabilities.argmax(axis=1)

# %% [markdown] lang="en"
# ## Build
#
# ### The filters and their maps
#
# A filter of the first layer has three channels, so it can be shown as a small picture. Maps are
# drawn in grey, one picture for each channel. `nn.observe` calls a function after every layer; we
# use it to collect the maps.

# %%
maps = {}


def note(module, x, y):
    """Keep the output of each ReLU; two of them are maps."""
    if isinstance(module, nn.ReLU) and len(y.shape) == 4:
        maps[f"layer {len(maps) + 1}"] = y.numpy()[0]


choice = int(np.flatnonzero((test.labels == 4) & (said == 4))[0])
with tn.no_grad(), nn.observe(note):
    model(tn.tensor(x[choice : choice + 1]).to(place))

# %%
fig = tn.plot.filters(model, before=untrained["0.weight"])
figure(fig, fig.description)

# %%
silent = {name: int((layer.max(axis=(1, 2)) == 0).sum()) for name, layer in maps.items()}

# %%
fig = plt.figure(figsize=(9, 4.6), layout="constrained")
picture, grids = fig.subfigures(1, 2, width_ratios=(1, 2.4))
seen = picture.subplots()
seen.imshow(test.images[choice].transpose(1, 2, 0))
seen.set_title(test.classes[4], fontsize=10)
axes = grids.subplots(2, 1)
for ax, (name, layer) in zip(axes, maps.items(), strict=True):
    rows = 2 if len(layer) == 12 else 3
    bright = np.sqrt(layer / layer.max())  # the root brightens faint values; black is exactly 0
    tiles = np.pad(bright, ((0, 0), (0, 1), (0, 1)), constant_values=1)
    grid = tiles.reshape(rows, -1, *tiles.shape[1:]).swapaxes(1, 2)
    ax.imshow(grid.reshape(rows * tiles.shape[1], -1), cmap="gray", vmin=0, vmax=1)
    size = f"{layer.shape[1]} x {layer.shape[2]}"
    ax.set_title(f"{name}: {len(layer)} maps of {size}, {silent[name]} all zero", fontsize=10)
for ax in (seen, *axes):
    ax.set_axis_off()
figure(
    fig,
    f"A {test.classes[4]}, and the outputs of the ReLUs for it: "
    f"{len(maps['layer 1'])} maps of 32 x 32 and {len(maps['layer 2'])} of 16 x 16, "
    f"of which {silent['layer 1']} and {silent['layer 2']} are 0 everywhere.",
)

# %% [markdown] lang="en"
# Compare the rows of filters. The difference is what training added, and it is smoother than the
# random start. Some filters have become edge detectors, light on one side and dark on the other;
# some respond to a colour (40 % of the drawn pictures have their class's colour). Others are almost
# unchanged: a net of this size can do much of its task with random filters in the first
# layer. The paper's 96 filters saw 1.2 million photographs for 90 epochs; ours saw 3,000 pictures
# four times.
#
# ### Where does it look?
#
# Maps show which features are present, not which ones matter. For that, do an experiment: hide a
# part of the picture and measure how much the probability of the right class drops. Repeat it for
# all positions, and the drops form a map (Zeiler and Fergus 2014):
#
# $$drops[i, j] = score(x) - score(x \text{ with window } (i, j) \text{ filled})$$
#
# The windows are those of a pool: $k \times k$ pixels, $s$ apart.


# %% tags=["exercise"]
def my_occlusion_map(score, image, k, s, fill):
    """Your code. score takes pictures (N, C, H, W) and returns (N,) numbers; image is (C, H, W).

    Return the drop for each window, (OH, OW).
    """
    return None


check("15.1", my_occlusion_map)

# %%
# hint("15.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_occlusion_map(score, image, k, s, fill):
    _, H, W = image.shape
    OH = (H - k) // s + 1
    OW = (W - k) // s + 1
    copies = []
    for i in range(OH):
        for j in range(OW):
            copy = image.copy()
            copy[:, s * i : s * i + k, s * j : s * j + k] = fill
            copies.append(copy)
    return score(image[None])[0] - score(np.stack(copies)).reshape(OH, OW)


check("15.1", my_occlusion_map)

# %% [markdown] lang="en"
# The map points to the centre of mass of its drops. Where hiding *helped*, the drop is negative and
# does not count.


# %% tags=["exercise"]
def my_centre(drops, k, s):
    "Your code: (row, column) of the centre of mass of the drops, in pixels of the picture."
    return None


check("15.2", my_centre)

# %%
# hint("15.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_centre(drops, k, s):
    weights = np.maximum(drops, 0)
    weights = weights / weights.sum()
    i, j = np.indices(drops.shape)
    return s * (weights * i).sum() + (k - 1) / 2, s * (weights * j).sum() + (k - 1) / 2


check("15.2", my_centre)

# %% [markdown] lang="en"
# ### Nearest neighbours
#
# The last hidden layer turns a picture into 64 numbers, its features. Two pictures are similar for
# the net if their features are close to each other.


# %% tags=["exercise"]
def my_nearest(features, query, k):
    "Your code: the indices of the k rows of features nearest to query, the nearest first."
    return None


check("15.3", my_nearest)

# %%
# hint("15.3")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_nearest(features, query, k):
    distances = ((features - query) ** 2).sum(axis=1)
    return np.argsort(distances, kind="stable")[:k]


check("15.3", my_nearest)

# %% [markdown] lang="en"
# The rest of the lesson needs all three functions, whether or not you have written yours. These are
# compact versions; compare them with your own.


# %%
def drops_of(i, k=8, s=4, fill=0.0):
    """Return how much the probability of the right class drops, for test picture i."""
    windows = [(a, b) for a in range(0, 33 - k, s) for b in range(0, 33 - k, s)]
    copies = np.repeat(x[i][None], len(windows) + 1, axis=0)
    for n, (a, b) in enumerate(windows):
        copies[n, :, a : a + k, b : b + k] = fill
    p = tn.predict(model, copies)[:, test.labels[i]]
    side = (32 - k) // s + 1
    return (p[-1] - p[:-1]).reshape(side, side)


# %%
def middle(drops, k=8, s=4):
    """Return the centre of mass of a map, (row, column) in pixels."""
    weights = np.maximum(drops, 0) / np.maximum(drops, 0).sum()
    ij = np.indices(drops.shape)
    return s * (weights * ij).sum(axis=(1, 2)) + (k - 1) / 2


def hidden(pixels):
    """Return the activations of the last hidden layer, (N, 64)."""
    up_to_its_relu = model[:9]
    with tn.no_grad():
        return up_to_its_relu(tn.tensor(prepare(pixels)).to(place)).numpy()


features = hidden(train.images)
queries = hidden(test.images)

# %% [markdown] lang="en"
# The main figure shows pictures, their occlusion maps, and their nearest neighbours among the
# training pictures.

# %%
bright = np.tensordot((0.2, 0.7, 0.1), test.images, axes=(0, 1)).std(axis=(1, 2))
belief = np.where(said == test.labels, probabilities.max(axis=1), 0)
fair = (belief > 0.6) & (belief < 0.95)  # right, but not too confident
shown = [  # those with the highest contrast
    int(max(np.flatnonzero((belief > 0) & (test.labels == c)), key=lambda i: (fair[i], bright[i])))
    for c in (1, 4, 7, 8)
]

# %%
fig, axes = plt.subplots(len(shown), 7, figsize=(9, 6.4), layout="constrained")
alike = []
largest = []
for row, i in zip(axes, shown, strict=True):
    drops = drops_of(i, k=8, s=2)
    near = np.argsort(((features - queries[i]) ** 2).sum(axis=1))[:5]
    alike.append(int((train.labels[near] == test.labels[i]).sum()))
    row[0].imshow(test.images[i].transpose(1, 2, 0))
    row[0].set_title(test.classes[test.labels[i]], fontsize=9)
    row[1].imshow(test.images[i].mean(axis=0), cmap="gray", extent=(0, 32, 32, 0))
    heat = row[1].imshow(
        np.maximum(drops, 0), cmap="viridis", alpha=0.65, extent=(3, 29, 29, 3), vmin=0, vmax=1
    )
    row[1].set(xlim=(0, 32), ylim=(32, 0))
    largest.append(float(drops.max()))
    row[1].set_title(f"loses up to {largest[-1]:.2f}", fontsize=9)
    for ax, j in zip(row[2:], near, strict=True):
        ax.imshow(train.images[j].transpose(1, 2, 0))
        ax.set_title(train.classes[train.labels[j]], fontsize=9)
for ax in axes.ravel():
    ax.set_axis_off()
words = "drop of the right class's probability where 8 x 8 pixels are hidden"
fig.colorbar(heat, ax=axes, shrink=0.6, aspect=40, label=words, location="bottom")
fig.suptitle(f"Of {5 * len(shown)} nearest training pictures {sum(alike)} are of the same class")
figure(
    fig,
    "Four test pictures ("
    + ", ".join(test.classes[test.labels[i]] for i in shown)
    + "), each with the map of how much the right class's probability drops where 8 x 8 pixels are "
    f"hidden (at most {', '.join(f'{drop:.2f}' for drop in largest)}), and with its five nearest "
    "training pictures. Of those five, " + ", ".join(map(str, alike)) + " are of the same class.",
)

# %% [markdown] lang="en"
# ## Judge
#
# The maps look convincing. That is a reason to be careful: nearly every map looks convincing over a
# picture with one object. Can we test it? With drawn pictures we can: the true positions were drawn
# by a random generator, and we can draw them again. The data set draws, for all pictures at once,
# the radius, then the row and the column of each shape.
#
# (For photographs the true positions are not known. If you have seen photographs so far, a second
# net is now trained on the drawn pictures, and we test that one.)

# %%
if not test.drawn:
    train = data.Shapes(train=True)
    test = data.Shapes(train=False)
    model, untrained, prepare = trained_on(train, test)
    x = prepare(test.images)
    features = hidden(train.images)
    queries = hidden(test.images)
dice = tn.random.generator("shapes", "test", seed=0)
same = dice.permutation(np.arange(1000) % 10)
radius = dice.uniform(6, 10.5, 1000)
true = dice.uniform(12, 20, (2, 1000)).T - 0.5
print("the same labels:", bool((same == test.labels).all()))

# %% [markdown] lang="en"
# Then the claim can be measured: how far from the shape's true centre does the map point? One
# number alone proves nothing. We compare it with two baselines that do not use the picture: "always
# the middle of the picture", and "the map of *another* picture". If the maps found nothing, the
# last would do as well.
#
# The centre of a shape is anywhere between pixel 12 and 20 in both directions. Predict: how many pixels
# off is "always the middle", on average? Write your guess in place of the dots, then run the cell: it
# shows the truth, and the two others, only after a guess.

# %%
some = np.arange(60)
places = np.array([middle(drops_of(i)) for i in some])
rivals = {
    "the map": places,
    "always the middle": np.full_like(places, 15.5),
    "another picture's map": np.roll(places, 1, axis=0),
}


# %% tags=["predict"]
def middle_is_off():
    off = {}
    for name, points in rivals.items():
        apart = np.linalg.norm(points - true[some], axis=1)
        inside = 100 * (apart < radius[some]).mean()
        off[name] = apart.mean()
        print(f"{name:22} {off[name]:.2f} pixels off; inside the shape: {inside:.0f} %")
    return off["always the middle"]


predict("15.a", ..., middle_is_off, "pixels")

# %% [markdown] lang="en"
# The map does find the shape: it beats the map of another picture clearly. It beats "always the
# middle" by less, since all our shapes are near the middle. A report with only the percentage
# "inside the shape" would have hidden that. Ask of each such figure: how well would a baseline do
# that does not use the picture?
#
# The neighbours need a baseline as well: neighbours by plain pixels.


# %%
def share_alike(of_train, of_test, k=5):
    """Return the fraction of the k nearest training pictures that have the same class."""
    right = 0
    for query, label in zip(of_test, test.labels[: len(of_test)], strict=True):
        near = np.argsort(((of_train - query) ** 2).sum(axis=1))[:k]
        right += int((train.labels[near] == label).sum())
    return right / (k * len(of_test))


pixels = prepare(train.images).reshape(3000, -1)
print(f"hidden layer: {100 * share_alike(features, queries[:40]):.0f} % of the class of the query")
print(f"pixels:       {100 * share_alike(pixels, x[:40].reshape(40, -1)):.0f} %")

# %% [markdown] lang="en"
# ## Meet
#
# The library itself uses `nn.observe`: `tinynet summary` counts with it, and the error message
# about a NaN finds the layer with it. The layers need no code for it.

# %%
show(nn.observe)

# %% [markdown] lang="en"
# And `plot.filters.mosaic` drew the filters; `tinynet train` saves the same figure in every run folder.

# %%
show(mosaic)

# %% [markdown] lang="en"
# ## Faster
#
# 1,000 test pictures and 3,000 training pictures are three million distances. The loop above
# subtracts a row from a table again and again. One matrix product can replace it:
#
# $$\lVert a - b \rVert^2 = \lVert a \rVert^2 + \lVert b \rVert^2 - 2\, a \cdot b$$


# %%
def by_subtraction(a, b):
    return np.stack([((b - row) ** 2).sum(axis=1) for row in a])


def by_product(a, b):
    return (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T


results = {}
for way in (by_subtraction, by_product):
    started = time.perf_counter()
    results[way.__name__] = way(queries[:150], features)
    print(f"{way.__name__:15} {1000 * (time.perf_counter() - started):7.1f} ms")
first, second = results.values()
print(f"largest difference {abs(first - second).max():.1e}, largest distance {first.max():.1e}")
print("same nearest neighbour:", f"{100 * (first.argmin(1) == second.argmin(1)).mean():.1f} %")

# %% [markdown] lang="en"
# The product subtracts large numbers that are nearly equal, so small distances lose digits. For a
# ranking that is harmless most of the time. Now you know where to look if it is not.
#
# ## Break
#
# Does the map show what the *net* has learnt, or only where the *picture* has an object? Test it
# without training: give the net its initial weights, and compute the maps again. And fill the
# window with white instead of the mean. Predict: how many pixels off are the maps of the untrained net?


# %%
def report(name, **how):
    """Print and return how far from the truth the maps point; print how large their drops are."""
    found = [drops_of(i, **how) for i in some[:30]]
    points = np.array([middle(drops) for drops in found])
    apart = np.linalg.norm(points - true[:30], axis=1).mean()
    deepest = np.mean([drops.max() for drops in found])
    print(f"{name:18} {apart:.2f} pixels off, largest drop {deepest:.3f} on average")
    return apart


# %% tags=["predict"]
def untrained_is_off():
    report("as before")
    report("filled with white", fill=2.0)
    trained = model.state_dict()
    model.load_state_dict(untrained)
    off = report("untrained")
    model.load_state_dict(trained)
    return off


predict("15.b", ..., untrained_is_off, "pixels")

# %% [markdown] lang="en"
# The drops in the untrained net's maps are almost 0, but `middle` divides by their sum, and such a
# map scaled to its own maximum would look like any other. That is why the maps above share one
# scale from 0 to 1. A map without its scale is not evidence.
#
# White is information too: the net has seen white areas. The mean colour is the closest to "no
# information", but a grey square has edges as well. An occlusion map always answers "what if *this*
# were there instead?".
#
# | | |
# |---|---|
# | in the paper | Figure 3: 96 filters of 11 x 11, colour on one GPU and edges on the other; Figure 4: nearest by Euclidean distance among 4096 activations |
# | in the code of 2012 | `shownet.py` of cuda-convnet drew filters and predictions of a checkpoint |
# | here | `filters.png` in every run folder; `nn.observe` for everything else |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** Why does the occlusion map use the probability of the *right* class and not the largest one?
#
# <details><summary>Answer</summary>
# The largest may belong to another class once a part is hidden. Then we would compare the
# probabilities of two different classes.
# </details>
#
# **2.** A window is smaller than the shape, and the map is dark everywhere. Does the net not look at
# the shape?
#
# <details><summary>Answer</summary>
# The rest of the shape may be enough. Hiding one part at a time cannot show information that
# several parts share. Try a larger window.
# </details>
#
# **3.** Two pictures are near in pixels but far in the hidden layer. What has the net learnt?
#
# <details><summary>Answer</summary>
# To ignore what they share (background, brightness, position) and to use what differs: the shape.
# </details>
