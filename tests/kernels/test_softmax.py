"""Softmax cross-entropy: no overflow, and a gradient that sums to zero."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.kernel_cases import cross_entropy as draw_scores
from support.strategies import float_fill, seeds
from tinynet import kernels
from tinynet.kernels import cross_entropy
from tinynet.testing import tolerance

KINDS = pytest.mark.parametrize("kind", cross_entropy.implementations)


@KINDS
@pytest.mark.parametrize(("classes", "loss"), [(10, 2.3026), (1000, 6.9078)])
def test_equal_scores_cost_the_logarithm_of_the_classes(kind, classes, loss):
    with kernels.use(kind):
        got, _ = cross_entropy(np.zeros((4, classes), "f"), np.arange(4))
    assert got == pytest.approx(math.log(classes), rel=tolerance(classes, np.float32))
    assert round(float(got), 4) == loss


@KINDS
def test_it_is_the_mean_over_the_batch_and_so_is_its_gradient(kind):
    scores = np.array([[1, 2, 3], [0, 0, 5]], "f")
    labels = np.array([0, 2])
    with kernels.use(kind):
        one, gone = cross_entropy(scores, labels)
        two, gtwo = cross_entropy(np.concatenate([scores] * 2), np.concatenate([labels] * 2))
    assert two == pytest.approx(float(one), rel=tolerance(4, np.float32))
    assert gtwo[:2] == pytest.approx(gone / 2, rel=tolerance(4, np.float32))


@given(st.data(), seeds)
def test_rows_of_the_gradient_sum_to_zero(data, seed):
    scores, labels = draw_scores(data.draw, float_fill(seed))
    _, gradient = cross_entropy(scores, labels)
    allowed = tolerance(scores.size, np.float64)
    assert gradient.sum(axis=1) == pytest.approx(np.zeros(len(scores)), abs=allowed)


@KINDS
@pytest.mark.parametrize("big", [1e4, -1e4])
def test_huge_scores_neither_overflow_nor_vanish(kind, big):
    with kernels.use(kind):
        loss, gradient = cross_entropy(np.array([[big, 0.0]], "f"), np.array([0]))
    assert loss == max(0, -big)
    assert gradient.tolist() == ([[0, 0]] if big > 0 else [[-1, 1]])


@given(st.data(), seeds, st.integers(-50, 50))
def test_adding_a_number_to_all_scores_changes_nothing(data, seed, shift):
    scores, labels = draw_scores(data.draw, float_fill(seed))
    a, ga = cross_entropy(scores, labels)
    b, gb = cross_entropy(scores + shift, labels)
    allowed = 100 * tolerance(scores.size, np.float64)
    assert float(b) == pytest.approx(float(a), abs=allowed)
    assert gb == pytest.approx(ga, abs=allowed)
