"""Damaged and foreign files in a data folder: one sentence names the problem, nothing hangs."""

import hashlib
import os

import numpy as np
import pytest

from tinynet.core.errors import DataError
from tinynet.data import CIFAR10, MNIST, catalog, mnist_files
from tinynet.data.cifar10_versions import BINARY
from tinynet.data.download import Source
from tinynet.data.files import default_root, open_regular


def refusal(cifar, name="data_batch_2.bin", data=None):
    """Return what CIFAR10 says about an unpacked folder in which one file holds `data`."""
    folder = cifar.unpack()
    if data is not None:
        (folder / name).write_bytes(data)
    with pytest.raises(DataError) as error:
        CIFAR10(folder)
    assert name in str(error.value)
    assert "tinynet data get cifar10" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["cifar10", "mnist"])
def test_the_way_out_leads_to_the_folder_that_was_named(tmp_path, name):
    folder = tmp_path / "my data"
    with pytest.raises(DataError) as error:
        catalog.open_dataset(name, folder)
    assert f"tinynet data get {name} --data-dir '{folder}'" in str(error.value)


def test_a_truncated_batch_names_the_record(cifar):
    data = cifar.batches["data_batch_2.bin"]
    assert "record 11" in refusal(cifar, data=data[:-1])
    assert "record 4" in refusal(cifar, data=data[: 4 * 3073 + 1])
    assert "0 records" in refusal(cifar, data=b"")


def test_one_record_too_few_or_too_many_is_refused(cifar):
    data = cifar.batches["data_batch_2.bin"]
    assert "11 records" in refusal(cifar, data=data[:-3073])
    assert "13 records" in refusal(cifar, data=data + data[:3073])
    assert "12 records and 1 bytes" in refusal(cifar, data=data + b"\0")


@pytest.mark.parametrize("label", [10, 255])
def test_a_wrong_label_names_file_and_record(cifar, label):
    data = bytearray(cifar.batches["data_batch_2.bin"])
    data[5 * 3073] = label
    said = refusal(cifar, data=bytes(data))
    assert "Record 5 " in said
    assert f"label {label}" in said
    assert "1 of 12" in said


def test_a_file_of_cifar100_is_recognised(cifar):
    assert "CIFAR-100" in refusal(cifar, data=bytes(3074 * 12))


def test_a_file_of_cifar100_cut_to_size_has_wrong_labels(cifar):
    rows = np.random.default_rng(0).integers(20, 256, (12, 3074), dtype=np.uint8)
    assert "labels are 0..9" in refusal(cifar, data=rows.tobytes()[: 12 * 3073])


def test_a_missing_batch_is_named(cifar):
    folder = cifar.unpack()
    (folder / "data_batch_4.bin").unlink()
    with pytest.raises(DataError, match=r"data_batch_4.bin.*missing"):
        CIFAR10(folder)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(DataError) as error:
        open_regular(tmp_path / "a.pth")
    assert str(error.value) == f"{tmp_path / 'a.pth'}: there is no file of this name."


def test_a_huge_file_is_refused_without_reading_it(cifar):
    folder = cifar.unpack()
    with open(folder / "data_batch_2.bin", "r+b") as file:
        file.truncate(1 << 40)  # a hole: no disk space is used
    with pytest.raises(DataError, match=f"{1 << 40:,} bytes"):
        CIFAR10(folder)


def test_a_folder_in_the_place_of_a_file_is_refused(cifar):
    folder = cifar.unpack()
    (folder / "data_batch_2.bin").unlink()
    (folder / "data_batch_2.bin").mkdir()
    with pytest.raises(DataError, match=r"data_batch_2.bin.*a folder"):
        CIFAR10(folder)


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        (CIFAR10, "data_batch_1.bin"),
        (CIFAR10, "cifar-10-binary.tar.gz"),
        (MNIST, "train-images-idx3-ubyte"),
        (MNIST, "train-labels-idx1-ubyte.gz"),
    ],
)
def test_a_pipe_is_refused_at_once(tmp_path, digits, dataset, name):
    for other, data in digits.packed.items():
        if other != name:
            (tmp_path / other).write_bytes(data)
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match=rf"{name}.*a pipe"):
        dataset(tmp_path)


def test_a_device_is_refused():
    with pytest.raises(DataError, match=r"/dev/zero.*a device"):
        CIFAR10("/dev/zero")


@pytest.mark.parametrize("call", ["open", "stat"])
def test_no_permission_is_said_and_names_the_file(cifar, monkeypatch, call):
    folder = cifar.unpack()
    real = getattr(os, call)

    def forbid(path, *args, **kwargs):
        if str(path).endswith("data_batch_3.bin"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, call, forbid)
    with pytest.raises(DataError, match=r"data_batch_3.bin.*Permission denied.*chmod"):
        CIFAR10(folder)


def test_a_failing_disk_is_said_and_names_the_file(tmp_path, monkeypatch):
    class Broken:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            self.file.close()

        def fileno(self):
            return self.file.fileno()

        def read(self, size):
            raise OSError(5, "Input/output error")

    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(mnist_files, "open_regular", lambda path: Broken(open_regular(path)))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.*Input/output error"):
        MNIST(tmp_path)


# archives


