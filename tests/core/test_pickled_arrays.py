"""Arrays in pickles: read as Python 2 and 3 wrote them, and nothing else is made or called."""

import pickle
import struct
import subprocess

import numpy as np
import pytest

from tinynet.core.errors import DataError
from tinynet.core.pickled_arrays import MOST, PickledArray, read_arrays

LARGEST = 1 << 20
BYTES = np.arange(24, dtype=np.uint8).reshape(4, 6)


def of_python_2(array, name="numpy.core.multiarray"):
    """Return {"data": array} as cPickle of Python 2 wrote it, with its byte strings."""
    rows, columns = array.shape
    content = array.tobytes()
    return (
        b"\x80\x02}q\x01U\x04dataq\x02c" + name.encode() + b"\n_reconstruct\nq\x03cnumpy\nndarray\n"
        b"q\x04K\x00\x85q\x05U\x01b\x87Rq\x06(K\x01"
        + b"M"
        + struct.pack("<H", rows)
        + b"M"
        + struct.pack("<H", columns)
        + b"\x86cnumpy\ndtype\nq\x07U\x02u1K\x00K\x01\x87Rq\x08(K\x03U\x01|NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<I", len(content)) + content + b"tbs."
    )


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_an_array_of_python_2_is_read(module):
    found = read_arrays(of_python_2(BYTES, module), LARGEST)
    np.testing.assert_array_equal(found["data"].array, BYTES)


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize(
    "array",
    [BYTES, np.asfortranarray(BYTES), np.arange(5, dtype=">i4"), np.eye(2), np.zeros((0, 3), "f4")],
)
def test_an_array_of_python_3_is_read(array, protocol):
    found = read_arrays(pickle.dumps({"a": array, "b": [1, "x"]}, protocol), LARGEST)
    np.testing.assert_array_equal(found["a"].array, array)
    assert found["a"].array.dtype == array.dtype
    assert found["b"] == [1, "x"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.array([{"a": 1}], object), "dtype 'O8'; numbers are read"),
        (np.array(["text"]), "dtype 'U4'; numbers are read"),
        (subprocess.run, "names subprocess.run, which is not a NumPy array; it was not imported"),
        (np.float64(1), "names numpy._core.multiarray.scalar"),
        (np.zeros(1, "M8[s]"), "dtype 'M8'"),
    ],
)
def test_anything_else_is_refused_by_name(value, words):
    with pytest.raises(DataError) as error:
        read_arrays(pickle.dumps({"a": value}, 4), LARGEST)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p[:-9], "damaged or incomplete"),
        (lambda p: p.replace(b"M\x04\x00M", b"M\xff\xffM"), r"an array of (65535, 6) of uint8"),
        (lambda p: p.replace(b"U\x02u1", b"U\x02x9"), "dtype 'x9'"),
        (lambda p: p.replace(b"U\x02u1", b"U\x02f3"), "dtype f3, which is unknown"),
        (lambda p: p.replace(b"U\x01|", b"U\x01?"), "byte order '?'"),
        (lambda p: p[:-2] + b"bs.", "that is no array"),
    ],
)
def test_a_damaged_array_is_one_sentence(change, words):
    with pytest.raises(DataError) as error:
        read_arrays(change(of_python_2(BYTES)), LARGEST)
    assert words in str(error.value)


def test_a_backslash_in_a_name_is_no_warning():
    with pytest.raises(DataError, match=r"torch.l.*x"):
        read_arrays(b"\x80\x02ctorch\\l\nx\n.", LARGEST)


def test_an_array_without_a_state_has_no_contents():
    """A file that uses such an array must be refused by its reader."""
    program = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n\x85R."
    found = read_arrays(program, LARGEST)
    assert isinstance(found, PickledArray)
    assert found.array is None


def test_a_long_program_ends_early():
    with pytest.raises(DataError, match=f"more than {MOST:,} instructions"):
        read_arrays(b"\x80\x02" + b"]" * (MOST + 5), LARGEST)
    with pytest.raises(DataError, match="11 are the limit"):
        read_arrays(b"\x80\x02" + b"]" * 10, 11)
