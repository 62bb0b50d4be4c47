"""Editions of a lesson: the learner's notebook or script, and the notebooks of the repository.

A learner's edition has no solutions; the answers of its quiz and the code of long figures are
folded. Notebooks are written as JupyterLab itself would save them: one that it had to complete
would be marked as modified before the learner touched it.
"""

from __future__ import annotations

import json
import platform
import re
from pathlib import Path
from typing import Any

from tinynet.lessons import outputs
from tinynet.lessons.pages import (
    Cell,
    Lesson,
    commented,
    content,
    folded,
    lessons,
    plain,
    script,
)
from tinynet.words import into


def unsolved(parts: list[Cell], *, offered: bool = True, lang: str = "en") -> list[Cell]:
    """Return the cells without the code of the solutions.

    Parameters
    ----------
    offered : bool
        Whether a comment stays in their place that says how to see the course's solution. Without
        it, the answers of the quiz are removed too.
    """
    if offered:
        return [c._replace(text=_emptied(c, lang)) if "solution" in c.tags else c for c in parts]
    kept = [c for c in parts if "solution" not in c.tags]
    return [c._replace(text=_unanswered(c)) if c.prose else c for c in kept]


def _emptied(cell: Cell, lang: str) -> str:
    numbers = dict.fromkeys(re.findall(r'check\("(\d\d\.\d+)"', cell.text))
    said = '# solution("{number}") shows ours'
    return "\n".join(into(lang, said, number=number) for number in numbers)


FOLDED = re.compile(r"\n*<details>\s*<summary>.*?</summary>\s*(.*?)\s*</details>\n*", re.DOTALL)
APART = 40  # lines between the questions and their answers: more than a screen shows


def _unanswered(cell: Cell) -> str:
    text = plain(cell.text)
    return commented(FOLDED.sub("\n\n", text).rstrip()) if FOLDED.search(text) else cell.text


def answers_last(parts: list[Cell], lang: str = "en") -> list[Cell]:
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
        kept.append(cell._replace(text=_unanswered(cell)))
    if not answers:
        return kept
    lines = [into(lang, "## Answers"), "", into(lang, FURTHER), *[""] * APART]
    text = "\n".join(lines) + "\n\n".join(answers)
    return [*kept, kept[0]._replace(text=commented(text))]


FURTHER = "They are further down: answer first."
HINT = re.compile(r'^# hint\("(\d\d\.\d+)"\)  # (.*)$', re.MULTILINE)
BY_NUMBER = 'without the first "#": the first hint; hint("{number}", 2) is the second'


def hints_explained(parts: list[Cell], *, by_number: bool, lang: str = "en") -> list[Cell]:
    """Return the cells, with the comment on each hint in a language.

    Parameters
    ----------
    by_number : bool
        Whether hints are called by their number: a script cannot count them.
    """

    def said(found: re.Match[str]) -> str:
        number, text = found.groups()
        told = into(lang, BY_NUMBER, number=number) if by_number else into(lang, text)
        return f'# hint("{number}")  # {told}'

    return [c if c.prose else c._replace(text=HINT.sub(said, c.text)) for c in parts]


def tasks_in_place(parts: list[Cell], lang: str) -> list[Cell]:
    """Return the cells, with the tasks that stand in the cells of exercises in a language."""

    def said(found: re.Match[str]) -> str:
        return into(lang, found[0])

    task = re.compile(r'(?<=")Your code[^"]*(?=")')
    mine = "exercise"
    return [c._replace(text=task.sub(said, c.text)) if mine in c.tags else c for c in parts]


SPEAKS = """from tinynet.lessons import language

language("{lang}")"""


def with_language(parts: list[Cell], lang: str) -> list[Cell]:
    """Return the cells, the second of which sets the language of messages: English needs none."""
    if lang == "en":
        return parts
    return [parts[0], Cell("# %%", False, "", (), SPEAKS.format(lang=lang)), *parts[1:]]


def with_next(parts: list[Cell], lesson: Lesson, known: list[Lesson], suffix: str) -> list[Cell]:
    """Return the cells and one more, which names the next lesson and links to its file."""
    lang = lesson.lang
    place = [one.number for one in known].index(lesson.number) + 1
    if place < len(known):
        after = known[place]
        link = f"[{after.number} {after.title}]({after.path.stem}{suffix})"
        words = into(lang, "Next: {link}.", link=link)
    else:
        words = into(lang, "This was the last lesson.")
    counts = into(lang, "`tinynet lessons progress` counts what you have solved.")
    return [*parts, parts[0]._replace(text=commented(f"{words} {counts}"))]


