"""Training: steps count, runs resume bit for bit, stop when asked, and never save nonsense."""

import dataclasses
import json
import math
import os
import signal

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.core import random
from tinynet.core.errors import DataError
from tinynet.optim import SGD, MultiStep
from tinynet.training import diagnosis, run_dir, runs
from tinynet.training import loop as training
from tinynet.training.evaluation import evaluate
from tinynet.training.loop import Epoch, State, Step, fit, train_one_epoch
from tinynet.training.metrics import RunningMetrics
from tinynet.training.recipes import Recipe
from tinynet.training.runs import Finished, Run, Stopped
from tinynet.weights import checkpoint

RECIPE = Recipe(
    name="tiny",
    about="for tests",
    model="tiny",
    data="points",
    epochs=3,
    batch_size=8,
    lr=0.05,
    schedule=((0.5, 0.1),),
    seed=5,
)


@pytest.fixture
def no_pictures(monkeypatch):
    """Matplotlib is slow, and what these tests look at is not in the pictures."""
    monkeypatch.setattr(runs, "draw", lambda run: None)


class Points:
    """Images of 1x4x4 whose label is the brighter half; batches shuffled anew each epoch."""

    def __init__(self, count=44, batch=8, shuffle=True):
        rng = np.random.default_rng(count)
        self.images = rng.standard_normal((count, 1, 4, 4)).astype(np.float32)
        self.labels = (self.images[:, 0, :2].sum((1, 2)) > self.images[:, 0, 2:].sum((1, 2))) * 1
        self.batch, self.shuffle = batch, shuffle
        self.steps = math.ceil(count / batch)

    def batches(self, epoch, first=0):
        order = np.arange(len(self.labels))
        if self.shuffle:
            order = random.generator("points", epoch, seed=1).permutation(order)
        for step in range(first, self.steps):
            rows = order[step * self.batch : (step + 1) * self.batch]
            yield self.images[rows], self.labels[rows]


def tiny_net():
    with random.fork(3):
        return nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(48, 2),
        )


def new_run(folder, recipe=RECIPE):
    net = tiny_net()
    optimizer = SGD(net.parameters(), lr=recipe.build_schedule(), momentum=0.9)
    folder.mkdir(exist_ok=True)
    return Run(
        folder, recipe, ("low", "high"), net, optimizer, Points(), Points(20, shuffle=False), {}
    )


def assert_same_arrays(a, b):
    assert sorted(a) == sorted(b)
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


def timeless(records):
    clocks = {"seconds": 0, "images_per_second": 0}
    return [dataclasses.replace(r, **clocks) for r in records]


# the loop


def test_every_image_is_seen_once_an_epoch_the_last_partial_batch_too():
    net, state = tiny_net(), State()
    steps = train_one_epoch(net, SGD(net.parameters(), lr=0.1), Points(), state=state)
    assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6]
    assert state.metrics.images == 44


def test_an_epoch_reports_means_over_images_not_over_batches():
    feed, net = Points(10, batch=8, shuffle=False), tiny_net()
    loss, accuracy = evaluate(net, feed)
    net.eval()
    scores = net(tn.tensor(feed.images))
    assert loss == pytest.approx(F.cross_entropy(scores, feed.labels).item(), rel=1e-6)
    assert accuracy == (scores.data.argmax(1) == feed.labels).mean()


def test_evaluation_neither_drops_nor_learns_nor_records_and_goes_back_to_training():
    net = tiny_net()
    before = net.state_dict()
    assert evaluate(net, Points()) == evaluate(net, Points())
    assert_same_arrays(net.state_dict(), before)
    assert all(p.grad is None for p in net.parameters())
    assert net.training


def test_training_switches_dropout_on():
    net = tiny_net().eval()
    list(train_one_epoch(net, SGD(net.parameters(), lr=0.1), Points()))
    assert net.training


def test_evaluation_leaves_a_net_in_evaluation_where_it_was():
    net = tiny_net().eval()
    evaluate(net, Points())
    assert not net.training


def test_fit_yields_a_step_a_batch_and_an_epoch_an_epoch():
    net = tiny_net()
    sgd = SGD(net.parameters(), lr=0.05)
    events = list(fit(net, sgd, Points(), Points(20), epochs=2, every_step=True))
    kinds = [e.phase if isinstance(e, Step) else "epoch" for e in events]
    assert kinds == (["train"] * 6 + ["test"] * 3 + ["epoch"]) * 2
    assert [e.epoch for e in events if isinstance(e, Epoch)] == [1, 2]


def test_fit_learns():
    net = tiny_net()
    events = list(
        fit(net, SGD(net.parameters(), lr=0.01, momentum=0.9), Points(400), Points(100), epochs=8)
    )
    assert events[-1].test_accuracy > 0.85


