"""PyTorch's files from before version 1.6: read like those of today, and refused like them."""

import contextlib
import io
import os
import pickle
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet.core import pickles
from tinynet.core.errors import DataError
from tinynet.weights import read
from weights import crafted

# torch.save(OrderedDict(weight=w, turned=w.t(), ...), FILE, _use_new_zipfile_serialization=False)
FILE = Path(__file__).parent / "files" / "legacy.pth"
WEIGHT = crafted.WEIGHT
BIAS = crafted.BIAS
WHOLE = crafted.WHOLE
good = crafted.legacy
with_a_view = crafted.legacy_with_a_view
of_2017 = crafted.legacy_of_2017


def write(folder, data):
    path = folder / "net.pth"
    path.write_bytes(data)
    return path


def refusal(folder, data):
    path = write(folder, data)
    with pytest.raises(DataError) as error:
        read(path)
    said = str(error.value)
    assert said.startswith(str(path))
    assert said.isprintable()
    assert len(said) < len(str(path)) + 500
    return said


# what is in a file


def test_a_file_that_pytorch_wrote_comes_out_to_the_bit():
    found = read(FILE)
    assert found.kind == "pth"
    expected = {
        "weight": WEIGHT,
        "turned": WEIGHT.T,
        "row": WEIGHT[1],
        "half": BIAS.astype(np.float16),
        "brain": np.array([1, -2.5], np.float32),
        "double": np.array([0.1]),
        "count": np.array(7),
    }
    assert list(found.arrays) == list(expected)
    for name, array in found.arrays.items():
        assert array.dtype == expected[name].dtype
        np.testing.assert_array_equal(array, expected[name])
    assert np.shares_memory(found.arrays["turned"], found.arrays["row"])


def test_what_is_made_by_hand_is_read_and_lies_where_arrays_lie(tmp_path):
    found = read(write(tmp_path, good())).arrays
    np.testing.assert_array_equal(found["w"], WEIGHT)
    np.testing.assert_array_equal(found["b"], BIAS)
    assert all(array.flags.aligned for array in found.values())


def test_files_of_python_2_and_of_2017_are_read(tmp_path):
    found = read(write(tmp_path, of_2017())).arrays
    assert list(found) == ["w", "p"]
    np.testing.assert_array_equal(found["w"], WEIGHT)
    np.testing.assert_array_equal(found["p"], WEIGHT)


def test_a_view_of_a_storage_is_followed(tmp_path):
    np.testing.assert_array_equal(read(write(tmp_path, with_a_view())).arrays["w"], [3, 4])


def test_a_file_without_tensors_says_what_it_holds(tmp_path):
    assert "not tensors by name" in refusal(tmp_path, good(crafted.program(b"}"), ()))


# what else it may ask for


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("place", ["magic", "format", "machine", "weights", "keys"])
def test_what_would_run_is_refused_by_name_wherever_it_stands(tmp_path, place, protocol):
    touched = tmp_path / "touched"
    evil = crafted.Runs(os.system, f"touch {touched}")
    if place == "weights":
        data = good(pickle.dumps({"w": evil}, protocol))
    elif place == "keys":
        data = good(keys=[evil])
    else:
        data = good(**{place: evil})
    assert "system" in refusal(tmp_path, data)
    assert not touched.exists()


@pytest.mark.parametrize("place", ["magic", "format", "machine", "keys"])
def test_tensors_stand_among_the_weights_alone(tmp_path, place):
    data = good(**{place: "HERE"})
    tensor = crafted.tensor("0", 6, (2, 3))
    assert "a tensor in a place" in refusal(tmp_path, data.replace(crafted.text("HERE"), tensor))


def test_a_whole_model_is_refused(tmp_path):
    body = b"(" + crafted.text("module") + b"ctorch.nn.modules.linear\nLinear\n" + b"NNtQ"
    assert "torch.nn.modules.linear.Linear" in refusal(tmp_path, good(crafted.program(body)))


def test_a_pickle_of_something_else_is_refused_with_a_way_out(tmp_path):
    for value in ({"w": 1}, {"w": WEIGHT}, 5):
        said = refusal(tmp_path, pickle.dumps(value, 2))
        assert "not as PyTorch writes them" in said
        assert "numpy.savez" in said


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"magic": 0x1950A86A20F9469CFC6D}, "magic number is missing"),
        ({"format": 1002}, "format 1002; 1001 is known"),
        ({"machine": [1]}, "1001 is known"),
        ({"machine": {"little_endian": False}}, "big-endian"),
        ({"machine": {}}, "big-endian"),
    ],
)
def test_another_header_is_refused(tmp_path, header, said):
    assert said in refusal(tmp_path, good(**header))


def test_a_tar_archive_without_its_members_is_refused_with_a_way_out(tmp_path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("alexnet.pth"))
    said = refusal(tmp_path, out.getvalue())
    assert "a tar archive without the member storages" in said
    assert "Unpack it" in said


def test_one_long_list_does_not_fill_many_dicts():
    pair = b"](" + crafted.text("a") + b"K\x01e"
    body = b"](" + pair + b"eq\x00"
    twice = b"ccollections\nOrderedDict\n" + body + b"\x85R"
    again = b"ccollections\nOrderedDict\nh\x00\x85R"
    nothing = (lambda *_: None,) * 2
    assert pickles.read(crafted.program(twice + again + b"\x86"), *nothing) == ({"a": 1}, {})


# sizes that are not true


