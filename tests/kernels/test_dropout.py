"""Dropout: the mask is a function of (seed, step, draw, position) only."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import kernels
from tinynet.core.random import random_bits
from tinynet.kernels import dropout

KINDS = pytest.mark.parametrize("kind", dropout.implementations)
KEY = 1, 2, 3


@KINDS
def test_what_stays_is_divided_by_the_chance_to_stay(kind):
    with kernels.use(kind):
        y = dropout(np.ones(1000, "f"), 0.75, KEY)
    assert set(y.tolist()) == {0, 4}


@KINDS
def test_the_mask_is_the_bits_of_philox(kind):
    x = np.ones((3, 5, 7), "f")
    with kernels.use(kind):
        y = dropout(x, 0.3, KEY)
    stay = random_bits(x.size, KEY, like=x).reshape(x.shape) >= 0.3 * 2**32
    assert np.array_equal(y != 0, stay)


@KINDS
@pytest.mark.parametrize("p", [0.05, 0.5, 0.95])
def test_the_share_of_zeros_is_p(kind, p):
    with kernels.use(kind):
        y = dropout(np.ones(100_000, "f"), p, KEY)
    assert (y == 0).mean() == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / y.size))


@KINDS
def test_the_mean_stays(kind):
    with kernels.use(kind):
        y = dropout(np.ones(100_000, "f"), 0.5, KEY)
    assert y.mean() == pytest.approx(1, abs=5 / np.sqrt(y.size))


@KINDS
@pytest.mark.parametrize("other", [(7, 2, 3), (1, 7, 3), (1, 2, 7), (1 + 2**32, 2, 3)])
def test_another_seed_step_or_draw_is_another_mask(kind, other):
    x = np.ones(10_000, "f")
    with kernels.use(kind):
        a = dropout(x, 0.5, KEY) != 0
        b = dropout(x, 0.5, other) != 0
    assert (a == b).mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(x.size))


@KINDS
def test_a_smaller_array_gets_the_first_part_of_the_mask(kind):
    x = np.ones((10, 11), "f")
    with kernels.use(kind):
        assert np.array_equal(dropout(x, 0.5, KEY)[:7], dropout(x[:7], 0.5, KEY))


@KINDS
def test_elements_are_counted_in_row_major_order_however_they_lie(kind):
    x = np.ones((4, 6), "f")
    with kernels.use(kind):
        assert np.array_equal(dropout(x.T, 0.5, KEY), dropout(np.ones((6, 4), "f"), 0.5, KEY))


@KINDS
def test_p_of_0_keeps_all_and_p_of_1_keeps_nothing(kind, rng):
    x = rng.standard_normal((5, 6)).astype("f")
    with kernels.use(kind):
        assert np.array_equal(dropout(x, 0.0, KEY), x)
        assert not dropout(x, 1.0, KEY).any()


@KINDS
@pytest.mark.parametrize("cuts", [(4,), (1, 2, 7), (3, 3)])
def test_shards_of_a_batch_get_the_mask_of_the_whole(kind, cuts):
    """Also if nine numbers per image make a shard begin within a block of four random words."""
    x = np.arange(1, 1 + 10 * 9, dtype="f").reshape(10, 3, 3)
    with kernels.use(kind):
        whole = dropout(x, 0.5, KEY)
        shards = []
        lo = 0
        for hi in (*cuts, 10):
            shards.append(dropout(x[lo:hi], 0.5, (*KEY, 9 * lo)))
            lo = hi
    assert np.array_equal(np.concatenate(shards), whole)


def test_a_layer_counts_from_the_row_that_was_said():
    x = tn.tensor(np.ones((6, 5), "f"))
    tn.random.at_step(3)
    whole = tn.functions.dropout(x).numpy()
    tn.random.at_step(3)
    tn.random.at_row(2)
    assert np.array_equal(tn.functions.dropout(x[2:]).numpy(), whole[2:])
    tn.seed(0)
    assert len(tn.random.next_draw(5)) == 3, "a new seed begins at row 0"
