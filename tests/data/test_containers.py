"""Containers of CIFAR-10 and MNIST: the same images in the same order, whatever holds them."""

import gzip
import hashlib
import io
import sys

import numpy as np
import pytest

from support import containers
from tinynet.core import mat_file
from tinynet.core.errors import DataError
from tinynet.data import CIFAR10, MNIST, catalog, cifar10_versions, mnist
from tinynet.data.cifar10_versions import BINARY, MATLAB, PYTHON
from tinynet.data.download import Source
from tinynet.training.input_pipeline import fingerprint

RECORDS = 12
COUNTS = {"train": 30, "test": 10}


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


class Cifar:
    """Six batches of 12 images, and the files of every version."""

    def __init__(self, root, monkeypatch):
        rng = np.random.default_rng(0)
        self.root = root
        self.monkeypatch = monkeypatch
        self.data = rng.integers(0, 256, (6, RECORDS, 3072), dtype=np.uint8)
        self.labels = rng.integers(0, 10, (6, RECORDS), dtype=np.uint8)

    def files(self, version, encode):
        stems = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5")
        names = [f"{stem}{version.ending}" for stem in (*stems, "test_batch")]
        return {n: encode(self.data[i], self.labels[i]) for i, n in enumerate(names)}

    def unpack(self, version, encode, folder):
        for name, content in self.files(version, encode).items():
            put(self.root / folder / name, content)

    def pack(self, version, encode, name):
        files = self.files(version, encode).items()
        content = containers.tar_gz([(f"{version.folders[0]}/{n}", data) for n, data in files])
        put(self.root / name, content)
        md5 = hashlib.md5(content).hexdigest()
        source = Source(version.archive.name, len(content), md5, ())
        self.monkeypatch.setattr(version, "archive", source)

    def parquet(self, folder, column="img", files=1):
        images = self.data.reshape(6, RECORDS, 3, 32, 32)
        train = images[:5].reshape(-1, 3, 32, 32)
        labels = self.labels[:5].reshape(-1)
        containers.write_parquet(self.root / folder, "train", column, train, labels, files)
        containers.write_parquet(self.root / folder, "test", column, images[5], self.labels[5])


def binary(data, labels):
    return np.concatenate([labels[:, None], data], 1).tobytes()


def matlab_unpacked(data, labels):
    return containers.of_matlab(data, labels, packed=False)


