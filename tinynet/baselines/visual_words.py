"""The pre-2012 baseline: bag of visual words with a linear support vector machine.

Small patches are whitened and clustered; the cluster centers are the words. An image becomes four
histograms of its words, one for each quarter, and a linear classifier does the rest. Only the
classifier sees labels: the features are not learned for the task.

The method, with its soft counts, is that of Coates, Lee and Ng (2011) for CIFAR-10.
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
from tinynet.kernels.geometry import Geometry, windows
from tinynet.optim import SGD
from tinynet.optim.schedules import Cosine
from tinynet.tensors import tensor
from tinynet.words import sentence

STRIDE = 2  # pixels between the patches of an image
CONTRAST = 10.0  # added to the variance of a patch, so that flat ones stay small
WHITENING = 0.1  # added to the eigenvalues, so that noise stays small


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Words, and the whitening of a patch before it is compared with them.

    Parameters
    ----------
    words : array of shape (K, C * side * side)
        Whitened.
    mean : array of shape (C * side * side,)
        Of the contrast-normalized patches.
    whitening : array of shape (C * side * side, C * side * side)
    side : int
        Of a patch, in pixels.
    """

    words: Array
    mean: Array
    whitening: Array
    side: int

    def encode(self, images: Array) -> Array:
        """Return soft counts (N, 4 * K) of each word in each quarter of images (N, C, H, W)."""
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
        """Return patches (P, D) with equal contrast, uncorrelated pixels and mean 0."""
        return (normalize_contrast(patches) - self.mean) @ self.whitening


def learn_words(
    images: Array, words: int = 200, *, side: int = 6, patches: int = 40_000, seed: int = 0
) -> Vocabulary:
    """Return the cluster centers of random patches of images.

    Parameters
    ----------
    images : array of shape (N, C, H, W)
    words : int
        Number of clusters.
    side : int
        Of a patch, in pixels.
    patches : int
        Number of patches to cluster.
    seed : int
    """
    rng = random.generator("words", seed=seed)
    sample = normalize_contrast(some_patches(images, patches, side, rng))
    mean = sample.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(sample - mean, rowvar=False))
    whitening = (vectors / np.sqrt(values + WHITENING)) @ vectors.T
    whitening = whitening.astype(np.float32)
    centers = k_means((sample - mean) @ whitening, words, rng)
    return Vocabulary(centers, mean, whitening, side)


def all_patches(images: Array, side: int) -> tuple[Array, tuple[int, int]]:
    """Return windows of images (N, C, H, W), (N * OH * OW, C * side * side), and (OH, OW)."""
    _, C, H, W = images.shape
    outputs = (H - side) // STRIDE + 1, (W - side) // STRIDE + 1
    if min(outputs) < 2:
        raise ShapeError(f"visual words: {side}x{side} patches need larger images than {H}x{W}.")
    geometry = Geometry((side, side), (STRIDE, STRIDE))
    view = windows(np.ascontiguousarray(images), geometry, outputs)
    patches = view.transpose(0, 4, 5, 1, 2, 3).reshape(-1, C * side * side)
    return patches.astype(np.float32), outputs


def some_patches(images: Array, count: int, side: int, rng: np.random.Generator) -> Array:
    """Return `count` random windows of images, (count, C * side * side)."""
    _, _, H, W = images.shape
    which = rng.integers(0, len(images), count)
    tops = rng.integers(0, H - side + 1, count)
    lefts = rng.integers(0, W - side + 1, count)
    places = zip(which, tops, lefts, strict=True)
    found = [images[n, :, i : i + side, j : j + side].reshape(-1) for n, i, j in places]
    return np.stack(found).astype(np.float32)


def normalize_contrast(patches: Array) -> Array:
    """Return contrast-normalized patches (P, D): mean 0 and about the same variance."""
    centered = patches - patches.mean(axis=1, keepdims=True)
    variance = (centered * centered).mean(axis=1, keepdims=True)
    return centered / np.sqrt(variance + CONTRAST)


