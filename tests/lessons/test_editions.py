"""Editions of a lesson: the learner's notebook and script, with and without answers."""

import ast
import json
import platform

import pytest

from support.checkout import needs_lessons
from tinynet.lessons import editions, exercise, pages

pytestmark = needs_lessons


TEXT = """# %% [markdown] lang="en"
# # 42 Answers

# %% tags=["exercise"]
x = 1

# %% tags=["solution"]
x = 2
check("42.1", x)
"""


def test_emptied_solutions_say_how_to_see_ours():
    last = editions.unsolved(pages.cells(TEXT))[-1]
    assert last.text == '# solution("42.1") shows ours'


QUIZ = """# %% [markdown] lang="en"
# ## Quiz
#
# **1.** Why?
#
# <details><summary>Answer</summary>
# So.
# And so.
# </details>
#
# **2.** How?
#
# <details><summary>Answer</summary>
# Thus.
# </details>
"""


def test_a_script_has_the_answers_of_its_quiz_far_from_the_questions():
    asked, answered = editions.answers_last(pages.cells(QUIZ))
    assert pages.plain(asked.text) == "## Quiz\n\n**1.** Why?\n\n**2.** How?"
    assert pages.plain(answered.text).startswith("## Answers\n")
    assert pages.plain(answered.text).endswith("\n**1.** So.\nAnd so.\n\n**2.** Thus.")
    assert answered.text.count("\n") >= editions.APART
    assert editions.answers_last(pages.cells(TEXT)) == pages.cells(TEXT)


def too_long(parts):
    """Return the number and the first line of each code cell that shows more than it may."""
    for i, cell in enumerate(parts):
        long = not cell.prose and pages.code_lines(cell.text) > pages.SHOWN
        if long and not pages.folded(cell.text):
            yield i, cell.text.partition("\n")[0]


def hides_more_than_a_figure(parts):
    """Return the first lines of folded cells that do not begin with their figure."""
    for cell in parts:
        if not cell.prose and pages.folded(cell.text):
            first = ast.unparse(ast.parse(cell.text).body[0])
            if "plt." not in first:
                yield first


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_learner_sees_at_most_twelve_lines_a_cell(lang):
    known = pages.lessons(lang=lang)
    for lesson in known:
        parts = editions.learners(lesson, known)
        assert (lesson.number, list(too_long(parts))) == (lesson.number, [])
        assert (lesson.number, list(hides_more_than_a_figure(parts))) == (lesson.number, [])


def test_long_cells_are_found():
    lines = "x = 1\n" * 12
    before = "", "y = 2\n", "plt.plot()\n", "z = 3\nplt.plot()\n"
    parts = pages.cells("".join(f"# %%\n{first}{lines}" for first in before))
    assert list(too_long(parts)) == [(1, "y = 2")]
    assert list(hides_more_than_a_figure(parts)) == ["z = 3"]
    listed = json.loads(editions.notebook(parts, "lesson-42"))["cells"]
    hidden = [cell["metadata"].get("jupyter") for cell in listed]
    assert hidden == [None, None, {"source_hidden": True}, {"source_hidden": True}]


def test_a_notebook_is_valid_and_tells_prose_from_code():
    nbformat = pytest.importorskip("nbformat")
    text = editions.notebook(pages.cells(TEXT), "lesson-42")
    nbformat.validate(nbformat.reads(text, as_version=4))
    cells = json.loads(text)["cells"]
    assert [c["cell_type"] for c in cells] == ["markdown", "code", "code"]
    assert cells[0]["source"] == ["# 42 Answers"]


def test_a_course_with_marks_has_neither_solutions_nor_quiz_answers():
    parts = editions.unsolved(pages.cells(TEXT + "\n" + QUIZ), offered=False)
    text = pages.script(parts)
    assert "**2.** How?" in text
    for answer in ("solution", "And so", "Thus", "<details>"):
        assert answer not in text


@pytest.mark.parametrize("scripts", [False, True])
def test_a_copy_is_one_file_that_leads_to_the_next_lesson(scripts, tmp_path):
    known = pages.lessons()
    first, last = (
        editions.copy(lesson, known, tmp_path, scripts=scripts) for lesson in (known[0], known[-1])
    )
    suffix = ".py" if scripts else ".ipynb"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"00_hello_net{suffix}",
        f"19_who_is_right{suffix}",
    ]
    assert f"Next: [01 {known[1].title}]({known[1].path.stem}{suffix})" in first.read_text()
    assert "This was the last lesson." in last.read_text()
    first.write_text("mine")
    assert editions.copy(known[0], known, tmp_path, scripts=scripts) is None
    assert first.read_text() == "mine"


def test_a_notebook_describes_its_language_as_its_kernel_does(tmp_path):
    ipkernel = pytest.importorskip("ipykernel.ipkernel")
    kernelspec = pytest.importorskip("ipykernel.kernelspec")
    known = pages.lessons()
    made = json.loads(editions.copy(known[0], known, tmp_path).read_text())["metadata"]
    assert made["language_info"] == dict(ipkernel.IPythonKernel.language_info)
    assert made["kernelspec"]["display_name"] == kernelspec.get_kernel_dict()["display_name"]
    assert made["language_info"]["version"] == platform.python_version()


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_every_copy_is_a_valid_notebook_with_cells_of_distinct_names(tmp_path, lang):
    nbformat = pytest.importorskip("nbformat")
    known = pages.lessons(lang=lang)
    for lesson in known:
        path = editions.copy(lesson, known, tmp_path)
        notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
        nbformat.validate(notebook)
        assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
        assert notebook.metadata.kernelspec.name == "python3"
        assert notebook.metadata.language_info.name == "python"
        assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
        assert notebook.cells[-1].source.strip()


def test_the_front_of_the_repository_shows_no_solution():
    known = pages.lessons()
    for lesson in known:
        shown = "".join(
            line
            for cell in json.loads(editions.front(lesson, known))["cells"]
            for line in ["\n", *cell["source"]]
            if cell["cell_type"] == "code"
        )
        for one in exercise.exercises(lesson.number).values():
            body = one.solution_source().partition("\n")[2].strip()
            assert body not in shown, one.number
