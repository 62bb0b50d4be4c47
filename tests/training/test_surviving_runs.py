"""Runs that survive: folders of their own, stop signals, more epochs, the best checkpoint."""

import dataclasses
import json
import multiprocessing
import signal
import subprocess
import sys

import numpy as np
import pytest

import tinynet as tn
from support.image_files import fill, names
from tinynet import data
from tinynet.core.errors import DataError, DeviceError
from tinynet.training import finetune, presets, recipe_json, run_dir, runs
from tinynet.training.loop import Epoch
from tinynet.training.predict import classify, image_files, open_run
from tinynet.training.recipe_data import open_sets
from tinynet.training.recipes import place_model
from tinynet.training.signals import stop_requests

DEMO = presets.find("demo")


# folders


def test_a_new_folder_is_locked_and_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with run_dir.new_folder(DEMO) as first, run_dir.new_folder(DEMO) as second:
        assert (str(first), str(second)) == ("runs/demo-0", "runs/demo-0-2")
        with pytest.raises(DataError, match="another run"), run_dir.lock(first):
            pass
        run_dir.write_config(first, DEMO)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["demo-0"]
    with run_dir.new_folder(DEMO) as third:
        assert str(third) == "runs/demo-0-2"


def fail_in_a_new_folder(out):
    with run_dir.new_folder(DEMO, out) as folder:
        assert folder.is_dir()
        raise KeyError


def test_a_run_that_does_not_begin_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for out in (None, tmp_path / "a" / "b", tmp_path / "mine"):
        with pytest.raises(KeyError):
            fail_in_a_new_folder(out)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_folder_with_a_run_is_refused(tmp_path):
    with run_dir.new_folder(DEMO, tmp_path) as folder:
        run_dir.write_config(folder, DEMO)
    with pytest.raises(DataError, match="already holds a run"), run_dir.new_folder(DEMO, tmp_path):
        pass
    assert run_dir.holds_run(tmp_path)


def begin(barrier, chosen):
    barrier.wait()
    with run_dir.new_folder(DEMO) as folder:
        run_dir.write_config(folder, DEMO)
        chosen.put(str(folder))
        barrier.wait()


def test_of_processes_at_once_each_gets_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(6)
    chosen = context.Queue()
    processes = [context.Process(target=begin, args=(barrier, chosen)) for _ in range(6)]
    for process in processes:
        process.start()
    found = sorted(chosen.get(timeout=20) for _ in processes)
    for process in processes:
        process.join(20)
    assert found == ["runs/demo-0", *(f"runs/demo-0-{n}" for n in range(2, 7))]


# signals


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_second_hangup_does_not_kill_the_save(number):
    before = signal.getsignal(number)
    with stop_requests() as request:
        signal.raise_signal(number)
        assert request.exit_code == 128 + number
        signal.raise_signal(signal.SIGHUP)
        assert request.exit_code == 128 + number
    assert signal.getsignal(number) is before


IGNORING = """
import signal
from tinynet.training.signals import stop_requests
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with stop_requests() as request:
    signal.raise_signal(signal.SIGHUP)
    print(repr(request.why), signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)
"""


def test_under_nohup_a_hangup_changes_nothing():
    done = subprocess.run([sys.executable, "-c", IGNORING], capture_output=True, text=True)
    assert done.stdout == "'' True\n"


# more epochs


def small_run(folder, recipe):
    train = data.ArrayDataset(*some_images(24))
    test = data.ArrayDataset(*some_images(10))
    folder.mkdir(exist_ok=True)
    return runs.assemble(folder, recipe, (train, test))


def some_images(n):
    rng = np.random.default_rng(n)
    return rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8), np.arange(n) % 3


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr(runs, "draw", lambda run: None)


CONSTANT = dataclasses.replace(DEMO, schedule=(), epochs=1, batch_size=8)


