"""A plugin of pytest for teachers: ``pytest --lesson 07 student.py``, one test per exercise.

The file may be a lesson (.py or .ipynb) that a learner filled, or a script that only defines the
functions, under the names that they have in the lesson.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tinynet.lessons import student
from tinynet.lessons.exercise import Outcome


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --lesson."""
    group = parser.getgroup("tinynet")
    group.addoption("--lesson", metavar="NN", help="check the answers to this lesson's exercises")


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path, parent: Any) -> Any:
    """Take a script as a learner's, if --lesson asks for that."""
    if parent.config.getoption("--lesson") is None:
        return None
    return LessonFile.from_parent(parent, path=module_path)


def pytest_collect_file(file_path: Path, parent: Any) -> Any:
    """Take a notebook as a learner's, if --lesson asks for that."""
    if parent.config.getoption("--lesson") is None or file_path.suffix != ".ipynb":
        return None
    return LessonFile.from_parent(parent, path=file_path)


class LessonFile(pytest.File):
    """A learner's file: as many tests as the lesson has exercises."""

    def collect(self) -> Iterator[pytest.Item]:
        """Run the file; return one item per exercise."""
        number = self.config.getoption("--lesson").zfill(2)
        for outcome in student.judge(number, self.path).outcomes:
            item = Item.from_parent(self, name=outcome.number)
            item.outcome = outcome
            yield item


class Item(pytest.Item):
    """One exercise, which passes where its check says ok."""

    outcome: Outcome

    def runtest(self) -> None:
        """Fail with the words of the check."""
        if self.outcome.state != "ok":
            pytest.fail(str(self.outcome), pytrace=False)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the exercise."""
        return self.path, None, self.name
