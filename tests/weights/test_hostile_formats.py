"""Files of each format that are not what they should be: one sentence, soon, in little memory."""

import contextlib
import io
import os
import pickle
import struct
import sys
import time
import tracemalloc

import numpy as np
import pytest

from tinynet.core import archives, mat_file
from tinynet.core.errors import DataError
from tinynet.weights import keras_file, protobuf, read, tar_file
from weights import crafted
from weights import crafted_formats as made
from weights.good_files import WEIGHT, good_files, onnx_of

LIMIT = 64 << 20  # bytes that a refusal may take here


GOOD = {suffix: good.pack(good.inside) for suffix, good in good_files().items()}


def refusal(folder, data, name="net.bin"):
    """Return the sentence that refuses a file, which comes within two seconds of processor time."""
    path = folder / name
    path.write_bytes(data)
    start = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as error:
            read(path)
        assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < 10  # tracemalloc takes most of it
    said = str(error.value)
    assert str(path) in said
    assert said.isprintable()
    assert len(said) < 700
    return said


@pytest.mark.parametrize("suffix", GOOD)
def test_the_files_are_good_before_they_are_made_wrong(tmp_path, suffix):
    path = tmp_path / "net.bin"
    path.write_bytes(GOOD[suffix])
    sizes = [a.size for a in read(path).arrays.values()]
    assert sizes in ([24, 2], [24])


