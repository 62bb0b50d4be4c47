"""The Korean edition: its catalogues say the same as the English lessons.

Each rule of `support.translation` has a planted offence that it must find.
"""

import json
import re

import pytest

from support import translation
from support.checkout import ROOT, needs_lessons
from tinynet.lessons import editions, exercise, pages, progress
from tinynet.lessons.translation import read
from tinynet.words import VARIABLE

pytestmark = needs_lessons
LESSONS = ROOT / "lessons"

ENGLISH = """## Count

Two loops. `conv1` has 227 x 227 pixels, 60
  million of $w_1$ and a tenth of `fc6`.

$$y = \\max(x,
  0)$$

- [docs](../docs/data.md) and ![a plot](plot.png)

| | sum |
|---|---|
| `a | b` | 3 |

**1.** Why?

<details><summary>Answer</summary>
So.
</details>"""
KOREAN = """## 세기

반복문은 2개입니다. `conv1`은 227 x 227 픽셀이고, $w_1$은 6,000만 개, `fc6`은 10분의 1입니다.

$$y = \\max(x,
  0)$$

- [문서](../docs/data.md), ![그림](plot.png)

| | 합 |
|---|---|
| `a | b` | 3 |

**1.** 왜 그럴까요?

<details><summary>답</summary>
그래서입니다.
</details>"""


def test_a_true_translation_has_no_offences():
    assert list(translation.differences(ENGLISH, KOREAN)) == []
    assert list(translation.untranslated(KOREAN)) == []


@pytest.mark.parametrize(
    ("part", "other", "complaint"),
    [
        ("227 x 227", "227 x 224", "the number 227 is missing"),
        ("227 x 227", "227 x 227 x 224", "the number 224 is not in English"),
        ("6,000만", "600만", "the number 60,000,000 is missing"),
        ("`conv1`", "`conv2`", "code: only in English ['`conv1`']"),
        ("`fc6`", "fc6", "code"),
        ("$w_1$", "$w_2$", "equations: only in English ['$w_1$']"),
        ("\\max(x", "\\min(x", "equations"),
        ("../docs/data.md", "../docs/date.md", "link targets"),
        ("plot.png", "plot.svg", "image names"),
        ("| 3 |", "| 3 | 4 |", "cells of table rows"),
        ("|---|---|\n", "", "cells of table rows"),
        ("## 세기", "### 세기", "levels of headings"),
        ("- [문서]", "[문서]", "points"),
        ("**1.**", "", "points"),
        ("</details>", "", "tags"),
    ],
)
def test_a_difference_between_the_languages_is_found(part, other, complaint):
    assert part in KOREAN
    found = list(translation.differences(ENGLISH, KOREAN.replace(part, other, 1)))
    assert any(complaint in one for one in found), found


def test_an_untranslated_cell_is_found():
    (found,) = translation.untranslated(ENGLISH)
    assert "letters are Hangul" in found
    assert list(translation.untranslated("`x = 1` $y$ 2012")) == []  # nothing to translate


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"\xb0\xa1\n", "not UTF-8"),
        ("\ufeff가\n".encode(), "byte order mark"),
        ("\u1100\u1161\n".encode(), "normal form C"),
        ("가 \n".encode(), "ends with a space"),
        ("가".encode(), "without a line end"),
    ],
)
def test_a_badly_written_file_is_found(data, complaint):
    assert list(translation.badly_written("가\n".encode())) == []
    (found,) = translation.badly_written(data)
    assert complaint in found


@pytest.fixture
def copied(tmp_path):
    """Return the path of a lesson of two cells with its catalogue, in a folder of its own."""
    cells = [editions.commented(text) for text in ("# 42 Sums\n\n| time | 5 minutes |", ENGLISH)]
    marks = [f'# %% [markdown] lang="en"\n{cell}\n' for cell in cells]
    (tmp_path / "42_sums.py").write_text("\n".join([*marks, "# %%\nx = 1\n"]))
    (tmp_path / "ko").mkdir()
    path = tmp_path / "ko" / "42_sums.md"
    path.write_text(f"# 42 합\n\n| 시간 | 5분 |\n%%\n{KOREAN}\n")
    return path


def test_a_catalogue_that_lacks_a_cell_is_found(copied):
    lesson = pages.read(copied.parent.parent / "42_sums.py")
    assert list(translation.offences(lesson, copied)) == []
    copied.write_text(f"# 42 합\n\n| 시간 | 5분 |\n{KOREAN}\n")
    found = list(translation.offences(lesson, copied))
    assert found[0] == "1 cells, English has 2"


