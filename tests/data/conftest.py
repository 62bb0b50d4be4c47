"""Small data sets in the official formats, good ones, for tests to damage."""

import gzip
import hashlib
import io
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest

from support.image_files import fill
from tinynet.data import cifar10_versions
from tinynet.data.cifar10_versions import BINARY
from tinynet.data.download import Source
from tinynet.data.mnist_files import ARCHIVES

RECORDS = 12


def cifar_batch(number, records=RECORDS):
    """Return the bytes of a batch file whose pictures depend on its number."""
    rows = np.random.default_rng(number).integers(0, 256, (records, 3073), dtype=np.uint8)
    rows[:, 0] %= 10
    return rows.tobytes()


def tar_gz(members):
    """Return a .tar.gz; members: (name, bytes) or a TarInfo."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def source_of(name, content):
    """Return the Source that describes exactly this content."""
    return Source(name, len(content), hashlib.md5(content).hexdigest(), ())


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """CIFAR-10 with 12 records a batch: its six batches, and where to put them."""
    monkeypatch.setattr(cifar10_versions, "RECORDS", RECORDS)
    names = BINARY.train + BINARY.test
    batches = {name: cifar_batch(i) for i, name in enumerate(names)}

    def unpack(folder=tmp_path / "cifar-10-batches-bin"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in batches.items():
            (folder / name).write_bytes(data)
        return folder

    def pack(members=None, official=True):
        if members is None:
            members = [(f"cifar-10-batches-bin/{n}", d) for n, d in batches.items()]
        content = tar_gz(members)
        (tmp_path / BINARY.archive.name).write_bytes(content)
        if official:
            monkeypatch.setattr(BINARY, "archive", source_of(BINARY.archive.name, content))
        return tmp_path / BINARY.archive.name

    return SimpleNamespace(root=tmp_path, batches=batches, unpack=unpack, pack=pack)


def idx(values):
    """Return an idx file of uint8 values of any shape."""
    header = np.array([0x0800 + values.ndim, *values.shape], ">u4").tobytes()
    return header + values.astype(np.uint8).tobytes()


@pytest.fixture(scope="session")
def digits():
    """Images and labels in MNIST's sizes, and the four files that hold them."""
    rng = np.random.default_rng(0)
    files = {}
    arrays = {}
    for part, count in (("train", 60_000), ("t10k", 10_000)):
        images = np.zeros((count, 28, 28), np.uint8)
        images[:, 3, 4:8] = rng.integers(0, 256, (count, 4))
        labels = rng.integers(0, 10, count)
        arrays[part] = images, labels
        files[f"{part}-images-idx3-ubyte"] = idx(images)
        files[f"{part}-labels-idx1-ubyte"] = idx(labels)
    packed = {f"{name}.gz": gzip.compress(data, 1) for name, data in files.items()}
    assert set(packed) == {source.name for source in ARCHIVES}
    return SimpleNamespace(arrays=arrays, files=files, packed=packed)


@pytest.fixture(scope="session")
def two_classes(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    fill(root / "cat", range(40))
    fill(root / "dog", range(100, 140))
    return root
