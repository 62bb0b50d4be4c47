"""Containers of other libraries that are not read: a sentence says what they are."""

import pytest

from tinynet.core.errors import DataError
from tinynet.data import CIFAR10, MNIST


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


@pytest.mark.parametrize("above", [0, 1, 2])
def test_a_tfrecord_is_named(tmp_path, above):
    file = touch(tmp_path / "mnist" / "3.0.1" / "mnist-train.tfrecord-00000-of-00001")
    with pytest.raises(
        DataError, match=r"tfrecord-00000-of-00001 is a file of TensorFlow Datasets"
    ):
        MNIST(file.parents[above])


@pytest.mark.parametrize("name", ["cifar10-train.arrow", "train/data-00000-of-00002.arrow"])
def test_an_arrow_file_is_named(tmp_path, name):
    touch(tmp_path / name)
    with pytest.raises(DataError, match=r"arrow is a file of datasets.*to_parquet"):
        CIFAR10(tmp_path)


def test_nothing_is_said_of_a_folder_without_such_files(tmp_path):
    touch(tmp_path / "notes.txt")
    for kind in (CIFAR10, MNIST):
        with pytest.raises(DataError) as error:
            kind(tmp_path)
        assert "which is not read" not in str(error.value)
