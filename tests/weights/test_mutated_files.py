"""A fuzzer of each format: valid files with some bytes changed are read, or refused in a sentence.

The files depend on their number alone, so every run has the same ones. With
HYPOTHESIS_PROFILE=explore each run has others.
"""

import contextlib
import os
import time
from pathlib import Path

import numpy as np
import pytest

from tinynet.core.errors import DataError
from weights.good_files import good_files, more_files

FILES = {**good_files(), **more_files()}
HDF5 = {"h5", "weights.h5", "keras", "config.keras"}
FEW = 25
MANY = 1_500  # files of a format; with those of data (tests/data/test_hostile.py) a minute
PROCESSES = (2, 10)  # the same where each file takes a process, see `hdf5_trial`
SECONDS = 2  # of the processor, for a file
MEMORY = 1 << 30  # bytes, for a file
NUMBERS = (b"\xff" * 4, bytes(4), b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xff" * 8)


def mutated(whole, rng):
    """Return a file with a few bits, numbers or pieces changed."""
    data = bytearray(whole)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(data)))
        kind = rng.integers(5)
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            number = NUMBERS[rng.integers(len(NUMBERS))]
            data[at : at + len(number)] = number
        elif kind == 2:
            del data[at : at + int(rng.integers(1, 9))]
        elif kind == 3:
            data[at] = rng.integers(256)
        else:
            data[at:at] = data[at : at + 16]
        data = data or bytearray(1)
    return bytes(data)


@contextlib.contextmanager
def memory(more):
    """Let this process ask for no more than so many bytes beside those that it has."""
    resource = pytest.importorskip("resource", reason="limits of memory are those of POSIX")
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = Path("/proc/self/statm")
    if pages.exists():
        now = int(pages.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def fuzz(folder, suffix, numbers, seed=0):
    """Read changed files; return how many were refused."""
    good = FILES[suffix]
    path = folder / f"net.{suffix}"
    said = []
    with memory(MEMORY):
        for number in numbers:
            rng = np.random.default_rng((seed, number))
            path.write_bytes(good.pack(mutated(good.inside, rng)))
            start = time.process_time()
            try:
                good.read(path)
            except DataError as error:
                said.append(str(error))
            except Exception as error:
                error.add_note(f"{suffix}: seed {seed}, file {number}")
                raise
            assert time.process_time() - start < SECONDS, (suffix, seed, number)
    for sentence in said:
        assert sentence.startswith(str(path))
        assert sentence.isprintable()
    return len(said)


def counts(suffix):
    return PROCESSES if suffix in HDF5 else (FEW, MANY)


@pytest.mark.parametrize("suffix", FILES)
def test_some_changed_files_are_read_or_refused(tmp_path, suffix):
    few, _ = counts(suffix)
    assert fuzz(tmp_path, suffix, range(few)) > few // 5


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FILES)
def test_many_changed_files_are_read_or_refused(tmp_path, suffix):
    """A minute for all formats."""
    few, many = counts(suffix)
    seed = int(time.time()) if os.environ.get("HYPOTHESIS_PROFILE") == "explore" else 0
    assert fuzz(tmp_path, suffix, range(few, few + many), seed) > many // 5
