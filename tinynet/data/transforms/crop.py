"""Random crops and horizontal flips, center crops (Krizhevsky et al. 2012, section 4.1)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.checks import is_number, is_whole
from tinynet.core.errors import ShapeError
from tinynet.data.transforms.base import Transform, check_batch
from tinynet.data.transforms.resize import PadTo, square


class RandomCrop(Transform):
    """A window of each image at a random place.

    Offsets are uniform over 0 .. H + 2 * padding - size, both ends included: a 32-pixel image with
    4 pixels of padding has 9 of them on each axis, a 224-pixel window in 256 pixels has 33.

    Parameters
    ----------
    size : side of the window in pixels
    padding : zeros on all four sides before the crop; after `Normalize` zero is the mean

    Raises
    ------
    ShapeError : if the window does not fit in the padded images

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import data
    >>> images = data.Shapes().images[:2]
    >>> crop = data.RandomCrop(24)
    >>> crop(images, np.random.default_rng(0)).shape
    (2, 3, 24, 24)
    >>> crop.apply(images, np.array([[0, 0], [8, 8]])).shape  # the upper left, the lower right
    (2, 3, 24, 24)
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0) -> None:
        self.size = square(size, "RandomCrop")
        if not is_whole(padding, 0):
            raise ValueError(
                f"RandomCrop: padding is a number of pixels for all four sides, got {padding!r}."
            )
        self.padding = int(padding)
        self.image_size: tuple[int, int] | None = None  # (H, W), see `bind`

    def bind(self, example: Array) -> RandomCrop:
        """Return a crop whose offsets are drawn for images as large as the example."""
        _, _, H, W = check_batch(example, "RandomCrop")
        check_window(self.size, H, W, self.padding)
        bound = RandomCrop(self.size, self.padding)
        bound.image_size = (H, W)
        return bound

    def evaluation(self) -> Transform | None:
        """Return the crop of the middle; nothing where the window is the whole image."""
        if self.image_size is None or self.size < min(self.image_size):
            return CenterCrop(self.size)
        return None if self.image_size == (self.size, self.size) else PadTo(self.size)

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draw the row and the column of each window.

        Returns
        -------
        (n, 2) integers for a crop that was bound to images of one size, as a loader does it; else
        (n, 2) floats, fractions 0 <= f < 1 of the places that there are
        """
        if self.image_size is None:
            return rng.random((n, 2))
        H, W = self.image_size
        border = 2 * self.padding
        top = rng.integers(0, H + border - self.size, n, endpoint=True)
        left = rng.integers(0, W + border - self.size, n, endpoint=True)
        return np.stack([top, left], axis=1)

    def offsets(self, params: Array, H: int, W: int) -> Array:
        """Return the row and the column of each window in padded images, (n, 2) integers.

        Raises
        ------
        ShapeError : if the windows were drawn for images of another size
        """
        check_window(self.size, H, W, self.padding)
        if self.image_size not in (None, (H, W)):
            raise ShapeError(
                f"RandomCrop: the offsets were drawn for images of {self.image_size}, "
                f"the images are {(H, W)}."
            )
        last = np.array([H, W]) + 2 * self.padding - self.size
        places = np.asarray(params)
        if places.dtype.kind == "f":
            places = np.floor(places * (last + 1)).astype(np.int64)
        if len(places) and not (places.min() >= 0 and (places <= last).all()):
            raise ShapeError(
                f"RandomCrop: the row and the column of a window are in 0..{last[0]} and "
                f"0..{last[1]}, got {places.min(axis=0)} to {places.max(axis=0)}."
            )
        return places

    def apply(self, images: Array, params: Array) -> Array:
        """Return the windows (N, C, size, size) at these offsets (N, 2), same dtype."""
        N, C, H, W = check_batch(images, "RandomCrop")
        places = self.offsets(params, H, W)
        size = self.size
        border = self.padding
        padded = images
        if border:
            padded = np.zeros((N, C, H + 2 * border, W + 2 * border), images.dtype)
            padded[:, :, border : border + H, border : border + W] = images
        out = np.empty((N, C, size, size), images.dtype)
        for i, (row, column) in enumerate(places.tolist()):
            out[i] = padded[i, :, row : row + size, column : column + size]
        return out

    def __repr__(self) -> str:
        padding = f", padding={self.padding}" if self.padding else ""
        return f"RandomCrop({self.size}{padding})"


class CenterCrop(Transform):
    """The window in the middle of each image.

    Parameters
    ----------
    size : side of the window in pixels

    Raises
    ------
    ShapeError : if the window is larger than the images

    Examples
    --------
    >>> from tinynet import data
    >>> data.CenterCrop(24)(data.Shapes().images[:2]).shape
    (2, 3, 24, 24)
    """

    def __init__(self, size: int | tuple[int, int]) -> None:
        self.size = square(size, "CenterCrop")

    def apply(self, images: Array, params: Any = None) -> Array:
        """Return views (N, C, size, size)."""
        return center_crop(images, self.size)

    def __repr__(self) -> str:
        return f"CenterCrop({self.size})"


class RandomHorizontalFlip(Transform):
    """Each image mirrored left to right with probability p.

    Parameters
    ----------
    p : between 0 and 1

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import data
    >>> images = data.Shapes().images[:2]
    >>> flipped = data.RandomHorizontalFlip().apply(images, np.array([True, False]))
    >>> bool((flipped[0] == images[0, :, :, ::-1]).all()), bool((flipped[1] == images[1]).all())
    (True, True)
    """

    def __init__(self, p: float = 0.5) -> None:
        if not is_number(p, 0, 1):
            raise ValueError(f"RandomHorizontalFlip: p is a number between 0 and 1, got {p!r}.")
        self.p = p

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draw which images are mirrored, (n,) bool."""
        return rng.random(n) < self.p

    def apply(self, images: Array, params: Array) -> Array:
        """Return the images, mirrored where params (N,) say so."""
        check_batch(images, "RandomHorizontalFlip")
        out = images.copy()
        out[params] = images[params, :, :, ::-1]
        return out

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p:g})"


def random_crop(images: Array, size: int, rng: np.random.Generator, *, padding: int = 0) -> Array:
    """Return a window of each image at a random place: `RandomCrop` as a function.

    Parameters
    ----------
    images : (N, C, H, W)
    size : side of the window in pixels
    padding : zeros on all four sides before the crop

    Returns
    -------
    (N, C, size, size), same dtype
    """
    return RandomCrop(size, padding)(images, rng)


def random_hflip(images: Array, rng: np.random.Generator, *, p: float = 0.5) -> Array:
    """Return images (N, C, H, W), each mirrored left to right with probability p."""
    return RandomHorizontalFlip(p)(images, rng)


def center_crop(images: Array, size: int) -> Array:
    """Return the middle window (..., size, size), a view.

    Parameters
    ----------
    images : (..., H, W)
    size : side of the window in pixels

    Raises
    ------
    ShapeError : if the window is larger than the images
    """
    H, W = images.shape[-2:]
    check_window(size, H, W, 0)
    top = (H - size) // 2
    left = (W - size) // 2
    return images[..., top : top + size, left : left + size]


def check_window(size: int, H: int, W: int, padding: int) -> None:
    """Raise ShapeError unless a window of `size` fits in H x W pixels with this padding."""
    if not is_whole(size, 1):
        raise ShapeError(f"crop: the side of a window is a whole number of pixels, got {size!r}.")
    if size > min(H, W) + 2 * padding:
        raise ShapeError(
            f"crop: a window of {size}x{size} must fit in the images. They are {H}x{W}, with "
            f"{padding} pixels of padding."
        )
