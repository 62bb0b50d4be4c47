"""Faults that people reported of other frameworks: the values that are right, one test for each.

Those of the command line are in tests/cli (test_own_images, test_image_folders,
test_stops_and_resumes) and tests/data (test_folder, test_mnist); more cases of each kind are in the
tests of the folder that it belongs to.
"""

import collections
import threading

import numpy as np
import pytest

import tinynet as tn
from tinynet import data, inspection, models, nn, weights
from tinynet import functions as F
from tinynet.core.errors import GraphError, ShapeError
from tinynet.data import transforms
from tinynet.functions.elementwise import Tanh


def test_one_function_object_may_be_applied_twice():
    tanh = Tanh()
    x = tn.tensor([0.3], requires_grad=True)
    z = tn.tensor([0.5], requires_grad=True)
    (tanh(x) + tanh(z)).backward()
    assert x.grad == pytest.approx(1 - np.tanh(0.3) ** 2)
    assert z.grad == pytest.approx(1 - np.tanh(0.5) ** 2)


def test_a_step_between_forward_and_backward_is_noticed():
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    x = tn.ones(1, 1)
    first = model(x).sum()
    second = model(x).sum()
    optimizer = tn.optim.SGD(model.parameters(), lr=1.0)
    first.backward()
    optimizer.step()
    with pytest.raises(GraphError, match="changed after the forward pass"):
        second.backward()


def test_a_parameter_that_was_scaled_between_forward_and_backward_is_noticed():
    weight = nn.Parameter(np.array([2.0, 3.0], np.float32))
    x = tn.tensor([1.0, 1.0], requires_grad=True)
    y = (x * weight).sum()
    weight.data *= 10
    with pytest.raises(GraphError, match="changed after the forward pass"):
        y.backward()
    y = (x * weight).sum()
    weight.data = np.zeros(2, np.float32)  # other memory: the graph keeps the old values
    y.backward()
    assert x.grad.tolist() == [20.0, 30.0]


def test_a_look_at_a_network_between_forward_and_backward_changes_nothing():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2))
    image = np.ones((1, 6, 6), np.float32)
    loss = model(tn.tensor(image[None])).sum()
    inspection.saliency(model, image, 0)
    tn.summary(model, (1, 6, 6))
    loss.backward()
    assert model[0].weight.grad.shape == (2, 1, 3, 3)


def test_each_leaf_owns_its_gradient():
    a = nn.Parameter(np.ones(3, np.float32))
    b = nn.Parameter(np.ones(3, np.float32))
    h = a + b
    (h * h).sum().backward()
    for parameter in (a, b):
        parameter.grad *= 0.5
    assert a.grad.tolist() == b.grad.tolist() == [2.0, 2.0, 2.0]
    x = tn.tensor(np.ones((2, 3)), requires_grad=True)
    x.mean().backward()
    x.grad *= 6
    assert x.grad.tolist() == [[1.0] * 3] * 2


@pytest.mark.parametrize("size", [33, 40, 100])
def test_a_window_larger_than_the_image_is_refused(size):
    with pytest.raises(ShapeError, match=f"a window of {size}x{size} must fit"):
        data.center_crop(np.zeros((2, 3, 32, 32), np.uint8), size)


def test_comparison_with_labels_is_elementwise():
    predicted = tn.tensor([1.0, 0.0, 1.0])
    labels = np.array([1, 0, 1])
    assert np.mean(predicted == labels) == 1.0
    assert sum(bool(a == b) for a, b in zip(predicted, labels, strict=True)) == 3
    assert (tn.tensor(0.0) == 0.0).all()


def test_color_noise_does_not_wrap_bytes():
    images = np.full((4, 3, 2, 2), 250, np.uint8)
    noise = np.array([20.0, 5.0, 2.0]), np.eye(3)
    try:
        found = transforms.pca_color_noise(images, noise, np.random.default_rng(0), strength=1.0)
    except (TypeError, ValueError):
        return
    assert found.dtype.kind == "f"


def test_response_normalization_of_large_halves_is_that_of_singles():
    x = np.full((1, 5, 1, 1), 300.0)
    half, single = (nn.LocalResponseNorm()(tn.tensor(x.astype(kind))).data for kind in ("f2", "f4"))
    assert half == pytest.approx(single, rel=2**-9)
    assert single[0, 2, 0, 0] == pytest.approx(16.7127, rel=1e-4)


def test_the_gradient_of_an_exponent_at_base_0_is_0():
    exponent = tn.tensor([2.0, 0.5], requires_grad=True)
    (tn.tensor([0.0, 0.0]) ** exponent).sum().backward()
    assert exponent.grad.tolist() == [0.0, 0.0]


def test_the_state_of_an_optimizer_has_its_rate():
    model = nn.Linear(2, 2)
    first = tn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    first.lr = 0.001
    second = tn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    second.load_state_dict(first.state_dict())
    assert second.lr == pytest.approx(0.001)


