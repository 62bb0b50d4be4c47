"""What the metrics refuse, and the sentence that says what to write."""

import numpy as np
import pytest

from tinynet import functions as F
from tinynet.core.errors import ShapeError


def test_rows_of_different_lengths():
    with pytest.raises(ShapeError, match="equal lengths"):
        F.accuracy([[1, 2], [3]], [0, 1])


def test_k_is_a_whole_number():
    with pytest.raises(ValueError, match="k must be a whole number"):
        F.top_k_accuracy(np.eye(3), [0, 1, 2], k=True)


@pytest.mark.parametrize("classes", [0, -1, 2.0, True, ["cat", "dog"]])
def test_classes_are_their_number(classes):
    with pytest.raises(ValueError, match="classes is the number of classes"):
        F.confusion_matrix([0, 1], [0, 1], classes=classes)


@pytest.mark.parametrize("value", [np.array([2**64 - 1], np.uint64), np.array([1e30])])
def test_numbers_that_are_too_large_for_a_class(value):
    with pytest.raises(ShapeError, match="the numbers of classes"):
        F.confusion_matrix(value, [0])
    with pytest.raises(ShapeError, match="the numbers of classes"):
        F.accuracy(np.eye(1), value)
