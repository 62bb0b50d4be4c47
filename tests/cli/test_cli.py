"""The command line: what it prints, what it leaves, and one sentence for every mistake."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import tinynet
from tinynet import data, models, nn
from tinynet.cli import console, errors, main
from tinynet.cli.options import RENAMED, RenamedOptions
from tinynet.core.errors import DataError
from tinynet.data.splits import PARTS
from tinynet.training import predict, presets, runs
from tinynet.training.loop import Epoch, Step
from tinynet.weights import checkpoint


@pytest.fixture
def tinynet_says(monkeypatch, capsys):
    """Run the command line in this process; return exit code, output and error output."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["tinynet", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main.main()
        captured = capsys.readouterr()
        return SimpleNamespace(code=end.value.code, out=captured.out, err=captured.err)

    return run


@pytest.fixture(scope="module")
def few_shapes():
    """Return sixty and thirty pictures of the built-in set."""
    few = {}
    for train, count in ((True, 60), (False, 30)):
        whole = data.Shapes(train)
        few[train] = data.Shapes.__new__(data.Shapes)
        few[train].images, few[train].labels = whole.images[:count], whole.labels[:count]
    return few


def tiny(classes):
    return nn.Sequential(
        nn.Conv2d(3, 4, 4, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(256, classes)
    )


@pytest.fixture
def small(monkeypatch, few_shapes):
    """Make the demo's data and its model small, so that a run takes a moment."""
    monkeypatch.setattr(data, "open_dataset", lambda name, root=None, train=True: few_shapes[train])
    monkeypatch.setitem(models.MODELS, "demo", models.Entry(tiny, 32, 10))
    monkeypatch.setattr(runs, "draw", lambda run: None)
    with tinynet.kernels.use("reference"):
        yield


@pytest.fixture
def finished(small, tinynet_says, tmp_path):
    """Train two epochs into a folder; return it with what was said."""
    folder = tmp_path / "run"
    said = tinynet_says("train", "--epochs", 2, "--batch", 20, "--out", folder)
    return SimpleNamespace(folder=folder, said=said)


@pytest.fixture
def folder_of_pictures(tmp_path, few_shapes):
    """Write sixty of the drawn pictures as files, in a folder for each of three classes."""
    for train, part in ((True, "train"), (False, "val")):
        for i in range(30):
            place = tmp_path / "pictures" / part / f"class {i % 3}"
            place.mkdir(parents=True, exist_ok=True)
            pixels = few_shapes[train].images[i].transpose(1, 2, 0)
            Image.fromarray(pixels).resize((50, 40)).save(place / f"{part}{i}.png")
    return tmp_path / "pictures"


# train


def test_training_says_what_it_runs_on_and_what_it_wrote(finished):
    lines = finished.said.out.splitlines()
    assert finished.said.code == 0
    assert re.match(r"tinynet \S+: demo on cpu with \d+ threads; data shapes, 60 \+ 30", lines[0])
    assert any(re.search(r"step 1/3  loss 2\.\d+  accuracy .* images/s .* left", x) for x in lines)
    assert any(re.search(r"epoch 2/2  loss .* test accuracy .* lr 0\.", x) for x in lines)
    result = json.loads((finished.folder / "result.json").read_text())
    assert f"test accuracy {100 * result['test_accuracy']:.2f} %" in finished.said.out
    written = [line.strip() for line in lines if line.startswith("  ")]
    names = (
        "result.json log.jsonl curves.png filters.png last.safetensors best.safetensors config.json"
    )
    assert written == [str(finished.folder / name) for name in names.split()]


def test_options_replace_the_recipes_settings(small, tinynet_says, tmp_path):
    options = {"--epochs": 1, "--batch": 30, "--lr": 0.5, "--seed": 4}
    flat = [x for pair in options.items() for x in pair]
    tinynet_says("train", *flat, "--out", tmp_path / "r", "--max-minutes", 0)
    recipe = json.loads((tmp_path / "r" / "config.json").read_text())["recipe"]
    assert [recipe[k] for k in ("epochs", "batch_size", "lr", "seed")] == [1, 30, 0.5, 4]


def test_the_update_is_chosen_and_a_variant_of_other_settings_says_so(
    small, tinynet_says, tmp_path, monkeypatch
):
    of_32 = dataclasses.replace(models.alexnet_variants.find("caffe"), image=32)
    monkeypatch.setitem(models.alexnet_variants.VARIANTS, "caffe", of_32)
    monkeypatch.setattr(models, "build", lambda name, classes, *_, **__: tiny(classes))
    given = "--variant", "caffe", "--data", "shapes", "--update", "adam", "--lr", 0.001
    folder = tmp_path / "r"
    said = tinynet_says("train", "alexnet", *given, "--out", folder, "--max-minutes", 0)
    header, told, *_ = said.out.splitlines()
    assert header.startswith("tinynet ")
    assert told.startswith("As published, caffe has other settings than the recipe alexnet: ")
    assert json.loads((folder / "config.json").read_text())["recipe"]["optimizer"] == "adam"
    state = checkpoint.load(folder / "last.safetensors").optimizer
    assert {"0.mean", "0.square"} <= state.keys()


def test_a_plateau_from_the_command_line_is_seen_on_pictures_that_are_held_out(
    small, tinynet_says, few_shapes, tmp_path
):
    folder = tmp_path / "r"
    given = "--schedule", "plateau", "--validation", 0.3, "--epochs", 2, "--batch", 20
    said = tinynet_says("train", *given, "--out", folder)
    rest, held = data.hold_out(few_shapes[True], 0.3)
    assert f"{len(rest)} + 30 images, {len(held)} for validation" in said.out
    assert "validation accuracy" in said.out
    assert not {x.tobytes() for x in held.images} & {x.tobytes() for x in rest.images}
    config = json.loads((folder / "config.json").read_text())
    assert (config["recipe"]["schedule"], config["recipe"]["validation"]) == ("plateau", 0.3)
    seen = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert all(0 <= record["validation_accuracy"] <= 1 for record in seen)
    assert tinynet_says("train", "--resume", folder).code == 0


def test_pictures_of_a_folder_are_held_out_by_their_bytes(
    tiny_demo, folder_of_pictures, tinynet_says, tmp_path
):
    given = "--data", f"folder:{folder_of_pictures}", "--validation", 0.3, "--epochs", 1
    said = tinynet_says("train", *given, "--max-minutes", 0, "--out", tmp_path / "r")
    own = {p: data.ImageFolder(folder_of_pictures, p, validation=0.3) for p in PARTS}
    counts = {p: len(one) for p, one in own.items()}
    assert len({path for one in own.values() for path in one.images.paths}) == 60
    assert sum(counts.values()) == 60
    wanted = f"{counts['train']} + {counts['test']} images, {counts['validation']} for validation"
    assert wanted in said.out


def test_a_run_without_out_gets_a_folder_of_its_own(small, tinynet_says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        tinynet_says("train", "--max-minutes", 0)
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["demo-0", "demo-0-2"]


def test_when_the_time_is_up_the_resume_command_is_printed_and_works(small, tinynet_says, tmp_path):
    folder = tmp_path / "a run"
    said = tinynet_says("train", "--epochs", 1, "--batch", 20, "--out", folder, "--max-minutes", 0)
    assert said.code == 0
    assert "time is up" in said.out
    assert f"tinynet train --resume '{folder}'" in said.out
    assert not (folder / "result.json").exists()
    said = tinynet_says("train", "--resume", folder)
    assert said.code == 0
    assert "Resuming after epoch 0, step 1" in said.out
    assert (folder / "result.json").exists()


def test_resuming_a_finished_run_says_its_result_again(finished, tinynet_says):
    before = (finished.folder / "last.safetensors").read_bytes()
    said = tinynet_says("train", "--resume", finished.folder)
    assert said.code == 0
    assert "after 2 epochs" in said.out
    assert (finished.folder / "last.safetensors").read_bytes() == before


def test_resume_refuses_settings_that_would_make_another_run(finished, tinynet_says):
    said = tinynet_says("train", "--resume", finished.folder, "--lr", 1, "--seed", 3)
    assert said.code == 1
    assert "lr, seed cannot be changed" in said.err
    assert tinynet_says("train", "small-alexnet", "--resume", finished.folder).code == 1


def test_resume_refuses_other_pictures(finished, tinynet_says, few_shapes, monkeypatch):
    other = data.Shapes.__new__(data.Shapes)
    other.images, other.labels = few_shapes[True].images + 1, few_shapes[True].labels
    monkeypatch.setattr(data, "open_dataset", lambda name, root=None, train=True: other)
    said = tinynet_says("train", "--resume", finished.folder)
    assert said.code == 1
    assert "other images" in said.err


def test_a_used_folder_is_refused(finished, tinynet_says):
    said = tinynet_says("train", "--out", finished.folder)
    assert said.code == 1
    assert "already holds a run" in said.err


def test_a_run_that_diverges_ends_with_one_sentence(small, tinynet_says, tmp_path):
    said = tinynet_says("train", "--lr", 1e30, "--batch", 20, "--out", tmp_path / "r")
    assert said.code == 1
    assert re.search(r"Error: train: .*step \d+ \(lr 1e\+30\)", said.err)
    assert "Traceback" not in said.err
    assert not (tmp_path / "r" / "last.safetensors").exists()


def test_a_loss_at_chance_is_explained_once(small, tinynet_says, tmp_path, monkeypatch):
    still = dataclasses.replace(presets.find("demo"), name="still", input_scale=1e-30, lr=1e-9)
    monkeypatch.setitem(presets.RECIPES, "still", still)
    said = tinynet_says("train", "still", "--epochs", 2, "--batch", 30, "--out", tmp_path / "r")
    assert said.out.count("stays at ln(10) = 2.3026") == 1


# pictures in folders


@pytest.fixture
def tiny_demo(monkeypatch):
    monkeypatch.setitem(models.MODELS, "demo", models.Entry(tiny, 32, 10))
    monkeypatch.setattr(runs, "draw", lambda run: None)
    with tinynet.kernels.use("reference"):
        yield


def test_a_folder_of_pictures_is_trained_on_measured_and_asked_about(
    tiny_demo, folder_of_pictures, tinynet_says, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    said = tinynet_says(
        "train", "--data", "folder:pictures", "--epochs", 1, "--batch", 8, "--out", "run"
    )
    assert said.code == 0, said.err
    assert "30 + 30 images, 3 classes" in said.out
    monkeypatch.chdir("/")
    found = tinynet_says("eval", tmp_path / "run").out
    reached = json.loads((tmp_path / "run" / "result.json").read_text())["test_accuracy"]
    assert f"test accuracy {100 * reached:.2f} %" in found
    picture = next(folder_of_pictures.rglob("*.png"))
    assert "class " in tinynet_says("predict", tmp_path / "run", picture).out
    assert tinynet_says("train", "--resume", tmp_path / "run").code == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda part: (part / "class 1").rename(part / "horse"), "horse new; class 1 missing"),
        (lambda part: shutil.copytree(part / "class 0", part / "zebra"), "differ: zebra new."),
        (lambda part: shutil.rmtree(part / "class 2"), "differ: class 2 missing."),
    ],
    ids=["renamed", "added", "taken away"],
)
@pytest.mark.filterwarnings("ignore:.*the same bytes")
def test_eval_refuses_labels_that_mean_other_classes(
    tiny_demo, folder_of_pictures, tinynet_says, tmp_path, change, words
):
    run = "--out", tmp_path / "run", "--epochs", 1, "--batch", 8
    tinynet_says("train", "--data", f"folder:{folder_of_pictures}", *run)
    for part in ("train", "val"):
        change(folder_of_pictures / part)
    said = tinynet_says("eval", tmp_path / "run")
    assert (said.code, said.out, said.err.count("\n")) == (1, "", 1)
    assert words in said.err
    picture = next((folder_of_pictures / "val" / "class 0").iterdir())
    assert "class 2" in tinynet_says("predict", tmp_path / "run", picture).out  # needs no labels


