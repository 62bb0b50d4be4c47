"""Runs and results: what is stored, what is run again, and what a run measures."""

import dataclasses
import json

import pytest

from tinynet.claims import catalog, measure, results, runner, setting
from tinynet.claims.claim import BUDGETS, Arm
from tinynet.claims.runner import Settings
from tinynet.claims.trial import Trial
from tinynet.core.errors import DataError

TINY = BUDGETS["tiny"]


def run(claim, folder, **settings):
    done = list(runner.execute(claim, TINY, "shapes", Settings(folder=folder, jobs=1, **settings)))
    return [(each.job.arm, each.job.seed) for each in done]


def stored(folder):
    return results.read(folder / "linear-shapes-tiny.json")


def test_results_survive_a_file(claim, here, tmp_path):
    run(claim, tmp_path, seeds=2)
    found = stored(tmp_path)
    again = tmp_path / "again"
    found.write(again)
    assert stored(again) == found
    assert sorted(found.where) == sorted(
        ("device", "python", "tinynet", "numpy", "commit", "date", "data")
    )
    assert set(found.runs) == {"one", "two"}


def test_the_same_settings_train_nothing(claim, here, tmp_path):
    assert len(run(claim, tmp_path, seeds=2)) == 4
    before = (tmp_path / "linear-shapes-tiny.json").read_bytes()
    assert run(claim, tmp_path, seeds=2) == []
    assert (tmp_path / "linear-shapes-tiny.json").read_bytes() == before


def test_more_seeds_keep_those_that_are_there(claim, here, tmp_path):
    run(claim, tmp_path, seeds=1)
    assert sorted(run(claim, tmp_path, seeds=2)) == [("one", 1), ("two", 1)]


def test_a_run_that_was_made_elsewhere_says_so(claim, here, tmp_path, monkeypatch):
    run(claim, tmp_path, seeds=1)
    first = stored(tmp_path).where
    monkeypatch.setattr(runner, "_where", lambda *_: {**first, "device": "another processor"})
    run(claim, tmp_path, seeds=2)
    found = stored(tmp_path)
    assert found.where["device"] == "another processor"
    assert [r.get("where") for r in found.runs["one"]] == [first, None]
    text = setting.provenance(claim, found)
    assert "on another processor" in text
    assert (
        f"Before that, 2 runs: {first['date']} with commit {first['commit']} on {first['device']}"
        in text
    )
    monkeypatch.setattr(runner, "_where", lambda *_: {**first, "device": "a third"})
    run(claim, tmp_path, seeds=3)
    devices = [r.get("where", {}).get("device") for r in stored(tmp_path).runs["one"]]
    assert devices == [first["device"], "another processor", None]


def test_an_arm_with_other_settings_is_run_again_alone(claim, here, tmp_path):
    run(claim, tmp_path, seeds=2)
    arms = {**claim.arms, "two": Arm(options={"layers": 3})}
    changed = dataclasses.replace(claim, arms=arms)
    assert sorted(run(changed, tmp_path, seeds=2)) == [("two", 0), ("two", 1)]


def test_an_arm_that_the_claim_has_lost_is_dropped(claim, here, tmp_path):
    run(claim, tmp_path, seeds=1)
    fewer = dataclasses.replace(claim, arms={"one": claim.arms["one"]}, comparisons=())
    run(fewer, tmp_path, seeds=2)
    assert set(stored(tmp_path).runs) == {"one"}


def test_a_stopped_claim_continues(claim, here, tmp_path):
    begun = runner.execute(claim, TINY, "shapes", Settings(folder=tmp_path, seeds=2, jobs=1))
    first = next(begun).job
    begun.close()
    assert (first.arm, first.seed) not in run(claim, tmp_path, seeds=2)
    assert runner.count_missing(claim, TINY, "shapes", Settings(folder=tmp_path, seeds=2)) == 0


