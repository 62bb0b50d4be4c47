"""Words in figures: translated where a font with Hangul is installed, else English."""

import pytest

from support.checkout import needs_lessons
from tinynet import lessons, words
from tinynet.core.errors import DataError
from tinynet.lessons import captions, picture
from tinynet.lessons.translation import read
from tinynet.plot import style

pytestmark = needs_lessons
WORDS = {
    "loss": "손실",
    "mean {}": "평균 {}",
    "{} of {} {}": "{2} {1}개 가운데 {0}개",
    "nets": "신경망",
}


@pytest.fixture(autouse=True)
def korean(monkeypatch):
    monkeypatch.setenv(words.VARIABLE, "ko")
    monkeypatch.setattr(captions, "words", lambda lang: WORDS)
    captions.patterns.cache_clear()
    yield
    captions.patterns.cache_clear()


@pytest.fixture
def figure():
    made = style.new_figure(2, 2)
    axes = made.subplots()
    axes.set(title="mean 0.5", xlabel="loss", ylabel="y")
    axes.set_yticks([0, 1], labels=["loss", "a"])
    made.suptitle("3 of 4 nets")
    return made


def texts(made):
    axes = made.axes[0]
    ticks = [label.get_text() for label in axes.get_yticklabels()]
    return [made.get_suptitle(), axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), *ticks]


def test_words_numbers_and_ticks_are_translated(figure, monkeypatch):
    monkeypatch.setattr(style, "hangul_fonts", lambda: ["DejaVu Sans"])
    captions.translate(figure)
    assert texts(figure) == ["신경망 4개 가운데 3개", "평균 0.5", "손실", "y", "손실", "a"]


def test_without_a_font_they_stay_english_and_one_sentence_says_why(figure, monkeypatch, capsys):
    monkeypatch.setattr(style, "hangul_fonts", list)
    monkeypatch.setattr(captions, "_told", set())
    before = texts(figure)
    captions.translate(figure)
    captions.translate(figure)
    assert texts(figure) == before
    assert capsys.readouterr().out.count("NanumGothic") == 1


def test_an_alternative_text_is_translated_without_any_font(figure, monkeypatch, capsys):
    monkeypatch.setattr(style, "hangul_fonts", list)
    lessons.figure(figure, "mean 0.5")
    assert "Figure: 평균 0.5\n" in capsys.readouterr().out


@pytest.mark.skipif(not style.hangul_fonts(), reason="no font with Hangul is installed")
def test_hangul_is_drawn_without_a_missing_glyph(figure, tmp_path, monkeypatch):
    monkeypatch.setenv(picture.FOLDER, str(tmp_path))
    lessons.figure(figure, "what it shows")  # a missing glyph would warn, and fail this test
    assert len(list(tmp_path.iterdir())) == 1


def test_in_english_nothing_changes(figure, monkeypatch):
    monkeypatch.setenv(words.VARIABLE, "en")
    before = texts(figure)
    captions.translate(figure)
    assert texts(figure) == before


def test_the_middle_sign_of_a_line_of_words_separates_it():
    assert read("# 1\n%% words\ny = {} = y\\n = {}\n").words == {"y = {}": "y\n = {}"}
    with pytest.raises(DataError, match="is English = translation"):
        read("# 1\n%% words\ny = 1 = 2\n")


def test_a_line_of_words_can_hold_a_line_end():
    assert read("# 1\n%% words\ntwo\\nlines = 두\\n줄\n").words == {"two\nlines": "두\n줄"}
