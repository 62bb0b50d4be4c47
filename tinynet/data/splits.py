"""Data set splits that share no image: the bytes of an image decide to which part it belongs.

A random cut of a list lets copies fall into both parts, and every new image changes it. A checksum
depends neither on names nor on order, so equal bytes are always in one part.
"""

from __future__ import annotations

import hashlib

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.checks import is_number
from tinynet.core.errors import DataError
from tinynet.data.dataset import Labeled, Subset, as_dataset

PARTS = ("train", "validation", "test")


def hash_fraction(content: bytes, purpose: str) -> float:
    """Return a number in 0..1 for these bytes: evenly spread, and always the same.

    Parameters
    ----------
    content : the bytes of an image or a file
    purpose : the name of the split, at most 16 bytes; each name gives other numbers
    """
    digest = hashlib.blake2b(content, digest_size=8, person=purpose.encode()).digest()
    return int.from_bytes(digest) / 2**64


def hold_out(dataset: Labeled | tuple[Array, Array], share: float) -> tuple[Subset, Subset]:
    """Return two subsets without an image in common; the second has about this share.

    Parameters
    ----------
    dataset : images in memory, or a tuple (images, labels); `ImageFolder` divides those in files
        itself
    share : of the images, between 0 and 1

    Returns
    -------
    the images to train on, and those to validate with

    Raises
    ------
    DataError : if one of the subsets would be empty
    ValueError : if `share` is not between 0 and 1

    Examples
    --------
    >>> from tinynet import data
    >>> train, validation = data.hold_out(data.Shapes(), 0.1)
    >>> len(train) + len(validation)
    3000
    """
    if not is_number(share, 0, 1):
        raise ValueError(f"hold_out: share is a number between 0 and 1, got {share!r}.")
    dataset = as_dataset(dataset, "hold_out")
    fractions = [hash_fraction(x.tobytes(), "validation") for x in dataset.images]
    held = np.array([fraction < share for fraction in fractions], bool)
    rest = Subset(dataset, np.flatnonzero(~held))
    validation = Subset(dataset, np.flatnonzero(held))
    if not len(rest) or not len(validation):
        raise DataError(
            f"hold_out: {share:g} of {len(held):,} images leaves one of the parts empty. More "
            "images are needed, or another share."
        )
    return rest, validation
