"""Lazy images: an array of image files that are read when it is indexed.

`LazyImages` has the shape (N, 3, side, side) and the dtype uint8, but holds only the names of its
files: ``images[indices]`` reads those, on several threads, and nothing is kept. The pixels depend
on the file and on `side` alone, so the number of threads changes only the time.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import DataError

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
"""The formats that are read, whatever a file is called: Pillow runs other programs for some others.

Of several images in one file (GIF, TIFF, animated WebP, the MPO of phones) the first one is read.
"""
ORIENTATION = 0x0112  # the EXIF tag in which a phone notes how it was held
BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    EOFError,
    LookupError,
    struct.error,
    zlib.error,
)
"""The errors that Pillow raises for damaged files."""


class LazyImages:
    """The images in files, (N, 3, side, side) uint8, read each time they are indexed.

    Parameters
    ----------
    paths : N files
    side : pixels; the shorter side is resized to this length, and the middle square is taken
    workers : how many files are read at a time; None: one for each processor

    Raises
    ------
    ValueError : if `side` is below 1
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, paths: list[Path], side: int, workers: int | None = None) -> None:
        if side < 1:
            raise ValueError(f"LazyImages: a side has at least 1 pixel. Got side={side}.")
        self.paths = paths
        self.side = side
        self.workers = workers or len(os.sched_getaffinity(0))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, 3, side, side)."""
        return len(self.paths), 3, self.side, self.side

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        return f"<LazyImages: {len(self):,} files, read as (3, {self.side}, {self.side}) uint8>"

    def __getitem__(self, which: Any) -> Array:
        """Return images (n, 3, side, side) for a slice or indices (n,), one for an integer."""
        indices = np.arange(len(self))[which]
        if np.ndim(indices) == 0:
            return read_picture(self.paths[int(indices)], self.side)
        return next(self.batches([indices]))

    @property
    def identity(self) -> bytes:
        """The names of all files, each with the folder that holds it."""
        return b"\n".join(os.fsencode(Path(*path.parts[-2:])) for path in self.paths)

    def take(self, indices: Array) -> Self:
        """Return some of the images, still unread."""
        return type(self)([self.paths[i] for i in indices.tolist()], self.side, self.workers)

    def batches(self, chunks: Iterable[Array]) -> Iterator[Array]:
        """Yield the images of each chunk of indices; the next chunk is read meanwhile."""
        from concurrent.futures import ThreadPoolExecutor  # takes a hundredth of a second

        with ThreadPoolExecutor(self.workers, "tinynet-images") as pool:
            ahead: list[tuple[Array, list[Future[None]]]] = []
            try:
                for chunk in chunks:
                    ahead.append(self._begin(pool, chunk))
                    if len(ahead) == 2:
                        yield _finished(*ahead.pop(0))
                while ahead:
                    yield _finished(*ahead.pop(0))
            finally:  # the caller may have stopped early
                pool.shutdown(cancel_futures=True)

    def _begin(self, pool: ThreadPoolExecutor, chunk: Array) -> tuple[Array, list[Future[None]]]:
        """Return an array for the images of a chunk, and the jobs that fill it."""
        images = np.empty((len(chunk), *self.shape[1:]), np.uint8)

        def fill(row: int, path: Path) -> None:
            images[row] = read_picture(path, self.side)

        paths = [self.paths[i] for i in chunk.tolist()]
        return images, [pool.submit(fill, row, path) for row, path in enumerate(paths)]


def _finished(images: Array, parts: list[Future[None]]) -> Array:
    for part in parts:
        part.result()
    return images


def read_chunks(images: Array, chunks: Iterable[Array]) -> Iterator[Array]:
    """Yield the images of each chunk of indices; those in files are read one chunk ahead."""
    if isinstance(images, LazyImages):
        yield from images.batches(chunks)
    else:
        yield from (images[indices] for indices in chunks)


def read_picture(path: Path, side: int, *, grey: bool = False) -> Array:
    """Return the middle square of an image file, upright.

    Grey images, palettes, CMYK and 16 bits become RGB; transparent pixels become white.

    Parameters
    ----------
    path : a JPEG, PNG, WebP, BMP, GIF or TIFF file; of several images in it, the first is read
    side : pixels; the shorter side is resized to this length
    grey : return one channel of grey levels

    Returns
    -------
    (3, side, side) uint8, or (1, side, side) for grey

    Raises
    ------
    DataError : if there is no such file, or if it cannot be read as an image
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not path.is_file():
        found = "something else" if path.exists() else "no file of this name"
        raise DataError(f"{path}: expected a picture, found {found}.")
    try:
        with Image.open(path, formats=FORMATS) as picture:
            picture.draft("RGB", (2 * side, 2 * side))  # a JPEG can be read at half its size
            _refuse_measurements(picture)
            _shorten_transparent_color(picture)
            image = _in_color(_upright(picture), grey)
        image = ImageOps.fit(image, (side, side))
    except (*BROKEN, Image.DecompressionBombError) as error:
        unknown = isinstance(error, UnidentifiedImageError)
        why = f"it is none of {', '.join(FORMATS)}" if unknown else error
        raise DataError(
            f"{path}: not a picture that can be read ({why}). Put a good copy in its place, or "
            "remove it."
        ) from error
    pixels = np.asarray(image)
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def _refuse_measurements(picture: Image) -> None:
    """Raise ValueError for a TIFF with pixels of 32 bits, whose black and white are not known."""
    if picture.format == "TIFF" and picture.mode in ("F", "I"):
        raise ValueError("its pixels have 32 bits; convert it to 8 or 16 bits")


def _shorten_transparent_color(picture: Image) -> None:
    """Make the transparent color of a 16-bit RGB file one of 8 bits, to which Pillow cuts pixels.

    Called before the pixels are loaded, while the file still says how many bits it has.
    """
    color = picture.info.get("transparency")
    in_16_bits = any("16B" in str(tile[3]) for tile in getattr(picture, "tile", ()))
    if picture.mode == "RGB" and in_16_bits and isinstance(color, tuple):
        picture.info["transparency"] = tuple(value >> 8 for value in color)


def _upright(picture: Image) -> Image:
    """Return the picture turned as its EXIF says; unturned where that cannot be read."""
    from PIL.Image import Transpose

    picture.load()
    try:
        held = picture.getexif().get(ORIENTATION, 1)
    except BROKEN:
        held = 1
    turn = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(held)
    return picture if turn is None else picture.transpose(turn)


def _in_color(picture: Image, grey: bool) -> Image:
    """Return the picture in RGB, or in levels of grey, whatever the mode of its file."""
    from PIL import Image

    if picture.mode.startswith("I"):  # 16 bits of grey: convert() would cut at 255
        picture = _in_8_bits(picture)
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.new("RGBA", layer.size, "white")
        picture.alpha_composite(layer)
    return picture.convert("L" if grey else "RGB")


def _in_8_bits(picture: Image) -> Image:
    """Return a grey picture of 16 bits in 8, with an alpha channel if a value is transparent."""
    from PIL import Image

    values = np.asarray(picture)
    transparent = picture.info.get("transparency")
    picture = Image.fromarray((values >> 8).clip(0, 255).astype(np.uint8))
    if transparent is not None:
        opaque = np.where(values == transparent, 0, 255).astype(np.uint8)
        picture.putalpha(Image.fromarray(opaque))
    return picture
