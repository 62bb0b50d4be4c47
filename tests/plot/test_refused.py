"""What the figures refuse, and what they draw of numbers that are not finite."""

import warnings

import numpy as np
import pytest

import tinynet as tn
from tinynet.plot.filters import mosaic

EPOCH = {"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5}


@pytest.mark.parametrize(
    ("records", "error", "message"),
    [
        (None, TypeError, "state.records"),
        (tn.State(), TypeError, "state.records"),
        (EPOCH, TypeError, "list of records"),
        ([{"train_loss": 1.0}], ValueError, "has its number, epoch"),
        ([EPOCH | {"epoch": "a"}], ValueError, "has its number, epoch"),
    ],
)
def test_records(records, error, message):
    with pytest.raises(error, match=message):
        tn.plot.curves(records)


def test_records_without_a_rate_or_an_accuracy():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tn.plot.curves([EPOCH | {"lr": 0.1}, EPOCH | {"epoch": 2, "lr": None}])
        figure = tn.plot.curves([{"epoch": 1, "train_loss": 1.0}])
    assert [text.get_text() for text in figure.axes[1].texts] == ["not measured"]


def test_a_path_is_a_str_or_a_path():
    with pytest.raises(TypeError, match="the path is a str or a Path"):
        tn.plot.curves([EPOCH], 7)


@pytest.mark.parametrize("matrix", [[[1, 2], [3]], [["a", "b"], ["c", "d"]]])
def test_a_matrix_of_something_else(matrix):
    with pytest.raises(ValueError, match="holds counts"):
        tn.plot.confusion(matrix)


def test_the_names_of_classes_are_no_path():
    with pytest.raises(TypeError, match="path="):
        tn.plot.confusion([[1, 0], [0, 1]], "confusion.png")


def test_shares_instead_of_counts():
    figure = tn.plot.confusion([[0.1, 0.1], [0.0, 0.3]])
    assert figure.axes[0].get_title().startswith("accuracy 80.0 %\n")
    assert np.allclose(figure.axes[0].images[0].get_array(), [[0.5, 0.5], [0, 1]])


def test_filters_that_are_not_finite_leave_the_others_visible():
    weight = np.ones((2, 3, 2, 2), np.float32)
    weight[0, 0, 0, 0] = np.nan
    weight[0, 1, 0, 0] = np.inf
    weight[0, 2, 0, 0] = -np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiles = mosaic(weight)
    assert (tiles[0, 0] == [1, 1, 0]).all()
    assert np.isfinite(tiles).all()


def test_filters_of_bytes_do_not_wrap_around():
    tiles = mosaic(np.full((4, 3, 2, 2), -128, np.int8))
    assert tiles.min() == 0


@pytest.mark.parametrize("weights", ["a", None, np.ones((1, 1, 2, 2), complex)])
def test_filters_are_numbers(weights):
    with pytest.raises(TypeError, match="real numbers or a module"):
        tn.plot.filters(weights)
    assert tn.plot.filters(np.ones((1, 1, 2, 2)).tolist()).axes


def test_names_of_a_graph():
    x = tn.tensor([1.0], requires_grad=True)
    for wrong in (["x"], {x: "x"}):
        with pytest.raises(TypeError, match="dict of tensors by name"):
            tn.plot.graph((x * 2).sum(), names=wrong)