def test_the_learning_rate_falls_at_its_step():
    net = tiny_net()
    optimizer = SGD(net.parameters(), lr=MultiStep(1e-3, ((0.5, 0.1), (0.75, 0.01))))
    events = list(fit(net, optimizer, Points(), Points(20), epochs=2, every_step=True))
    rates = [e.lr for e in events if isinstance(e, Step) and e.phase == "train"]
    assert rates == [1e-3] * 6 + [1e-4] * 3 + [1e-5] * 3
    assert [e.lr for e in events if isinstance(e, Epoch)] == [1e-3, 1e-5]


def test_a_step_draws_the_same_dropout_mask_whatever_was_drawn_before():
    def weights_after(draws):
        net = tiny_net()
        random.seed(1)
        for _ in range(draws):
            random.next_draw()
        list(train_one_epoch(net, SGD(net.parameters(), lr=0.1), Points()))
        return net.state_dict()

    assert_same_arrays(weights_after(0), weights_after(3))


# resume equals the uninterrupted run


@pytest.mark.parametrize("stop_after", [0, 1, 4, 6, 9, 10, 13, 17])
def test_a_run_that_stopped_anywhere_reaches_the_same_weights_bit_for_bit(
    tmp_path, no_pictures, stop_after
):
    whole = new_run(tmp_path / "whole")
    events = list(runs.advance(whole))
    assert isinstance(events[-1], Finished)

    first = new_run(tmp_path / "parts")
    for number, _ in enumerate(runs.advance(first)):
        if number == stop_after:
            break
    runs.save(first)
    second = new_run(tmp_path / "parts")
    assert str(runs.restore(second)) == ""
    assert isinstance(list(runs.advance(second))[-1], Finished)

    assert_same_arrays(second.model.state_dict(), whole.model.state_dict())
    assert_same_arrays(second.optimizer.state_dict(), whole.optimizer.state_dict())
    assert timeless(second.state.records) == timeless(whole.state.records)


# a rate that waits for the validation error


WAITING = dataclasses.replace(RECIPE, epochs=16, schedule="plateau", validation=0.5)


class Coins(Points):
    """Black pictures, half of each class: one half is right, whatever is learnt."""

    def batches(self, epoch, first=0):
        for images, labels in super().batches(epoch, first):
            yield np.zeros_like(images), np.arange(len(labels)) % 2


def new_waiting_run(folder):
    run = new_run(folder, WAITING)
    run.validation = Coins(20, shuffle=False)
    return run


def test_a_planted_stall_of_the_validation_error_lowers_the_rate(tmp_path, no_pictures):
    run = new_waiting_run(tmp_path / "r")
    list(runs.advance(run))
    assert {record.validation_accuracy for record in run.state.records} == {0.5}
    assert len({record.test_accuracy for record in run.state.records}) > 1  # which do not stall
    rates = [record.lr for record in run.state.records]
    assert rates == pytest.approx([0.05] * 6 + [0.005] * 5 + [0.0005] * 5)
    result = json.loads((run.folder / "result.json").read_text())
    assert result["validation_accuracy"] == 0.5
    best = checkpoint.load(run.folder / "best.safetensors")
    assert best.metadata["epoch"] == "1"  # chosen by validation, the first of equals


@pytest.mark.parametrize("stop_after", [3, 40, 49, 70])
def test_a_run_that_waits_goes_on_waiting_where_it_stopped(tmp_path, no_pictures, stop_after):
    whole = new_waiting_run(tmp_path / "whole")
    count = len(list(runs.advance(whole)))
    assert count > stop_after
    first = new_waiting_run(tmp_path / "parts")
    for number, _ in enumerate(runs.advance(first)):
        if number == stop_after:
            break
    runs.save(first)
    second = new_waiting_run(tmp_path / "parts")
    runs.restore(second)
    list(runs.advance(second))
    assert_same_arrays(second.model.state_dict(), whole.model.state_dict())
    assert_same_arrays(second.optimizer.state_dict(), whole.optimizer.state_dict())
    assert timeless(second.state.records) == timeless(whole.state.records)


def test_a_run_does_not_depend_on_what_was_drawn_or_seeded_before_it(tmp_path, no_pictures):
    one, two = new_run(tmp_path / "one"), new_run(tmp_path / "two")
    list(runs.advance(one))
    tn.seed(77)
    list(runs.advance(two))
    assert_same_arrays(one.model.state_dict(), two.model.state_dict())


def test_the_comparison_above_would_notice_a_lost_step(tmp_path, no_pictures):
    a, b = new_run(tmp_path / "a"), new_run(tmp_path / "b")
    list(runs.advance(a))
    b.state = State(step=1)
    list(runs.advance(b))
    with pytest.raises(AssertionError):
        assert_same_arrays(a.model.state_dict(), b.model.state_dict())


