"""Checkpoints: what is saved comes back, what is damaged is found, what was there stays whole."""

import errno
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from tinynet import nn
from tinynet.core import atomic_file, random
from tinynet.core.errors import DataError
from tinynet.optim import SGD
from tinynet.weights import checkpoint
from tinynet.weights.checkpoint import Checkpoint

OLD_FILE = Path(__file__).parent / "files" / "checkpoint-1.safetensors"


def example(value=1.0):
    return Checkpoint(
        model={
            "0.weight": np.full((2, 3), value, np.float32),
            "empty": np.zeros((0, 4), np.float32),
        },
        optimizer={"steps": np.asarray(7), "0.velocity": np.arange(6.0).reshape(2, 3)},
        preprocessing={"mean": np.arange(4, dtype=np.float32)[::2]},
        metadata={"seed": "3", "classes": '["ü", "b"]'},
    )


def assert_same(a, b):
    for group in checkpoint.GROUPS:
        left = getattr(a, group)
        right = getattr(b, group)
        assert sorted(left) == sorted(right)
        for name in left:
            assert left[name].dtype == right[name].dtype
            assert left[name].shape == right[name].shape
            np.testing.assert_array_equal(left[name], right[name])


def small_net(outputs=2):
    random.seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, outputs))
    return net, SGD(net.parameters(), lr=0.1, momentum=0.9)


def snapshot(net, optimizer):
    return Checkpoint(net.state_dict(), optimizer.state_dict())


# what is saved comes back


def test_everything_comes_back(tmp_path):
    checkpoint.save(tmp_path / "a.safetensors", example())
    found = checkpoint.load(tmp_path / "a.safetensors")
    assert_same(found, example())
    assert found.metadata["seed"] == "3"
    assert found.metadata["classes"] == '["ü", "b"]'


def test_the_weights_alone_come_back_without_the_optimizer(tmp_path):
    checkpoint.save(tmp_path / "a.safetensors", example())
    found = checkpoint.load_model(tmp_path / "a.safetensors")
    assert sorted(found.model) == ["0.weight", "empty"]
    assert sorted(found.preprocessing) == ["mean"]
    assert found.optimizer == {}


def test_a_channels_last_weight_comes_back_in_logical_order(tmp_path):
    weight = np.arange(24, dtype=np.float32).reshape(2, 2, 3, 2).transpose(0, 3, 1, 2)
    checkpoint.save(tmp_path / "a.safetensors", Checkpoint({"w": weight}))
    np.testing.assert_array_equal(checkpoint.load(tmp_path / "a.safetensors").model["w"], weight)


def test_a_file_written_by_the_first_format_is_still_read():
    found = checkpoint.load(OLD_FILE)
    np.testing.assert_array_equal(found.model["0.weight"], [[1, 2], [3, 4]])
    np.testing.assert_array_equal(found.optimizer["0.velocity"], [[0.5, 0], [0, -0.5]])
    assert found.metadata["format"] == "tinynet 1"


# damage is found, and named


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_truncated_file_is_refused_by_name(tmp_path, keep):
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, example())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a\.safetensors.*damaged or incomplete"):
        checkpoint.load(path)


def test_one_flipped_bit_in_a_weight_is_found(tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, example())
    data = bytearray(path.read_bytes())
    start = data.index(struct.pack("<f", 1.0) * 6)
    data[start] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="model arrays do not have their checksum"):
        checkpoint.load(path)
    with pytest.raises(DataError, match="model arrays do not have their checksum"):
        checkpoint.load_model(path)


def test_a_change_in_what_the_file_says_of_itself_is_found(tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, example())
    path.write_bytes(path.read_bytes().replace(b'"seed":"3"', b'"seed":"2"'))
    with pytest.raises(DataError, match="metadata do not have their checksum"):
        checkpoint.load(path)


def test_arrays_that_swapped_their_names_are_found(tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, Checkpoint({"one": np.zeros(2), "two": np.ones(2)}))
    path.write_bytes(
        path.read_bytes().replace(b"model.one", b"model.xxx").replace(b"model.two", b"model.one")
    )
    with pytest.raises(DataError, match="checksum"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format": "tinynet 2"}, "format 2; this tinynet reads up to 1"),
        ({"format": "pt"}, "not a tinynet checkpoint"),
        ({}, "not a tinynet checkpoint"),
    ],
)
def test_a_file_of_another_format_is_refused(tmp_path, metadata, message):
    from safetensors.numpy import save_file

    save_file({"model.w": np.zeros(1)}, tmp_path / "a.safetensors", metadata)
    with pytest.raises(DataError, match=message):
        checkpoint.load(tmp_path / "a.safetensors")


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "missing", tmp_path, tmp_path / "pipe"):
        with pytest.raises(DataError, match="expected a checkpoint file"):
            checkpoint.load(path)