@pytest.mark.parametrize("count", [0, 5, 7, -1, 2**40, 2**62])
def test_a_storage_of_another_size_is_refused(tmp_path, count):
    assert "storage 0 should hold 6 x 4 bytes" in refusal(tmp_path, good(counts=[count, 2]))


@pytest.mark.parametrize("count", [7, 10**9, 2**62, 1 << 2000, -1])
def test_what_a_tensor_says_of_its_storage_takes_no_memory(tmp_path, count):
    made = crafted.weights(w=crafted.tensor("0", count, (2, 3)))
    tracemalloc.start()
    try:
        said = refusal(tmp_path, good(made, [WEIGHT], counts=[min(count, 2**62)]))
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()
    assert "storage 0 should hold" in said


@pytest.mark.parametrize("keys", [[], ["0"], ["0", "0"], ["0", "1", "1"], ["0", "2"], ["0", 1], 5])
def test_the_storages_that_follow_are_those_of_the_tensors(tmp_path, keys):
    assert "its tensors lie in the storages" in refusal(tmp_path, good(keys=keys))


def test_storages_come_in_the_order_of_the_list(tmp_path):
    found = read(write(tmp_path, good(storages=(BIAS, WEIGHT), keys=["1", "0"]))).arrays
    np.testing.assert_array_equal(found["w"], WEIGHT)
    np.testing.assert_array_equal(found["b"], BIAS)


@pytest.mark.parametrize("other", [("0", 6, (2,), None, 0, "f8"), ("0", 5, (2,))])
def test_a_storage_of_two_kinds_is_refused(tmp_path, other):
    made = crafted.weights(w=WHOLE["w"], b=crafted.tensor(*other))
    assert "and then again" in refusal(tmp_path, good(made, [WEIGHT]))


@pytest.mark.parametrize("key", ["../../etc/passwd", "", "a b"])
def test_a_storage_with_an_odd_name_is_refused(tmp_path, key):
    made = crafted.weights(w=crafted.tensor(key, 6, (2, 3)))
    assert "calls a storage" in refusal(tmp_path, good(made, [WEIGHT], keys=[key]))


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((7,), (1,), 0),
        ((6,), (1,), 1),
        ((1000, 1000), (0, 0), 0),
        ((2,), (-1,), 5),
        ((2**62,), (1,), 0),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(tmp_path, size, stride, offset):
    made = crafted.weights(w=crafted.tensor("0", 6, size, stride, offset))
    said = refusal(tmp_path, good(made, [WEIGHT]))
    assert any(why in said for why in ("cannot be", "not lie in", "show 4,000,000 bytes of 24"))


@pytest.mark.parametrize(("offset", "size"), [(4, 3), (-1, 3), (7, 0), (0, 2**62)])
def test_a_view_beyond_its_storage_is_refused(tmp_path, offset, size):
    assert "a view of" in refusal(tmp_path, with_a_view(offset=offset, size=size))


def test_what_is_nested_deeply_is_refused_in_a_short_sentence(tmp_path):
    deep = b"N" + b"\x85" * 100_000
    storage = b"(" + crafted.text("storage") + b"ctorch\nFloatStorage\n"
    for body, said in {
        storage + deep + b"NK\x01NtQ": "calls a storage",  # before it is hashed
        storage + crafted.text("0") + b"N" + deep + b"NtQ": "storage 0 should hold",
        b"ccollections\nOrderedDict\n" + deep + b"R": "not needed here",
    }.items():
        assert said in refusal(tmp_path, good(crafted.program(body)))
    for place in ("magic", "format", "machine", "keys"):
        data = good(**{place: "HERE"})
        refusal(tmp_path, data.replace(crafted.text("HERE"), deep))


def test_a_pickle_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "LARGEST", 100)
    assert "pickle" in refusal(tmp_path, good())


# damage


def test_every_truncation_is_noticed_and_every_addition(tmp_path):
    whole = good()
    for keep in range(16, len(whole)):
        refusal(tmp_path, whole[:keep])
    assert "1 bytes at its end" in refusal(tmp_path, whole + b"\0")
    assert "incomplete" in refusal(tmp_path, whole[:-1])


def test_every_truncation_of_what_pytorch_wrote_is_noticed(tmp_path):
    whole = FILE.read_bytes()
    for keep in range(0, len(whole), 3):
        refusal(tmp_path, whole[:keep])


def test_a_flipped_bit_is_noticed_or_changes_what_it_stands_in(tmp_path):
    whole = good()
    bytes_of_weight = range(
        len(whole) - BIAS.nbytes - 8 - WEIGHT.nbytes, len(whole) - BIAS.nbytes - 8
    )
    for at in range(0, 8 * len(whole), 3):
        data = bytearray(whole)
        data[at // 8] ^= 1 << at % 8
        try:
            found = read(write(tmp_path, bytes(data))).arrays
        except DataError:
            assert at // 8 not in bytes_of_weight
            continue
        if at // 8 in bytes_of_weight:
            assert np.count_nonzero(found["w"].view("u4") ^ WEIGHT.view("u4")) == 1
            np.testing.assert_array_equal(found["b"], BIAS)


HEADER = b"".join(pickle.dumps(part, 2) for part in crafted.HEADER.values())


@given(st.binary(max_size=300))
def test_any_bytes_behind_the_header_are_refused_or_read(tmp_path_factory, data):
    path = write(tmp_path_factory.getbasetemp(), HEADER + data)
    with contextlib.suppress(DataError):
        read(path)
