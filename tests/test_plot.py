"""Pictures are files that say in words what they show, and filters keep their places."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tinynet.plot import figures


def record(epoch, lr=0.1):
    return {
        "epoch": epoch,
        "train_loss": 2.0 / epoch,
        "train_accuracy": 0.3 * epoch,
        "test_loss": 2.1 / epoch,
        "test_accuracy": 0.25 * epoch,
        "lr": lr,
    }


def words_in(path):
    with Image.open(path) as picture:
        return picture.text["Description"]


def test_curves_say_in_words_what_they_show(tmp_path):
    figures.curves(
        [record(1), record(2, lr=0.01), record(3, lr=0.01)], tmp_path / "c.png", title="demo"
    )
    words = words_in(tmp_path / "c.png")
    assert "3 epochs" in words
    assert "test accuracy from 25.0 % to 75.0 %" in words


def test_a_run_without_epochs_and_one_with_one_can_be_drawn(tmp_path):
    for records in ([], [record(1)]):
        figures.curves(records, tmp_path / "c.png")
        with Image.open(tmp_path / "c.png") as picture:
            assert picture.width > 500


def test_each_fall_of_the_learning_rate_is_marked(tmp_path):
    axes = figures._figure(3, 3).subplots()
    figures._mark_falls(axes, [record(1, 0.1), record(2, 0.01), record(3, 0.01), record(4, 0.001)])
    assert [line.get_xdata()[0] for line in axes.lines] == [1.5, 3.5]
    assert [text.get_text() for text in axes.texts] == ["lr 0.01", "lr 0.001"]


def test_a_learning_rate_that_glides_down_draws_no_curtain():
    axes = figures._figure(3, 3).subplots()
    figures._mark_falls(axes, [record(i, 0.1 - 0.01 * i) for i in range(1, 5)])
    assert not axes.lines


def test_the_two_lines_differ_without_their_colour():
    assert figures.TRAIN["linestyle"] != figures.TEST["linestyle"]
    assert figures.TRAIN["marker"] != figures.TEST["marker"]


def test_filters_are_drawn_and_described(tmp_path, rng):
    figures.filters(rng.standard_normal((16, 3, 5, 5)), tmp_path / "f.png", title="first layer")
    assert words_in(tmp_path / "f.png") == "16 filters of 5x5 pixels in colour"


def test_a_mosaic_shows_each_filter_at_its_place():
    weight = np.zeros((3, 3, 2, 2))
    weight[1, 2, 0, 1] = 2.0  # the second filter, blue, top right
    tiles = figures.mosaic(weight)
    assert tiles.shape == (2, 8, 3)
    np.testing.assert_array_equal(tiles[0, 4], [0.5, 0.5, 1.0])
    np.testing.assert_array_equal(tiles[0, 0], [0.5, 0.5, 0.5])  # zero is grey
    np.testing.assert_array_equal(tiles[0, 2], [1.0, 1.0, 1.0])  # a seam


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_numbers_of_channels_are_shown_in_grey(channels):
    weight = -np.ones((2, channels, 3, 3))
    tiles = figures.mosaic(weight)
    assert (tiles[..., 0] == tiles[..., 1]).all()
    assert (tiles == 0).all(axis=-1).sum() == 2 * channels * 9


def test_filters_of_zeros_are_not_divided_by_zero():
    assert np.isfinite(figures.mosaic(np.zeros((2, 3, 3, 3)))).all()


def test_without_a_home_drawing_says_nothing(tmp_path):
    code = "from tinynet import plot; from pathlib import Path; plot.curves([], Path('c.png'))"
    environment = {**os.environ, "HOME": "/dev/null/home", "PYTHONPATH": os.pathsep.join(sys.path)}
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (tmp_path / "c.png").exists(), done.stderr
    assert done.stderr == ""
