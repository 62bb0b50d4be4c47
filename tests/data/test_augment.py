import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet.core.errors import DataError, ShapeError
from tinynet.data import (
    Normaliser,
    average_views,
    centre_crop,
    colour_basis,
    colour_noise,
    mirror,
    random_crop,
    ten_views,
)


def numbered(N, C, H, W):
    """Pictures in which each pixel knows its place: value = 100 * row + column."""
    place = 100 * np.arange(H)[:, None] + np.arange(W)
    return np.broadcast_to(place, (N, C, H, W)).astype(np.int32)


def stream(seed=0):
    return np.random.default_rng(seed)


# crops


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
def test_the_centre_crop_leaves_equal_margins(H, W, size):
    crop = centre_crop(numbered(1, 1, H, W), size)[0, 0]
    top, left = divmod(int(crop[0, 0]), 100)
    assert crop.shape == (size, size)
    assert 0 <= H - size - 2 * top <= 1
    assert 0 <= W - size - 2 * left <= 1


def test_augmenting_writes_to_no_input_and_shares_no_memory_with_it():
    images = stream().integers(0, 256, (8, 3, 6, 6), dtype=np.uint8)
    images.flags.writeable = False
    basis = colour_basis(images)
    for changed in (
        random_crop(images, 6, stream()),
        mirror(images, stream()),
        ten_views(images, 6),
        colour_noise(images.astype(np.float32), basis, stream()),
        Normaliser.fit("mean-image", images)(images),
    ):
        assert not np.shares_memory(changed, images)


# mirrors


def test_a_mirror_turns_about_half_of_the_pictures_and_only_their_columns():
    images = numbered(2000, 2, 3, 4)
    mirrored = mirror(images, stream())
    turned = (mirrored == images[..., ::-1]).all(axis=(1, 2, 3))
    kept = (mirrored == images).all(axis=(1, 2, 3))
    assert (turned ^ kept).all()
    assert abs(turned.sum() - 1000) < 112  # 5 standard deviations


# ten views


def test_ten_views_are_the_corners_the_centre_and_their_mirrors():
    images = numbered(2, 3, 8, 6)
    views = ten_views(images, 4)
    assert views.shape == (10, 2, 3, 4, 4)
    assert views[:5, 0, 0, 0, 0].tolist() == [0, 2, 400, 402, 201]
    assert np.array_equal(views[5:], views[:5, ..., ::-1])


def test_ten_views_of_a_symmetric_net_average_to_its_answer():
    scores = stream().normal(size=(1, 4, 10))
    mean = average_views(np.repeat(scores, 10, axis=0))
    exact = np.exp(scores[0]) / np.exp(scores[0]).sum(axis=1, keepdims=True)
    assert np.allclose(mean, exact, rtol=1e-14)


def test_views_are_averaged_as_probabilities_and_not_as_scores():
    scores = np.array([[[5.0, 0.0, 0.0]], [[0.0, 4.0, 0.0]], [[0.0, 4.0, 0.0]], [[9.0, 0.0, 0.0]]])
    scores[3, 0, 0] = 1000.0  # one loud view; also: no overflow
    assert average_views(scores)[0].argmax() == 0
    loud = np.array([[[60.0, 0.0]], [[0.0, 10.0]], [[0.0, 10.0]]])
    assert loud.mean(axis=0)[0].argmax() == 0  # the mean of scores follows the loudest
    assert average_views(loud)[0].argmax() == 1
    assert average_views(loud).sum() == pytest.approx(1)


# colour


def coloured(n=40, scale=(50.0, 12.0, 4.0)):
    """Pictures whose pixels spread by `scale` along three known orthogonal directions."""
    directions, _ = np.linalg.qr(stream(5).normal(size=(3, 3)))
    pixels = stream(6).normal(size=(n, 16, 16, 3)) * scale @ directions.T + 128
    return pixels.transpose(0, 3, 1, 2), directions


def test_the_colour_basis_finds_known_directions_and_deviations():
    images, directions = coloured()
    deviations, vectors = colour_basis(images)
    assert np.allclose(deviations, (50, 12, 4), rtol=0.02)
    assert np.allclose(abs(vectors.T @ directions), np.eye(3), atol=0.02)  # columns, up to sign
    assert np.allclose(vectors.T @ vectors, np.eye(3), atol=1e-12)


