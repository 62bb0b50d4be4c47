"""Page of a trace: every step with its numbers and images, a slider, and no network."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tinynet.analysis.page import STYLE
from tinynet.core.backend import Array
from tinynet.plot import style, tiles
from tinynet.words import language, phrase, phrases

if TYPE_CHECKING:
    from tinynet.analysis.trace import Trace, TraceStep

MAPS = 8  # channels that are drawn
SIDE = 64  # pixels of a drawn map, at most
ROWS = 96  # of the im2col matrix, at most
COLUMNS = 256

COLORS = (
    "Images: blue is negative, orange positive, light gray 0. An array without negative values "
    "goes from black, 0, to white."
)

SAYS = {
    ("conv2d", "forward"): "Each output is the sum of a window of the input times a filter. As one "
    "matrix product: the filters times the im2col matrix, whose columns are the windows.",
    ("conv2d", "backward"): "A filter's gradient is the sum, over all windows, of the window times "
    "the gradient that arrives there. A pixel sums over all windows that it lies in.",
    ("relu", "forward"): "Negative values become 0.",
    ("relu", "backward"): "The gradient passes where the input was positive, and is 0 elsewhere.",
    ("max_pool2d", "forward"): "Of each window the largest value is kept.",
    (
        "max_pool2d",
        "backward",
    ): "Only the winner of each window gets its gradient; a pixel that won "
    "several windows gets their sum.",
    ("local_response_norm", "forward"): "Each value is divided by a power of the squares of its "
    "neighboring channels at the same place.",
    ("local_response_norm", "backward"): "A value gets a gradient from every neighbor that it "
    "helped to divide.",
    ("linear", "forward"): "Each output is a weighted sum of all inputs, plus a bias.",
    ("linear", "backward"): "The weights' gradient is the product of what arrives and the input; "
    "the input's is the weights times what arrives.",
    ("reshape", "forward"): "The same numbers in another shape.",
    ("reshape", "backward"): "The gradient in the shape of the input.",
    ("dropout", "forward"): "Some values, drawn at random, become 0.",
    ("dropout", "backward"): "What was dropped gets no gradient.",
    ("cross_entropy", "forward"): "The loss: minus the logarithm of the right class's probability.",
    ("cross_entropy", "backward"): "The probabilities, minus 1 at the right class, over the number "
    "of images.",
    (
        "batch_norm",
        "forward",
    ): "Each channel gets mean 0 and deviation 1, then a scale and a shift.",
}

OF_STEPS = """
.bar { position: sticky; top: 0; padding: .6rem 0; background: var(--paper); display: flex;
  gap: .6rem; align-items: center; border-bottom: 1px solid var(--line); }
.bar[hidden] { display: none; }
.bar input { flex: 1; min-width: 2rem; } .bar output { white-space: nowrap; }
section { border-bottom: 1px solid var(--line); padding-bottom: 1rem; }
section h2 { margin-top: 1.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: .1rem .8rem .1rem 0; text-align: right; white-space: nowrap; }
td:first-child, th:first-child { text-align: left; }
.maps { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1rem; }
.maps figure { margin: 0; max-width: 100%; } .maps figcaption { max-width: 22rem; }
.maps img { image-rendering: pixelated; min-width: 3rem; border-radius: 0;
  outline: 1px solid var(--line); }
