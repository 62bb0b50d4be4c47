"""The trial of an HDF5 file: what the library does not survive is refused, soon, in a sentence."""

import sys

import pytest

from tinynet.core.errors import DataError
from tinynet.weights import hdf5_trial, read
from weights import crafted_formats as made
from weights.good_files import BIAS, WEIGHT, keras_of

pytest.importorskip("h5py", reason="h5py is not installed")
resource = pytest.importorskip("resource", reason="limits are those of POSIX")
HEAP = b"GCOL\x01"  # where the words of attributes lie; its size follows


@pytest.fixture
def endless():
    """A file over which the library (HDF5 2.0) works for hours: a heap claims very many bytes."""
    good = made.h5_of({"conv1": {"kernel": WEIGHT, "bias": BIAS}})
    before, _, after = good.partition(HEAP)
    return before + HEAP + b"\xff" * 4 + after[4:]


def used():
    """Seconds of the processor, of this process and of those that it waited for."""
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return sum(sum(resource.getrusage(kind)[:2]) for kind in kinds)


@pytest.mark.parametrize("pack", [bytes, keras_of])
def test_what_takes_too_long_is_stopped(tmp_path, endless, pack):
    path = tmp_path / "net.h5"
    path.write_bytes(pack(endless))
    before = used()
    with pytest.raises(DataError, match="the HDF5 library takes more than 2 s or 805,306,368 byte"):
        read(path)
    assert used() - before < 1.95


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys; sys.stdout.write('a fact.'); sys.exit(3)", "a fact."),
        ("import sys; sys.exit(4)", "takes more than 2 s or"),
        ("import os; os.kill(os.getpid(), 11)", r"breaks down over it \(exit code -11\)"),
    ],
)
def test_what_the_other_process_meets_is_said(tmp_path, monkeypatch, program, words):
    monkeypatch.setattr(hdf5_trial, "PROGRAM", ("-c", program))
    path = tmp_path / "net.h5"
    path.write_bytes(made.h5_of({}))
    with pytest.raises(DataError, match=rf"net\.h5: .*{words}"):
        read(path)


def test_without_a_second_python_the_file_is_read_alone(tmp_path, monkeypatch):
    path = tmp_path / "net.h5"
    path.write_bytes(made.h5_of({"conv1": {"kernel": WEIGHT, "bias": BIAS}}))
    monkeypatch.setattr(sys, "executable", "/usr/bin/another-program")
    assert len(read(path).arrays) == 2
