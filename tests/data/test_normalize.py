"""Normalization: means, deviations, mean images, and numbers on the wrong scale."""

import numpy as np
import pytest

from tinynet.core.errors import DataError, ShapeError
from tinynet.data import Normalize, Shapes, center_crop


def numbered(N, C, H, W):
    """Images in which each pixel knows its place: value = 100 * row + column."""
    place = 100 * np.arange(H)[:, None] + np.arange(W)
    return np.broadcast_to(place, (N, C, H, W)).astype(np.int32)


def stream(seed=0):
    return np.random.default_rng(seed)


def test_standardised_channels_have_mean_zero_and_deviation_one():
    images = stream().integers(0, 256, (1200, 3, 4, 6), dtype=np.uint8)
    images[:, 1] //= 4
    y = Normalize.fit("standardize", images)(images)
    assert y.dtype == np.float32
    assert np.allclose(y.mean(axis=(0, 2, 3), dtype=np.float64), 0, atol=1e-5)
    assert np.allclose(y.std(axis=(0, 2, 3), dtype=np.float64), 1, atol=1e-5)


def test_channel_statistics_are_numpys():
    images = stream().integers(0, 256, (600, 3, 4, 6), dtype=np.uint8)
    normalize = Normalize.fit("standardize", images)
    assert np.allclose(normalize.mean[:, 0, 0], images.mean(axis=(0, 2, 3)), rtol=1e-6)
    assert np.allclose(normalize.std[:, 0, 0], images.std(axis=(0, 2, 3)), rtol=1e-6)


def test_the_mean_image_is_subtracted_pixel_by_pixel():
    images = stream().integers(0, 256, (40, 3, 5, 5), dtype=np.uint8)
    normalize = Normalize.fit("mean-image", images)
    assert np.allclose(normalize(images), images - images.mean(axis=0), atol=1e-4)


def test_a_crop_loses_the_middle_of_the_mean_image_wherever_it_was_cut():
    images = numbered(2, 1, 8, 8)
    normalize = Normalize.fit("mean-image", images)
    corner = images[:, :, :4, :4]
    assert np.array_equal(normalize(corner), corner - images[:, :, 2:6, 2:6])


def test_a_constant_channel_becomes_zero_and_not_nan():
    images = np.full((3, 1, 2, 2), 7, np.uint8)
    assert not Normalize.fit("standardize", images)(images).any()


@pytest.mark.parametrize("kind", ["standardize", "mean-image"])
def test_a_normalize_survives_its_arrays(kind):
    images = stream().integers(0, 256, (9, 3, 4, 4), dtype=np.uint8)
    normalize = Normalize.fit(kind, images)
    again = Normalize.from_arrays({k: v.copy() for k, v in normalize.arrays().items()})
    assert all(a.dtype == np.float32 for a in normalize.arrays().values())
    assert np.array_equal(again(images), normalize(images))


def test_a_normalize_refuses_no_pictures_and_unknown_kinds():
    with pytest.raises(DataError, match="Got 0"):
        Normalize.fit("standardize", np.empty((0, 3, 4, 4), np.uint8))
    with pytest.raises(ValueError, match="'whiten'"):
        Normalize.fit("whiten", np.zeros((1, 3, 4, 4), np.uint8))


def test_lists_of_one_number_a_channel_are_taken_as_elsewhere():
    images = stream().integers(0, 256, (4, 3, 5, 6), dtype=np.uint8)
    mean = [125.3, 123.0, 113.9]
    std = (63.0, 62.1, 66.7)
    y = Normalize(mean, std)(images)
    wanted = (images - np.array(mean)[:, None, None]) / np.array(std)[:, None, None]
    assert y.dtype == np.float32
    assert np.allclose(y, wanted, atol=1e-5)
    assert np.allclose(Normalize(0, 255)(images), images / 255, rtol=1e-6)


def test_numbers_for_images_in_0_to_1_need_a_scale():
    """PyTorch's lists on bytes would give inputs of 1,000."""
    images = stream().integers(0, 256, (4, 3, 5, 6), dtype=np.uint8)
    mean = (0.4914, 0.4822, 0.4465)
    std = (0.247, 0.243, 0.261)
    with pytest.raises(ValueError, match=r"bytes in 0\.\.255.*Pass scale=255"):
        Normalize(mean, std)(images)
    wanted = Normalize(mean, std)(images / 255)
    assert np.allclose(Normalize(mean, std, scale=255)(images), wanted, atol=1e-5)
    Normalize(mean, std, scale=1)(images)
    Normalize.fit("standardize", images // 255)(images // 255)  # measured, so they are right


@pytest.mark.parametrize("std", [0, [1, 0, 1], -1, np.nan])
def test_a_deviation_is_above_zero(std):
    with pytest.raises(ValueError, match="std"):
        Normalize(0, std)


def test_numbers_for_other_channels_are_refused():
    with pytest.raises(ShapeError, match="for 3 channels"):
        Normalize([100, 100, 100], 50)(np.zeros((2, 1, 4, 4), np.uint8))
    with pytest.raises(ShapeError, match="mean is one number"):
        Normalize(np.zeros((3, 3)), 1)


def test_arrays_have_the_names_and_shapes_of_old_checkpoints():
    images = stream().integers(0, 256, (9, 3, 4, 4), dtype=np.uint8)
    for kind, mean in (("standardize", (3, 1, 1)), ("mean-image", (3, 4, 4))):
        arrays = Normalize.fit(kind, images).arrays()
        assert {name: a.shape for name, a in arrays.items()} == {
            "mean": mean,
            "deviation": (3, 1, 1),
        }
        again = Normalize.from_arrays({"mean": arrays["mean"], "std": arrays["deviation"]})
        assert np.array_equal(again(images), Normalize.fit(kind, images)(images))


def test_a_data_set_is_measured_by_its_images():
    shapes = Shapes(train=False)
    one = Normalize.fit("standardize", shapes)
    assert np.array_equal(one.mean, Normalize.fit("standardize", shapes.images).mean)


def test_of_a_mean_image_the_middle_is_used():
    mean = stream().random((3, 8, 8)).astype(np.float32)
    assert np.array_equal(Normalize(mean, 1).mean_for(4, 4), center_crop(mean, 4))
