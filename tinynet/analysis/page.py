"""A page of figures: one HTML file beside their images, without scripts and without network.

`STYLE` is also that of the pages of `trace` and of `serve`; its colors are those of the report.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

from tinynet.words import language

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --shade: #f4f6f8;
  --accent: #0072b2; --warm: #c14f00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --ink: #e8eaed; --soft: #a6adb5; --line: #3a4149; --shade: #1f2428;
    --accent: #56b4e9; --warm: #f0a04b;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 1rem clamp(1rem, 4vw, 2.5rem) 3rem; max-width: 66rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
h1 { font-size: clamp(1.5rem, 5vw, 2.1rem); line-height: 1.2; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 2.2rem 0 .6rem; }
p { max-width: 44rem; overflow-wrap: break-word; }
a { color: var(--accent); }
figure { margin: 0 0 2rem; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .35rem; max-width: 44rem; }
img { max-width: 100%; height: auto; border-radius: 4px; background: white; }
button { font: inherit; color: var(--ink); background: var(--shade); cursor: pointer;
  border: 1px solid var(--line); border-radius: 6px; padding: .25rem .8rem; }
@media print {
  :root { --paper: #fff; --ink: #000; --soft: #444; --line: #bbb;
    --accent: #0072b2; --warm: #c14f00; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2 { break-after: avoid; }
  figure { break-inside: avoid; }
}
"""
PIXELS = 96  # of CSS to an inch: the words of all figures have one size
OF_FIGURES = """
nav { border-block: 1px solid var(--line); padding: .6rem 0; }
nav h2 { font-size: .85rem; font-weight: 600; color: var(--soft); margin: .5rem 0 0; }
nav a { display: inline-block; margin-right: 1.1rem; text-decoration: none; }
nav a:hover, nav a:focus { text-decoration: underline; }
.wide { display: block; overflow-x: auto; }
figure img { display: block; }
@media screen and (max-width: 40rem) { figure img { min-width: calc(.7 * var(--width)); } }
@media print { nav { display: none; } }
"""


class Panel(NamedTuple):
    """One figure of a page.

    Attributes
    ----------
    title : str
    source : str
        File beside the page, or a data: address.
    description : str
        Its contents in words: the alternative text and the caption.
    group : str
        Heading of the list that links to it.
    inches : (width, height), optional
        Size of the figure.
    """

    title: str
    source: str
    description: str
    group: str = ""
    inches: tuple[float, float] | None = None


def page(title: str, panels: Sequence[Panel], links: Sequence[tuple[str, str]] = ()) -> str:
    """Return an HTML page of figures.

    Parameters
    ----------
    title : str
    panels : sequence of Panel
        Those of a group stand beside each other in the list of links.
    links : sequence of (address, words)
        Other pages, named first.

    Examples
    --------
    >>> text = page("demo", [Panel("filters", "filters.png", "16 filters of 5x5 pixels")])
    >>> '<img src="filters.png" alt="16 filters of 5x5 pixels"' in text
    True
    """
    name = html.escape(title)
    others = "".join(
        f'<p><a href="{quote(address)}">{html.escape(words)}</a></p>\n' for address, words in links
    )
    shown = "\n".join(_figure(i, panel) for i, panel in enumerate(panels))
    return (
        f'<!doctype html>\n<html lang="{language()}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>{STYLE}{OF_FIGURES}</style>\n</head>\n<body>\n"
        f"<h1>{name}</h1>\n{others}<nav>\n{_contents(panels)}\n</nav>\n"
        f"{shown}\n</body>\n</html>\n"
    )


def _contents(panels: Sequence[Panel]) -> str:
    """Return links to the figures, group by group."""
    groups: dict[str, list[str]] = {}
    for i, panel in enumerate(panels):
        link = f'<a href="#f{i}">{html.escape(panel.title)}</a>'
        groups.setdefault(panel.group, []).append(link)
    return "\n".join(
        (f"<h2>{html.escape(group)}</h2>\n" if group else "") + "\n".join(found)
        for group, found in groups.items()
    )


def _figure(number: int, panel: Panel) -> str:
    source = panel.source if panel.source.startswith("data:") else quote(panel.source)
    words = html.escape(panel.description)
    image = f'<img src="{source}" alt="{words}"{_size(panel)} loading="lazy">'
    return (
        f'<figure id="f{number}">\n<h2>{html.escape(panel.title)}</h2>\n'
        f'<a class="wide" href="{source}">{image}</a>\n'
        f"<figcaption>{words}</figcaption>\n</figure>"
    )


def _size(panel: Panel) -> str:
    """Return the size of an image as attributes: a link jumps to it before it is loaded."""
    if panel.inches is None:
        return ""
    width, height = (round(PIXELS * side) for side in panel.inches)
    return f' width="{width}" height="{height}" style="--width: {width}px"'
