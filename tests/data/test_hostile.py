"""Hostile and random files in every container: one sentence, in 2 s and 1 GiB, and nothing runs."""

import io
import os
import pickle
import random
import struct
import subprocess
import sys
import time
import zipfile
import zlib

import numpy as np
import pytest

from support import containers
from tinynet.core import mat_file
from tinynet.core.errors import DataError
from tinynet.data import CIFAR10, MNIST, cifar10_versions, label_tables, mnist

RECORDS = 4
MANY = 1_000  # changed files of a format
DATA = np.random.default_rng(0).integers(0, 256, (RECORDS, 3072), dtype=np.uint8)
LABELS = np.arange(RECORDS, dtype=np.uint8)
IMAGES = np.random.default_rng(1).integers(0, 256, (RECORDS, 28, 28), np.uint8)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(cifar10_versions, "RECORDS", RECORDS)
    monkeypatch.setattr(mnist, "COUNTS", {"train": RECORDS, "test": RECORDS})


# valid files, their bytes changed


def npz():
    out = io.BytesIO()
    arrays = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS}
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def table():
    rows = np.column_stack([LABELS, IMAGES.reshape(RECORDS, -1)])
    return "\n".join(",".join(map(str, row)) for row in rows.tolist()).encode()


def parquet(tmp_path):
    containers.write_parquet(tmp_path, "test", "img", DATA.reshape(-1, 3, 32, 32), LABELS)
    return (tmp_path / "test-00000-of-00001.parquet").read_bytes()


def cifar_file(name):
    def read(folder, content):
        (folder / name).write_bytes(content)
        CIFAR10(folder, train=False)

    return read


def mnist_file(name):
    def read(folder, content):
        (folder / name).write_bytes(content)
        MNIST(folder, train=False)

    return read


def read_labels(folder, content):
    (folder / "labels.csv").write_bytes(content)
    label_tables.read(folder / "labels.csv")


FORMATS = {
    "pickle of Python 2": (
        lambda _: containers.of_python_2(DATA, LABELS),
        cifar_file("test_batch"),
    ),
    "pickle of Python 3": (
        lambda _: containers.of_python_3(DATA, LABELS),
        cifar_file("test_batch"),
    ),
    "mat": (lambda _: containers.of_matlab(DATA, LABELS), cifar_file("test_batch.mat")),
    "mat, not packed": (
        lambda _: containers.of_matlab(DATA, LABELS, packed=False),
        cifar_file("test_batch.mat"),
    ),
    "parquet": (parquet, cifar_file("test-00000-of-00001.parquet")),
    "npz": (lambda _: npz(), mnist_file("mnist.npz")),
    "table of digits": (lambda _: table(), mnist_file("mnist_test.csv")),
    "labels": (lambda _: b"id,label,split\n1,cat,train\n2,dog,val\n3,cat,test\n", read_labels),
}


