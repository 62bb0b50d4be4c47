"""`tinynet lessons`: list, new, check, test, open, pair."""

import json

import pytest
from click.testing import CliRunner

from support.checkout import needs_lessons
from tinynet.cli import lessons as lessons_module
from tinynet.core.errors import DataError
from tinynet.lessons import pages

pytestmark = needs_lessons


def run(*arguments):
    return CliRunner().invoke(lessons_module.lessons, [str(a) for a in arguments])


def test_list_names_every_lesson():
    said = run("list").output
    assert "07  Max-pooling with windows that overlap  (40 minutes)\n    Write max-pooling" in said
    assert said.count("minutes)") == len(pages.lessons())


def test_new_writes_copies_without_solutions_and_overwrites_nothing(tmp_path):
    done = run("new", tmp_path / "mine")
    assert done.exit_code == 0
    script = tmp_path / "mine" / "07_overlapping_max_pool.py"
    assert '# solution("07.2") shows ours' in script.read_text()
    assert "winner // k" not in script.read_text()
    assert "<details>" not in script.read_text()
    assert 'the first hint; hint("07.2", 2) is the second' in script.read_text()
    assert "# **3.** At a tie there is no derivative" in script.read_text()
    assert "<details>" in script.with_suffix(".ipynb").read_text()
    notebook = json.loads(script.with_suffix(".ipynb").read_text())
    assert '# solution("07.2") shows ours' in [c["source"][0] for c in notebook["cells"]]
    assert (script.parent / pages.PAIRING).exists()
    script.write_text("mine")
    assert run("new", script.parent).output.startswith("0 files written")
    assert script.read_text() == "mine"


def test_check_prints_every_exercise_and_fails_where_one_is_open(learner):
    done = run("check", "7", learner)
    assert done.exit_code == 1
    assert done.output.startswith("07.1 ok: Max-pooling, forward\n07.2 not yet: ")


def test_test_says_what_a_lesson_takes_and_fails_where_one_breaks(tmp_path, monkeypatch):
    for name, text in {"01_good": "print(1)", "02_bad": "1 / 0"}.items():
        (tmp_path / f"{name}.py").write_text(f"# %%\n{text}\n")
    monkeypatch.setattr(pages, "folder", lambda: tmp_path)
    assert run("test", "1").exit_code == 0
    both = run("test")
    assert both.exit_code == 1
    assert "ZeroDivisionError" in both.output
    monkeypatch.setattr(lessons_module, "BUDGET", -1)
    assert "TOO SLOW" in run("test", "1", "--unsolved").output


def test_a_lesson_that_there_is_not_is_refused():
    with pytest.raises(DataError, match="there is no lesson 77"):
        pages.find("77")


def test_open_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(lessons_module.importlib.util, "find_spec", lambda name: None)
    done = run("open", "7", "--dir", tmp_path / "mine")
    assert done.exit_code == 1
    assert "pip install jupyterlab jupytext ipywidgets" in done.output
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(("user", "options"), [(1000, []), (0, ["--allow-root"])])
def test_open_starts_jupyter_on_a_copy(user, options, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(lessons_module.os, "geteuid", lambda: user)
    monkeypatch.setattr(lessons_module.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(lessons_module.subprocess, "call", lambda c: calls.append(c) or 0)
    assert run("open", "7", "--dir", tmp_path).exit_code == 0
    copy = tmp_path / "07_overlapping_max_pool.ipynb"
    assert calls[0][1:] == ["-m", "jupyterlab", *options, str(copy)]
    assert copy.exists()


def test_pair_writes_what_is_out_of_step(tmp_path, monkeypatch):
    (tmp_path / "01_good.py").write_text('# %% [markdown] lang="en"\n# # 01 Good\n')
    monkeypatch.setattr(pages, "folder", lambda: tmp_path)
    assert "1 notebooks changed: 01_good.ipynb" in run("pair").output
    assert "0 notebooks changed" in run("pair").output
