"""Page of the claims: one HTML file without a script, built from results."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence

from tinynet.claims import content, figures, overview
from tinynet.claims.content import Command, Heading, Named, Part, Section, Table, Text
from tinynet.claims.figures import Picture
from tinynet.claims.results import Results
from tinynet.reports.charts import sample
from tinynet.reports.html import Html, figure, join, page, table, tag, text
from tinynet.words import phrase, phrases


def render(found: Sequence[Results]) -> str:
    """Return the page as text.

    Examples
    --------
    >>> from tinynet.claims import page
    >>> page.render([]).startswith("<!DOCTYPE html>")
    True
    """
    title = phrase(content.TITLE)
    header = [tag("h1", title), tag("p", phrase(content.LEAD), class_="lead")]
    parts = [("summary", phrase("All claims"), _summary(found))]
    parts += [_section(each) for each in content.sections(found)]
    return page(title, header, parts)


def _summary(found: Iterable[Results]) -> Html:
    rows = []
    for entry in overview.entries(found):
        row = overview.row(entry)
        link = tag("a", phrase(row.claim.title), href=f"#{row.claim.name}")
        *words, seeds, runs = row.in_words()
        rows.append([link, *(tag("td", cell) for cell in words), seeds, runs])
    said = "Each claim, what was published, and what its first comparison shows here."
    found_table = table(phrases(*overview.HEADER), rows, phrase(said), numbers=4)
    return join([found_table, tag("p", phrase(content.READING), class_="soft")])


def _section(section: Section) -> tuple[str, str, Html]:
    """Return a section; figures that follow each other stand side by side where there is room."""
    parts: list[Html] = []
    for drawn, group in itertools.groupby(section.parts, lambda part: isinstance(part, Picture)):
        found = map(_part, group)
        parts += [tag("div", *found, class_="pair")] if drawn else found
    return section.identity, section.title, join(parts)


def _part(part: Part) -> Html:
    """Return a part of a section as HTML."""
    if isinstance(part, Text):
        return tag("p", prose(part.text))
    if isinstance(part, Named):
        return tag("p", tag("strong", f"{part.name}: "), prose(part.text))
    if isinstance(part, Heading):
        return tag("h3", prose(part.text))
    if isinstance(part, Command):
        return tag("pre", tag("code", part.text))
    if isinstance(part, Table):
        return _table(part)
    return figure(part.svg, part.words, class_="half")


def prose(words: str) -> Html:
    """Return a text as HTML, with what stands between backquotes as code.

    >>> prose("`a < b` & c")
    '<code>a &lt; b</code> &amp; c'
    """
    parts = re.split(r"`([^`]*)`", words)
    return join(tag("code", p) if i % 2 else text(p) for i, p in enumerate(parts))


def _table(part: Table) -> Html:
    rows = [
        [_name(part, i, row[0]), *(tag("td", cell) for cell in row[1 : part.numbers])]
        + [_cell(cell) for cell in row[part.numbers :]]
        for i, row in enumerate(part.rows)
    ]
    words = phrase("verdict")
    header = [tag("th", name, scope="col") if name == words else name for name in part.header]
    return table(header, rows, part.caption, numbers=part.numbers)


def _name(part: Table, index: int, name: str) -> Html:
    return join([sample(figures.kind(index)), " ", name]) if part.keys else text(name)


def _cell(cell: str) -> Html | str:
    """Return a cell aligned as a number, or as text where it is words."""
    return cell if re.search(r"\d", cell) or cell == "–" else tag("td", cell)
