"""The option --lang and the variable TINYNET_LANG."""

import inspect

import pytest
from click.testing import CliRunner

from support.checkout import needs_lessons
from tinynet import words
from tinynet.cli import main
from tinynet.cli.lessons import lessons


@pytest.fixture(autouse=True)
def _restored(monkeypatch):
    monkeypatch.setenv(words.VARIABLE, "en")  # what --lang sets ends with the test


def run(*arguments):
    done = CliRunner().invoke(main.cli, arguments, prog_name="tinynet")
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("--lang", "ko", "lessons", "new", "--help"),
        ("lessons", "--lang", "ko", "new", "--help"),
        ("lessons", "new", "--lang", "ko", "--help"),
    ],
)
def test_help_is_in_the_language_that_is_asked_for(arguments):
    assert "노트북 대신 일반 스크립트를 씁니다." in run(*arguments)
    words.use("en")
    assert "Write plain scripts instead of notebooks." in run("lessons", "new", "--help")


def test_the_list_of_commands_is_translated():
    assert "가중치 파일을 보여 주고 변환합니다." in run("--lang", "ko", "--help")
    assert "스무 단원을 보여 주고" in run("lessons", "--help")  # the process stays Korean


def helps(command):
    """Return the help texts of a command, of its options and of its commands."""
    found = [inspect.cleandoc(command.help or "")]
    found += [getattr(param, "help", None) or "" for param in command.params]
    return found + [
        text for each in getattr(command, "commands", {}).values() for text in helps(each)
    ]


def test_all_help_of_the_lessons_has_a_translation():
    known = words.table("ko")
    assert [text for text in helps(lessons) if text and text not in known] == []
    assert len(helps(lessons)) > 30


def test_an_unknown_language_is_refused():
    done = CliRunner().invoke(main.cli, ["--lang", "fr", "lessons"])
    assert done.exit_code == 2
    assert "'fr' is not one of 'en', 'ko'" in done.output


@needs_lessons
def test_lessons_without_a_translation_are_english_and_said_to_be(tmp_path, monkeypatch):
    script = tmp_path / "42_sums.py"
    script.write_text('# %% [markdown] lang="en"\n# # 42 Sums\n')
    monkeypatch.setattr("tinynet.lessons.pages.folder", lambda: tmp_path)
    done = CliRunner().invoke(lessons, ["list", "--lang", "ko"])
    assert "42  Sums" in done.output
    assert done.output.endswith("아직 번역되지 않아 영어로 나오는 단원: 42.\n")