@pytest.mark.parametrize("suffix", GOOD)
def test_a_truncated_file_is_refused_or_a_part_of_it_read(tmp_path, suffix):
    path = tmp_path / "net.bin"
    whole = GOOD[suffix]
    cuts = 4 if suffix.endswith("h5") else 40  # a process of its own reads each file of HDF5
    for keep in range(0, len(whole) - 1, max(1, len(whole) // cuts)):
        path.write_bytes(whole[:keep])
        with contextlib.suppress(DataError):
            read(path)


# protocol buffers


def of_shape(dims, data=b""):
    shape = made.field(7, made.field(1, b"".join(map(made.varint, dims))))
    return made.field(100, made.field(1, "a") + made.field(7, shape + made.field(5, data)))


@pytest.mark.parametrize(
    "dims", [(2**40,), (2**62, 2**62), (-1,), (-1, -1), (7,), (1,) * 100, (0, 2**62)]
)
def test_a_blob_that_claims_another_shape_is_refused(tmp_path, dims):
    assert "a blob should hold" in refusal(tmp_path, of_shape(dims, bytes(24)))
    assert any(w in refusal(tmp_path, onnx_of(dims)) for w in ("should hold", "no array has"))


def test_messages_with_very_many_fields_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(protobuf, "MOST", 5_000)
    many = made.field(1, 5) * (protobuf.MOST + 1)
    for data in (
        made.field(2, many),
        made.field(100, made.field(7, made.field(7, made.field(1, bytes(protobuf.MOST + 1))))),
        made.field(2, made.field(6, b"") * (protobuf.MOST + 1)),
        made.field(7, many),
    ):
        assert "more than 5,000 fields" in refusal(tmp_path, data)
    refusal(tmp_path, many)  # of no format


def test_messages_that_lie_deep_in_each_other_are_not_looked_into(tmp_path):
    deep = b""
    for _ in range(3000):
        deep = made.field(2, deep)
    refusal(tmp_path, deep)


@pytest.mark.parametrize(
    "data",
    [
        made.field(2, b"") + b"\xff" * 11,
        made.field(2, b"") + b"\x13",  # a group, which proto2 once had
        made.field(2, b"") + made.varint(2 << 3 | 2) + made.varint(2**63),
        made.field(2, b"") + b"\x00\x00",
        made.field(100, made.field(7, made.field(5, b"abc"))),
    ],
)
def test_bytes_that_are_no_message_are_refused(tmp_path, data):
    refusal(tmp_path, data)


def test_an_onnx_whose_numbers_lie_elsewhere_is_refused(tmp_path):
    outside = made.field(14, 1) + made.field(13, made.field(1, "location"))
    assert "another file" in refusal(tmp_path, onnx_of(more=outside))
    assert "data type 8" in refusal(tmp_path, onnx_of(kind=8))


def test_a_file_of_nothing_but_a_hole_is_not_read_whole(tmp_path):
    path = tmp_path / "hole"
    for start in (b"", b"\x12\x00", b"\x93NUMPY\x01\0", mat_file.START, b"PK\3\4", b"\x80\2"):
        with open(path, "wb") as file:
            file.write(start)
            file.truncate(40 << 30)
        start_time = time.process_time()
        with pytest.raises(DataError, match="hole: "):
            read(path)
        assert time.process_time() - start_time < 2
    path.unlink()


# .npy


class Evil:
    def __reduce__(self):
        return os.system, ("touch touched",)


def test_an_npy_that_would_run_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for protocol in (3, 4):
        assert "system" in refusal(tmp_path, made.npy_of({"a": Evil()}, protocol))
    assert not (tmp_path / "touched").exists()


def test_an_npy_that_holds_itself_is_refused(tmp_path):
    for thing in (list, dict):
        loop = thing()
        if thing is list:
            loop.append(loop)
        else:
            loop["a"] = loop
        refusal(tmp_path, made.npy_of(loop))
    array = np.empty((), object)
    array[()] = array
    refusal(tmp_path, made.npy_of(array))


def test_one_large_array_under_many_names_is_refused(tmp_path):
    large = np.zeros(1 << 20, np.float32)
    data = made.npy_of({f"a{i}": large for i in range(200)})
    assert "show 838,860,800 bytes" in refusal(tmp_path, data)


def test_a_long_header_is_refused(tmp_path):
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(20_000) + b"\n"
    data = b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header
    assert "header of 20,001 bytes" in refusal(tmp_path, data + pickle.dumps({}))


# .mat


def mat_of_class(kind, dims, *elements):
    parts = [(6, struct.pack("<II", kind, 0)), (5, dims), (1, b"x"), *elements]
    body = b"".join(made.mat_element(*part) for part in parts)
    return made.mat() + made.mat_element(14, body)


def test_a_mat_with_very_many_axes_fields_or_letters_is_not_unpacked(tmp_path):
    one = struct.pack("<II", 1, 1)
    assert "is damaged" in refusal(tmp_path, mat_of_class(6, one * (1 << 20), (9, bytes(8))))
    names = (5, struct.pack("<I", 1)), (1, b"a" * (1 << 22))
    assert "more than 1,000 fields" in refusal(tmp_path, mat_of_class(2, one, *names))
    letters = (16, b"a" * (mat_file.LONGEST_TEXT + 1))
    assert mat_file.read_nested(mat_of_class(4, one, letters), 1 << 30) == {}


def test_a_mat_that_swells_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGE", 1 << 20)
    bomb = made.mat(True, a=np.zeros((1, 1 << 20)))
    assert "too many for this file" in refusal(tmp_path, bomb)


def test_cells_that_lie_deep_in_each_other_are_refused(tmp_path):
    cell = [np.ones((1, 1))]
    for _ in range(50):
        cell = [cell]
    assert "deep in each other" in refusal(tmp_path, made.mat(a=cell))


@pytest.mark.parametrize("shape", [(2**31 - 1, 2**31 - 1), (-1, -1), (5, 5), (1,) * 70])
def test_a_variable_of_another_size_is_refused(tmp_path, shape):
    whole = made.mat(False, a=np.ones((2, 3)))
    body = made.mat_element(6, struct.pack("<II", 6, 0))
    body += made.mat_element(5, np.array(shape, "<i4").tobytes()) + made.mat_element(1, b"a")
    body += made.mat_element(9, bytes(48))
    refusal(tmp_path, whole[:128] + made.mat_element(14, body))


def test_very_many_elements_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mat_file, "NESTED", 500)
    one = np.ones((1, 1))
    assert "more than 500 matrices" in refusal(tmp_path, made.mat(a=[one] * 501))
    many = {f"a{i}": one for i in range(mat_file.ELEMENTS + 1)}
    assert "more than 1000 matrices" in refusal(tmp_path, made.mat(False, **many))


def test_a_mat_of_version_7_3_says_how_to_save_it(tmp_path):
    start = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    whole = start.ljust(512, b"\0") + keras_file.SIGNATURE + bytes(100)
    assert "save it with '-v7' in MATLAB" in refusal(tmp_path, whole)


# HDF5


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py", reason="h5py is not installed")


def an_h5(h5py, fill):
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        fill(file.create_group("layers/dense/vars"), file)
    return out.getvalue()


def test_links_to_other_files_are_refused(tmp_path, h5py):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = np.arange(4.0)
    outside = h5py.ExternalLink(str(tmp_path / "secret.h5"), "data")
    for link in (outside, h5py.SoftLink("/layers")):
        data = an_h5(h5py, lambda group, _, link=link: group.__setitem__("0", link))
        assert "is a link" in refusal(tmp_path, data)


def test_arrays_that_lie_in_other_files_are_refused(tmp_path, h5py):
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(32))

    def external(group, _):
        group.create_dataset("0", (4,), "f8", external=[(str(raw), 0, 32)])

    def virtual(group, _):
        layout = h5py.VirtualLayout((4,), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "data", (4,))
        group.create_virtual_dataset("0", layout)

    for fill in (external, virtual):
        assert "another file" in refusal(tmp_path, an_h5(h5py, fill))