PY = containers.of_python_2
SNAPSHOT = "datasets--uoft-cs--cifar10/snapshots/0b2714987fa478483af9968de7c934580d0bb9a2"
CIFAR_CONTAINERS = {
    "binary folder": lambda c: c.unpack(BINARY, binary, "cifar-10-batches-bin"),
    "binary files": lambda c: c.unpack(BINARY, binary, ""),
    "binary archive": lambda c: c.pack(BINARY, binary, "cifar-10-binary.tar.gz"),
    "torchvision, Keras 2": lambda c: c.unpack(PYTHON, PY, "cifar-10-batches-py"),
    "Python files": lambda c: c.unpack(PYTHON, PY, ""),
    "Python files of Python 3": lambda c: c.unpack(PYTHON, containers.of_python_3, ""),
    "Keras 3": lambda c: c.unpack(PYTHON, PY, "cifar-10-batches-py-target/cifar-10-batches-py"),
    "Python archive": lambda c: c.pack(PYTHON, PY, "cifar-10-python.tar.gz"),
    "Keras 2 archive": lambda c: c.pack(PYTHON, PY, "cifar-10-batches-py.tar.gz"),
    "Keras 3 archive": lambda c: c.pack(PYTHON, PY, "cifar-10-batches-py-target_archive"),
    "an archive under another's name": lambda c: c.pack(PYTHON, PY, "cifar-10-binary.tar.gz"),
    "MATLAB folder": lambda c: c.unpack(MATLAB, containers.of_matlab, "cifar-10-batches-mat"),
    "MATLAB files, not packed": lambda c: c.unpack(MATLAB, matlab_unpacked, ""),
    "MATLAB archive": lambda c: c.pack(MATLAB, containers.of_matlab, "cifar-10-matlab.tar.gz"),
    "parquet": lambda c: c.parquet("plain_text"),
    "parquet in two files": lambda c: c.parquet("", "image", files=2),
    "Hugging Face's cache": lambda c: c.parquet("snapshots/0b271498/plain_text"),
}


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10_versions, "RECORDS", RECORDS)
    return Cifar(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", CIFAR_CONTAINERS)
def test_every_container_of_cifar10_has_the_same_fingerprint(cifar, name):
    if "parquet" in name or "Hugging" in name:
        pytest.importorskip("pyarrow")
    CIFAR_CONTAINERS[name](cifar)
    train, test = (CIFAR10(cifar.root, part) for part in (True, False))
    assert train.labels.tolist() == cifar.labels[:5].ravel().tolist()
    assert train.images.tobytes() == cifar.data[:5].tobytes()
    expected = (cifar.data.reshape(-1, 3, 32, 32), cifar.labels.reshape(-1).astype(np.int64))
    same = CIFAR10.__new__(CIFAR10), CIFAR10.__new__(CIFAR10)
    for part, rows in zip(same, (slice(0, 60), slice(60, 72)), strict=True):
        part.images = expected[0][rows]
        part.labels = expected[1][rows]
    assert fingerprint(train, test) == fingerprint(*same)
    (found,) = {catalog.find("cifar10", place) for place in (cifar.root, str(cifar.root))}
    assert len(found) == 1
    assert len(catalog.open_dataset("cifar10", found[0], train=False)) == RECORDS
    said = catalog.verify("cifar10", cifar.root)
    assert said[-1] == "cifar10: 60 train images, 12 test images, labels in 0..9"


# MNIST


def idx(values):
    header = np.array([0x0800 + values.ndim, *values.shape], ">u4").tobytes()
    return header + values.astype(np.uint8).tobytes()


class Digits:
    """30 + 10 digits, in every container."""

    def __init__(self, root):
        rng = np.random.default_rng(1)
        self.root = root
        self.images = {p: rng.integers(0, 256, (n, 28, 28), np.uint8) for p, n in COUNTS.items()}
        self.labels = {p: rng.integers(0, 10, n).astype(np.uint8) for p, n in COUNTS.items()}

    def idx(self, place, packed=False):
        for part, title in (("train", "train"), ("test", "t10k")):
            for values, kind in (
                (self.images[part], "images-idx3-ubyte"),
                (self.labels[part], "labels-idx1-ubyte"),
            ):
                name = f"{title}-{kind}"
                content = idx(values)
                put(self.root / place(name), gzip.compress(content) if packed else content)

    def npz(self, name="mnist.npz"):
        out = io.BytesIO()
        arrays = {f"x_{part}": images for part, images in self.images.items()}
        np.savez_compressed(out, **arrays, **{f"y_{p}": y for p, y in self.labels.items()})
        put(self.root / name, out.getvalue())

    def tables(self, head, ending="\n"):
        for part, images in self.images.items():
            rows = np.column_stack([self.labels[part], images.reshape(len(images), -1)])
            lines = [head, *(",".join(map(str, row)) for row in rows.tolist())]
            put(self.root / f"mnist_{part}.csv", (ending.join(lines) + ending).encode())

    def parquet(self, folder):
        for part, images in self.images.items():
            labels = self.labels[part]
            containers.write_parquet(self.root / folder, part, "image", images[:, None], labels)


def dotted(name):
    return name.replace("-idx", ".idx")


HEAD = ",".join(["label", *(f"{r}x{c}" for r in range(1, 29) for c in range(1, 29))])
MNIST_CONTAINERS = {
    "idx": lambda d: d.idx(lambda n: n),
    "idx.gz": lambda d: d.idx(lambda n: f"{n}.gz", packed=True),
    "torchvision": lambda d: d.idx(lambda n: f"MNIST/raw/{n}"),
    "torchvision, from MNIST": lambda d: d.idx(lambda n: f"raw/{n}.gz", packed=True),
    "with a dot": lambda d: d.idx(dotted),
    "with a dot, gz": lambda d: d.idx(lambda n: f"{dotted(n)}.gz", packed=True),
    "Kaggle's folders": lambda d: d.idx(lambda n: f"{n}/{n}"),
    "Kaggle's folders, dotted inside": lambda d: d.idx(lambda n: f"{n}/{dotted(n)}"),
    "Keras": lambda d: d.npz(),
    "Kaggle's tables": lambda d: d.tables(HEAD),
    "Kaggle's tables, of Windows": lambda d: d.tables(HEAD, "\r\n"),
    "parquet": lambda d: d.parquet("mnist"),
    "Hugging Face's cache": lambda d: d.parquet("snapshots/77f3279092a1c1579b2250db/mnist"),
}


@pytest.fixture
def digits(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "COUNTS", COUNTS)
    return Digits(tmp_path)


@pytest.mark.parametrize("name", MNIST_CONTAINERS)
def test_every_container_of_mnist_has_the_same_fingerprint(digits, name):
    if "parquet" in name or "Hugging" in name:
        pytest.importorskip("pyarrow")
    MNIST_CONTAINERS[name](digits)
    train, test = (MNIST(digits.root, part) for part in (True, False))
    assert train.labels.tolist() == digits.labels["train"].tolist()
    assert train.images.tobytes() == digits.images["train"].tobytes()
    assert test.images.tobytes() == digits.images["test"].tobytes()
    same = MNIST.__new__(MNIST), MNIST.__new__(MNIST)
    for part, title in zip(same, COUNTS, strict=True):
        part.images = digits.images[title][:, None]
        part.labels = digits.labels[title].astype(np.int64)
    assert fingerprint(train, test) == fingerprint(*same)
    assert catalog.find("mnist", digits.root)
    said = catalog.verify("mnist", digits.root)
    assert said[-1] == "mnist: 30 train images, 10 test images, labels in 0..9"


def test_a_file_of_mnist_leads_to_the_others(digits):
    digits.npz("my mnist.npz")
    assert len(MNIST(digits.root / "my mnist.npz")) == 30
    digits.idx(lambda n: n)
    assert len(MNIST(digits.root / "t10k-labels-idx1-ubyte")) == 30


def test_whole_idx_files_are_preferred_and_a_missing_one_is_named(digits):
    digits.idx(lambda n: n)
    (digits.root / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"must hold train-labels-idx1-ubyte\.gz"):
        MNIST(digits.root)
    digits.npz()
    assert len(MNIST(digits.root)) == 30


# what is refused


def test_a_python_call_and_a_command_are_named_and_no_file_is_to_be_removed(cifar, digits):
    for make, name in ((CIFAR10, "cifar10"), (MNIST, "mnist")):
        with pytest.raises(DataError) as error:
            make(cifar.root / "none")
        assert f"`tinynet data get {name} --data-dir {cifar.root}/none`" in str(error.value)
        assert f"tn.data.{make.__name__}('{cifar.root}/none', download=True)" in str(error.value)
        with pytest.raises(DataError, match=rf"tn\.data\.{make.__name__}\(download=True\)"):
            make()


def test_an_archive_of_another_name_is_not_to_be_fetched_over(cifar):
    put(cifar.root / "mine.tar.gz", b"something")
    with pytest.raises(DataError) as error:
        CIFAR10(cifar.root / "mine.tar.gz")
    said = str(error.value)
    assert "If it was packed anew, unpack it, and name the folder" in said
    assert f"--data-dir {cifar.root}`" in said  # the folder, since the file is no place
    assert "emove" not in said


def test_a_file_of_an_unpacked_folder_leads_to_its_folder(cifar):
    cifar.unpack(PYTHON, PY, "mine")
    folder = cifar.root / "mine"
    same = CIFAR10(folder / "data_batch_3")
    np.testing.assert_array_equal(same.images, CIFAR10(folder).images)


def test_an_archive_is_judged_by_its_own_name(cifar):
    put(cifar.root / "cifar-10-python.tar.gz", b"something")
    with pytest.raises(DataError, match="the official archive of the Python version has"):
        CIFAR10(cifar.root / "cifar-10-python.tar.gz")


def test_cifar100_is_called_what_it_is(cifar, monkeypatch):
    from tinynet.data import known_files

    content = b"an archive of CIFAR-100"
    put(cifar.root / "cifar-10-python.tar.gz", content)
    known = known_files.Known("CIFAR-100, Python version", hashlib.md5(content).hexdigest())
    monkeypatch.setattr(known_files, "known_files", lambda: (known,))
    with pytest.raises(
        DataError, match=r"CIFAR-10 is expected\. This is CIFAR-100, Python version"
    ):
        CIFAR10(cifar.root)
    fine = {"data": cifar.data[0], "fine_labels": [1] * 12, "labels": [1] * 12}
    import pickle

    cifar.unpack(PYTHON, lambda *_: pickle.dumps(fine, 4), "py")
    with pytest.raises(DataError, match="this is CIFAR-100, with fine_labels"):
        CIFAR10(cifar.root / "py")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: b.pop("labels"), "has an array data and a list labels"),
        (lambda b: b.update(labels=[10] * 12), r"labels are 0\.\.9. Record 0 .* has label 10"),
        (lambda b: b.update(labels=[-1] * 12), "these are no such numbers"),
        (lambda b: b.update(labels=["1"] * 12), "these are no such numbers"),
        (lambda b: b.update(labels=[1] * 11), r"and 11 labels"),
        (lambda b: b.update(data=b["data"][:, 1:]), r"Found uint8 \(12, 3071\)"),
        (lambda b: b.update(data=b["data"].astype("i1")), r"Found int8 \(12, 3072\)"),
        (lambda b: b.update(data=b["data"].astype("f4")), "at most 43,020 bytes. Found 147,667"),
        (lambda b: b.update(data=str), r"names builtins\.str, which is not a NumPy array"),
    ],
)
def test_a_pickled_batch_of_something_else_is_one_sentence(cifar, change, words):
    import pickle

    batch = {"data": cifar.data[0], "labels": [1] * 12}
    change(batch)
    cifar.unpack(PYTHON, lambda *_: pickle.dumps(batch, 4), "")
    with pytest.raises(DataError, match=words) as error:
        CIFAR10(cifar.root)
    assert "data_batch_1" in str(error.value)
    assert "then fetch the originals: `tinynet data get cifar10" in str(error.value)


