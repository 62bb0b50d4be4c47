"""Docstrings as reStructuredText: they are written to be read as they are.

In them an indented block is an equation or a listing, and a star is a product.
"""

from __future__ import annotations

import re

from sphinx.application import Sphinx

CODE = re.compile(r"(:\w+:`[^`]+`|``.+?``|`[^`\n]+`)")
BEFORE_NAPOLEON = 400  # which reads the sections, at 500


def as_rst(lines: list[str]) -> list[str]:
    r"""Return the lines of a docstring as reStructuredText.

    >>> as_rst(["The `square` is x*x:", "", "    y = x*x"])
    ['The `square` is x\\*x:', '', '::', '', '    y = x*x']
    """
    made: list[str] = []
    prose = ""  # the last line of prose
    listing = None  # the least indentation of the listing that this line is in
    for line in lines:
        if not line.strip():
            made.append(line)
            continue
        if listing is not None and depth(line) >= listing:
            made.append(line)
            continue
        listing = None
        after_gap = bool(made) and not made[-1].strip()
        if line.lstrip().startswith(">>>"):
            listing = depth(line)
            if depth(line) == 0:
                made.append("")  # a second empty line ends the section before it
        elif after_gap and depth(line) > depth(prose) and not is_point(prose):
            listing = depth(line)
            made += [" " * depth(prose) + "::", ""]
        else:
            prose = line
            line = escaped(line)
        made.append(line)
    return made


def depth(line: str) -> int:
    """Return the number of spaces before a line."""
    return len(line) - len(line.lstrip())


def is_point(line: str) -> bool:
    """Return whether a line begins a point of a list: what is indented below it belongs to it."""
    return re.match(r"\s*(?:[-*]|\d+\.) ", line) is not None


def escaped(line: str) -> str:
    """Return a line of prose in which stars, bars and last underscores are themselves."""
    pieces = CODE.split(line)
    pieces[::2] = [re.sub(r"([*|]|_\b(?!_))", r"\\\1", piece) for piece in pieces[::2]]
    return "".join(pieces)


def _on_docstring(
    app: Sphinx, kind: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    lines[:] = as_rst(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the conversion."""
    app.connect("autodoc-process-docstring", _on_docstring, priority=BEFORE_NAPOLEON)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
