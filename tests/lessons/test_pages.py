"""Pages: cells of a script, editions, notebooks."""

import json

import pytest

from support.checkout import needs_lessons
from tinynet.core.errors import DataError
from tinynet.lessons import pages

pytestmark = needs_lessons


TEXT = """# %% [markdown] lang="en"
# # 42 Answers

# %% [markdown] lang="ko"
# another edition

# %% tags=["exercise"]
x = 1

# %% tags=["solution"]
x = 2
check("42.1", x)
"""


def test_cells_are_read_and_written_back():
    cells = pages.cells(TEXT)
    assert pages.script(cells) == TEXT
    assert [c.lang for c in cells] == ["en", "ko", "", ""]
    assert [c.tags for c in cells] == [(), (), ("exercise",), ("solution",)]


def test_text_before_the_first_cell_is_refused():
    with pytest.raises(DataError, match="before the first cell"):
        pages.cells("x = 1\n# %%\n")


def test_an_edition_holds_its_language_and_all_code():
    assert [c.lang for c in pages.edition(pages.cells(TEXT))] == ["en", "", ""]
    assert [c.lang for c in pages.edition(pages.cells(TEXT), "ko")] == ["ko", "", ""]


def test_emptied_solutions_say_how_to_see_ours():
    last = pages.unsolved(pages.cells(TEXT))[-1]
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
    asked, answered = pages.answers_last(pages.cells(QUIZ))
    assert pages.plain(asked.text) == "## Quiz\n\n**1.** Why?\n\n**2.** How?"
    assert pages.plain(answered.text).startswith("## Answers\n")
    assert pages.plain(answered.text).endswith("\n**1.** So.\nAnd so.\n\n**2.** Thus.")
    assert answered.text.count("\n") >= pages.APART
    assert pages.answers_last(pages.cells(TEXT)) == pages.cells(TEXT)


def test_a_notebook_is_valid_and_tells_prose_from_code():
    nbformat = pytest.importorskip("nbformat")
    text = pages.notebook(pages.edition(pages.cells(TEXT)), "lesson-42")
    nbformat.validate(nbformat.reads(text, as_version=4))
    cells = json.loads(text)["cells"]
    assert [c["cell_type"] for c in cells] == ["markdown", "code", "code"]
    assert cells[0]["source"] == ["# 42 Answers"]
