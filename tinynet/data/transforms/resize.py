"""Transforms that change the size or the channels of images, without anything random."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.checks import is_whole
from tinynet.core.errors import ShapeError
from tinynet.data.transforms.base import Transform, check_batch


def resize(images: Array, size: int) -> Array:
    """Return images of another size by bilinear interpolation, antialiased where they shrink.

    A pixel of the result is a mean of those around its place in the image, weighted by
    1 - distance, over a neighborhood that is wider where the image becomes smaller. Weights for
    rows and weights for columns: two matrix products.

    Parameters
    ----------
    images : (..., H, W), bytes or floats
    size : pixels

    Returns
    -------
    (..., size, size), same dtype

    Raises
    ------
    ShapeError : if `size` is below 1
    """
    size = square(size, "resize")
    images = np.asarray(images)
    H, W = images.shape[-2:]
    y = np.matmul(images.astype(np.float32), _weights(W, size).T)
    y = np.matmul(_weights(H, size), y)
    if images.dtype.kind == "f":
        return y.astype(images.dtype, copy=False)
    return np.rint(y, out=y).astype(images.dtype)


def _weights(length: int, size: int) -> Array:
    """Return the weight of each of `length` pixels in `size` new ones, (size, length)."""
    scale = length / size
    centers = (np.arange(size) + 0.5) * scale
    distances = abs(centers[:, None] - (np.arange(length) + 0.5)) / max(1.0, scale)
    weights = np.maximum(0, 1 - distances)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


class Resize(Transform):
    """Bilinear interpolation to size x size; images of that size are returned as they are.

    Parameters
    ----------
    size : pixels

    Examples
    --------
    >>> from tinynet import data
    >>> data.Resize(227)(data.Shapes().images[:2]).shape
    (2, 3, 227, 227)
    """

    def __init__(self, size: int | tuple[int, int]) -> None:
        self.size = square(size, "Resize")

    def apply(self, images: Array, params: Any = None) -> Array:
        """Return images (N, C, size, size)."""
        check_batch(images, "Resize")
        if images.shape[2:] == (self.size, self.size):
            return images
        return resize(images, self.size)

    def __repr__(self) -> str:
        return f"Resize({self.size})"


class Enlarge(Transform):
    """Enlargement by a whole factor: each pixel becomes a square of factor x factor pixels.

    Parameters
    ----------
    factor : at least 1

    Examples
    --------
    >>> from tinynet import data
    >>> data.Enlarge(8)(data.Shapes().images[:2]).shape
    (2, 3, 256, 256)
    """

    def __init__(self, factor: int) -> None:
        if not is_whole(factor, 1):
            raise ValueError(
                f"Enlarge: the factor is at least 1 and whole, got {factor!r}. For other sizes: "
                "data.Resize(size)."
            )
        self.factor = int(factor)

    def apply(self, images: Array, params: Any = None) -> Array:
        """Return images (N, C, factor * H, factor * W)."""
        check_batch(images, "Enlarge")
        if self.factor == 1:
            return images
        return images.repeat(self.factor, axis=2).repeat(self.factor, axis=3)

    def __repr__(self) -> str:
        return f"Enlarge({self.factor})"


class PadTo(Transform):
    """Zeros around images that are smaller than size x size; larger ones stay as they are.

    Parameters
    ----------
    size : pixels

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import data
    >>> data.PadTo(32)(np.ones((5, 1, 28, 28), np.uint8)).shape
    (5, 1, 32, 32)
    """

    def __init__(self, size: int | tuple[int, int]) -> None:
        self.size = square(size, "PadTo")

    def apply(self, images: Array, params: Any = None) -> Array:
        """Return images with the old ones in the middle."""
        _, _, H, W = check_batch(images, "PadTo")
        rows = max(0, self.size - H)
        columns = max(0, self.size - W)
        if not rows and not columns:
            return images
        above = rows // 2
        left = columns // 2
        return np.pad(images, ((0, 0), (0, 0), (above, rows - above), (left, columns - left)))

    def __repr__(self) -> str:
        return f"PadTo({self.size})"


class ToThreeChannels(Transform):
    """Three equal channels for images of one; images of three stay as they are.

    Raises
    ------
    ShapeError : if the images have another number of channels

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import data
    >>> data.ToThreeChannels()(np.ones((5, 1, 28, 28), np.uint8)).shape
    (5, 3, 28, 28)
    """

    def apply(self, images: Array, params: Any = None) -> Array:
        """Return images (N, 3, H, W)."""
        _, C, _, _ = check_batch(images, "ToThreeChannels")
        if C not in (1, 3):
            raise ShapeError(f"ToThreeChannels: images have 1 or 3 channels, got {images.shape}.")
        return np.repeat(images, 3, axis=1) if C == 1 else images


def square(size: int | tuple[int, int], op: str) -> int:
    """Return the side of a square given as an integer or as a pair of equal integers.

    Raises
    ------
    ShapeError : if the sides differ, or are not whole numbers above 0
    """
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2 or pair[0] != pair[1] or not is_whole(pair[0], 1):
        raise ShapeError(
            f"{op}: the result is a square of at least 1 pixel, so size is one integer, got "
            f"{size!r}."
        )
    return int(pair[0])
