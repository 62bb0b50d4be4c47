"""Slides of a lesson: one HTML file that needs no network, made from its text and its figures.

Each heading begins a slide, which has the first sentence of each paragraph, the equations and the
tables below it. Figures, exercises and quiz questions have slides of their own.
"""

from __future__ import annotations

import base64
import html
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tinynet.core.errors import DataError
from tinynet.lessons import exercise, pages
from tinynet.lessons.editions import FOLDED, tasks_in_place
from tinynet.lessons.pages import Cell, Lesson
from tinynet.plot import style
from tinynet.words import into, phrase

MOST = 6  # items on a slide
MARK = "@@ cell "  # printed before each cell, so that figures are found again
FONT = 20  # points of an equation
POINT = r"^(?:[*-]|\d\.) "  # begins a point of a list


class Figure(NamedTuple):
    """A figure of a lesson: the cell that shows it, its image, and its alternative text."""

    cell: int
    png: bytes
    alt: str


def deck(lesson: Lesson, *, figures: bool = True) -> str:
    """Return the slides of a lesson as HTML; its figures take one run of the lesson."""
    parts = tasks_in_place(pages.content(lesson), lesson.lang)
    drawn = run(lesson, parts) if figures else []
    slides = [_title(lesson), *_slides(lesson, parts, drawn)]
    sections = "\n".join(f"<section>{slide}</section>" for slide in slides)
    name = html.escape(f"{lesson.number} {lesson.title}")
    page = PAGE.replace("LANG", lesson.lang, 1).replace("TITLE", name)
    return page.replace("SLIDES", sections)


def run(lesson: Lesson, parts: list[Cell]) -> list[Figure]:
    """Run a lesson with its solutions, and return its figures."""
    marked = [
        c if c.prose else c._replace(text=f"print({MARK + str(i)!r})\n{c.text}")
        for i, c in enumerate(parts)
    ]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / lesson.path.name
        script.write_text(pages.script(marked), encoding="utf-8")
        extra = {"MPLBACKEND": "Agg", "TINYNET_FIGURES": folder, "TINYNET_PREDICT": "show"}
        extra["TINYNET_LANG"] = lesson.lang
        done = subprocess.run(
            [sys.executable, str(script)],
            cwd=folder,
            capture_output=True,
            text=True,
            env={**os.environ, **extra},
        )
        if done.returncode:
            said = "lessons slides: the lesson failed: {error}"
            raise DataError(phrase(said, error=done.stderr.strip()[-300:]))
        found: list[Figure] = []
        cell = 0
        for line in done.stdout.splitlines():
            if line.startswith(MARK):
                cell = int(line[len(MARK) :])
            elif line.startswith("Figure: "):
                name = f"{lesson.path.stem}-{len(found) + 1}.png"
                found.append(Figure(cell, (Path(folder) / name).read_bytes(), line[8:]))
    return found


def _title(lesson: Lesson) -> str:
    goal = lesson.facts.get("goal", "")
    which = into(lesson.lang, "lesson {number}", number=lesson.number)
    return (
        f"<h1>{html.escape(lesson.title)}</h1><p>{inline(goal)}</p>"
        f"<p class=small>tinynet, {which}, {lesson.facts.get('time', '')}</p>"
    )


def _slides(lesson: Lesson, parts: list[Cell], figures: list[Figure]) -> Iterator[str]:
    """Yield the slides of all cells; text gathers until a figure or an exercise interrupts it."""
    heading = ""
    items: list[str] = []
    known = exercise.exercises(lesson.number)
    for i, cell in enumerate(parts[1:], 1):
        if cell.prose:
            pieces = list(headed(pages.plain(cell.text), heading))
            for title, body in pieces:
                if title != heading:
                    yield from _texts(heading, items)
                    items = []
                heading = title
                if FOLDED.search(body):
                    yield from _quiz(title, body, into(lesson.lang, "Answer"))
                else:
                    items += filter(None, map(_item, re.split(r"\n\s*\n", body)))
            continue
        number = re.search(r'check\("(\d\d\.\d+)"', cell.text)
        made = [_figure(heading, figure) for figure in figures if figure.cell == i]
        if number and "exercise" in cell.tags:
            made.append(_exercise(known[number[1]], cell.text, lesson.lang))
        if made:
            yield from _texts(heading, items)
            yield from made
            items = []
    yield from _texts(heading, items)


