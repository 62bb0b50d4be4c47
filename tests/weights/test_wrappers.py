"""Names with the prefixes of wrappers, and checkpoints with more than tensors in them."""

import argparse
import pickle

import numpy as np
import pytest

from tinynet import models, nn, weights
from tinynet.core.errors import DataError
from tinynet.weights import Weights, foreign, names
from weights import crafted


def net(seed=0):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        p.data[...] = rng.standard_normal(p.shape)
    return model


WRAPPED = {
    "Lightning": lambda name: f"model.{name}",
    "a net": lambda name: f"net.{name}",
    "any prefix": lambda name: f"encoder.body.{name}",
    "Lightning around torch.compile around DataParallel": lambda n: f"model._orig_mod.module.{n}",
    "DataParallel around a part": lambda name: name.replace("0.", "0.module."),
    "DataParallel": lambda name: f"module.{name}",
}


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_a_prefix_is_taken_off_where_the_rest_fits(wrapper):
    state = net(1).state_dict()
    model = net(2)
    weights.load(model, Weights({WRAPPED[wrapper](name): a for name, a in state.items()}))
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, state[name])


def test_pytorchs_own_example_wraps_the_features_of_alexnet_alone():
    state = models.build("cifar-quick", 2).state_dict()
    parts = ["features"] * 6 + ["classifier"] * 4
    wanted = [f"{part}.{name}" for part, name in zip(parts, state, strict=True)]
    theirs = {name.replace("features.", "features.module."): 0 for name in wanted}
    assert list(names.fitted(theirs, wanted)) == wanted


def test_the_counter_of_an_averaged_model_is_left_alone():
    state = net(1).state_dict()
    arrays = {"n_averaged": np.asarray(5), **{f"module.{n}": a for n, a in state.items()}}
    weights.load(net(2), Weights(arrays))


def test_a_prefix_that_leaves_fewer_names_that_fit_stays():
    found = names.fitted({"model.a": 1, "model.b": 2}, ["model.a", "model.c"])
    assert list(found) == ["model.a", "model.b"]


def test_two_names_that_would_become_one_keep_their_prefix():
    found = names.fitted({"module.a": 1, "a": 2}, ["a", "b"])
    assert found == {"module.a": 1, "a": 2}


# what is no tensor


def checkpoint_of(**things):
    """A .pth of a tensor w under "state_dict", beside pickled things."""
    inner = crafted.dictionary({"w": crafted.tensor("0", 6, (2, 3))})
    items = {"state_dict": inner, **{k: _body(v) for k, v in things.items()}}
    return crafted.pth(crafted.program(crafted.dictionary(items)), [crafted.WEIGHT])


def _body(value):
    """The instructions that make a value, without the beginning and the end of a pickle."""
    return pickle.dumps(value, 2)[2:-1]


THINGS = {
    "np.float64": np.float64(0.5),
    "argparse.Namespace": argparse.Namespace(lr=0.1, names=["a"]),
    "a set": {1, 2},
    "a frozenset": frozenset({1}),
    "complex": 1j,
}


@pytest.mark.parametrize("thing", THINGS)
def test_what_is_no_tensor_is_passed_over_with_a_note(tmp_path, thing):
    path = tmp_path / "a.pth"
    path.write_bytes(checkpoint_of(best=THINGS[thing], epoch=3))
    found = weights.read(path)
    assert list(found.arrays) == ["w"]
    (note,) = found.notes
    assert note.startswith("Passed over, since it is no tensor; nothing of it was executed: best (")
    changes = weights.load(nn.Sequential(), Weights({}, {}, "pth", found.notes))
    assert [(change.kind, str(change)) for change in changes] == [("note", note)]


def test_what_would_run_beside_the_tensors_does_not(tmp_path):
    path = tmp_path / "a.pth"
    touched = tmp_path / "touched"
    path.write_bytes(checkpoint_of(args=crafted.Runs(open, str(touched), "w")))
    assert "args (io.open)" in weights.read(path).notes[0].replace("_io.open", "io.open")
    assert not touched.exists()


def test_a_model_in_the_place_of_the_weights_is_refused_by_its_class(tmp_path):
    path = tmp_path / "a.pth"
    whole = b"ctorch.nn.modules.linear\nLinear\n)\x81"
    items = {"model": whole, "best": crafted.tensor("0", 6, (2, 3))}
    path.write_bytes(crafted.pth(crafted.program(crafted.dictionary(items)), [crafted.WEIGHT]))
    with pytest.raises(DataError, match=r"torch\.nn\.modules\.linear\.Linear.*state_dict"):
        weights.read(path)


def test_a_file_of_nothing_but_foreign_objects_is_refused():
    with pytest.raises(DataError, match=r"argparse\.Namespace, which is not a tensor"):
        foreign.read(pickle.dumps(argparse.Namespace(), 2), None, None)


def test_complex_numbers_in_safetensors_are_called_so(tmp_path):
    import json
    import struct

    header = json.dumps({"w": {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(DataError, match=r"w is of dtype C64, complex numbers.*x\.real"):
        weights.read(path)
