"""Images in folders: a run on them, and the mistakes that their files can hold."""

import json
import shutil

import pytest
from PIL import Image

from support.small_demo import use_sets
from tinynet import data
from tinynet.data import folder
from tinynet.data.splits import PARTS


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


def test_eval_measures_a_network_on_a_folder_of_the_same_classes(
    tiny_demo, tinynet_says, tmp_path, few_shapes, monkeypatch
):
    sets = {
        train: data.ArrayDataset(few.images, few.labels, [*"abcdefghij"])
        for train, few in few_shapes.items()
    }
    with monkeypatch.context() as patched:
        use_sets(patched, sets)
        tinynet_says("train", "--epochs", 2, "--batch", 20, "--out", tmp_path / "r")
        inside = json.loads(tinynet_says("eval", tmp_path / "r", "--json").out)
    for train, part in ((True, "train"), (False, "test")):
        few = sets[train]
        for i, (image, label) in enumerate(zip(few.images, few.labels, strict=True)):
            place = tmp_path / "pictures" / part / few.classes[label]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.transpose(1, 2, 0)).save(place / f"{i}.png")
    pictures = f"folder:{tmp_path / 'pictures'}"
    said = tinynet_says("eval", tmp_path / "r", "--data", pictures, "--json", "--quiet")
    found = json.loads(said.out)
    assert found["images"] == 30
    assert found["test_accuracy"] == inside["test_accuracy"]
    assert found["test_loss"] == pytest.approx(inside["test_loss"], rel=1e-6)


def test_a_damaged_picture_ends_the_run_in_a_sentence_and_loses_nothing(
    tiny_demo, folder_of_pictures, tinynet_says, tmp_path, monkeypatch
):
    monkeypatch.setattr(folder, "unreadable", lambda root, paths: {})  # damaged after that
    damaged = next((folder_of_pictures / "val").rglob("*.png"))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:100])
    command = ["train", "--data", f"folder:{folder_of_pictures}", "--epochs", 1, "--batch", 8]
    said = tinynet_says(*command, "--out", tmp_path / "run")
    assert said.code == 1
    assert said.err.startswith(f"Error: {damaged}: not an image that can be read")
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
    assert "such as small-resnet, take this size." in said.err
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
