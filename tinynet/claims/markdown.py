"""Markdown of the claims, with the figures as SVG files beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tinynet.claims import content, figures, overview
from tinynet.claims.content import Command, Heading, Named, Part, Table, Text
from tinynet.claims.results import Results
from tinynet.core.atomic_file import write_atomically
from tinynet.words import phrase, phrases

FIGURES = "claims-figures"


def write(found: Sequence[Results], path: Path) -> Path:
    """Write the Markdown, and its figures into a folder beside it; return where it is."""
    folder = path.parent / FIGURES
    folder.mkdir(parents=True, exist_ok=True)
    for section in content.sections(found):
        for part in section.parts:
            if isinstance(part, figures.Picture):
                drawing = figures.standalone(part.svg).encode()
                write_atomically(folder / f"{part.name}.svg", drawing)
    write_atomically(path, render(found).encode())
    return path


def render(found: Sequence[Results]) -> str:
    """Return the Markdown as text.

    Examples
    --------
    >>> from tinynet.claims import markdown
    >>> markdown.render([]).splitlines()[0]
    "# The paper's claims, measured"
    """
    blocks = [f"# {phrase(content.TITLE)}", phrase(content.LEAD)]
    blocks += [*_summary(found), phrase(content.READING)]
    for section in content.sections(found):
        blocks += [f"## {section.title}", *(_part(part) for part in section.parts)]
    return "\n\n".join(blocks) + "\n"


def _summary(found: Iterable[Results]) -> Iterator[str]:
    rows = []
    for entry in overview.entries(found):
        row = overview.row(entry)
        title = phrase(row.claim.title)
        rows.append((f"[{title}](#{anchor(title)})", *row.in_words()))
    yield table(phrases(*overview.HEADER), rows)


def anchor(title: str) -> str:
    """Return the anchor of a heading.

    >>> anchor("The 18 % network")
    'the-18--network'
    """
    return re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-")


def _part(part: Part) -> str:
    """Return a part of a section as Markdown."""
    if isinstance(part, Text):
        return _prose(part.text)
    if isinstance(part, Named):
        return f"**{part.name}**: {_prose(part.text)}"
    if isinstance(part, Heading):
        return f"### {part.text}"
    if isinstance(part, Command):
        return f"    {part.text}"
    if isinstance(part, Table):
        return f"{part.caption}\n\n{table(part.header, part.rows)}"
    return f"![{_escaped(part.words)}]({FIGURES}/{part.name}.svg)"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""Return a table; | in a cell is escaped.

    >>> print(table(("a", "b"), [("x|y", "1")]))
    | a | b |
    |---|---|
    | x\|y | 1 |
    """
    lines = [header, *rows]
    texts = [f"| {' | '.join(_escaped(cell) for cell in line)} |" for line in lines]
    return "\n".join([texts[0], f"|{'---|' * len(header)}", *texts[1:]])


def _escaped(cell: str) -> str:
    return _prose(cell).replace("|", "\\|").replace("\n", " ")


def _prose(words: str) -> str:
    """Return a text whose < and * are no markup; code between backquotes stays as it is."""
    parts = re.split(r"(`[^`]*`)", words)
    return "".join(p if p.startswith("`") else re.sub(r"([<*])", r"\\\1", p) for p in parts)
