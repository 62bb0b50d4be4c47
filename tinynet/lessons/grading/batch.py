"""Batches: the handed-in files of a folder, graded in parallel; a table and a CSV file."""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from tinynet.core import processors
from tinynet.core.errors import DataError
from tinynet.lessons import exercise, pages
from tinynet.lessons.grading.judge import SECONDS
from tinynet.words import phrase

LARGEST = 10 * 2**20  # bytes of a handed-in file
HEADER = ("student", "exercise", "ok", "state", "first wrong thing")


class Row(NamedTuple):
    """One exercise of one student: whether it is right, its state, and what is wrong first."""

    student: str
    exercise: str
    ok: bool
    state: str
    message: str


class Graded(NamedTuple):
    """The rows of all students, and whether every layer of protection was in force."""

    rows: list[Row]
    layers: dict[str, bool]


def files(folder: Path) -> dict[str, Path]:
    """Return the notebooks and scripts of a folder by student.

    A student is a file ("alice.py"), or a folder with one file ("alice/05_convolution.ipynb").
    """
    found = [p for p in sorted(folder.rglob("*")) if p.suffix in (".py", ".ipynb") and p.is_file()]
    inside = [path.relative_to(folder) for path in found]
    kept = [path for path in inside if not any(part.startswith((".", "_")) for part in path.parts)]
    names = [path.parts[0] if len(path.parts) > 1 else path.stem for path in kept]
    alone = {name for name in names if names.count(name) == 1}
    return {
        name if name in alone else path.as_posix(): folder / path
        for name, path in zip(names, kept, strict=True)
    }


def grade(
    number: str,
    folder: Path,
    *,
    jobs: int | None = None,
    seed: int | None = None,
    seconds: float = SECONDS,
) -> Graded:
    """Grade all files of a folder.

    Parameters
    ----------
    number : text
        The lesson: "05".
    jobs : int
        Files at a time; by default as many as there are processors.
    seed : int
        Of the random cases; by default another one each time, so that no file can know them.
    seconds : float
        That the cells, or one call of an answer, may take.
    """
    if os.name != "posix":
        raise DataError("lessons grade: it needs Linux or macOS. On Windows use it inside WSL.")
    lesson = pages.find(number).number
    known = files(folder)
    if not known:
        said = "{folder}: there is no .py or .ipynb file to grade."
        raise DataError(phrase(said, folder=folder))
    texts = {name: _read(path) for name, path in known.items()}  # before any of them runs
    chosen = secrets.randbelow(2**31) if seed is None else seed
    tasks = [
        {"lesson": lesson, "suffix": known[name].suffix, "seed": chosen, "text": text}
        | {"seconds": seconds}
        for name, text in texts.items()
    ]
    with ThreadPoolExecutor(jobs or processors.available()) as several:
        results = list(several.map(_judge, tasks))
    rows = [row for name, result in zip(texts, results, strict=True) for row in _rows(name, result)]
    layers = [result["layers"] for result in results if result["layers"]]
    kinds = ("isolated", "sealed", "limited")
    return Graded(rows, {kind: all(layer.get(kind) for layer in layers) for kind in kinds})


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"{path}: more than {LARGEST:,} bytes; a lesson has about 100,000.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _judge(task: dict[str, Any]) -> dict[str, Any]:
    """Return what a judge says of one file; its process is killed if it does not end."""
    numbers = list(exercise.exercises(task["lesson"]))
    process = subprocess.Popen(
        [sys.executable, "-m", "tinynet.lessons.grading.judge"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        # each exercise: the cells, the first cases and the further ones
        said, _ = process.communicate(
            json.dumps(task).encode(), 60 + 8 * len(numbers) * task["seconds"]
        )
        result: dict[str, Any] = json.loads(said)
    except (subprocess.TimeoutExpired, ValueError):
        _end(process)
        why = phrase("the grading of this file did not end.")
        told = [[number, "raised", why] for number in numbers]
        return {"outcomes": told, "broken": [], "layers": {}}
    return result


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a judge: it is asked first, because its pupil is not in its group of processes."""
    process.terminate()
    try:
        process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _rows(student: str, result: dict[str, Any]) -> Iterator[Row]:
    broken = " ".join(result["broken"][:1])
    for number, state, text in result["outcomes"]:
        good = state == "ok"
        said = "" if good else " ".join(text.split())
        missing = broken if state == "not yet" else ""
        yield Row(student, number, good, state, f"{said} {missing}".strip()[:500])


def table(graded: Graded) -> str:
    """Return a line for each student: marks, their count, the first wrong thing."""
    marks = {"ok": "ok", "not yet": "-"}
    students = dict.fromkeys(row.student for row in graded.rows)
    lines = []
    for name in students:
        rows = [row for row in graded.rows if row.student == name]
        cells = [f"{row.exercise} {marks.get(row.state, 'WRONG'):5}" for row in rows]
        count = f"{sum(row.ok for row in rows)}/{len(rows)}"
        wrong = next(
            (f"{r.exercise} {r.message}" for r in rows if not r.ok and r.state != "not yet"), ""
        )
        lines.append(f"{name[:24]:24}  {'  '.join(cells)}  {count:>5}  {wrong[:80]}".rstrip())
    return "\n".join(lines)


def protection(graded: Graded) -> str:
    """Return a sentence about what this machine guarantees."""
    if all(graded.layers.values()):
        return phrase(
            "Each file ran in processes of its own, without network, solutions and other files, "
            "with limits on time and memory."
        )
    missing = {
        "isolated": "the network is closed in Python alone, and other processes can be seen",
        "sealed": "the files of this account can be read and written",
        "limited": "memory has no limit",
    }
    told = "; ".join(phrase(text) for kind, text in missing.items() if not graded.layers[kind])
    return phrase(
        "Warning: this machine does not offer every protection: {missing}. Grade in a container.",
        missing=told,
    )


def as_csv(graded: Graded) -> str:
    """Return the rows as CSV, safe to open in a spreadsheet: no cell begins like a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for row in graded.rows:
        cells = (row.student, row.exercise, int(row.ok), row.state, row.message)
        writer.writerow([_harmless(cell) for cell in cells])
    return text.getvalue()


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple("=+-@\t\r") else cell
