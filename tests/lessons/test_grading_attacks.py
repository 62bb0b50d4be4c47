"""A folder of handed-in files of which one attacks: it gets no "ok", and disturbs no other."""

import contextlib
import socket
import textwrap
import threading

import pytest

from support.checkout import needs_lessons
from tinynet.lessons import editions, exercise, lesson_05, pages
from tinynet.lessons.grading import batch

pytestmark = [needs_lessons, pytest.mark.slow]

RIGHT = "\n\n".join(
    [
        "import numpy as np",
        *(exercise.find(f"05.{i}").solution_source() for i in (1, 2)),
        f"my_sizes = {lesson_05.my_sizes()}",
    ]
)
WRONG = RIGHT.replace("- kernel) // stride + 1", "- kernel) // stride")
ATTACK = """
import numpy as np
from tinynet.lessons import exercise, lesson_05, speak  # refused: nothing below may rely on it
"""
TAMPER = """
import sys, numpy as np
from tinynet.lessons import exercise, check
np.abs = np.asarray = lambda *_: np.zeros(1)
exercise.expect = lambda *_, **__: None
exercise.Exercise.try_out = lambda self, answer: exercise.Outcome(self.number, "ok", "")
exercise.note(exercise.Outcome("05.1", "ok", ""))
def my_output_size(*_):
    exercise.note(exercise.Outcome("05.1", "ok", ""))
    return None
class Anything:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def get(self, letter): return self
my_sizes = Anything()
"""
SOLUTION = """
import sys
sys.meta_path = [one for one in sys.meta_path if type(one).__name__ != "Blocked"]
def my_output_size(*arguments):
    from tinynet.lessons import lesson_05
    return lesson_05.my_output_size(*arguments)
def my_conv2d(*arguments):
    names = {}
    exec(open(PATH).read(), names)
    return names["my_conv2d"](*arguments)
"""


def handed_in(folder, **texts):
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    return folder


def states(graded, student):
    return [row.state for row in graded.rows if row.student == student]


def test_five_files_of_which_one_attacks(tmp_path):
    folder = handed_in(tmp_path / "handin", ann=RIGHT, bob=WRONG, eve=ATTACK + TAMPER, dan="")
    solved = pages.content(pages.find("05"))
    (folder / "cas.ipynb").write_text(editions.notebook(solved, "lesson-05"))
    graded = batch.grade("05", folder, jobs=2, seed=3)
    assert states(graded, "ann") == states(graded, "cas") == ["ok", "ok", "ok"]
    assert states(graded, "bob") == ["wrong", "ok", "ok"]
    assert states(graded, "dan") == ["not yet"] * 3
    assert "ok" not in states(graded, "eve")
    (first,) = [r.message for r in graded.rows if (r.student, r.exercise) == ("bob", "05.1")]
    assert "expected 5, got 4" in first


ATTACKS = {
    "exit": "import os\ndef my_output_size(*_):\n    os._exit(0)\n",
    "loop": "def my_output_size(*_):\n    while True:\n        pass\n",
    "memory": "def my_output_size(*_):\n    return len(bytearray(2**34))\n",
    "huge": "def my_output_size(*_):\n    return [0] * 10**8\n",
    "cells": "while my_output_size := 1:\n    pass\n",
    "tamper": TAMPER,
    "solution": SOLUTION,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_not_right(name, tmp_path):
    text = ATTACKS[name].replace("PATH", repr(lesson_05.__file__))
    graded = batch.grade("05", handed_in(tmp_path / "in", eve=text), seconds=4)
    found = states(graded, "eve")
    assert len(found) == 3
    if name == "solution" and not graded.layers["sealed"]:
        pytest.skip("this kernel has no Landlock: solutions can be read")
    assert "ok" not in found


REACH = """
import os, signal, socket, subprocess
def tried(do, *arguments):
    try:
        do(*arguments)
    except BaseException:
        pass
def my_output_size(*_):
    tried(open, FILE, "w")
    tried(os.remove, FILE)
    tried(socket.create_connection, ADDRESS, 1)
    tried(subprocess.run, ["touch", FILE + ".touched"])
    for pid in PIDS:
        tried(os.kill, pid, signal.SIGKILL)
    return 0
my_sizes = {"a": open(FILE).read()}
"""


def test_files_network_and_processes_are_out_of_reach(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_text("secret")
    monkeypatch.chdir(tmp_path)  # the current folder is on Python's path
    reached = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)

        def listen():
            with contextlib.suppress(OSError):
                while True:
                    with contextlib.suppress(TimeoutError):
                        reached.append(server.accept())

        threading.Thread(target=listen, daemon=True).start()
        text = REACH.replace("FILE", repr(str(victim)))
        text = text.replace("ADDRESS", repr(server.getsockname()))
        text = text.replace("PIDS", "[os.getppid()]")
        graded = batch.grade("05", handed_in(tmp_path / "in", eve=text, ann=RIGHT), jobs=2)
        if not (graded.layers["sealed"] and graded.layers["isolated"]):
            pytest.skip(batch.protection(graded))
        assert states(graded, "ann") == ["ok", "ok", "ok"]
        assert states(graded, "eve") == ["wrong", "not yet", "not yet"]
    assert not any("secret" in row.message for row in graded.rows)
    assert victim.read_text() == "secret"
    assert not victim.with_name("victim.touched").exists()
    assert reached == []


@pytest.mark.parametrize("number", ["01", "08", "16", "19"])
def test_answers_may_ask_objects_of_the_check(number, tmp_path):
    cells = pages.cells(pages.find(number).path.read_text(encoding="utf-8"))
    solved = [c for c in cells if not c.prose and "exercise" not in c.tags]
    graded = batch.grade(number, handed_in(tmp_path / "in", ann=pages.script(solved)))
    assert set(states(graded, "ann")) == {"ok"}, graded.rows
