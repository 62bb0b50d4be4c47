"""Common style of the figures: colors, a figure without pyplot, and writing it to a file.

The colors are those of Okabe and Ito, which can be told apart with every kind of color vision. Each
line also has its own dash and marker, so the figures survive a black-and-white printer.

Figures are made without `matplotlib.pyplot`: no global state changes, no window opens, and a figure
that is no longer used is freed. A notebook shows a figure that is the last value of a cell.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tinynet.core.atomic_file import write_atomically
from tinynet.core.errors import printable
from tinynet.plot import translation
from tinynet.words import language

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE = "#0072B2"
ORANGE = "#D55E00"
GREEN = "#009E73"
SKY = "#56B4E9"
PURPLE = "#CC79A7"
GRAY = "#767676"
GRID = "#e4e4e4"
HEAT = "cividis"  # its lightness rises evenly: it reads the same in gray

TRAIN = {"color": BLUE, "linestyle": "--", "marker": "o", "markersize": 3.5, "label": "train"}
TEST = {"color": ORANGE, "linestyle": "-", "marker": "s", "markersize": 3.5, "label": "test"}
VALIDATION = {
    "color": GREEN,
    "linestyle": "-.",
    "marker": "^",
    "markersize": 3.5,
    "label": "validation",
}

FORMATS = {".png": "Description", ".svg": "Description", ".pdf": "Subject"}
"""File formats by suffix, and the metadata field that holds the description of the figure."""

PROGRAM = {".png": "Software", ".svg": "Creator", ".pdf": "Creator"}  # the same for `MARK`
MARK = "tinynet, drawn with Matplotlib"

DOTS_PER_INCH = 150
IN_NOTEBOOKS = 100  # dots per inch

LATIN = 0x024F  # the last of the Latin letters in Unicode
OTHER_SCRIPTS = (  # fonts for characters that DejaVu Sans lacks, where they are installed
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "NanumGothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "Hiragino Sans",
    "Yu Gothic",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Zen Hei",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
)
WITH_HANGUL = frozenset(OTHER_SCRIPTS[:6])
FILES = tuple(name.replace(" ", "").removesuffix("KR").removesuffix("JP") for name in OTHER_SCRIPTS)


def new_figure(
    width: float, height: float, *, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    """Return an empty figure of this size in inches, which draws into memory."""
    figure = _figure_class()(figsize=(width, height), layout=layout)
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    return figure


def finish(
    figure: Figure,
    path: Path | str | None,
    description: str,
    numbers: Mapping[str, Any] | None = None,
) -> Figure:
    """Write a figure to `path`, if one is given, and return it.

    The figure keeps `description` and `numbers` as attributes, for an alternative text and for a
    file with the data beside the image.

    Parameters
    ----------
    figure : Figure
    path : Path, str or None
        A .png, .svg or .pdf file; without a suffix a PNG is written. The file is replaced at once:
        a reader sees the old figure or the new one.
    description : str
        The contents of the figure in words; stored in the file's metadata.
    numbers : dict of str to arrays, numbers or text, optional
        What is drawn.

    Raises
    ------
    TypeError
        The path is neither a str nor a Path.
    ValueError
        The suffix names another format.
    """
    drawn: Any = figure
    drawn.description = description
    drawn.numbers = dict(numbers or {})
    _translate(figure)
    if path is None:
        return figure
    if not isinstance(path, (str, Path)):
        raise TypeError(f"plot: the path is a str or a Path, got {type(path).__name__}.")
    path = Path(path)
    suffix = path.suffix.lower() or ".png"
    if suffix not in FORMATS:
        raise ValueError(f"plot: figures are written as {', '.join(FORMATS)}, not {path.suffix}.")
    metadata = {FORMATS[suffix]: description, PROGRAM[suffix]: MARK}
    data = _drawn(figure, format=suffix[1:], dpi=DOTS_PER_INCH, metadata=metadata)
    write_atomically(path, data)
    return figure


def _translate(figure: Figure) -> None:
    """Say the texts of a figure in the reader's language, if a font can write it."""
    if language() == "en" or not hangul_fonts():
        return
    texts: Any = figure.findobj(lambda artist: hasattr(artist, "set_fontfamily"))
    for text in texts:
        text.set_text(translation.said(text.get_text()))


def png(pixels: Any) -> bytes:
    """Return colors (H, W, 3) uint8 as a PNG file, one pixel each."""
    from matplotlib.image import imsave

    data = io.BytesIO()
    imsave(data, pixels, format="png")
    return data.getvalue()


def png_address(pixels: Any) -> str:
    """Return colors (H, W, 3) uint8 as a data address, for the source of an image."""
    return f"data:image/png;base64,{base64.b64encode(png(pixels)).decode()}"


def percent(share: float, digits: int = 0) -> str:
    """Return a share as percent, with a space as the international system writes it.

    >>> percent(0.234), percent(0.234, 1)
    ('23 %', '23.4 %')
    """
    return f"{100 * share:.{digits}f} %"


def plain(text: str) -> str:
    """Return text that matplotlib shows as it is: no formula, no control characters."""
    return printable(text).replace("$", r"\$")


def _drawn(figure: Figure, **settings: Any) -> bytes:
    """Return the figure as a file, with fonts for every script that is installed."""
    data = io.BytesIO()
    with _every_script(figure):
        figure.savefig(data, **settings)
    return data.getvalue()


@contextlib.contextmanager
def _every_script(figure: Figure) -> Iterator[None]:
    """Give texts in other scripts their fonts; inside the block a missing glyph is a box."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if any(ord(character) > LATIN for character in text.get_text()):
            text.set_fontfamily(_fonts())
            text.set_fontweight("normal")  # there may be no bold one, which would be logged
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


@functools.cache
def _fonts() -> list[str]:
    """Return the font of the figures, then the installed ones for other scripts."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    if not set(OTHER_SCRIPTS) & set(fontManager.get_font_names()):
        for file in findSystemFonts():  # matplotlib's own list may be older than a font
            if Path(file).stem.startswith(FILES) and "Regular" in file:
                fontManager.addfont(file)
    installed = set(fontManager.get_font_names())
    return ["DejaVu Sans", *(name for name in OTHER_SCRIPTS if name in installed)]


def hangul_fonts() -> list[str]:
    """Return the fonts of a text with Hangul; none if no font that holds it is installed."""
    return _fonts() if WITH_HANGUL & set(_fonts()) else []


@functools.cache
def _figure_class() -> type[Figure]:
    """Return the class of our figures: matplotlib's, with a picture for notebooks."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)  # without a home folder it warns about its own cache
    try:
        from matplotlib.figure import Figure
    finally:
        logger.setLevel(level)

    class NotebookFigure(Figure):
        """A figure that IPython shows also where pyplot was never imported.

        Attributes
        ----------
        description : str
            Its contents in words.
        numbers : dict
            What is drawn.
        """

        description = ""
        numbers: ClassVar[dict[str, Any]] = {}

        def _repr_png_(self) -> bytes:
            return _drawn(self, format="png", dpi=IN_NOTEBOOKS)

    return NotebookFigure


def whole_numbers() -> Any:
    """Return a matplotlib locator that puts ticks on whole numbers alone."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=10, integer=True, min_n_ticks=1)


def bare_axes(figure: Figure) -> Any:
    """Return axes over the whole figure, in inches from its lower left corner, without a frame."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return axes
