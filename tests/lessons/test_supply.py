"""Images and device of a lesson: photographs and a GPU are used if present, never required."""

import runpy
from pathlib import Path

import numpy as np
import pytest

import tinynet
from tinynet import data, lessons
from tinynet.core.errors import DataError
from tinynet.data import cifar10_versions
from tinynet.data.cifar10_versions import BINARY
from tinynet.lessons import supply

RECORDS = 110  # in each batch file
LESSONS = Path(tinynet.__file__).parent.parent / "lessons"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the data folder, still empty."""
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path))
    monkeypatch.delenv(supply.WISH, raising=False)
    return tmp_path


@pytest.fixture
def photographs(folder, monkeypatch):
    """Put a CIFAR-10 of 550 + 110 pictures into the data folder; return its records."""
    monkeypatch.setattr(cifar10_versions, "RECORDS", RECORDS)
    (folder / BINARY.folders[0]).mkdir()
    whole = np.random.default_rng(0).integers(
        0, 256, (6, RECORDS, cifar10_versions.RECORD), np.uint8
    )
    whole[:, :, 0] %= 10
    for name, rows in zip(BINARY.train + BINARY.test, whole, strict=True):
        (folder / BINARY.folders[0] / name).write_bytes(rows.tobytes())
    return whole


def test_without_photographs_pictures_are_drawn_and_the_way_to_photographs_is_said(folder, capsys):
    learn, test = lessons.pictures(train=30, test=20)
    assert (len(learn), len(test), learn.drawn, test.drawn) == (30, 20, True, True)
    assert learn.classes[0] == "disc"
    assert capsys.readouterr().out == (
        "30 + 20 drawn pictures; CIFAR-10 would be used if it were here: tinynet data get cifar10\n"
    )


def test_pictures_are_a_data_set(folder):
    learn, _ = lessons.pictures(train=30, test=0)
    assert repr(learn).startswith("<Pictures: 30 images (3, 32, 32) uint8, 10 classes: disc, ")
    chosen = learn[[4, 2]]
    assert chosen.labels.tolist() == learn.labels[[4, 2]].tolist()
    images, labels = next(iter(data.DataLoader(learn, batch_size=7)))
    assert (images == learn.images[:7]).all()
    assert (labels == learn.labels[:7]).all()


def test_the_first_photographs_are_taken_if_they_are_there(photographs, capsys):
    learn, test = lessons.pictures(train=115, test=10)
    assert (learn.images.reshape(115, -1)[110:] == photographs[1, :5, 1:]).all()
    assert (test.labels == photographs[5, :10, 0]).all()
    assert (learn.drawn, learn.kind, learn.classes[0]) == (False, "photographs", "airplane")
    assert capsys.readouterr().out.startswith("115 + 10 photographs of CIFAR-10; ")


def test_an_unrequested_part_is_not_counted(folder, capsys):
    lessons.pictures(train=0, test=7)
    assert capsys.readouterr().out.startswith("7 drawn pictures; ")


def test_a_wish_decides(photographs, monkeypatch, capsys):
    monkeypatch.setenv(supply.WISH, "shapes")
    assert lessons.pictures(20, 20)[0].drawn
    assert capsys.readouterr().out.endswith("; TINYNET_LESSON_DATA=shapes asks for them\n")
    monkeypatch.setenv(supply.WISH, "cifar10")
    assert not lessons.pictures(20, 20)[0].drawn
    monkeypatch.setenv(supply.WISH, "cifar")
    with pytest.raises(DataError, match=r"must be shapes or cifar10, or not set\. It is 'cifar'"):
        lessons.pictures()


def test_damaged_photographs_stop_only_who_asks_for_them(photographs, folder, monkeypatch, capsys):
    (folder / BINARY.folders[0] / "data_batch_3.bin").unlink()
    assert lessons.pictures(20, 20)[0].drawn
    assert "data_batch_3.bin: this batch of CIFAR-10 is missing" in capsys.readouterr().out
    monkeypatch.setenv(supply.WISH, "cifar10")
    with pytest.raises(DataError, match="is missing"):
        lessons.pictures()


def test_there_is_always_a_device(monkeypatch, capsys):
    monkeypatch.setitem(lessons.supply.sys.modules, "cupy", None)
    assert lessons.device() == "cpu"
    assert capsys.readouterr().out.startswith("training runs on the CPU; ")


def test_a_card_is_taken_if_there_is_one(stand_in, capsys):
    assert lessons.device().kind == "cuda"
    assert capsys.readouterr().out == "training runs on the GPU\n"


@pytest.fixture
def run(photographs, monkeypatch, capsys):
    """Return a function that runs a lesson with the photographs and returns its output."""
    pytest.importorskip("matplotlib").use("Agg")

    def whole(name):
        runpy.run_path(str(LESSONS / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return whole


@pytest.mark.slow
@pytest.mark.skipif(not LESSONS.is_dir(), reason="tinynet is not a checkout here")
@pytest.mark.parametrize("name", ["00_hello_net", "07_overlapping_max_pool"])
def test_a_lesson_runs_on_photographs_to_its_end(name, run):
    said = run(name)
    assert " photographs of CIFAR-10; " in said
    assert "drawn pictures:" not in said
    assert all(f"{name[:2]}.{i} ok" in said for i in (1, 2))


@pytest.mark.long
@pytest.mark.cxx
@pytest.mark.skipif(not LESSONS.is_dir(), reason="tinynet is not a checkout here")
def test_a_lesson_trains_on_a_card_to_its_end(stand_in, run):
    said = run("00_hello_net")
    assert "training runs on the GPU" in said
    assert "epoch 3  loss" in said
