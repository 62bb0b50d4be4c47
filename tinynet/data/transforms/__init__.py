"""Transforms of batches of images: sizes, crops, flips, normalization, color noise, ten crops."""

from typing import TYPE_CHECKING, Any

from tinynet.data.renamed import missing
from tinynet.data.transforms.base import Compose, Transform
from tinynet.data.transforms.color import PCAColorNoise, pca_color_basis, pca_color_noise
from tinynet.data.transforms.crop import (
    CenterCrop,
    RandomCrop,
    RandomHorizontalFlip,
    center_crop,
    random_crop,
    random_hflip,
)
from tinynet.data.transforms.normalize import Normalize
from tinynet.data.transforms.resize import Enlarge, PadTo, Resize, ToThreeChannels, resize
from tinynet.data.transforms.ten_crop import average_views, ten_crop

__all__ = [
    "CenterCrop",
    "Compose",
    "Enlarge",
    "Normalize",
    "PCAColorNoise",
    "PadTo",
    "RandomCrop",
    "RandomHorizontalFlip",
    "Resize",
    "ToThreeChannels",
    "Transform",
    "average_views",
    "center_crop",
    "pca_color_basis",
    "pca_color_noise",
    "random_crop",
    "random_hflip",
    "resize",
    "ten_crop",
]


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # a type checker knows the names

    def __getattr__(name: str) -> Any:
        raise missing("tinynet.data.transforms", name)
