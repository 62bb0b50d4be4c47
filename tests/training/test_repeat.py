"""The command that repeats a run: typed again, it gives the same recipe."""

import dataclasses
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet.cli.train import _recipe, train
from tinynet.core.backend import Device
from tinynet.training import presets, recipes
from tinynet.training.repeat import command


def typed(words):
    """Return the recipe of a command line, and its options."""
    context = train.make_context("train", shlex.split(words)[2:])
    return _recipe(dict(context.params)), context.params


@pytest.mark.parametrize("name", [n for n in presets.RECIPES if n != presets.TUNING])
def test_every_recipe_is_repeated_by_its_name(name):
    recipe = recipes.suited(presets.find(name))
    said = command(recipe, {"device": "cpu"})
    assert said == f"tinynet train {name}"
    assert typed(said)[0] == recipe


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "--epochs": st.integers(1, 300),
            "--batch-size": st.integers(1, 999),
            "--lr": st.floats(1e-6, 10),
            "--seed": st.integers(0, 2**64 - 1),
            "--optimizer": st.sampled_from(["sgd", "nesterov", "adam"]),
            "--schedule": st.sampled_from(["cosine", "constant"]),
            "--validation": st.floats(0.01, 0.5),
            "--data": st.sampled_from(["mnist", "cifar10", "folder:/my pictures/a'b"]),
            "--model": st.sampled_from(["resnet-18", "small-vgg", "alexnet"]),
            "--freeze": st.just("0,1"),
            "--precision": st.sampled_from(["float32", "tf32", "bf16"]),
        },
    ),
    st.sampled_from(["demo", "small-alexnet", "alexnet"]),
)
def test_any_options_are_repeated(options, name):
    flat = shlex.join(["tinynet", "train", name, *(str(x) for o in options.items() for x in o)])
    recipe, _ = typed(flat)
    said = command(recipe, {"device": "cpu"})
    assert typed(said)[0] == recipe
    assert len(shlex.split(said)) <= len(shlex.split(flat)), "it says no more than was typed"


def test_two_towers_and_places_are_repeated():
    devices = (Device("cpu:0"), Device("cpu:1"))
    towers = recipes.on_two_devices(presets.find("small-alexnet"), devices, "conv4")
    facts = {"device": "cpu:0,cpu:1", "data_dir": "/my data", "ranks": 1}
    said = command(towers, facts)
    assert said == (
        "tinynet train small-alexnet --cross-at conv4 --devices cpu:0,cpu:1 --data-dir '/my data'"
    )
    recipe, params = typed(said)
    assert recipes.on_two_devices(recipe, devices, params["cross_at"]) == towers


def test_several_processes_and_a_gpu_are_repeated():
    said = command(presets.find("demo"), {"device": "cuda:0", "ranks": 4})
    assert said == "mpiexec -n 4 tinynet train demo --device cuda:0"


def test_a_setting_without_an_option_has_no_command():
    demo = presets.find("demo")
    assert command(dataclasses.replace(demo, momentum=0.5), {}) is None
    assert command(dataclasses.replace(demo, schedule=((0.5, 0.1),)), {}) is None
    assert command(dataclasses.replace(demo, name="my own"), {}) is None
    assert command(dataclasses.replace(demo, model="my own"), {}) is None
