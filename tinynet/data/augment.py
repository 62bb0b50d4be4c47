"""Images disturbed on purpose, and made ready for the net (Krizhevsky et al. 2012, section 4.1).

Functions from arrays (N, C, H, W) to new arrays. What is random takes a generator; one that is
made from (seed, step) lets a run that goes on later draw what it would have drawn.

The paper's order, for 224x224 windows of 256x256 pictures: crop, mirror, subtract the mean
picture, add the colour noise. Bytes are cheap to move, so crop and mirror before `Normaliser`
makes floats of them.
"""

import dataclasses
from collections.abc import Iterator
from typing import Self

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import DataError, ShapeError
from tinynet.data.loader import pictures_of

VIEWS = 10
PART = 3 << 19  # values that are looked at together


def random_crop(images: Array, size: int, rng: np.random.Generator, *, padding: int = 0) -> Array:
    """Cut a window out of each picture, at a place of its own.

    Offsets are uniform over 0 .. H + 2*padding - size, both ends included: a 32-pixel picture with
    4 pixels of padding has 9 of them on each axis, a 224-pixel window in 256 pixels 33.

    Parameters
    ----------
    images : (N, C, H, W)
    padding : zeros on all four sides first; after normalisation zero is the mean

    Returns
    -------
    (N, C, size, size), same dtype
    """
    N, C, H, W = _checked(images, size, padding)
    if padding:
        padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding), images.dtype)
        padded[:, :, padding : padding + H, padding : padding + W] = images
    else:
        padded = images
    top = rng.integers(0, padded.shape[2] - size, N, endpoint=True)
    left = rng.integers(0, padded.shape[3] - size, N, endpoint=True)
    out = np.empty((N, C, size, size), images.dtype)
    for i, (row, column) in enumerate(zip(top.tolist(), left.tolist(), strict=True)):
        out[i] = padded[i, :, row : row + size, column : column + size]
    return out


def mirror(images: Array, rng: np.random.Generator) -> Array:
    """Flip each picture left to right with probability one half. images: (N, C, H, W)."""
    out = images.copy()
    chosen = rng.random(len(images)) < 0.5
    out[chosen] = images[chosen, :, :, ::-1]
    return out


def resize(images: Array, size: int) -> Array:
    """Return pictures of another size, by weights that fall off in a straight line.

    A pixel of the result is a mean of those around its place in the picture, weighted
    1 - distance, and over a wider neighbourhood where the picture becomes smaller. Weights for
    rows and weights for columns: two matrix products.

    Parameters
    ----------
    images : (N, C, H, W), bytes or floats

    Returns
    -------
    (N, C, size, size), same dtype
    """
    H, W = images.shape[-2:]
    y = np.matmul(images.astype(np.float32), _weights(W, size).T)
    y = np.matmul(_weights(H, size), y)
    if images.dtype.kind == "f":
        return y.astype(images.dtype, copy=False)
    return np.rint(y, out=y).astype(images.dtype)


def _weights(length: int, size: int) -> Array:
    """Return what each of `size` pixels takes of `length` ones, (size, length); rows sum to 1."""
    scale = length / size
    centres = (np.arange(size) + 0.5) * scale
    distances = abs(centres[:, None] - (np.arange(length) + 0.5)) / max(1.0, scale)
    weights = np.maximum(0, 1 - distances)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def centre_crop(images: Array, size: int) -> Array:
    """Return the middle window, (..., size, size); a view. images: (..., H, W)."""
    H, W = images.shape[-2:]
    top, left = (H - size) // 2, (W - size) // 2
    return images[..., top : top + size, left : left + size]