def test_a_damaged_picture_ends_the_run_in_a_sentence_and_loses_nothing(
    tiny_demo, folder_of_pictures, tinynet_says, tmp_path
):
    damaged = next((folder_of_pictures / "val").rglob("*.png"))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:100])
    command = ["train", "--data", f"folder:{folder_of_pictures}", "--epochs", 1, "--batch", 8]
    said = tinynet_says(*command, "--out", tmp_path / "run")
    assert said.code == 1
    assert said.err.startswith(f"Error: {damaged}: not a picture that can be read")
    assert "What was learned so far is saved" in said.err
    damaged.write_bytes(whole)
    goes_on = tinynet_says("train", "--resume", tmp_path / "run")
    assert "Resuming after epoch 0, step 4." in goes_on.out
    assert goes_on.code == 0


def test_a_size_that_the_model_cannot_take_is_refused_before_the_run(
    tiny_demo, folder_of_pictures, tinynet_says, tmp_path
):
    said = tinynet_says(
        "train", "--data", f"folder:{folder_of_pictures}", "--size", 48, "--out", tmp_path / "run"
    )
    assert said.code == 1
    wanted = "demo is made for images of 32x32; these would be 48x48. Give them a size of 32."
    assert wanted in said.err
    assert said.out == ""
    assert not (tmp_path / "run").exists()


