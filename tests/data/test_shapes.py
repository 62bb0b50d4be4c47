import numpy as np
import pytest

from tinynet.data import Shapes, shapes
from tinynet.data.shapes import CLASS_COLOR_SHARE, DISTANCES, _colors, _cover


@pytest.fixture(scope="module")
def train():
    return Shapes()


def test_shapes_has_the_promised_arrays(train):
    assert train.images.shape == (3000, 3, 32, 32)
    assert train.images.dtype == np.uint8
    assert train.labels.dtype == np.int64
    assert len(train) == 3000
    assert len(Shapes(train=False)) == 1000
    assert len(set(train.classes)) == len(DISTANCES) == 10


def test_classes_are_balanced_and_mixed(train):
    assert np.bincount(train.labels).tolist() == [300] * 10
    assert np.bincount(train.labels[:500], minlength=10).min() > 20


def test_one_seed_draws_the_same_pictures_again(train):
    again = Shapes(seed=0)
    assert np.array_equal(again.images, train.images)
    assert np.array_equal(again.labels, train.labels)


def test_another_seed_draws_other_pictures(train):
    assert not np.array_equal(Shapes(seed=1).images, train.images)


def test_no_test_picture_is_a_training_picture(train):
    seen = {image.tobytes() for image in train.images}
    assert len(seen) == 3000
    assert not any(image.tobytes() in seen for image in Shapes(train=False).images)


def test_training_and_test_pictures_come_from_different_streams(monkeypatch):
    monkeypatch.setattr(shapes, "TRAIN_IMAGES", shapes.TEST_IMAGES)
    assert not np.array_equal(Shapes().images, Shapes(train=False).images)


def test_no_outline_leaves_the_picture_and_none_is_small():
    labels = np.arange(2000) % 10
    cover = _cover(labels, np.random.default_rng(0))
    area = cover.sum(axis=(1, 2))
    rim = np.concatenate([cover[:, 0], cover[:, -1], cover[:, :, 0], cover[:, :, -1]], axis=1)
    assert (rim.max(axis=1) > 0.5).mean() < 0.02
    assert area.min() > 20
    assert area.max() < 32 * 32 / 2


def test_the_area_of_a_disc_is_pi_r_squared():
    grid = np.arange(32, dtype=np.float32) - np.float32(15.3)
    for r in (6.0, 8.5, 10.5):
        cover = np.clip(0.5 - DISTANCES[0](grid[None, :], grid[:, None], r), 0, 1)
        assert cover.sum() == pytest.approx(np.pi * r * r, rel=0.003)


def test_outlines_are_antialiased():
    cover = _cover(np.zeros(10, int), np.random.default_rng(0))
    between = ((cover > 0.1) & (cover < 0.9)).mean(axis=(1, 2))
    assert (between > 0.01).all()


def test_two_classes_are_never_the_same_outline():
    grid = np.arange(32, dtype=np.float32) - np.float32(15.5)
    covers = [np.clip(0.5 - d(grid[None, :], grid[:, None], 9.0), 0, 1) for d in DISTANCES]
    for i, one in enumerate(covers):
        for other in covers[:i]:
            assert abs(one - other).sum() > 40


def test_shapes_are_lighter_than_their_ground_as_often_as_darker():
    ground, ink = _colors(np.arange(4000) % 10, np.random.default_rng(0))
    difference = (ink - ground).mean(axis=(1, 2, 3))
    assert abs(np.sign(difference).mean()) < 0.06  # 4 standard errors
    assert abs(difference).min() > 25


def test_the_class_colour_is_worn_by_some_pictures_and_not_by_all():
    labels = np.full(4000, 3)
    _, ink = _colors(labels, np.random.default_rng(0))
    tint = (ink - ink.mean(axis=1, keepdims=True))[:, :, 0, 0]
    direction = np.cos(2 * np.pi * (0.3 - np.array([0, 1 / 3, 2 / 3])))
    cosine = tint @ direction / np.linalg.norm(tint, axis=1) / np.linalg.norm(direction)
    chance = 2 * np.arccos(0.98) / (2 * np.pi)
    share = (cosine > 0.98).mean()
    assert share == pytest.approx(CLASS_COLOR_SHARE + 0.6 * chance, abs=0.04)


def test_colour_alone_does_not_tell_the_class(train):
    """The nearest class mean of the average colour: better than chance, far from solved."""
    test = Shapes(train=False)
    colour, probe = (d.images.mean(axis=(2, 3)) for d in (train, test))
    means = np.stack([colour[train.labels == c].mean(axis=0) for c in range(10)])
    nearest = np.linalg.norm(probe[:, None] - means, axis=2).argmin(axis=1)
    assert 0.12 < (nearest == test.labels).mean() < 0.45
