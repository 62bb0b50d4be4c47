"""Data sets, transforms of their images, and loaders that yield batches.

Every data set has ``images`` (N, C, H, W) uint8, ``labels`` (N,) int64 and ``classes``, the names.
"""

from typing import TYPE_CHECKING, Any

from tinynet.data import transforms
from tinynet.data.catalog import (
    Entry,
    catalogue,
    find,
    get,
    is_folder,
    open_dataset,
    verify,
)
from tinynet.data.cifar10 import CIFAR10
from tinynet.data.dataset import ArrayDataset, Dataset, Labeled, Subset
from tinynet.data.files import default_root
from tinynet.data.folder import ImageFolder
from tinynet.data.image_files import read_picture
from tinynet.data.imagenette import Imagenette
from tinynet.data.lazy_images import LazyImages
from tinynet.data.loader import DataLoader, batch_indices, batches, epoch_order, steps_per_epoch
from tinynet.data.mnist import MNIST
from tinynet.data.places import Elsewhere, elsewhere
from tinynet.data.renamed import missing
from tinynet.data.shapes import Shapes
from tinynet.data.splits import hash_fraction, hold_out
from tinynet.data.transforms import (
    CenterCrop,
    Compose,
    Enlarge,
    Normalize,
    PadTo,
    PCAColorNoise,
    RandomCrop,
    RandomHorizontalFlip,
    Resize,
    ToThreeChannels,
    Transform,
    average_views,
    center_crop,
    pca_color_basis,
    pca_color_noise,
    random_crop,
    random_hflip,
    resize,
    ten_crop,
)

__all__ = [
    "CIFAR10",
    "MNIST",
    "ArrayDataset",
    "CenterCrop",
    "Compose",
    "DataLoader",
    "Dataset",
    "Elsewhere",
    "Enlarge",
    "Entry",
    "ImageFolder",
    "Imagenette",
    "Labeled",
    "LazyImages",
    "Normalize",
    "PCAColorNoise",
    "PadTo",
    "RandomCrop",
    "RandomHorizontalFlip",
    "Resize",
    "Shapes",
    "Subset",
    "ToThreeChannels",
    "Transform",
    "average_views",
    "batch_indices",
    "batches",
    "catalogue",
    "center_crop",
    "default_root",
    "elsewhere",
    "epoch_order",
    "find",
    "get",
    "hash_fraction",
    "hold_out",
    "is_folder",
    "open_dataset",
    "pca_color_basis",
    "pca_color_noise",
    "random_crop",
    "random_hflip",
    "read_picture",
    "resize",
    "steps_per_epoch",
    "ten_crop",
    "transforms",
    "verify",
]


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # a type checker knows the names

    def __getattr__(name: str) -> Any:
        raise missing("tinynet.data", name)
