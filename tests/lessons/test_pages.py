"""Pages: cells of a script, and its languages."""

import pytest

from support.checkout import needs_lessons
from tinynet.core.errors import DataError
from tinynet.lessons import pages

pytestmark = needs_lessons


TEXT = """# %% [markdown] lang="en"
# # 42 Answers

# %% [markdown] lang="en"
# ## Build

# %% tags=["exercise"]
x = 1

# %% tags=["solution"]
x = 2
check("42.1", x)
"""


def test_cells_are_read_and_written_back():
    cells = pages.cells(TEXT)
    assert pages.script(cells) == TEXT
    assert [c.lang for c in cells] == ["en", "en", "", ""]
    assert [c.tags for c in cells] == [(), (), ("exercise",), ("solution",)]


def test_text_before_the_first_cell_is_refused():
    with pytest.raises(DataError, match="before the first cell"):
        pages.cells("x = 1\n# %%\n")


def test_translated_prose_takes_the_place_of_ours_and_code_stays():
    cells = pages.translated(pages.cells(TEXT), ["# 42 답", "## 만들기"], "ko")
    assert [c.lang for c in cells] == ["ko", "ko", "", ""]
    assert [c.text for c in cells][:2] == ["# # 42 답", "# ## 만들기"]
    assert pages.cells(pages.script(cells)) == cells


def test_a_catalogue_of_another_number_of_cells_is_refused():
    with pytest.raises(DataError, match="ko has 1 cells of prose, English has 2"):
        pages.translated(pages.cells(TEXT), ["# 42 답"], "ko")