def test_a_folder_without_a_path_is_not_the_one_at_hand(
    tinynet_says, folder_of_pictures, monkeypatch
):
    monkeypatch.chdir(folder_of_pictures)
    said = tinynet_says("train", "--data", "folder:", "--out", folder_of_pictures / "r")
    assert said.code == 2
    assert "folder: needs a path" in said.err


@pytest.mark.parametrize("name", ["cifar100", "folder", ""])
def test_an_unknown_data_set_is_named_with_the_known_ones(tinynet_says, name):
    said = tinynet_says("train", "--data", name)
    assert said.code == 2
    assert "imagenette" in said.err
    assert "folder:PATH" in said.err


# eval and predict


def test_eval_measures_what_the_run_said(finished, tinynet_says):
    result = json.loads((finished.folder / "result.json").read_text())
    said = tinynet_says("eval", finished.folder)
    assert said.code == 0
    accuracy, loss = 100 * result["test_accuracy"], result["test_loss"]
    assert f"test accuracy {accuracy:.2f} %  test loss {loss:.4f}  (30 images" in said.out


def test_ten_views_need_a_recipe_with_crops(finished, tinynet_says):
    said = tinynet_says("eval", finished.folder, "--ten-view")
    assert said.code == 1
    assert "no crops to average" in said.err