def test_a_damaged_latest_falls_back_to_the_previous_one_and_says_so(tmp_path):
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, example(1.0))
    checkpoint.save(path, example(2.0))
    assert checkpoint.load_latest(path).damage is None
    path.write_bytes(path.read_bytes()[:-1])
    found, damage = checkpoint.load_latest(path)
    assert found.model["0.weight"][0, 0] == 1.0
    assert damage.used == tmp_path / "last.previous.safetensors"
    assert "last.safetensors: this checkpoint is damaged" in damage.reason
    assert str(damage).endswith(f"Using the checkpoint before it, {damage.used}.")


def test_paths_may_be_strings(tmp_path):
    path = str(tmp_path / "last.safetensors")
    checkpoint.save(path, example(1.0))
    checkpoint.save(path, example(2.0))
    assert checkpoint.load(path).model["0.weight"][0, 0] == 2.0
    assert checkpoint.load_model(checkpoint.previous(path)).model["0.weight"][0, 0] == 1.0
    assert checkpoint.load_latest(path).checkpoint.model["0.weight"][0, 0] == 2.0
    checkpoint.sweep(str(tmp_path))


def test_two_damaged_files_are_both_named(tmp_path):
    path = tmp_path / "last.safetensors"
    for damaged in (path, checkpoint.previous(path)):
        damaged.write_bytes(b"")
    with pytest.raises(DataError, match=r"last\.safetensors.*last\.previous\.safetensors"):
        checkpoint.load_latest(path)


def test_without_a_previous_one_the_damage_is_an_error(tmp_path):
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, example())
    path.write_bytes(b"")
    with pytest.raises(DataError, match="damaged"):
        checkpoint.load_latest(path)


# all or nothing


def test_restoring_puts_back_weights_and_velocity():
    net, optimizer = small_net()
    for p in net.parameters():
        p.grad = np.ones_like(p.data)
    optimizer.step()
    saved = snapshot(net, optimizer)
    other, its_optimizer = small_net()
    checkpoint.restore(saved, other, its_optimizer)
    assert_same(snapshot(other, its_optimizer), saved)


def test_other_shapes_change_nothing_and_are_named():
    net, optimizer = small_net(outputs=2)
    before = snapshot(net, optimizer)
    with pytest.raises(
        DataError, match=r"2\.weight is float32 \(5, 4\), expected float32 \(2, 4\)"
    ):
        checkpoint.restore(snapshot(*small_net(outputs=5)), net, optimizer)
    assert_same(snapshot(net, optimizer), before)


def test_other_names_and_dtypes_are_named():
    a = np.zeros(2, np.float32)
    b = np.zeros(2)
    with pytest.raises(DataError, match=r"x is missing; y is not expected"):
        checkpoint.compare("model", {"x": a}, {"y": a})
    with pytest.raises(DataError, match=r"x is float64 \(2,\), expected float32 \(2,\)"):
        checkpoint.compare("model", {"x": a}, {"x": b})


def test_an_optimizer_that_does_not_fit_leaves_the_weights_alone():
    net, optimizer = small_net()
    saved = snapshot(net, optimizer)
    wrong = Checkpoint(
        {name: array + 1 for name, array in saved.model.items()},
        {"steps": np.asarray(1), "0.velocity": np.zeros((9, 9), np.float32)},
    )
    with pytest.raises(DataError, match="optimizer"):
        checkpoint.restore(wrong, net, optimizer)
    assert_same(snapshot(net, optimizer), saved)


# the old file is whole until the new one is


@pytest.mark.parametrize("function", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_whole_and_says_so(tmp_path, monkeypatch, function):
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, example(1.0))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    if function == "write":
        real = open

        def open_full(*args, **kwargs):
            file = real(*args, **kwargs)
            file.close()
            full()

        monkeypatch.setattr(atomic_file, "open", open_full, raising=False)
    else:
        monkeypatch.setattr(os, function, full)
    with pytest.raises(
        OSError, match=r"could not be written .*last\.safetensors, written earlier, is whole"
    ):
        checkpoint.save(path, example(2.0))
    monkeypatch.undo()
    assert checkpoint.load_latest(path)[0].model["0.weight"][0, 0] == 1.0
    assert [p.name for p in tmp_path.iterdir()] == ["last.safetensors"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_first_file_that_finds_no_room_has_a_way_out(tmp_path, monkeypatch, number):
    def fails(*_):
        raise OSError(number, "no")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="could not be written") as error:
        checkpoint.save(tmp_path / "last.safetensors", example())
    assert ("Make room" in error.value.strerror) == (number == errno.ENOSPC)
    assert "is whole" not in error.value.strerror


def test_a_crash_between_the_two_renames_leaves_the_previous_one(tmp_path, monkeypatch):
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, example(1.0))
    real = os.replace
    calls = []

    def second_fails(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt  # nothing of ours catches it: as good as kill -9
        real(source, target)

    monkeypatch.setattr(os, "replace", second_fails)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(path, example(2.0))
    found, damage = checkpoint.load_latest(path)
    assert found.model["0.weight"][0, 0] == 1.0
    assert damage.used == checkpoint.previous(path)


def test_what_a_killed_writer_left_is_swept(tmp_path):
    (tmp_path / ".last.safetensors.123.tmp").write_bytes(b"half")
    (tmp_path / "notes.tmp").write_bytes(b"mine")
    checkpoint.sweep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.tmp"]
