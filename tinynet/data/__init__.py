"""Images in, batches out: the data sets, what disturbs their pictures, and the shuffled batches.

Every data set has ``images`` (N, C, H, W) uint8, ``labels`` (N,) int64 and ``classes``, the names.
"""

from tinynet.data.augment import (
    Normaliser,
    average_views,
    centre_crop,
    colour_basis,
    colour_noise,
    mirror,
    random_crop,
    resize,
    ten_views,
)
from tinynet.data.cifar10 import CIFAR10
from tinynet.data.datasets import (
    Dataset,
    Entry,
    catalogue,
    find,
    get,
    is_folder,
    open_dataset,
    verify,
)
from tinynet.data.files import default_root
from tinynet.data.folder import ImageFolder
from tinynet.data.imagenette import Imagenette
from tinynet.data.loader import batch_indices, batches, epoch_order, steps_per_epoch
from tinynet.data.mnist import MNIST
from tinynet.data.pictures import Pictures, read_picture
from tinynet.data.shapes import Shapes
from tinynet.data.splits import Part, hold_out

__all__ = [
    "CIFAR10",
    "MNIST",
    "Dataset",
    "Entry",
    "ImageFolder",
    "Imagenette",
    "Normaliser",
    "Part",
    "Pictures",
    "Shapes",
    "average_views",
    "batch_indices",
    "batches",
    "catalogue",
    "centre_crop",
    "colour_basis",
    "colour_noise",
    "default_root",
    "epoch_order",
    "find",
    "get",
    "hold_out",
    "is_folder",
    "mirror",
    "open_dataset",
    "random_crop",
    "read_picture",
    "resize",
    "steps_per_epoch",
    "ten_views",
    "verify",
]