def test_a_constant_rate_allows_more_epochs_to_the_same_weights(tmp_path, no_pictures):
    long = dataclasses.replace(CONSTANT, epochs=3)
    whole = small_run(tmp_path / "whole", long)
    list(runs.advance(whole))
    first = small_run(tmp_path / "r", CONSTANT)
    list(runs.advance(first))
    second = small_run(tmp_path / "r", recipe_json.with_epochs(CONSTANT, 3))
    runs.restore(second)
    assert sum(isinstance(event, Epoch) for event in runs.advance(second)) == 2
    for name, expected in whole.model.state_dict().items():
        np.testing.assert_array_equal(second.model.state_dict()[name], expected)


@pytest.mark.parametrize("schedule", ["cosine", ((0.5, 0.1),)])
def test_a_schedule_of_the_whole_run_allows_no_other_length(schedule):
    recipe = dataclasses.replace(CONSTANT, schedule=schedule)
    with pytest.raises(DataError, match="are made for epochs=1"):
        recipe_json.with_epochs(recipe, 2)
    assert recipe_json.with_epochs(recipe, 1) == recipe


def test_a_plateau_allows_it():
    recipe = dataclasses.replace(CONSTANT, schedule="plateau", validation=0.1)
    assert recipe_json.with_epochs(recipe, 5).epochs == 5


def test_fewer_epochs_than_have_begun_are_refused(tmp_path, no_pictures):
    run = small_run(tmp_path, dataclasses.replace(CONSTANT, epochs=2))
    list(runs.advance(run))
    again = small_run(tmp_path, CONSTANT)
    with pytest.raises(DataError, match="epoch 2 of this run has begun, so it cannot end after 1"):
        runs.restore(again)


def test_the_recipe_in_a_config_is_replaced_and_its_facts_stay(tmp_path):
    run_dir.write_config(tmp_path, CONSTANT, device="cpu", fingerprint="abc")
    run_dir.change_recipe(tmp_path, recipe_json.with_epochs(CONSTANT, 7))
    recipe, facts = run_dir.read_config(tmp_path)
    assert recipe.epochs == 7
    assert facts == {"device": "cpu", "fingerprint": "abc"}


# the model of a run


@pytest.fixture
def trained(tmp_path, no_pictures):
    """Train two epochs, the second of which is not the best; return the folder."""
    run = small_run(tmp_path, dataclasses.replace(CONSTANT, epochs=2))
    run_dir.write_config(tmp_path, run.recipe, device="cpu", data_dir=None)
    for event in runs.advance(run):
        if isinstance(event, Epoch):
            run.state.records[-1] = dataclasses.replace(event, test_accuracy=0.5)
    return tmp_path


def weights_of(trained):
    return next(iter(trained.model.state_dict().values()))


def test_the_best_weights_are_asked_for_by_name_or_by_file(trained):
    best = open_run(trained, best=True)
    assert not np.array_equal(weights_of(best), weights_of(open_run(trained)))
    for path in (trained / "best.safetensors", str(trained / "best.safetensors")):
        np.testing.assert_array_equal(weights_of(open_run(path)), weights_of(best))
    np.testing.assert_array_equal(
        weights_of(open_run(trained / "last.safetensors")), weights_of(open_run(trained))
    )


def test_a_checkpoint_alone_is_enough(trained, tmp_path_factory):
    lone = tmp_path_factory.mktemp("elsewhere") / "net.safetensors"
    lone.write_bytes((trained / "best.safetensors").read_bytes())
    found = open_run(lone)
    assert found.recipe.name == "demo"
    assert found.data_dir is None
    np.testing.assert_array_equal(weights_of(found), weights_of(open_run(trained, best=True)))


def test_best_beside_a_file_and_a_run_without_one_are_refused(trained):
    with pytest.raises(ValueError, match="is a checkpoint itself"):
        open_run(trained / "best.safetensors", best=True)
    (trained / "best.safetensors").unlink()
    with pytest.raises(DataError, match=r"it has no best\.safetensors before the end"):
        open_run(trained, best=True)


