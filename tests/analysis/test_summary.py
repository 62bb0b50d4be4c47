"""The summary of any module: right numbers, and the module stays as it was."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.analysis.summary import layers, page, summary
from tinynet.core import random
from tinynet.core.errors import ShapeError


class Tokens(nn.Module):
    """A module of a user: a parameter of its own, the batch axis folded away, a layer not used."""

    def __init__(self):
        self.scale = nn.Parameter(np.ones((4,), np.float32))
        self.inner = nn.Linear(4, 2)
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        return self.inner((x * self.scale).reshape(-1, 4))


def test_a_summary_counts_the_whole_batch():
    found = summary(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()), (3, 5, 5), 7)
    conv, relu = found.layers
    assert conv.output_shape == relu.output_shape == (7, 8, 5, 5)
    assert conv.multiply_adds == 7 * 8 * 25 * 27
    assert found.parameters == 8 * 27 + 8
    assert found.multiply_adds == conv.multiply_adds


def test_a_module_that_folds_the_batch_axis_is_counted():
    found = summary(Tokens(), (6, 4), 2)
    assert [(row.name, row.output_shape) for row in found.layers] == [
        ("inner", (12, 2)),
        ("(model)", (12, 2)),
    ]
    assert found.multiply_adds == 12 * 2 * 4
    assert found.not_called == {"unused": 12}
    assert found.parameters == 4 + (4 * 2 + 2) + 12
    assert "not called with this input: unused (12 parameters)" in str(found)
    assert found.table().splitlines()[-1].split()[:2] == ["total", "26"]


def test_a_layer_that_is_called_twice_counts_its_parameters_once():
    shared = nn.Linear(4, 4)
    found = summary(nn.Sequential(shared, nn.Tanh(), shared), (4,))
    assert found.parameters == 20
    assert found.multiply_adds == 2 * 16


def test_a_parameter_of_two_layers_is_counted_once():
    first = nn.Linear(4, 4)
    second = nn.Linear(4, 4)
    second.weight = first.weight
    assert summary(nn.Sequential(first, second), (4,)).parameters == 16 + 4 + 4


class Drawing(nn.Module):
    """Draws a mask in evaluation too, and changes the statistics of what it holds."""

    def __init__(self):
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x):
        return F.dropout(self.norm(x), 0.5)


def test_the_module_and_the_random_stream_stay_as_they_were():
    model = nn.Sequential(Drawing(), nn.Flatten(), nn.Linear(8, 2)).train()
    model[0].norm.eval()  # a part in evaluation
    x = tn.ones(3, 2, 2, 2)
    tn.seed(3)
    model(x).sum().backward()
    state = model.state_dict()
    gradients = [p.grad.copy() for p in model.parameters()]
    counters = vars(random._counters).copy()

    summary(model, (2, 2, 2), 4)

    assert vars(random._counters) == counters
    assert [m.training for _, m in model.named_modules()] == [True, True, False, True, True]
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
    for p, before in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_array_equal(p.grad, before)


def test_the_mode_comes_back_after_an_error():
    model = nn.Sequential(nn.Linear(4, 2)).train()
    with pytest.raises(ShapeError, match=r"3"):
        summary(model, (3,))
    assert model.training


def test_a_model_in_float64_stays_in_float64():
    model = nn.Sequential(nn.Linear(4, 2)).to(np.float64)
    assert summary(model, (4,)).multiply_adds == 8


def test_outputs_that_are_not_one_tensor_have_no_shape():
    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    (row,) = summary(Pair(), (4,)).layers
    assert row.output_shape == ()
    assert row.multiply_adds == 0


@pytest.mark.parametrize(("shape", "batch"), [((0,), 1), ((3,), 0), ((-1, 3), 1), ((2.5,), 1)])
def test_shapes_that_are_none_are_refused(shape, batch):
    with pytest.raises(
        ShapeError, match=r"summary: batch_size and the lengths .* positive integer"
    ):
        summary(nn.ReLU(), shape, batch)


@pytest.mark.parametrize("shape", [3, (1, 3, 8, 8)])
def test_a_number_or_a_batch_in_the_place_of_a_shape_is_refused(shape):
    with pytest.raises(ShapeError, match=r"summary: input_shape is a tuple without the batch axis"):
        summary(nn.ReLU(), shape)


def test_the_batch_of_none_has_the_numbers_of_a_batch_of_one():
    model = tn.models.build("demo")
    assert layers(model, (3, 32, 32)) == summary(model, (3, 32, 32)).layers


def test_the_page_of_a_registered_model_is_its_summary():
    lines = page("demo").splitlines()
    assert lines[0].startswith("demo: 10 classes, input (1, 3, 32, 32).")
    found = summary(tn.models.build("demo"), (3, 32, 32))
    assert "\n".join(lines[1:]) == found.table()
    assert str(found) == repr(found)


@pytest.mark.cxx
@pytest.mark.usefixtures("cupy")
def test_a_model_on_a_gpu_is_counted_and_drawn_there():
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)).to("cuda")
    found = summary(model, (3, 4, 4))
    assert found.layers[0].output_shape == (1, 2, 2, 2)
    assert found.multiply_adds == 2 * 4 * 27 + 16
    tn.plot.filters(model)
    loss = model(tn.ones(1, 3, 4, 4, device="cuda")).sum()
    loss.backward(keep_graph=True)
    tn.plot.graph(loss)
