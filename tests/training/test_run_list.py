"""Saved runs: what a folder says of its run, its state, and damaged files."""

import json

import pytest

from support.tiny_run import RECIPE
from tinynet.core.errors import DataError
from tinynet.training import run_dir, run_list

LINE = {
    "epoch": 1,
    "train_loss": 2.0,
    "train_accuracy": 0.3,
    "test_loss": 2.1,
    "test_accuracy": 0.25,
    "lr": 0.1,
    "seconds": 1.0,
    "images_per_second": 10.0,
}


@pytest.fixture
def folder(tmp_path):
    """Return a folder whose run has finished one epoch and is stopped."""
    path = tmp_path / "runs" / "a"
    with run_dir.new_folder(RECIPE, path):
        run_dir.write_config(path, RECIPE, images={"train": 44, "test": 20})
    write_log(path, LINE)
    return path


def write_log(folder, *lines):
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    (folder / run_dir.LOG).write_text(text)


def test_a_folder_says_what_its_run_is(folder):
    saved = run_list.read(folder)
    assert saved.recipe == RECIPE
    assert (saved.state, saved.accuracy, saved.records[0].epoch) == ("stopped", 0.25, 1)
    assert saved.records[0].validation_loss is None
    assert (saved.images("test"), saved.images("validation")) == (20, None)


def test_the_states_of_a_run(folder):
    with run_dir.lock(folder):
        assert run_list.read(folder).state == "running"
    assert run_list.read(folder).state == "stopped"
    run_dir.write_json(folder / run_dir.RESULT, {"test_accuracy": 0.25})
    assert run_list.read(folder).state == "finished"


def test_looking_takes_no_lock_and_leaves_no_file(folder):
    (folder / run_dir.LOCK).unlink()
    before = sorted(folder.iterdir())
    assert run_list.read(folder).state == "stopped"
    assert sorted(folder.iterdir()) == before
    with run_dir.lock(folder):
        assert run_dir.is_locked(folder)


def test_a_run_before_its_first_epoch_has_no_records(folder):
    (folder / run_dir.LOG).unlink()
    saved = run_list.read(folder)
    assert saved.records == []
    assert saved.accuracy is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2 is no record of an epoch"),
        ("[]", "an object is needed, not list"),
        ("[" * 100_000, "line 2 is no record"),
        ("{}", "epoch is a number, not None"),
        ({**LINE, "epoch": 1.5}, "epoch is 1, 2"),
        ({**LINE, "epoch": 0}, "epoch is 1, 2"),
        ({**LINE, "lr": "0.1"}, "lr is a number, not '0.1'"),
        ({**LINE, "train_loss": True}, "train_loss is a number"),
        ({**LINE, "train_loss": 10**400}, "line 2 is no record"),
        ({**LINE, "test_accuracy": 25}, "test_accuracy is a fraction, not 25"),
        ({**LINE, "test_accuracy": float("nan")}, "test_accuracy is a fraction"),
        ({**LINE, "seconds": float("nan")}, "seconds is a finite number, not nan"),
        ({**LINE, "lr": float("inf")}, "lr is a finite number, not inf"),
        ({**LINE, "train_accuracy": None}, "train_accuracy is a number"),
    ],
)
def test_a_damaged_log_is_named_with_its_line(folder, line, words):
    write_log(folder, LINE, line)
    with pytest.raises(DataError, match=words) as error:
        run_list.read(folder)
    assert str(folder / run_dir.LOG) in str(error.value)
    assert len(str(error.value)) < 400


def test_a_loss_that_is_not_finite_and_a_field_of_the_future_are_read(folder):
    write_log(folder, {**LINE, "test_loss": float("inf"), "grams": 3})
    assert run_list.read(folder).records[0].test_loss == float("inf")


@pytest.mark.parametrize("content", ["[1]", "{", "\udcff"])
def test_a_damaged_result_is_refused(folder, content):
    (folder / run_dir.RESULT).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=r"result.json: not "):
        run_list.read(folder)


def test_a_huge_log_is_refused_before_it_is_read(folder):
    with open(folder / run_dir.LOG, "wb") as file:
        file.truncate(2**33)
    with pytest.raises(DataError, match="regular file of up to 16 MiB"):
        run_list.read(folder)


def test_runs_are_found_below_a_folder(folder, tmp_path):
    deep = tmp_path / "x" / "y" / "z"
    for path in (deep, tmp_path / "x" / "y" / "z2" / "too deep", tmp_path / ".hidden"):
        with run_dir.new_folder(RECIPE, path):
            run_dir.write_config(path, RECIPE)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text("{}")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert run_list.find(tmp_path) == [folder, deep]
    assert run_list.find(folder) == [folder]
    assert run_list.find(tmp_path / "none") == []
