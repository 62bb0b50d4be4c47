"""NumPy's and safetensors' files: the same care as for PyTorch's."""

import io
import json
import struct
import zipfile

import numpy as np
import pytest

from tinynet.core import archives
from tinynet.core.errors import DataError
from tinynet.weights import Weights, checkpoint, read, save
from tinynet.weights.checkpoint import Checkpoint
from weights import crafted

ARRAYS = {
    "b.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "half": np.ones(3, np.float16),
    "count": np.asarray(7),
    "none": np.zeros((0, 2), np.float32),
    "file": np.ones(2, np.float32),  # a word that numpy.savez has another use for
}


def npy(array):
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def refusal(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value).startswith(str(path))
    return str(error.value)


@pytest.mark.parametrize("name", ["net.npz", "net.safetensors"])
def test_what_is_saved_comes_back(tmp_path, name):
    said = {"model": "demo", "ü": '"quoted"'}
    save(Weights(ARRAYS, said), tmp_path / name)
    found = read(tmp_path / name)
    assert found.metadata == said
    assert found.arrays.keys() == ARRAYS.keys()
    for key, array in ARRAYS.items():
        assert found.arrays[key].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[key], array)


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"\.safetensors, \.npz or \.pt"):
        save(Weights(ARRAYS), tmp_path / "net.h5")
    assert list(tmp_path.iterdir()) == []


def test_the_kind_is_seen_in_the_contents_not_in_the_ending(tmp_path):
    save(Weights(ARRAYS), tmp_path / "net.npz")
    (tmp_path / "net.npz").rename(tmp_path / "net.safetensors")
    assert read(tmp_path / "net.safetensors").kind == "npz"


def test_what_numpy_itself_saves_is_read(tmp_path):
    for write in (np.savez, np.savez_compressed):
        arrays = {name: array for name, array in ARRAYS.items() if name != "file"}
        write(tmp_path / "net.npz", **arrays, big=np.arange(3, dtype=">f4"))
        found = read(tmp_path / "net.npz").arrays
        np.testing.assert_array_equal(found["a"], ARRAYS["a"])
        assert found["big"].dtype == np.dtype("=f4")
        np.testing.assert_array_equal(found["big"], [0, 1, 2])


class Evil:
    def __reduce__(self):
        return open, ("touched", "w")


def test_objects_in_an_npz_are_refused_by_name_and_not_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = crafted.archive([("good.npy", npy(np.ones(2))), ("evil.npy", npy(np.array([Evil()])))])
    assert "evil.npy holds object" in refusal(tmp_path, "net.npz", data)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("array", [np.array(["a"]), np.zeros(2, [("x", "f4")]), np.ones(2) * 1j])
def test_arrays_that_are_no_numbers_are_refused(tmp_path, array):
    assert "numbers are read" in refusal(
        tmp_path, "net.npz", crafted.archive([("a.npy", npy(array))])
    )


@pytest.mark.parametrize("shape", ["(5,)", "(7,)", "(1000000000000,)", "(-1,)", "(2, 10**9)"])
def test_an_npy_of_another_size_than_it_says_is_refused(tmp_path, shape):
    data = npy(np.ones(6))
    wrong = data.replace(b"(6,), }" + b" " * (len(shape) - 4), f"{shape}, }}".encode())
    assert wrong != data
    refusal(tmp_path, "net.npz", crafted.archive([("a.npy", wrong)]))


def test_every_truncation_of_an_npz_is_noticed(tmp_path):
    np.savez(tmp_path / "whole.npz", a=np.ones(3, np.float32))
    whole = (tmp_path / "whole.npz").read_bytes()
    for keep in range(16, len(whole) - 1, 3):
        refusal(tmp_path, "net.npz", whole[:keep])


def test_an_npz_that_swells_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGE", 1 << 20)
    bomb = crafted.archive([("a.npy", npy(np.zeros(1 << 19)))], zipfile.ZIP_DEFLATED)
    assert "made to fill the memory" in refusal(tmp_path, "net.npz", bomb)


def test_bfloat16_in_safetensors_becomes_float32(tmp_path):
    header = json.dumps({"w": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    data = struct.pack("<Q", len(header)) + header + bytes.fromhex("803f20c0")
    (tmp_path / "net.safetensors").write_bytes(data)
    found = read(tmp_path / "net.safetensors").arrays["w"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [1.0, -2.5])


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]},
        {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]},
        {"dtype": "OBJECT", "shape": [1], "data_offsets": [0, 4]},
        "nothing",
    ],
)
def test_safetensors_with_a_header_that_is_not_true_are_refused(tmp_path, entry):
    header = json.dumps({"w": entry}).encode()
    refusal(tmp_path, "net.safetensors", struct.pack("<Q", len(header)) + header + bytes(4))


def test_every_truncation_of_safetensors_is_noticed(tmp_path):
    save(Weights({"a": np.ones(3, np.float32)}), tmp_path / "whole.safetensors")
    whole = (tmp_path / "whole.safetensors").read_bytes()
    for keep in range(len(whole) - 1):
        refusal(tmp_path, "net.safetensors", whole[:keep])


def test_the_weights_of_a_checkpoint_are_read_and_its_checksums_compared(tmp_path):
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, Checkpoint({"w": np.ones(2)}, {"steps": np.asarray(1)}))
    found = read(path)
    assert found.kind == "a checkpoint of tinynet"
    assert list(found.arrays) == ["w"]
    path.write_bytes(path.read_bytes()[:-1] + b"\7")
    with pytest.raises(DataError, match="checksum"):
        read(path)
    save(found, tmp_path / "plain.safetensors")
    assert read(tmp_path / "plain.safetensors").kind == "safetensors"


