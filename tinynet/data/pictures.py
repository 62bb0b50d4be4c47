"""Picture files, read when they are asked for.

`Pictures` looks like an array (N, 3, side, side) of bytes, but holds only the names of its files:
``pictures[indices]`` reads those, on several threads, and nothing is kept. What a file becomes
depends on the file and on `side` alone, so the number of threads changes nothing but the time.
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

FORMATS = ("JPEG", "PNG")
"""All that a file may hold, whatever it is called: Pillow runs other programs for some of the rest.

Telephones put several JPEGs into one file (MPO); that begins as a JPEG, and the first one is read.
"""
ORIENTATION = 0x0112  # the tag of EXIF in which a telephone notes how it was held
BROKEN = (
    OSError, ValueError, SyntaxError, TypeError, EOFError, LookupError, struct.error, zlib.error
)  # fmt: skip
"""What Pillow raises at files that are damaged."""


class Pictures:
    """The pictures in files, (N, 3, side, side) uint8, read anew at every look.

    Parameters
    ----------
    paths : of N files
    side : the shorter side is brought to this length, and the middle square is taken
    workers : how many files are read at a time; None: one for each processor
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, paths: list[Path], side: int, workers: int | None = None) -> None:
        if side < 1:
            raise ValueError(f"Pictures: a side has at least 1 pixel. Got side={side}.")
        self.paths, self.side = paths, side
        self.workers = workers or len(os.sched_getaffinity(0))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, 3, side, side)."""
        return len(self.paths), 3, self.side, self.side

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, which: Any) -> Array:
        """Return pictures (n, 3, side, side) by a slice or numbers (n,); one by its number."""
        indices = np.arange(len(self))[which]
        if np.ndim(indices) == 0:
            return read_picture(self.paths[int(indices)], self.side)
        return next(self.batches([indices]))

    @property
    def identity(self) -> bytes:
        """The names of all files, with their folders."""
        return b"\n".join(os.fsencode(Path(*path.parts[-2:])) for path in self.paths)

    def take(self, indices: Array) -> Self:
        """Return some of the pictures, still unread."""
        return type(self)([self.paths[i] for i in indices.tolist()], self.side, self.workers)

    def batches(self, chunks: Iterable[Array]) -> Iterator[Array]:
        """Yield the pictures of each chunk of numbers; the next chunk is read meanwhile."""
        from concurrent.futures import ThreadPoolExecutor  # a hundredth of a second

        with ThreadPoolExecutor(self.workers, "tinynet-pictures") as pool:
            ahead: list[tuple[Array, list[Future[None]]]] = []
            try:
                for chunk in chunks:
                    ahead.append(self._begin(pool, chunk))
                    if len(ahead) == 2:
                        yield _finished(*ahead.pop(0))
                while ahead:
                    yield _finished(*ahead.pop(0))
            finally:  # whoever asked may have stopped asking
                pool.shutdown(cancel_futures=True)

    def _begin(self, pool: ThreadPoolExecutor, chunk: Array) -> tuple[Array, list[Future[None]]]:
        """Return room for the pictures of a chunk, and who fills it."""
        images = np.empty((len(chunk), *self.shape[1:]), np.uint8)

        def fill(row: int, path: Path) -> None:
            images[row] = read_picture(path, self.side)

        paths = [self.paths[i] for i in chunk.tolist()]
        return images, [pool.submit(fill, row, path) for row, path in enumerate(paths)]


def _finished(images: Array, parts: list[Future[None]]) -> Array:
    for part in parts:
        part.result()
    return images


def read_picture(path: Path, side: int, *, grey: bool = False) -> Array:
    """Return the middle square of a picture file, upright, (3, side, side) uint8; grey: (1, ...).

    The shorter side is brought to `side` pixels. Grey pictures, palettes, CMYK and 16 bits become
    RGB; what is transparent becomes white.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not path.is_file():
        found = "something else" if path.exists() else "no file of this name"
        raise DataError(f"{path}: expected a picture, found {found}.")
    try:
        with Image.open(path, formats=FORMATS) as picture:
            picture.draft("RGB", (2 * side, 2 * side))  # a JPEG can be read at half its size
            image = _in_colour(_upright(picture), grey)
        image = ImageOps.fit(image, (side, side))
    except (*BROKEN, Image.DecompressionBombError) as error:
        neither = isinstance(error, UnidentifiedImageError)
        why = "it does not begin as a JPEG or a PNG does" if neither else error
        raise DataError(
            f"{path}: not a picture that can be read ({why}). Fetch this file again, or take it "
            "away."
        ) from error
    pixels = np.asarray(image)
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def _upright(picture: Image) -> Image:
    """Return the picture turned as its EXIF says; where that cannot be read, as it is."""
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


def _in_colour(picture: Image, grey: bool) -> Image:
    """Return the picture in RGB, or in shades of grey, whatever its file counts with."""
    from PIL import Image

    if picture.mode.startswith("I"):  # 16 bits of grey: convert() would cut at 255
        picture = Image.fromarray((np.asarray(picture) >> 8).clip(0, 255).astype(np.uint8))
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.new("RGBA", layer.size, "white")
        picture.alpha_composite(layer)
    return picture.convert("L" if grey else "RGB")
