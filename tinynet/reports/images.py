"""Images for a page: arrays as PNG or JPEG inside the address of an image."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
from PIL import Image

from tinynet.core.backend import Array, to_numpy

PHOTO = 64  # pixels: a longer side is written as JPEG
LARGEST = 320  # pixels of the longer side of an image on a page


def address(pixels: Array) -> str:
    """Return pixels (H, W, 3 or 4) uint8 as a data address; a large photograph is a JPEG."""
    picture = Image.fromarray(pixels)
    data = io.BytesIO()
    large = max(pixels.shape[:2]) > PHOTO and pixels.shape[2] == 3
    if large:
        picture.thumbnail((LARGEST, LARGEST))
        picture.save(data, format="JPEG", quality=85)
    else:
        picture.save(data, format="PNG", optimize=True)
    kind = "jpeg" if large else "png"
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"


def photograph(image: Array) -> str:
    """Return an image (C, H, W) of bytes, or floats in 0..1, as a data address."""
    pixels = to_numpy(image)
    if pixels.dtype.kind == "f":
        pixels = (255 * pixels.clip(0, 1)).round()
    pixels = pixels.astype(np.uint8).transpose(1, 2, 0)
    return address(
        np.ascontiguousarray(pixels if pixels.shape[2] == 3 else pixels.repeat(3, 2)[:, :, :3])
    )


def sheet(tiles: Array, columns: int) -> str:
    """Return tiles side by side as a data address, with transparent seams between them.

    Parameters
    ----------
    tiles : (n, H, W) or (n, H, W, 3)
        In 0..1; what is not finite is white.
    columns : int
    """
    tiles = np.nan_to_num(np.asarray(tiles, np.float32), nan=1.0).clip(0, 1)
    if tiles.ndim == 3:
        tiles = tiles[..., None].repeat(3, 3)
    count, H, W = tiles.shape[:3]
    rows = math.ceil(count / columns)
    framed = np.zeros((rows * columns, H + 1, W + 1, 4), np.uint8)
    framed[:count, :H, :W, :3] = (255 * tiles).round()
    framed[:count, :H, :W, 3] = 255
    whole = framed.reshape(rows, columns, H + 1, W + 1, 4).swapaxes(1, 2)
    return address(
        np.ascontiguousarray(whole.reshape(rows * (H + 1), columns * (W + 1), 4)[:-1, :-1])
    )


def filter_tiles(weight: Array, largest: float) -> Array:
    """Return filters (OC, C, KH, KW) as tiles in 0..1, in color where C is 3; 0.5 is zero."""
    weight = to_numpy(weight).astype(np.float32)
    if weight.shape[1] != 3:
        weight = weight[:, :1].repeat(3, axis=1)
    return 0.5 + 0.5 * weight.transpose(0, 2, 3, 1) / (largest or 1.0)


def map_tiles(maps: Array) -> Array:
    """Return feature maps (n, H, W) as tiles in 0..1: each from its least to its largest value."""
    maps = np.nan_to_num(to_numpy(maps).astype(np.float32))
    low = maps.min(axis=(1, 2), keepdims=True)
    high = maps.max(axis=(1, 2), keepdims=True)
    return (maps - low) / np.where(high > low, high - low, 1)