def test_ten_views_average_the_views(small, tinynet_says, tmp_path, monkeypatch):
    padded = dataclasses.replace(presets.find("demo"), name="padded", pad=2)
    monkeypatch.setitem(presets.RECIPES, "padded", padded)
    tinynet_says("train", "padded", "--epochs", 1, "--batch", 20, "--out", tmp_path / "r")
    one, ten = (
        tinynet_says("eval", tmp_path / "r"),
        tinynet_says("eval", tmp_path / "r", "--ten-view"),
    )
    assert ten.code == 0
    assert "ten crops each" in ten.out
    assert one.out.split("(")[0] != ten.out.split("(")[0]


def test_predict_names_five_classes_that_are_sorted(finished, tinynet_says, tmp_path):
    Image.fromarray(np.zeros((50, 80, 3), np.uint8)).save(tmp_path / "black.png")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "grey.png")
    said = tinynet_says("predict", finished.folder, tmp_path / "black.png", tmp_path / "grey.png")
    assert said.code == 0
    for line in said.out.splitlines():
        shares = [float(x) for x in re.findall(r"([\d.]+) %", line)]
        assert len(shares) == 5
        assert shares == sorted(shares, reverse=True)
    assert len(said.out.splitlines()) == 2


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_predict_refuses_what_is_no_picture_by_name(finished, tinynet_says, tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    said = tinynet_says("predict", finished.folder, tmp_path / "x.png")
    assert said.code == 1
    assert "x.png: not a picture" in said.err
    assert tinynet_says("predict", finished.folder, tmp_path / "missing.png").code == 1


def test_predict_says_what_else_it_found(finished, tinynet_says, tmp_path):
    assert "found something else" in tinynet_says("predict", finished.folder, tmp_path).err


def test_sixteen_bits_of_grey_are_read_as_eight(tmp_path):
    ramp = np.linspace(0, 2**16 - 1, 32 * 32).astype(np.uint16).reshape(32, 32)
    Image.fromarray(ramp).save(tmp_path / "x.png")
    pixels = data.read_picture(tmp_path / "x.png", 32)
    assert np.array_equal(pixels, np.stack([ramp >> 8] * 3))


def test_a_large_picture_is_read_without_a_warning(tmp_path, monkeypatch, recwarn):
    Image.fromarray(np.zeros((50, 80), np.uint8)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    assert predict.as_taught(presets.find("demo"), tmp_path / "x.png").shape == (3, 32, 32)
    assert not recwarn.list


@pytest.mark.parametrize("command", [("eval",), ("predict",), ("train", "--resume")])
def test_a_folder_without_a_run_is_one_sentence(tinynet_says, tmp_path, command):
    extra = ["x.png"] if command == ("predict",) else []
    said = tinynet_says(*command, tmp_path, *extra)
    assert said.code == 1
    assert (
        said.err
        == f"Error: {tmp_path}: not a run folder: it has no config.json. tinynet train makes one.\n"
    )


def test_a_damaged_checkpoint_is_said_and_the_previous_one_used(finished, tinynet_says):
    (finished.folder / "last.safetensors").write_bytes(b"")
    said = tinynet_says("eval", finished.folder)
    assert said.code == 0
    assert "Using the checkpoint before it" in said.err


def test_classes_in_another_order_are_other_classes_and_of_many_a_few_are_named():
    net = SimpleNamespace(classes=("a", "b"), recipe=presets.find("demo"))
    predict.refuse_other_classes(net, SimpleNamespace(classes=["a", "b"]))
    with pytest.raises(DataError, match=r"the 2 that .* differ: another order"):
        predict.refuse_other_classes(net, SimpleNamespace(classes=("b", "a")))
    with pytest.raises(DataError, match="differ: c, d, e, f, g and 2 more new; a, b missing"):
        predict.refuse_other_classes(net, SimpleNamespace(classes=tuple("cdefghi")))


# summary, info, data, errors


def test_the_summary_of_alexnet_has_the_papers_totals(tinynet_says):
    said = tinynet_says("summary", "alexnet")
    total = said.out.splitlines()[-1].split()
    assert total[:3] == ["total", "60,965,224", "724,406,816"]
    assert re.search(r"features\.0 +Conv2d +\(1, 96, 55, 55\) +34,944 +105,415,200", said.out)


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [("cifar-quick", "145,578", "12,354,176"), ("cifar-18pct", "89,578", "12,298,240")],
)
def test_the_summaries_of_cuda_convnets_nets_have_their_totals(
    tinynet_says, name, parameters, multiply_adds
):
    total = tinynet_says("summary", name).out.splitlines()[-1].split()
    assert total[:3] == ["total", parameters, multiply_adds]


def test_a_summary_of_a_variant(tinynet_says):
    said = tinynet_says("summary", "alexnet", "--variant", "torchvision").out
    assert said.startswith("alexnet, torchvision: 1000 classes")
    assert said.splitlines()[-1].split()[1:3] == ["61,100,840", "714,188,480"]


def test_the_difference_of_two_variants_is_layers_and_forks(tinynet_says):
    said = tinynet_says("summary", "--diff", "paper", "code2012").out
    assert re.search(r"^\+ +SpatialResponseNorm +256x27x27$", said, re.MULTILINE)
    assert re.search(r"^ +total +60,965,224 +60,965,224 ", said, re.MULTILINE)
    assert re.search(r"^LRN\n  paper: .*0\.0001 .*\n  code2012: .*2e-05 ", said, re.MULTILINE)
    assert "order, layer 3" not in said  # there they agree


def forks(said):
    """Return {fork: [what the first does, what the second does]} of a --diff."""
    found = re.findall(r"^(\S.*)\n  \S+: +(.*)\n  \S+: +(.*)$", said, re.MULTILINE)
    return {fork: ways for fork, *ways in found}


def test_the_forks_are_in_words_that_do_not_contradict_themselves(tinynet_says):
    found = forks(tinynet_says("summary", "--diff", "paper", "keras-same").out)
    assert found["initial biases"] == [
        "1 in conv2, conv4, conv5 and the hidden layers, else 0",
        "0",
    ]
    assert found["LRN"][1] == "wrong: the mean of the squares in a window, summed over all channels"
    assert "5x5 pixels" in found["LRN's windows"][1]
    two, one = found["rounding of sums"]
    assert "that of two GPUs" in two
    assert "that of one device" in one


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["alexnet", "--variant", "batchnorm-227"], "1,216 running means and variances"),
        (["resnet-18"], "9,600 running means and variances"),
        (["alexnet"], None),
    ],
)
def test_what_batch_normalization_remembers_is_counted_apart(tinynet_says, arguments, line):
    *_, total, last = tinynet_says("summary", *arguments).out.splitlines()
    if line is None:
        assert last.startswith("total ")
    else:
        assert (total[:6], last) == ("total ", f"not trained: {line}")


