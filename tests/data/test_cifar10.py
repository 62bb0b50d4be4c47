import tarfile

import numpy as np
import pytest

from tinynet.core.errors import DataError
from tinynet.data import CIFAR10
from tinynet.data.cifar10_versions import BINARY


def expected(cifar, names):
    rows = np.frombuffer(b"".join(cifar.batches[n] for n in names), np.uint8).reshape(-1, 3073)
    return rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0]


def same(dataset, cifar, names):
    images, labels = expected(cifar, names)
    return np.array_equal(dataset.images, images) and np.array_equal(dataset.labels, labels)


def test_a_real_size_batch_is_read_record_by_record(tmp_path):
    rows = np.zeros((10_000, 3073), np.uint8)
    rows[:, 0] = np.arange(10_000) % 10
    rows[7, 1 + 1024 + 32 * 2 + 5] = 200  # green, row 2, column 5
    (tmp_path / "test_batch.bin").write_bytes(rows.tobytes())
    test = CIFAR10(tmp_path, train=False)
    assert test.images.shape == (10_000, 3, 32, 32)
    assert test.images.dtype == np.uint8
    assert test.labels.dtype == np.int64
    assert test.labels[:11].tolist() == [*range(10), 0]
    assert np.argwhere(test.images).tolist() == [[7, 1, 2, 5]]
    assert test.images.flags.c_contiguous
    assert test.images.flags.writeable
    assert len(test) == 10_000
    assert test.classes[3] == "cat"


@pytest.mark.parametrize("train", [True, False])
def test_folder_parent_archive_and_its_folder_give_the_same_pictures(cifar, train):
    names = BINARY.train if train else BINARY.test
    folder = cifar.unpack(cifar.root / "unpacked" / "cifar-10-batches-bin")
    archive = cifar.pack()
    for root in (folder, folder.parent, archive, archive.parent, str(archive)):
        assert same(CIFAR10(root, train), cifar, names)


def test_an_archive_is_read_where_the_folder_has_a_file_missing(cifar):
    folder = cifar.unpack(cifar.root / BINARY.folders[0])
    (folder / "data_batch_3.bin").unlink()
    with pytest.raises(DataError, match=r"data_batch_3\.bin.*missing\. .*then fetch"):
        CIFAR10(cifar.root)
    cifar.pack()
    assert same(CIFAR10(cifar.root), cifar, BINARY.train)


def test_the_order_of_the_archive_does_not_matter(cifar):
    members = [(f"cifar-10-batches-bin/{n}", cifar.batches[n]) for n in sorted(cifar.batches)[::-1]]
    cifar.pack([("cifar-10-batches-bin/readme.html", b"<html>"), *members])
    assert same(CIFAR10(cifar.root), cifar, BINARY.train)


def test_reading_an_archive_writes_nothing_to_disk(cifar):
    link = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
    link.type = tarfile.SYMTYPE
    link.linkname = "/etc/passwd"
    escape = tarfile.TarInfo("../escaped.bin")
    members = [(f"/abs/{n}", data) for n, data in cifar.batches.items()]
    cifar.pack([link, escape, *members])
    before = sorted(cifar.root.rglob("*"))
    assert same(CIFAR10(cifar.root), cifar, BINARY.train)
    assert sorted(cifar.root.rglob("*")) == before
    assert not (cifar.root.parent / "escaped.bin").exists()


def test_the_default_root_is_the_environments(cifar, monkeypatch):
    cifar.unpack()
    monkeypatch.setenv("TINYNET_DATA", str(cifar.root))
    assert same(CIFAR10(train=False), cifar, BINARY.test)


def test_no_data_set_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="tinynet data get cifar10") as error:
        CIFAR10(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "cifar-10-binary.tar.gz" in str(error.value)


def test_nothing_in_the_data_package_imports_pickle():
    from pathlib import Path

    import tinynet.data

    for path in Path(tinynet.data.__file__).parent.glob("*.py"):
        assert "import pickle" not in path.read_text(encoding="utf-8")
        assert "allow_pickle" not in path.read_text(encoding="utf-8")
