"""tn.fit and tn.evaluate refuse or get right what would go wrong in silence."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import data, nn, optim


def floats(n=12):
    rng = np.random.default_rng(n)
    return (100 + 20 * rng.standard_normal((n, 1, 2, 2))).astype(np.float32), np.arange(n) % 3


def net():
    tn.seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3))


def fitted(images, labels, **settings):
    model = net()
    loader = data.DataLoader((images, labels), 4, transform=data.Normalize(100.0, 20.0))
    sgd = optim.SGD(model.parameters(), lr=0.01)
    *_, last = tn.fit(model, sgd, loader, epochs=1, **settings)
    return model, loader, last


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64"])
def test_a_test_set_is_prepared_as_the_training_images_were(dtype):
    images, labels = floats()
    images = images.astype(dtype)
    model, loader, last = fitted(images, labels, test=(images, labels))
    right = tn.evaluate(model, loader)
    assert last.test_loss == pytest.approx(right.loss)
    assert tn.evaluate(model, (images, labels)).loss == pytest.approx(right.loss)
    assert tn.predict(model, images).shape == (12, 3)


def test_floats_for_a_model_trained_on_bytes_are_taken_as_they_are():
    images, labels = floats()
    model, loader, _ = fitted(images.astype(np.uint8), labels)
    ready = (images.astype(np.uint8) - np.float32(100)) / np.float32(20)
    found = tn.evaluate(model, (ready, labels))
    assert found.loss == pytest.approx(tn.evaluate(model, loader).loss)


def test_evaluation_leaves_each_module_in_its_own_mode():
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout(0.5), nn.Flatten(), nn.Linear(4, 3))
    model[0].eval()
    tn.evaluate(model, floats())
    assert [module.training for module in model] == [False, True, True, True]


@pytest.mark.parametrize("nested", [False, True])
def test_a_second_softmax_is_said(nested):
    model = net()
    model.append(nn.Sequential(nn.Softmax(axis=1)) if nested else nn.Softmax(axis=1))
    sgd = optim.SGD(model.parameters(), lr=0.1)
    with pytest.warns(UserWarning, match=r"fit: the model ends with Softmax.*Leave the layer out"):
        tn.fit(model, sgd, data.DataLoader(floats(), 4), epochs=1)


def test_a_model_that_was_changed_after_its_optimizer_is_refused():
    model = net()
    sgd = optim.SGD(model.parameters(), lr=0.1)
    model[1] = nn.Linear(4, 3)
    model.append(nn.Linear(3, 3))
    with pytest.raises(ValueError, match="no parameter of this model"):
        tn.fit(model, sgd, data.DataLoader(floats(), 4), epochs=1)
    model = net()
    model.append(nn.Linear(3, 3))
    sgd = optim.SGD(model.parameters(), lr=0.1)
    model[2] = nn.Linear(3, 3)
    with pytest.raises(ValueError, match="2 parameters that the model no longer has"):
        tn.fit(model, sgd, data.DataLoader(floats(), 4), epochs=1)


def test_a_frozen_model_is_refused():
    model = net()
    sgd = optim.SGD(model.parameters(), lr=0.1)
    model.freeze()
    with pytest.raises(ValueError, match=r"frozen.*unfreeze"):
        tn.fit(model, sgd, data.DataLoader(floats(), 4), epochs=1)


@pytest.mark.parametrize(("says", "yields"), [(3, 2), (2, 3)])
def test_a_loader_that_yields_another_number_of_batches_is_refused(says, yields):
    class Wrong:
        steps = says

        def batches(self, epoch, first=0):
            for _ in range(first, yields):
                yield floats(4)

    model = net()
    sgd = optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=f"has {says} steps, and yields"):
        list(tn.fit(model, sgd, Wrong(), epochs=1))


@pytest.mark.parametrize("epochs", [True, 0, 1.5, "2"])
def test_epochs_are_a_whole_number(epochs):
    model = net()
    sgd = optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="epochs must be a whole number"):
        tn.fit(model, sgd, data.DataLoader(floats(), 4), epochs=epochs)


def test_no_image_is_no_question():
    with pytest.raises(ValueError, match="no image to classify"):
        tn.predict(net(), np.zeros((0, 1, 2, 2), np.float32))


def test_a_test_loader_that_forgets_the_normalization_is_refused():
    images, labels = floats()
    with pytest.raises(
        ValueError, match=r"test loader has no transform.*Normalize.*data set itself"
    ):
        fitted(images, labels, test=data.DataLoader((images, labels), 4))


def test_a_data_set_and_a_loader_can_be_predicted():
    images, labels = floats()
    model, loader, _ = fitted(images, labels)
    right = tn.predict(model, images)
    np.testing.assert_array_equal(tn.predict(model, data.ArrayDataset(images, labels)), right)
    np.testing.assert_allclose(tn.predict(model, loader), right, rtol=1e-6)


@pytest.mark.parametrize("seed", [1, 77])
def test_a_checkpoint_brings_the_seed_of_dropout_and_the_normalization(tmp_path, seed):
    images, labels = floats(24)

    def parts():
        with tn.random.fork(3):
            model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 3))
        prepare = data.Normalize(100.0, 20.0)
        loader = data.DataLoader((images, labels), 4, shuffle=True, transform=prepare)
        return model, optim.SGD(model.parameters(), lr=0.1), loader

    tn.seed(1)
    whole, sgd, loader = parts()
    list(tn.fit(whole, sgd, loader, epochs=2))
    tn.seed(1)
    model, sgd, loader = parts()
    state = tn.State()
    for _ in tn.fit(model, sgd, loader, epochs=2, state=state):
        tn.save_checkpoint(tmp_path / "c.safetensors", model, sgd, state)
        break
    tn.seed(seed)
    model, sgd, loader = parts()
    state = tn.load_checkpoint(tmp_path / "c.safetensors", model, sgd)
    assert tn.predict(model, images).shape == (24, 3)
    list(tn.fit(model, sgd, loader, epochs=2, state=state))
    assert model[2].weight.data.tobytes() == whole[2].weight.data.tobytes()
    np.testing.assert_array_equal(tn.predict(model, images), tn.predict(whole, images))


def test_a_checkpoint_has_the_suffix_of_its_format(tmp_path):
    model = net()
    sgd = optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=r"\.safetensors file"):
        tn.save_checkpoint(tmp_path / "c.pt", model, sgd, tn.State())
