"""The commands ``tinynet claims list | run``: what is run, what is refused, how it is stopped."""

import contextlib
import dataclasses
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time

import click
import pytest

from tinynet.claims import catalog, results, runner
from tinynet.claims.claim import BUDGETS
from tinynet.cli import main
from tinynet.words import table

RUN = ("claims", "run")


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_data(monkeypatch, tmp_path):
    """Hide the data sets of this machine."""
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path / "no data"))


# list


def test_the_list_has_every_claim(tinynet_says):
    said = tinynet_says("claims", "list")
    assert said.code == 0
    assert [line.split()[0] for line in said.out.splitlines()[2:]] == list(catalog.CLAIMS)


def test_the_list_for_programs(tinynet_says, claim, here, tmp_path):
    tinynet_says(*RUN, "linear", "--budget", "tiny")
    said = tinynet_says("claims", "list", "--json")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [row["name"] for row in rows] == list(catalog.CLAIMS)
    assert rows[-1]["results"] == ["shapes tiny"]
    assert rows[-1]["seeds"] == {"quick": 5, "full": 5, "tiny": 2}


# run


def test_a_claim_is_run_once(tinynet_says, claim, here):
    said = tinynet_says(*RUN, "linear", "--budget", "tiny")
    assert said.code == 0, said
    assert "linear on shapes, budget tiny: 4 runs." in said.err
    lines = [line.partition(": test error")[0] for line in said.err.splitlines()[1:]]
    assert [line[:10] for line in lines] == [f"linear {i}/4" for i in range(1, 5)]
    assert {line[12:] for line in lines} == {
        f"{a}, seed {s}" for a in ("one", "two") for s in (0, 1)
    }
    assert "; done" in said.err
    assert "test error: “two” minus “one”" in said.out
    assert said.out.endswith("Results: runs/claims/linear-shapes-tiny.json\n")
    again = tinynet_says(*RUN, "linear", "--budget", "tiny")
    assert again.err == (
        "linear on shapes, budget tiny: all runs are there already, nothing is repeated.\n"
    )
    assert again.out == said.out
    assert len(here.jobs) == 4


def test_a_run_that_another_claim_has_made_is_not_repeated(tinynet_says, claim, here, monkeypatch):
    monkeypatch.setattr(results, "commit", lambda: "1234567890")
    monkeypatch.setitem(catalog.CLAIMS, "again", dataclasses.replace(claim, name="again"))
    said = tinynet_says(*RUN, "linear", "again", "--budget", "tiny")
    assert said.code == 0, said
    assert len(here.jobs) == 4
    again = [line for line in said.err.splitlines() if line.startswith("again")]
    assert again == [
        "again on shapes, budget tiny: "
        "runs taken over from other claims, with the same settings: 4.",
        "again on shapes, budget tiny: all runs are there already, nothing is repeated.",
    ]


def test_more_seeds_add_runs(tinynet_says, claim, here, tmp_path):
    where = ("--budget", "tiny", "--out", tmp_path / "mine")
    tinynet_says(*RUN, "linear", "--seeds", 1, *where)
    said = tinynet_says(*RUN, "linear", "--seeds", 3, *where)
    assert "4 runs." in said.err
    found = results.read(tmp_path / "mine" / "linear-shapes-tiny.json")
    assert [run["seed"] for run in found.runs["two"]] == [0, 1, 2]


def test_the_count_includes_the_choice_of_a_rate(tinynet_says, tuned, here):
    said = tinynet_says(*RUN, "linear", "--budget", "tiny")
    assert re.findall(r"linear (\d/\d)  \w+( at)?", said.err) == [
        *((f"{i}/6", " at") for i in range(1, 5)),
        ("5/6", ""),
        ("6/6", ""),
    ]
    assert len(here.jobs) == 6  # two rates of two arms, and the second seed of both
    rates = [line.split()[2] for line in said.out.splitlines() if line.startswith(("one ", "two "))]
    assert set(rates) <= {"0.01", "0.1"}
    assert len(rates) == 2


def test_quiet_prints_the_results_alone(tinynet_says, claim, here):
    said = tinynet_says(*RUN, "linear", "--budget", "tiny", "--quiet")
    assert said.err == ""
    assert "Verdict: " in said.out


def test_json_lines(tinynet_says, claim, here):
    said = tinynet_says(*RUN, "linear", "--budget", "tiny", "--json")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [row["event"] for row in rows] == ["note", *["run"] * 4, "end"]
    assert rows[1]["measures"]["test_error"] >= 0
    assert rows[-1]["arms"]["one"]["test_error"]["seeds"] == 2
    assert rows[-1]["comparisons"][0]["verdict"] == rows[-1]["verdict"]