def test_the_colour_basis_diagonalises_numpys_covariance():
    images = stream().integers(0, 256, (7, 3, 5, 4), dtype=np.uint8)
    deviations, vectors = colour_basis(images)
    covariance = np.cov(images.transpose(1, 0, 2, 3).reshape(3, -1), bias=True)
    assert np.allclose(vectors * deviations**2 @ vectors.T, covariance, rtol=1e-10, atol=1e-8)


def test_colour_noise_moves_whole_pictures_along_the_columns():
    images, _ = coloured(4000)
    images = images.astype(np.float32)[:, :, :2, :2]
    basis = deviations, vectors = colour_basis(coloured()[0])
    shift = colour_noise(images, basis, stream(), strength=0.1) - images
    assert shift.dtype == np.float32
    assert np.allclose(shift, shift[:, :, :1, :1], atol=1e-4)  # one draw for a picture
    along = shift[:, :, 0, 0] @ vectors  # alpha * deviation for each column
    assert np.allclose(along.std(axis=0), 0.1 * deviations, rtol=0.06)
    assert np.allclose(np.corrcoef(along.T), np.eye(3), atol=0.08)
    wrong = shift[:, :, 0, 0] @ vectors.T  # rows for columns, the common mistake
    assert not np.allclose(wrong.std(axis=0), 0.1 * deviations, rtol=0.06)


def test_grey_pictures_have_one_direction_and_no_noise_of_their_own():
    grey = np.repeat(stream().integers(0, 256, (5, 1, 4, 4)), 3, axis=1)
    deviations, vectors = colour_basis(grey)
    assert np.allclose(vectors[:, 0], np.sqrt(1 / 3))
    assert np.allclose(deviations[1:], 0, atol=1e-5)


# normalisation


def test_standardised_channels_have_mean_zero_and_deviation_one():
    images = stream().integers(0, 256, (1200, 3, 4, 6), dtype=np.uint8)
    images[:, 1] //= 4
    y = Normaliser.fit("standardise", images)(images)
    assert y.dtype == np.float32
    assert np.allclose(y.mean(axis=(0, 2, 3), dtype=np.float64), 0, atol=1e-5)
    assert np.allclose(y.std(axis=(0, 2, 3), dtype=np.float64), 1, atol=1e-5)


def test_channel_statistics_are_numpys():
    images = stream().integers(0, 256, (600, 3, 4, 6), dtype=np.uint8)
    normaliser = Normaliser.fit("standardise", images)
    assert np.allclose(normaliser.mean[:, 0, 0], images.mean(axis=(0, 2, 3)), rtol=1e-6)
    assert np.allclose(normaliser.deviation[:, 0, 0], images.std(axis=(0, 2, 3)), rtol=1e-6)


def test_the_mean_image_is_subtracted_pixel_by_pixel():
    images = stream().integers(0, 256, (40, 3, 5, 5), dtype=np.uint8)
    normaliser = Normaliser.fit("mean-image", images)
    assert np.allclose(normaliser(images), images - images.mean(axis=0), atol=1e-4)


def test_a_crop_loses_the_middle_of_the_mean_image_wherever_it_was_cut():
    images = numbered(2, 1, 8, 8)
    normaliser = Normaliser.fit("mean-image", images)
    corner = images[:, :, :4, :4]
    assert np.array_equal(normaliser(corner), corner - images[:, :, 2:6, 2:6])


def test_a_constant_channel_becomes_zero_and_not_nan():
    images = np.full((3, 1, 2, 2), 7, np.uint8)
    assert not Normaliser.fit("standardise", images)(images).any()


@pytest.mark.parametrize("kind", ["standardise", "mean-image"])
def test_a_normaliser_survives_its_arrays(kind):
    images = stream().integers(0, 256, (9, 3, 4, 4), dtype=np.uint8)
    normaliser = Normaliser.fit(kind, images)
    again = Normaliser.from_arrays({k: v.copy() for k, v in normaliser.arrays().items()})
    assert all(a.dtype == np.float32 for a in normaliser.arrays().values())
    assert np.array_equal(again(images), normaliser(images))


def test_a_normaliser_refuses_no_pictures_and_unknown_kinds():
    with pytest.raises(DataError, match="Got 0"):
        Normaliser.fit("standardise", np.empty((0, 3, 4, 4), np.uint8))
    with pytest.raises(ValueError, match="'whiten'"):
        Normaliser.fit("whiten", np.zeros((1, 3, 4, 4), np.uint8))
