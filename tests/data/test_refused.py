"""What data sets, loaders and transforms refuse, and the sentence that says what to write."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import data
from tinynet.core.errors import DataError, ShapeError

IMAGES = np.arange(20 * 3 * 8 * 8, dtype=np.uint32).astype(np.uint8).reshape(20, 3, 8, 8)
LABELS = np.arange(20) % 4
PAIRS = [(image, int(label)) for image, label in zip(IMAGES, LABELS, strict=True)]


class TorchLike:
    def __len__(self):
        return len(PAIRS)

    def __getitem__(self, i):
        return PAIRS[i]


class Holder:
    """Whatever has images and labels."""

    def __init__(self, images, labels):
        self.images = images
        self.labels = labels


@pytest.mark.parametrize("source", [PAIRS, PAIRS[:2], iter(PAIRS), TorchLike(), "cifar10", IMAGES])
def test_pairs_are_no_data_set_and_become_one(source):
    with pytest.raises(TypeError, match=r"data\.ArrayDataset\(\*zip\(\*pairs\)\)"):
        data.DataLoader(source, 5)
    made = data.ArrayDataset(*zip(*PAIRS, strict=True))
    assert made.images.shape == IMAGES.shape
    assert (made.labels == LABELS).all()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([np.zeros((3, 8, 8)), np.zeros((3, 9, 9))], "all of one size"),
        (IMAGES.astype(str), "array of numbers"),
        (IMAGES.astype(object), "array of numbers"),
        (IMAGES.astype(complex), "array of numbers"),
        (5, "array of numbers"),
    ],
)
def test_images_are_one_array_of_numbers(images, message):
    with pytest.raises(DataError, match=message):
        data.ArrayDataset(images, LABELS)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full(20, 2**63 + 5, np.uint64), "below 1,000,000"),
        (np.full(20, 2**40), "below 1,000,000"),  # a name for each would fill the memory
        (IMAGES, "The images come first"),
        (LABELS - 1, "0, 1, 2"),
        (LABELS[:-1], "every image needs one label"),
    ],
)
def test_labels_are_the_numbers_of_classes(labels, message):
    for make in (data.ArrayDataset, lambda x, y: data.DataLoader(Holder(x, y), 5)):
        with pytest.raises(DataError, match=message):
            make(IMAGES, labels)


@pytest.mark.parametrize(
    ("images", "labels", "error", "message"),
    [
        (IMAGES, LABELS[:-3], DataError, "20 images and 17 labels"),  # three were left out
        (IMAGES[:-3], LABELS, DataError, "17 images and 20 labels"),
        (IMAGES, LABELS.tolist(), TypeError, "NumPy arrays"),
        (IMAGES.tolist(), LABELS, TypeError, "NumPy arrays"),
        (tn.tensor(IMAGES), LABELS, TypeError, "NumPy arrays"),
        (IMAGES, LABELS.astype(float), DataError, "labels are integers"),
    ],
)
def test_an_object_with_images_and_labels_is_looked_at(images, labels, error, message):
    with pytest.raises(error, match=message):
        data.DataLoader(Holder(images, labels), 5)
    with pytest.raises(error, match=message):
        data.Subset(Holder(images, labels), [0])


def test_a_data_set_of_ones_own_that_forgets_an_attribute():
    class Own(data.Dataset):
        def __init__(self):
            self.images = IMAGES
            self.labels = LABELS

    with pytest.raises(
        AttributeError, match=r"sets images, labels and classes.*classes is missing"
    ):
        repr(Own())


def test_classes_are_names():
    with pytest.raises(TypeError, match="classes are names"):
        data.ArrayDataset(IMAGES, LABELS, classes=4)
    with pytest.raises(TypeError, match="classes are names"):
        data.ArrayDataset(IMAGES, LABELS, classes="abcd")
    assert data.ArrayDataset(IMAGES, LABELS, classes=range(4)).classes == ("0", "1", "2", "3")


def test_a_subset_of_a_tuple_of_arrays():
    assert len(data.Subset((IMAGES, LABELS), [0, 1])) == 2


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"batch_size": True}, ValueError, "whole number of images"),
        ({"batch_size": 5.0}, ValueError, "whole number of images"),
        ({"shuffle": "no"}, TypeError, "shuffle is True or False"),
        ({"shuffle": None}, TypeError, "shuffle is True or False"),
        ({"drop_last": 1}, TypeError, "drop_last is True or False"),
        ({"shuffle": True, "seed": True}, ValueError, "a seed is an integer"),
    ],
)
def test_settings_of_a_loader(settings, error, message):
    with pytest.raises(error, match=message):
        data.DataLoader((IMAGES, LABELS), **({"batch_size": 5} | settings))


@pytest.mark.parametrize(
    ("epoch", "first", "message"),
    [
        (-1, 0, "epochs are counted from 0"),
        (0.5, 0, "epochs are counted from 0"),
        ("a", 0, "epochs are counted from 0"),
        (0, -1, "an epoch has 4"),
        (0, 1.5, "an epoch has 4"),
        (0, 5, "an epoch has 4"),  # a run that continues with other batches would skip an epoch
    ],
)
@pytest.mark.parametrize("shuffle", [True, False])
def test_epochs_and_batches_that_are_not_there(epoch, first, message, shuffle):
    loader = data.DataLoader((IMAGES, LABELS), 5, shuffle=shuffle)
    with pytest.raises(ValueError, match=message):
        list(loader.batches(epoch, first))
    assert list(loader.batches(0, 4)) == []


class NoParams(data.Transform):
    def apply(self, images):
        return images


class SampleWithoutCount(data.Transform):
    def sample(self, rng):
        return rng.random()

    def apply(self, images, params):
        return images


class Shortens(data.Transform):
    def apply(self, images, params):
        return images[:1]


class Forgets(data.Transform):
    def apply(self, images, params):
        pass


@pytest.mark.parametrize(
    ("transform", "error", "message"),
    [
        (NoParams(), TypeError, r"NoParams: apply is called as apply\(images, params\)"),
        (SampleWithoutCount(), TypeError, r"sample is called as sample\(rng, n\)"),
        (Shortens(), ShapeError, r"returns as many images.*returned \(1, 3, 8, 8\)"),
        (Forgets(), ShapeError, "returned NoneType"),
        (lambda images: tn.tensor(images), ShapeError, "returned Tensor"),
        (lambda images: images.tolist(), ShapeError, "returned list"),
        (lambda images: images[:2], ShapeError, "returns as many images"),
    ],
)
def test_transforms_of_ones_own(transform, error, message):
    with pytest.raises(error, match=message):
        list(data.DataLoader((IMAGES, LABELS), 5, transform=transform))


def test_compose_takes_a_list():
    for wrong in (data.CenterCrop(4), 5, len):
        with pytest.raises(TypeError, match="transforms come in a list"):
            data.Compose(wrong)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: data.RandomCrop(None), ShapeError, "one integer, got None"),
        (lambda: data.RandomCrop(32.5), ShapeError, r"one integer, got 32\.5"),
        (lambda: data.RandomCrop(True), ShapeError, "one integer, got True"),
        (lambda: data.RandomCrop("32"), ShapeError, "one integer, got '32'"),
        (lambda: data.RandomCrop(4, padding=True), ValueError, "number of pixels"),
        (lambda: data.RandomHorizontalFlip("a"), ValueError, "between 0 and 1"),
        (lambda: data.RandomHorizontalFlip(None), ValueError, "between 0 and 1"),
        (lambda: data.RandomHorizontalFlip(True), ValueError, "between 0 and 1"),
        (lambda: data.Enlarge(1.5), ValueError, r"data\.Resize"),
        (lambda: data.Enlarge("a"), ValueError, r"data\.Resize"),
        (lambda: data.ToThreeChannels()(IMAGES[:, :2]), ShapeError, "1 or 3 channels"),
        (lambda: data.PCAColorNoise("a", (1, 1)), ValueError, "std is a number"),
        (lambda: data.pca_color_basis(IMAGES[:0]), DataError, "at least one pixel"),
        (lambda: data.Normalize([], []), ShapeError, "mean has 0 channels"),
        (lambda: data.Normalize([1, 2], [1, 2, 3]), ShapeError, "2 channels and std 3"),
        (lambda: data.Normalize(1, 1, scale=-1), ValueError, "scale is a number above 0"),
        (lambda: data.Normalize(1, 1, scale=0), ValueError, "scale is a number above 0"),
        (lambda: data.Normalize.fit(IMAGES, "standardize"), TypeError, "kind comes first"),
        (lambda: data.Normalize.fit("standardize", (IMAGES, LABELS)), TypeError, "got tuple"),
        (lambda: data.Normalize.fit("standardize", IMAGES[0]), ShapeError, "expected a batch"),
    ],
)
def test_settings_of_transforms(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("rng", [None, 0, np.random, np.random.RandomState(0)])
def test_a_generator_is_needed_where_something_is_random(rng):
    with pytest.raises(ValueError, match="needs a generator"):
        data.RandomHorizontalFlip()(IMAGES, rng)


def test_a_transform_takes_what_numpy_makes_an_array_of():
    wanted = data.CenterCrop(4)(IMAGES)
    assert (data.CenterCrop(4)(IMAGES.tolist()) == wanted).all()
    assert (data.Normalize(1, 2)(tn.tensor(IMAGES)) == data.Normalize(1, 2)(IMAGES)).all()


def test_color_noise_of_three_channels_is_not_broadcast_to_one():
    noise = data.PCAColorNoise(0.1, data.pca_color_basis(IMAGES))
    with pytest.raises(ShapeError, match="basis is of 3 channels"):
        noise(IMAGES[:, :1].astype(np.float32), np.random.default_rng(0))


@pytest.mark.parametrize("size", [(4, 6), (9, 9), (8, 9)])
def test_a_mean_image_that_does_not_cover_the_images(size):
    normalize = data.Normalize.fit("mean-image", IMAGES)
    with pytest.raises(ShapeError, match="not a middle square"):
        normalize(np.zeros((1, 3, *size), np.uint8))


@pytest.mark.parametrize("owner", [data.CIFAR10, data.MNIST])
def test_the_name_of_a_part_is_not_true(owner, tmp_path):
    for wrong in ("test", "train", 0, None):  # "test" gave the images to train on
        with pytest.raises(TypeError, match="train is True for the images to train on"):
            owner(tmp_path, wrong)


def test_shapes_has_no_count():
    with pytest.raises(TypeError, match="train is True"):
        data.Shapes(100)
    with pytest.raises(ValueError, match="a seed is an integer"):
        data.Shapes(seed="a")


def test_hold_out():
    for share in (-0.1, 2, "a", None):
        with pytest.raises(ValueError, match="share is a number between 0 and 1"):
            data.hold_out(data.Shapes(train=False), share)
    rest, held = data.hold_out((IMAGES, LABELS), 0.5)
    assert len(rest) + len(held) == 20


@pytest.mark.parametrize("size", ["a", 2.5, True, None, 0])
@pytest.mark.parametrize("crop", [data.center_crop, data.ten_crop])
def test_the_side_of_a_window(crop, size):
    with pytest.raises(ShapeError, match="whole number of pixels"):
        crop(IMAGES, size)


def test_resize_takes_a_list():
    assert (data.resize(IMAGES.tolist(), 4) == data.resize(IMAGES, 4)).all()


def test_images_in_0_to_1_and_numbers_of_bytes():
    normalize = data.Normalize([125, 123, 114], [63, 62, 67])
    with pytest.raises(ValueError, match="Divide them by 255"):
        normalize((IMAGES / 255).astype(np.float32))
    dark = np.zeros((1, 3, 4, 4), np.float32)
    dark[0, 0, 0, 0] = 1
    normalize(dark)  # a dark image in 0..255
    normalize(IMAGES.astype(np.float32))
    normalize(np.zeros((0, 3, 4, 4), np.float32))
