"""What saving, loading and summaries refuse, and the sentence that says what to write."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn


@pytest.mark.parametrize(
    "entry", [1, [1, 2], "x", None, np.array(["a"]), np.array([None]), np.array([1, None])]
)
def test_a_dict_holds_arrays_of_numbers(tmp_path, entry):
    with pytest.raises(TypeError, match=r"by name; 'w' is"):
        tn.save({"w": entry}, tmp_path / "net.npz")
    assert not list(tmp_path.iterdir())


def test_names_are_words(tmp_path):
    with pytest.raises(TypeError, match="by name; 1 is"):
        tn.save({1: np.ones(2)}, tmp_path / "net.npz")


def test_an_argument_that_load_does_not_have(tmp_path):
    model = nn.Linear(3, 2)
    tn.save(model, tmp_path / "net.npz")
    for wrong in ({"strict": False}, {"chanels": None}):  # both were ignored
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            tn.load(model, tmp_path / "net.npz", **wrong)
    with pytest.raises(ValueError, match="load: layout is OIHW or HWIO or OIHW-IO, got 'foo'"):
        tn.load(model, tmp_path / "net.npz", layout="foo")


@pytest.mark.parametrize("model", [nn.Linear, "alexnet", (3, 32, 32)])
def test_a_summary_is_of_a_model(model):
    with pytest.raises(TypeError, match=r"comes first.*models\.build\(name\)"):
        tn.summary(model, (3,))


def test_a_shared_layer_is_listed_under_its_first_name():
    class Twice(nn.Module):
        def __init__(self):
            self.first = nn.Linear(3, 3)
            self.second = self.first

        def forward(self, x):
            return {"y": self.second(self.first(x))}

    found = tn.summary(Twice(), (3,))
    assert [layer.name for layer in found.layers] == ["first", "first"]
    assert found.parameters == 12


def test_an_output_that_is_no_tensor_has_no_bytes():
    class Nothing(nn.Module):
        def forward(self, x):
            return None

    assert tn.summary(Nothing(), (3,)).layers[0].bytes == 0
