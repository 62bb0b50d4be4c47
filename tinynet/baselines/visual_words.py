"""What came before: a bag of visual words and a linear support vector machine.

Pictures were recognised like this until 2012. Small patches are whitened and clustered; the centres
are the words. A picture becomes four counts of its words, one for each quarter, and a linear
classifier does the rest. Only the classifier sees a label: nothing below it is learnt for the task.

The recipe, with its soft counts, is that of Coates, Lee and Ng (2011) for CIFAR-10.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from tinynet import functions as F
from tinynet import nn
from tinynet.core import random
from tinynet.core.backend import Array
from tinynet.core.errors import ShapeError
from tinynet.data import Dataset
from tinynet.kernels.geometry import windows
from tinynet.optim import SGD
from tinynet.optim.schedules import Cosine
from tinynet.tensors import tensor

STRIDE = 2  # pixels between the patches of a picture
CONTRAST = 10.0  # added to the variance of a patch: flat ones stay small
WHITENING = 0.1  # added to the eigenvalues: noise stays small


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Words, and how a patch is treated before it is compared with them.

    Attributes
    ----------
    words : (K, C * side * side), whitened
    mean, whitening : of patches that were brought to one contrast
    """

    words: Array
    mean: Array
    whitening: Array
    side: int

    def encode(self, images: Array) -> Array:
        """Return (N, 4 * K): how much of each word is in each quarter of images (N, C, H, W)."""
        parts = [self._encode(images[i : i + 50]) for i in range(0, len(images), 50)]
        return np.concatenate(parts)

    def _encode(self, images: Array) -> Array:
        patches, (OH, OW) = all_patches(images, self.side)
        close = closeness(self.white(patches), self.words).reshape(len(images), OH, OW, -1)
        half = OH // 2, OW // 2
        rows = close[:, : half[0]].sum(axis=1), close[:, half[0] :].sum(axis=1)
        quarters = [r for row in rows for r in (row[:, : half[1]], row[:, half[1] :])]
        return np.concatenate([q.sum(axis=1) for q in quarters], axis=1)

    def white(self, patches: Array) -> Array:
        """Return patches (P, D) with one contrast, uncorrelated pixels and mean 0."""
        return (even(patches) - self.mean) @ self.whitening


def learn_words(
    images: Array, words: int = 200, *, side: int = 6, patches: int = 40_000, seed: int = 0
) -> Vocabulary:
    """Return the centres of patches that were drawn at random from images (N, C, H, W)."""
    rng = random.generator("words", seed=seed)
    sample = even(some_patches(images, patches, side, rng))
    mean = sample.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(sample - mean, rowvar=False))
    whitening = (vectors / np.sqrt(values + WHITENING)) @ vectors.T
    whitening = whitening.astype(np.float32)
    centres = k_means((sample - mean) @ whitening, words, rng)
    return Vocabulary(centres, mean, whitening, side)


def all_patches(images: Array, side: int) -> tuple[Array, tuple[int, int]]:
    """Return windows of images (N, C, H, W), (N * OH * OW, C * side * side), and (OH, OW)."""
    _, C, H, W = images.shape
    outputs = (H - side) // STRIDE + 1, (W - side) // STRIDE + 1
    if min(outputs) < 2:
        raise ShapeError(f"visual words: {side}x{side} patches need larger images than {H}x{W}.")
    steps = STRIDE, STRIDE
    view = windows(np.ascontiguousarray(images), (side, side), steps, (1, 1), outputs)
    patches = view.transpose(0, 4, 5, 1, 2, 3).reshape(-1, C * side * side)
    return patches.astype(np.float32), outputs


def some_patches(images: Array, count: int, side: int, rng: np.random.Generator) -> Array:
    """Return `count` windows of images, drawn at random, (count, C * side * side)."""
    _, _, H, W = images.shape
    which = rng.integers(0, len(images), count)
    tops, lefts = rng.integers(0, H - side + 1, count), rng.integers(0, W - side + 1, count)
    places = zip(which, tops, lefts, strict=True)
    found = [images[n, :, i : i + side, j : j + side].reshape(-1) for n, i, j in places]
    return np.stack(found).astype(np.float32)


def even(patches: Array) -> Array:
    """Return patches (P, D), each with mean 0 and about the same contrast."""
    centred = patches - patches.mean(axis=1, keepdims=True)
    variance = (centred * centred).mean(axis=1, keepdims=True)
    return centred / np.sqrt(variance + CONTRAST)


