"""`tinynet lessons`: list, new, check, test, open, pair."""

import json
import re
import socket

import pytest
from click.testing import CliRunner

from support.checkout import needs_lessons
from tinynet import words
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


def test_new_writes_notebooks_without_solutions_and_overwrites_nothing(tmp_path):
    done = run("new", tmp_path / "mine")
    assert done.exit_code == 0
    assert {path.suffix for path in (tmp_path / "mine").iterdir()} == {".ipynb"}
    notebook = tmp_path / "mine" / "07_overlapping_max_pool.ipynb"
    assert "<details>" in notebook.read_text()
    assert "winner // k" not in notebook.read_text()
    cells = json.loads(notebook.read_text())["cells"]
    assert '# solution("07.2") shows ours' in [c["source"][0] for c in cells]
    notebook.write_text("mine")
    assert run("new", notebook.parent).output.startswith("0 notebooks written")
    assert notebook.read_text() == "mine"


def test_scripts_are_written_on_demand(tmp_path):
    assert "20 scripts written" in run("new", tmp_path, "--scripts").output
    assert {path.suffix for path in tmp_path.iterdir()} == {".py"}
    script = (tmp_path / "07_overlapping_max_pool.py").read_text()
    assert "<details>" not in script
    assert 'the first hint; hint("07.2", 2) is the second' in script
    assert "# **3.** At a tie there is no derivative" in script


def test_a_course_with_marks_has_no_answers(tmp_path):
    run("new", tmp_path, "--no-solutions")
    text = (tmp_path / "07_overlapping_max_pool.ipynb").read_text()
    assert "**3.**" in text
    assert "At a tie there is no derivative" not in text
    assert "shows ours" not in text


def test_progress_counts_what_the_saved_outputs_say(tmp_path):
    run("new", tmp_path)
    path = tmp_path / "00_hello_net.ipynb"
    notebook = json.loads(path.read_text())
    printed = {
        "output_type": "stream",
        "name": "stdout",
        "text": ["00.2 wrong: no\n", "00.2 ok: x"],
    }
    box = {"output_type": "display_data", "data": {"text/plain": "00.1 ok: y"}, "metadata": {}}
    notebook["cells"][1]["outputs"] = [printed, box]
    path.write_text(json.dumps(notebook))
    said = run("progress", tmp_path).output
    assert "00  ■■" in said
    assert "2 of 64 exercises; next is lesson 01" in said
    path.write_text("[]")
    assert isinstance(run("progress", tmp_path).exception, DataError)
    assert "there is no folder" in run("progress", tmp_path / "none").output


def test_progress_of_scripts_is_refused_with_the_command_for_them(tmp_path):
    (tmp_path / "00_hello_net.py").write_text("")
    refused = run("progress", tmp_path).exception
    assert isinstance(refused, DataError)
    assert "tinynet lessons check NUMBER FILE" in str(refused)


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
    assert "pip install jupyterlab ipywidgets" in done.output
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(("user", "options"), [(1000, []), (0, ["--allow-root"])])
def test_open_starts_jupyter_on_a_copy(user, options, monkeypatch, tmp_path):
    calls = []
    module = lessons_module
    monkeypatch.setattr(module.os, "geteuid", lambda: user)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(module.subprocess, "call", lambda c, env: calls.append((c, env)) or 0)
    (tmp_path / "jupytext.toml").write_text(f"{module.PAIRED} (more)\n")
    done = run("open", "7", "--dir", tmp_path)
    assert done.exit_code == 0
    assert not (tmp_path / "jupytext.toml").exists()
    copy = tmp_path / "07_overlapping_max_pool.ipynb"
    ((command, environment),) = calls
    port = re.search(r"localhost:(\d+)/lab/tree/(.*)\?token=(.*)", done.output)
    assert command[1:3] == ["-m", "jupyterlab"]
    assert command[3:] == [f"--port={port[1]}", "--log-level=WARN", *options, str(copy)]
    assert (port[2], port[3]) == (copy.name, environment["JUPYTER_TOKEN"])
    assert copy.exists()


def test_open_says_that_a_notebook_is_in_another_language(monkeypatch, tmp_path):
    monkeypatch.setenv(words.VARIABLE, "en")  # what --lang sets ends with the test
    monkeypatch.setattr(lessons_module.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(lessons_module.subprocess, "call", lambda c, env: 0)
    assert "another language" not in run("open", "7", "--dir", tmp_path).output
    assert "전에 다른 언어로 만든" in run("open", "7", "--dir", tmp_path, "--lang", "ko").output


def test_a_busy_port_is_stepped_over():
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        port = busy.getsockname()[1]
        assert lessons_module.free_port(port) != port


def test_pair_writes_what_is_out_of_step(tmp_path, monkeypatch):
    (tmp_path / "01_good.py").write_text('# %% [markdown] lang="en"\n# # 01 Good\n')
    monkeypatch.setattr(pages, "folder", lambda: tmp_path)
    assert "1 notebook changed: 01_good.ipynb" in run("pair").output
    assert "0 notebooks changed" in run("pair").output
