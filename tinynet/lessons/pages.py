"""Files of the lessons: scripts in the percent format, and the notebooks made from them.

A line ``# %%`` begins a cell, ``# %% [markdown] lang="en"`` one of prose, and
``# %% tags=["exercise"]`` one that the learner fills. Code cells have no language: every edition
shares them. The prose of other languages is in catalogues: :mod:`tinynet.lessons.translation`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import tinynet
from tinynet.core import companions
from tinynet.core.errors import DataError
from tinynet.lessons.translation import catalogue
from tinynet.words import phrase

MARK = re.compile(r"^# %%(?: (\[markdown\]))?(?: (.*))?$")


class Cell(NamedTuple):
    """One cell: its first line (``# %% ...``), whether it is prose, its tags, and its text."""

    mark: str
    prose: bool
    lang: str
    tags: tuple[str, ...]
    text: str


class Lesson(NamedTuple):
    """A lesson: its script, and the language, title and facts of its header table."""

    number: str
    path: Path
    title: str
    facts: dict[str, str]  # goal, time, needs, before, runs
    lang: str = "en"


def folder() -> Path:
    """Return the folder of the lessons: in the checkout, or where pip installed them."""
    found = companions.folder("lessons")
    if found is not None:
        return found
    raise DataError(
        phrase(
            "lessons: not found beside {place}, nor installed with it. "
            "Install from a clone with: pip install . (or work in the clone).",
            place=Path(tinynet.__file__).parent,
        )
    )


def lessons(where: Path | None = None, lang: str = "en") -> list[Lesson]:
    """Return all lessons in their order; one that has no catalogue in `lang` is English."""
    found = sorted((where or folder()).glob("[0-9][0-9]_*.py"))
    return [read(path, lang) for path in found]


def find(number: str, lang: str = "en") -> Lesson:
    """Return the lesson of a number such as "07" or "7"."""
    known = lessons(lang=lang)
    for lesson in known:
        if lesson.number == number.zfill(2):
            return lesson
    numbers = ", ".join(lesson.number for lesson in known)
    said = "lessons: there is no lesson {number}. There are {numbers}."
    raise DataError(phrase(said, number=number, numbers=numbers))


def read(path: Path, lang: str = "en") -> Lesson:
    """Return a lesson by its header: `# # 07 Title`, and a table of goal, time, needs, before."""
    parts = cells(path.read_text(encoding="utf-8"))
    title, facts = _header(next((plain(cell.text) for cell in parts if cell.prose), ""))
    told = None if lang == "en" else catalogue(path, lang)
    if told is None:
        return Lesson(path.name[:2], path, title or path.stem, facts)
    title, words = _header(told.prose[0])  # its rows have other names, in the same order
    known = dict(zip(facts, words.values(), strict=False))
    return Lesson(path.name[:2], path, title or path.stem, known, lang)


def _header(text: str) -> tuple[str, dict[str, str]]:
    """Return the title and the facts of a lesson's first cell."""
    title = re.search(r"^# \d\d\.? (.*)$", text, flags=re.MULTILINE)
    rows = re.findall(r"^\| (\w+) \| (.*) \|$", text, flags=re.MULTILINE)
    return title[1] if title else "", dict(rows)


def content(lesson: Lesson) -> list[Cell]:
    """Return the cells of a lesson in its language.

    Raises
    ------
    DataError : if its catalogue has more or fewer cells of prose than the lesson
    """
    parts = cells(lesson.path.read_text(encoding="utf-8"))
    told = None if lesson.lang == "en" else catalogue(lesson.path, lesson.lang)
    return parts if told is None else translated(parts, told.prose, lesson.lang)


def translated(parts: list[Cell], prose: list[str], lang: str) -> list[Cell]:
    """Return the cells with this prose in place of theirs, the n-th for the n-th."""
    count = sum(cell.prose for cell in parts)
    if count != len(prose):
        raise DataError(f"lessons: {lang} has {len(prose)} cells of prose, English has {count}.")
    texts = iter(prose)
    mark = f'# %% [markdown] lang="{lang}"'
    return [
        Cell(mark, True, lang, cell.tags, commented(next(texts))) if cell.prose else cell
        for cell in parts
    ]


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


SHOWN = 12  # lines of code that a cell shows


def code_lines(text: str) -> int:
    """Return the number of lines of a cell's code that are not blank."""
    return sum(bool(line.strip()) for line in text.splitlines())


def folded(text: str) -> bool:
    """Return whether the code of a cell is folded: it draws, and is longer than a cell may be."""
    return "plt." in text and code_lines(text) > SHOWN


def plain(text: str) -> str:
    """Return the prose of a cell without its comment signs."""
    return "\n".join(re.sub(r"^# ?", "", line) for line in text.splitlines())


def commented(text: str) -> str:
    """Return prose with comment signs, as a script holds it."""
    return "\n".join(f"# {line}".rstrip() for line in text.splitlines())


def script(parts: list[Cell]) -> str:
    """Return the percent script of some cells."""
    return "\n\n".join(f"{cell.mark}\n{cell.text}".rstrip() for cell in parts) + "\n"


def row(lesson: Lesson) -> str:
    """Return the row of a lesson in the README."""
    link = f"[{lesson.title}](lessons/{lesson.path.stem}.ipynb)"
    minutes = re.search(r"\d+", lesson.facts.get("time", ""))
    time = minutes[0] if minutes else "?"
    return f"| {lesson.number} | {link} | {time} | {lesson.facts.get('goal', '')} |"


def listed(readme: str, found: list[Lesson]) -> str:
    """Return the text of the README with these lessons in its list."""
    rows = "".join(row(lesson) + "\n" for lesson in found)
    return re.sub(r"(^\| \d\d \| .*\n)+", lambda _: rows, readme, count=1, flags=re.MULTILINE)