@pytest.mark.parametrize("layer", [nn.LocalResponseNorm(), nn.BatchNorm2d(6)])
@pytest.mark.parametrize("kind", [">f4", "f2"])
def test_normalizations_take_other_types_and_byte_orders(layer, kind, rng):
    values = rng.random((2, 6, 8, 8)).astype(kind)
    gradients = []
    for given in (values, values.astype("f4")):
        x = tn.tensor(given, requires_grad=True)
        (layer(x) * layer(x)).sum().backward()
        gradients.append(x.grad.astype("f4"))
    bound = 0.05 if kind == "f2" else 1e-5
    np.testing.assert_allclose(*gradients, atol=bound * max(1, abs(gradients[1]).max()))


@pytest.mark.parametrize(
    "array",
    [
        np.frombuffer(np.ones(6, np.float32).tobytes(), np.float32).reshape(2, 3),
        np.broadcast_to(np.float32(1), (2, 3)),
    ],
)
@pytest.mark.parametrize("optimizer", [tn.optim.SGD, tn.optim.Adam])
def test_read_only_arrays_become_weights_that_move(array, optimizer):
    weight = nn.Parameter(array)
    F.linear(tn.ones(1, 3), weight).sum().backward()
    optimizer([weight], lr=0.1).step()
    assert weight.data == pytest.approx(0.9, rel=1e-5)


def test_a_field_of_packed_records_is_taken():
    rows = np.zeros(2, np.dtype([("label", "u1"), ("image", "f4", (3, 6, 6))]))
    assert not rows["image"].flags.aligned
    x = tn.Tensor(rows["image"], requires_grad=True)
    layer = nn.Conv2d(3, 2, 3)
    layer.weight = nn.Parameter(
        np.zeros(1, np.dtype([("n", "u1"), ("w", "f4", (2, 3, 3, 3))]))["w"][0]
    )
    layer(x).sum().backward()
    assert x.grad.shape == (2, 3, 6, 6)


@pytest.mark.parametrize("gy", [tn.tensor([1.0, 1.0]), 1.0, [1, 1], np.ones(2)])
def test_backward_takes_tensors_numbers_and_lists(gy):
    x = tn.tensor([1.0, 2.0], requires_grad=True)
    (x * x).backward(gy)
    assert x.grad.tolist() == [2.0, 4.0]


@pytest.mark.parametrize("lr", ["1e-3", None, float("inf"), float("nan"), -1, True])
def test_a_rate_is_a_finite_number(lr):
    with pytest.raises(ValueError, match="SGD: lr must be a number"):
        tn.optim.SGD(nn.Linear(2, 2).parameters(), lr=lr)


def test_a_loss_can_be_formatted():
    assert f"loss {tn.tensor(1.5):.3f} {tn.tensor(1.5):g}" == "loss 1.500 1.5"
    with pytest.raises(TypeError, match="formats one number"):
        f"{tn.tensor([1.0, 2.0]):.2f}"


def test_a_layer_is_replaced_by_its_number():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 10))
    model[2] = nn.Linear(3, 2)
    model.append(nn.ReLU())
    assert [name for name, _ in model.named_parameters()] == [
        "0.weight", "0.bias", "2.weight", "2.bias",
    ]  # fmt: skip
    assert model(tn.ones(1, 4)).shape == (1, 2)
    assert "(2): Linear(in_features=3, out_features=2)" in repr(model)
    assert "(a): ReLU()" in repr(nn.Sequential(collections.OrderedDict(a=nn.ReLU())))


def test_tensors_and_modules_have_the_usual_small_things():
    x = tn.tensor([[1.0, 2.0]])
    assert (x.ndim, x.size, x.T.shape, int(x.argmax())) == (2, 2, (2, 1), 1)
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    assert len(list(model.modules())) == 3
    model[0].owner = model
    assert len(list(model.parameters())) == 2


def test_names_of_a_compiled_model_are_read(tmp_path):
    model = nn.Sequential(nn.Linear(3, 2))
    named = {"_orig_mod." + name: array + 1 for name, array in model.state_dict().items()}
    np.savez(tmp_path / "c.npz", **named)
    before = model[0].weight.data.copy()
    weights.load(model, tmp_path / "c.npz")
    assert np.array_equal(model[0].weight.data, before + 1)


def test_the_judge_says_that_a_forward_pass_changed_its_input():
    def doubled(x):
        x.data *= 2
        return x * 1.0

    with pytest.raises(AssertionError, match="it changed its input 0 in place"):
        tn.testing.check_gradient(doubled, np.ones((2, 3)))


def test_same_and_valid_are_paddings():
    x = tn.zeros(1, 3, 7, 7)
    assert nn.Conv2d(3, 8, 4, padding="same")(x).shape == (1, 8, 7, 7)
    assert nn.Conv2d(3, 8, 4, padding="valid")(x).shape == (1, 8, 4, 4)
    with pytest.raises(ValueError, match="which takes stride 1"):
        nn.Conv2d(3, 8, 4, stride=2, padding="same")


def test_networks_that_two_threads_build_are_those_that_one_builds():
    alone = models.build("demo", 10, seed=3).state_dict()
    found = []
    start = threading.Barrier(2)

    def build():
        start.wait(10)
        found.extend(models.build("demo", 10, seed=3).state_dict() for _ in range(5))

    threads = [threading.Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 10
    for state in found:
        assert all(np.array_equal(state[name], alone[name]) for name in alone)