def test_fashion_mnist_is_not_taken_for_mnist(digits, monkeypatch):
    from tinynet.data import known_files

    digits.idx(lambda n: f"{n}.gz", packed=True)
    content = (digits.root / "train-labels-idx1-ubyte.gz").read_bytes()
    title = "labels of Fashion-MNIST to train with"
    known = known_files.Known(title, hashlib.md5(content).hexdigest())
    monkeypatch.setattr(known_files, "known_files", lambda: (known,))
    with pytest.raises(DataError, match=f"These are {title}"):
        MNIST(digits.root)


def test_scipy_writes_the_matrices_that_are_read():
    scipy_io = pytest.importorskip("scipy.io")
    values = {
        "data": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "x": np.eye(2),
        "y": np.array([[-5]], np.int16),
        "passed over": "text",
        "cells": np.array(["ab", 1], object),
    }
    for packed in (True, False):
        out = io.BytesIO()
        scipy_io.savemat(out, values, do_compression=packed)
        found = mat_file.read(out.getvalue(), 1 << 20)
        assert set(found) == {"data", "x", "y"}
        for name, matrix in found.items():
            np.testing.assert_array_equal(matrix, values[name])


def test_a_mat_file_of_version_7_3_names_the_way_out():
    with pytest.raises(DataError, match=r"version 7\.3; save it with '-v7'"):
        mat_file.read(b"MATLAB 7.3 MAT-file".ljust(512), 1)


def test_without_pyarrow_the_package_is_named(cifar, monkeypatch):
    pytest.importorskip("pyarrow")
    cifar.parquet("")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"parquet files are read by pyarrow: pip install pyarrow"):
        CIFAR10(cifar.root)