def k_means(points: Array, count: int, rng: np.random.Generator, rounds: int = 10) -> Array:
    """Return `count` centres (count, D) of points (P, D): Lloyd's algorithm.

    Each point belongs to its nearest centre, each centre moves to the mean of its points. A centre
    that has lost all of them begins again at a point drawn at random.
    """
    centres = points[rng.choice(len(points), count, replace=False)]
    for _ in range(rounds):
        nearest = distances(points, centres).argmin(axis=1)
        sizes = np.bincount(nearest, minlength=count)
        members = np.eye(count, dtype=np.float32)[nearest]  # (P, count): one 1 in each row
        centres = members.T @ points / np.maximum(sizes, 1)[:, None]
        lost = np.flatnonzero(sizes == 0)
        centres[lost] = points[rng.choice(len(points), len(lost))]
    return centres.astype(np.float32)


def distances(points: Array, centres: Array) -> Array:
    """Return (P, K), squared: |p - c|**2 = |p|**2 - 2 p.c + |c|**2."""
    squares = (points * points).sum(axis=1)[:, None] + (centres * centres).sum(axis=1)
    return np.maximum(squares - 2 * (points @ centres.T), 0)


def closeness(points: Array, centres: Array) -> Array:
    """Return (P, K): how much nearer than the mean centre each centre is; the far ones are 0."""
    far = np.sqrt(distances(points, centres))
    return np.maximum(far.mean(axis=1, keepdims=True) - far, 0)


class LinearSVM:
    """One separating plane for each class, as wide a margin as the data allow."""

    def __init__(self, features: Array, classes: int) -> None:
        self.mean, self.deviation = features.mean(axis=0), features.std(axis=0) + 0.01
        with nn.init.skip_init():  # the problem is convex: it may start anywhere
            self.plane = nn.Linear(features.shape[1], classes)

    def scores(self, features: Array) -> Array:
        """Return (N, classes): on which side of each plane, and how far."""
        return self.plane(tensor(self.scaled(features))).data

    def scaled(self, features: Array) -> Array:
        """Return features of mean 0 and deviation 1."""
        return ((features - self.mean) / self.deviation).astype(np.float32)

    def fit(self, features: Array, labels: Array, *, epochs: int = 10, seed: int = 0) -> None:
        """Descend along the squared hinge loss: 0 where a score is right by a margin of 1."""
        scaled, batch = self.scaled(features), 100
        rate = Cosine(0.5 / scaled.shape[1], total_steps=epochs * -(-len(labels) // batch))
        optimizer = SGD(self.plane.parameters(), lr=rate, momentum=0.9, weight_decay=2e-3)
        for chosen in _batches(len(labels), batch, epochs, seed):
            signs = np.where(labels[chosen, None] == np.arange(self.plane.weight.shape[0]), 1, -1)
            missing = F.relu(
                1 - tensor(signs.astype(np.float32)) * self.plane(tensor(scaled[chosen]))
            )
            loss = (missing * missing).sum() / len(chosen)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def _batches(count: int, size: int, epochs: int, seed: int) -> Iterator[Array]:
    for epoch in range(epochs):
        order = random.generator("svm", epoch, seed=seed).permutation(count)
        yield from (order[i : i + size] for i in range(0, count, size))


def run(train: Dataset, test: Dataset, words: int = 200, seed: int = 0) -> Iterator[str]:
    """Yield what was done, a sentence at a time; the last one has the test accuracy."""
    vocabulary = learn_words(train.images, words, seed=seed)
    yield f"{words} words of {vocabulary.side}x{vocabulary.side} pixels"
    features = vocabulary.encode(train.images)
    yield f"{len(features):,} pictures in {features.shape[1]} numbers each"
    svm = LinearSVM(features, len(train.classes))
    svm.fit(features, train.labels, seed=seed)
    yield f"training accuracy {100 * accuracy(svm, features, train.labels):.2f} %"
    found = accuracy(svm, vocabulary.encode(test.images), test.labels)
    yield f"test accuracy {100 * found:.2f} %"


def accuracy(svm: LinearSVM, features: Array, labels: Array) -> float:
    """Return the share of pictures on the right side."""
    return float((svm.scores(features).argmax(axis=1) == labels).mean())