.backward h2 { color: var(--warm); } .forward h2 { color: var(--accent); }
@media print { .bar { display: none; } section { break-inside: avoid; } }
"""

IN_NOTEBOOKS = """<style>
.tinynet-step .maps { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1rem; }
.tinynet-step figure { margin: 0; }
.tinynet-step img { image-rendering: pixelated; min-width: 3rem; max-width: 100%;
  outline: 1px solid #8888; }
.tinynet-step td, .tinynet-step th { padding: .1rem .8rem .1rem 0; text-align: right; }
.tinynet-step td:first-child, .tinynet-step th:first-child { text-align: left; }
</style>"""

SCRIPT = """
const steps = [...document.querySelectorAll("section")];
const slider = document.querySelector("#step");
const name = document.querySelector("#name");
document.querySelector(".bar").hidden = false;
function show() {
  steps.forEach((step, i) => { step.hidden = i + 1 != slider.value; });
  name.textContent = counted.replace("{step}", slider.value).replace("{count}", steps.length);
}
function move(by) { slider.valueAsNumber += by; show(); }
slider.addEventListener("input", show);
document.querySelector("#back").addEventListener("click", () => move(-1));
document.querySelector("#on").addEventListener("click", () => move(1));
document.addEventListener("keydown", (event) => {
  if (event.target === slider) return;
  if (event.key === "ArrowLeft") move(-1);
  if (event.key === "ArrowRight") move(1);
});
show();
"""


def page(steps: Trace) -> str:
    """Return the page; without JavaScript all steps stand below each other."""
    name = html.escape(phrase("{what}, one op at a time", what=steps.name))
    counted = json.dumps(phrase("{step} of {count}", step="{step}", count="{count}"))
    bar = (
        f'<div class="bar" hidden><button id="back">{phrase("previous")}</button>'
        f'<input id="step" type="range" min="1" max="{len(steps)}" value="1" '
        f'aria-label="{phrase("step")}">'
        f'<button id="on">{phrase("next")}</button><output id="name" for="step"></output></div>'
    )
    sections = "\n".join(section(step) for step in steps)
    return (
        f'<!doctype html>\n<html lang="{language()}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>{STYLE}{OF_STEPS}</style>\n</head>\n<body>\n"
        f"<h1>{name}</h1>\n<p>{phrase(COLORS)}</p>\n"
        f"{bar}\n<main>\n{sections}\n</main>\n<script>\nconst counted = {counted};"
        f"{SCRIPT}</script>\n</body>\n</html>\n"
    )


def in_notebook(step: TraceStep) -> str:
    """Return one step as HTML for a cell of a notebook, where its pixels stay sharp as well."""
    return f'{IN_NOTEBOOKS}<div class="tinynet-step">{phrase(COLORS)}{section(step)}</div>'


def section(step: TraceStep) -> str:
    """Return one step as HTML: what the op does, the numbers, the images."""
    said = phrase(SAYS.get((step.op, step.direction), ""))
    names = ("array", "shape", "least", "mean", "largest", "zeros")
    header = "".join(f"<th>{name}</th>" for name in phrases(*names))
    rows = "".join(
        f"<tr><td>{html.escape(_said(name))}</td><td>{_size(s.shape)}</td>"
        f"<td>{s.least:.4g}</td><td>{s.mean:.4g}</td><td>{s.largest:.4g}</td>"
        f"<td>{100 * s.zeros:.0f} %</td></tr>"
        for name, s in step.statistics.items()
    )
    images = "".join(_figure(*drawn) for drawn in _images(step))
    return (
        f'<section class="{step.direction}">\n<h2>{html.escape(_title(step))}</h2>\n<p>{said}</p>\n'
        f'<div class="wide"><table><tr>{header}</tr>{rows}</table></div>\n'
        f'<div class="maps">{images}</div>\n</section>'
    )


def _title(step: TraceStep) -> str:
    """Return number, direction, op and layer."""
    facts = {"number": step.number, "direction": phrase(step.direction), "op": step.op}
    if not step.layer:
        return phrase("{number}. {direction}: {op}", **facts)
    return phrase("{number}. {direction}: {op} in {layer}", **facts, layer=step.layer)


def _said(name: str) -> str:
    """Return the name of an array."""
    of, _, which = name.partition("gradient of ")
    return phrase(name) if of or not which else phrase("gradient of {name}", name=phrase(which))


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or phrase("one number")


def _images(step: TraceStep) -> Iterator[tuple[str, Array, str]]:
    """Yield caption, pixels and alternative text of what can be drawn."""
    for name, array in step.arrays.items():
        if name == "columns":
            cut = array[:ROWS, :COLUMNS]
            size = f"{array.shape[0]}×{array.shape[1]}"
            first = phrase(", its first {size}", size=_size(cut.shape))
            part = "" if cut.shape == array.shape else first
            said = "im2col matrix, {size}{part}: each column is one window"
            caption = phrase(said, size=size, part=part)
            yield caption, cut, caption
        elif name == "wins":
            yield _maps(phrase("winners: windows that each pixel wins"), array[0])
        elif array.ndim == 4 and min(array.shape[2:]) > 1:
            of_images = name not in ("weight", "gradient of weight")
            tensors = array[0] if of_images else array.reshape(-1, *array.shape[2:])
            yield _maps(_said(name), tensors)
        elif array.ndim == 2 and 1 < array[:1].size <= COLUMNS:
            several = phrase("first {count} rows", count=min(len(array), ROWS))
            rows = phrase("one row") if len(array) == 1 else several
            caption = f"{_said(name)}, {rows}"
            yield caption, array[:ROWS], f"{caption}, {_shown_as(array[:ROWS])}"


def _maps(name: str, maps: Array) -> tuple[str, Array, str]:
    """Return maps (C, H, W) side by side, thinned out where they are large."""
    shown = maps[:MAPS]
    step = -(-max(shown.shape[1:]) // SIDE)
    drawn = tiles.grid(shown[:, ::step, ::step], columns=min(MAPS, len(shown)), seam=np.nan)
    several = phrase("first {count} of {all} maps", count=len(shown), all=len(maps))
    part = several if len(maps) > 1 else phrase("one map")
    caption = f"{name}: {part}"
    return caption, drawn, f"{caption}, {_shown_as(shown)}"


def _shown_as(values: Array) -> str:
    """Return how `shades` draws values, in words."""
    if np.nanmin(values, initial=0.0) >= 0:
        return phrase("in shades of gray")
    return phrase("negative values in blue, positive ones in orange")


def _figure(caption: str, values: Array, alt: str) -> str:
    zoom = max(1, min(8, 560 // values.shape[1]))
    return (
        f'<figure><img src="{style.png_address(shades(values))}" alt="{html.escape(alt)}" '
        f'width="{zoom * values.shape[1]}"><figcaption>{html.escape(caption)}</figcaption></figure>'
    )


def shades(values: Array) -> Array:
    """Return values (H, W) as colors (H, W, 3) uint8: blue below 0, orange above, white at NaN.

    >>> shades(np.array([[0.0, 1.0, np.nan]]))[0].tolist()
    [[0, 0, 0], [255, 255, 255], [255, 255, 255]]
    >>> shades(np.array([[-2.0, 0.0, 2.0]]))[0].tolist()
    [[0, 114, 178], [247, 247, 247], [213, 94, 0]]
    """
    finite = np.isfinite(values)
    known = np.where(finite, values, 0).astype(np.float64)
    largest = abs(known).max() or 1.0
    if known.min() >= 0:  # one sign: from black to white
        colors = np.repeat((known / largest)[..., None], 3, axis=-1) * 255
    else:
        share = (known / largest)[..., None]
        middle = np.array([247.0, 247.0, 247.0])
        below = np.array([0.0, 114.0, 178.0])
        above = np.array([213.0, 94.0, 0.0])
        ends = np.where(share < 0, below, above)
        colors = middle + abs(share) * (ends - middle)
    colors[~finite] = 255
    return np.rint(colors).astype(np.uint8)
