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
from typing import Any, NamedTuple

import tinynet
from tinynet.core.errors import DataError
from tinynet.core.extras import DISTRIBUTION

PAIRING = "jupytext.toml"  # tells Jupyter to keep script and notebook in step
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


def unsolved(parts: list[Cell]) -> list[Cell]:
    """Return the cells, with the solutions removed."""
    return [c._replace(text=_emptied(c.text)) if "solution" in c.tags else c for c in parts]


def _emptied(text: str) -> str:
    numbers = dict.fromkeys(re.findall(r'check\("(\d\d\.\d+)"', text))
    return "\n".join(f'# solution("{number}") shows ours' for number in numbers)


FOLDED = re.compile(r"\n*<details>\s*<summary>.*?</summary>\s*(.*?)\s*</details>\n*", re.DOTALL)
APART = 40  # lines between the questions and their answers: more than a screen shows


def answers_last(parts: list[Cell]) -> list[Cell]:
    """Return the cells, with the quiz answers moved to the end: a script cannot fold them."""
    kept = []
    answers = []
    for cell in parts:
        text = plain(cell.text)
        if not (cell.prose and FOLDED.search(text)):
            kept.append(cell)
            continue
        for question, answer in re.findall(rf"(\*\*\d\.\*\*).*?{FOLDED.pattern}", text, re.DOTALL):
            answers.append(f"{question} {answer}")
        kept.append(cell._replace(text=_commented(FOLDED.sub("\n\n", text).rstrip())))
    if not answers:
        return kept
    lines = ["## Answers", "", "They are further down: answer first.", *[""] * APART]
    text = "\n".join(lines) + "\n\n".join(answers)
    return [*kept, kept[0]._replace(text=_commented(text))]


HINT = re.compile(r'^# hint\("(\d\d\.\d+)"\)  # .*$', re.MULTILINE)


def hints_by_number(parts: list[Cell]) -> list[Cell]:
    """Return the cells, with each hint called by its number: a script cannot count hints."""
    said = r'# hint("\1")  # without the first "#": the first hint; hint("\1", 2) is the second'
    return [c if c.prose else c._replace(text=HINT.sub(said, c.text)) for c in parts]


def _commented(text: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in text.splitlines())


def notebook(parts: list[Cell], name: str) -> str:
    """Return a notebook of some cells as JSON, without outputs."""
    listed = [_as_json(cell, f"{name}-{i:03d}") for i, cell in enumerate(parts)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    whole = {"cells": listed, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _as_json(cell: Cell, name: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"lang": cell.lang} if cell.lang else {}
    if cell.tags:
        metadata["tags"] = list(cell.tags)
    text = plain(cell.text) if cell.prose else cell.text
    shared = {"id": name, "metadata": metadata, "source": text.splitlines(keepends=True)}
    if cell.prose:
        return {"cell_type": "markdown", **shared}
    return {"cell_type": "code", "execution_count": None, "outputs": [], **shared}


def pair(where: Path) -> list[Path]:
    """Write the notebook beside every script of a folder; return those that changed."""
    changed = []
    for lesson in lessons(where):
        path = lesson.path.with_suffix(".ipynb")
        text = notebook(
            edition(cells(lesson.path.read_text(encoding="utf-8"))), f"lesson-{lesson.number}"
        )
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def row(lesson: Lesson) -> str:
    """Return the row of a lesson in the README."""
    link = f"[{lesson.title}](lessons/{lesson.path.stem}.ipynb)"
    minutes = lesson.facts.get("time", "?").split()[0]
    return f"| {lesson.number} | {link} | {minutes} | {lesson.facts.get('goal', '')} |"


def listed(readme: str, found: list[Lesson]) -> str:
    """Return the text of the README with these lessons in its list."""
    rows = "".join(row(lesson) + "\n" for lesson in found)
    return re.sub(r"(^\| \d\d \| .*\n)+", lambda _: rows, readme, count=1, flags=re.MULTILINE)


def copy(lesson: Lesson, where: Path) -> list[Path]:
    """Write a lesson without its solutions, as script and notebook; keep existing files.

    The script has the answers of its quiz at the end and calls its hints by their numbers.
    """
    parts = unsolved(edition(cells(lesson.path.read_text(encoding="utf-8"))))
    texts = {
        ".py": script(hints_by_number(answers_last(parts))),
        ".ipynb": notebook(parts, f"lesson-{lesson.number}"),
    }
    written = []
    where.mkdir(parents=True, exist_ok=True)
    texts = {lesson.path.stem + suffix: text for suffix, text in texts.items()}
    texts[PAIRING] = (lesson.path.parent / PAIRING).read_text(encoding="utf-8")
    for name, text in texts.items():
        path = where / name
        if not path.exists():
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written
