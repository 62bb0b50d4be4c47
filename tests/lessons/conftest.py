"""Fixtures of the tests of lessons."""

import pytest

from tinynet.lessons import exercise


@pytest.fixture
def learner(tmp_path):
    path = tmp_path / "student.py"
    right = exercise.find("07.1").solution_source()
    path.write_text(f"import numpy as np\n\n{right}\n")
    return path
