"""Pictures on their way to the model: what is fixed, what is random, and what it depends on."""

import copy
import dataclasses
import tracemalloc
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tinynet.data import DataLoader, LazyImages, Shapes, resize
from tinynet.data.transforms.device_plan import plan
from tinynet.distributed.data_parallel import DistributedLoader, rank_slice
from tinynet.distributed.process_group import ProcessGroup
from tinynet.training import input_pipeline, presets, recipes
from tinynet.training.input_pipeline import fingerprint, loaders, normalization, sizing
from tinynet.training.recipes import Recipe

PLAIN = Recipe(name="t", about="", model="demo", epochs=1, lr=0.1, batch_size=4, seed=7)


def pictures(count=10, channels=3, side=32, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, channels, side, side), dtype=np.uint8)
    return SimpleNamespace(images=images, labels=np.arange(count), classes=("a",) * count)


def inputs(feed, epoch=0, first=0):
    batches = list(feed.batches(epoch, first))
    return np.concatenate([x for x, _ in batches]), np.concatenate([y for _, y in batches])


def disturbed(**changes):
    return loaders(dataclasses.replace(PLAIN, **changes), pictures(), pictures(6, seed=1))


class Watched:
    """Pictures that note which of them were looked at."""

    def __init__(self, images):
        self.all = images
        self.seen = []
        self.shape = images.shape
        self.dtype = images.dtype

    def __len__(self):
        return len(self.all)

    def __getitem__(self, which):
        self.seen += np.arange(len(self.all))[which].ravel().tolist()
        return self.all[which]


@pytest.mark.parametrize("size", [2, 3, 5])
def test_ranks_prepare_the_rows_of_one_process_and_touch_no_others(size):
    """Crop, mirror, padded crop and colour; the last batch has fewer images than five ranks."""
    how = {"crop": 28, "horizontal_flip": True, "pad": 2, "color_noise": 0.1}
    for whole in disturbed(**how):
        images = Watched(whole.dataset.images)
        watched = SimpleNamespace(**{**vars(whole.dataset), "images": images})
        wanted = list(whole.batches(1))
        for rank in range(size):
            images.seen = []
            who = ProcessGroup()
            who.rank = rank
            who.size = size
            watching = copy.copy(whole)
            watching.dataset = watched
            found = DistributedLoader(watching, who).batches(1)
            touched = []
            for (x, labels), (all_x, all_labels) in zip(found, wanted, strict=True):
                own = rank_slice(len(all_labels), rank, size)
                mine = own if own.stop > own.start else slice(1)
                np.testing.assert_array_equal(x, all_x[mine])
                np.testing.assert_array_equal(labels, all_labels[mine])
                touched += labels.tolist()
            assert images.seen == touched, "a label is the number of its picture"


# fixed


def test_standardised_channels_have_mean_zero_and_deviation_one():
    train, _ = loaders(PLAIN, pictures(), pictures())
    x, _ = inputs(train)
    np.testing.assert_allclose(x.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std((0, 2, 3)), 1, rtol=1e-5)


def test_the_mean_image_is_subtracted_and_the_scale_multiplies():
    train, _ = disturbed(preprocess="mean-image", input_scale=0.5)
    x, labels = inputs(train)
    images = pictures().images.astype(np.float64)
    np.testing.assert_allclose(x[np.argsort(labels)], 0.5 * (images - images.mean(0)), atol=1e-4)


def test_statistics_come_from_the_training_pictures_alone():
    def mean_of(train, test):
        made = loaders(PLAIN, pictures(seed=train), pictures(seed=test))
        means = [normalization(loader).mean for loader in made]
        np.testing.assert_array_equal(means[0], means[1])
        return means[0]

    np.testing.assert_array_equal(mean_of(1, 2), mean_of(1, 3))
    assert not np.array_equal(mean_of(1, 2), mean_of(2, 0))


def test_test_pictures_are_never_disturbed():
    _, plain = disturbed()
    _, test = disturbed(pad=4, horizontal_flip=True)
    np.testing.assert_array_equal(inputs(plain)[0], inputs(test)[0])
    np.testing.assert_array_equal(inputs(test)[1], np.arange(6))


def test_digits_get_a_border_and_three_equal_channels():
    x = sizing(PLAIN)(np.full((2, 1, 28, 28), 9, np.uint8))
    assert x.shape == (2, 3, 32, 32)
    assert x.sum() == 2 * 3 * 28 * 28 * 9
    assert x[0, 2, 2, 2] == 9
    assert x[0, 2, 1, 2] == 0


