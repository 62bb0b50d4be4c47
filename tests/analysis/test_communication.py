"""The tables of the communication volume, and figure 2 of the paper with its numbers."""

import re

import pytest
from PIL import Image

from tinynet import models, nn
from tinynet.analysis import communication
from tinynet.models import two_towers


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """The page of the paper's network, and the picture of it."""
    figure = tmp_path_factory.mktemp("figure") / "two.png"
    return communication.page("alexnet-two-towers", batch=128, figure=figure), figure


def numbers(page, row):
    line = next(line for line in page.splitlines() if line.startswith(row))
    return [float(n.replace(",", "")) for n in re.findall(r"[\d,.]+(?= |$)", line[len(row) :])]


def test_bytes_by_layer_and_direction(papers):
    page, _ = papers
    for layer, n in {"conv3": 21_632, "fc6": 4_608, "fc7": 2_048}.items():
        assert numbers(page, layer) == [4 * n] * 4
    assert numbers(page, "fc8") == [0, 8_192, 8_192, 0]
    assert numbers(page, "picture") == [602_112, 0, 0, 0]
    assert numbers(page, "all") == [715_264, 121_344, 121_344, 113_152]


def test_the_ways_to_share_a_step_side_by_side(papers):
    """128 * (2 * 30,336 - 2,048) floats; 60,965,224 weights, 2,334,080 of them in convolutions."""
    page, _ = papers
    both = 128 * 4 * (2 * (21_632 + 4_608 + 2_048) + 2_048) / 1e6
    assert numbers(page, "two towers") == [round(n, 1) for n in (both, both, 0, 2 * both)]
    weights = 2 * 4 * 60_965_224 / 1e6
    assert numbers(page, "data parallel") == [0, 0, round(weights, 1), round(weights, 1)]
    convolutions = 34_944 + 307_456 + 885_120 + 663_936 + 442_624
    trick = 128 * 4 * (9_216 + 4_096 + 2_048) / 1e6  # fc6: half of the pictures, each way
    shared = 2 * 4 * convolutions / 1e6
    expected = [trick, trick, shared, 2 * trick + shared]
    assert numbers(page, "one weird trick") == [round(n, 1) for n in expected]


def test_the_figure_says_in_words_what_it_shows(papers):
    _, figure = papers
    with Image.open(figure) as picture:
        words = picture.text["Description"]
    assert "86,528 bytes to the first into conv3, 86,528 bytes to the second into conv3" in words
    assert words.endswith("8,192 bytes to the first into fc8.")
    assert "picture" not in words


def test_maps_are_those_of_one_tower():
    with nn.init.skip_init():
        model = models.build("small-alexnet-two-towers")
    found = communication.maps(model)
    assert list(found) == ["picture", *two_towers.LAYERS, "fc8"]
    assert [found[layer] for layer in ("conv1", "conv3", "fc6", "fc8")] == [
        (32, 32, 32),
        (96, 8, 8),
        (256,),
        (10,),
    ]


def test_a_network_on_one_device_is_refused():
    with pytest.raises(ValueError, match=r"demo.*one device. .*: alexnet-two-towers, small-alex"):
        communication.page("demo", batch=1)
    with pytest.raises(ValueError, match=r"trick has no towers. .*: alexnet-two-towers"):
        communication.page("small-alexnet-one-weird-trick", batch=1)