@pytest.mark.parametrize("change", ["shorter", "longer", "one bit"])
def test_an_archive_with_a_wrong_checksum_is_refused(cifar, change):
    path = cifar.pack()
    data = bytearray(path.read_bytes())
    if change == "one bit":
        data[len(data) // 2] ^= 1
    path.write_bytes({"shorter": data[:-1], "longer": data + b"\0", "one bit": data}[change])
    with pytest.raises(DataError, match="the official archive of the binary version has") as error:
        CIFAR10(cifar.root)
    assert str(path) in str(error.value)
    assert ("md5" if change == "one bit" else f"has {path.stat().st_size:,} bytes") in str(
        error.value
    )


def test_an_archive_that_was_packed_anew_is_refused(cifar):
    cifar.pack(official=False)
    with pytest.raises(DataError, match="170,052,171 bytes"):
        CIFAR10(cifar.root)


def test_a_batch_missing_in_an_archive_is_named(cifar):
    cifar.pack([(f"x/{n}", d) for n, d in cifar.batches.items() if n != "data_batch_3.bin"])
    with pytest.raises(DataError, match=r"must hold the file data_batch_3.bin"):
        CIFAR10(cifar.root)


def test_a_batch_of_a_wrong_size_in_an_archive_is_named(cifar):
    members = {**cifar.batches, "data_batch_3.bin": bytes(40 * 3073)}
    cifar.pack([(f"x/{n}", d) for n, d in members.items()])
    with pytest.raises(DataError, match=r"tar.gz: data_batch_3.bin.*40 records"):
        CIFAR10(cifar.root)


@pytest.mark.parametrize("content", [b"", b"<html>403</html>", b"\x1f\x8b\x08" + bytes(40)])
def test_an_archive_that_is_none_is_refused(cifar, monkeypatch, content):
    path = cifar.root / BINARY.archive.name
    path.write_bytes(content)
    md5 = hashlib.md5(content).hexdigest()  # right, unlike the contents
    monkeypatch.setattr(BINARY, "archive", Source(path.name, len(content), md5, ()))
    with pytest.raises(DataError, match="cannot be unpacked"):
        CIFAR10(cifar.root)


# by name


def test_the_catalogue_says_what_each_data_set_costs():
    sizes = {entry.name: entry.size for entry in catalog.catalogue()}
    assert sizes == {
        "shapes": 0,
        "cifar10": 170_052_171,
        "mnist": 11_594_722,
        "imagenette": 341_663_724,
        "imagenette-160": 99_003_388,
    }


def test_an_unknown_name_is_refused_with_the_known_ones():
    for call in (catalog.open_dataset, catalog.get, catalog.verify, catalog.find):
        with pytest.raises(DataError, match=r"'cifar'.*shapes, cifar10, mnist"):
            call("cifar")


def test_a_folder_without_a_path_is_refused():
    with pytest.raises(DataError, match="folder: needs a path"):
        catalog.open_dataset("folder:")


def test_verify_says_what_is_there_and_what_is_not_known(cifar, monkeypatch):
    folder = cifar.unpack(cifar.root / "a")
    assert "not compared" in catalog.verify("cifar10", folder)[0]
    cifar.pack()
    entry = catalog.Entry("cifar10", "", (BINARY.archive,))
    monkeypatch.setattr(catalog, "ENTRIES", (entry, *catalog.ENTRIES))
    said = catalog.verify("cifar10", cifar.root)
    assert "the original archive" in said[0]
    assert "60 train images, 12 test images" in said[1]
    assert "3,000 train images" in catalog.verify("shapes")[0]


def test_verify_finds_what_is_wrong(cifar):
    folder = cifar.unpack()
    (folder / "test_batch.bin").write_bytes(b"")
    with pytest.raises(DataError, match="test_batch"):
        catalog.verify("cifar10", cifar.root)


def test_find_lists_the_files_only_if_all_are_there(cifar, tmp_path, digits):
    assert catalog.find("cifar10", tmp_path / "none") == ()
    folder = cifar.unpack()
    assert catalog.find("cifar10", cifar.root) == (folder,)
    for name, data in digits.packed.items():
        assert catalog.find("mnist", tmp_path) == ()
        (tmp_path / name).write_bytes(data)
    assert len(catalog.find("mnist", tmp_path)) == 4


def test_open_dataset_opens_each_by_name(cifar, tmp_path, digits):
    cifar.unpack()
    for name, data in digits.packed.items():
        (tmp_path / name).write_bytes(data)
    assert len(catalog.open_dataset("cifar10", tmp_path, train=False)) == 12
    assert len(catalog.open_dataset("mnist", tmp_path, train=False)) == 10_000
    one, other = (catalog.open_dataset("shapes", train=False, seed=seed) for seed in (1, 2))
    assert not np.array_equal(one.images, other.images)


@pytest.mark.parametrize(
    ("environment", "root"),
    [
        ({"TINYNET_DATA": "/a"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/tinynet/data"),
        ({"HOME": "/c"}, "/c/.cache/tinynet/data"),
        ({"TINYNET_DATA": "", "XDG_CACHE_HOME": "", "HOME": "/c"}, "/c/.cache/tinynet/data"),
    ],
)
def test_the_default_root_follows_the_environment(monkeypatch, environment, root):
    for name in ("TINYNET_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(default_root()) == root
