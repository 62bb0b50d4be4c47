"""Transforms as arguments of `kernels.augment`, which prepares a batch on a GPU in one pass.

The images stay on the GPU in bytes, and a batch is six integers an image (`kernels.augment`): the
index of the image, the row and the column of a window in it, whether it is mirrored, and where the
window lies in a border of zeros. `plan` finds out whether transforms can be expressed so, and
`DevicePlan.places` turns what they drew into those integers. They can if they are, in this order:

    PadTo, ToThreeChannels                          applied once, before the images are copied
    Enlarge                                         at most one
    RandomCrop, CenterCrop, RandomHorizontalFlip    any number; only the first crop may pad
    Normalize                                       at most one
    RandomCrop with padding, of the same size       at most one
    PCAColorNoise                                   at most one
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.data.lazy_images import LazyImages
from tinynet.data.transforms.base import Compose, Transform
from tinynet.data.transforms.color import PCAColorNoise
from tinynet.data.transforms.crop import CenterCrop, RandomCrop, RandomHorizontalFlip
from tinynet.data.transforms.normalize import Normalize
from tinynet.data.transforms.resize import Enlarge, PadTo, ToThreeChannels


@dataclasses.dataclass(frozen=True)
class DevicePlan:
    """How `kernels.augment` computes what transforms do; made by `plan`.

    Attributes
    ----------
    transforms : all of them, in their order
    stored : those that are applied once, to the whole data set
    border : zeros around the stored images, in pixels
    enlarge, size, pad : arguments of `kernels.augment`
    source : (H, W) of the images from which windows are cut, border and enlargement included
    normalize : numbers of the normalization; mean 0 and deviation 1 if there is none
    second_crop : the crop after the normalization
    """

    transforms: tuple[Transform, ...]
    stored: Compose
    border: int
    enlarge: int
    size: int
    pad: int
    source: tuple[int, int]
    normalize: Normalize
    second_crop: RandomCrop | None

    def store(self, images: Array) -> Array:
        """Return the images (M, C, H, W) uint8 as they are kept on the GPU."""
        images = self.stored(images)
        if not self.border:
            return images
        around = (self.border, self.border)
        return np.pad(images, ((0, 0), (0, 0), around, around))

    def constants(self, channels: int) -> tuple[Array, Array]:
        """Return the mean (C, size, size) or (C, 1, 1), and the deviation (C, 1, 1)."""
        mean = self.normalize.mean_for(self.size, self.size)
        mean = np.broadcast_to(mean, (channels, *mean.shape[1:]))
        std = np.broadcast_to(self.normalize.std, (channels, 1, 1))
        return np.ascontiguousarray(mean), np.ascontiguousarray(std)

    def places(self, indices: Array, params: Any) -> tuple[Array, Array | None]:
        """Return places (n, 6) int32 and shifts (n, C) float32 or None, see `kernels.augment`.

        Parameters
        ----------
        indices : (n,), the images of the batch
        params : what the transforms drew for them
        """
        n = len(indices)
        top = np.zeros(n, np.int64)
        left = np.zeros(n, np.int64)
        mirrored = np.zeros(n, bool)
        inner = np.full((n, 2), self.pad)
        shift = None
        H, W = self.source
        for t, drawn in zip(self.transforms, params, strict=True):
            if t is self.second_crop:
                inner = drawn
            elif isinstance(t, (RandomCrop, CenterCrop)):
                down, right = _offsets(t, drawn, n, H, W)
                top += down
                left += np.where(mirrored, W - t.size - right, right)
                H = t.size
                W = t.size
            elif isinstance(t, RandomHorizontalFlip):
                mirrored ^= drawn
            elif isinstance(t, PCAColorNoise):
                shift = drawn.astype(np.float32)
        columns = [indices, top, left, mirrored, inner[:, 0], inner[:, 1]]
        return np.stack(columns, axis=1).astype(np.int32), shift


def plan(transform: Compose, images: Array) -> DevicePlan | None:
    """Return how to compute a transform by `kernels.augment`; None if that is not possible.

    Parameters
    ----------
    transform : bound to these images
    images : (N, C, H, W); only bytes in memory can be kept on a GPU
    """
    if isinstance(images, LazyImages) or images.dtype != np.uint8 or images.ndim != 4:
        return None
    rest = list(transform.transforms)
    stored = _take(rest, PadTo, ToThreeChannels)
    enlarge = _take_one(rest, Enlarge)
    windows = _take(rest, RandomCrop, CenterCrop, RandomHorizontalFlip)
    normalize = _take_one(rest, Normalize)
    second = _take_one(rest, RandomCrop)
    _take_one(rest, PCAColorNoise)
    crops = [t for t in windows if not isinstance(t, RandomHorizontalFlip)]
    paddings = [getattr(t, "padding", 0) for t in crops]
    border = paddings[0] if paddings else 0
    factor = enlarge.factor if enlarge else 1
    if rest or any(paddings[1:]) or (border and factor > 1):
        return None
    example = Compose([*stored, Enlarge(factor)])(np.zeros((1, *images.shape[1:]), np.uint8))
    H, W = example.shape[2:]
    size = crops[-1].size if crops else W
    if (not crops and H != W) or (second and second.size != size):
        return None
    return DevicePlan(
        transforms=transform.transforms,
        stored=Compose(stored),
        border=border,
        enlarge=factor,
        size=size,
        pad=second.padding if second else 0,
        source=(H + 2 * border, W + 2 * border),
        normalize=normalize or Normalize(0, 1, scale=1),
        second_crop=second,
    )


def _offsets(
    crop: RandomCrop | CenterCrop, drawn: Any, n: int, H: int, W: int
) -> tuple[Array, Array]:
    """Return the rows and the columns of n windows in images of H x W pixels."""
    if isinstance(crop, RandomCrop):
        return drawn[:, 0], drawn[:, 1]
    return np.full(n, (H - crop.size) // 2), np.full(n, (W - crop.size) // 2)


def _take(rest: list[Transform], *kinds: type[Transform]) -> list[Any]:
    """Remove the transforms of these kinds from the beginning of a list, and return them."""
    taken = []
    while rest and isinstance(rest[0], kinds):
        taken.append(rest.pop(0))
    return taken


def _take_one(rest: list[Transform], kind: type[Transform]) -> Any:
    """Remove a transform of this kind from the beginning of a list, and return it or None."""
    return rest.pop(0) if rest and isinstance(rest[0], kind) else None
