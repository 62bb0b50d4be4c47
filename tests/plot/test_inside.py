"""Figures of the inside of a network show the numbers of `inspection`, in the right place."""

import numpy as np
import pytest

from tinynet import inspection, nn, plot
from tinynet.core.errors import ShapeError


@pytest.fixture
def net():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.LocalResponseNorm(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 3),
    )


@pytest.fixture
def images(rng):
    return rng.standard_normal((6, 3, 8, 8)).astype(np.float32)


def drawn(axes, i=0):
    return np.asarray(axes.images[i].get_array())


def test_maps_are_sorted_and_share_one_scale(net, images):
    figure = plot.feature_maps(net, images[0])
    maps = inspection.activations(net, images[0])[1].output[0]
    order = np.argsort(-maps.mean(axis=(1, 2)))
    np.testing.assert_allclose(
        drawn(figure.axes[1])[:, :8], np.sqrt(maps[order[0]] / maps.max()), atol=1e-6
    )
    assert figure.axes[1].get_title(loc="left").startswith("4 maps of 8x8, ")


def test_layers_are_chosen_by_name_or_refused(net, images):
    figure = plot.feature_maps(net, images[0], layers=["0", "3"], maps=2)
    assert [axes.get_ylabel() for axes in figure.axes[1::2]] == ["0 Conv2d", "3 MaxPool2d"]
    with pytest.raises(ShapeError, match=r"no layer '5' has maps \(N, C, H, W\). There are: 0, 1"):
        plot.feature_maps(net, images[0], layers=["5"])
    with pytest.raises(ShapeError, match="no layer with maps"):
        plot.feature_maps(nn.Sequential(nn.Flatten()), images[0])


def test_a_deep_network_shows_eight_layers(images):
    deep = nn.Sequential(*(nn.ReLU() for _ in range(20)))
    names = [axes.get_ylabel() for axes in plot.feature_maps(deep, images[0]).axes[1::2]]
    assert len(names) == 8
    assert [names[0], names[-1]] == ["0 ReLU", "19 ReLU"]


def test_a_cell_of_the_occlusion_map_lies_around_the_center_of_its_window(net, images):
    figure = plot.occlusion_map(net, images[0], 1, window=4, stride=2)
    drops = inspection.occlusion_map(net, images[0], 1, window=4, stride=2)
    heat = figure.axes[1].images[1]
    np.testing.assert_allclose(heat.get_array(), drops.clip(min=0), atol=1e-6)
    assert list(heat.get_extent()) == [1, 7, 7, 1]  # centers at 2, 4, 6
    np.testing.assert_array_equal(figure.numbers["drop"], drops)
    row, column = np.unravel_index(drops.argmax(), drops.shape)
    frame = figure.axes[0].lines[0]
    assert min(frame.get_xdata()) == 2 * column
    assert min(frame.get_ydata()) == 2 * row


def test_saliency_draws_the_gradient(net, images):
    figure = plot.saliency(net, images[0], 2, classes=["a", "b", "$c$"])
    np.testing.assert_allclose(drawn(figure.axes[1]), inspection.saliency(net, images[0], 2))
    assert r"gradient of \$c\$ lies on" in figure.get_suptitle()


def test_top_images_are_drawn_in_their_order_with_their_box(net, images):
    figure = plot.top_images(net, images, layer="0", units=[2], k=3)
    found = inspection.top_images(net, images, "0", units=[2], k=3)
    assert figure.axes[0].get_ylabel() == "unit 2"
    for axes, row, box in zip(figure.axes, found.indices[0], found.boxes[0], strict=True):
        assert drawn(axes).shape == (8, 8, 3)
        np.testing.assert_allclose(drawn(axes)[0, 0], plot.tiles.viewable(images[row])[0, 0])
        assert min(axes.lines[0].get_ydata()) == box[0] - 0.5
        assert max(axes.lines[0].get_xdata()) == box[3] - 0.5


def test_neighbors_of_another_class_are_marked(net, images):
    labels = [0, 1, 0, 0, 0, 0]
    figure = plot.neighbors(net, images[:1], images, k=6, labels=([0], labels), classes="abc")
    found = inspection.neighbors(net, images[0], images, k=6).indices[0]
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["query:\na", *("a" if labels[i] == 0 else "× b" for i in found)]
    assert "Of 6 nearest images in the last hidden layer, 5 are" in figure.get_suptitle()


def test_dead_units_are_counted_in_the_title(net, images):
    net[0].bias.data[1] = -1e3
    figure = plot.dead_units(net, images)
    assert figure.axes[0].get_title() == "layer 1: 1 of 4 dead"
    assert figure.get_suptitle() == "1 of 4 units never fires on 6 images"
    alive = plot.dead_units(nn.Sequential(nn.ReLU()), abs(images))
    assert alive.get_suptitle() == "None of 3 units is silent on all 6 images"