def test_a_checkpoint_of_ones_own_loop_has_no_recipe(tmp_path):
    model = DEMO.build_model(3)
    tn.save_checkpoint(tmp_path / "x.safetensors", model, DEMO.build_optimizer(model), tn.State())
    with pytest.raises(DataError, match="not a checkpoint of tinynet train"):
        open_run(tmp_path / "x.safetensors")


def test_images_of_a_folder_are_found_by_name_without_hidden_ones(tmp_path):
    fill(tmp_path / "b", [3, 1])
    fill(tmp_path / "a", [2], "webp")
    fill(tmp_path / ".thumbnails", [4])
    (tmp_path / "b" / ".hidden.png").write_bytes(b"")
    (tmp_path / "b" / "notes.txt").write_text("")
    found = [str(path.relative_to(tmp_path)) for path in image_files(tmp_path)]
    assert found == ["a/2.webp", "b/1.png", "b/3.png"]
    assert image_files(tmp_path / "no such") == [tmp_path / "no such"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="the folder has no image file"):
        image_files(tmp_path / "empty")


def test_a_file_is_classified_by_a_path_or_its_name(trained, tmp_path_factory):
    fill(tmp_path_factory.getbasetemp() / "one", [1])
    path = tmp_path_factory.getbasetemp() / "one" / "1.png"
    net = open_run(str(trained))
    assert classify(net, str(path)) == classify(net, path)


# data in place of sentences


def test_restoring_tells_what_it_found(tmp_path, no_pictures):
    recipe = dataclasses.replace(CONSTANT, epochs=2)
    run = small_run(tmp_path, recipe)
    empty = runs.restore(run)
    assert (empty.found, empty.damage) == (False, None)
    list(runs.advance(run))
    assert runs.restore(small_run(tmp_path, recipe)) == runs.Restored(tmp_path)
    (tmp_path / "last.safetensors").write_bytes(b"")
    found = runs.restore(small_run(tmp_path, recipe))
    assert found.damage is not None
    assert str(found) == str(found.damage)


def test_a_fine_tuned_beginning_is_listed_as_data(tmp_path):
    model = DEMO.build_model(10)
    tn.save(model, tmp_path / "x.safetensors")
    recipe = dataclasses.replace(DEMO, init_from=str(tmp_path / "x.safetensors"), freeze="0")
    loaded, frozen = finetune.begin(DEMO.build_model(10), recipe)
    assert loaded == finetune.Loaded(recipe.init_from)
    assert (frozen.names, frozen.frozen) == ("0", 1216)
    assert finetune.begin(DEMO.build_model(10), recipe, load=False) == [frozen]


def test_the_published_differences_are_data():
    found = presets.published_differences(
        dataclasses.replace(presets.find("alexnet"), variant="torchvision")
    )
    assert (found.variant, found.recipe) == ("torchvision", "alexnet")
    assert found.settings["colour noise"] == "none"


def test_one_model_has_one_device():
    with pytest.raises(DeviceError, match="Sequential runs on one device, got cpu, cpu:1"):
        place_model(DEMO.build_model(10), ("cpu", "cpu:1"))


# old run folders


def test_a_recipe_of_version_0_1_keeps_the_split_of_its_folder(tmp_path):
    for name, first in (("cat", 0), ("dog", 100)):
        fill(tmp_path / name, range(first, first + 30))
    settings = dataclasses.asdict(
        dataclasses.replace(DEMO, data=f"folder:{tmp_path}", size=32, split="hashed")
    )
    del settings["split"]
    old = recipe_json.from_json(json.loads(json.dumps(settings)))
    assert old.split == "hashed"
    train, _ = open_sets(old)
    assert names(train) == names(data.ImageFolder(tmp_path, split="hashed"))
    assert names(train) != names(data.ImageFolder(tmp_path))
    with pytest.raises(ValueError, match="split is one of stratified, hashed"):
        recipe_json.from_json({**settings, "split": "random"})
