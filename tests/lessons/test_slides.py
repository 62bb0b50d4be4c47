"""Slides: one file without a network, with the lesson's headings, exercises, figures and quiz."""

import re

import pytest
from click.testing import CliRunner

from support.checkout import needs_lessons
from tinynet.cli import lessons as commands
from tinynet.core.errors import DataError
from tinynet.lessons import exercise, pages, slides

pytestmark = needs_lessons


def sections(text):
    return re.findall(r"<section>(.*?)</section>", text, re.DOTALL)


@pytest.fixture(scope="module")
def text():
    return slides.deck(pages.find("05"), figures=False)


def test_a_lesson_has_slides_of_all_its_parts(text):
    lesson = pages.find("05")
    made = sections(text)
    assert lesson.title in made[0]
    for known in exercise.exercises(lesson.number).values():
        (one,) = [s for s in made if s.startswith(f"<h2>{known.number} ")]
        assert f"check(&quot;{known.number}&quot;" in one
    quiz = [s for s in made if s.startswith("<h2>Quiz")]
    assert [s.count("<details>") for s in quiz] == [1, 1, 1]
    assert "tags=" not in text
    assert "$" not in re.sub(
        r"<(pre|code)>.*?</\\1>|<script>.*?</script>|alt=\".*?\"", "", text, flags=re.DOTALL
    )


def test_nothing_is_loaded_from_elsewhere(text):
    assert re.findall(r'(?:src|href)="(?!data:)[^"]*"|@import|https?://(?!www.w3.org)', text) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**bold** and *thin* `a * b`", "<b>bold</b> and <em>thin</em> <code>a * b</code>"),
        ("a < b & [a link](page.md)", "a &lt; b &amp; a link"),
        (
            "**all `c` of it** and *`d`*",
            "<b>all <code>c</code> of it</b> and <em><code>d</code></em>",
        ),
        ("**창**(window)은 *기울기*도 봅니다.", "<b>창</b>(window)은 <em>기울기</em>도 봅니다."),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("<script>", "&lt;script&gt;"),
    ],
)
def test_markdown_becomes_html(text, shown):
    assert slides.inline(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("It slides. It adds. How often?", "It slides. How often?"),
        ("It has 5. 3 of them are 0.", "It has 5. 3 of them are 0."),
        ("창을 옮깁니다. 곱하고 더합니다. 몇 번일까요?", "창을 옮깁니다. 몇 번일까요?"),
        ("코드는 올림을 합니다. 2012년의 일입니다.", "코드는 올림을 합니다."),
    ],
)
def test_the_first_sentence_and_the_questions_are_kept(text, shown):
    assert slides.sentence(text) == shown


def test_a_task_in_the_text_is_left_to_its_own_slide():
    made = sections(slides.deck(pages.find("08", "ko"), figures=False))
    assert not [s for s in made if "연습 문제 08.1" in s]
    (own,) = [s for s in made if s.startswith("<h2>08.1 ")]
    assert "여기에 쓰세요:" in own
    assert "Your code" not in own


def test_a_formula_is_an_image_and_one_that_cannot_be_set_is_code():
    assert 'alt="x^2"' in slides.inline("the square $x^2$")
    assert slides.equation(r"\begin{x}") == r"<code>\begin{x}</code>"


def test_the_command_writes_a_file(tmp_path):
    out = tmp_path / "s.html"
    done = CliRunner().invoke(commands.lessons, ["slides", "0", "--no-figures", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert sections(out.read_text())


LESSON = """# %% [markdown] lang="en"
# # 42 Answers

# %%
import matplotlib.pyplot as plt
from tinynet.lessons import figure

# %% [markdown] lang="en"
# ## Build
# It is blue. Why?

# %%
figure(plt.figure(), "an empty figure")
"""


@pytest.mark.slow
def test_a_figure_comes_behind_its_text(tmp_path, monkeypatch):
    path = tmp_path / "42_answers.py"
    path.write_text(LESSON)
    monkeypatch.setattr(slides.exercise, "exercises", lambda number: {})
    title, text, figure = sections(slides.deck(pages.read(path)))
    assert "Answers" in title
    assert "<p>It is blue. Why?</p>" in text
    assert 'alt="an empty figure"' in figure
    path.write_text(LESSON.replace("plt.figure()", "plt.nothing()"))
    with pytest.raises(DataError, match="the lesson failed"):
        slides.deck(pages.read(path))
