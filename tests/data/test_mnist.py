import numpy as np
import pytest

from tinynet.core.errors import DataError
from tinynet.data import MNIST, catalog


def put(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("below", ["", "mnist", "MNIST/raw"])
def test_packed_and_unpacked_files_give_the_same_digits(tmp_path, digits, below):
    put(tmp_path / "a" / below, digits.files)
    put(tmp_path / "b" / below, digits.packed)
    images, labels = digits.arrays["t10k"]
    for root in (tmp_path / "a", tmp_path / "b"):
        test = MNIST(root, train=False)
        assert np.array_equal(test.images[:, 0], images)
        assert np.array_equal(test.labels, labels)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_files_with_a_dot_for_a_dash_are_found(tmp_path, digits, ending):
    """7-Zip and some file managers unpack to train-images.idx3-ubyte."""
    files = digits.packed if ending else digits.files
    put(tmp_path, {name.replace("-idx", ".idx"): content for name, content in files.items()})
    assert np.array_equal(MNIST(tmp_path, train=False).labels, digits.arrays["t10k"][1])
    assert len(catalog.find("mnist", tmp_path)) == 4
    assert "the right structure" in catalog.verify("mnist", tmp_path)[0]


def test_mnist_has_the_promised_arrays(tmp_path, digits):
    train = MNIST(put(tmp_path, digits.packed))
    images, labels = digits.arrays["train"]
    assert train.images.shape == (60_000, 1, 28, 28)
    assert train.images.dtype == np.uint8
    assert train.images.flags.writeable
    assert train.labels.dtype == np.int64
    assert np.array_equal(train.images[:, 0], images)
    assert np.array_equal(train.labels, labels)
    assert train.classes == tuple("0123456789")
    assert len(train) == 60_000


def test_no_data_set_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="tinynet data get mnist") as error:
        MNIST(tmp_path)
    assert "train-images-idx3-ubyte.gz" in str(error.value)
    assert str(tmp_path) in str(error.value)


def damage(tmp_path, digits, name, data):
    put(tmp_path, digits.packed if name.endswith(".gz") else digits.files)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError) as error:
        MNIST(tmp_path, train=False)
    assert name in str(error.value)
    assert "tinynet data get mnist" in str(error.value)
    return str(error.value)


def test_images_in_the_place_of_labels_are_refused(tmp_path, digits):
    data = digits.files["t10k-images-idx3-ubyte"]
    said = damage(tmp_path, digits, "t10k-labels-idx1-ubyte", data)
    assert "[2049, 10000]" in said
    assert "[2051, 10000]" in said


def test_a_truncated_file_names_the_record(tmp_path, digits):
    data = digits.files["t10k-images-idx3-ubyte"][: 16 + 784 * 70 + 5]
    assert "record 70" in damage(tmp_path, digits, "t10k-images-idx3-ubyte", data)


@pytest.mark.parametrize("size", [0, 3, 7])
def test_a_file_that_ends_in_its_header_is_refused(tmp_path, digits, size):
    data = digits.files["t10k-labels-idx1-ubyte"][:size]
    assert "header" in damage(tmp_path, digits, "t10k-labels-idx1-ubyte", data)


def test_one_byte_too_many_is_refused(tmp_path, digits):
    data = digits.files["t10k-labels-idx1-ubyte"] + b"\0"
    assert "more" in damage(tmp_path, digits, "t10k-labels-idx1-ubyte", data)


def test_9999_records_are_refused(tmp_path, digits):
    data = bytearray(digits.files["t10k-labels-idx1-ubyte"][:-1])
    data[4:8] = (9999).to_bytes(4, "big")
    assert "[2049, 9999]" in damage(tmp_path, digits, "t10k-labels-idx1-ubyte", bytes(data))


def test_a_label_over_nine_names_its_record(tmp_path, digits):
    data = bytearray(digits.files["t10k-labels-idx1-ubyte"])
    data[8 + 123] = 255
    said = damage(tmp_path, digits, "t10k-labels-idx1-ubyte", bytes(data))
    assert "Record 123" in said
    assert "255" in said


@pytest.mark.parametrize("place", [3, 12, 2000, -6])
def test_a_changed_byte_in_a_gz_is_noticed(tmp_path, digits, place):
    data = bytearray(digits.packed["t10k-labels-idx1-ubyte.gz"])
    if place == 3:
        data = data[: len(data) // 2]
    else:
        data[place] ^= 0x55
    damage(tmp_path, digits, "t10k-labels-idx1-ubyte.gz", bytes(data))


def test_something_else_named_gz_is_refused(tmp_path, digits):
    damage(tmp_path, digits, "t10k-images-idx3-ubyte.gz", b"<html>403 Forbidden</html>")