def changed(content, rng):
    """Return the bytes with some of them changed, cut out, doubled or inserted."""
    found = bytearray(content)
    structure = rng.random() < 0.7  # most of the bytes are pixels, so most changes are elsewhere
    for _ in range(rng.randint(1, 4)):
        end = min(len(found), 300) if structure and rng.random() < 0.5 else len(found)
        begin = max(0, len(found) - 600) if structure and end == len(found) else 0
        at = rng.randrange(begin, max(end, begin + 1))
        kind = rng.randrange(5)
        if kind == 0:
            found[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            found[at : at + 4] = rng.choice((b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff\xff\xff\xff"))
        elif kind == 2:
            del found[at : at + rng.randint(1, 40)]
        elif kind == 3:
            found[at:at] = found[at : at + rng.randint(1, 40)]
        else:
            del found[at:]
    return bytes(found)


def try_mutants(tmp_path, name, count, seed=0):
    """Read changed files; return how many were refused."""
    make, read = FORMATS[name]
    content = make(tmp_path)
    read(tmp_path, content)  # the file itself is good
    rng = random.Random(seed)
    said = []
    for number in range(count):
        start = time.process_time()
        try:
            read(tmp_path, changed(content, rng))
        except DataError as error:
            said.append(str(error))
        assert time.process_time() - start < 2, (name, seed, number)
    assert "".join(said).isprintable()
    return len(said)


@pytest.mark.parametrize("name", FORMATS)
def test_a_changed_file_is_read_or_refused(tmp_path, name):
    if name == "parquet":
        pytest.importorskip("pyarrow")
    assert try_mutants(tmp_path, name, 40) > 3


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_many_changed_files_are_read_or_refused(tmp_path, name):
    if name == "parquet":
        pytest.importorskip("pyarrow")
    """The same files in every run; others, and more of them, with HYPOTHESIS_PROFILE=explore."""
    explore = os.environ.get("HYPOTHESIS_PROFILE") == "explore"
    count, seed = (10_000, time.time_ns()) if explore else (MANY, 1)
    assert try_mutants(tmp_path, name, count, seed) > 20


# files made to harm


def refused(tmp_path, read, content, words):
    start = time.monotonic()
    with pytest.raises(DataError, match=words):
        read(tmp_path, content)
    assert time.monotonic() - start < 2


class Evil:
    def __reduce__(self):
        return open, ("touched", "w")


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (lambda: pickle.dumps({"data": Evil()}), "names io.open, which is not a NumPy array"),
        (lambda: pickle.dumps({"data": DATA, "labels": Evil()}, 4), "names io.open"),
        (lambda: b"\x80\x02}q\0(U\x06labels]q\1(h\1eU\x04datah\0u.", "an array data"),  # cycles
        (lambda: b"\x80\x02" + b"]" * 6_500 + b"a" * 6_499 + b".", "is a dict; this pickle is"),
        (lambda: b"\x80\x02" + b"(" * 6_500 + b"t" * 6_499 + b".", "is a dict; this pickle is"),
        (lambda: b"\x80\x02T\xff\xff\xff\x7fxx.", "damaged or incomplete"),
        (lambda: b"\x80\x02}q\0" + b"h\0" * 6_000 + b".", "an array data"),
        (lambda: b"\x80\x02X\xff\xff\xff\xffxx.", "damaged or incomplete"),
    ],
)
def test_a_hostile_pickle_is_refused_and_nothing_runs(tmp_path, monkeypatch, program, words):
    monkeypatch.chdir(tmp_path)
    refused(tmp_path, cifar_file("test_batch"), program(), words)
    assert not (tmp_path / "touched").exists()


def test_hostile_archives_of_digits_are_refused(tmp_path):
    def archive(name, content):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(name, content)
        return out.getvalue()

    read = mnist_file("mnist.npz")
    refused(tmp_path, read, archive("../x_test.npy", b""), "leads out of the archive")
    claims = bytearray(archive("x_test.npy", b""))
    at = claims.index(b"PK\1\2") + 24
    claims[at : at + 4] = struct.pack("<I", 1 << 30)  # its size in the directory
    refused(tmp_path, read, claims, "made to fill the memory")
    out = io.BytesIO()
    np.save(out, np.array([Evil()]), allow_pickle=True)
    refused(tmp_path, read, archive("x_test.npy", out.getvalue()), "Objects are pickles")


def test_hostile_matrices_are_refused():
    head = containers.of_matlab(DATA, LABELS)[:128]

    def refuse(body, words):
        start = time.monotonic()
        with pytest.raises(DataError, match=words):
            mat_file.read(head + body, 1 << 20)
        assert time.monotonic() - start < 2

    def packed(body):
        return struct.pack("<II", 15, len(body)) + body

    refuse(packed(zlib.compress(bytes(3 << 20))), "too many for this file")
    refuse(packed(zlib.compress(bytes(1 << 19))) * 4, "too many for this file")
    refuse(struct.pack("<II", 14, 0xFFFFFFF0), "an element claims")
    refuse(containers.element(1, b"") * 2_000, "more than 1000 matrices")
    huge = containers.matrix("data", DATA).replace(
        struct.pack("<ii", *DATA.shape), struct.pack("<ii", 1 << 30, 1 << 30)
    )
    refuse(huge, "should hold")


def test_hostile_parquet_is_refused(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as writer

    read = cifar_file("test-00000-of-00001.parquet")

    def file(columns, **how):
        out = io.BytesIO()
        writer.write_table(pa.table(columns), out, **how)
        return out.getvalue()

    one = pa.array([bytes(1000)])
    label = pa.array([1])
    refused(tmp_path, read, file({"picture": one, "label": label}), "columns must be img or image")
    refused(tmp_path, read, file({"img": one, "label": pa.array(["x"])}), "an encoded image and")
    refused(tmp_path, read, file({"img": one, "label": label}), "no image of 32x32 pixels")
    refused(tmp_path, read, file({"img": one, "label": label}, compression="zstd"), "by ZSTD")
    many = {"img": pa.array([b"x"] * 900), "label": pa.array([1] * 900)}
    refused(tmp_path, read, file(many), "claims 900 rows")
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * RECORDS), pa.array([bytes(1 << 20)]))
    large = {"img": repeated, "label": pa.array([1] * RECORDS)}
    refused(tmp_path, read, file(large, store_schema=False), r"of 1,0\d\d,\d\d\d bytes")


MEASURED = """
import resource, sys
from pathlib import Path
import tinynet.data as data
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    (data.CIFAR10 if sys.argv[1] == "cifar10" else data.MNIST)(Path(sys.argv[2]), train=False)
except data.catalog.DataError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, "KiB", error)
"""


@pytest.mark.slow
def test_full_size_bombs_stay_in_a_gibibyte(tmp_path):
    """At the real sizes: a pickle of many instructions, and a .mat that unpacks to 27 GB."""
    packed = zlib.compress(bytes(30 << 20))
    element = struct.pack("<II", 15, len(packed)) + packed
    bombs = {
        "test_batch": b"\x80\x02" + b"}" * 31_000_000,
        "test_batch.mat": containers.of_matlab(DATA, LABELS)[:128] + element * 900,
    }
    for name, content in bombs.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_bytes(content)
        command = [sys.executable, "-c", MEASURED, "cifar10", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout, name
        assert int(done.stdout.split()[0]) < 1 << 20
