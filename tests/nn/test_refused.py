"""What layers and networks refuse, and the sentence that says what to write."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import data, nn, optim

IMAGES = np.ones((2, 3, 4, 4), np.float32)


@pytest.mark.parametrize("wrong", [0, -1, 3.0, "3", None, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda n: nn.Linear(n, 3),
        lambda n: nn.Linear(3, n),
        lambda n: nn.Conv2d(n, 4, 3),
        lambda n: nn.Conv2d(4, n, 3),
        lambda n: nn.Conv2d(4, 4, 3, groups=n),
        lambda n: nn.LocallyConnected2d(n, 4, 6, 3),
        lambda n: nn.BatchNorm2d(n),
        lambda n: nn.LocalResponseNorm(3, groups=n),
    ],
)
def test_sizes_are_whole_numbers(make, wrong):
    with pytest.raises(ValueError, match=r"must be a whole number, at least 1|must divide"):
        make(wrong)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.MaxPool2d(0), "MaxPool2d: kernel_size: expected one integer"),
        (lambda: nn.MaxPool2d(2, stride=0), "MaxPool2d: stride: expected one integer"),
        (lambda: nn.AvgPool2d(2.5), "AvgPool2d: kernel_size: expected one integer"),
        (lambda: nn.AvgPool2d(2, padding="same"), "AvgPool2d: padding: expected one integer"),
        (lambda: nn.Dropout("a"), "p is a probability"),
        (lambda: nn.Dropout(None), "p is a probability"),
        (lambda: nn.Dropout(True), "p is a probability"),
        (lambda: nn.BatchNorm2d(3, eps=-1), "eps is a number"),
        (lambda: nn.BatchNorm2d(3, momentum=2), "momentum is the weight of the new batch"),
        (lambda: nn.BatchNorm2d(3, momentum=None), "momentum is the weight of the new batch"),
        (lambda: nn.LocalResponseNorm("a"), "n must be odd"),
        (lambda: nn.LocalResponseNorm(5, alpha="a"), "alpha is a number"),
        (lambda: nn.SpatialResponseNorm(5, beta=None), "beta is a number"),
        (lambda: nn.Sequential({"a.b": nn.ReLU()}), "without a point"),
        (lambda: nn.Sequential({"": nn.ReLU()}), "without a point"),
        (lambda: nn.Sequential({1: nn.ReLU()}), "without a point"),
        (lambda: nn.Sequential({"training": nn.ReLU()}), "as an attribute is"),
    ],
)
def test_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_dict_of_layers_stands_alone():
    with pytest.raises(TypeError, match="A dict of names stands alone"):
        nn.Sequential({"x": nn.ReLU()}, nn.ReLU())


def test_layers_are_indexed_by_number():
    model = nn.Sequential(nn.ReLU(), nn.Tanh())
    with pytest.raises(TypeError, match=r"getattr\(model, name\)"):
        model["0"]
    for wrong in (2, -3):
        with pytest.raises(IndexError, match=r"no layer .*len\(\) is 2"):
            model[wrong]
    assert isinstance(model[np.int64(-1)], nn.Tanh)


@pytest.mark.parametrize("x", [IMAGES.tolist(), None, 7])
def test_an_input_that_is_no_tensor(x):
    with pytest.raises(TypeError, match="Conv2d: expected a Tensor"):
        nn.Conv2d(3, 4, 3)(x)


def test_inputs_are_given_by_position():
    layer = nn.ReLU()
    with pytest.raises(TypeError, match=r"model.train\(\) and model.eval\(\)"):
        layer(IMAGES, training=True)
    with pytest.raises(TypeError, match="inputs are given by position"):
        layer(x=IMAGES)


@pytest.mark.parametrize("target", [np.int32, int, bool, None, tn.tensor(1.0), str, 5])
def test_parameters_stay_floats(target):
    model = nn.Linear(3, 2)
    before = model.weight.data.copy()
    with pytest.raises(TypeError, match=r"Linear.to: "):
        model.to(target)
    assert (model.weight.data == before).all()


class Network(nn.Module):
    """Returns what `answer` makes of the scores."""

    def __init__(self, answer):
        self.scores = nn.Linear(3, 2)
        self.answer = answer

    def forward(self, x):
        return self.answer(self.scores(x))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda scores: {"logits": scores}, "returned dict"),
        (lambda scores: None, "returned NoneType"),
        (lambda scores: scores.numpy(), "returned ndarray"),
        (lambda scores: (), "returned tuple"),
        (lambda scores: (scores, scores), r"needs a method loss\(outputs, labels\)"),
    ],
)
def test_what_a_network_returns_in_training(answer, message):
    model = Network(answer)
    loader = data.DataLoader((np.ones((4, 3), np.float32), np.arange(4) % 2), 2)
    optimizer = optim.SGD(model.parameters(), 0.1)
    with pytest.raises(TypeError, match=message):
        list(tn.fit(model, optimizer, loader, epochs=1))


@pytest.mark.parametrize("dtype", [str, object, complex, tn.ones(2), 5, "foo"])
def test_types_of_a_tensor(dtype):
    for cast in (tn.ones(2).astype, tn.ones(2).to, lambda d: tn.tensor([1.0], dtype=d)):
        with pytest.raises((TypeError, tn.DeviceError), match=r"type of real numbers|a device is"):
            cast(dtype)


def test_none_is_no_type():
    for cast in (tn.ones(2).astype, tn.ones(2).to):
        with pytest.raises(TypeError, match="type of real numbers"):
            cast(None)  # NumPy makes float64 of it


def test_nested_lists_of_different_lengths():
    with pytest.raises(ValueError, match="rows of equal lengths"):
        tn.tensor([[1], [1, 2]])
    for like in (tn.zeros_like, tn.ones_like):
        with pytest.raises(TypeError, match="expected a Tensor"):
            like([1, 2])
        assert like(np.ones(3)).shape == (3,)


@pytest.mark.parametrize("values", [["a"], [None], [1 + 2j]])
def test_state_is_of_real_numbers(values):
    for kind in (nn.Parameter, nn.Buffer):
        with pytest.raises(TypeError, match="expected real numbers"):
            kind(np.array(values))
    with pytest.raises(TypeError, match="parameters are floats"):
        nn.Parameter(np.ones(2, int))


def test_layers_of_a_class_are_refused():
    with pytest.raises(TypeError, match=r"Net\.layer: .*in __init__: self\.layer = Linear"):

        class Net(nn.Module):
            layer = nn.Linear(4, 2)


@pytest.mark.parametrize("make", [iter, lambda x: map(id, x), lambda x: zip(x, x, strict=True)])
def test_layers_in_a_generator_are_refused(make):
    model = nn.ReLU()
    model.layers = make([nn.Linear(3, 2)]) if make is not iter else (layer for layer in ())
    with pytest.raises(TypeError, match="Make a list of it"):
        model.parameters()


def test_a_parameter_is_not_replaced_by_what_is_none():
    model = nn.Linear(3, 2)
    for wrong in (tn.ones(2, 3), np.ones((2, 3), np.float32), [1.0]):
        with pytest.raises(TypeError, match=r"weight is a Parameter.*data\[\.\.\.\] = values"):
            model.weight = wrong
    assert len(model.parameters()) == 2
    model.weight = nn.Parameter(np.zeros((2, 3), np.float32))
    model.bias = None
    assert len(model.parameters()) == 1


@pytest.mark.parametrize("name", ["train", "parameters", "training", "device"])
def test_a_layer_does_not_hide_a_method(name):
    model = nn.ReLU()
    with pytest.raises(ValueError, match=f"cannot be called '{name}'"):
        setattr(model, name, nn.Linear(3, 2))


def test_two_parameters_of_one_name():
    model = nn.ReLU()
    model.layers = {"a.b": nn.Linear(3, 2), "a": {"b": nn.Linear(3, 2)}}
    for call in (model.state_dict, lambda: model.load_state_dict({})):  # one of them was lost
        with pytest.raises(ValueError, match=r"two .* are called 'layers\.a\.b\.weight'"):
            call()


def test_residual_takes_modules():
    for wrong in (5, nn.ReLU, lambda x: x, None):
        with pytest.raises(TypeError, match="body must be a Module"):
            nn.Residual(wrong)
    with pytest.raises(TypeError, match="shortcut must be a Module"):
        nn.Residual(nn.ReLU(), nn.ReLU)


def test_subsample_and_mse():
    for wrong in ((1.5, 1), ("a", 1), (1, None)):
        with pytest.raises(ValueError, match="both whole"):
            nn.Subsample(*wrong)
    with pytest.raises(ValueError, match=r"must be \(N, C, H, W\)"):
        nn.Subsample(2, 0)(tn.ones(2, 3))
    with pytest.raises(TypeError, match="MSELoss: expected a Tensor"):
        nn.MSELoss()([1.0], tn.ones(1))
