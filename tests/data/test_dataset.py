"""Data sets: length, indexing, subsets, pairs of arrays, and how they print."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from tinynet import data
from tinynet.core.errors import DataError
from tinynet.data.dataset import as_dataset


@pytest.fixture(scope="module")
def shapes():
    return data.Shapes(train=False)


def test_an_integer_gives_a_pair(shapes):
    image, label = shapes[3]
    assert np.array_equal(image, shapes.images[3])
    assert image.shape == (3, 32, 32)
    assert type(label) is int
    assert label == shapes.labels[3]
    assert shapes[-1][1] == shapes.labels[999]
    assert shapes[np.int64(3)][1] == label
    for beyond in (1000, -1001):
        with pytest.raises(IndexError, match="the data set has 1,000"):
            shapes[beyond]


@pytest.mark.parametrize(
    "index",
    [
        slice(10, 20),
        slice(None, None, -100),
        [5, 3, 3, -1],
        range(4),
        np.array([7, 2]),
        np.arange(1000) % 9 == 0,
        [],
    ],
    ids=str,
)
def test_slices_and_arrays_give_subsets(shapes, index):
    some = shapes[index]
    chosen = index if isinstance(index, slice) else np.array(index)
    which = np.arange(1000)[chosen] if len(some) else np.arange(0)
    assert isinstance(some, data.Subset)
    assert np.array_equal(some.images, shapes.images[which])
    assert np.array_equal(some.labels, shapes.labels[which])
    assert some.classes == shapes.classes
    assert len(some) == len(which)


def test_a_data_set_can_be_walked(shapes):
    some = shapes[5:8]
    pairs = list(some)
    assert [label for _, label in pairs] == shapes.labels[5:8].tolist()
    assert all(np.array_equal(image, shapes.images[5 + i]) for i, (image, _) in enumerate(pairs))


def test_a_slice_copies_no_images(shapes):
    assert np.shares_memory(shapes[:500].images, shapes.images)


def test_a_subset_of_a_subset_has_its_own_numbers(shapes):
    some = shapes[100:200][[0, 50]]
    assert np.array_equal(some.labels, shapes.labels[[100, 150]])
    assert repr(some).startswith("<Subset of Shapes: 2 images")


@pytest.mark.parametrize("index", ["three", 1.5, [0.5], [[0, 1]], True])
def test_other_indices_are_refused(shapes, index):
    with pytest.raises(TypeError, match="slice, integers"):
        shapes[index]


def test_indices_outside_are_refused(shapes):
    with pytest.raises(IndexError, match=r"below the number of images, 1,000, got 3\.\.1000"):
        shapes[[3, 1000]]
    with pytest.raises(IndexError, match="got 5"):
        shapes[np.ones(5, bool)]


def test_data_sets_print_what_they_hold(shapes):
    assert repr(shapes) == (
        "<Shapes: 1,000 images (3, 32, 32) uint8, 10 classes: disc, ring, square, frame, "
        "triangle, ...>"
    )


def test_names_and_arguments_of_torchvision_lead_to_those_here(shapes, tmp_path):
    with pytest.raises(AttributeError, match="it is called labels"):
        _ = shapes.targets
    with pytest.raises(AttributeError, match="it is called images"):
        _ = shapes[:3].data
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = shapes.nonsense
    assert len(copy.deepcopy(shapes[:3])) == len(pickle.loads(pickle.dumps(shapes[:3]))) == 3
    for kind in (data.CIFAR10, data.MNIST, data.ImageFolder):
        with pytest.raises(TypeError, match=r"Pass it to the loader: data.DataLoader\("):
            kind(tmp_path, transform=data.Normalize(0, 255))


# arrays


def test_arrays_pair():
    pair = data.ArrayDataset(np.zeros((3, 1, 4, 4), np.uint8), [2, 0, 1])
    assert pair.labels.dtype == np.int64
    assert pair.classes == ("0", "1", "2")
    named = data.ArrayDataset(np.zeros((3, 1, 4, 4)), np.array([1, 0, 1]), ["cat", "dog"])
    assert named.classes == ("cat", "dog")
    assert named[0][1] == 1


@pytest.mark.parametrize(
    ("images", "labels", "classes", "match"),
    [
        (np.zeros((3, 1, 4, 4)), [0, 1], None, "3 images and 2 labels"),
        (np.zeros((3, 1, 4, 4)), np.eye(3), None, "one-hot.*argmax"),
        (np.zeros((3, 1, 4, 4)), [0.0, 1.0, 2.0], None, "labels are integers"),
        (np.zeros((3, 1, 4, 4)), [[0], [1], [2]], None, "labels are integers"),
        (np.zeros((3, 1, 4, 4)), [0, 1, -1], None, "got -1"),
        (np.zeros((3, 1, 4, 4)), [0, 1, 2], ["cat", "dog"], "largest label is 2"),
        (np.zeros((3, 28, 28, 1)), [0, 1, 2], None, "channels last"),
        (np.zeros((3, 32, 32, 3)), [0, 1, 2], None, r"transpose\(0, 3, 1, 2\)"),
    ],
)
def test_arrays_that_do_not_pair_are_refused(images, labels, classes, match):
    with pytest.raises(DataError, match=match):
        data.ArrayDataset(images, labels, classes)


def test_a_class_of_ones_own_inherits_the_rest():
    class Stripes(data.Dataset):
        classes = ("rows", "columns")

        def __init__(self):
            self.images = np.zeros((4, 1, 2, 2), np.uint8)
            self.labels = np.array([0, 1, 0, 1])

    stripes = Stripes()
    assert len(stripes) == len(list(stripes)) == 4
    assert stripes[stripes.labels == 1].labels.tolist() == [1, 1]
    assert repr(stripes).startswith("<Stripes: 4 images (1, 2, 2) uint8, 2 classes: rows, columns")


def test_what_counts_as_a_data_set():
    plain = SimpleNamespace(images=np.zeros((2, 1, 1, 1)), labels=np.zeros(2, int))
    assert as_dataset(plain, "x") is plain
    assert isinstance(as_dataset((plain.images, plain.labels), "x"), data.ArrayDataset)
    for wrong in ([1, 2, 3], np.zeros((3, 1, 2, 2)), None):
        with pytest.raises(TypeError, match="x: a data set has images"):
            as_dataset(wrong, "x")


# files


def test_a_subset_of_images_in_files_reads_none(tmp_path):
    images = data.LazyImages([tmp_path / f"{i}.png" for i in range(9)], 8)
    some = data.Subset(SimpleNamespace(images=images, labels=np.arange(9)), slice(2, 8, 3))
    assert [path.name for path in some.images.paths] == ["2.png", "5.png"]
    assert some.labels.tolist() == [2, 5]
    assert repr(images) == "<LazyImages: 9 files, read as (3, 8, 8) uint8>"
