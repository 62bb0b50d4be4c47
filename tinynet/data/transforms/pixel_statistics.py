"""Sums over all pixels of a data set, read a few images at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinynet.core.backend import Array
from tinynet.data.lazy_images import read_chunks

CHUNK = 3 << 19  # values that are in memory as float64 at a time


def moments(images: Array) -> tuple[int, Array, Array]:
    """Return the number of pixels, the sum (C,) and the sum of products (C, C) of their values.

    Bytes are summed exactly: every partial sum is an integer that float64 holds.
    """
    N, C, H, W = images.shape
    total = np.zeros(C)
    products = np.zeros((C, C))
    for part in in_chunks(images):
        pixels = part.transpose(1, 0, 2, 3).reshape(C, -1).astype(np.float64)
        total += pixels.sum(axis=1)
        products += pixels @ pixels.T
    return N * H * W, total, products


def in_chunks(images: Array) -> Iterator[Array]:
    """Yield a few images at a time, so that neither files nor floats fill the memory."""
    few = max(1, CHUNK // max(1, int(np.prod(images.shape[1:]))))
    indices = np.arange(len(images))
    return read_chunks(images, (indices[i : i + few] for i in range(0, len(images), few)))