def test_the_difference_of_two_models_pairs_what_multiplies(tinynet_says):
    lines = tinynet_says("summary", "--diff", "vgg-11", "vgg-13").out.splitlines()
    extra = [line for line in lines if line.startswith(("+", "-")) and "Conv2d" in line]
    assert len(extra) == 2


def test_a_summary_leaves_random_numbers_and_later_weights_alone(tinynet_says):
    before = tinynet.models.build("demo").state_dict()["0.weight"]
    tinynet_says("summary", "demo")
    np.testing.assert_array_equal(tinynet.models.build("demo").state_dict()["0.weight"], before)
    assert before.any()


def test_info_names_versions_threads_and_kernels(tinynet_says):
    said = tinynet_says("info", "--kernels")
    for word in ("tinynet", "numpy", "threads", "kernel cache"):
        assert re.search(rf"^{word} ", said.out, re.MULTILINE)
    assert re.search(r"^conv2d_forward +reference, numba", said.out, re.MULTILINE)


def test_without_numba_info_and_warm_say_so(tinynet_says, monkeypatch):
    monkeypatch.setattr("tinynet.analysis.environment.has_numba", lambda: False)
    monkeypatch.setattr("tinynet.cli.inspect.has_numba", lambda: False)
    assert re.search(
        r"^kernels +reference(, cuda_on_cpu)?$", tinynet_says("info").out, re.MULTILINE
    )
    said = tinynet_says("warm")
    assert said.code == 1
    assert "Numba is not installed" in said.err


