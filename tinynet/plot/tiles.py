"""Images and maps side by side, as arrays."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def viewable(image: Array) -> Array:
    """Return an image (C, H, W) as (H, W, 3) in 0..1; floats are stretched from least to largest.

    >>> viewable(np.array([[[0, 255]]], np.uint8))[0, 1]
    array([1., 1., 1.], dtype=float32)
    """
    pixels = image[:3] if len(image) >= 3 else np.repeat(image[:1], 3, axis=0)
    if pixels.dtype.kind == "f":
        finite = pixels[np.isfinite(pixels)]
        low = finite.min(initial=np.inf) if finite.size else 0.0
        high = finite.max(initial=-np.inf) if finite.size else 1.0
        pixels = (np.nan_to_num(pixels) - low) / ((high - low) or 1)
    else:
        pixels = pixels / np.float32(255)
    return np.asarray(pixels.transpose(1, 2, 0).clip(0, 1), np.float32)


def grid(tiles: Array, columns: int, seam: float = 1.0) -> Array:
    """Return tiles (n, H, W) or (n, H, W, 3) in rows, one pixel of `seam` between them.

    >>> grid(np.zeros((2, 1, 2)), columns=2)
    array([[0., 0., 1., 0., 0.]])
    """
    count, H, W = tiles.shape[:3]
    rows = math.ceil(count / columns)
    framed = np.full((rows * columns, H + 1, W + 1, *tiles.shape[3:]), seam, tiles.dtype)
    framed[:count, :H, :W] = tiles
    whole = framed.reshape(rows, columns, H + 1, W + 1, *tiles.shape[3:]).swapaxes(1, 2)
    return whole.reshape(rows * (H + 1), columns * (W + 1), *tiles.shape[3:])[:-1, :-1]


def name_of(label: int, classes: Sequence[str] | None) -> str:
    """Return the name of a class; without names "class 3"."""
    return f"class {label}" if classes is None else style.plain(str(classes[label]))


def headline(figure: Figure, text: str, **settings: Any) -> None:
    """Write the title of a figure, in as many lines as its width asks for."""
    width = int(11 * figure.get_figwidth())
    figure.suptitle("\n".join(textwrap.wrap(text, width)), fontsize=11, **settings)


def show(axes: Axes, image: Array, title: str = "", **settings: Any) -> Any:
    """Draw pixels without ticks; return matplotlib's image."""
    drawn = axes.imshow(image, **{"interpolation": "nearest", **settings})
    axes.set(xticks=(), yticks=())
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=9)
    return drawn


def tidy(axes: Axes) -> None:
    """Draw a light grid and no frame above and to the right."""
    axes.grid(visible=True, color=style.GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