def test_the_gradient_is_drawn_by_layer(net, images):
    figure = plot.gradient_flow(net, images, np.arange(6) % 3)
    flow = inspection.gradient_flow(net, images, np.arange(6) % 3)
    above, below = (axes.lines[0].get_ydata() for axes in figure.axes)
    np.testing.assert_allclose(above, [layer.arriving for layer in flow])
    np.testing.assert_allclose(below, [layer.ratio for layer in flow])


def test_histograms_count_every_value(net, images):
    figure = plot.histograms(net, images, np.arange(6) % 3)
    counts = figure.axes[0].patches[0].get_data().values
    assert counts.sum() == net[0].weight.data.size
    assert figure.axes[1].get_title().startswith("5 Linear\n")


def test_dots_lie_on_the_winners(net, images):
    figure = plot.pool_winners(net, images[0])
    found = inspection.pool_winners(net, images[0])[0]
    c = int(figure.axes[0].get_title().removeprefix("map "))
    dots = {tuple(map(int, place)) for place in figure.axes[0].collections[0].get_offsets()}
    assert dots == {(w, h) for h, w in np.argwhere(found.wins[0, c])}


def test_the_gain_of_lrn_lies_on_its_curve(images):
    layer = nn.LocalResponseNorm(n=3, k=1.0, alpha=0.5, beta=0.5)
    figure = plot.lrn_before_after(layer, images[0])
    values, curve = figure.axes[-1].lines
    np.testing.assert_allclose(values.get_ydata() ** 2, 1 + 0.5 * values.get_xdata(), rtol=1e-4)
    np.testing.assert_allclose(curve.get_ydata() ** 2, 1 + 0.5 * curve.get_xdata())
    assert figure.get_suptitle().startswith("The loudest places are divided by")
    weak = nn.LocalResponseNorm(alpha=1e-7)
    assert "hardly compete" in plot.lrn_before_after(weak, images[0]).get_suptitle()


def test_areas_of_the_architecture_are_the_costs():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
    figure = plot.architecture(net, (3, 8, 8), title="small")
    sides = [np.ptp(patch.get_xy()[:, 0]) for patch in figure.axes[0].patches[::2]]
    areas = np.square(sides)
    np.testing.assert_allclose(areas[0] / areas[1], (8 * 27 + 8) / 2890, rtol=1e-6)
    np.testing.assert_allclose(areas[2] / areas[3], 8 * 27 * 36 / 2880, rtol=1e-6)
    assert figure.get_suptitle().startswith("small: layer 3 holds 93 % of the parameters")
    with pytest.raises(ShapeError, match="architecture: no layer of the model has parameters"):
        plot.architecture(nn.ReLU(), (3,))


def test_images_of_any_kind_can_be_shown():
    viewable = plot.tiles.viewable
    np.testing.assert_array_equal(viewable(np.array([[[-1.0, 3.0]]]))[0, :, 0], [0, 1])
    np.testing.assert_array_equal(viewable(np.zeros((4, 1, 1), np.uint8)), np.zeros((1, 1, 3)))
    assert (viewable(np.full((1, 2, 2), np.nan)) >= 0).all()


def test_one_image_has_five_bars_and_several_are_a_contact_sheet(rng):
    shares = rng.dirichlet(np.ones(7), 3)
    images = rng.integers(0, 255, (3, 3, 8, 8), np.uint8)
    one = plot.predictions(images[0], shares[:1], "abcdefg", names=["x.png"])
    order = np.argsort(-shares[0])[:5]
    bars = [patch.get_width() for patch in one.axes[1].patches]
    np.testing.assert_allclose(bars, 100 * shares[0, order])
    assert [label.get_text() for label in one.axes[1].get_yticklabels()] == [
        "abcdefg"[i] for i in order
    ]
    sheet = plot.predictions(images, shares, "abcdefg", names=["x", "y", "z"])
    for axes, row, name in zip(sheet.axes, shares, "xyz", strict=True):
        assert axes.get_title() == name
        assert axes.get_xlabel() == f"{'abcdefg'[row.argmax()]}\n{100 * row.max():.0f} %"
    with pytest.raises(ShapeError, match=r"the shape \(3, 2\), not \(3, 7\)"):
        plot.predictions(images, shares, "ab")


def test_a_large_contact_sheet_shows_the_least_certain(rng, monkeypatch):
    monkeypatch.setitem(plot.predictions.__globals__, "SHEET", 2)
    shares = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    sheet = plot.predictions(rng.random((3, 3, 4, 4)), shares, "ab", names="xyz")
    assert [axes.get_title() for axes in sheet.axes] == ["y", "z"]
    assert sheet.get_suptitle().endswith("the 2 least certain are shown")
