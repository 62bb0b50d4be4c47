"""Pages and explanations of runs in Korean: no sentence stays English."""

import html
import re

import pytest
from click.testing import CliRunner

from tinynet import reports, words
from tinynet.cli.main import cli

NAMES = re.compile(r"tinynet|config\.json|Python|NumPy|float32|synthetic|shapes|demo|seed|lr")


@pytest.fixture
def korean(monkeypatch):
    monkeypatch.setenv(words.VARIABLE, "ko")


def english_sentences(text):
    """Return the pieces of text in which five English words or more stand in a row."""
    return [
        piece
        for piece in text
        if re.search(r"(?:[A-Za-z]{2,},? ){4,}[A-Za-z]{2,}", piece) and not NAMES.match(piece)
    ]


def texts_of(page):
    """Return what a page says and its alternative texts, without settings and commands."""
    body = re.sub(
        r"<(style|code|table class=.settings).*?</(style|code|table)>", "", page, flags=re.S
    )
    found = re.findall(r">([^<]+)<", body) + re.findall(r'(?:alt|aria-label)="([^"]*)"', body)
    return [html.unescape(piece).strip() for piece in found]


def test_an_english_sentence_is_found():
    page = (
        '<p>Here are the images that are hard.</p><img alt="이미지 세 장"><code>a b c d e f</code>'
    )
    assert english_sentences(texts_of(page)) == ["Here are the images that are hard."]


def test_the_page_of_a_run_is_korean(folder, tmp_path, korean):
    page = reports.report(folder, tmp_path / "page.html").read_text(encoding="utf-8")
    assert '<html lang="ko">' in page
    assert english_sentences(texts_of(page)) == []
    for title in ("곡선", "혼동 행렬", "첫 층의 필터", "신경망을 지나는 이미지"):
        assert f">{title}</h2>" in page


def test_explain_is_korean(folder, korean):
    told = CliRunner().invoke(cli, ["explain", str(folder)], catch_exceptions=False)
    assert told.exit_code == 0
    assert "마지막 정확도: 학습 이미지" in told.output
    assert english_sentences(told.output.splitlines()) == []
    assert not re.search(r"\d to \d", told.output), "the interval of the accuracy"