def test_one_seed_has_no_interval(tinynet_says, claim, here):
    said = tinynet_says(*RUN, "linear", "--budget", "tiny", "--seeds", 1, "--json")
    end = json.loads(said.out.splitlines()[-1])
    assert end["verdict"] == "one seed: no interval"
    assert end["comparisons"][0]["low"] is None


def test_full_says_how_long_it_will_take(tinynet_says, claim, here, monkeypatch):
    monkeypatch.setattr(runner, "estimate", lambda *plan: 8000.0)
    said = tinynet_says(*RUN, "linear", "--budget", "full", "--seeds", 1)
    assert said.err.startswith("linear: about 2 h 13 min.\nlinear on shapes")


def test_an_estimate_is_of_the_missing_runs(claim, few, monkeypatch, here, tmp_path):
    monkeypatch.setattr(runner.measure, "time_of_training", lambda trial, _: 1.0)
    settings = runner.Settings(folder=tmp_path, seeds=4, jobs=1)
    plan = (claim, BUDGETS["tiny"], "shapes")
    assert runner.estimate(*plan, settings) == pytest.approx(8.0)
    list(runner.execute(*plan, runner.Settings(folder=tmp_path, seeds=1, jobs=1)))
    assert runner.estimate(*plan, settings) == pytest.approx(6.0)


# what is refused


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("rellu",), "claims: there is no 'rellu'."),
        (
            ("relu", "--data", "mnist"),
            "relu: it is not measured on mnist, but on cifar10, shapes. Give --data cifar10.",
        ),
        (("flips", "--data", "shapes"), "on shapes, but on mnist. Give --data mnist."),
        (("resnet-20",), "there is no budget quick for it, only full. Give --budget full."),
        (("relu", "--budget", "huge"), "'huge' is not one of"),
    ],
)
def test_a_mistake_is_refused_in_a_sentence(tinynet_says, arguments, sentence):
    said = tinynet_says(*RUN, *arguments)
    assert said.code == 2
    assert sentence in said.err


def test_missing_images_have_a_way_out(tinynet_says, no_data):
    said = tinynet_says(*RUN, "relu")
    assert said.code == 1
    assert "`tinynet data get cifar10`" in said.err
    assert said.err.endswith("Without these files: --data shapes, images that are drawn.\n")


def test_all_uses_what_each_claim_has(tinynet_says, claim, here, no_data, monkeypatch):
    few = {name: catalog.CLAIMS[name] for name in ("flips", "resnet-20", "linear")}
    monkeypatch.setattr(catalog, "CLAIMS", few)
    said = tinynet_says(*RUN, "all", "--budget", "tiny", "--data", "shapes")
    assert said.code == 0
    assert "no budget tiny for them: resnet-20." in said.err
    assert "Not measured on shapes, so with their usual data: flips." in said.err
    assert [results.read(path).claim for path in results.OWN.glob("*.json")]


# stopping


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of Unix")
@pytest.mark.parametrize(
    ("number", "times"),
    [
        *((number, times) for number in (signal.SIGINT, signal.SIGTERM) for times in (1, 20)),
        (signal.SIGKILL, 1),
    ],
)
def test_a_stopped_command_keeps_what_is_finished_and_leaves_no_process(tmp_path, number, times):
    arguments = ("-m", "tinynet", *RUN, "overlap", "--data", "shapes", "--budget", "tiny")
    process = subprocess.Popen(
        [sys.executable, *arguments, "--seeds", "50", "--jobs", "2", "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert any("overlap 2/" in line for line in process.stdout)
    for _ in range(times):
        if number == signal.SIGINT:  # a terminal sends it to all processes of the group
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        time.sleep(0.01)
    said, _ = process.communicate(timeout=30)
    assert "Traceback" not in said
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert said.endswith("The same command continues.\n")
    wait_for_the_end_of(process.pid)
    found = results.read(tmp_path / "overlap-shapes-tiny.json")
    assert sum(map(len, found.runs.values())) >= 2


def wait_for_the_end_of(group, seconds=20):
    until = time.monotonic() + seconds
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < until:
            os.killpg(group, 0)
            if not running(group):
                return
            time.sleep(0.1)
        raise AssertionError("a process is left")


def running(group):
    """Return whether a process of the group runs; one that has ended may wait for its parent."""
    ps = subprocess.run(["ps", "-eo", "pgid,stat"], capture_output=True, text=True, check=True)
    rows = [line.split() for line in ps.stdout.splitlines()]
    return any(row[0] == str(group) and not row[1].startswith("Z") for row in rows)


# help


def test_the_help_is_there_in_korean():
    texts = helps(main.cli.get_command(None, "claims"))
    assert [text for text in texts if text and text not in table("ko")] == []


def helps(command):
    yield inspect.cleandoc(command.help)
    yield from (option.help for option in command.params if isinstance(option, click.Option))
    for each in getattr(command, "commands", {}).values():
        yield from helps(each)
