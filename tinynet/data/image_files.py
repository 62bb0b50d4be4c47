"""Image files: one file read as the middle square of an image, and encoded images of a known size.

The formats are those of `FORMATS`. Damaged files are one sentence, whatever Pillow raises.
"""

from __future__ import annotations

import functools
import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.data.files import DamagedError, unpacking
from tinynet.words import sentence

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM")
"""The formats that are read, whatever a file is called: Pillow runs other programs for some others.

Of several images in one file (GIF, TIFF, animated WebP, the MPO of phones) the first one is read.
Pillow reads AVIF since version 11.3.
"""
MOST_PIXELS = 1 << 26  # of an image in memory: 256 MiB
SMALLEST = 8  # pixels: the side at which a file is decoded to see whether it can be
ORIENTATION = 0x0112  # the EXIF tag in which a phone notes how it was held
BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    EOFError,
    MemoryError,
    LookupError,
    struct.error,
    zlib.error,
)
"""The errors that Pillow raises for damaged files."""


def read_picture(path: Path | str, side: int, *, grey: bool = False) -> Array:
    """Return the middle square of an image file, upright.

    Grey images, palettes, CMYK and 16 bits become RGB; transparent pixels become white.

    Parameters
    ----------
    path : a file of one of FORMATS; of several images in it, the first is read
    side : pixels; the shorter side is resized to this length
    grey : return one channel of grey levels

    Returns
    -------
    (3, side, side) uint8, or (1, side, side) for grey

    Raises
    ------
    DataError : if there is no such file, or if it cannot be read as an image
    """
    from PIL import Image

    path = Path(path)
    if not path.is_file():
        said = "{path}: expected an image, found no file of this name."
        if path.exists():
            said = "{path}: expected an image, found something else."
        raise DataError(sentence(said, path=path))
    try:
        pixels = np.asarray(_square(path, side, grey))
    except (*BROKEN, Image.DecompressionBombError) as error:
        said = "{path}: not an image that can be read ({why})."
        fault = sentence(said, path=path, why=_why(error))
        if archive := unpacking(path):
            raise DataError(archive) from error
        then = sentence("Put a good copy in its place, or remove it.")
        raise DataError(sentence("{fault} {then}", fault=fault, then=then)) from error
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def why_unreadable(path: Path) -> str:
    """Return why an image file cannot be read, or nothing: it is decoded, at the least cost."""
    from PIL import Image

    if not path.is_file():
        return sentence("it is no regular file")
    try:
        _square(path, SMALLEST, grey=False)
    except (*BROKEN, Image.DecompressionBombError) as error:
        return _why(error)
    return ""


@functools.cache
def formats() -> tuple[str, ...]:
    """Return those of FORMATS that this Pillow reads."""
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _square(path: Path, side: int, grey: bool) -> Image:
    """Return the middle square of an image file; an error of BROKEN if that is impossible."""
    from PIL import Image, ImageOps

    with Image.open(path, formats=formats()) as picture:
        picture.draft("RGB", (2 * side, 2 * side))  # a JPEG can be read at half its size
        _refuse_measurements(picture)
        _refuse_bombs(picture)
        _shorten_transparent_color(picture)
        image = _in_color(_upright(picture), grey)
    return ImageOps.fit(image, (side, side))


def _why(error: Exception) -> str:
    """Return the reason in an error of Pillow, in one line."""
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return sentence("it is none of {known}", known=", ".join(formats()))
    return " ".join(str(error).split()) or type(error).__name__


def decode(content: bytes, shape: tuple[int, int, int], where: str) -> Array:
    """Return an encoded image (C, H, W) uint8, which must have exactly this size.

    Parameters
    ----------
    content : the bytes of a file
    shape : with 1 or 3 channels
    where : names the image in messages

    Raises
    ------
    DataError : if it cannot be read, or has another size
    """
    from PIL import Image

    channels, height, width = shape
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a size that is refused below
            with Image.open(io.BytesIO(content), formats=formats()) as found:
                if found.size != (width, height):
                    raise ValueError(f"its size is {found.size}")
                pixels = np.asarray(found.convert("L" if channels == 1 else "RGB"))
    except (*BROKEN, Image.DecompressionBombError) as error:
        raise DamagedError(f"{where}: no image of {width}x{height} pixels ({error}).") from error
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _refuse_measurements(picture: Image) -> None:
    """Raise ValueError for pixels of 32 bits, whose black and white are not known."""
    if picture.mode == "F" or (picture.format == "TIFF" and picture.mode == "I"):
        raise ValueError("its pixels have 32 bits; convert it to 8 or 16 bits")


def _refuse_bombs(picture: Image) -> None:
    """Raise ValueError for an image whose pixels take very much memory; few bytes can claim that.

    A large JPEG is read at a fraction of its size.
    """
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise ValueError(f"it has {width}x{height} pixels; at most {MOST_PIXELS:,} are read")


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