def test_an_h5_that_swells_or_claims_much_is_refused(tmp_path, h5py):
    for shape in ((1 << 40,), (1 << 20, 1 << 20)):
        chunks = tuple(min(n, 1024) for n in shape)
        data = an_h5(h5py, lambda g, _, s=shape, c=chunks: g.create_dataset("0", s, "f4", chunks=c))
        assert "made to fill the memory" in refusal(tmp_path, data)


def test_a_chunk_that_is_larger_than_its_array_counts_as_a_whole(tmp_path, h5py):
    how = {"maxshape": (None,), "chunks": (1 << 27,), "compression": "gzip"}
    data = an_h5(h5py, lambda group, _: group.create_dataset("0", (1,), "f4", **how))
    assert "made to fill the memory" in refusal(tmp_path, data)


def test_groups_that_hold_each_other_are_refused(tmp_path, h5py):
    def loop(_, file):
        for key in "abcdefgh":
            file[f"layers/dense/layers/{key}"] = file["layers/dense"]

    said = refusal(tmp_path, an_h5(h5py, loop))
    assert "deep" in said or "more than 20,000" in said


def test_text_and_other_hdf5_files_are_refused(tmp_path, h5py):
    data = an_h5(h5py, lambda group, _: group.create_dataset("0", data="text"))
    assert "no array of numbers" in refusal(tmp_path, data)
    assert "not one of Keras" in refusal(tmp_path, an_h5(h5py, lambda *_: None))


def test_a_config_without_an_end_is_refused(tmp_path, h5py):
    members = [("config.json", b"[" * 100_000), ("model.weights.h5", GOOD["weights.h5"])]
    refusal(tmp_path, crafted.archive(members))


def test_a_missing_h5py_is_said_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert "pip install h5py" in refusal(tmp_path, keras_file.SIGNATURE + bytes(100))


# tar


def test_a_tar_of_other_things_and_with_odd_members_is_refused(tmp_path):
    members = {"storages": b"", "tensors": b"", "pickle": b""}
    refusal(tmp_path, made.tar(members))
    refusal(tmp_path, made.tar({**members, "storages": pickle.dumps(10**9, 2)}))
    refusal(tmp_path, made.tar({**members, "storages": pickle.dumps(tar_file.MOST + 1, 2)}))
    refusal(tmp_path, made.tar({**members, "storages": pickle.dumps(-1, 2)}))
    assert "without the member" in refusal(tmp_path, made.tar({"../../evil": b"x"}))
    assert "system" in refusal(tmp_path, made.tar_of({}, pickle.dumps(Evil(), 2)))


@pytest.mark.parametrize("elements", [-1, 1 << 20, 1 << 50, (1 << 63) - 1])
def test_a_storage_in_a_tar_that_claims_other_bytes_is_refused(tmp_path, elements):
    good = made.tar_of({"w": WEIGHT})
    claimed = struct.pack("<q", WEIGHT.size) + WEIGHT.tobytes()
    assert good.count(claimed) == 1
    bad = good.replace(claimed, struct.pack("<q", elements) + WEIGHT.tobytes())
    assert "damaged or incomplete: storage 0" in refusal(tmp_path, bad)


def test_a_pickle_in_a_tar_is_read_to_its_end_and_no_further(tmp_path):
    """Else many small storages would be read very many times."""

    class Counted(io.BytesIO):
        bytes = 0

        def read(self, size=-1):
            found = super().read(size)
            self.bytes += len(found)
            return found

    first = pickle.dumps({"a": 1}, 2)
    file = Counted(first + bytes(1 << 20))
    assert tar_file._next(file)["a"] == 1
    assert file.tell() == len(first)
    assert file.bytes <= len(first)
