"""Units, neighbors and gradients: planted answers are found."""

import numpy as np
import pytest

from tinynet import inspection, nn
from tinynet.core.errors import ShapeError


def test_every_layer_is_listed_once_for_each_call_and_containers_are_not():
    shared = nn.ReLU()
    model = nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 3), shared), nn.MaxPool2d(2), shared)
    found = inspection.activations(model, np.ones((1, 6, 6), np.float32))
    assert [each.label for each in found] == [
        "0.0 Conv2d",
        "0.1 ReLU",
        "1 MaxPool2d",
        "0.1 (2) ReLU",
    ]
    y = found[0].output
    np.testing.assert_array_equal(found[1].output, np.maximum(y, 0))  # not fused


def test_a_planted_dead_unit_is_found(rng):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2), nn.ReLU())
    model[0].bias.data[...] = [0, -1e3, 1e3, 0]
    images = rng.standard_normal((250, 3, 6, 6)).astype(np.float32)
    fired = inspection.dead_units(model, images)
    assert list(fired) == ["1", "4"]
    assert fired["1"][1] == 0
    assert fired["1"][2] == 1
    assert 0 < fired["1"][0] < 1
    outputs = inspection.activations(model, images)[1].output  # the batches are put together
    np.testing.assert_allclose(fired["1"], (outputs > 0).mean(axis=(0, 2, 3)))


def test_a_model_without_relu_has_no_dead_units():
    with pytest.raises(ShapeError, match=r"dead_units: Linear has no layer nn\.ReLU"):
        inspection.dead_units(nn.Linear(2, 2), np.ones((1, 2), np.float32))


def test_the_images_with_a_planted_pattern_excite_its_detector_most(rng):
    pattern = np.array([[1, -1], [-1, 1]], np.float32)
    images = 0.01 * rng.standard_normal((150, 1, 8, 8)).astype(np.float32)
    places = {120: (5, 1), 7: (0, 6), 33: (2, 3)}
    for strength, (image, (h, w)) in zip((3, 2, 1), places.items(), strict=True):
        images[image, 0, h : h + 2, w : w + 2] += strength * pattern
    model = nn.Sequential(nn.Conv2d(1, 2, 2, bias=False), nn.ReLU())
    model[0].weight.data[...] = 0
    model[0].weight.data[1, 0] = pattern
    found = inspection.top_images(model, images, "1", units=[1], k=3)
    assert found.indices.tolist() == [list(places)]
    assert found.boxes[0].tolist() == [[h, w, h + 2, w + 2] for h, w in places.values()]
    np.testing.assert_allclose(found.values[0], [12, 8, 4], atol=0.2)


def test_a_box_grows_with_the_layers_below(rng):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(32, 3))
    images = rng.standard_normal((4, 1, 8, 8)).astype(np.float32)
    boxes = inspection.top_images(model, images, "1", k=2).boxes
    assert ((boxes[..., 2] - boxes[..., 0] == 5) & (boxes[..., 3] - boxes[..., 1] == 5)).all()
    whole = inspection.top_images(model, images, "3", k=1)  # outputs of a linear layer are units
    assert whole.units.tolist() == [0, 1, 2]
    assert (whole.boxes == [0, 0, 8, 8]).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer": "5"}, "there is no layer '5'. There are: 0, 1"),
        ({"units": [2]}, r"units are numbers from 0 to 1, got \[2\]"),
        ({"units": [-1]}, "units are numbers from 0 to 1"),
    ],
)
def test_what_is_not_there_is_refused(settings, message):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    with pytest.raises((ShapeError, ValueError), match=f"top_images: {message}"):
        inspection.top_images(model, np.ones((1, 1, 4, 4), np.float32), **settings)


def test_neighbors_are_those_of_all_distances(rng):
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Linear(5, 3))
    gallery = rng.standard_normal((130, 3, 2, 2)).astype(np.float32)
    queries = rng.standard_normal((4, 3, 2, 2)).astype(np.float32)
    queries[2] = gallery[77]
    found = inspection.neighbors(model, queries, gallery, k=6)
    features = [inspection.last_hidden(model, x).astype(np.float64) for x in (queries, gallery)]
    distances = np.linalg.norm(features[0][:, None] - features[1], axis=2)
    np.testing.assert_array_equal(found.indices, np.argsort(distances, axis=1)[:, :6])
    np.testing.assert_allclose(found.distances, np.sort(distances, axis=1)[:, :6])
    assert found.indices[2, 0] == 77
    assert found.distances[2, 0] == 0


def test_the_features_are_what_the_last_linear_layer_sees(rng):
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(4, 5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 2)
    )
    images = rng.standard_normal((3, 1, 2, 2)).astype(np.float32)
    hidden = inspection.activations(model, images)[2].output
    np.testing.assert_array_equal(inspection.last_hidden(model, images), hidden)


def test_gradients_of_a_linear_net_are_those_of_the_equation(rng):
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    x = rng.standard_normal((5, 3)).astype(np.float32)
    labels = np.array([0, 1, 1, 0, 1])
    first, last = inspection.gradient_flow(model, x, labels)
    scores = inspection.activations(model, x)[-1].output.astype(np.float64)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    arriving = (p - np.eye(2)[labels]) / 5
    np.testing.assert_allclose(last.activation_gradient, arriving, atol=1e-6)
    np.testing.assert_allclose(last.weight_gradient, arriving.T @ first.activation, atol=1e-5)
    np.testing.assert_allclose(last.arriving, np.sqrt((arriving**2).mean()), rtol=1e-4)
    expected = np.linalg.norm(last.weight_gradient) / np.linalg.norm(last.weight)
    np.testing.assert_allclose(last.ratio, expected, rtol=1e-6)


def test_a_vanishing_gradient_is_seen(rng):
    layers = [layer for _ in range(6) for layer in (nn.Linear(20, 20), nn.Sigmoid())]
    model = nn.Sequential(*layers, nn.Linear(20, 3))
    x = rng.standard_normal((9, 20)).astype(np.float32)
    flow = inspection.gradient_flow(model, x, np.arange(9) % 3)
    arriving = [layer.arriving for layer in flow]
    assert arriving == sorted(arriving)
    assert arriving[0] < 0.02 * arriving[-1]


def test_a_model_that_is_frozen_has_no_gradients():
    model = nn.Sequential(nn.Linear(2, 2)).freeze()
    with pytest.raises(ShapeError, match="gradient_flow: Sequential has no layer whose parameters"):
        inspection.gradient_flow(model, np.ones((1, 2), np.float32), [0])
