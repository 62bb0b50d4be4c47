"""Messages of the course in Korean: what checks, hints and predictions say."""

import re

import pytest

from support.checkout import needs_lessons
from support.mistakes import wrong_answers
from tinynet import lessons, words
from tinynet.lessons import exercise, progress
from tinynet.lessons.prediction import predict

pytestmark = needs_lessons

NUMBERS = [f"{number:02d}" for number in range(20)]
COSTLY = {  # compilers make their answers
    "16": pytest.mark.slow,
    "17": [pytest.mark.cxx, pytest.mark.nvrtc],
}
ANSWERED = [pytest.param(number, marks=COSTLY.get(number, ())) for number in NUMBERS]
ENGLISH = re.compile(r"[a-z]{2,}(?: [a-z]{2,}){2,}")  # three words in a row
CODE = re.compile(r"'[^']*'|\"[^\"]*\"|for \w+(?:, \w+)* in \w+")  # names in quotes, and loops


@pytest.fixture(autouse=True)
def korean(monkeypatch):
    monkeypatch.setenv(words.VARIABLE, "ko")


def in_english(text):
    """Find what of a message is not translated; code may look like one or two words."""
    ours, _, _ = text.partition("cuda_on_cpu: ")  # what a compiler says stays as it is
    return ENGLISH.findall(CODE.sub("", ours))


def test_english_is_found():
    assert in_english("x = 3일 때: Round it down again.") == ["ound it down again"]
    assert in_english("x = 3일 때: `for i in range(n)` 내림하세요.") == []


@pytest.mark.parametrize("number", NUMBERS)
def test_exercises_are_in_korean(number):
    for known in exercise.exercises(number).values():
        for text in (known.title, known.task, *known.hints):
            assert in_english(words.phrase(text)) == [], known.number
        assert re.search("[가-힣]", words.phrase(known.title)), known.number


@pytest.mark.parametrize("number", ANSWERED)
def test_checks_answer_in_korean(number):
    known = exercise.exercises(number)
    for one, answers in wrong_answers(number).items():
        for answer, _ in [*answers, (None, ""), (known[one].right_answer(), "")]:
            assert in_english(str(known[one].try_out(answer))) == [], one


def test_a_wrong_answer_is_explained(capsys):
    lessons.check("05.1", lambda size, kernel, stride, padding: 4)
    assert capsys.readouterr().out == (
        "05.1 틀림: size = 7, kernel = 3, stride = 1, padding = 0일 때: "
        "나와야 할 값은 5, 나온 값은 4입니다.\n"
        "  창은 0, 1, 2, 3, 4에서 시작합니다. 시작점이 다섯이면 걸음은 넷입니다.\n"
    )


def test_a_hint_and_a_solution_have_korean_titles(capsys):
    lessons.hint("05.1", 1)
    lessons.solution("05.1")
    hint, heading = capsys.readouterr().out.splitlines()[:2]
    assert hint.startswith("05.1 힌트 1/3: 패딩을 붙인 이미지는")
    assert heading == "# 05.1 창은 몇 개 들어갈까"


def test_a_prediction_is_compared(capsys):
    predict("05.a", ..., lambda: 7)
    predict("05.a", 14, lambda: 7)
    predict("05.a", (1, 2), lambda: (1, 3))
    asked, far, pair = capsys.readouterr().out.splitlines()
    assert asked.startswith("05.a 먼저 예상해 보세요.")
    assert far == "05.a 예상은 14, 답은 7: 2배 너무 큽니다."
    assert pair == "05.a 예상은 1, 2, 답은 1, 3: 2개 가운데 1개를 맞혔습니다."


@pytest.mark.parametrize("lang", words.LANGUAGES)
def test_progress_reads_notebooks_of_both_languages(lang, tmp_path, monkeypatch):
    said = "05.1 맞음: 창\\n", "05.2 ok: Convolution\\n", "05.3 틀림: 1\\n"
    outputs = ", ".join(f'{{"output_type": "stream", "text": "{text}"}}' for text in said)
    path = tmp_path / "05_convolution.ipynb"
    path.write_text(f'{{"cells": [{{"outputs": [{outputs}]}}]}}')
    monkeypatch.setenv(words.VARIABLE, lang)
    assert progress.solved(path) == {"05.1", "05.2"}
    assert ("연습 문제" in progress.table(tmp_path)) == (lang == "ko")
