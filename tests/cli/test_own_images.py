"""The command line on images of one's own: folders, damaged files, other formats, prediction."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import tinynet
from support.image_files import fill
from tinynet import models, nn
from tinynet.cli import main
from tinynet.data import folder
from tinynet.training import runs

SHORT = ("--epochs", 1, "--batch-size", 8)


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


def tiny(classes):
    return nn.Sequential(
        nn.Conv2d(3, 4, 4, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(256, classes)
    )


def normalized(classes):
    return nn.Sequential(
        nn.Conv2d(3, 4, 32), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4, classes)
    )


@pytest.fixture(autouse=True)
def _small(monkeypatch, tmp_path):
    monkeypatch.setitem(models.MODELS, "demo", models.Entry(tiny, 32, 10))
    monkeypatch.setattr(runs, "draw", lambda run: None)
    monkeypatch.chdir(tmp_path)
    with tinynet.kernels.use("reference"):
        yield


@pytest.fixture
def pictures(tmp_path):
    """Write images of two classes, with folders for training and the test."""
    for part, first in (("train", 0), ("test", 50)):
        fill(tmp_path / "pictures" / part / "cat", range(first, first + 9))
        fill(tmp_path / "pictures" / part / "dog", range(first + 20, first + 28))
    return tmp_path / "pictures"


@pytest.fixture
def trained(pictures, tinynet_says, tmp_path):
    assert tinynet_says("train", "pictures", *SHORT, "--out", "run").code == 0
    return tmp_path / "run"


# training


def test_a_folder_in_place_of_a_recipe_is_trained_on(pictures, trained, tinynet_says):
    recipe = json.loads((trained / "config.json").read_text())["recipe"]
    assert (recipe["name"], recipe["data"]) == ("demo", f"folder:{pictures}")
    again = tinynet_says("train", "--data", "folder:pictures", *SHORT, "--out", "again")
    assert again.code == 0
    other = json.loads((trained.parent / "again" / "config.json").read_text())["recipe"]
    assert other == recipe


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "pictures", "--data", "shapes"), "are two data sets. Choose one"),
        (("train", "run"), "run holds a run. To resume it: --resume run"),
        (("train", "--data", "pictures"), "Did you mean folder:pictures?"),
    ],
)
def test_a_folder_in_the_wrong_place_is_refused(trained, tinynet_says, arguments, words):
    said = tinynet_says(*arguments)
    assert said.code == 2
    assert words in said.err


def test_images_that_are_not_sorted_are_refused(tmp_path, tinynet_says):
    fill(tmp_path / "kaggle" / "train", range(5))
    fill(tmp_path / "kaggle" / "test", range(5, 9))
    said = tinynet_says("train", "kaggle")
    assert said.code == 1
    assert "name the class of each in a table trainLabels.csv" in said.err
    assert not (tmp_path / "runs").exists()


def test_a_folder_of_kaggle_is_trained_on(tmp_path, tinynet_says):
    fill(tmp_path / "kaggle" / "train", range(20))
    fill(tmp_path / "kaggle" / "test", range(20, 29))
    rows = "".join(f"{i},{('frog', 'ship')[i % 2]}\n" for i in range(20))
    (tmp_path / "kaggle" / "trainLabels.csv").write_text(f"id,label\n{rows}")
    said = tinynet_says("train", "kaggle", *SHORT)
    assert said.code == 0
    assert "16 + 4 images, 2 classes" in said.out


def test_a_last_batch_of_one_is_refused_before_the_run(
    pictures, tinynet_says, monkeypatch, tmp_path
):
    monkeypatch.setitem(models.MODELS, "demo", models.Entry(normalized, 32, 10))
    said = tinynet_says("train", "pictures", *SHORT, "--out", "run")
    assert said.code == 1
    assert "17 images in batches of 8 leave a last batch of 1" in said.err
    assert "On the command line: --batch-size." in said.err
    assert not (tmp_path / "run").exists()
    offered = re.search(r"batch size of (\d+)", said.err)[1]
    assert tinynet_says("train", "pictures", *SHORT, "--batch-size", offered).code == 0


def test_findings_come_before_the_result(trained, pictures, tinynet_says):
    said = tinynet_says("train", "--resume", trained).out.splitlines()
    result = next(i for i, line in enumerate(said) if line.startswith("test accuracy"))
    assert re.match(
        r"test accuracy [\d.]+ % after 1 epoch, .*; 95 % interval [\d.]+ to", said[result]
    )
    assert any("2 of 2 classes have fewer than 20 training images" in x for x in said[:result])


# damaged files


def damage(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    return whole


@pytest.fixture
def unnoticed(monkeypatch):
    """Let files be damaged after they were looked at, so that a run meets them."""
    monkeypatch.setattr(folder, "unreadable", lambda root, paths: {})


@pytest.mark.parametrize("name", ["train/cat/3.png", "test/dog/70.png"])
def test_a_damaged_image_is_left_out_and_its_removal_changes_nothing(pictures, tinynet_says, name):
    damage(pictures / name)
    note = f"1 of 34 image files cannot be read and are left out: {pictures / name} .image file is"
    with pytest.warns(UserWarning, match=note):
        said = tinynet_says("train", "pictures", *SHORT, "--out", "run")
    assert said.code == 0
    counts = "16 + 17" if name.startswith("train") else "17 + 16"
    assert f"{counts} images, 2 classes" in said.out
    with pytest.warns(UserWarning, match=note):
        measured = tinynet_says("eval", "run")
    with pytest.warns(UserWarning, match=note):
        checked = tinynet_says("data", "verify", "folder:pictures")
    assert f"{pictures / name}: left out, it cannot be read (image file is" in checked.out
    (pictures / name).unlink()
    resumed = tinynet_says("train", "--resume", "run")
    assert (resumed.code, "are not those" in resumed.out) == (0, False)
    assert tinynet_says("eval", "run").out == measured.out


def test_strict_refuses_a_damaged_image_at_the_beginning(pictures, trained, tinynet_says, tmp_path):
    damage(pictures / "test" / "dog" / "70.png")
    for command in (
        ("train", "pictures", *SHORT, "--out", "other"),
        ("eval", trained),
        ("train", "--resume", trained),
        ("data", "verify", "folder:pictures"),
    ):
        said = tinynet_says(*command, "--strict")
        assert (said.code, said.out) == (1, "")
        assert "1 of 34 image files cannot be read: " in said.err
        assert "Put good copies in their place, or take them away." in said.err
    assert not (tmp_path / "other").exists()


def test_after_the_removal_of_a_damaged_test_image_the_run_resumes(
    pictures, tinynet_says, unnoticed
):
    damaged = pictures / "test" / "dog" / "70.png"
    damage(damaged)
    said = tinynet_says("train", "pictures", *SHORT, "--out", "run")
    assert said.code == 1
    assert "Then: tinynet train --resume run." in said.err
    damaged.unlink()
    resumed = tinynet_says("train", "--resume", "run")
    assert resumed.code == 0
    assert "17 + 16 images" in resumed.out
    assert "The test images are not those with which this run began" in resumed.out


def test_after_the_removal_of_a_training_image_only_what_works_is_offered(pictures, tinynet_says):
    assert tinynet_says("train", "pictures", *SHORT, "--out", "run").code == 0
    whole = (pictures / "train" / "cat" / "3.png").read_bytes()
    (pictures / "train" / "cat" / "3.png").unlink()
    said = tinynet_says("train", "--resume", "run")
    assert said.code == 1
    offered = re.search(r"from its weights: tinynet (.*)", said.err)[1].split()
    assert tinynet_says(*offered, *SHORT, "--out", "new").code == 0
    (pictures / "train" / "cat" / "3.png").write_bytes(whole)
    assert tinynet_says("train", "--resume", "run").code == 0


def test_the_command_for_more_epochs_is_one_that_works(pictures, tinynet_says):
    given = ("--size", "40", "--model", "small-resnet", "--max-minutes", "0")
    assert tinynet_says("train", "pictures", *SHORT, *given, "--out", "run").code == 0
    said = tinynet_says("train", "--resume", "run", "--epochs", "3")
    assert said.code == 1
    offered = re.search(r"Like this: tinynet (.*)", said.err)[1].split()
    assert tinynet_says(*offered, "--max-minutes", "0", "--out", "new").code == 0


def test_a_damaged_image_before_the_first_save_is_told_with_a_command_that_works(
    pictures, tinynet_says, unnoticed
):
    for path in (pictures / "train").rglob("*.png"):
        damage(path)
    said = tinynet_says("train", "pictures", *SHORT, "--out", "run")
    assert said.code == 1
    assert "not an image that can be read" in said.err
    assert "--init-from" not in said.err


# prediction


def test_prediction_goes_on_after_a_bad_file(trained, tinynet_says, tmp_path):
    for name in ("a.png", "c.webp", "d.gif", "e.bmp", "f.tif"):
        Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / "b.jpg").write_bytes(b"junk")
    names = ("a.png", "b.jpg", "missing.png", "c.webp", "d.gif", "e.bmp", "f.tif")
    said = tinynet_says("predict", trained, *names)
    assert said.code == 1
    asked = [line.partition(":")[0] for line in said.out.splitlines()]
    assert asked == ["a.png", "c.webp", "d.gif", "e.bmp", "f.tif"]
    first, second = said.err.splitlines()
    assert first.startswith("Error: b.jpg: not an image that can be read")
    assert second.startswith("Error: missing.png: expected an image, found no file")


def test_prediction_takes_folders(trained, pictures, tinynet_says, tmp_path):
    (tmp_path / "empty").mkdir()
    said = tinynet_says("predict", trained, "pictures/test", "empty")
    assert said.code == 1
    assert len(said.out.splitlines()) == 17
    assert "empty: the folder has no image file" in said.err
    assert tinynet_says("predict", trained, "pictures/test").code == 0


def test_best_and_a_checkpoint_file_are_measured(trained, tinynet_says):
    tinynet_says("train", "pictures", *SHORT, "--seed", 1, "--out", "other")
    shutil.copy("other/last.safetensors", trained / "best.safetensors")
    shutil.copy("other/last.safetensors", trained / "kept.safetensors")
    measured = [
        tinynet_says("eval", *arguments).out
        for arguments in (
            (trained, "--best"),
            (trained / "best.safetensors",),
            (trained / "kept.safetensors",),
        )
    ]
    assert measured[0].startswith("test accuracy ")
    assert len(set(measured)) == 1
    assert "95 % interval" in measured[0]
    picture = "pictures/test/cat/50.png"
    asked = [tinynet_says("predict", *a, picture).out for a in ((trained, "--best"), (trained,))]
    assert all(line.startswith(picture) for line in asked)
    assert asked[0] == tinynet_says("predict", "other", picture).out != asked[1]
    said = tinynet_says("eval", trained / "best.safetensors", "--best")
    assert (said.code, "--best is for a run folder" in said.err) == (2, True)


@pytest.mark.parametrize("given", ["{}", "--data={}", "--data=folder:{}"])
@pytest.mark.parametrize("name", ["my cats.zip", "cats.tar.gz", "CATS.TGZ"])
def test_an_archive_in_place_of_a_folder_is_to_be_unpacked(
    pictures, tinynet_says, tmp_path, given, name
):
    file = tmp_path / "archives" / name
    file.parent.mkdir()
    kind = "zip" if name.endswith("zip") else "gztar"
    Path(shutil.make_archive("made", kind, pictures)).rename(file)
    said = tinynet_says("train", given.format(file))
    assert said.code in (1, 2)
    assert f"{file} is an archive; images are read from a folder." in said.err
    command, folder = re.search("`(.*)`, then name the folder (.*)[.]", said.err).groups()
    subprocess.run([sys.executable, *shlex.split(command)[1:]], check=True)
    assert tinynet_says("data", "verify", f"folder:{folder}").code == 0


def test_an_archive_in_place_of_an_image_is_to_be_unpacked(trained, tinynet_says, tmp_path):
    (tmp_path / "cats.zip").write_bytes(b"")
    said = tinynet_says("predict", trained, "cats.zip")
    assert said.code == 1
    assert "Unpack it: `python -m zipfile -e cats.zip cats`" in said.err
    assert "a good copy" not in said.err


def test_quiet_leaves_out_the_notes(trained, pictures, tinynet_says):
    (pictures / "test" / "cat" / "bad.png").write_bytes(b"nothing")
    with pytest.warns(UserWarning, match="1 of "):
        loud = tinynet_says("eval", trained)
    quiet = tinynet_says("eval", trained, "--quiet")  # a warning is an error in these tests
    assert (quiet.code, quiet.out, quiet.err) == (0, loud.out, "")
    bad, good = pictures / "test" / "cat" / "bad.png", sorted(pictures.glob("test/cat/*"))[0]
    answered = tinynet_says("predict", trained, good, bad, "--quiet")
    assert answered.err.startswith(f"Error: {bad}: not an image")
    assert answered.out.startswith(f"{good}: ")
