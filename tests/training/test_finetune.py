"""Fine-tuning: pretrained weights at the start, and frozen layers."""

import dataclasses
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from support import small_demo
from tinynet import models, nn, optim
from tinynet.core.autograd import Function
from tinynet.core.errors import DataError
from tinynet.training import finetune, presets, recipe_json
from tinynet.training.metrics import RunningMetrics
from tinynet.training.steps import train_step
from tinynet.weights import checkpoint


class Net(nn.Module):
    def __init__(self, classes=3):
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 4, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5)
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(4 * 8 * 8, classes))

    def forward(self, x):
        return self.classifier(self.features(x))


def some_steps(net, rng, count=3):
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(count):
        images, labels = rng.standard_normal((4, 3, 32, 32), np.float32), np.array([0, 1, 2, 0])
        train_step(net, optimizer, images, labels, metrics=RunningMetrics())
    return optimizer


def nodes_behind(loss):
    found, waiting = [], [loss]
    while waiting:
        creator = waiting.pop().creator
        if isinstance(creator, Function):
            found.append(creator.op())
            waiting += creator.inputs
    return found


# frozen layers


def test_a_frozen_layer_does_not_move_and_the_others_do(rng):
    net = Net()
    net.features.freeze()
    before = net.state_dict()
    optimizer = some_steps(net.train(), rng)
    for name, array in net.state_dict().items():
        same = np.array_equal(array, before[name])
        assert same == name.startswith("features"), name
    assert [bool(state) for state in optimizer.state] == [False] * 4 + [True] * 2


def test_without_freezing_everything_moves(rng):
    net = Net()
    before = net.state_dict()
    some_steps(net.train(), rng)
    assert not any(np.array_equal(a, before[name]) for name, a in net.state_dict().items())


def test_a_frozen_layer_evaluates_also_in_training():
    net = Net()
    net.features.freeze()
    net.train()
    assert net.training
    assert net.classifier.training
    assert not any(m.training for _, m in net.features.named_modules())


def test_in_front_of_what_learns_nothing_is_recorded(rng):
    net = Net()
    x = tn.tensor(rng.standard_normal((2, 3, 32, 32), np.float32))
    assert "conv2d" in nodes_behind(net(x).sum())
    net.features.freeze()
    assert nodes_behind(net(x).sum()) == ["sum", "linear"]


def test_behind_what_learns_gradients_pass_through(rng):
    net = Net()
    net.classifier.freeze()
    x = tn.tensor(rng.standard_normal((2, 3, 32, 32), np.float32))
    net(x).sum().backward()
    assert net.classifier[1].weight.grad is None
    assert np.abs(net.features[0].weight.grad).max() > 0


def test_parts_are_frozen_by_name_and_counted():
    net = Net()
    note = finetune.freeze(net, "features.0, features.1")
    learning = 4 * 8 * 8 * 3 + 3
    frozen = 4 * 3 * 16 + 4 + 8
    assert str(note).startswith(f"Of {learning + frozen} parameters, {frozen} are frozen")


@pytest.mark.parametrize("names", ["feature", "features,", "features,x", "features.9"])
def test_an_unknown_part_is_refused_with_those_there_are(names):
    with pytest.raises(DataError, match="Its parts are classifier, features;"):
        finetune.freeze(Net(), names)


README = Path(__file__).parents[2] / "README.md"


@pytest.mark.skipif(not README.exists(), reason="README.md is not part of an installed package")
@pytest.mark.parametrize(
    ("words", "model", "variant", "left"),
    [
        ("--init-from FILE", "alexnet", "torchvision", "classifier"),
        ("--model resnet-18", "resnet-18", None, "fc"),
    ],
)
def test_the_parts_that_the_readme_freezes_leave_the_head(words, model, variant, left):
    (names,) = re.findall(rf"{words} --freeze ([\w,]+)", README.read_text())
    with nn.init.skip_init():
        net = models.build(model, 3, variant=variant)
    finetune.freeze(net, names)
    learning = {name for name, p in net.named_parameters() if p.requires_grad}
    assert {name.split(".")[0] for name in learning} == {left}


def test_freezing_everything_is_refused():
    with pytest.raises(DataError, match="nothing left to train"):
        finetune.freeze(Net(), "features,classifier")


# runs


@pytest.fixture
def small(monkeypatch):
    """Make the data and the network of the recipe demo small."""
    small_demo.use_sets(monkeypatch, small_demo.few_shapes(60, 60))
    small_demo.use_net(monkeypatch, Net)
    with tn.kernels.use("reference"):
        yield


