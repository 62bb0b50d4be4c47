"""Normalization of images: minus a mean, over a standard deviation.

    y = (x - mean) / std

Krizhevsky et al. 2012, section 2, subtract the mean image of the training set and do not divide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.checks import is_number
from tinynet.core.errors import DataError, ShapeError
from tinynet.data.lazy_images import LazyImages
from tinynet.data.transforms.base import Transform, check_batch
from tinynet.data.transforms.crop import center_crop
from tinynet.data.transforms.pixel_statistics import in_chunks, moments

Values = float | Sequence[float] | Array


class Normalize(Transform):
    """y = (x - mean) / std, as float32.

    Images here are bytes in 0..255, and so are their means: CIFAR-10's are about 125. Numbers
    measured on images in 0..1, as PyTorch's examples print them, need ``scale=255``. Images that
    are floats in 0..1 need numbers measured on such images.

    Parameters
    ----------
    mean : one number, (C,) one for each channel, or a mean image (C, H, W)
    std : one number, or (C,) one for each channel
    scale : mean and std are multiplied by it; None is 1, and refuses bytes where all numbers are
        at most 1; 1 accepts them

    Attributes
    ----------
    mean : (C, 1, 1), or (C, H, W) for a mean image; float32, scaled
    std : (C, 1, 1) float32, scaled

    Raises
    ------
    ValueError : if a standard deviation or the scale is not above 0, or if bytes meet numbers made
        for 0..1, or images in 0..1 numbers made for bytes
    ShapeError : if mean and std are not for as many channels, or do not fit the images

    Examples
    --------
    >>> from tinynet import data
    >>> images = data.Shapes().images
    >>> y = data.Normalize([0.5, 0.5, 0.5], [0.25, 0.25, 0.25], scale=255)(images)
    >>> y.dtype, float(y.max())
    (dtype('float32'), 2.0)
    >>> data.Normalize.fit("standardize", images)
    Normalize(mean=[128.1, 127.6, 127], std=[44.86, 44.62, 44.51])
    """

    def __init__(self, mean: Values, std: Values, *, scale: float | None = None) -> None:
        if scale is not None and (not is_number(scale, 0) or scale == 0):
            raise ValueError(f"Normalize: scale is a number above 0, got {scale!r}.")
        factor = np.float32(1 if scale is None else scale)
        self.mean = _per_channel(mean, "mean") * factor
        self.std = _per_channel(std, "std") * factor
        counts = {len(self.mean), len(self.std)}
        if 0 in counts or len(counts - {1}) > 1:
            raise ShapeError(
                f"Normalize: mean has {len(self.mean)} channels and std {len(self.std)}; they must "
                "be equal, or one of them one number for all."
            )
        if self.std.shape[1:] != (1, 1) or not (self.std > 0).all():
            raise ValueError(
                "Normalize: std is one number above 0, or one for each channel, got "
                f"{_brief(self.std)}. For a mean alone, std=1."
            )
        if not np.isfinite(self.mean).all() or not np.isfinite(self.std).all():
            raise ValueError(
                f"Normalize: mean and std must be finite, got {_brief(self.mean)} and "
                f"{_brief(self.std)}."
            )
        self._may_be_for_0_to_1 = scale is None and max(self.mean.max(), self.std.max()) <= 1
        self._is_for_bytes = min(self.mean.min(), self.std.min()) > 1

    @classmethod
    def fit(cls, kind: str, images: Any) -> Self:
        """Measure the images of a training set.

        Parameters
        ----------
        kind : "standardize": each channel gets mean 0 and standard deviation 1;
            "mean-image": the mean of each pixel is subtracted, as in the paper
        images : (N, C, H, W), or a data set

        Raises
        ------
        DataError : if there is no image
        ShapeError : if the images are not (N, C, H, W)
        TypeError : if `images` is neither an array nor a data set
        ValueError : if `kind` is something else
        """
        if not isinstance(kind, str):
            raise TypeError(
                'Normalize.fit: the kind comes first, then the images: fit("standardize", images).'
            )
        images = getattr(images, "images", images)
        if not isinstance(images, (np.ndarray, LazyImages)):
            raise TypeError(
                "Normalize.fit: it measures an array (N, C, H, W) or a data set, got "
                f"{type(images).__name__}."
            )
        if not len(images):
            raise DataError("Normalize.fit: a mean needs at least one image. Got 0.")
        check_batch(images, "Normalize.fit")
        if kind == "mean-image":
            total: Any = sum(part.sum(axis=0, dtype=np.float64) for part in in_chunks(images))
            return cls(total / len(images), np.ones(len(total)), scale=1)
        if kind != "standardize":
            raise ValueError(f'Normalize.fit: kind is "mean-image" or "standardize", not {kind!r}.')
        count, total, products = moments(images)
        mean = total / count
        std = np.sqrt(np.maximum(np.diag(products) / count - mean**2, 0))
        std[std == 0] = 1  # a channel of one value stays 0
        return cls(mean, std, scale=1)

    def apply(self, images: Array, params: Any = None) -> Array:
        """Return float32 images (N, C, H, W); of a larger mean image the middle is used."""
        if self._may_be_for_0_to_1 and images.dtype == np.uint8:
            raise ValueError(
                f"Normalize: the images are bytes in 0..255, but mean={_brief(self.mean)} and "
                f"std={_brief(self.std)} look like those of images in 0..1. Pass scale=255, or "
                "scale=1 if they are right."
            )
        if self._is_for_bytes and _are_in_0_to_1(images):
            raise ValueError(
                f"Normalize: the images are floats in 0..1, but mean={_brief(self.mean)} and "
                f"std={_brief(self.std)} are those of bytes in 0..255. Divide them by 255, or pass "
                "the bytes."
            )
        channels = images.shape[-3] if images.ndim >= 3 else None
        if channels is None or not {len(self.mean), len(self.std)} <= {1, channels}:
            raise ShapeError(
                f"Normalize: mean and std are for {max(len(self.mean), len(self.std))} channels, "
                f"the images are {images.shape}; expected (N, C, H, W)."
            )
        H, W = images.shape[-2:]
        y = np.subtract(images, self.mean_for(H, W), dtype=np.float32)
        y /= self.std
        return y

    def mean_for(self, H: int, W: int) -> Array:
        """Return the mean for images of H x W pixels: of a larger mean image the middle.

        Raises
        ------
        ShapeError : if the images are larger than the mean image, or not square
        """
        if self.mean.shape[1:] in ((1, 1), (H, W)):
            return self.mean
        if H != W or min(self.mean.shape[1:]) < W:
            raise ShapeError(
                f"Normalize: the mean image is {self.mean.shape}, of which images of {H}x{W} "
                "pixels are not a middle square. Normalize before cropping or resizing."
            )
        return center_crop(self.mean, W)

    def arrays(self) -> dict[str, Array]:
        """Return the arrays that a checkpoint stores, by name; `from_arrays` takes them back."""
        return {"mean": self.mean, "deviation": self.std}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array]) -> Self:
        """Return the Normalize that `arrays` describes; std may be called std or deviation."""
        std = arrays["std"] if "std" in arrays else arrays["deviation"]
        return cls(arrays["mean"], std, scale=1)

    def __repr__(self) -> str:
        return f"Normalize(mean={_brief(self.mean)}, std={_brief(self.std)})"


def _are_in_0_to_1(images: Array) -> bool:
    """Return whether images are floats in 0..1 and not whole numbers, as bytes are."""
    if images.dtype.kind != "f" or not images.size:
        return False
    return bool(images.min() >= 0 and images.max() <= 1 and (images % 1 > 0).any())


def _per_channel(values: Values, name: str) -> Array:
    """Return (C, 1, 1), or (C, H, W), float32."""
    array = np.asarray(values, np.float32)
    if array.ndim <= 1:
        return array.reshape(-1, 1, 1)
    if array.ndim == 3:
        return array
    raise ShapeError(
        f"Normalize: {name} is one number, (C,), (C, 1, 1) or a mean image (C, H, W), got "
        f"{array.shape}."
    )


def _brief(values: Array) -> str:
    if values.shape[-1] > 1:
        return f"an image {values.shape}"
    return "[" + ", ".join(f"{x:.4g}" for x in values.ravel()) + "]"
