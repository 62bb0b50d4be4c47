"""A page of figures: one HTML file beside their images, without scripts and without network."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 68rem; margin: auto; padding: 1rem; }
figure { margin: 2rem 0; }
img { max-width: 100%; height: auto; background: white; border-radius: 4px; }
figcaption { max-width: 44rem; }
nav a { margin-right: 1rem; white-space: nowrap; }
@media print { figure { break-inside: avoid; } nav { display: none; } }
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
    """

    title: str
    source: str
    description: str


def page(title: str, panels: Sequence[Panel]) -> str:
    """Return an HTML page of figures.

    Parameters
    ----------
    title : str
    panels : sequence of Panel

    Examples
    --------
    >>> text = page("demo", [Panel("filters", "filters.png", "16 filters of 5x5 pixels")])
    >>> '<img src="filters.png" alt="16 filters of 5x5 pixels"' in text
    True
    """
    name = html.escape(title)
    links = "\n".join(f'<a href="#f{i}">{html.escape(p.title)}</a>' for i, p in enumerate(panels))
    shown = "\n".join(_figure(i, panel) for i, panel in enumerate(panels))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{name}</h1>\n<nav>\n{links}\n</nav>\n{shown}\n</body>\n</html>\n"
    )


def _figure(number: int, panel: Panel) -> str:
    source = panel.source if panel.source.startswith("data:") else quote(panel.source)
    words = html.escape(panel.description)
    return (
        f'<figure id="f{number}">\n<h2>{html.escape(panel.title)}</h2>\n'
        f'<img src="{source}" alt="{words}" loading="lazy">\n'
        f"<figcaption>{words}</figcaption>\n</figure>"
    )
