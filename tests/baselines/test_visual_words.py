"""The bag of visual words: clusters, words, margins, and accuracy on the drawn shapes."""

from types import SimpleNamespace

import numpy as np
import pytest

from tinynet import data
from tinynet.baselines import visual_words
from tinynet.baselines.visual_words import (
    LinearSVM,
    Vocabulary,
    closeness,
    distances,
    k_means,
    learn_words,
)
from tinynet.core.errors import ShapeError
from tinynet.testing import tolerance


def test_distances_are_squared_lengths_of_differences(rng):
    points = rng.standard_normal((5, 3))
    centers = rng.standard_normal((4, 3))
    expected = ((points[:, None] - centers) ** 2).sum(axis=2)
    assert distances(points, centers) == pytest.approx(expected, rel=tolerance(50, np.float64))


def test_clusters_that_lie_apart_are_found(rng):
    middles = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])
    points = np.repeat(middles, 50, axis=0) + 0.1 * rng.standard_normal((200, 2))
    # two rounds of bad luck may leave a pair with one center: of ten starts the best
    found = min(
        (k_means(points, 4, np.random.default_rng(seed)) for seed in range(10)),
        key=lambda centers: distances(points, centers).min(axis=1).sum(),
    )
    assert sorted(found.round().tolist()) == sorted(middles.tolist())


def test_a_center_that_lost_its_points_begins_again():
    points = np.array([[0.0], [0.0], [0.0], [9.0]])
    centers = k_means(points, 2, np.random.default_rng(0), rounds=20)
    assert sorted(centers.ravel().tolist()) in ([0, 9], [0, 0])
    assert np.isfinite(centers).all()


def test_only_words_nearer_than_the_mean_count():
    points = np.array([[0.0]])
    centers = np.array([[1.0], [2.0], [6.0]])
    assert closeness(points, centers).tolist() == [[2, 1, 0]]


def test_a_picture_becomes_counts_of_its_quarters():
    """One quarter has stripes, the others are flat: only its counts differ."""
    image = np.zeros((1, 1, 16, 16), np.uint8)
    image[0, 0, 8:, 8::2] = 255
    words = Vocabulary(np.eye(2, 16, dtype="f"), np.zeros(16, "f"), np.eye(16, dtype="f"), 4)
    striped, flat = (words.encode(i).reshape(4, 2) for i in (image, np.zeros_like(image)))
    assert (striped != flat).any(axis=1).tolist() == [False, False, False, True]


def test_white_patches_are_uncorrelated(rng):
    images = rng.integers(0, 256, (40, 3, 12, 12)).astype(np.uint8)
    images[:, 1] = images[:, 0]  # two colours that always agree
    words = learn_words(images, 5, side=4, patches=4000)
    patches, _ = visual_words.all_patches(images, 4)
    spread = np.linalg.eigvalsh(np.cov(words.white(patches), rowvar=False))
    assert words.words.shape == (5, 48)
    assert spread[:17] == pytest.approx(np.zeros(17), abs=1e-3)  # the equal colours, the mean
    assert spread[17:] == pytest.approx(np.ones(31), abs=0.4)  # of other patches than the sample
    assert spread[17:].mean() == pytest.approx(1, abs=0.1)


def test_a_seed_decides_the_words(rng):
    images = rng.integers(0, 256, (10, 3, 12, 12)).astype(np.uint8)
    a, b, c = (learn_words(images, 4, side=4, patches=500, seed=s).words for s in (1, 1, 2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_a_machine_separates_what_a_line_can(rng):
    features = rng.standard_normal((300, 2)).astype("f")
    labels = (features @ [2.0, -1.0] > 0.3).astype(int) + (features @ [1.0, 1.0] > 1.5)
    svm = LinearSVM(features, 3)
    svm.fit(features, labels, epochs=30)
    assert visual_words.accuracy(svm, features, labels) > 0.8


def test_patches_larger_than_the_picture_are_refused():
    with pytest.raises(ShapeError, match=r"6x6.*7x7"):
        visual_words.all_patches(np.zeros((1, 3, 7, 7), np.uint8), 6)


@pytest.mark.slow
def test_the_drawn_shapes_are_told_apart():
    def few(train, count):
        found = data.Shapes(train=train)
        return SimpleNamespace(
            images=found.images[:count], labels=found.labels[:count], classes=found.classes
        )

    *_, last = visual_words.run(few(True, 300), few(False, 150), words=16)
    assert last.part == "test"
    assert last.value > 0.4  # of ten classes
    assert str(last) == f"test accuracy {100 * last.value:.2f} %"
