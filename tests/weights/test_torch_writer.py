"""A .pt without PyTorch: what torch.load reads, and what comes back here; .npz for its users."""

import json
import zipfile

import numpy as np
import pytest

from tinynet import models, nn, weights
from tinynet.core import numpy_file
from tinynet.core.errors import DataError
from tinynet.weights import Weights, checkpoint

ARRAYS = {
    "f4": np.arange(6, dtype=np.float32).reshape(2, 3),
    "f8": np.array([[0.1], [0.2]]),
    "f2": np.ones(3, np.float16),
    "i8": np.array(-7),
    "i4": np.arange(3, dtype=np.int32),
    "i2": np.arange(3, dtype=np.int16),
    "i1": np.arange(3, dtype=np.int8),
    "u1": np.arange(300, dtype=np.uint8),
    "bool": np.array([True, False]),
    "empty": np.zeros((0, 3), np.float32),
    "many": np.zeros((70_000, 1), np.float32),
    "ü": np.ones(1, np.float32),
}


def test_what_is_written_comes_back(tmp_path):
    weights.save(ARRAYS, tmp_path / "a.pt")
    found = weights.read(tmp_path / "a.pt").arrays
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_torch_load_reads_it_with_its_defaults(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    weights.save(ARRAYS, tmp_path / "a.pt")
    for how in ({}, {"mmap": True}, {"weights_only": False}):
        found = torch.load(tmp_path / "a.pt", **how)
        assert list(found) == list(ARRAYS)
        for name, array in ARRAYS.items():
            assert found[name].numpy().dtype == array.dtype
            np.testing.assert_array_equal(found[name].numpy(), array)


def test_every_storage_begins_at_a_multiple_of_64_bytes(tmp_path):
    weights.save(ARRAYS, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        for info in archive.infolist():
            archive.fp.seek(info.header_offset + 26)
            name, extra = np.frombuffer(archive.fp.read(4), "<u2")
            assert (info.header_offset + 30 + int(name) + int(extra)) % 64 == 0
            assert info.compress_type == zipfile.ZIP_STORED


def test_a_dtype_that_pytorch_does_not_have_is_refused(tmp_path):
    for dtype in (np.uint32, np.longdouble):
        with pytest.raises(DataError, match=r"w is of dtype .* write an \.npz"):
            weights.save({"w": np.ones(2, dtype)}, tmp_path / "a.pt")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_it(weights_says, tmp_path):
    state = models.build("demo", 3).state_dict()
    weights.save(state, tmp_path / "a.npz")
    assert weights_says("convert", tmp_path / "a.npz", tmp_path / "b.pt").code == 0
    for name, array in weights.read(tmp_path / "b.pt").arrays.items():
        np.testing.assert_array_equal(array, state[name])


@pytest.mark.parametrize("suffix", ["pt", "npz", "safetensors"])
def test_load_state_dict_of_pytorch_takes_what_is_written(tmp_path, suffix):
    """The lines of docs/weights.md."""
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    from safetensors.torch import load_file

    model = nn.Sequential(nn.Linear(3, 2))
    twin = torch.nn.Sequential(torch.nn.Linear(3, 2))
    path = tmp_path / f"net.{suffix}"
    weights.save(model, path)
    state = {
        "pt": lambda: torch.load(path),
        "npz": lambda: {k: torch.from_numpy(v) for k, v in np.load(path).items()},
        "safetensors": lambda: load_file(path),
    }[suffix]()
    twin.load_state_dict(state)
    np.testing.assert_array_equal(twin[0].weight.detach().numpy(), model[0].weight.numpy())


def test_three_lines_load_the_checkpoint_of_a_run_in_pytorch(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    from safetensors.torch import load_file

    model = nn.Sequential(nn.Linear(3, 2))
    twin = torch.nn.Sequential(torch.nn.Linear(3, 2))
    arrays = {"optimizer": {"0.velocity": np.ones(2)}, "preprocessing": {"mean": np.ones(3)}}
    checkpoint.save(
        tmp_path / "last.safetensors", checkpoint.Checkpoint(model.state_dict(), **arrays)
    )
    saved = load_file(tmp_path / "last.safetensors")
    twin.load_state_dict({k[6:]: v for k, v in saved.items() if k.startswith("model.")})
    np.testing.assert_array_equal(twin[0].weight.detach().numpy(), model[0].weight.numpy())


# metadata of an .npz


def test_an_npz_holds_arrays_alone_and_its_metadata_in_the_comment(tmp_path):
    weights.save(Weights({"w": np.ones(2)}, {"author": "ü"}), tmp_path / "a.npz")
    assert list(np.load(tmp_path / "a.npz")) == ["w"]
    assert weights.read(tmp_path / "a.npz").metadata == {"author": "ü"}


def test_the_metadata_of_older_files_are_read(tmp_path):
    member = np.frombuffer(json.dumps({"author": "me"}).encode(), np.uint8)
    np.savez(tmp_path / "a.npz", w=np.ones(2), **{numpy_file.METADATA: member})
    found = weights.read(tmp_path / "a.npz")
    assert found.metadata == {"author": "me"}
    assert list(found.arrays) == ["w"]


@pytest.mark.parametrize("comment", [b"made by hand", b"{}", b'{"tinynet": 5}', b"[" * 9999])
def test_a_comment_of_others_is_none_of_ours(tmp_path, comment):
    np.savez(tmp_path / "a.npz", w=np.ones(2))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.comment = comment
    assert weights.read(tmp_path / "a.npz").metadata == {}


def test_metadata_longer_than_a_comment_are_refused(tmp_path):
    long = Weights({"w": np.ones(2)}, {"text": "x" * 70_000})
    with pytest.raises(DataError, match=r"up to 65,535 bytes.*Write a \.safetensors"):
        weights.save(long, tmp_path / "a.npz")
