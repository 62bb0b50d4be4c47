"""The confusion matrix as a figure."""

import numpy as np
import pytest
from PIL import Image

import tinynet as tn
from tinynet import plot
from tinynet.core.errors import ShapeError

MATRIX = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]])
NAMES = ["cat", "dog", "$ship$"]


def cells(figure):
    axes = figure.axes[0]
    return {tuple(map(int, text.get_position())): text.get_text() for text in axes.texts}


def test_rows_are_true_and_columns_predicted_classes():
    figure = plot.confusion(MATRIX, NAMES)
    assert cells(figure) == {(0, 0): "8", (1, 0): "2", (0, 1): "1", (1, 1): "9"}  # (column, row)
    axes = figure.axes[0]
    assert [axes.get_xlabel(), axes.get_ylabel()] == ["predicted class", "true class"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["cat", "dog", r"\$ship\$"]


def test_the_shade_is_the_share_of_the_true_class_also_where_it_never_occurs():
    (image,) = plot.confusion(MATRIX).axes[0].images
    np.testing.assert_allclose(image.get_array(), [[0.8, 0.2, 0], [0.1, 0.9, 0], [0, 0, 0]])


def test_the_figure_says_in_words_what_it_shows(tmp_path):
    plot.confusion(tn.tensor(MATRIX), NAMES, tmp_path / "c.png", title="demo")
    with Image.open(tmp_path / "c.png") as picture:
        words = picture.text["Description"]
    assert words == (
        "17 of 20 images are predicted correctly. The most frequent confusion: 2 images of cat are "
        "predicted as dog."
    )


def test_many_classes_are_drawn_without_counts_and_names():
    figure = plot.confusion(np.eye(100, dtype=int) * 7)
    assert cells(figure) == {}
    assert max(figure.get_size_inches()) < 12
    assert figure.axes[0].get_title() == "accuracy 100.0 % on 700 images"


def test_the_title_names_the_most_frequent_mistake():
    title = plot.confusion([[5, 0], [1, 5]], ["cat", "dog"], title="net").axes[0].get_title()
    assert (
        title
        == "net: accuracy 90.9 % on 11 images\nmost frequent mistake: dog taken for cat, 1 image"
    )


def test_a_matrix_of_nothing_has_no_accuracy_to_divide_by():
    assert plot.confusion(np.zeros((2, 2), int)).axes[0].get_title() == "accuracy 0.0 % on 0 images"


@pytest.mark.parametrize("matrix", [np.ones((2, 3)), np.ones(4), np.ones((0, 0)), object()])
def test_what_is_not_square_is_refused(matrix):
    with pytest.raises(ShapeError, match="confusion: the matrix is square"):
        plot.confusion(matrix)


def test_another_number_of_names_is_refused():
    with pytest.raises(ShapeError, match=r"2 names in `classes` for the 3 rows"):
        plot.confusion(MATRIX, NAMES[:2])


@pytest.mark.parametrize("wrong", [-1.0, np.nan])
def test_what_is_no_count_is_refused(wrong):
    with pytest.raises(ValueError, match="counts"):
        plot.confusion([[wrong, 1.0], [0.0, 1.0]])
