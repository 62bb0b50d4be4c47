"""PCA color noise (Krizhevsky et al. 2012, section 4.1, the second form of data augmentation)."""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.checks import is_number
from tinynet.core.errors import DataError, ShapeError
from tinynet.data.transforms.base import Transform, check_batch
from tinynet.data.transforms.pixel_statistics import moments


class PCAColorNoise(Transform):
    """The color of each image shifted along the directions in which colors vary anyway.

        y[n] = x[n] + vectors @ (alpha[n] * deviations)
        alpha[n] ~ N(0, std**2), one draw an image

    Parameters
    ----------
    std : of alpha; the paper's is 0.1
    basis : (deviations (C,), vectors (C, C)) from `pca_color_basis`, on the scale of the images

    Raises
    ------
    TypeError : for images of bytes, whose sums would wrap around
    ShapeError : if the images have another number of channels than the basis

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import data
    >>> images = data.Shapes().images
    >>> noise = data.PCAColorNoise(0.1, data.pca_color_basis(images))
    >>> noise(images[:2].astype(np.float32), np.random.default_rng(0)).shape
    (2, 3, 32, 32)
    """

    def __init__(self, std: float, basis: tuple[Array, Array]) -> None:
        if not is_number(std, 0):
            raise ValueError(f"PCAColorNoise: std is a number, at least 0, got {std!r}.")
        self.std = std
        self.deviations, self.vectors = basis

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draw the shift of each channel of each image, (n, C) float64."""
        alpha = rng.normal(0, self.std, (n, len(self.deviations)))
        return (alpha * self.deviations) @ self.vectors.T

    def apply(self, images: Array, params: Array) -> Array:
        """Return the images plus the shifts (N, C), same dtype."""
        _, C, _, _ = check_batch(images, "PCAColorNoise")
        if len(self.deviations) != C:
            raise ShapeError(
                f"PCAColorNoise: the basis is of {len(self.deviations)} channels, the images "
                f"{images.shape} have {C}."
            )
        if images.dtype.kind != "f":
            raise TypeError(
                f"PCAColorNoise: images must be floats, since sums of {images.dtype} wrap around. "
                "Pass images.astype(np.float32), or put it after Normalize."
            )
        return images + params.astype(images.dtype)[:, :, None, None]

    def __repr__(self) -> str:
        return f"PCAColorNoise({self.std:g}, {len(self.deviations)} directions)"


def pca_color_basis(images: Array) -> tuple[Array, Array]:
    """Return the directions along which the colors of all pixels vary, and how far.

    The eigenvectors of the C x C covariance of the pixel values, and the square roots of its
    eigenvalues. (The paper writes "eigenvalues". On 0..255 the first one is about 11,000 for
    CIFAR-10, and a tenth of it as noise would wipe the images out; the code of 2012 names its
    array `color_stdevs`, and a standard deviation is a square root: about 106.)

    Parameters
    ----------
    images : (N, C, H, W), the training images

    Returns
    -------
    deviations (C,), largest first; vectors (C, C), a direction in each *column*. float64. A
    direction's sign means nothing; its largest component is made positive.
    """
    if not min(check_batch(images, "pca_color_basis")):
        raise DataError(f"pca_color_basis: it needs at least one pixel, got {images.shape}.")
    count, total, products = moments(images)
    mean = total / count
    covariance = products / count - np.outer(mean, mean)
    ascending, columns = np.linalg.eigh(covariance)
    eigenvalues = ascending[::-1]
    vectors = columns[:, ::-1]
    largest = np.take_along_axis(vectors, abs(vectors).argmax(axis=0)[None], axis=0)
    return np.sqrt(np.maximum(eigenvalues, 0)), vectors * np.sign(largest)


def pca_color_noise(
    images: Array, basis: tuple[Array, Array], rng: np.random.Generator, *, std: float = 0.1
) -> Array:
    """Return images with `PCAColorNoise` added.

    Parameters
    ----------
    images : (N, C, H, W), floats, on the scale on which `basis` was measured
    basis : from `pca_color_basis`
    std : of the noise, in standard deviations of the colors
    """
    return PCAColorNoise(std, basis)(images, rng)