def test_data_list_names_each_set_and_where_to_put_it(tinynet_says):
    said = tinynet_says("data", "list")
    assert said.code == 0
    for word in ("shapes", "cifar10", "mnist", "TINYNET_DATA"):
        assert word in said.out


def test_data_get_of_the_built_in_set_says_so(tinynet_says):
    said = tinynet_says("data", "get", "shapes")
    assert said.code == 0
    assert "built in" in said.out


def test_data_verify_of_an_empty_folder_is_one_sentence(tinynet_says, tmp_path):
    said = tinynet_says("data", "verify", "cifar10", "--data-dir", tmp_path)
    assert said.code == 1
    assert str(tmp_path) in said.err


def test_data_verify_reads_the_built_in_set(tinynet_says):
    assert "3,000 train pictures" in tinynet_says("data", "verify", "shapes").out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train", "no-such"], 1, "Known: demo, cifar-quick"),
        (["train", "--device", "cpu:x"], 1, 'a device is called "cpu"'),
        (["train", "cifar-quick", "--data-dir", "/no/such"], 1, "/no/such"),
        (["train", "--model", "no-such"], 1, "Error: models.build: there is no model 'no-such'"),
        (["train", "--variant", "caffe"], 1, "'demo' has none"),
        (["train", "alexnet", "--variant", "no-such"], 1, "Error: alexnet: no variant 'no-such'"),
        (
            ["train", "fine-tune", "--data", "shapes", "--max-minutes", "0"],
            2,
            "fine-tune needs pretrained weights: --init-from FILE",
        ),
        (["train", "--freeze", "no-such"], 1, "Error: freeze: this model has no 'no-such'"),
        (["train", "--model", "alexnet"], 1, "these would be 32x32. Give them a size of 224."),
        (
            ["train", "alexnet", "--data", "shapes", "--variant", "caffe", "--size", "226"],
            1,
            "alexnet, caffe, is made for images of 227x227; these would be 226x226. "
            "Give them a size of 227 or more.",
        ),
        (["summary", "no-such"], 1, "Known: alexnet"),
        (["summary", "alexnet", "--variant", "no-such"], 1, "Known: paper"),
        (["summary", "demo", "--variant", "paper"], 1, "'demo' has none"),
        (["summary", "--diff", "paper", "no-such"], 1, "Known: paper"),
        (["summary"], 2, "name one MODEL"),
        (["summary", "demo", "--traffic"], 1, "demo runs on one device"),
        (["summary", "demo", "--batch", "128"], 2, "--batch-size belongs to --memory"),
        (
            ["summary", "--diff", "paper", "half", "--memory", "--batch", "4"],
            2,
            "no use for --batch, --memory",
        ),
        (["train", "--epochs", "0"], 2, "--epochs"),
        (["train", "--lr", "nan"], 2, "nan is not a finite number"),
        (["train", "--max-minutes", "inf"], 2, "inf is not a finite number"),
        (["no-such"], 2, "No such command"),
    ],
)
def test_mistakes_end_in_one_sentence_and_a_code(tinynet_says, tmp_path, arguments, code, words):
    if arguments[0] == "train":
        arguments = [*arguments, "--out", tmp_path / "r"]
    said = tinynet_says(*arguments)
    assert said.code == code
    assert words in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    assert not (tmp_path / "r").exists()


