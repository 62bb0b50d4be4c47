"""The spread of a recipe over seeds and kinds of arithmetic: `benchmarks.seeds`."""

import dataclasses
import json
import math

import pytest

import tinynet as tn
from benchmarks import seeds
from support import small_demo
from tinynet.training import presets, runs

QUICK = dataclasses.replace(presets.find("demo"), epochs=6, batch_size=20, lr=0.05)


@pytest.fixture
def small(monkeypatch):
    few = small_demo.few_shapes(60, 30)
    small_demo.use_net(monkeypatch)
    small_demo.use_sets(monkeypatch, few)
    with tn.kernels.use("reference"):
        yield few


def test_a_process_has_one_kind_of_arithmetic(monkeypatch):
    for name in seeds.CHOSEN_HERE:
        monkeypatch.setenv(name, "something else")
    monkeypatch.setenv("TINYNET_CACHE", "kept")
    found = {kind: seeds.environment(kind) for kind in seeds.ARITHMETIC}
    chosen = {
        kind: {name: value for name, value in variables.items() if name in seeds.CHOSEN_HERE}
        for kind, variables in found.items()
    }
    assert chosen == {
        "native": {},
        "generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
        "reference": {"TINYNET_KERNELS": "reference"},
    }
    assert {variables["TINYNET_CACHE"] for variables in found.values()} == {"kept"}


def test_a_run_ends_as_the_command_train_does(small, tmp_path):
    found = list(seeds.run_here(QUICK, range(3, 5), None))
    assert [result.seed for result in found] == [3, 4]
    for result in found:
        recipe = dataclasses.replace(QUICK, seed=result.seed)
        folder = tmp_path / str(result.seed)
        folder.mkdir()
        *_, end = runs.advance(runs.assemble(folder, recipe, (small[True], small[False])))
        assert end.result["test_accuracy"] == result.accuracy
    assert found[0].accuracy != found[1].accuracy


def test_the_table_has_the_spread_of_each_kind():
    accuracies = {"native": (0.97, 0.95, 0.985), "reference": (0.5,)}
    found = {
        kind: [seeds.Result(i, accuracy, 10.0 * (i + 1)) for i, accuracy in enumerate(values)]
        for kind, values in accuracies.items()
    }
    _, _, *rows = seeds.summary(found).splitlines()
    assert [row.split() for row in rows] == [
        ["native", "3", "95.0", "97.0", "98.5", "20.0"],
        ["reference", "1", "50.0", "50.0", "50.0", "10.0"],
    ]


def test_settings_in_place_of_the_recipes(small, capsys):
    options = "--seeds", "1", "--epochs", "1", "--batch-size", "30", "--lr", "0.001", "--worker"
    seeds.main(["demo", *options])
    told = json.loads(capsys.readouterr().out)
    changes = {"epochs": 1, "batch_size": 30, "lr": 0.001}
    [same] = seeds.run_here(dataclasses.replace(QUICK, **changes), [0], None)
    assert told["accuracy"] == same.accuracy
    assert math.isfinite(told["seconds"])


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [("--arithmetic", "native,exact", "'exact' is none of native"), ("--seeds", "0", "at least 1")],
)
def test_impossible_options_are_refused(capsys, option, value, words):
    with pytest.raises(SystemExit):
        seeds.main(["demo", option, value])
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_a_kind_is_measured_in_a_process_of_its_own(capsys):
    seeds.main(["demo", "--seeds", "1", "--epochs", "1", "--arithmetic", "native"])
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.split()[:3] == ["native", "seed", "0"]
    assert last.split()[:2] == ["native", "1"]
    assert float(last.split()[2]) > 20, "chance is 10 %"
