"""Files of the lessons: scripts in the percent format, and the notebooks made from them.

A line ``# %%`` begins a cell, ``# %% [markdown] lang="en"`` one of prose, and
``# %% tags=["exercise"]`` one that the learner fills. Code cells have no language: every edition
shares them.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path
from typing import NamedTuple

import tinynet
from tinynet.core.errors import DataError
from tinynet.core.extras import DISTRIBUTION

MARK = re.compile(r"^# %%(?: (\[markdown\]))?(?: (.*))?$")


class Cell(NamedTuple):
    """One cell: its first line (``# %% ...``), whether it is prose, its tags, and its text."""

    mark: str
    prose: bool
    lang: str
    tags: tuple[str, ...]
    text: str


class Lesson(NamedTuple):
    """A lesson: its file and the facts of its header table."""

    number: str
    path: Path
    title: str
    facts: dict[str, str]  # goal, time, needs, before, runs


def folder() -> Path:
    """Return the folder of the lessons: in the checkout, or where pip installed them."""
    beside = Path(tinynet.__file__).parent.parent
    if (beside / "setup.cfg").exists() and (beside / "lessons").is_dir():
        return beside / "lessons"
    try:
        files = importlib.metadata.files(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if re.search(r"share/tinynet/lessons/\d\d_\w+\.py$", str(file)):
            return Path(str(file.locate())).resolve().parent
    raise DataError(
        f"lessons: not found beside {Path(tinynet.__file__).parent}, nor installed with it. "
        "Install from a clone with: pip install . (or work in the clone)."
    )


def lessons(where: Path | None = None) -> list[Lesson]:
    """Return all lessons in their order."""
    found = sorted((where or folder()).glob("[0-9][0-9]_*.py"))
    return [read(path) for path in found]


def find(number: str) -> Lesson:
    """Return the lesson of a number such as "07" or "7"."""
    known = lessons()
    for lesson in known:
        if lesson.number == number.zfill(2):
            return lesson
    numbers = ", ".join(lesson.number for lesson in known)
    raise DataError(f"lessons: there is no lesson {number}. There are {numbers}.")


def read(path: Path) -> Lesson:
    """Return a lesson by its header: `# # 07 Title`, and a table of goal, time, needs, before."""
    text = path.read_text(encoding="utf-8")
    header = next((plain(cell.text) for cell in cells(text) if cell.prose), "")
    title = re.search(r"^# \d\d\.? (.*)$", header, flags=re.MULTILINE)
    rows = re.findall(r"^\| (\w+) \| (.*) \|$", header, flags=re.MULTILINE)
    return Lesson(path.name[:2], path, title[1] if title else path.stem, dict(rows))


def cells(text: str) -> list[Cell]:
    """Return the cells of a percent script."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if MARK.match(line):
            found.append((line, []))
        elif found:
            found[-1][1].append(line)
        elif line.strip():
            raise DataError(f"lessons: {line!r} stands before the first cell (# %%).")
    return [_cell(mark, "\n".join(lines).strip("\n")) for mark, lines in found]


def _cell(mark: str, text: str) -> Cell:
    match = MARK.match(mark)
    prose, rest = (match[1], match[2]) if match else (None, None)
    facts = {k: json.loads(v) for k, v in re.findall(r'(\w+)=("[^"]*"|\[[^]]*\])', rest or "")}
    return Cell(mark, prose is not None, facts.get("lang", ""), tuple(facts.get("tags", ())), text)


def plain(text: str) -> str:
    """Return the prose of a cell without its comment signs."""
    return "\n".join(re.sub(r"^# ?", "", line) for line in text.splitlines())


def script(parts: list[Cell]) -> str:
    """Return the percent script of some cells."""
    return "\n\n".join(f"{cell.mark}\n{cell.text}".rstrip() for cell in parts) + "\n"


def edition(parts: list[Cell], lang: str = "en") -> list[Cell]:
    """Return the prose cells of one language and all code cells."""
    return [cell for cell in parts if not cell.prose or cell.lang in ("", lang)]


def row(lesson: Lesson) -> str:
    """Return the row of a lesson in the README."""
    link = f"[{lesson.title}](lessons/{lesson.path.stem}.ipynb)"
    minutes = lesson.facts.get("time", "?").split()[0]
    return f"| {lesson.number} | {link} | {minutes} | {lesson.facts.get('goal', '')} |"


def listed(readme: str, found: list[Lesson]) -> str:
    """Return the text of the README with these lessons in its list."""
    rows = "".join(row(lesson) + "\n" for lesson in found)
    return re.sub(r"(^\| \d\d \| .*\n)+", lambda _: rows, readme, count=1, flags=re.MULTILINE)