def test_a_cuda_device_without_cupy_is_refused_with_the_pip_line(
    tinynet_says, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "cupy", None)
    said = tinynet_says("train", "--device", "cuda", "--out", tmp_path / "r")
    assert said.code == 1
    assert "pip install 'cupy-cuda13x[ctk]'" in said.err


def test_a_folder_that_cannot_be_made_is_one_sentence(small, tinynet_says, tmp_path):
    (tmp_path / "file").write_text("")
    said = tinynet_says("train", "--out", tmp_path / "file" / "r")
    assert said.code == 1
    assert "Not a directory" in said.err
    said = tinynet_says("train", "--out", tmp_path / "file")
    assert said.code == 1
    assert "is not a directory. Choose another with --out" in said.err


def test_an_error_of_our_own_code_keeps_its_traceback(tinynet_says, monkeypatch):
    def broken(*_, **__):
        raise KeyError("a bug")

    monkeypatch.setattr(tinynet.models, "names", broken)
    monkeypatch.setattr(sys, "argv", ["tinynet", "summary", "demo"])
    with pytest.raises(KeyError):
        main.main()


def test_an_os_error_is_told_without_its_number():
    assert errors.sentence(OSError(28, "a.bin: disk full")) == "a.bin: disk full"
    assert errors.sentence(FileNotFoundError(2, "No such file", "x")) == "x: No such file"
    assert errors.sentence(DataError("x is bad")) == "x is bad"


# what is shown


def step(number, phase="train"):
    return Step(phase, 1, number, 10, 2.0, 0.5, 0.1, 1234.5)


def test_lines_show_the_first_step_at_once_and_keep_quiet_after_it(capsys):
    lines = console.Lines(2)
    for number in range(1, 6):
        lines.show(step(number))
    assert capsys.readouterr().out.count("\n") == 1
    lines.show(Epoch(1, 1.0, 0.5, 1.1, 0.4, 0.1, 3.0, 100.0))
    assert "epoch 1/2  loss 1.0000  accuracy 50.0 %  test loss 1.1000" in capsys.readouterr().out


