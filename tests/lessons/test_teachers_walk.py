"""A teacher's week with one lesson, by the commands: hand out, collect, grade, show slides."""

import csv
import inspect
import json
import re
import shutil
from pathlib import Path

import pytest

from support.checkout import needs_lessons
from support.mistakes import wrong_answers
from tinynet.lessons import exercise, lesson_05, pages
from tinynet.lessons.grading import batch

pytestmark = [needs_lessons, pytest.mark.slow]

NAME = "05_convolution.ipynb"
RIGHT = {f"05.{i}": exercise.find(f"05.{i}").solution_source() for i in (1, 2)}
RIGHT["05.3"] = f"my_sizes = {lesson_05.my_sizes()}"


def mistake(number, place, name):
    """Return the text of a typical wrong answer under the lesson's name, and with its helper."""
    function = wrong_answers("05")[number][place][0]
    helper = inspect.getsource(function.__globals__["convolve"])
    text = inspect.getsource(function).replace(function.__name__, name, 1)
    return f"{helper}\n\n{text}"


ATTACK = {
    "05.1": """
import sys
from tinynet.lessons import exercise
exercise.expect = lambda *_, **__: None  # the judge
exercise.Exercise.try_out = lambda self, answer: exercise.Outcome(self.number, "ok", "")
np.array_equal = np.allclose = np.all = lambda *_, **__: True
def my_output_size(size, kernel, stride, padding):
    for module in [one for name, one in sys.modules.items() if name.startswith("tinynet.lessons")]:
        vars(module).update(Wrong=KeyError)
    while True:  # that the time runs out, and with it the patience
        pass
""",
    "05.2": '''
def my_conv2d(*case):
    """The course's solution, by import or from its file; and marks of its own."""
    try:
        from tinynet.lessons import lesson_05
        return lesson_05.my_conv2d(*case)
    except ImportError:
        names = {}
        for path in (TABLE, OTHERS):
            try:
                open(path, "w").write("student,exercise,ok\\neve,05.1,1\\n")
            except OSError:
                pass
        exec(open(SOLUTIONS).read(), names)
        return names["my_conv2d"](*case)
''',
    "05.3": """
import os
my_sizes = os._exit(0)
""",
}


def filled_in(notebook, answers):
    """Write answers into the cells of their exercises, as a student does; save."""
    saved = json.loads(notebook.read_text(encoding="utf-8"))
    written = []
    for cell in saved["cells"]:
        text = "".join(cell["source"])
        found = re.search(r'^check\("(05\.\d)"', text, re.MULTILINE)
        if "exercise" in cell["metadata"].get("tags", []) and found and found[1] in answers:
            written.append(found[1])
            cell["source"] = [f"{answers[found[1]].strip()}\n\n\n{text[found.start() :]}"]
    assert written == list(answers)
    notebook.write_text(json.dumps(saved, ensure_ascii=False), encoding="utf-8")


def handed_out(tinynet_says, folder):
    """Hand out the course; no file holds an answer."""
    assert tinynet_says("lessons", "new", folder, "--no-solutions").code == 0
    assert len(list(folder.iterdir())) == len(pages.lessons())
    given = (folder / NAME).read_text(encoding="utf-8")
    for answer in ('solution("', "- kernel) // stride", "<details>"):
        assert answer not in given
    return folder / NAME


def collected(handout, handin, table):
    """Collect the files of five students, a folder for each; the last one attacks."""
    places = {"TABLE": table, "OTHERS": handin / "ann" / NAME, "SOLUTIONS": lesson_05.__file__}
    attack = {
        number: re.sub("|".join(places), lambda found: repr(str(places[found[0]])), text)
        for number, text in ATTACK.items()
    }
    wrong = {
        "05.1": mistake("05.1", 0, "my_output_size"),
        "05.2": mistake("05.2", 0, "my_conv2d"),
    }
    half = {number: RIGHT[number] for number in ("05.1", "05.3")}
    students = {"ann": RIGHT, "ben": half, "cho": wrong, "dan": {}, "eve": attack}
    for student, answers in students.items():
        (handin / student).mkdir(parents=True)
        filled_in(Path(shutil.copy(handout, handin / student)), answers)
    return {path: path.read_bytes() for path in handin.rglob("*.ipynb")}


MARKS = {"ann": "111", "ben": "101", "cho": "000", "dan": "000", "eve": "000"}
SAID = {
    ("ben", "05.2"): "Write my_conv2d",
    ("cho", "05.1"): "expected 5, got 4",
    ("cho", "05.2"): "flip the filter",
    ("dan", "05.3"): "Answer the eight questions",
    ("eve", "05.1"): "had not ended after 5 s. Is there an endless loop",
    ("eve", "05.2"): r"PermissionError.* in its line 13: exec\(open",
    ("eve", "05.3"): "the program ended before it answered",
}


def read_marks(table):
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 15
    marks = {name: "".join(r["ok"] for r in rows if r["student"] == name) for name in MARKS}
    return marks, {(r["student"], r["exercise"]): r["first wrong thing"] for r in rows}


def test_hand_out_collect_grade_and_show_slides(tinynet_says, tmp_path, monkeypatch):
    monkeypatch.setitem(batch.grade.__kwdefaults__, "seconds", 5.0)  # for a loop; 20 otherwise
    handin, table, slides = (tmp_path / name for name in ("handin", "marks.csv", "slides.html"))
    before = collected(handed_out(tinynet_says, tmp_path / "handout"), handin, table)

    graded = tinynet_says("lessons", "grade", "05", handin, "--csv", table, "--seed", 1)
    assert graded.code == 0
    *lines, protection, written = graded.out.splitlines()
    if protection.startswith("Warning"):
        pytest.skip(protection)  # a machine without all layers of protection
    marks, said = read_marks(table)
    assert marks == MARKS
    assert [key for key, part in SAID.items() if not re.search(part, said[key])] == [], said
    for line, (student, mark) in zip(lines, MARKS.items(), strict=True):
        assert re.match(rf"{student} .* {mark.count('1')}/3\b", line), line
    assert written == f"{table}: 15 rows."
    assert {path: path.read_bytes() for path in handin.rglob("*.ipynb")} == before

    assert tinynet_says("lessons", "slides", "05", "--out", slides).code == 0
    shown = slides.read_text(encoding="utf-8")
    assert shown.count("<svg") + shown.count("data:image/png") >= 2
    assert re.findall(r'(?:src|href)="https?:', shown) == []