@pytest.fixture
def earlier(tmp_path):
    """Weights of such a net for seven classes."""
    path = tmp_path / "earlier.npz"
    tn.seed(5)
    net = Net(classes=7)
    tn.weights.save(tn.weights.Weights(net.state_dict()), path)
    return SimpleNamespace(path=path, arrays=net.state_dict())


def test_a_run_begins_with_the_weights_of_a_file_and_says_what_is_new(
    small, earlier, tinynet_says, tmp_path
):
    given = ("--init-from", earlier.path, "--freeze", "features", "--epochs", 2, "--batch", 20)
    said = tinynet_says("train", *given, "--out", tmp_path / "run")
    assert said.code == 0
    assert f"The weights are those of {earlier.path}" in said.out
    assert "classifier.1 does not fit the number of classes; it keeps its own values" in said.out
    assert "are frozen (features)" in said.out
    found = checkpoint.load(tmp_path / "run" / "last.safetensors").model
    for name, array in earlier.arrays.items():
        if name.startswith("features"):
            np.testing.assert_array_equal(found[name], array)
    assert found["classifier.1.weight"].shape == (10, 256)


def test_any_network_may_be_tuned_in_place_of_the_recipes_own(
    small, earlier, tinynet_says, tmp_path, monkeypatch
):
    monkeypatch.setitem(models.MODELS, "another", models.MODELS["demo"])
    given = ("--model", "another", "--init-from", earlier.path, "--max-minutes", 0, "--batch", 20)
    said = tinynet_says("train", *given, "--freeze", "features", "--out", tmp_path / "run")
    assert said.code == 0
    assert "classifier.1 does not fit the number of classes" in said.out
    config = json.loads((tmp_path / "run" / "config.json").read_text())["recipe"]
    assert (config["model"], config["variant"]) == ("another", None)


def test_the_recipe_for_tuning_builds_torchvisions_alexnet():
    with nn.init.skip_init():
        net = presets.find("fine-tune").build_model(3)
    assert {"features", "classifier"} == {name.split(".")[0] for name in net.state_dict()}
    assert net.state_dict()["features.0.weight"].shape == (64, 3, 11, 11)


def test_a_run_that_goes_on_stays_frozen_and_ends_with_the_same_weights(
    small, earlier, tinynet_says, tmp_path
):
    given = ("--init-from", earlier.path, "--freeze", "features", "--epochs", 2, "--batch", 20)
    tinynet_says("train", *given, "--out", tmp_path / "whole")
    tinynet_says("train", *given, "--out", tmp_path / "parts", "--max-minutes", 0)
    earlier.path.unlink()  # a checkpoint is all that is needed
    said = tinynet_says("train", "--resume", tmp_path / "parts")
    assert said.code == 0
    assert "are frozen (features)" in said.out
    whole, parts = (
        checkpoint.load(tmp_path / name / "last.safetensors") for name in ("whole", "parts")
    )
    for group in ("model", "optimizer"):
        assert getattr(whole, group).keys() == getattr(parts, group).keys()
        for name, array in getattr(whole, group).items():
            np.testing.assert_array_equal(array, getattr(parts, group)[name])


@pytest.mark.parametrize("options", [("--freeze", "x"), ("--init-from", "nothing.pth")])
def test_a_beginning_that_cannot_be_leaves_no_folder(small, tinynet_says, tmp_path, options):
    said = tinynet_says("train", *options, "--out", tmp_path / "run")
    assert said.code == 1
    assert said.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_run_whose_settings_were_edited_meanwhile_is_refused(small, tinynet_says, tmp_path):
    folder = tmp_path / "run"
    tinynet_says("train", "--out", folder, "--max-minutes", 0)
    config = json.loads((folder / "config.json").read_text())
    config["recipe"] |= {"lr": 0.5, "freeze": "features"}
    (folder / "config.json").write_text(json.dumps(config))
    said = tinynet_says("train", "--resume", folder)
    assert said.code == 1
    assert "lr is 0.5, was 0.02; freeze is 'features', was ''" in said.err


def test_a_recipe_of_version_0_1_without_freezing_is_read():
    settings = dataclasses.asdict(presets.find("demo"))
    del settings["freeze"], settings["init_from"]
    recipe = recipe_json.from_json(settings)
    assert recipe.freeze == recipe.init_from == ""