def test_a_run_that_goes_on_with_a_test_knows_no_time_yet(capsys):
    console.Lines(2).show(Step("test", 1, 1, 4, 2.0, 0.5, 0.1))
    assert capsys.readouterr().out == "epoch 1/2  testing 1/4  some time left\n"


def test_a_bar_shows_steps_and_epochs_without_an_error(capsys):
    bar = console.Bar(2)
    with bar.progress:
        bar.show(step(1))
        bar.show(step(2, "test"))
        bar.show(Epoch(1, 1.0, 0.5, 1.1, 0.4, 0.1, 3.0, 100.0))
    assert "test accuracy 40.0 %" in capsys.readouterr().out


def test_the_time_left_does_not_count_the_compilation(monkeypatch):
    now = iter([100.0, 101.0, 102.0])  # the first step ended at 100, the others took a second
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    clock = console.Clock(2)
    assert clock.left(step(1)) == "some time"
    assert clock.left(step(2)) == "18 s"
    assert clock.left(step(3)) == "17 s"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.4, "59 s"), (65, "1 min 05 s"), (7860, "2 h 11 min")]
)
def test_durations_read_as_people_say_them(seconds, words):
    assert console.duration(seconds) == words


# signals


def begin(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "TINYNET_KERNELS": "reference", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_prints_the_resume_command_and_ends_within_five_seconds(
    tmp_path, number, code
):
    folder = tmp_path / "r"
    process = begin("-m", "tinynet", "train", "--batch", 10, "--out", folder)
    assert any("loss" in line for line in process.stdout)
    sent = time.monotonic()
    process.send_signal(number)
    said, _ = process.communicate()
    assert process.returncode == code
    assert time.monotonic() - sent < 5
    assert f"tinynet train --resume {folder}" in said
    assert (folder / "last.safetensors").exists()
    assert not [p for p in folder.iterdir() if p.name.endswith(".tmp")]


WAIT = """
import sys, time
from tinynet.training import signals
signals.PATIENCE = {patience}
with signals.stop_requests() as request:
    print("ready", flush=True)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        time.sleep(0.01)
        if request.why:
            print("asked", flush=True)
            while time.monotonic() < until:
                time.sleep(0.01)
"""


def test_a_second_ctrl_c_stops_at_once():
    process = begin("-c", WAIT.format(patience=15))
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "asked\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=5)
    assert process.returncode == -signal.SIGINT


def test_a_step_that_does_not_end_is_not_waited_for():
    process = begin("-c", WAIT.format(patience=0.2))
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=5)
    assert process.returncode == 143
    assert "did not finish within 0.2 s of SIGTERM" in said


def test_handlers_of_others_come_back():
    from tinynet.training.signals import stop_requests

    before = signal.getsignal(signal.SIGINT)
    with stop_requests() as request:
        assert signal.getsignal(signal.SIGINT) == request.receive
    assert signal.getsignal(signal.SIGINT) is before


def test_a_warning_is_one_line_without_a_line_of_ours(tinynet_says, monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    tinynet_says("recipes")
    shown = warnings.formatwarning("the cache is gone.", RuntimeWarning, "file.py", 7, "x = 1")
    assert shown == "Note: the cache is gone.\n"


def test_the_list_of_commands_says_what_each_command_says_of_itself():
    for name, (_, _, first_sentence) in main.COMMANDS.items():
        command = main.cli.get_command(None, name)
        assert command.help.split("\n")[0].strip() == first_sentence


@pytest.mark.parametrize(
    ("old", "new"),
    [("--batch", "batch_size"), ("--update", "optimizer"), ("--exchange", "cross_at")],
)
def test_old_names_of_options_are_understood_and_hidden(old, new):
    assert RENAMED[old] == f"--{new.replace('_', '-')}"
    train = main.cli.get_command(None, "train")
    assert RenamedOptions._today(f"{old}=3") == f"{RENAMED[old]}=3"
    assert old not in {option for parameter in train.params for option in parameter.opts}
