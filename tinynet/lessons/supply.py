"""What a lesson runs on: drawn pictures or photographs, the CPU or a GPU. It says which.

``TINYNET_LESSON_DATA`` decides between ``shapes`` and ``cifar10``; where it is not set, CIFAR-10 is
taken if it is in the data folder. An empty ``CUDA_VISIBLE_DEVICES`` hides a GPU.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from tinynet import data
from tinynet.core import backend
from tinynet.core.backend import Array, Device
from tinynet.core.errors import DataError, DeviceError

WISH = "TINYNET_LESSON_DATA"


@dataclass
class Pictures:
    """Pictures, their labels and the names of the classes.

    images (N, C, H, W) uint8, labels (N,) int64. If they are `drawn`, by the program, then they
    show shapes, and their truth is known; if not, they are photographs.
    """

    images: Array
    labels: Array
    classes: tuple[str, ...]
    drawn: bool

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def kind(self) -> str:
        """What they are, for prose and captions."""
        return "drawn pictures" if self.drawn else "photographs"


def pictures(train: int = 3000, test: int = 1000) -> tuple[Pictures, Pictures]:
    """Return so many pictures to learn from and for tests, the first of CIFAR-10, or drawn ones.

    There are 3,000 + 1,000 drawn ones, and 50,000 + 10,000 of CIFAR-10.
    """
    wish = os.environ.get(WISH, "")
    if wish not in ("", "shapes", "cifar10"):
        raise DataError(f"{WISH}: it is shapes or cifar10, or not set. It is {wish!r}.")
    why = "CIFAR-10 would be used if it were here: tinynet data get cifar10"
    if wish:
        found, why = _open(wish, train, test), f"{WISH}={wish} asks for them"
    else:
        try:
            found = _open("cifar10" if data.find("cifar10") else "shapes", train, test)
        except DataError as error:
            found, why = _open("shapes", train, test), f"CIFAR-10 cannot be used. {error}"
    learn, unseen = found
    if not (learn.drawn or wish):
        why = f"with {WISH}=shapes they would be drawn ones"
    which = learn.kind if learn.drawn else "photographs of CIFAR-10"
    counts = " + ".join(f"{len(part):,}" for part in found if len(part))
    sys.stdout.write(f"{counts} {which}; {why}\n")
    return learn, unseen


def _open(name: str, train: int, test: int) -> tuple[Pictures, Pictures]:
    parts = []
    for count, learn in ((train, True), (test, False)):
        whole = data.open_dataset(name, train=learn)
        first = whole.images[:count].copy(), whole.labels[:count].copy()  # the rest is let go
        parts.append(Pictures(*first, whole.classes, drawn=name == "shapes"))
    return parts[0], parts[1]


def device() -> Device:
    """Return the GPU if there is one that CuPy can use, else "cpu"; say which."""
    try:
        found = backend.device("cuda")
        sys.stdout.write("training runs on the GPU\n")
    except DeviceError:
        found = backend.CPU
        sys.stdout.write("training runs on the CPU; a GPU would be used if CuPy found one\n")
    return found