def headed(text: str, heading: str) -> Iterator[tuple[str, str]]:
    """Split a text at its headings; the first part belongs to the heading before it."""
    pieces = re.split(r"^#+ (.*)$", text, flags=re.MULTILINE)
    yield heading, pieces[0].strip()
    yield from ((h, body.strip()) for h, body in zip(pieces[1::2], pieces[2::2], strict=True))


def _texts(heading: str, items: list[str]) -> Iterator[str]:
    for start in range(0, len(items), MOST):
        yield f"<h2>{inline(heading)}</h2>" + "".join(items[start : start + MOST])


def _item(block: str) -> str:
    """Return a paragraph's main sentences, an equation, a table, or a list, as HTML."""
    if not block.strip() or re.match(r"\*\*[\w ]+ \d\d\.\d", block):  # it has a slide of its own
        return ""
    if block.startswith("$$"):
        return f"<p class=math>{equation(' '.join(block.strip('$ ').split()))}</p>"
    if block.startswith("|"):
        return _table(block)
    if re.match(POINT, block):
        points = re.split(POINT, block, flags=re.MULTILINE)[1:]
        return "<ul>" + "".join(f"<li>{inline(sentence(p))}</li>" for p in points) + "</ul>"
    return f"<p>{inline(sentence(block))}</p>"


def sentence(text: str) -> str:
    """Return the first sentence of a text, and its questions.

    >>> sentence("It slides. It adds. Predict: how often? Then run it.")
    'It slides. Predict: how often?'
    """
    flat = " ".join(text.split())
    found = re.split(r"(?<=[.?!]) (?=[A-Z가-힣$*`(])|(?<=[가-힣][.?!]) (?=\d)", flat)
    return " ".join(part for i, part in enumerate(found) if i == 0 or part.endswith("?"))


def _table(block: str) -> str:
    rows = [line.strip().strip("|").split("|") for line in block.splitlines()]
    kept = [row for row in rows if not re.fullmatch(r"[\s|:-]*", "|".join(row))]
    cells = ("".join(f"<td>{inline(cell.strip())}</td>" for cell in row) for row in kept)
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def _exercise(known: exercise.Exercise, code: str, lang: str) -> str:
    stub = html.escape(code.strip())
    title = inline(into(lang, known.title))
    task = inline(" ".join(into(lang, known.task).split()))
    return f"<h2>{known.number} {title}</h2><p>{task}</p><pre>{stub}</pre>"


def _figure(heading: str, figure: Figure) -> str:
    data = base64.b64encode(figure.png).decode()
    alt = html.escape(figure.alt, quote=True)
    image = f'<img class=figure src="data:image/png;base64,{data}" alt="{alt}">'
    return f"<h2>{inline(heading)}</h2>{image}"


def _quiz(title: str, body: str, answers: str) -> Iterator[str]:
    for question, answer in re.findall(rf"\*\*\d\.\*\*(.*?){FOLDED.pattern}", body, re.DOTALL):
        asked = inline(" ".join(question.split()))
        told = inline(" ".join(answer.split()))
        folded = f"<details><summary>{answers}</summary>{told}</details>"
        yield f"<h2>{inline(title)}</h2><p>{asked}</p>{folded}"


def inline(text: str) -> str:
    """Return a line of Markdown as HTML: code, bold, emphasis, links and formulas."""
    held: list[str] = []

    def hold(found: re.Match[str]) -> str:
        held.append(_verbatim(found[0]))
        return f"\0{len(held) - 1}\0"

    line = html.escape(re.sub(r"`[^`]+`|\$[^$]+\$", hold, text), quote=False)
    line = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", line)
    line = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", line)
    line = re.sub(r"(?<!\w)\*([^\s*](?:[^*]*[^\s*])?)\*", r"<em>\1</em>", line)
    return re.sub(r"\0(\d+)\0", lambda found: held[int(found[1])], line)


