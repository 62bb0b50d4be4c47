"""Parts of a data set that share no picture, because the bytes of a picture decide where it goes.

Cutting a list at random lets copies fall on both sides, and every new picture changes the cut. A
checksum knows neither names nor order: equal bytes go to one side, today and tomorrow.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.data.pictures import Pictures

PARTS = ("train", "validation", "test")


class _Set(Protocol):
    images: Array
    labels: Array
    classes: tuple[str, ...]


class Part:
    """Some of the pictures of a data set."""

    def __init__(self, dataset: _Set, indices: Array) -> None:
        images = dataset.images
        self.images = images.take(indices) if isinstance(images, Pictures) else images[indices]
        self.labels, self.classes = dataset.labels[indices], dataset.classes

    def __len__(self) -> int:
        return len(self.labels)


def portion(content: bytes, purpose: str) -> float:
    """Return a number in 0..1 for these bytes: evenly spread, and always the same."""
    digest = hashlib.blake2b(content, digest_size=8, person=purpose.encode()).digest()
    return int.from_bytes(digest) / 2**64


def hold_out(dataset: _Set, share: float) -> tuple[Part, Part]:
    """Return two parts without a picture in common: the second has about this share.

    The pictures lie in memory; those of files are divided by `ImageFolder` itself.
    """
    chosen = np.array([portion(x.tobytes(), "validation") < share for x in dataset.images], bool)
    parts = Part(dataset, np.flatnonzero(~chosen)), Part(dataset, np.flatnonzero(chosen))
    if not all(map(len, parts)):
        raise DataError(
            f"hold_out: {share:g} of {len(chosen):,} pictures leaves one of the parts empty. "
            "More pictures are needed."
        )
    return parts