def notebook(parts: list[Cell], name: str, *, version: str | None = None) -> str:
    """Return a notebook of some cells as JSON, without outputs.

    Parameters
    ----------
    name : text
        The cells are called NAME-000, NAME-001, ...
    version : text, optional
        The version of Python that will run it. JupyterLab writes it into the file otherwise.
    """
    listed = [_as_json(cell, f"{name}-{i:03d}") for i, cell in enumerate(parts)]
    metadata = {"kernelspec": KERNEL, "language_info": {**LANGUAGE}}
    if version:
        metadata["language_info"]["version"] = version
    whole = {"cells": listed, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE: dict[str, Any] = {  # as ipykernel describes itself
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}


def _as_json(cell: Cell, name: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"lang": cell.lang} if cell.lang else {}
    if cell.tags:
        metadata["tags"] = list(cell.tags)
    if not cell.prose and folded(cell.text):
        metadata["jupyter"] = {"source_hidden": True}
    text = plain(cell.text) if cell.prose else cell.text
    shared = {"id": name, "metadata": metadata, "source": text.splitlines(keepends=True)}
    if cell.prose:
        return {"cell_type": "markdown", **shared}
    return {"cell_type": "code", "execution_count": None, "outputs": [], **shared}


def front(lesson: Lesson, known: list[Lesson]) -> str:
    """Return the notebook of a lesson as the repository shows it: the learner's edition."""
    return notebook(
        with_next(unsolved(content(lesson)), lesson, known, ".ipynb"), f"lesson-{lesson.number}"
    )


def pair(where: Path) -> list[Path]:
    """Write the notebook beside every script of a folder; return those that changed.

    Outputs that a notebook was saved with stay while its code does.
    """
    changed = []
    known = lessons(where)
    for lesson in known:
        path = lesson.path.with_suffix(".ipynb")
        text = front(lesson, known)
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if old:
            text = outputs.kept(text, old)
        if old != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def copy(
    lesson: Lesson,
    known: list[Lesson],
    where: Path,
    *,
    scripts: bool = False,
    offered: bool = True,
) -> Path | None:
    """Write a lesson for a learner; return the new file, or None if there is one already.

    A folder of notebooks has no scripts beside them: two files of one lesson would have to be kept
    in step.

    Parameters
    ----------
    scripts : bool
        Write a script: the answers of its quiz are at the end, and hints are called by number.
    offered : bool
        False for a course with marks: see :func:`unsolved`.
    """
    suffix = ".py" if scripts else ".ipynb"
    path = where / f"{lesson.path.stem}{suffix}"
    where.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return None
    parts = learners(lesson, known, scripts=scripts, offered=offered)
    if scripts:
        text = script(parts)
    else:
        text = notebook(parts, f"lesson-{lesson.number}", version=platform.python_version())
    path.write_text(text, encoding="utf-8")
    return path


def language_of(path: Path) -> str:
    """Return the language of a notebook: that of its first cell of prose; "en" if it says none."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return next((str(c["metadata"]["lang"]) for c in listed if "lang" in c["metadata"]), "en")
    except (OSError, ValueError, KeyError, TypeError):
        return "en"


def learners_notebook(lesson: Lesson, known: list[Lesson]) -> str:
    """Return the notebook of a learner's edition, with messages in the language of its prose."""
    return notebook(learners(lesson, known), f"lesson-{lesson.number}")


def learners(
    lesson: Lesson, known: list[Lesson], *, scripts: bool = False, offered: bool = True
) -> list[Cell]:
    """Return the cells of a learner's edition: see :func:`copy`."""
    lang = lesson.lang
    parts = unsolved(content(lesson), offered=offered, lang=lang)
    parts = with_next(parts, lesson, known, ".py" if scripts else ".ipynb")
    parts = hints_explained(tasks_in_place(parts, lang), by_number=scripts, lang=lang)
    if scripts:
        parts = answers_last(parts, lang)
    return with_language(parts, lang)
