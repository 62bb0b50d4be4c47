"""HTML as text: elements whose contents are escaped, tables, images, and the frame of a page.

Only `Html` is taken as it is; every other string is escaped, so that a name of a class or a folder
can be anything. A page is one file with its style sheet and images inside. It runs no script, and
its content security policy lets it load nothing.
"""

from __future__ import annotations

import html
import zlib
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any

from tinynet.core.errors import printable
from tinynet.words import language, phrase

VOID = {"img", "meta", "link", "br"}
MADE = "Made by tinynet. One file, no script, nothing is loaded."
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: Any) -> Html:
    """Return a value as HTML: escaped, unless it is `Html`; None is nothing.

    >>> text("<b> & more")
    '&lt;b&gt; &amp; more'
    """
    if isinstance(value, Html):
        return value
    return Html("" if value is None else html.escape(printable(str(value)), quote=True))


def tag(element: str, *children: Any, **attributes: Any) -> Html:
    """Return an element; `class_` is the attribute class, and `aria_label` is aria-label.

    An attribute that is None or False is left out; True has no value.

    >>> tag("p", "a < b", class_="note", hidden=True)
    '<p class="note" hidden>a &lt; b</p>'
    """
    parts = [element]
    for key, value in attributes.items():
        attribute = key.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(attribute)
        elif value is not None and value is not False:
            parts.append(f'{attribute}="{text(value)}"')
    opening = f"<{' '.join(parts)}>"
    if element in VOID:
        return Html(opening)
    return Html(f"{opening}{join(children)}</{element}>")


def join(parts: Iterable[Any], between: str = "") -> Html:
    """Return the parts as HTML, one after the other."""
    return Html(between.join(text(part) for part in parts))


def section(identity: str, title: str, *children: Any) -> Html:
    """Return a part of the page with its heading, which names it to a screen reader."""
    heading = tag("h2", title, id=f"{identity}-title")
    return tag("section", heading, *children, id=identity, aria_labelledby=f"{identity}-title")


def table(
    header: Sequence[Any],
    rows: Iterable[Sequence[Any]],
    caption: str,
    *,
    numbers: int = 1,
    class_: str | None = None,
) -> Html:
    """Return a table that scrolls by itself where it is wider than the page.

    Parameters
    ----------
    header : sequence of column names
        Or of whole th elements.
    rows : iterable of rows
        The first cell of a row is its name. A cell may be a whole td element.
    caption : str
        Read aloud, and shown above the table.
    numbers : int
        From this column on, cells are numbers, aligned to the right.
    class_ : str, optional
    """
    names = [
        name
        if isinstance(name, Html) and name.startswith("<th")
        else tag("th", name, scope="col", class_="number" if i >= numbers else None)
        for i, name in enumerate(header)
    ]
    body = [tag("tr", *_cells(row, numbers)) for row in rows]
    identity = f"table-{zlib.crc32(f'{caption}{header}'.encode()):08x}"
    found = tag(
        "table",
        tag("thead", tag("tr", *names)),
        tag("tbody", *body),
        class_=class_,
        aria_labelledby=identity,
    )
    scrolled = tag(
        "div", found, class_="wide", tabindex="0", role="region", aria_labelledby=identity
    )
    return join([tag("p", caption, class_="caption", id=identity), scrolled])


def _cells(row: Sequence[Any], numbers: int) -> list[Html]:
    first, *others = row
    cells = [tag("th", first, scope="row")]
    for i, value in enumerate(others, start=1):
        if isinstance(value, Html) and value.startswith("<td"):
            cells.append(value)
        else:
            cells.append(tag("td", value, class_="number" if i >= numbers else None))
    return cells


def bar(share: float) -> Html:
    """Return a cell of a table with a bar, as long as a share in 0..1."""
    inner = tag("span", style=f"width: {100 * share:.1f}%")
    return tag("td", inner, class_="bar", aria_hidden="true")


def image(source: str, alternative: str, *, class_: str | None = None, width: int = 0) -> Html:
    """Return an image; its alternative text says what it shows."""
    return tag("img", src=source, alt=alternative, class_=class_, width=width or None)


def figure(content: Any, caption: Any, *, class_: str | None = None) -> Html:
    """Return a figure with its caption below it."""
    return tag("figure", content, tag("figcaption", caption), class_=class_)


def details(summary: str, *children: Any) -> Html:
    """Return contents that are folded away until they are asked for."""
    return tag("details", tag("summary", summary), *children)


def page(title: str, header: Sequence[Any], sections: Sequence[tuple[str, str, Html]]) -> str:
    """Return a whole page.

    Parameters
    ----------
    title : str
    header : sequence of Html
        Stands above all sections.
    sections : sequence of (identity, title, contents)
        The titles are listed at the top, with links.
    """
    style = resources.files("tinynet.reports").joinpath("page.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", Html(style)),
    )
    links = [tag("li", tag("a", name, href=f"#{identity}")) for identity, name, _ in sections]
    body = tag(
        "body",
        tag("a", phrase("To the contents"), href="#contents", class_="skip"),
        tag("header", *header),
        tag("nav", tag("ul", *links), aria_label=phrase("On this page")),
        tag("main", *(section(*each) for each in sections), id="contents"),
        tag("footer", tag("p", phrase(MADE))),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang=language())}\n"
