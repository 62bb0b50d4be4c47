"""Files of learners: scripts and notebooks are judged, and a broken cell hides no other."""

import pytest

from support.checkout import needs_lessons
from tinynet.core.errors import DataError
from tinynet.lessons import editions, pages, student

pytestmark = needs_lessons


def test_a_script_that_only_defines_the_functions_is_judged(learner):
    report = student.judge("07", learner)
    assert [o.state for o in report.outcomes] == ["ok", "not yet"]
    assert student.table(report).endswith("1 of 2 exercises are right.")


def test_a_broken_cell_does_not_hide_the_others(learner):
    learner.write_text("# %%\n1 / 0\n# %%\n" + learner.read_text() + "# %%\ndef (")
    report = student.judge("07", learner)
    assert report.outcomes[0].state == "ok"
    assert [line.split(":")[0] for line in report.broken] == [
        "cell 2 raised ZeroDivisionError",
        "cell 4 raised SyntaxError",
    ]


def test_a_notebook_is_judged_by_its_own_checks(learner):
    code = learner.read_text() + '\nfrom tinynet.lessons import check\ncheck("07.1", my_max_pool)'
    cells = pages.cells("# %%\n" + code)
    path = learner.with_suffix(".ipynb")
    path.write_text(editions.notebook(cells, "lesson-07"))
    assert student.judge("07", path).outcomes[0].state == "ok"
    path.write_text("{}")
    with pytest.raises(DataError, match="it is not a notebook"):
        student.judge("07", path)


def test_pytest_makes_each_exercise_a_test(learner, pytester):
    done = pytester.runpytest_inprocess(
        "-p", "tinynet.lessons.plugin", "-p", "no:cacheprovider", "--lesson", "7", learner
    )
    done.assert_outcomes(failed=1, passed=1)
    done.stdout.fnmatch_lines("FAILED *student.py::07.2 - Failed*")
    done.stdout.no_fnmatch_line("*Traceback*")


def test_pytest_says_why_an_answer_is_missing_and_which_lessons_there_are(learner, pytester):
    learner.write_text("def my_max_pool(x, k, s):\n    return x[")
    plain = "-p", "tinynet.lessons.plugin", "-p", "no:cacheprovider", "--lesson"
    done = pytester.runpytest_inprocess(*plain, "7", learner)
    done.stdout.fnmatch_lines("*cell 1 raised SyntaxError: '[[]' was never closed*")
    done = pytester.runpytest_inprocess(*plain, "99", learner)
    done.stdout.fnmatch_lines("lessons: there is no lesson 99. There are 00, 01, *")
    done.stdout.no_fnmatch_line("*plugin.py*")


LOOPS = """
from tinynet.lessons import check
# %%
def my_max_pool(x, k, s):
    while True:
        pass
check("07.1", my_max_pool)
# %%
while True:
    pass
# %%
import sys
sys.exit("bye")
"""


def test_a_loop_without_an_end_is_broken_off_and_an_exit_is_no_end(learner, monkeypatch):
    monkeypatch.setattr(student, "LIMIT", 0.2)
    learner.write_text(LOOPS)
    report = student.judge("07", learner)
    assert report.outcomes[0].text.startswith("TimeoutError: it had not ended after 0.2 s.")
    assert "\n  in my_max_pool(x = " in report.outcomes[0].text
    assert [line[:26] for line in report.broken] == [
        "cell 3 raised TimeoutError",
        "cell 4 raised SystemExit: ",
    ]
    learner.write_text(LOOPS.replace("# %%", "").partition("check(")[0])
    assert student.judge("07", learner).outcomes[0].text.startswith("TimeoutError: ")


def test_a_file_that_is_no_text_is_refused(learner):
    learner.write_bytes(b"\xd0")
    with pytest.raises(DataError, match="it cannot be read as text"):
        student.judge("07", learner)


BORROWED = """
from tinynet.lessons import check, lesson_07
from tinynet.lessons.lesson_07 import my_max_pool_backward
check("07.1", lesson_07.my_max_pool)
"""


def test_an_imported_solution_is_no_answer(learner):
    learner.write_text(BORROWED)
    for outcome in student.judge("07", learner).outcomes:
        assert outcome.state == "wrong"
        assert "the course's own solution" in outcome.text
