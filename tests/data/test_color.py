"""PCA color noise: its directions, its size, and one shift an image."""

import numpy as np
import pytest

from tinynet.data import PCAColorNoise, pca_color_basis, pca_color_noise


def stream(seed=0):
    return np.random.default_rng(seed)


def colored(n=40, scale=(50.0, 12.0, 4.0)):
    """Pictures whose pixels spread by `scale` along three known orthogonal directions."""
    directions, _ = np.linalg.qr(stream(5).normal(size=(3, 3)))
    pixels = stream(6).normal(size=(n, 16, 16, 3)) * scale @ directions.T + 128
    return pixels.transpose(0, 3, 1, 2), directions


def test_the_pca_color_basis_finds_known_directions_and_deviations():
    images, directions = colored()
    deviations, vectors = pca_color_basis(images)
    assert np.allclose(deviations, (50, 12, 4), rtol=0.02)
    assert np.allclose(abs(vectors.T @ directions), np.eye(3), atol=0.02)  # columns, up to sign
    assert np.allclose(vectors.T @ vectors, np.eye(3), atol=1e-12)


def test_the_pca_color_basis_diagonalises_numpys_covariance():
    images = stream().integers(0, 256, (7, 3, 5, 4), dtype=np.uint8)
    deviations, vectors = pca_color_basis(images)
    covariance = np.cov(images.transpose(1, 0, 2, 3).reshape(3, -1), bias=True)
    assert np.allclose(vectors * deviations**2 @ vectors.T, covariance, rtol=1e-10, atol=1e-8)


def test_pca_color_noise_moves_whole_pictures_along_the_columns():
    images, _ = colored(4000)
    images = images.astype(np.float32)[:, :, :2, :2]
    basis = deviations, vectors = pca_color_basis(colored()[0])
    shift = pca_color_noise(images, basis, stream(), std=0.1) - images
    assert shift.dtype == np.float32
    assert np.allclose(shift, shift[:, :, :1, :1], atol=1e-4)  # one draw for a picture
    along = shift[:, :, 0, 0] @ vectors  # alpha * deviation for each column
    assert np.allclose(along.std(axis=0), 0.1 * deviations, rtol=0.06)
    assert np.allclose(np.corrcoef(along.T), np.eye(3), atol=0.08)
    wrong = shift[:, :, 0, 0] @ vectors.T  # rows for columns, the common mistake
    assert not np.allclose(wrong.std(axis=0), 0.1 * deviations, rtol=0.06)


def test_grey_pictures_have_one_direction_and_no_noise_of_their_own():
    grey = np.repeat(stream().integers(0, 256, (5, 1, 4, 4)), 3, axis=1)
    deviations, vectors = pca_color_basis(grey)
    assert np.allclose(vectors[:, 0], np.sqrt(1 / 3))
    assert np.allclose(deviations[1:], 0, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_noise_on_bytes_is_refused(dtype):
    """250 + 26 would be 20."""
    images = np.full((4, 3, 2, 2), 250, dtype)
    basis = np.array([20.0, 5.0, 2.0]), np.eye(3)
    with pytest.raises(TypeError, match="must be floats"):
        pca_color_noise(images, basis, stream(), std=1.0)


def test_the_noise_is_what_was_sampled():
    basis = pca_color_basis(colored()[0])
    noise = PCAColorNoise(0.1, basis)
    shift = noise.sample(stream(2), 5)
    images = np.zeros((5, 3, 2, 2), np.float32)
    assert np.array_equal(noise.apply(images, shift)[:, :, 1, 0], shift.astype(np.float32))
    assert np.array_equal(pca_color_noise(images, basis, stream(2)), noise.apply(images, shift))
