"""Small runs of the command line."""

from types import SimpleNamespace

import pytest
from PIL import Image

import tinynet
from support import small_demo


@pytest.fixture(scope="session")
def few_shapes():
    """Return sixty training images and thirty test images of the built-in set."""
    return small_demo.few_shapes(60, 30)


@pytest.fixture
def tiny_demo(monkeypatch):
    """Make the network of the recipe demo small."""
    small_demo.use_net(monkeypatch)
    with tinynet.kernels.use("reference"):
        yield


@pytest.fixture
def small(tiny_demo, monkeypatch, few_shapes):
    """Make the data and the network of the recipe demo small."""
    small_demo.use_sets(monkeypatch, few_shapes)


@pytest.fixture
def finished(small, tinynet_says, tmp_path):
    """Train two epochs into a folder; return the folder and the output."""
    folder = tmp_path / "run"
    said = tinynet_says("train", "--epochs", 2, "--batch", 20, "--out", folder)
    return SimpleNamespace(folder=folder, said=said)


@pytest.fixture
def folder_of_pictures(tmp_path, few_shapes):
    """Write sixty images as files, in a folder for each of three classes."""
    for train, part in ((True, "train"), (False, "val")):
        for i in range(30):
            place = tmp_path / "pictures" / part / f"class {i % 3}"
            place.mkdir(parents=True, exist_ok=True)
            pixels = few_shapes[train].images[i].transpose(1, 2, 0)
            Image.fromarray(pixels).resize((50, 40)).save(place / f"{part}{i}.png")
    return tmp_path / "pictures"