def test_a_lesson_with_a_catalogue_is_read_in_korean(copied):
    script = copied.parent.parent / "42_sums.py"
    lesson = pages.read(script, "ko")
    assert (lesson.title, lesson.facts, lesson.lang) == ("합", {"time": "5분"}, "ko")
    assert [c.lang for c in pages.content(lesson)] == ["ko", "ko", ""]
    copied.unlink()
    assert pages.read(script, "ko") == pages.read(script)


def test_a_korean_notebook_says_so_in_its_cells(copied, tmp_path):
    known = pages.lessons(copied.parent.parent, "ko")
    made = json.loads(editions.copy(known[0], known, tmp_path / "mine").read_text())
    prose = [cell for cell in made["cells"] if cell["cell_type"] == "markdown"]
    assert {cell["metadata"]["lang"] for cell in prose} == {"ko"}
    assert made["cells"][1]["source"][-1] == 'language("ko")'
    english = pages.lessons(copied.parent.parent)
    assert 'language("' not in editions.copy(english[0], english, tmp_path / "en").read_text()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("the loss = 손실", "does not say ['loss']"),
        ("mean {} = 평균", "have not the same fields"),
        ("mean {} = mean {}", "has no Hangul"),
        ("mean = 평균\nmean = 산술 평균", "translated twice"),
    ],
)
def test_odd_words_of_figures_are_found(line, complaint):
    code = 'plt.title(f"the mean {x}")'
    assert list(translation.odd_words("# 답\n%% words\nmean {} = 평균 {}\n", code)) == []
    (found,) = translation.odd_words(f"# 답\n%% words\n{line}\n", code)
    assert complaint in found


def test_a_word_means_the_same_in_the_figures_of_all_lessons():
    known = {}
    for path in catalogues():
        for ours, theirs in read(path.read_text(encoding="utf-8")).words.items():
            assert known.setdefault(ours, theirs) == theirs, path.stem


@pytest.mark.slow
def test_a_korean_notebook_is_answered_from_its_first_cell_to_its_last(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.delenv(VARIABLE, raising=False)  # the notebook itself sets the language
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    known = pages.lessons(lang="ko")
    lesson = pages.find("05", "ko")
    path = editions.copy(lesson, known, tmp_path)
    notebook = nbformat.read(path, as_version=4)
    solved = {n: one.solution_source() for n, one in exercise.exercises("05").items()}
    for cell in notebook.cells:
        number = re.search(r'^check\("(05\.[12])"', cell.source, re.MULTILINE)
        if cell.cell_type == "code" and number and number[1] in solved:  # 05.3 stays open
            cell.source = f"{solved[number[1]]}\n\n\n{cell.source[number.start() :]}"
    nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    nbformat.write(notebook, path)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = "\n".join(o["data"]["text/plain"] for o in outputs if o.output_type == "display_data")
    assert "05.1 맞음: 창은 몇 개 들어갈까" in said
    assert "05.2 맞음" in said
    assert "05.3 아직: 질문 a부터 h까지" in said
    assert "05.a 먼저 예상해 보세요" in said
    assert progress.solved(path) == {"05.1", "05.2"}
    assert sum("<img" in o["data"].get("text/html", "") for o in outputs if "data" in o) >= 2


@pytest.mark.parametrize("lesson", pages.lessons(LESSONS, "ko"), ids=lambda lesson: lesson.number)
def test_the_cells_of_exercises_and_hints_speak_korean(lesson):
    parts = editions.learners(lesson, [lesson])
    asked = [cell.text for cell in parts if "exercise" in cell.tags]
    hints = [cell.text for cell in parts if cell.text.startswith("# hint(")]
    assert lesson.lang == "ko"
    assert [text for text in asked if "Your code" in text] == []
    assert [text for text in hints if "실행할 때마다" not in text] == []
    assert len(asked) >= 2
    assert hints


def catalogues():
    return sorted((LESSONS / "ko").glob("*.md"))


@pytest.mark.parametrize("path", catalogues(), ids=lambda path: path.stem)
def test_a_catalogue_says_what_the_lesson_says(path):
    lesson = pages.find(path.name[:2])
    assert path.stem == lesson.path.stem
    assert list(translation.offences(lesson, path)) == []