def k_means(points: Array, count: int, rng: np.random.Generator, rounds: int = 10) -> Array:
    """Return the centers (count, D) of points (P, D), by Lloyd's algorithm.

    Each point belongs to its nearest center, and each center moves to the mean of its points. A
    center without points restarts at a random point.
    """
    centers = points[rng.choice(len(points), count, replace=False)]
    for _ in range(rounds):
        nearest = distances(points, centers).argmin(axis=1)
        sizes = np.bincount(nearest, minlength=count)
        members = np.eye(count, dtype=np.float32)[nearest]  # (P, count): one 1 in each row
        centers = members.T @ points / np.maximum(sizes, 1)[:, None]
        lost = np.flatnonzero(sizes == 0)
        centers[lost] = points[rng.choice(len(points), len(lost))]
    return centers.astype(np.float32)


def distances(points: Array, centers: Array) -> Array:
    """Return the squared distances (P, K): |p - c|**2 = |p|**2 - 2 p.c + |c|**2."""
    squares = (points * points).sum(axis=1)[:, None] + (centers * centers).sum(axis=1)
    return np.maximum(squares - 2 * (points @ centers.T), 0)


def closeness(points: Array, centers: Array) -> Array:
    """Return activations (P, K): mean distance to the centers minus the distance, at least 0."""
    far = np.sqrt(distances(points, centers))
    return np.maximum(far.mean(axis=1, keepdims=True) - far, 0)


class LinearSVM:
    """Linear support vector machine: one hyperplane for each class, with the largest margin.

    Parameters
    ----------
    features : array of shape (N, D)
        For the mean and standard deviation that features are scaled with.
    classes : int
    """

    def __init__(self, features: Array, classes: int) -> None:
        self.mean = features.mean(axis=0)
        self.std = features.std(axis=0) + 0.01
        with nn.init.skip_init():  # the problem is convex, so any start will do
            self.plane = nn.Linear(features.shape[1], classes)

    def scores(self, features: Array) -> Array:
        """Return the scores (N, classes): signed distances from the planes, up to a factor."""
        return self.plane(tensor(self.scaled(features))).data

    def scaled(self, features: Array) -> Array:
        """Return features of mean 0 and standard deviation 1."""
        return ((features - self.mean) / self.std).astype(np.float32)

    def fit(self, features: Array, labels: Array, *, epochs: int = 10, seed: int = 0) -> None:
        """Minimize the squared hinge loss, which is 0 where a score is right by a margin of 1."""
        scaled = self.scaled(features)
        batch = 100
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


@dataclasses.dataclass(frozen=True)
class Words:
    """The vocabulary is learned: so many words, from patches of this side in pixels."""

    count: int
    side: int

    def __str__(self) -> str:
        return sentence("{count} words of {side}x{side} pixels", count=self.count, side=self.side)


@dataclasses.dataclass(frozen=True)
class Features:
    """The training images are encoded: so many images, each as so many numbers."""

    images: int
    numbers: int

    def __str__(self) -> str:
        said = "{images:,} images as {numbers} features each"
        return sentence(said, images=self.images, numbers=self.numbers)


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """Accuracy in 0..1 on the "training" or the "test" images."""

    part: str
    value: float

    def __str__(self) -> str:
        training = "training accuracy {percent:.2f} %"
        said = "test accuracy {percent:.2f} %" if self.part == "test" else training
        return sentence(said, percent=100 * self.value)


def run(
    train: Dataset, test: Dataset, words: int = 200, seed: int = 0
) -> Iterator[Words | Features | Accuracy]:
    """Train and test the baseline; yield a result after each stage, the test accuracy last.

    Parameters
    ----------
    train, test : Dataset
    words : int
        Size of the vocabulary.
    seed : int
    """
    vocabulary = learn_words(train.images, words, seed=seed)
    yield Words(words, vocabulary.side)
    features = vocabulary.encode(train.images)
    yield Features(*features.shape)
    svm = LinearSVM(features, len(train.classes))
    svm.fit(features, train.labels, seed=seed)
    yield Accuracy("training", accuracy(svm, features, train.labels))
    yield Accuracy("test", accuracy(svm, vocabulary.encode(test.images), test.labels))


def accuracy(svm: LinearSVM, features: Array, labels: Array) -> float:
    """Return the share of images whose class has the largest score."""
    return float((svm.scores(features).argmax(axis=1) == labels).mean())
