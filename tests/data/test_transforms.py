"""Transforms: drawing apart from applying, composition, and rows of a batch."""

import numpy as np
import pytest

from tinynet import data
from tinynet.core.errors import ShapeError
from tinynet.data import (
    Compose,
    Normalize,
    pca_color_basis,
    pca_color_noise,
    random_crop,
    random_hflip,
    renamed,
    ten_crop,
)
from tinynet.data.transforms.base import compose, take_rows


def stream(seed=0):
    return np.random.default_rng(seed)


def test_augmenting_writes_to_no_input_and_shares_no_memory_with_it():
    images = stream().integers(0, 256, (8, 3, 6, 6), dtype=np.uint8)
    images.flags.writeable = False
    basis = pca_color_basis(images)
    for changed in (
        random_crop(images, 6, stream()),
        random_hflip(images, stream()),
        ten_crop(images, 6),
        pca_color_noise(images.astype(np.float32), basis, stream()),
        Normalize.fit("mean-image", images)(images),
    ):
        assert not np.shares_memory(changed, images)


CHAIN = [
    data.RandomCrop(28, padding=2),
    data.RandomHorizontalFlip(),
    data.Normalize([120, 110, 100], [60, 60, 60]),
    data.PCAColorNoise(0.1, (np.array([2.0, 1.0, 0.5]), np.eye(3))),
]


def images_of(count=12, side=32):
    return stream(9).integers(0, 256, (count, 3, side, side), dtype=np.uint8)


def test_a_composition_draws_and_applies_in_order():
    images = images_of()
    rng = stream(4)
    wanted = images
    for t in CHAIN:
        wanted = t(wanted, rng) if t.random else t(wanted)
    assert np.array_equal(Compose(CHAIN)(images, stream(4)), wanted)


def test_rows_of_the_parameters_give_rows_of_the_batch():
    images = images_of()
    bound = Compose(CHAIN).bind(images[:1])
    params = bound.sample(stream(), 12)
    whole = bound.apply(images, params)
    for rows in (slice(0, 5), slice(5, 12), slice(3, 4), slice(0, 0)):
        assert np.array_equal(bound.apply(images[rows], take_rows(params, rows)), whole[rows])


def test_rows_are_taken_of_arrays_in_tuples_and_dicts():
    params = ({"a": np.arange(4), "b": None}, [np.ones((4, 2))], 3)
    taken = take_rows(params, slice(1, 3))
    assert taken[0]["a"].tolist() == [1, 2]
    assert taken[0]["b"] is None
    assert taken[1][0].shape == (2, 2)
    assert taken[2] == 3


def test_compositions_are_flattened_and_readable():
    nested = Compose([Compose(CHAIN[:2]), CHAIN[2]])
    assert [type(t) for t in nested.transforms] == [type(t) for t in CHAIN[:3]]
    assert len(nested) == 3
    assert nested[1] is CHAIN[1]
    assert repr(nested) == (
        "Compose([\n    RandomCrop(28, padding=2),\n    RandomHorizontalFlip(p=0.5),\n"
        "    Normalize(mean=[120, 110, 100], std=[60, 60, 60]),\n])"
    )


def test_what_cannot_work_on_the_images_is_refused_when_it_is_bound():
    example = np.zeros((1, 3, 20, 20), np.uint8)
    with pytest.raises(ShapeError, match="24x24 must fit"):
        Compose([data.Enlarge(1), data.CenterCrop(24)]).bind(example)
    with pytest.raises(TypeError, match="must be floats"):
        Compose([CHAIN[3]]).bind(example)


def test_a_crop_after_another_one_is_bound_to_its_size():
    images = images_of(50)
    chain = Compose([data.RandomCrop(30), data.Enlarge(2), data.RandomCrop(56)])
    assert chain(images, stream()).shape == (50, 3, 56, 56)
    drawn = chain.bind(images[:1]).sample(stream(), 500)
    assert (drawn[0].max(), drawn[2].max()) == (2, 4)


def test_functions_and_own_classes_are_transforms():
    class Shift(data.Transform):
        def sample(self, rng, n):
            return rng.integers(0, 3, n)

        def apply(self, images, params):
            return images + params[:, None, None, None]

    images = np.zeros((6, 1, 2, 2), np.float32)
    chain = compose([Shift(), lambda x: 2 * x])
    found = chain(images, stream())
    assert sorted(set(found.ravel().tolist())) == [0.0, 2.0, 4.0]
    assert not compose(np.negative).random
    assert chain.random


def test_what_is_no_transform_is_refused_in_a_sentence():
    class Alien:
        def apply(self, images, params):
            return images

    for wrong, match in (
        (data.RandomHorizontalFlip, "is a class. Write RandomHorizontalFlip"),
        (Alien(), "inherits from data.Transform"),
        (3, "got int"),
    ):
        with pytest.raises(TypeError, match=match):
            Compose([wrong])
    with pytest.raises(ShapeError, match="returns as many images"):
        compose(lambda x: x.sum())(np.zeros((2, 1, 2, 2)))
    with pytest.raises(ValueError, match=r"Pass rng=np.random.default_rng\(0\)"):
        Compose(CHAIN)(images_of())
    with pytest.raises(NotImplementedError, match="needs a method apply"):
        data.Transform()(images_of())


@pytest.mark.parametrize(
    ("transform", "shape", "wanted"),
    [
        (data.PadTo(32), (2, 1, 28, 28), (2, 1, 32, 32)),
        (data.PadTo(32), (2, 1, 30, 40), (2, 1, 32, 40)),
        (data.ToThreeChannels(), (2, 1, 4, 4), (2, 3, 4, 4)),
        (data.Enlarge(3), (2, 3, 4, 5), (2, 3, 12, 15)),
        (data.Resize(7), (2, 3, 4, 5), (2, 3, 7, 7)),
    ],
)
def test_sizes_and_channels(transform, shape, wanted):
    images = np.ones(shape, np.uint8)
    found = transform(images)
    assert found.shape == wanted
    assert found.dtype == np.uint8
    assert transform.apply(found) is found or isinstance(transform, data.Enlarge)
    for wrong in (images[0], images[0, 0]):
        with pytest.raises(ShapeError, match="expected a batch"):
            transform(wrong)
    with pytest.raises(ValueError, match="factor is at least 1"):
        data.Enlarge(0)
    with pytest.raises(ShapeError, match="resize: the result is a square"):
        data.resize(images, 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Normaliser", "Normalize"),
        ("Part", "Subset"),
        ("Pictures", "LazyImages"),
        ("centre_crop", "center_crop"),
        ("colour_basis", "pca_color_basis"),
        ("colour_noise", "pca_color_noise"),
        ("mirror", "random_hflip"),
        ("portion", "hash_fraction"),
        ("ten_views", "ten_crop"),
        ("ToTensor", "scale=255"),
        ("ColorJitter", "inherits from data.Transform"),
        ("Rescaling", r"data.Normalize\(0, 255\)"),
    ],
)
def test_other_spellings_name_the_one_here(old, new):
    for module in (data, data.transforms):
        with pytest.raises(AttributeError, match=new):
            getattr(module, old)
    assert hasattr(data, renamed.RENAMED.get(old, "Transform"))


def test_the_public_names_exist():
    assert all(hasattr(data, name) for name in data.__all__)
    assert all(getattr(data, name) is not None for name in renamed.RENAMED.values())
    assert set(data.transforms.__all__) <= set(data.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        data.nonsense  # noqa: B018