def ten_views(images: Array, size: int) -> Array:
    """Return the paper's test windows: four corners and the centre, then the five mirrored.

    Parameters
    ----------
    images : (N, C, H, W)

    Returns
    -------
    (10, N, C, size, size), in the order top left, top right, bottom left, bottom right, centre
    """
    N, C, H, W = _checked(images, size, 0)
    out = np.empty((VIEWS, N, C, size, size), images.dtype)
    corners = [(0, 0), (0, W - size), (H - size, 0), (H - size, W - size)]
    for view, (row, column) in enumerate([*corners, ((H - size) // 2, (W - size) // 2)]):
        out[view] = images[:, :, row : row + size, column : column + size]
    out[VIEWS // 2 :] = out[: VIEWS // 2, ..., ::-1]
    return out


def average_views(scores: Array) -> Array:
    """Return the mean over the views of each view's softmax: probabilities, not scores.

    Parameters
    ----------
    scores : (views, N, classes), what the net says about each view

    Returns
    -------
    (N, classes); each row sums to 1
    """
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (exponentials / exponentials.sum(axis=-1, keepdims=True)).mean(axis=0)


def colour_basis(images: Array) -> tuple[Array, Array]:
    """Return along which directions, and how far, the colours of all pixels spread.

    The eigenvectors of the C x C covariance of the pixel values, and the square roots of its
    eigenvalues. (The paper writes "eigenvalues". On 0..255 the first one is about 11,000 for
    CIFAR-10, and a tenth of it as noise would wipe the pictures out; the code of 2012 names its
    array `color_stdevs`, and a standard deviation is a square root: about 106.)

    Parameters
    ----------
    images : (N, C, H, W), the training pictures

    Returns
    -------
    deviations (C,), largest first; vectors (C, C), a direction in each *column*. float64. A
    direction's sign means nothing; its largest component is made positive.
    """
    count, total, products = _moments(images)
    mean = total / count
    covariance = products / count - np.outer(mean, mean)
    eigenvalues, vectors = np.linalg.eigh(covariance)
    eigenvalues, vectors = eigenvalues[::-1], vectors[:, ::-1]
    largest = np.take_along_axis(vectors, abs(vectors).argmax(axis=0)[None], axis=0)
    return np.sqrt(np.maximum(eigenvalues, 0)), vectors * np.sign(largest)


def colour_noise(
    images: Array, basis: tuple[Array, Array], rng: np.random.Generator, *, strength: float = 0.1
) -> Array:
    """Shift the colour of each picture along the directions in which colours vary anyway.

        y[n] = x[n] + vectors @ (alpha[n] * deviations)
        alpha[n] ~ N(0, strength**2), one draw a picture

    Parameters
    ----------
    images : (N, C, H, W), floating point, on the scale on which `basis` was measured
    basis : what `colour_basis` returned
    """
    deviations, vectors = basis
    alpha = rng.normal(0, strength, (len(images), len(deviations)))
    shift = (alpha * deviations) @ vectors.T  # (N, C)
    return images + shift.astype(images.dtype)[:, :, None, None]


@dataclasses.dataclass(frozen=True)
class Normaliser:
    """y = (x - mean) / deviation, as float32.

    Measured once, on the training pictures, and kept with the weights: test pictures go through
    the very same numbers. `arrays` gives what a checkpoint stores, `from_arrays` takes it back.

    Attributes
    ----------
    mean : (C, H, W), the mean picture, or (C, 1, 1), the mean of each channel
    deviation : (C, 1, 1); ones where only a mean is subtracted
    """

    mean: Array
    deviation: Array

    @classmethod
    def fit(cls, kind: str, images: Array) -> Self:
        """Measure training pictures (N, C, H, W) uint8.

        kind "mean-image": the mean of each pixel is subtracted (the paper).
        kind "standardise": each channel gets mean 0 and standard deviation 1.
        """
        if not len(images):
            raise DataError("Normaliser.fit: a mean needs at least one picture. Got 0.")
        if kind == "mean-image":
            total = sum(part.sum(axis=0, dtype=np.float64) for part in _in_parts(images))
            mean = total / len(images)
            return cls(mean.astype(np.float32), np.ones((len(mean), 1, 1), np.float32))
        if kind != "standardise":
            raise ValueError(
                f'Normaliser.fit: kind is "mean-image" or "standardise", not {kind!r}.'
            )
        count, total, products = _moments(images)
        mean = total / count
        deviation = np.sqrt(np.maximum(np.diag(products) / count - mean**2, 0))
        deviation[deviation == 0] = 1  # a channel of one value stays 0
        return cls(*(a.astype(np.float32)[:, None, None] for a in (mean, deviation)))

    def __call__(self, images: Array) -> Array:
        """Return float32 pictures (N, C, H, W); of a larger mean picture the middle is used."""
        mean = self.mean
        if mean.shape[-1] > 1:
            mean = centre_crop(mean, images.shape[-1])
        y = np.subtract(images, mean, dtype=np.float32)
        y /= self.deviation
        return y

    def arrays(self) -> dict[str, Array]:
        """Return all that is needed to build this again, by name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array]) -> Self:
        """Return the Normaliser that `arrays` describes."""
        return cls(arrays["mean"], arrays["deviation"])


def _moments(images: Array) -> tuple[int, Array, Array]:
    """Return the number of pixels, the sum (C,) and the sum of products (C, C) of their values.

    Bytes are summed exactly: every partial sum is an integer that float64 holds.
    """
    N, C, H, W = images.shape
    total, products = np.zeros(C), np.zeros((C, C))
    for part in _in_parts(images):
        pixels = part.transpose(1, 0, 2, 3).reshape(C, -1).astype(np.float64)
        total += pixels.sum(axis=1)
        products += pixels @ pixels.T
    return N * H * W, total, products


def _in_parts(images: Array) -> Iterator[Array]:
    """Yield a few pictures at a time, so that neither files nor floats fill the memory."""
    few = max(1, PART // max(1, int(np.prod(images.shape[1:]))))
    numbers = np.arange(len(images))
    return pictures_of(images, (numbers[i : i + few] for i in range(0, len(images), few)))


def _checked(images: Array, size: int, padding: int) -> tuple[int, int, int, int]:
    N, C, H, W = images.shape
    if not 0 < size <= min(H, W) + 2 * padding:
        raise ShapeError(
            f"crop: a window of {size}x{size} must fit in the pictures. They are {H}x{W}, with "
            f"{padding} pixels of padding."
        )
    return N, C, H, W
