"""Drawn shapes of ten classes: a data set that needs no download.

Every image shows one shape on a shaded, noisy ground. Place, size, tilt, brightness and color are
random. Three choices set how hard it is:

- **The class color.** Each class has a hue, and 40 % of its images have it. With a hue on all
  images a linear model solves the task; with none a network stays at chance for long.
- **Contrast of both signs.** A shape is lighter than its ground as often as darker, so no pixel
  alone votes for a class: edges do.
- **Tilts up to 15 degrees.** More, and a square would be a diamond, a plus a cross.

Shapes are drawn from signed distances: a pixel whose center lies d pixels inside the outline is
covered by 0.5 + d, clipped to 0..1. That is the antialiasing.
"""

from collections.abc import Callable

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.checks import is_whole
from tinynet.core.random import generator
from tinynet.data.dataset import Dataset, check_train

CLASSES = (
    "disc",
    "ring",
    "square",
    "frame",
    "triangle",
    "diamond",
    "plus",
    "cross",
    "disc with rows",
    "disc with columns",
)
SIDE = 32
TRAIN_IMAGES = 3000
TEST_IMAGES = 1000
CLASS_COLOR_SHARE = 0.4
LARGEST_TILT = np.pi / 12
NOISE = 24  # grey levels, up and down
_ROOT_HALF = np.float32(np.sqrt(0.5))


class Shapes(Dataset):
    """Images of ten drawn shapes; the same seed draws the same images.

    Parameters
    ----------
    train : the 3,000 images to train on, else the 1,000 to test with
    seed : decides all that is random in them

    Attributes
    ----------
    images : (N, 3, 32, 32) uint8, N = 3000 (train) or 1000 (test)
    labels : (N,) int64
    classes : ten names

    Examples
    --------
    >>> from tinynet import data
    >>> train = data.Shapes(train=True)
    >>> train.images.shape, train.classes[train.labels[0]]
    ((3000, 3, 32, 32), 'plus')
    """

    classes: tuple[str, ...] = CLASSES

    def __init__(self, train: bool = True, seed: int = 0) -> None:
        check_train(train, "Shapes")
        if not is_whole(seed, 0):
            raise ValueError(f"Shapes: a seed is an integer from 0 on, got {seed!r}.")
        rng = generator("shapes", "train" if train else "test", seed=seed)
        count = TRAIN_IMAGES if train else TEST_IMAGES
        self.labels = rng.permutation(np.arange(count, dtype=np.int64) % len(CLASSES))
        self.images = draw(self.labels, rng)


def draw(labels: Array, rng: np.random.Generator) -> Array:
    """Return one image for each label.

    Parameters
    ----------
    labels : (N,) integers in 0..9

    Returns
    -------
    (N, 3, 32, 32) uint8
    """
    cover = _cover(labels, rng)[:, None]  # (N, 1, 32, 32)
    ground, ink = _colors(labels, rng)  # (N, 3, 1, 1) each
    image = ground + _shading(len(labels), rng)  # (N, 3, 32, 32)
    image += (ink - ground) * cover
    image += rng.integers(-NOISE, NOISE, cover.shape, dtype=np.int8, endpoint=True)
    return np.clip(image, 0, 255, out=image).astype(np.uint8)


def _cover(labels: Array, rng: np.random.Generator) -> Array:
    """Return the part of each pixel that the shape covers, (N, 32, 32) float32 in 0..1."""
    count = len(labels)
    radius = rng.uniform(6, 10.5, count).astype(np.float32)
    row, column = rng.uniform(12, 20, (2, count)).astype(np.float32) - np.float32(0.5)
    tilt = rng.uniform(-LARGEST_TILT, LARGEST_TILT, count)
    sin = np.sin(tilt).astype(np.float32)
    cos = np.cos(tilt).astype(np.float32)
    cover = np.empty((count, SIDE, SIDE), np.float32)
    grid = np.arange(SIDE, dtype=np.float32)
    for label, distance in enumerate(DISTANCES):
        of = np.flatnonzero(labels == label)
        y = (grid - row[of, None])[:, :, None]  # (n, 32, 1)
        x = (grid - column[of, None])[:, None, :]  # (n, 1, 32)
        s, c, r = (a[of, None, None] for a in (sin, cos, radius))
        cover[of] = 0.5 - distance(c * x + s * y, c * y - s * x, r)
    return np.clip(cover, 0, 1, out=cover)


