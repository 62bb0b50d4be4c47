"""Progress through the course, read from the outputs that a learner's notebooks were saved with."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tinynet.core.errors import DataError
from tinynet.lessons import exercise, pages
from tinynet.words import every, language, phrase

BAR = 20  # characters


def solved(path: Path) -> set[str]:
    """Return the exercises whose last saved check says ok, in a notebook."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["cells"]
        outputs = [output for cell in listed for output in cell.get("outputs", [])]
        said = "\n".join(_text(output) for output in outputs)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise DataError(phrase("{path}: it is not a notebook.", path=path)) from None
    known = "|".join(text for state in STATES for text in every(state))
    states = re.findall(rf"^(\d\d\.\d+) ({known})\b", said, re.MULTILINE)
    return {number for number, state in dict(states).items() if state in every("ok")}


STATES = ("ok", "wrong", "raised", "not yet", "not here")


def _text(output: dict[str, object]) -> str:
    """Return the plain text of one output: lines that were printed, or a box."""
    data = output.get("data", {})
    text = output.get("text", data.get("text/plain", "") if isinstance(data, dict) else "")
    return (
        text if isinstance(text, str) else "".join(map(str, text if isinstance(text, list) else []))
    )


def table(folder: Path) -> str:
    """Return a line for each lesson of a folder, the total, and the lesson to go on with.

    Raises
    ------
    DataError : if the folder holds none of the notebooks, or a file that is none
    """
    stems = [lesson.path.stem for lesson in pages.lessons()]
    if not any((folder / f"{stem}.ipynb").exists() for stem in stems):
        raise DataError(
            phrase(
                "{folder}: it holds no notebook of the course, and progress is read from "
                "notebooks. A script is checked by tinynet lessons check NUMBER FILE.",
                folder=folder,
            )
        )
    rows = []
    right = 0
    asked = 0
    onward = ""
    for lesson in pages.lessons(lang=language()):
        numbers = set(exercise.exercises(lesson.number))
        path = folder / f"{lesson.path.stem}.ipynb"
        done = len(solved(path) & numbers) if path.exists() else 0
        right += done
        asked += len(numbers)
        if done < len(numbers) and not onward:
            said = "; next is lesson {number}: tinynet lessons open {number}"
            onward = phrase(said, number=lesson.number)
        rows.append(f"{lesson.number}  {squares(done, len(numbers)):5}  {lesson.title}")
    full = round(BAR * right / asked)
    counted = phrase("{right} of {asked} exercises", right=right, asked=asked)
    rows.append(f"{squares(full, BAR)}  {counted}{onward}")
    return "\n".join([*rows, phrase("Counted from saved notebooks: save yours first.")])


def squares(full: int, count: int) -> str:
    """Return some squares, the first ones of which are full."""
    return "■" * full + "□" * (count - full)