def test_a_killed_run_goes_on_from_its_last_save_and_rewrites_the_log(tmp_path, no_pictures):
    whole = new_run(tmp_path / "whole")
    list(runs.advance(whole))
    killed = new_run(tmp_path / "killed")
    for event in runs.advance(killed):
        if isinstance(event, Step) and event.epoch == 2 and event.step == 3:
            break  # as kill -9 would: nothing more is saved
    (killed.folder / "log.jsonl").write_text("a line of an epoch that was never saved\n")
    again = new_run(killed.folder)
    runs.restore(again)
    assert (again.state.epoch, again.state.step) == (1, 0)
    list(runs.advance(again))
    assert_same_arrays(again.model.state_dict(), whole.model.state_dict())
    log = [json.loads(line) for line in (killed.folder / "log.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in log] == [1, 2, 3]


def test_a_damaged_last_checkpoint_falls_back_to_the_previous_and_says_so(tmp_path, no_pictures):
    run = new_run(tmp_path / "r")
    list(runs.advance(run))
    last = run.folder / "last.safetensors"
    last.write_bytes(last.read_bytes()[:200])
    again = new_run(run.folder)
    assert "damaged" in str(runs.restore(again))
    assert not (again.folder / "last.safetensors").exists()  # it cannot replace the whole one
    assert (again.folder / "damaged.last.safetensors").exists()
    assert again.state.epoch == 2
    list(runs.advance(again))
    assert_same_arrays(again.model.state_dict(), run.model.state_dict())


def test_a_run_killed_before_its_first_save_starts_from_the_beginning(tmp_path):
    run = new_run(tmp_path / "r")
    assert "from the beginning" in str(runs.restore(run))


# the folder


def test_a_finished_run_leaves_its_files(tmp_path):
    run = new_run(tmp_path / "r")
    run_dir.write_config(run.folder, RECIPE, device="cpu")
    result = list(runs.advance(run))[-1].result
    names = {p.name for p in run.folder.iterdir()}
    assert names == {
        "best.safetensors",
        "config.json",
        "curves.png",
        "filters.png",
        "last.safetensors",
        "last.previous.safetensors",
        "log.jsonl",
        "result.json",
    }
    assert json.loads((run.folder / "result.json").read_text()) == result
    assert set(result) == {
        "test_accuracy", "test_loss", "epochs", "seconds", "parameters", "device", "seed"
    }  # fmt: skip
    assert (result["parameters"], result["device"], result["seed"]) == (30 + 98, "cpu", 5)
    record = json.loads((run.folder / "log.jsonl").read_text().splitlines()[0])
    assert list(record) == [
        "epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "lr", "seconds",
        "images_per_second",
    ]  # fmt: skip
    assert run_dir.read_config(run.folder) == (RECIPE, {"device": "cpu"})


def test_best_holds_the_weights_of_the_best_epoch_the_first_of_equals(
    tmp_path, no_pictures, monkeypatch
):
    run = new_run(tmp_path / "r")
    accuracies = iter([0.5, 0.7, 0.7])
    real = training._finish_epoch

    def scripted(state, found, lr, seconds):
        found["test"] = RunningMetrics(0.1, 10 * next(accuracies), 10)
        return real(state, found, lr, seconds)

    monkeypatch.setattr(training, "_finish_epoch", scripted)
    weights = [run.model.state_dict() for e in runs.advance(run) if isinstance(e, Epoch)]
    assert_same_arrays(checkpoint.load(run.folder / "best.safetensors").model, weights[1])


def test_a_folder_that_holds_a_run_is_refused(tmp_path):
    run_dir.write_config(tmp_path, RECIPE)
    with pytest.raises(DataError, match=r"already holds a run. Resume it, or choose another"):
        run_dir.write_config(tmp_path, RECIPE)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"recipe": {"name": 1}}', '{"recipe": 3}'])
def test_a_damaged_config_is_refused_by_name(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(DataError, match=r"config\.json: not the config"):
        run_dir.read_config(tmp_path)


CHANGES = [
    *(
        {"epochs": "x"},
        {"epochs": 0},
        {"epochs": True},
        {"lr": None},
        {"lr": -1},
        {"batch_size": 0},
    ),
    *({"batch_size": 2.5}, {"seed": -5}, {"crop": "a"}, {"horizontal_flip": 1}),
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_config_with_impossible_settings_is_refused_by_name(tmp_path, change):
    settings = {**dataclasses.asdict(RECIPE), **change}
    (tmp_path / "config.json").write_text(json.dumps({"recipe": settings}))
    with pytest.raises(DataError, match=r"config\.json: not the config"):
        run_dir.read_config(tmp_path)


def test_an_unknown_model_is_refused_by_name():
    with pytest.raises(DataError, match=r"^models.build: there is no model 'zzz'\. Known: alexnet"):
        dataclasses.replace(RECIPE, model="zzz").build_model(10)


def test_a_config_whose_device_is_no_name_is_refused(tmp_path):
    run_dir.write_config(tmp_path, RECIPE, device=3)
    with pytest.raises(DataError, match="device cannot be 3"):
        run_dir.read_config(tmp_path)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="not a run folder"):
        run_dir.read_config(tmp_path)


def test_a_second_run_in_one_folder_is_refused_while_the_first_one_lives(tmp_path):
    second = run_dir.lock(tmp_path)
    with run_dir.lock(tmp_path), pytest.raises(DataError, match=r"another run \(process \d+\)"):
        second.__enter__()
    with run_dir.lock(tmp_path):
        pass


# stopping


def test_when_the_time_is_up_the_run_saves_and_says_so(tmp_path, no_pictures):
    run = new_run(tmp_path / "r")
    events = list(runs.advance(run, max_minutes=0))
    assert events[-1] == Stopped("the time is up", 0)
    again = new_run(run.folder)
    runs.restore(again)
    assert (again.state.epoch, again.state.step) == (0, 1)


def test_a_signal_after_the_last_epoch_does_not_stop_what_is_finished(tmp_path, no_pictures):
    run, end = new_run(tmp_path / "r"), None
    for end in runs.advance(run):
        if isinstance(end, Epoch) and end.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)
    assert isinstance(end, Finished)


def test_a_signal_stops_after_the_step_at_hand(tmp_path):
    run, events = new_run(tmp_path / "r"), []
    for event in runs.advance(run):
        events.append(event)
        if len(events) == 3:
            os.kill(os.getpid(), signal.SIGINT)
    assert events[-1] == Stopped("Ctrl-C", 130)
    assert len(events) == 4
    assert checkpoint.load(run.folder / "last.safetensors").metadata["step"] == "3"


def test_a_long_epoch_is_saved_in_its_middle(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "SAVE_EVERY", 0.0)
    run = new_run(tmp_path / "r")
    events = runs.advance(run)
    for _ in range(4):
        next(events)
    events.close()
    assert checkpoint.load(run.folder / "last.safetensors").metadata["step"] == "3"


# nonsense is never saved


def diverge(run, at_step):
    """Make the weights of the last layer infinite after `at_step` steps of the run."""
    real, count = run.optimizer.step, iter(range(1, 1000))

    def step():
        real()
        if next(count) == at_step:
            run.model[4].weight.data[0, 0] = np.inf

    run.optimizer.step = step


@pytest.mark.parametrize("at_step", [7, 12, 9])
def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_good_checkpoint(tmp_path, at_step):
    run = new_run(tmp_path / "r")
    diverge(run, at_step)
    with pytest.raises(FloatingPointError) as error:
        list(runs.advance(run))
    assert "4.weight" in str(error.value)
    assert "step" in str(error.value)
    assert "lr 0.0" in str(error.value)
    good = checkpoint.load(run.folder / "last.safetensors")
    assert all(np.isfinite(a).all() for a in good.model.values())
    assert good.metadata["epoch"] == "1"
    best = checkpoint.load(run.folder / "best.safetensors")
    assert all(np.isfinite(a).all() for a in best.model.values())
    assert len((run.folder / "log.jsonl").read_text().splitlines()) == 1


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    run = new_run(tmp_path / "r")
    run.model[0].bias.data[1] = np.nan
    with pytest.raises(FloatingPointError, match=r"0\.bias"):
        runs.save(run)
    assert not (run.folder / "last.safetensors").exists()


def test_images_that_are_not_finite_are_blamed_before_the_weights():
    net, feed = tiny_net(), Points()
    feed.images[:] = np.nan
    with pytest.raises(FloatingPointError, match="images already hold"):
        list(train_one_epoch(net, SGD(net.parameters(), lr=0.1), feed))


def test_the_first_layer_to_overflow_is_named():
    net, feed = tiny_net(), Points()
    net[0].weight.data[...] = 1e30
    feed.images *= 1e15
    with pytest.raises(FloatingPointError, match=r"0 \(Conv2d\) is the first layer to overflow"):
        list(train_one_epoch(net, SGD(net.parameters(), lr=0.1), feed))


def test_a_loss_at_chance_is_explained_and_others_are_not():
    def of(loss):
        record = Epoch(1, loss, 0.1, None, None, lr=0.1, seconds=1.0, images_per_second=1.0)
        return diagnosis.of_epoch(record, 10)

    assert "ln(10) = 2.3026" in str(of(2.3021))
    assert of(2.2) is None
    assert of(2.4) is None
