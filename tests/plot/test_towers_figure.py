"""Drawing of the two towers: boxes and arrows have the sizes of what they stand for."""

import numpy as np

from tinynet.plot import towers as figure

MAPS = {"picture": (3, 224, 224), "conv1": (48, 56, 56), "fc6": (10,)}
CROSSED = {("conv1", True): 400, ("conv1", False): 400, ("fc6", False): 100}


def drawn():
    return figure.towers(MAPS, CROSSED, kernels={"conv1": "conv 11x11"}, title="net").axes[0]


def test_a_face_is_the_square_root_of_the_side():
    fronts = [patch.get_xy() for patch in drawn().patches if len(patch.get_xy()) == 5][::3]
    heights = [np.ptp(corners[:, 1]) for corners in fronts]
    assert len(fronts) == 5  # the last layer stands on the first device alone
    np.testing.assert_allclose(heights[0] / heights[2], (224 / 56) ** 0.5)


def test_more_bytes_make_a_wider_arrow_and_are_written_once():
    axes = drawn()
    texts = [text.get_text() for text in axes.texts]
    assert texts.count("400 bytes\neach way") == 1
    assert texts.count("100 bytes\none way") == 1
    assert "conv 11x11" in texts
    widths = {t.arrow_patch.get_linewidth() for t in axes.texts if getattr(t, "arrow_patch", None)}
    assert widths == {1.2, 1.2 + 2.6, 1.2 + 2.6 * 0.5}


def test_the_legend_says_what_colors_and_sizes_mean():
    legend = drawn().get_legend()
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["to the second device", "to the first device", "within a device"]
    assert "square root of bytes" in legend.get_title().get_text()


def test_bytes_are_numbers_of_the_figure():
    numbers = figure.towers(MAPS, CROSSED).numbers
    assert numbers == {"conv1 down": 400, "conv1 up": 400, "fc6 up": 100}
