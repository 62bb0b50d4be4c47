"""Pages: cells of a script, and its languages."""

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
