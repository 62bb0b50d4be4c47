"""Hints, solutions and source code that a lesson prints."""

from types import SimpleNamespace

import pytest

import tinynet as tn
from support.checkout import needs_lessons
from tinynet import kernels, lessons, nn
from tinynet.lessons import speak

pytestmark = needs_lessons


def test_hints_come_one_by_one_and_then_again(capsys):
    for _ in range(4):
        lessons.hint("07.2")
    said = capsys.readouterr().out.splitlines()
    assert [line[:16] for line in said] == [f"07.2 hint {i} of 3"[:16] for i in (1, 2, 3, 1)]


def test_a_hint_may_be_asked_by_its_number(capsys):
    for step in (2, None, 1):
        lessons.hint("07.2", step)
    said = capsys.readouterr().out.splitlines()
    assert [line[10:11] for line in said] == ["2", "3", "1"]
    with pytest.raises(ValueError, match=r"07\.2 has the hints 1 to 3, not 4"):
        lessons.hint("07.2", 4)


def test_an_unknown_exercise_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"no exercise 07\.9\. Those of lesson 07: 07\.1, 07\.2"):
        lessons.check("07.9", None)
    with pytest.raises(ValueError, match=r'a number like "07\.2", not 7'):
        lessons.hint(7)


def test_solution_shows_our_code_without_the_decorator(capsys):
    lessons.solution("07.1")
    assert capsys.readouterr().out.startswith("# 07.1 Max-pooling, forward\ndef my_max_pool(x")


@pytest.mark.parametrize(
    ("thing", "fragment"),
    [
        ((kernels.max_pool2d_forward,), "\n@Kernel\ndef max_pool2d_forward("),
        ((kernels.max_pool2d_forward, "numba"), "\ndef max_pool2d_forward_numba("),
        ((tn.functions.max_pool2d,), "# tinynet/functions/pool.py, line "),
        ((nn.MaxPool2d(2),), "\nclass MaxPool2d(FusesReLU):"),
        ((tn.Tensor.backward,), "\ndef backward(\n    self,"),
    ],
)
def test_show_reads_the_source_from_the_library(thing, fragment, capsys):
    lessons.show(*thing)
    assert fragment in capsys.readouterr().out


def test_show_refuses_a_version_that_there_is_not():
    with pytest.raises(ValueError, match="has no java version, only reference"):
        lessons.show(kernels.max_pool2d_forward, "java")


class Shell:
    """Stands for IPython's in a notebook."""

    kernel = True

    def __init__(self):
        self.events = self
        self.callbacks = {"post_run_cell": []}

    def register(self, event, function):
        self.callbacks[event].append(function)

    def run(self, cell):
        error = None
        try:
            cell()
        except ValueError as caught:
            error = caught
        for each in self.callbacks["post_run_cell"]:
            each(SimpleNamespace(error_in_exec=error))


def test_a_korean_notebook_tells_errors_of_tinynet_in_korean(monkeypatch):
    said = []
    shell = Shell()
    monkeypatch.setattr(speak, "_shell", lambda: shell)
    monkeypatch.setattr(speak, "say", lambda state, text: said.append(text))
    monkeypatch.setenv("TINYNET_LANG", "en")
    for _ in range(2):
        lessons.language("ko")
    shell.run(lambda: nn.Dropout(3))
    shell.run(lambda: nn.Dropout(0.3))
    shell.run(lambda: nn.MaxPool2d(9)(tn.ones(1, 1, 4, 4)))  # a ShapeError is Korean already
    shell.run(lambda: int("Dropout: p is a probability, 0 to 1. Got p=3."))
    assert said == ["Dropout: p는 0에서 1까지의 확률입니다. 받은 것: p=3."]
    lessons.language("en")
    shell.run(lambda: nn.Dropout(3))
    assert len(said) == 1
