"""Places where other libraries keep data sets: found by their names, and never written to."""

import numpy as np
import pytest

from support.image_files import fill
from tinynet import data
from tinynet.data import imagenette
from tinynet.data.places import Elsewhere

FILES = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
IDX = [f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home folder, and none of the variables of other libraries."""
    for name in (
        *("KERAS_HOME", "FASTAI_HOME", "TFDS_DATA_DIR", "HF_HUB_CACHE", "HF_HOME"),
        *("XDG_CACHE_HOME", "TINYNET_DATA"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def place(name, library, path):
    return (Elsewhere(name, library, path),)


def test_nothing_is_found_where_nothing_is(home):
    assert data.elsewhere() == ()


@pytest.mark.parametrize("below", ["work/data", "work/datasets", "data", "datasets"])
def test_torchvisions_root(home, below):
    touch(*(home / below / "cifar-10-batches-py" / name for name in FILES))
    assert data.elsewhere() == place("cifar10", "torchvision", home / below)
    touch(*(home / below / "MNIST" / "raw" / f"{name}-ubyte" for name in IDX))
    assert [e.name for e in data.elsewhere()] == ["cifar10", "mnist"]


@pytest.mark.parametrize("named", [False, True])
def test_keras(home, monkeypatch, named):
    folder = home / ("chosen" if named else ".keras") / "datasets"
    if named:
        monkeypatch.setenv("KERAS_HOME", str(home / "chosen"))
    touch(folder / "mnist.npz")
    assert data.elsewhere() == place("mnist", "Keras", folder)
    touch(folder / "cifar-10-batches-py-target_archive")
    assert Elsewhere("cifar10", "Keras", folder) in data.elsewhere()


def test_the_home_folder_may_be_a_tilde(home, tinynet_says, monkeypatch):
    touch(home / "mine" / "mnist.npz")
    assert data.catalog.find("mnist", "~/mine") == (home / "mine" / "mnist.npz",)
    said = tinynet_says("data", "verify", "cifar10", "--data-dir=~/none").err  # a shell leaves it
    assert f"CIFAR10: {home}/none must hold" in said


def test_fastai(home):
    folder = home / ".fastai" / "data"
    fill(folder / "cifar10" / "train" / "cat", [1])
    for wnid in imagenette.CLASSES:
        for part in ("train", "val"):
            fill(folder / "imagenette2-160" / part / wnid, [1])
    assert set(data.elsewhere()) == {
        Elsewhere("imagenette-160", "fastai", folder),
        Elsewhere(f"folder:{folder / 'cifar10'}", "fastai", None),
    }


def test_tensorflow_datasets(home):
    downloads = home / "tensorflow_datasets" / "downloads"
    unpacked = downloads / "extracted" / "TAR_GZ.cs.toro.edu_kriz_cifar-10-binaryODHPtIjLh3o.tar.gz"
    names = [f"{name}.bin" for name in FILES]
    touch(*(unpacked / "cifar-10-batches-bin" / name for name in names))
    assert data.elsewhere() == place("cifar10", "TensorFlow Datasets", unpacked)


@pytest.mark.parametrize("variable", ["", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"])
def test_hugging_face(home, monkeypatch, variable):
    hub = {
        "": home / ".cache" / "huggingface" / "hub",
        "HF_HOME": home / "x" / "hub",
        "HF_HUB_CACHE": home / "x",
        "XDG_CACHE_HOME": home / "x" / "huggingface" / "hub",
    }[variable]
    if variable:
        monkeypatch.setenv(variable, str(home / "x"))
    for name, below in (
        ("uoft-cs--cifar10", "plain_text"),
        ("ylecun--mnist", "mnist"),
        ("zalando-datasets--fashion_mnist", "fashion_mnist"),
    ):
        folder = hub / f"datasets--{name}" / "snapshots" / "0b27" / below
        touch(*(folder / f"{part}-00000-of-00001.parquet" for part in ("train", "test")))
    assert data.elsewhere() == (
        Elsewhere("cifar10", "Hugging Face", hub / "datasets--uoft-cs--cifar10"),
        Elsewhere("mnist", "Hugging Face", hub / "datasets--ylecun--mnist"),
    )


def test_the_command_that_is_shown_works(home, tinynet_says, monkeypatch):
    folder = home / "my keras" / "datasets"
    monkeypatch.setenv("KERAS_HOME", str(home / "my keras"))
    monkeypatch.setitem(data.mnist.COUNTS, "train", 4)
    monkeypatch.setitem(data.mnist.COUNTS, "test", 2)
    images = np.zeros((4, 28, 28), np.uint8)
    labels = np.arange(4)
    folder.mkdir(parents=True)
    arrays = {"x_train": images, "y_train": labels, "x_test": images[:2], "y_test": labels[:2]}
    np.savez(folder / "mnist.npz", **arrays)
    said = tinynet_says("data", "list").out
    assert f"Keras: tinynet train --data mnist --data-dir '{folder}'" in said
    checked = tinynet_says("data", "verify", "mnist", "--data-dir", folder)
    assert "mnist: 4 train images, 2 test images" in checked.out
