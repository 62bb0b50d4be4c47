"""Data loader: order, epochs, exact resume, rows of a rank, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet import data
from tinynet.core.errors import ShapeError
from tinynet.core.random import generator
from tinynet.data import DataLoader, batch_indices, batches, epoch_order, steps_per_epoch


def numbered(n):
    labels = np.arange(n)
    return SimpleNamespace(images=labels.astype(np.uint8).reshape(n, 1, 1, 1), labels=labels)


def noisy(n=22):
    rng = np.random.default_rng(n)
    images = rng.integers(0, 256, (n, 3, 8, 8), dtype=np.uint8)
    return data.ArrayDataset(images, np.arange(n) % 3)


CHAIN = [data.RandomCrop(8, padding=2), data.RandomHorizontalFlip(), data.Normalize(128, 64)]


@given(n=st.integers(1, 60), batch=st.integers(1, 20), epoch=st.integers(0, 5))
def test_an_epoch_shows_every_picture_once_the_last_partial_batch_included(n, batch, epoch):
    loader = DataLoader(numbered(n), batch, shuffle=True, seed=1)
    seen = list(loader.batches(epoch))
    sizes = [len(labels) for _, labels in seen]
    assert len(seen) == len(loader) == loader.steps == steps_per_epoch(n, batch)
    assert sorted(x for _, labels in seen for x in labels) == list(range(n))
    assert sizes[:-1] == [batch] * (len(sizes) - 1)
    assert all((images[:, 0, 0, 0] == labels).all() for images, labels in seen)


@given(n=st.integers(1, 60), batch=st.integers(1, 20), draw=st.data())
def test_starting_in_the_middle_gives_exactly_the_remaining_batches(n, batch, draw):
    loader = DataLoader(numbered(n), batch, shuffle=True, seed=3)
    first = draw.draw(st.integers(0, len(loader)))
    whole = list(loader.batches(2))
    rest = list(loader.batches(2, first))
    assert len(rest) == len(whole) - first
    for (_, expected), (_, got) in zip(whole[first:], rest, strict=True):
        assert np.array_equal(expected, got)


def test_the_middle_of_an_epoch_is_transformed_as_in_the_whole_epoch():
    loader = DataLoader(noisy(), 5, shuffle=True, seed=2, transform=CHAIN)
    for (x, y), (images, labels) in zip(
        list(loader.batches(4))[2:], loader.batches(4, 2), strict=True
    ):
        assert np.array_equal(x, images)
        assert np.array_equal(y, labels)


def test_a_walk_is_the_next_epoch_as_often_as_one_likes():
    loader = DataLoader(numbered(20), 6, shuffle=True, seed=5)
    walks = [[labels.tolist() for _, labels in loader] for _ in range(4)]
    assert [len(walk) for walk in walks] == [4, 4, 4, 4]
    assert len({str(walk) for walk in walks}) == 4
    for epoch, walk in enumerate(walks):
        assert walk == [labels.tolist() for _, labels in loader.batches(epoch)]
    assert loader.epoch == 4
    loader.epoch = 1
    assert [labels.tolist() for _, labels in loader] == walks[1]


def test_a_walk_that_was_left_counts_too():
    loader = DataLoader(numbered(20), 6, shuffle=True)
    next(iter(loader))
    assert loader.epoch == 1
    list(loader.batches(7))
    assert loader.epoch == 1


def test_two_walks_at_once_do_not_disturb_each_other():
    loader = DataLoader(noisy(), 6, shuffle=True, transform=CHAIN)
    pairs = list(zip(loader, loader, strict=True))
    for epoch in range(2):
        for (x, _), (wanted, _) in zip(
            [p[epoch] for p in pairs], loader.batches(epoch), strict=True
        ):
            assert np.array_equal(x, wanted)


def test_the_order_depends_on_seed_and_epoch_and_on_nothing_else():
    order = epoch_order(100, seed=0, epoch=0)
    np.random.default_rng(5).random(3)
    tn.seed(77)
    assert np.array_equal(order, epoch_order(100, seed=0, epoch=0))
    assert not np.array_equal(order, epoch_order(100, seed=0, epoch=1))
    assert not np.array_equal(order, epoch_order(100, seed=1, epoch=0))


def test_the_streams_are_those_of_old_runs():
    dataset = noisy()
    loader = DataLoader(dataset, 5, shuffle=True, seed=9, transform=[data.RandomHorizontalFlip()])
    order = generator("shuffle", 3, seed=9).permutation(22)
    for step, (images, labels) in enumerate(loader.batches(3)):
        chosen = order[5 * step : 5 * step + 5]
        flipped = generator("disturb", 3, step, seed=9).random(len(chosen)) < 0.5
        wanted = dataset.images[chosen].astype(np.float32)
        wanted[flipped] = wanted[flipped, :, :, ::-1]
        assert np.array_equal(images, wanted)
        assert np.array_equal(labels, dataset.labels[chosen])


def test_every_place_is_as_likely_for_a_picture():
    first = [int(epoch_order(4, seed=0, epoch=epoch)[0]) for epoch in range(2000)]
    assert abs(np.bincount(first) - 500).max() < 97  # 5 standard deviations


def test_without_shuffling_the_stored_order_is_kept():
    loader = batches(numbered(5), 2)
    for _ in range(3):
        assert [labels.tolist() for _, labels in loader] == [[0, 1], [2, 3], [4]]
    assert len(loader) == 3


def test_the_last_smaller_batch_can_be_left_out():
    loader = DataLoader(numbered(11), 4, shuffle=True, drop_last=True)
    for _ in range(2):
        sizes = [len(labels) for _, labels in loader]
        assert sizes == [4, 4]
    assert len(loader) == 2
    assert len(DataLoader(numbered(12), 4, drop_last=True)) == 3
    with pytest.raises(ValueError, match=r"there is no batch.*3 images"):
        DataLoader(numbered(3), 4, drop_last=True)
    with pytest.raises(ValueError, match="there is no batch"):
        DataLoader(numbered(0), 4)


def test_bytes_become_floats_of_the_same_values_and_floats_keep_their_type():
    dataset = noisy()
    images, labels = next(iter(DataLoader(dataset, 5)))
    assert images.dtype == np.float32
    assert labels.dtype == np.int64
    assert np.array_equal(images, dataset.images[:5])
    for dtype in (np.float32, np.float64):
        pair = (np.ones((4, 2), dtype), np.arange(4))
        assert next(iter(DataLoader(pair, 2)))[0].dtype == dtype
    same = next(iter(DataLoader(dataset, 5, transform=data.CenterCrop(4))))[0]
    assert np.array_equal(same, dataset.images[:5, :, 2:6, 2:6])


def test_a_pair_of_arrays_is_a_data_set():
    dataset = noisy()
    loader = DataLoader((dataset.images, dataset.labels), 5, shuffle=True)
    wanted = DataLoader(dataset, 5, shuffle=True)
    for (x, y), (images, labels) in zip(loader, wanted, strict=True):
        assert np.array_equal(x, images)
        assert np.array_equal(y, labels)


@pytest.mark.parametrize("size", [2, 3, 7])
def test_rows_of_a_batch_are_those_of_the_whole_batch(size):
    loader = DataLoader(noisy(), 5, shuffle=True, seed=1, transform=CHAIN)
    wanted = list(loader.batches(2))
    for rank in range(size):

        def rows(n, rank=rank):
            return slice(rank * n // size, (rank + 1) * n // size)

        for (x, labels), (images, all_labels) in zip(
            loader.batches(2, rows=rows), wanted, strict=True
        ):
            assert np.array_equal(x, images[rows(len(images))])
            assert np.array_equal(labels, all_labels)


def test_batch_indices_cut_any_order():
    assert [b.tolist() for b in batch_indices(np.array([3, 1, 2]), 2, start=1)] == [[2]]


@pytest.mark.parametrize("size", [0, -3, 2.5, None])
def test_an_empty_batch_is_refused(size):
    with pytest.raises(ValueError, match=f"batch_size={size}"):
        DataLoader(numbered(3), size)


@pytest.mark.parametrize("seed", [None, "0", -1, 0.5, 2**64])
def test_a_seed_is_an_integer(seed):
    """With seed=None every call would draw another order, and no run could resume."""
    with pytest.raises(ValueError, match="a seed is an integer"):
        DataLoader(numbered(3), 1, shuffle=True, seed=seed)


def test_a_seed_without_anything_random_is_refused():
    with pytest.raises(ValueError, match=r"seed=3 changes nothing.*shuffle=True"):
        DataLoader(numbered(3), 1, seed=3)
    with pytest.raises(ValueError, match="changes nothing"):
        DataLoader(noisy(), 1, seed=3, transform=data.Normalize(128, 64))
    DataLoader(noisy(), 1, seed=3, transform=data.RandomHorizontalFlip())
    DataLoader(numbered(3), 1, seed=3, shuffle=True)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("num_workers", "need no workers"),
        ("pin_memory", "keeps the data set itself there"),
        ("collate_fn", "transform="),
        ("sampler", "data.Subset"),
        ("generator", "seed="),
        ("epoch", r"loader.batches\(epoch\)"),
        ("start", r"loader.batches\(epoch, first\)"),
        ("batchsize", "unexpected argument 'batchsize'"),
    ],
)
def test_arguments_of_other_loaders_say_what_happens_here(name, match):
    with pytest.raises(TypeError, match=match):
        DataLoader(numbered(3), 1, **{name: 1})


def test_what_cannot_work_is_refused_before_the_first_batch():
    with pytest.raises(ShapeError, match="24x24 must fit"):
        DataLoader(noisy(), 5, transform=data.CenterCrop(24))
    with pytest.raises(ValueError, match="Pass scale=255"):
        DataLoader(noisy(), 5, transform=data.Normalize([0.5] * 3, [0.2] * 3))
    with pytest.raises(TypeError, match="a data set has images"):
        DataLoader([1, 2, 3], 1)
    with pytest.raises(ValueError, match="first=-1"):
        next(DataLoader(noisy(), 5).batches(0, -1))


def test_a_loader_prints_what_it_does():
    loader = DataLoader(noisy(), 5, shuffle=True, drop_last=True)
    assert repr(loader) == (
        "<DataLoader of 4 batches: <ArrayDataset: 22 images (3, 8, 8) uint8, 3 classes: 0, 1, 2>, "
        "batch_size=5, shuffle=True, seed=0, drop_last=True>"
    )
