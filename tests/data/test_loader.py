from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.data import batch_indices, batches, epoch_order, steps_per_epoch


def numbered(n):
    labels = np.arange(n)
    return SimpleNamespace(images=labels.astype(np.uint8).reshape(n, 1, 1, 1), labels=labels)


@given(n=st.integers(0, 60), batch=st.integers(1, 20), epoch=st.integers(0, 5))
def test_an_epoch_shows_every_picture_once_the_last_partial_batch_included(n, batch, epoch):
    seen = list(batches(numbered(n), batch, seed=1, epoch=epoch))
    sizes = [len(labels) for _, labels in seen]
    assert len(seen) == steps_per_epoch(n, batch)
    assert sorted(x for _, labels in seen for x in labels) == list(range(n))
    assert sizes[:-1] == [batch] * (len(sizes) - 1)
    assert all((images[:, 0, 0, 0] == labels).all() for images, labels in seen)


@given(n=st.integers(1, 60), batch=st.integers(1, 20), data=st.data())
def test_starting_in_the_middle_gives_exactly_the_remaining_batches(n, batch, data):
    start = data.draw(st.integers(0, steps_per_epoch(n, batch)))
    whole = list(batches(numbered(n), batch, seed=3, epoch=2))
    rest = list(batches(numbered(n), batch, seed=3, epoch=2, start=start))
    assert len(rest) == len(whole) - start
    for (_, expected), (_, got) in zip(whole[start:], rest, strict=True):
        assert np.array_equal(expected, got)


def test_the_order_depends_on_seed_and_epoch_and_on_nothing_else():
    order = epoch_order(100, seed=0, epoch=0)
    np.random.default_rng(5).random(3)
    tn.seed(77)
    assert np.array_equal(order, epoch_order(100, seed=0, epoch=0))
    assert not np.array_equal(order, epoch_order(100, seed=0, epoch=1))
    assert not np.array_equal(order, epoch_order(100, seed=1, epoch=0))


def test_every_place_is_as_likely_for_a_picture():
    first = [int(epoch_order(4, seed=0, epoch=epoch)[0]) for epoch in range(2000)]
    assert abs(np.bincount(first) - 500).max() < 97  # 5 standard deviations


def test_without_an_epoch_the_stored_order_is_kept():
    labels = [labels.tolist() for _, labels in batches(numbered(5), 2)]
    assert labels == [[0, 1], [2, 3], [4]]


def test_batch_indices_cut_any_order():
    assert [b.tolist() for b in batch_indices(np.array([3, 1, 2]), 2, start=1)] == [[2]]


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="batch_size=0"):
        next(batches(numbered(3), 0))
