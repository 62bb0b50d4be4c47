"""Pages of the lessons: a notebook, with the outputs that it was saved with, as Markdown.

A catalogue of `lessons/ko` becomes the same page with its prose, and with the outputs of the
English notebook. Nothing is run, and the cells that ask for hints and solutions are left out.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import notebooks
from sphinx.application import Sphinx

from tinynet.lessons import editions, pages

Cell = dict[str, Any]
NOT_FOR_READERS = re.compile(r'(# (hint|solution)\("\d\d\.\d+"\).*\s*)+')
CODE = {"en": "Code of the figure, {} lines", "ko": "그림을 그리는 코드 {}줄"}
STARTS = re.compile(r"image/png;base64,(iVBOR[\w+/]{27})")
WIDE = 1100  # pixels: more than the usual figure has
FOLDED = re.compile(r"(<details>\s*<summary>.*?</summary>)(.*?)(</details>)", re.DOTALL)


def markdown(notebook: Cell, row: str = "", lang: str = "en") -> str:
    """Return a notebook as Markdown, with a row of links below its first cell."""
    cells = [list(_cell(cell, lang)) for cell in notebook["cells"]]
    cells.insert(1, [row])
    return "\n\n".join(part for cell in cells for part in cell if part) + "\n"


def _cell(cell: Cell, lang: str) -> Iterator[str]:
    text = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield FOLDED.sub(r"\1\n\n\2\n\n\3", text)
        return
    if NOT_FOR_READERS.fullmatch(text):
        return
    block = fenced(text, "{code-block} python")
    if pages.folded(text):
        lines = pages.code_lines(text)
        yield f"<details><summary>{CODE[lang].format(lines)}</summary>\n\n{block}\n\n</details>"
    else:
        yield block
    yield from outputs(cell["outputs"])


def outputs(saved: list[Cell]) -> Iterator[str]:
    r"""Yield the outputs of a cell; what was printed in pieces is one output.

    >>> list(outputs([{"output_type": "stream", "text": ["a\n"]}]))
    ['```{code-block} text\n:class: output\n\na\n```']
    """
    printed = ""
    for one in saved:
        if one["output_type"] == "stream":
            printed += "".join(one["text"])
            continue
        yield from _text(printed)
        printed = ""
        yield from _shown(one["data"])
    yield from _text(printed)


def _text(text: str) -> Iterator[str]:
    if text.strip():
        yield fenced(text.strip("\n"), "{code-block} text", ":class: output\n\n")


def _shown(data: dict[str, Any]) -> Iterator[str]:
    """Yield an output in its best form."""
    plain = "".join(data.get("text/plain", ""))
    if "text/markdown" in data:
        yield "".join(data["text/markdown"])
    elif "text/html" in data:
        yield _raw("".join(data["text/html"]))
    elif "image/png" in data:
        coded = "".join(data["image/png"]).strip()
        alt = html.escape(plain, quote=True)
        yield _raw(f'<img src="data:image/png;base64,{coded}" alt="{alt}">')
    else:
        yield from _text(plain)


def _raw(text: str) -> str:
    wide = any(_width(start) > WIDE for start in STARTS.findall(text))
    return fenced(f'<div class="shown{" drawing" if wide else ""}">{text}</div>', "{raw} html")


def _width(start: str) -> int:
    """Return the width of a PNG, in pixels, from its first 24 bytes in base64.

    >>> _width("iVBORw0KGgoAAAANSUhEUgAABIMAAAHO")
    1155
    """
    return int.from_bytes(base64.b64decode(start)[16:20], "big")


def fenced(text: str, info: str, options: str = "") -> str:
    r"""Return a fenced block whose fence is longer than every fence inside.

    >>> fenced("```", "text")
    '````text\n```\n````'
    """
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{info}\n{options}{text}\n{fence}"


def translated(path: Path) -> Cell:
    """Return the notebook of a catalogue, with the outputs of the English one.

    Parameters
    ----------
    path : lessons/LANG/NN_name.md
    """
    lang = path.parent.name
    known = pages.lessons(path.parent.parent, lang)
    [lesson] = [one for one in known if one.path.stem == path.stem]
    notebook: Cell = json.loads(editions.front(lesson, known))
    english = json.loads(lesson.path.with_suffix(".ipynb").read_text(encoding="utf-8"))
    for mine, theirs in zip(_code(notebook), _code(english), strict=True):
        mine["outputs"] = theirs["outputs"]
    here = {one.path.stem for one in known if one.lang == lang}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = [_linked("".join(cell["source"]), here)]
    return notebook


def _code(notebook: Cell) -> list[Cell]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _linked(text: str, here: set[str]) -> str:
    """Return a text whose links to lessons go to the catalogues that there are."""
    return re.sub(
        r"\]\((\d\d_\w+)\.ipynb\)",
        lambda m: f"]({m[1]}.md)" if m[1] in here else f"](../{m[1]}.ipynb)",
        text,
    )


def _on_read(app: Sphinx, docname: str, source: list[str]) -> None:
    path = Path(app.env.doc2path(docname))
    if path.suffix == ".ipynb":
        notebook = json.loads(source[0])
        lang = "en"
        korean = path.parent / "ko" / f"{path.stem}.md"
        other = f'<a href="ko/{path.stem}.html" lang="ko">한국어</a>' if korean.exists() else ""
    elif re.fullmatch(r"lessons/ko/\d\d_\w+", docname):
        notebook = translated(path)
        lang = "ko"
        other = f'<a href="../{path.stem}.html" lang="en">English</a>'
    else:
        return
    named = (app.config.repository, app.config.branch)
    row = notebooks.links(docname, other, *named, in_browser=bool(app.config.in_browser))
    source[0] = markdown(notebook, row, lang)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the reader of notebooks and catalogues."""
    app.connect("source-read", _on_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
