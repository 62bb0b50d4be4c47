"""Pytest plugin for teachers: ``pytest --lesson 07 student.py`` runs one test per exercise.

The file may be a lesson (.py or .ipynb) that a learner filled, or a script that only defines the
functions, under their names in the lesson.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tinynet.core.errors import DataError
from tinynet.lessons import pages, student
from tinynet.lessons.exercise import Outcome


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --lesson."""
    group = parser.getgroup("tinynet")
    group.addoption("--lesson", metavar="NN", help="check the answers to this lesson's exercises")


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path, parent: Any) -> Any:
    """Collect a script as a learner's file if --lesson is given."""
    if parent.config.getoption("--lesson") is None:
        return None
    return LessonFile.from_parent(parent, path=module_path)


def pytest_collect_file(file_path: Path, parent: Any) -> Any:
    """Collect a notebook as a learner's file if --lesson is given."""
    if parent.config.getoption("--lesson") is None or file_path.suffix != ".ipynb":
        return None
    return LessonFile.from_parent(parent, path=file_path)


class LessonFile(pytest.File):
    """A learner's file: one test per exercise of the lesson."""

    def collect(self) -> Iterator[pytest.Item]:
        """Run the file; return one item per exercise."""
        try:
            lesson = pages.find(self.config.getoption("--lesson"))
            report = student.judge(lesson.number, self.path)
        except DataError as error:
            raise self.CollectError(str(error)) from None
        for outcome in report.outcomes:
            item = Item.from_parent(self, name=outcome.number)
            item.outcome = outcome
            item.broken = report.broken
            yield item


class Item(pytest.Item):
    """One exercise; it passes if its check says ok."""

    outcome: Outcome
    broken: list[str]  # errors of the file's cells: they may explain a missing answer

    def runtest(self) -> None:
        """Fail with the message of the check."""
        if self.outcome.state != "ok":
            why = self.broken if self.outcome.state == "not yet" else []
            pytest.fail("\n  ".join([str(self.outcome), *why]), pytrace=False)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the exercise."""
        return self.path, None, self.name
