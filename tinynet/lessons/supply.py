"""Images and device of a lesson: drawn images or CIFAR-10, the CPU or a GPU.

``TINYNET_LESSON_DATA`` chooses ``shapes`` or ``cifar10``; if it is not set, CIFAR-10 is used if it
is in the data folder. An empty ``CUDA_VISIBLE_DEVICES`` hides the GPU.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tinynet import data
from tinynet.core import backend
from tinynet.core.backend import Array, Device
from tinynet.core.errors import DataError, DeviceError
from tinynet.kernels.dispatch import has_numba
from tinynet.words import phrase

WISH = "TINYNET_LESSON_DATA"


class Pictures(data.ArrayDataset):
    """Data set of a lesson.

    Parameters
    ----------
    images : (N, C, H, W) uint8
    labels : (N,) integers
    classes : the names of the classes
    drawn : whether the program drew the images; else they are photographs
    """

    def __init__(
        self, images: Array, labels: Array, classes: Sequence[str], *, drawn: bool
    ) -> None:
        super().__init__(images, labels, classes)
        self.drawn = drawn

    @property
    def kind(self) -> str:
        """The kind of images, for prose and captions."""
        return "drawn pictures" if self.drawn else "photographs"


def pictures(train: int = 3000, test: int = 1000) -> tuple[Pictures, Pictures]:
    """Return training and test images: the first ones of CIFAR-10, or drawn ones.

    There are 3,000 + 1,000 drawn images, and 50,000 + 10,000 of CIFAR-10.
    """
    wish = os.environ.get(WISH, "")
    if wish not in ("", "shapes", "cifar10"):
        said = "{variable}: must be shapes or cifar10, or not set. It is {wish!r}."
        raise DataError(phrase(said, variable=WISH, wish=wish))
    why = phrase("CIFAR-10 would be used if it were here: tinynet data get cifar10")
    if wish:
        found = _open(wish, train, test)
        why = phrase("{variable}={wish} asks for them", variable=WISH, wish=wish)
    else:
        try:
            found = _open("cifar10" if data.find("cifar10") else "shapes", train, test)
        except DataError as error:
            found = _open("shapes", train, test)
            why = phrase("CIFAR-10 cannot be used. {error}", error=error)
    learn, unseen = found
    if not (learn.drawn or wish):
        why = phrase("with {variable}=shapes they would be drawn ones", variable=WISH)
    which = phrase(learn.kind if learn.drawn else "photographs of CIFAR-10")
    counts = " + ".join(f"{len(part):,}" for part in found if len(part))
    sys.stdout.write(f"{counts} {which}; {why}\n")
    return learn, unseen


def _open(name: str, train: int, test: int) -> tuple[Pictures, Pictures]:
    parts = []
    for count, learn in ((train, True), (test, False)):
        whole = data.open_dataset(name, train=learn)
        images = whole.images[:count].copy()  # the rest is freed
        labels = whole.labels[:count].copy()
        parts.append(Pictures(images, labels, whole.classes, drawn=name == "shapes"))
    return parts[0], parts[1]


def kernel_name(kind: str) -> str:
    """Return the name of a kind of kernel, to print; without Numba, NumPy takes its place."""
    return phrase("no Numba") if kind == "numba" and not has_numba() else kind


def device() -> Device:
    """Return the GPU if CuPy can use one, else "cpu"; print which."""
    try:
        found = backend.device("cuda")
        told = "training runs on the GPU"
    except DeviceError:
        found = backend.CPU
        told = "training runs on the CPU; a GPU would be used if CuPy found one"
    sys.stdout.write(phrase(told) + "\n")
    return found
