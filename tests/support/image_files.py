"""Image files for tests: pictures of noise that depend on a seed, in folders."""

import numpy as np
from PIL import Image


def picture(seed, size=(12, 9)):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def fill(folder, seeds, kind="png"):
    """Write a picture for each seed."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        picture(seed).save(folder / f"{seed}.{kind}")
    return folder


def names(dataset):
    return {path.name for path in dataset.images.paths}


def save(path, image, **how):
    image.save(path, **how)
    return path
