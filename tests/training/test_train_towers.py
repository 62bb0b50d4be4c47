"""Two towers from the command line: the curve of one device, and all that a run can be asked."""

import json

import pytest
from click.testing import CliRunner
from PIL import Image

from support import small_demo
from tinynet import models
from tinynet.cli import main
from tinynet.training import run_dir

TWO = "small-alexnet-two-towers"


def grouped(classes):
    """Return small-alexnet, whose first normalization ends at the border of the towers."""
    one = models.small.small_alexnet(classes)
    one[2].groups = 2
    return one


@pytest.fixture
def small(monkeypatch):
    """Make the data small, and the network of one device the one of groups."""
    small_demo.use_sets(monkeypatch, small_demo.few_shapes(30, 10))
    small_demo.use_net(monkeypatch, grouped, "small-alexnet")


def said(*arguments):
    return CliRunner().invoke(main.cli, [str(a) for a in arguments])


def trained(folder, *options):
    done = said("train", "small-alexnet", "--epochs", 2, "--batch", 16, "--out", folder, *options)
    assert done.exit_code == 0, done.output
    return done.output


def curve(folder):
    clocks = ("seconds", "images_per_second")
    records = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [{k: v for k, v in record.items() if k not in clocks} for record in records]


def test_the_curve_is_that_of_one_device_to_the_last_digit(small, tmp_path):
    trained(tmp_path / "groups")
    out = trained(tmp_path / "two", "--devices", "cpu:0,cpu:1")
    assert "small-alexnet on cpu and cpu:1 with" in out
    trained(tmp_path / "one", "--devices", "cpu")
    assert len(curve(tmp_path / "two")) == 2
    assert curve(tmp_path / "two") == curve(tmp_path / "groups") == curve(tmp_path / "one")
    assert json.loads((tmp_path / "two" / "result.json").read_text())["device"] == "cpu,cpu:1"


def test_a_run_on_two_devices_stops_goes_on_and_answers(small, tmp_path):
    run = tmp_path / "stopped"
    trained(run, "--devices", "cpu:0,cpu:1", "--max-minutes", 0)
    assert not (run / "result.json").exists()
    done = said("train", "--resume", run)
    assert "small-alexnet on cpu and cpu:1" in done.output, done.output
    trained(tmp_path / "through", "--devices", "cpu:0,cpu:1")
    assert curve(run) == curve(tmp_path / "through")
    last = curve(run)[-1]
    for where in ((), ("--device", "cpu"), ("--device", "cpu:1,cpu:2")):
        measured = said("eval", run, *where).output
        assert f"test accuracy {100 * last['test_accuracy']:.2f} %" in measured
        assert f"test loss {last['test_loss']:.4f}" in measured
    Image.new("RGB", (32, 32)).save(tmp_path / "p.png")
    assert said("predict", run, tmp_path / "p.png").output.count("%") == 5


def test_where_the_towers_exchange_their_maps_is_part_of_the_run(small, tmp_path):
    folder = tmp_path / "run"
    trained(folder, "--devices", "cpu,cpu:1", "--exchange", "nowhere", "--epochs", 1)
    recipe, facts = run_dir.read_config(folder)
    assert (recipe.model, recipe.cross_at, facts["device"]) == (TWO, "nowhere", "cpu,cpu:1")
    assert recipe.build_model(10).cross_at == "nowhere"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("demo", "--devices", "cpu,cpu:1"), "demo: this recipe has no two towers. small"),
        (("small-alexnet", "--exchange", "conv4"), "--cross-at is for two towers"),
        (("small-alexnet", "--devices", "cpu", "--device", "cpu"), "--devices those of two towers"),
        (("alexnet-code2012", "--devices", "cpu"), "alexnet-code2012: this recipe"),
        (("small-alexnet", "--devices", "cpu,cpu:1,cpu:2"), "one device or two, not on cpu,cpu:1"),
        (("small-alexnet", "--devices", ""), "a device is called"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments, message):
    done = said("train", *arguments)
    assert done.exit_code != 0
    assert message in done.output + str(done.exception)
