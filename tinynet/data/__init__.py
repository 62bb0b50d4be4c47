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
    ten_views,
)
from tinynet.data.cifar10 import CIFAR10
from tinynet.data.datasets import Dataset, Entry, catalogue, find, get, open_dataset, verify
from tinynet.data.files import default_root
from tinynet.data.loader import batch_indices, batches, epoch_order, steps_per_epoch
from tinynet.data.mnist import MNIST
from tinynet.data.shapes import Shapes

__all__ = [
    "CIFAR10",
    "MNIST",
    "Dataset",
    "Entry",
    "Normaliser",
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
    "mirror",
    "open_dataset",
    "random_crop",
    "steps_per_epoch",
    "ten_views",
    "verify",
]