def _verbatim(piece: str) -> str:
    """Return a code span or a formula as HTML: what is in it is no Markdown."""
    if piece.startswith("`"):
        return f"<code>{html.escape(piece[1:-1])}</code>"
    return equation(piece[1:-1])


def equation(source: str) -> str:
    """Return a formula as an image; as its source where matplotlib cannot set it."""
    figure = style.new_figure(0.1, 0.1, layout=None)
    figure.text(0, 0, f"${source.replace(chr(92) + 'tfrac', chr(92) + 'frac')}$", fontsize=FONT)
    drawn = io.BytesIO()
    try:
        figure.savefig(drawn, format="svg", bbox_inches="tight", pad_inches=0.02, transparent=True)
    except (ValueError, RuntimeError):
        return f"<code>{html.escape(source)}</code>"
    size = re.search(rb'<svg [^>]*?height="([\d.]+)pt"', drawn.getvalue())
    height = float(size[1]) / FONT if size else 1.2
    data = base64.b64encode(drawn.getvalue()).decode()
    alt = html.escape(source, quote=True)
    return (
        f'<img class=formula style="height:{height:.2f}em" '
        f'src="data:image/svg+xml;base64,{data}" alt="{alt}">'
    )


PAGE = """<!doctype html>
<html lang="LANG"><head><meta charset="utf-8"><title>TITLE</title>
<meta name="viewport" content="width=device-width">
<style>
body { margin: 0; font: 28px/1.4 system-ui, sans-serif; color: #1a1a1a; background: #fff; }
section { display: none; box-sizing: border-box; min-height: 100vh; padding: 6vh 8vw;
  flex-direction: column; justify-content: center; }
section.now { display: flex; }
html:lang(ko) { word-break: keep-all; }
h1 { font-size: 2em; margin: 0; } h2 { font-size: 1.3em; margin: 0 0 .5em; color: #0072B2; }
p, ul { margin: .3em 0; } .small { font-size: .7em; color: #595959; } .math { text-align: center; }
code, pre { font: .8em/1.4 ui-monospace, monospace; background: #f4f4f4; }
pre { padding: .6em; white-space: pre-wrap; }
table { border-collapse: collapse; font-size: .8em; }
td { border: 1px solid #ccc; padding: .2em .6em; }
.figure { max-width: 100%; max-height: 70vh; object-fit: contain; align-self: center; }
.formula { vertical-align: middle; } summary { color: #0072B2; cursor: pointer; }
#place { position: fixed; right: 1em; bottom: .5em; font-size: 16px; color: #595959; }
@media print { section { display: flex; page-break-after: always; } #place { display: none; } }
</style></head><body>
SLIDES
<div id="place" title="arrow keys, space, Home, End; a opens an answer"></div>
<script>
const all = [...document.querySelectorAll("section")];
let at = Math.min(all.length, parseInt(location.hash.slice(1)) || 1) - 1;
function show(next) {
  at = Math.max(0, Math.min(all.length - 1, next));
  all.forEach((one, i) => one.classList.toggle("now", i === at));
  document.getElementById("place").textContent = `${at + 1} / ${all.length}`;
  history.replaceState(null, "", `#${at + 1}`);
}
document.addEventListener("keydown", event => {
  const by = { ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1 }[event.key];
  if (by) { event.preventDefault(); show(at + by); }
  if (event.key === "Home") show(0);
  if (event.key === "End") show(all.length - 1);
  if (event.key === "a") all[at].querySelectorAll("details").forEach(one => one.open = !one.open);
});
document.addEventListener("click", event => {
  if (!event.target.closest("details")) show(at + (event.clientX < innerWidth / 3 ? -1 : 1));
});
show(at);
</script></body></html>
"""
