"""Accuracy, top-k accuracy and the confusion matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet import functions as F

SCORES = np.array([[0.1, 0.9, 0.0], [0.8, 0.2, 0.5], [0.3, 0.3, 0.1]])
LABELS = np.array([1, 2, 0])


@pytest.mark.parametrize("scores", [SCORES, tn.tensor(SCORES), SCORES.tolist()])
@pytest.mark.parametrize(
    "labels", [LABELS, tn.tensor(LABELS), LABELS.tolist(), LABELS.astype("u1")]
)
def test_arrays_tensors_and_lists(scores, labels):
    assert F.accuracy(scores, labels) == pytest.approx(2 / 3)
    assert F.top_k_accuracy(scores, labels, k=2) == 1
    assert F.confusion_matrix(scores, labels).tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 6))
def test_the_three_agree(seed, n, classes):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (n, classes)).astype(np.float32)  # with ties
    labels = rng.integers(0, classes, n)
    counts = F.confusion_matrix(scores, labels)
    assert counts.dtype == np.int64
    assert counts.sum(axis=1).tolist() == np.bincount(labels, minlength=classes).tolist()
    assert F.accuracy(scores, labels) == pytest.approx(counts.trace() / n)
    assert F.top_k_accuracy(scores, labels, k=1) == F.accuracy(scores, labels)
    assert F.top_k_accuracy(scores, labels, k=classes) == 1
    by_hand = np.mean(
        [
            sum((s > row[y]) or (s == row[y] and j < y) for j, s in enumerate(row)) < 2
            for row, y in zip(scores, labels, strict=True)
        ]
    )
    if classes > 1:
        assert F.top_k_accuracy(scores, labels, k=2) == pytest.approx(by_hand)
    assert np.array_equal(F.confusion_matrix(scores.argmax(1), labels, classes), counts)


def test_of_equal_scores_the_first_counts():
    assert F.accuracy([[1.0, 1.0]], [0]) == 1
    assert F.accuracy([[1.0, 1.0]], [1]) == 0


def test_integers_and_their_smallest_value_are_ordered_rightly():
    scores = np.array([[-128, 127, 0]], np.int8)
    assert F.top_k_accuracy(scores, [0], k=2) == 0
    assert F.top_k_accuracy(np.array([[0, 5, 1]], np.uint8), [2], k=2) == 1


def test_the_number_of_classes_may_be_given():
    assert F.confusion_matrix([0], [0], classes=3).shape == (3, 3)
    assert F.confusion_matrix([0, 4], [1, 0]).shape == (5, 5)
    assert F.confusion_matrix([], np.zeros(0, int), classes=2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (lambda: F.accuracy(SCORES, LABELS[:2]), r"labels must be \(3,\).*\(2,\)"),
        (lambda: F.accuracy(SCORES, LABELS[:, None]), r"\(3, 1\)"),
        (lambda: F.accuracy(SCORES[0], LABELS), r"\(N, classes\).*\(3,\)"),
        (lambda: F.accuracy(SCORES[:0], LABELS[:0]), "at least 1"),
        (lambda: F.accuracy(SCORES, [0, 1, 3]), r"0\.\.2.*found 3 at row 2"),
        (lambda: F.accuracy(SCORES, [0, -1, 1]), "found -1 at row 1"),
        (lambda: F.accuracy(SCORES, [0, 0.5, 1]), "integers"),
        (lambda: F.accuracy(SCORES, [0, np.nan, 1]), "integers"),
        (lambda: F.accuracy(SCORES * np.nan, LABELS), "NaN"),
        (lambda: F.accuracy(np.array([["a"]]), [0]), "numbers"),
        (lambda: F.top_k_accuracy(SCORES, LABELS), r"1\.\.3.*got 5"),
        (lambda: F.top_k_accuracy(SCORES, LABELS, k=0), "got 0"),
        (lambda: F.top_k_accuracy(SCORES, LABELS, k=1.5), "got 1.5"),
        (lambda: F.confusion_matrix(SCORES, LABELS, classes=4), "3 classes, not 4"),
        (lambda: F.confusion_matrix([0, 5, 0], LABELS, classes=3), "predictions.*found 5"),
        (lambda: F.confusion_matrix([0, 1, 0], [0, 1, 5], classes=3), "labels.*found 5"),
        (lambda: F.confusion_matrix([0, 1], LABELS), r"\(2,\)"),
        (lambda: F.confusion_matrix(["a", "b", "c"], LABELS), "predictions"),
    ],
)
def test_what_does_not_fit_is_said(wrong, match):
    with pytest.raises(ValueError, match=match):
        wrong()


def test_scores_of_a_graph_record_nothing():
    scores = tn.tensor(SCORES, requires_grad=True) * 2
    F.accuracy(scores, LABELS)
    scores.sum().backward()