@pytest.fixture
def second(claim, monkeypatch):
    """Return another claim of the catalog, which has an arm of the first and one of its own."""
    arms = {"a single layer": claim.arms["one"], "three": Arm(options={"layers": 3})}
    found = dataclasses.replace(claim, name="second", arms=arms, comparisons=())
    monkeypatch.setitem(catalog.CLAIMS, "second", found)
    return found


def share(claim, folder, **settings):
    return runner.share(claim, TINY, "shapes", Settings(folder=folder, jobs=1, **settings))


def test_claims_share_the_runs_of_equal_settings(claim, second, here, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "commit", lambda: "1234567890")
    run(claim, tmp_path, seeds=2)
    assert share(second, tmp_path, seeds=2) == 2
    assert sorted(run(second, tmp_path, seeds=2)) == [("three", 0), ("three", 1)]
    found = results.read(tmp_path / "second-shapes-tiny.json")
    assert found.runs["a single layer"] == stored(tmp_path).runs["one"]
    assert share(second, tmp_path, seeds=2) == 0


@pytest.mark.parametrize("commits", [("1234567890", "abcdef0123"), ("1234567890+",) * 2])
def test_runs_of_other_code_are_not_shared(commits, claim, second, here, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "commit", lambda: commits[0])
    run(claim, tmp_path, seeds=1)
    monkeypatch.setattr(results, "commit", lambda: commits[1])
    assert share(second, tmp_path, seeds=1) == 0


def test_each_arm_has_its_best_rate(tuned, here, tmp_path):
    run(tuned, tmp_path, seeds=2)
    found = stored(tmp_path)
    for arm in tuned.arms:
        best = min(found.tuning[arm], key=lambda pair: pair[1])[0]
        assert found.settings[arm]["settings"]["lr"] == best
        assert [each["seed"] for each in found.runs[arm]] == [0, 1]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"claim": 1}', '{"runs": {"a": [{}]}}'])
def test_a_file_that_is_no_result_is_refused(text, tmp_path):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match="not the results of a claim"):
        results.read_all([tmp_path])


def test_later_folders_take_the_place_of_earlier_ones(claim, here, tmp_path):
    run(claim, tmp_path / "a", seeds=1)
    run(claim, tmp_path / "b", seeds=2)
    (found,) = results.read_all([tmp_path / "a", tmp_path / "b"])
    assert len(found.runs["one"]) == 2


# one run


TRIAL = Trial(network="linear", settings={"epochs": 2, "data": "shapes"}, images=60)


def test_a_run_repeats_bit_for_bit(few):
    one = measure.run(TRIAL, seed=1)
    assert json.dumps(one | {"seconds": 0}) == json.dumps(measure.run(TRIAL, 1) | {"seconds": 0})
    assert one["test_error"] != measure.run(TRIAL, 2)["test_error"]


def test_a_run_counts_what_is_wrong(few):
    found = measure.run(TRIAL, seed=0)
    assert found["gap"] == pytest.approx(found["test_error"] - found["train_error"], abs=0.011)
    assert len(found["curve"]) == 2
    assert len(found["class_errors"]) == 10


def test_a_run_that_explodes_is_kept_with_the_error_of_guessing(few, monkeypatch):
    found = measure.run(TRIAL.change(lr=1e30), seed=0)
    assert found["diverged"]
    assert found["test_error"] == pytest.approx(90.0)
    assert "validation_error" not in found
    train, test = measure.sets(TRIAL, None)
    monkeypatch.setattr(measure, "_opened", lambda *_: (train, test, test))
    held_out = measure.run(TRIAL.change(lr=1e30, validation=0.1), seed=0)
    assert held_out["validation_error"] == pytest.approx(90.0)  # a rate may be chosen by it


@pytest.mark.slow
def test_a_claim_of_the_catalog_runs_through_the_command(tinynet_says, tmp_path):
    arguments = ("--data", "shapes", "--budget", "tiny", "--jobs", "1", "--out", tmp_path)
    said = tinynet_says("claims", "run", "ten-views", *arguments)
    assert said.code == 0, said
    assert "Verdict: " in said.out
    (found,) = results.read_all([tmp_path])
    assert [each["seed"] for each in found.runs["one network"]] == [0, 1]