def test_enlarging_repeats_pixels():
    x = sizing(dataclasses.replace(PLAIN, enlarge=8))(pictures(1).images)
    assert x.shape == (1, 3, 256, 256)
    np.testing.assert_array_equal(x[:, :, ::8, ::8], pictures(1).images)
    np.testing.assert_array_equal(x[:, :, 7::8, 7::8], pictures(1).images)


def test_pictures_that_fit_are_not_copied():
    images = pictures().images
    assert sizing(PLAIN)(images) is images
    assert sizing(dataclasses.replace(PLAIN, size=32))(images) is images


def test_the_papers_protocol_crops_enlarged_pictures_around_the_centre_of_the_mean():
    train, test = disturbed(
        preprocess="mean-image", enlarge=8, crop=224, horizontal_flip=True, color_noise=0.1
    )
    x, _ = next(iter(train.batches(0)))
    y, _ = next(iter(test.batches(0)))
    assert x.shape == (4, 3, 224, 224)
    assert y.shape == (6, 3, 224, 224)
    images = pictures(6, seed=1).images
    mean = pictures().images.mean(0)
    np.testing.assert_allclose(y[:, :, 0, 0], images[:, :, 2, 2] - mean[:, 2, 2], atol=1e-4)


@pytest.mark.parametrize(("side", "size"), [(32, 227), (32, 40), (32, 20), (32, 32), (28, 64)])
def test_a_size_is_reached_by_interpolation(side, size):
    images = pictures(1, 3, side).images.astype(np.float32)
    found = resize(images, size)
    for x, image in zip(found[0], images[0], strict=True):
        wanted = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(x, np.asarray(wanted), atol=1e-3)
    np.testing.assert_array_equal(resize(images.astype(np.uint8), size), np.rint(found))


def test_a_recipe_with_a_size_enlarges_pictures_and_their_mean_alike():
    train, test = disturbed(preprocess="mean-image", size=48)
    x, labels = inputs(train)
    assert x.shape == (10, 3, 48, 48)
    images = pictures().images
    wanted = resize(images, 48) - resize(images.mean(0, keepdims=True), 48)
    np.testing.assert_allclose(x[np.argsort(labels)], wanted, atol=1e-3)
    assert inputs(test)[0].shape == (6, 3, 48, 48)


def test_enlarged_pictures_are_never_stored():
    """Ten batches of one picture at 227x227 in float32 would be 6 MB."""
    train, _ = disturbed(size=227, batch_size=1)
    for _ in train.batches(0, 9):
        pass
    tracemalloc.start()
    for x, _ in train.batches(0):
        size = x.nbytes
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 4 * 3 * 227 * 227
    assert highest < 5 * size


def test_pictures_in_files_are_batches_like_those_in_memory(tmp_path):
    images = pictures().images
    paths = []
    for i, image in enumerate(images):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(image.transpose(1, 2, 0)).save(paths[-1])
    settings = {"pad": 4, "horizontal_flip": True, "color_noise": 0.1, "preprocess": "mean-image"}
    recipe = dataclasses.replace(PLAIN, size=32, **settings)
    in_files = SimpleNamespace(images=LazyImages(paths, 32), labels=np.arange(10))
    for one, other in zip(
        loaders(recipe, pictures(), pictures()), loaders(recipe, in_files, in_files), strict=True
    ):
        np.testing.assert_array_equal(inputs(one, 2)[0], inputs(other, 2)[0])
    assert fingerprint(in_files) != fingerprint(
        SimpleNamespace(images=LazyImages(paths[::-1], 32), labels=np.arange(10))
    )


def test_of_many_files_some_are_measured(monkeypatch):
    monkeypatch.setattr(input_pipeline, "MEASURED", 4)
    many = LazyImages([Path(str(i)) for i in range(10)], 32)
    assert [p.name for p in input_pipeline._measured(many).paths] == ["0", "3", "6", "9"]
    monkeypatch.setattr(input_pipeline, "MEASURED", 10)
    assert len(input_pipeline._measured(many)) == 10


# random


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"horizontal_flip": True},
        {"pad": 4},
        {"crop": 24},
        {"preprocess": "mean-image", "color_noise": 0.1},
    ],
)
def test_an_epoch_from_its_middle_is_the_rest_of_the_whole_epoch(changes):
    train, _ = disturbed(**changes)
    whole, labels = inputs(train, epoch=3)
    rest, their_labels = inputs(train, epoch=3, first=1)
    np.testing.assert_array_equal(rest, whole[4:])
    np.testing.assert_array_equal(their_labels, labels[4:])