def _colors(labels: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the colors of the ground and of the shape, each (N, 3, 1, 1) float32 in 0..255."""
    count = len(labels)
    contrast = rng.uniform(30, 80, count) * rng.choice((-1, 1), count)
    middle = rng.uniform(90, 165, count)
    hue, ground_hue = rng.uniform(0, 1, (2, count))
    in_class_color = rng.random(count) < CLASS_COLOR_SHARE
    hue = np.where(in_class_color, (labels + rng.uniform(-0.3, 0.3, count)) / len(CLASSES), hue)
    ink = _tinted(middle + contrast / 2, hue, rng.uniform(60, 90, count))
    ground = _tinted(middle - contrast / 2, ground_hue, rng.uniform(0, 20, count))
    return ground, ink


def _tinted(brightness: Array, hue: Array, strength: Array) -> Array:
    """Return a grey moved towards a hue (0..1 round the color circle), (N, 3, 1, 1) float32."""
    angle = 2 * np.pi * (hue[:, None] - np.array([0, 1 / 3, 2 / 3]))
    color = brightness[:, None] + strength[:, None] * np.cos(angle)
    return color.astype(np.float32)[:, :, None, None]


def _shading(count: int, rng: np.random.Generator) -> Array:
    """Return a gradient of brightness across each image, (N, 1, 32, 32) float32."""
    across, down = rng.uniform(-1.5, 1.5, (2, count, 1)).astype(np.float32)
    grid = np.arange(SIDE, dtype=np.float32) - np.float32((SIDE - 1) / 2)
    return ((down * grid)[:, :, None] + (across * grid)[:, None, :])[:, None]


def _disc(x: Array, y: Array, r: Array) -> Array:
    return np.sqrt(x * x + y * y) - r


def _ring(x: Array, y: Array, r: Array) -> Array:
    return abs(_disc(x, y, 0.75 * r)) - 0.25 * r


def _box(x: Array, y: Array, half_width: Array, half_height: Array) -> Array:
    return np.maximum(abs(x) - half_width, abs(y) - half_height)


def _square(x: Array, y: Array, r: Array) -> Array:
    return _box(x, y, 0.85 * r, 0.85 * r)


def _frame(x: Array, y: Array, r: Array) -> Array:
    return abs(_box(x, y, 0.68 * r, 0.68 * r)) - 0.2 * r


def _triangle(x: Array, y: Array, r: Array) -> Array:
    slanted = np.float32(np.sqrt(0.75)) * abs(x) - 0.5 * y  # the two upper sides
    return np.maximum(slanted, y) - 0.55 * r


def _diamond(x: Array, y: Array, r: Array) -> Array:
    return _ROOT_HALF * (abs(x) + abs(y)) - 0.75 * r


def _plus(x: Array, y: Array, r: Array) -> Array:
    return np.minimum(_box(x, y, r, 0.28 * r), _box(x, y, 0.28 * r, r))


def _cross(x: Array, y: Array, r: Array) -> Array:
    return _plus(_ROOT_HALF * (x + y), _ROOT_HALF * (y - x), r)


def _rows(x: Array, y: Array, r: Array) -> Array:
    period = 0.6 * r
    stripe = abs((y / period) % 1 - 0.5) * period - period / 4
    return np.maximum(_disc(x, y, r), stripe)


def _columns(x: Array, y: Array, r: Array) -> Array:
    return _rows(y, x, r)


DISTANCES: tuple[Callable[[Array, Array, Array], Array], ...] = (
    _disc,
    _ring,
    _square,
    _frame,
    _triangle,
    _diamond,
    _plus,
    _cross,
    _rows,
    _columns,
)
