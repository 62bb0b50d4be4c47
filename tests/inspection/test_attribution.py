"""Occlusion and saliency of networks whose answer is known."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import data, inspection, nn
from tinynet.core.errors import ShapeError


def corner_detector():
    """Return a net whose class 1 means: the mean of the 4x4 pixels in the lower right is bright."""
    model = nn.Sequential(nn.Conv2d(1, 1, 4, stride=4, bias=False), nn.Flatten(), nn.Linear(9, 2))
    model[0].weight.data[...] = 1 / 16
    model[2].weight.data[...] = 0
    model[2].weight.data[1, 8] = 4.0
    model[2].bias.data[...] = [2.0, 0.0]
    return model


def bright(side=12):
    return np.ones((1, side, side), np.float32)


def test_the_occlusion_map_of_a_corner_detector_peaks_at_its_corner():
    drops = inspection.occlusion_map(corner_detector(), bright(), 1, window=4, stride=2)
    assert drops.shape == (5, 5)
    assert np.unravel_index(drops.argmax(), drops.shape) == (4, 4)
    # Before: sigmoid(4 - 2). With the corner hidden: sigmoid(0 - 2).
    np.testing.assert_allclose(drops[4, 4], 1 / (1 + np.exp(-2)) - 1 / (1 + np.exp(2)), rtol=1e-5)
    assert np.abs(drops[:3]).max() == 0  # these windows do not touch it


def test_windows_are_filled_in_all_channels_with_the_value_that_is_asked_for():
    image = np.zeros((2, 4, 4), np.float32)
    model = nn.Sequential(nn.Flatten(), nn.Linear(32, 2))
    model[1].weight.data[...] = 0
    model[1].weight.data[0] = 1.0
    drops = inspection.occlusion_map(model, image, 0, window=2, stride=2, fill=-1.0)
    bias = model[1].bias.numpy()
    before = 1 / (1 + np.exp(bias[1] - bias[0]))
    after = 1 / (1 + np.exp(bias[1] - bias[0] + 8))
    np.testing.assert_allclose(drops, np.full((2, 2), before - after), rtol=1e-4)


def test_many_windows_are_computed_in_batches(monkeypatch):
    from tinynet.inspection import attribution

    whole = inspection.occlusion_map(corner_detector(), bright(), 1, window=4, stride=1)
    monkeypatch.setattr(attribution, "BATCH", 7)
    again = inspection.occlusion_map(corner_detector(), bright(), 1, window=4, stride=1)
    np.testing.assert_allclose(again, whole, atol=1e-6)


def test_saliency_is_the_gradient_of_the_score_and_largest_over_channels():
    model = nn.Sequential(nn.Flatten(), nn.Linear(8, 3))
    weight = np.arange(24, dtype=np.float32).reshape(3, 8) - 12
    model[1].weight.data[...] = weight
    found = inspection.saliency(model, np.ones((2, 2, 2), np.float32), label=1)
    np.testing.assert_allclose(found, np.abs(weight[1].reshape(2, 2, 2)).max(axis=0))


def test_without_a_label_the_predicted_class_is_asked_about():
    model = corner_detector()
    image = bright()
    np.testing.assert_array_equal(
        inspection.saliency(model, image), inspection.saliency(model, image, 1)
    )
    dark = 0 * image
    assert inspection.saliency(model, dark).max() == 0  # class 0, whose score is a constant


def test_bytes_are_prepared_as_in_training_or_as_said():
    model = corner_detector()
    image = np.full((1, 12, 12), 255, np.uint8)
    with pytest.raises(ValueError, match=r"saliency: the images are uint8, .* Give prepare="):
        inspection.saliency(model, image)
    scaled = inspection.occlusion_map(model, image, 1, window=4, prepare=lambda x: x / 255)
    np.testing.assert_allclose(scaled, inspection.occlusion_map(model, bright(), 1, window=4))
    train = data.DataLoader(
        (image[None], np.array([1])),
        batch_size=1,
        transform=data.Normalize.fit("mean-image", image[None]),
    )
    for _ in tn.fit(model, tn.optim.SGD(model.parameters(), lr=1e-9), train, epochs=1):
        pass
    drops = inspection.occlusion_map(model, image, 1, window=4)
    assert np.abs(drops).max() == 0  # the mean image is 0, as what is hidden is


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training):
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(200, 2)
    ).train(training)
    model[0].weight.grad = np.ones(model[0].weight.shape, np.float32)
    before = model.state_dict()
    inspection.occlusion_map(model, bright(), window=6)
    inspection.saliency(model, bright())
    inspection.gradient_flow(model, bright()[None], [1])
    assert all(module.training == training for module in model.modules())
    assert (model[0].weight.grad == 1).all()
    assert model[4].weight.grad is None
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"window": 13}, ShapeError, "a window of 13x13 pixels does not fit into an image of 12x"),
        ({"window": 0}, ValueError, "window is a positive integer, got 0"),
        ({"stride": 1.5}, ValueError, "stride is a positive integer, got 1.5"),
        ({"label": 2}, ValueError, "label is a class from 0 to 1, got 2"),
        ({"label": -1}, ValueError, "label is a class from 0 to 1, got -1"),
    ],
)
def test_what_cannot_be_is_refused(settings, error, message):
    with pytest.raises(error, match=f"occlusion_map: {message}"):
        inspection.occlusion_map(corner_detector(), bright(), **settings)


def test_several_images_are_refused():
    with pytest.raises(ShapeError, match=r"saliency: one image is \(C, H, W\), got \(2, 1, 4, 4\)"):
        inspection.saliency(corner_detector(), np.ones((2, 1, 4, 4)))


def test_rows_and_columns_are_not_exchanged():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 5, 2))
    weight = np.zeros((2, 1, 3, 5), np.float32)
    weight[1, 0, 0, 4] = 3.0  # the pixel in row 0, column 4
    model[1].weight.data[...] = weight.reshape(2, 15)
    image = np.ones((1, 3, 5), np.float32)
    drops = inspection.occlusion_map(model, image, 1, window=1, stride=1)
    assert drops.shape == (3, 5)
    assert np.argwhere(np.abs(drops) > 1e-6).tolist() == [[0, 4]]
    assert np.argwhere(inspection.saliency(model, image, 1)).tolist() == [[0, 4]]