def an_npy(header, data=b""):
    words = header.encode()
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(words)) + words + data


@pytest.mark.parametrize(
    "shape",
    ["(-1, -1)", "(-2, -3)", f"(0, {2**70})", f"({'1, ' * 100})", "(True,)", f"(0, {2**47}, 2)"],
)
def test_a_shape_that_no_array_has_is_refused_in_an_npz(tmp_path, shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}\n"
    data = crafted.archive([("w.npy", an_npy(header, bytes(4)))])
    said = refusal(tmp_path, "net.npz", data)
    assert "w.npy" in said
    assert len(said) < 400


def test_a_long_header_of_an_npy_is_refused_in_one_sentence(tmp_path):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)" + " " * 20_000 + "}\n"
    said = refusal(tmp_path, "net.npz", crafted.archive([("w.npy", an_npy(header, bytes(4)))]))
    assert said.endswith("w.npy has a header of 20,056 bytes; 10,000 are the limit.")


def safetensors_of(data=b"", said=None, **entries):
    named = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}
        for name, (dtype, shape) in entries.items()
    }
    header = json.dumps(({"__metadata__": said} if said else {}) | named).encode()
    return struct.pack("<Q", len(header)) + header + data


@pytest.mark.parametrize(
    ("shape", "data"), [([0, 2**62], b""), ([0, 2**47, 2], b""), ([1] * 100, bytes(4))]
)
def test_a_shape_that_no_array_has_is_refused_in_safetensors(tmp_path, shape, data):
    said = refusal(tmp_path, "net.safetensors", safetensors_of(data, w=("F32", shape)))
    assert "which no array has" in said


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "number", "expected"),
    [
        ("model", "F32", [1], "1", "none of the groups"),
        ("other.w", "F32", [1], "1", "none of the groups"),
        ("model.w", "BF16", [2], "1", "model.w of BF16"),
        ("model.w", "F8_E4M3", [4], "1", "F8_E4M3"),
        ("model.w", "F32", [1], "9" * 5000, "number of 5,000 digits"),
    ],
)
def test_what_only_looks_like_a_checkpoint_is_refused(
    tmp_path, name, dtype, shape, number, expected
):
    said = {"format": f"tinynet {number}"}
    data = safetensors_of(bytes(4), said, **{name: (dtype, shape)})
    assert expected in refusal(tmp_path, "net.safetensors", data)


def test_a_file_with_a_hole_behind_its_header_is_not_read_whole(tmp_path):
    path = tmp_path / "net.safetensors"
    for length in (0, 2, 2**60):
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", length) + b"{}")
            file.truncate(100 << 30)
        with pytest.raises(DataError, match=r"net\.safetensors: "):
            read(path)
    path.unlink()


def test_a_dtype_that_safetensors_does_not_have_is_refused_with_a_way_out(tmp_path):
    wide = Weights({"w": np.ones(2, np.longdouble)})
    with pytest.raises(DataError, match=r"w is of dtype float128.*write an \.npz"):
        save(wide, tmp_path / "net.safetensors")
    save(wide, tmp_path / "net.npz")


@pytest.mark.parametrize("name", ["net.npz", "net.safetensors"])
def test_no_array_takes_the_place_of_what_a_file_says_of_itself(tmp_path, name):
    with pytest.raises(DataError, match="that name is for metadata"):
        save(Weights({"__metadata__": np.ones(2)}), tmp_path / name)


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\nError: of another file", "w" * 20_000])
def test_names_in_a_refusal_are_printable_and_not_long(tmp_path, name):
    said = [
        refusal(tmp_path, "net.npz", crafted.archive([(f"{name}.npy", b"junk")])),
        refusal(tmp_path, "net.npz", crafted.archive([(f"../{name}.npy", b"junk")])),
        refusal(tmp_path, "net.npz", crafted.archive([(f"{name}.npy", npy(np.ones(1)))])),
        refusal(tmp_path, "net.safetensors", safetensors_of(bytes(4), **{name: ("F8_E4M3", [4])})),
        refusal(tmp_path, "net.safetensors", safetensors_of(bytes(4), **{name: ("F32", [1])})),
        refusal(
            tmp_path,
            "net.safetensors",
            safetensors_of(bytes(4), {"format": "tinynet 1"}, **{name: ("F32", [1])}),
        ),
    ]
    assert all(sentence.isprintable() and len(sentence) < 600 for sentence in said)


def test_the_arrays_of_a_safetensors_come_in_the_order_of_their_names(tmp_path):
    names = [f"conv{i}.weight" for i in range(1, 25)]  # that the library returns at random
    arrays = {name: np.full(1, i, np.float32) for i, name in enumerate(names)}
    save(Weights(arrays), tmp_path / "a.safetensors")
    assert list(read(tmp_path / "a.safetensors").arrays) == names


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid",
            "a pointer of Git LFS: `git lfs pull`",
        ),
        (b"\n<!DOCTYPE html><html>", "a page .HTML or XML. that was saved in place of the file"),
        (b'<?xml version="1.0"?><Error>', "a page .HTML or XML."),
        (b"\x1f\x8b\x08\x08", "a gzip archive; unpack it"),
    ],
)
@pytest.mark.parametrize("ending", ["pth", "h5", "onnx"])
def test_what_stands_in_place_of_a_file_is_named(tmp_path, content, words, ending):
    path = tmp_path / f"net.{ending}"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        read(path)
