"""Crops and flips: which windows, how often, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet.core.errors import ShapeError
from tinynet.data import (
    CenterCrop,
    RandomCrop,
    RandomHorizontalFlip,
    center_crop,
    random_crop,
    random_hflip,
)


def numbered(N, C, H, W):
    """Images in which each pixel knows its place: value = 100 * row + column."""
    place = 100 * np.arange(H)[:, None] + np.arange(W)
    return np.broadcast_to(place, (N, C, H, W)).astype(np.int32)


def stream(seed=0):
    return np.random.default_rng(seed)


@given(
    H=st.integers(1, 9),
    W=st.integers(1, 9),
    size=st.integers(1, 9),
    padding=st.integers(0, 3),
    C=st.sampled_from([1, 3]),
)
def test_a_random_crop_is_a_window_of_the_padded_picture(H, W, size, padding, C):
    images = numbered(6, C, H, W) + 1
    if size > min(H, W) + 2 * padding:
        with pytest.raises(ShapeError, match=f"{size}x{size}"):
            random_crop(images, size, stream(), padding=padding)
        return
    crops = random_crop(images, size, stream(), padding=padding)
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(2, 3))
    assert crops.shape == (6, C, size, size)
    assert crops.dtype == images.dtype
    for n in range(6):
        same = (windows[n] == crops[n][:, None, None]).all(axis=(0, 3, 4))
        assert same.any()


def test_crop_offsets_are_uniform_and_both_ends_occur():
    crops = random_crop(numbered(9000, 1, 40, 40), 32, stream())
    rows, columns = np.divmod(crops[:, 0, 0, 0], 100)
    for offsets in (rows, columns):
        counts = np.bincount(offsets)
        assert len(counts) == 9  # 0 .. 2 * border, the last one included
        assert abs(counts - 1000).max() < 150  # 5 standard deviations
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.05


def test_crops_of_one_batch_differ_and_the_same_stream_repeats_them():
    images = numbered(16, 3, 40, 40)
    crops = random_crop(images, 32, stream(1))
    assert len({crop.tobytes() for crop in crops}) > 8
    assert np.array_equal(crops, random_crop(images, 32, stream(1)))
    assert not np.array_equal(crops, random_crop(images, 32, stream(2)))


@given(H=st.integers(3, 9), W=st.integers(3, 9), size=st.integers(1, 3))
def test_the_center_crop_leaves_equal_margins(H, W, size):
    crop = center_crop(numbered(1, 1, H, W), size)[0, 0]
    top, left = divmod(int(crop[0, 0]), 100)
    assert crop.shape == (size, size)
    assert 0 <= H - size - 2 * top <= 1
    assert 0 <= W - size - 2 * left <= 1


def test_a_mirror_turns_about_half_of_the_pictures_and_only_their_columns():
    images = numbered(2000, 2, 3, 4)
    mirrored = random_hflip(images, stream())
    turned = (mirrored == images[..., ::-1]).all(axis=(1, 2, 3))
    kept = (mirrored == images).all(axis=(1, 2, 3))
    assert (turned ^ kept).all()
    assert abs(turned.sum() - 1000) < 112  # 5 standard deviations


# classes


def test_offsets_are_integers_for_a_bound_crop_and_fractions_else():
    images = numbered(3000, 1, 10, 14)
    crop = RandomCrop(8, padding=1)
    bound = crop.bind(images[:1])
    integers = bound.sample(stream(), 3000)
    assert integers.dtype.kind == "i"
    assert integers.min(axis=0).tolist() == [0, 0]
    assert integers.max(axis=0).tolist() == [4, 8]
    fractions = crop.sample(stream(), 3000)
    assert fractions.dtype.kind == "f"
    places = crop.offsets(fractions, 10, 14)
    for axis, count in ((0, 5), (1, 9)):
        share = np.bincount(places[:, axis], minlength=count) / 3000
        assert len(share) == count
        assert abs(share - 1 / count).max() < 5 * np.sqrt(1 / count / 3000)
    assert np.array_equal(crop.apply(images, fractions), crop.apply(images, places))


def test_a_random_crop_draws_rows_then_columns_from_the_stream():
    """Old runs resume only if the draws stay as they are."""
    images = numbered(5, 1, 40, 44)
    rng = stream(3)
    rows = rng.integers(0, 8, 5, endpoint=True)
    columns = rng.integers(0, 12, 5, endpoint=True)
    crops = RandomCrop(32)(images, stream(3))
    assert crops[:, 0, 0, 0].tolist() == (100 * rows + columns).tolist()


def test_offsets_of_other_images_are_refused():
    small = numbered(4, 1, 32, 32)
    params = RandomCrop(24).bind(numbered(1, 1, 40, 40)).sample(stream(), 4)
    with pytest.raises(ShapeError, match="drawn for images of"):
        RandomCrop(24).bind(numbered(1, 1, 40, 40)).apply(small, params)
    with pytest.raises(ShapeError, match=r"0\.\.8 and 0\.\.8"):
        RandomCrop(24).apply(small, np.array([[0, 9]] * 4))
    with pytest.raises(ShapeError, match=r"0\.\.8"):
        RandomCrop(24).apply(small, np.array([[-1, 0]] * 4))


@pytest.mark.parametrize("size", [33, 40, 100])
def test_a_center_crop_larger_than_the_image_is_refused(size):
    images = np.zeros((2, 3, 32, 32), np.uint8)
    for crop in (CenterCrop(size), lambda x: center_crop(x, size)):
        with pytest.raises(ShapeError, match=rf"{size}x{size} must fit.* 32x32"):
            crop(images)
    with pytest.raises(ShapeError, match=r"24x24 must fit.* 20x30"):
        center_crop(np.zeros((2, 3, 20, 30), np.uint8), 24)


@pytest.mark.parametrize("size", [0, -1, (32, 24), (8, 8, 8), 2.5])
def test_a_size_is_one_side_of_a_square(size):
    for kind in (RandomCrop, CenterCrop):
        with pytest.raises((ShapeError, TypeError)):
            kind(size)
    assert RandomCrop((8, 8)).size == CenterCrop((8, 8)).size == 8


def test_padding_and_probabilities_have_their_ranges():
    with pytest.raises(ValueError, match="padding is a number of pixels"):
        RandomCrop(8, padding=(1, 2))
    with pytest.raises(ValueError, match="padding"):
        RandomCrop(8, padding=-1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        RandomHorizontalFlip(1.5)


@pytest.mark.parametrize("p", [0, 0.1, 1])
def test_a_flip_has_its_probability(p):
    flipped = RandomHorizontalFlip(p).sample(stream(), 10_000)
    assert flipped.dtype == bool
    assert abs(flipped.mean() - p) <= 5 * np.sqrt(p * (1 - p) / 10_000)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: random_crop(x, 4, stream()),
        lambda x: random_hflip(x, stream()),
        lambda x: RandomCrop(4).apply(x, np.zeros((1, 2), int)),
        lambda x: RandomHorizontalFlip().apply(x, np.array([True])),
    ],
)
def test_a_single_image_is_refused_in_a_sentence(call):
    with pytest.raises(ShapeError, match=r"expected a batch .*\(3, 8, 8\).*image\[None\]"):
        call(np.zeros((3, 8, 8), np.uint8))