@pytest.mark.parametrize(
    "changes", [{"horizontal_flip": True}, {"pad": 4}, {"crop": 24}, {"color_noise": 0.1}]
)
def test_each_epoch_and_each_seed_disturbs_anew(changes):
    def in_order(seed, epoch):
        x, labels = inputs(disturbed(seed=seed, **changes)[0], epoch)
        return x[np.argsort(labels)]

    first = in_order(0, 0)
    assert not np.array_equal(first, in_order(0, 1))
    assert not np.array_equal(first, in_order(1, 0))
    np.testing.assert_array_equal(first, in_order(0, 0))


def test_each_batch_of_an_epoch_is_disturbed_in_its_own_way():
    same = pictures()
    same.images[:] = same.images[0]
    x, _ = inputs(loaders(dataclasses.replace(PLAIN, crop=30), same, same)[0])
    assert not np.array_equal(x[:4], x[4:8])


def test_every_picture_comes_once_an_epoch_in_another_order():
    train, _ = disturbed()
    _, one = inputs(train, 0)
    _, two = inputs(train, 1)
    assert sorted(one) == sorted(two) == list(range(10))
    assert list(one) != list(two)


def test_padding_shifts_pictures_and_fills_with_the_mean():
    train, _ = disturbed(pad=4)
    x = inputs(train)[0]
    plain = inputs(disturbed()[0])[0]
    assert x.shape == plain.shape
    shifted = [not np.array_equal(a, b) for a, b in zip(x, plain, strict=True)]
    assert any(shifted)
    borders = x[shifted][:, 0, [0, -1]]
    assert (borders == 0).any()


def test_colour_noise_has_the_size_that_was_asked_for_on_the_scale_of_the_inputs():
    noisy, _ = disturbed(color_noise=0.5)
    plain, _ = disturbed()
    shifts = np.concatenate(
        [inputs(noisy, e)[0][:, :, 0, 0] - inputs(plain, e)[0][:, :, 0, 0] for e in range(200)]
    )
    assert shifts.std(0) == pytest.approx([0.5] * 3, rel=0.1)  # standardised: deviation one


def test_steps_count_the_last_partial_batch():
    train, test = disturbed()
    assert (train.steps, test.steps) == (3, 1)
    assert isinstance(train, DataLoader)
    assert isinstance(test, DataLoader)


# fingerprint


def test_one_changed_byte_changes_the_fingerprint():
    one = pictures()
    two = pictures()
    three = pictures()
    two.images[3, 0, 0, 0] ^= 1
    three.labels[2] += 1
    assert fingerprint(one) == fingerprint(pictures())
    assert len({fingerprint(one), fingerprint(two), fingerprint(three)}) == 3
    assert input_pipeline.fingerprint(one, two) != input_pipeline.fingerprint(two, one)


# the streams of old runs


CHECKSUMS = {
    "demo": 1660017845,
    "small-alexnet": 1475122988,
    "cifar-13pct": 3197286937,
    "fine-tune": 3792451378,
    "alexnet": 3792451378,
}
"""Of the places of five batches, as they were drawn before there was a `DataLoader`."""


@pytest.mark.parametrize("name", CHECKSUMS)
def test_recipes_draw_what_they_always_drew(name):
    """Old run folders resume only if order, crops, flips and padded crops stay as they were."""
    settings = {"data": "shapes", "seed": 3, "batch_size": 16}
    recipe = recipes.suited(dataclasses.replace(presets.find(name), **settings, color_noise=0.0))
    train, _ = loaders(recipe, Shapes()[:100], Shapes(train=False)[:30])
    found = plan(train.transform, train.dataset.images)
    checksum = 0
    for step, indices in enumerate(train.indices(1, 2), 2):
        places, shift = found.places(indices, train.sample(1, step, len(indices)))
        assert shift is None
        checksum = zlib.crc32(places.tobytes(), checksum)
    assert checksum == CHECKSUMS[name]


def test_bytes_of_a_batch_are_those_of_old_runs():
    """Crop and flip of bytes, in the order of the first epoch: integers, on every machine."""
    recipe = dataclasses.replace(PLAIN, crop=24, horizontal_flip=True, batch_size=16, seed=3)
    train, _ = loaders(recipe, Shapes()[:100], Shapes(train=False)[:30])
    images, labels = next(train.batches(0))
    normalize = normalization(train)
    values = np.rint(images * normalize.std + normalize.mean).astype(np.uint8)
    assert zlib.crc32(values.tobytes()) == 2516137304
    assert zlib.crc32(labels.tobytes()) == 279014465
