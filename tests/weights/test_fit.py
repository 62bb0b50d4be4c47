"""Weights into models: names and conventions are translated, and nothing is loaded by halves."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet import models, nn
from tinynet.core.errors import DataError
from tinynet.weights import Weights, conventions, fit, known, load, names, of_model


def net(classes=4, lrn=(5, 2.0, 0.3, 0.75, 1), groups=1):
    """Two convolutions with a normalization between them, and a linear layer."""
    n, k, alpha, beta, over = lrn
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.LocalResponseNorm(n, k=k, alpha=alpha, beta=beta, groups=over),
        nn.Conv2d(8, 6, 3, padding=1, groups=groups),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * 4 * 4, classes),
    )


def randomized(model, seed=1):
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        p.data[...] = rng.standard_normal(p.shape)
    return model


def weights_of(model, **metadata):
    return Weights(model.state_dict(), metadata)


def scores(model):
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8), np.float32)
    with tn.no_grad(), tn.kernels.use("reference"):
        return model.eval()(tn.tensor(x)).numpy()


def assert_same_scores(a, b):
    """Both compute the same; what is scaled rounds otherwise, in about as many places."""
    one = scores(a)
    other = scores(b)
    scale = np.abs(one).max()
    terms = 6 * 4 * 4 + 8 * 9 + 3 * 9
    np.testing.assert_allclose(one, other, rtol=0, atol=4 * scale * terms**0.5 * 2**-23)


# names


def test_numbers_count_layers_so_the_order_decides():
    theirs = {"features.0.weight": 0, "features.3.weight": 3, "features.10.weight": 10, "fc.w": 1}
    ours = ["features.0.weight", "features.4.weight", "features.8.weight", "fc.w"]
    assert names.fitted(theirs, ours) == dict(zip(ours, theirs.values(), strict=True))


def test_more_layers_than_here_keep_their_names():
    theirs = {"0.weight": 0, "2.weight": 2}
    assert names.fitted(theirs, ["0.weight"]) == theirs


def test_what_others_add_to_names_is_taken_away():
    theirs = {
        "module.bn.weight": 1,
        "module.bn.num_batches_tracked": 2,
        "module.features.denseblock1.denselayer2.norm.1.weight": 3,
        "module.features.denseblock1.denselayer2.conv.2.weight": 4,
        "module.aux1.fc.weight": 5,
    }
    dense = "features.denseblock1.denselayer2"
    wanted = ["bn.weight", f"{dense}.norm1.weight", f"{dense}.conv2.weight"]
    assert names.fitted(theirs, wanted) == dict(zip(wanted, (1, 3, 4), strict=True))


def test_helpers_that_the_model_has_are_kept():
    assert names.fitted({"aux1.w": 1}, ["aux1.w"]) == {"aux1.w": 1}


# all or nothing


def test_everything_that_does_not_fit_is_in_one_sentence_and_nothing_is_loaded():
    model = net()
    before = net().state_dict()
    state = randomized(net()).state_dict()
    state["0.weight"] = state["0.weight"][:, :, :2]
    del state["4.bias"]
    state["4.scale"] = np.zeros(3, np.float32)
    model.load_state_dict(before)
    with pytest.raises(DataError) as error:
        load(model, Weights(state))
    for part in ("missing: 4.bias", "not expected: 4.scale", "0.weight (8, 3, 2, 3) instead of (8"):
        assert part in str(error.value)
    assert str(error.value).count("\n") == 0
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_long_list_is_cut(monkeypatch):
    monkeypatch.setattr(fit, "SHOWN", 2)
    with pytest.raises(DataError, match=r"missing: 0\.weight, 0\.bias and 3 more"):
        load(net(), Weights({"4.weight": np.zeros((6, 8, 3, 3))}))


def state_of(name, classes, variant=None):
    with nn.init.skip_init():
        return models.build(name, classes, variant=variant).state_dict()


def test_a_file_of_another_variant_is_told_by_the_name_of_that_variant():
    state = {"module." + name: a for name, a in state_of("alexnet", 7, "torchvision").items()}
    with nn.init.skip_init():
        model = models.build("alexnet", 7)
    with pytest.raises(DataError, match=r"instead of.*alexnet --variant torchvision, with 7 cla"):
        load(model, Weights(state))


@pytest.mark.parametrize(
    ("name", "classes", "said"),
    [
        ("demo", 3, "those of demo, with 3 classes. "),
        ("small-resnet", 1, "those of small-resnet, with 1 class. "),
        ("small-alexnet-two-towers", 10, "those of small-alexnet-two-towers, with 10 classes. "),
    ],
)
def test_the_networks_here_are_known_by_their_names_and_shapes(name, classes, said):
    assert known.networks(state_of(name, classes)) == f"Their names and shapes are {said}"


def test_networks_of_the_same_shapes_are_named_together_and_not_all():
    said = known.networks(state_of("alexnet", 2, "caffe"))
    assert "alexnet --variant paper, alexnet --variant code2012, alexnet --variant caffe" in said
    assert "or 1 more, with 2 classes" in said


@pytest.mark.parametrize(
    "change", ["less", "more", "taller", "wider", "another head", "two kinds of classes"]
)
def test_what_is_of_no_network_here_is_not_said_to_be_of_one(change):
    state = state_of("demo", 5)
    first, *_, head, last = state
    state |= {
        "less": {},
        "more": {"extra": np.zeros(2)},
        "taller": {first: np.zeros((9, *state[first].shape[1:]))},
        "wider": {first: np.zeros((*state[first].shape[:-1], 9))},
        "another head": {head: np.zeros((5, 9)), last: np.zeros(5)},
        "two kinds of classes": {last: np.zeros(6)},
    }[change]
    if change == "less":
        del state[first]
    assert known.networks(state) == ""


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_what_is_not_finite_in_float32_is_refused(value):
    state = {name: array.astype(np.float64) for name, array in net().state_dict().items()}
    state["4.bias"][2] = value
    with pytest.raises(DataError, match=r"4\.bias has 1 of 6 values"):
        load(net(), Weights(state))


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_the_dtype_is_the_models(dtype):
    state = {name: array.astype(dtype) for name, array in randomized(net()).state_dict().items()}
    model = net()
    load(model, Weights(state))
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(model[0].weight.numpy(), state["0.weight"].astype(np.float32))


# another number of classes


def test_a_last_layer_for_other_classes_is_left_alone_on_request():
    theirs = randomized(net(classes=7))
    model = net(classes=4)
    fresh = model.state_dict()
    with pytest.raises(DataError, match=r"7\.weight \(7, 96\) instead of \(4, 96\)"):
        load(model, weights_of(theirs))
    (change,) = load(model, weights_of(theirs), new_head=True)
    assert (change.kind, change.name) == ("head", "7")
    assert str(change) == "7 does not fit the number of classes; it keeps its own values."
    state = model.state_dict()
    np.testing.assert_array_equal(state["4.weight"], theirs.state_dict()["4.weight"])
    np.testing.assert_array_equal(state["7.weight"], fresh["7.weight"])
    np.testing.assert_array_equal(state["7.bias"], fresh["7.bias"])


def test_a_last_layer_that_is_not_there_is_left_alone_too():
    state = randomized(net()).state_dict()
    del state["7.weight"], state["7.bias"]
    assert len(load(net(), Weights(state), new_head=True)) == 1


def test_another_layer_that_does_not_fit_is_refused_all_the_same():
    state = randomized(net(classes=7)).state_dict()
    state["4.weight"] = state["4.weight"][:, :, :1]
    with pytest.raises(DataError, match=r"4\.weight") as error:
        load(net(classes=4), Weights(state), new_head=True)
    assert "7.weight" not in str(error.value)


@pytest.mark.parametrize("name", ["1.bias", "1.running_mean", "0.weight"])
def test_a_layer_of_the_body_as_wide_as_there_are_classes_is_no_last_layer(name):
    model = models.build("resnet-20", 16)
    state = state_of("resnet-20", 10)
    assert state[name].shape[0] == 16
    state[name] = np.zeros((99, *state[name].shape[1:]), np.float32)
    with pytest.raises(DataError, match=rf"of another shape: {re.escape(name)} \(99"):
        load(model, Weights(state), new_head=True)


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("small-googlenet-head", ["aux1.fc2", "upper.4"]),
        ("small-nin", ["12.bn", "12.conv"]),
        ("resnet-20", None),
    ],
)
def test_each_layer_that_tells_classes_is_a_last_layer(name, heads):
    state = state_of(name, 10)
    changes = load(models.build(name, 16), Weights(state), new_head=True)
    heads = heads or [list(state)[-1].rpartition(".")[0]]
    assert [(change.kind, change.name) for change in changes] == [("head", head) for head in heads]


def test_two_names_for_one_array_are_refused():
    state = net().state_dict()
    state["00.weight"] = state["0.weight"] + 1
    with pytest.raises(DataError, match=r"weights: 0\.weight and 00\.weight are two names for 0\."):
        load(net(), Weights(state))
    old = "denselayer1.norm.1.weight"
    new = "denselayer1.norm1.weight"
    with pytest.raises(DataError, match=rf"{old} and {new} are two names for {new}"):
        names.fitted({old: 1, new: 2}, [new])


def test_a_last_layer_that_fits_is_loaded():
    theirs = randomized(net())
    model = net()
    assert load(model, weights_of(theirs), new_head=True) == []
    np.testing.assert_array_equal(model[7].weight.numpy(), theirs[7].weight.numpy())


# conventions


def test_a_file_of_ours_states_ours_and_is_taken_as_it_is():
    theirs = randomized(net())
    said = of_model(theirs)
    assert said.lrn == ({"n": 5, "k": 2, "alpha": 0.3, "beta": 0.75, "groups": 1},)
    model = net()
    assert load(model, weights_of(theirs, conventions=said.json())) == []
    np.testing.assert_array_equal(scores(model), scores(theirs))


def test_the_sentence_of_the_first_checkpoints_is_no_statement():
    said = "LRN: alpha is not divided by n. Weights: (OC, C // groups, KH, KW), RGB."
    assert conventions.stated({"conventions": said}) == conventions.Conventions()


@pytest.mark.parametrize(
    "said",
    [
        '{"lrn": [{"n": 0, "k": 1, "alpha": 1, "beta": 1, "groups": 1}]}',
        '{"layout": "NCHW"}',
        '{"colours": "RGB"}',
        '{"lrn": [{"n": 5}]}',
        '{"lrn": 5}',
        "[1]",
    ],
)
def test_conventions_that_are_none_are_refused(said):
    with pytest.raises(DataError, match="conventions that are none"):
        load(net(), weights_of(net(), conventions=said))


def test_a_statement_without_end_is_no_statement():
    load(net(), weights_of(net(), conventions="[" * 100_000))


def test_blue_first_becomes_red_first():
    theirs = randomized(net())
    state = theirs.state_dict()
    state["0.weight"] = state["0.weight"][:, ::-1]
    model = net()
    (change,) = load(model, Weights(state), channels="BGR")
    assert (change.kind, change.name) == ("channels", "0.weight")
    np.testing.assert_array_equal(scores(model), scores(theirs))
    wrong = net()
    load(wrong, Weights(state))
    assert np.abs(scores(wrong) - scores(theirs)).max() > 0.1


def test_channels_last_filters_are_turned_and_the_flattened_maps_reordered():
    theirs = randomized(net())
    state = theirs.state_dict()
    for name in ("0.weight", "4.weight"):
        state[name] = state[name].transpose(2, 3, 1, 0)
    maps = state["7.weight"].reshape(4, 6, 4, 4)  # (out, C, H, W)
    state["7.weight"] = maps.transpose(2, 3, 1, 0).reshape(96, 4)  # (H, W, C), out
    model = net()
    load(model, Weights(state), layout="HWIO")
    np.testing.assert_array_equal(scores(model), scores(theirs))


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("7.weight", np.zeros((0, 10), np.float32), {"layout": "HWIO"}),
        ("0.weight", np.float32(1), {"channels": "BGR"}),
        ("0.weight", np.ones(3, np.float32), {"channels": "BGR"}),
    ],
)
def test_an_array_of_too_few_axes_or_numbers_is_not_turned_but_named(name, array, said):
    state = net().state_dict() | {name: np.asarray(array)}
    with pytest.raises(DataError, match=rf"{name} \(.*\) instead of"):
        load(net(), Weights(state), **said)


def test_filters_of_gray_images_are_not_groups_of_colors():
    gray, colored = (nn.Sequential(nn.Conv2d(channels, 6, 3)) for channels in (1, 3))
    with pytest.raises(DataError, match=r"0\.weight \(6, 1, 3, 3\) instead") as error:
        load(colored, Weights(gray.state_dict()))
    assert "In their order" not in str(error.value)


def test_groups_are_filled_with_zeros_and_taken_out_again():
    grouped = randomized(net(groups=2))
    whole = net()
    back = net(groups=2)
    (change,) = load(whole, weights_of(grouped))
    assert (change.kind, change.name) == ("groups", "4.weight")
    assert "2 groups" in change.message
    assert_same_scores(whole, grouped)
    load(back, weights_of(whole))
    np.testing.assert_array_equal(scores(back), scores(grouped))


def test_filters_with_something_outside_of_the_groups_are_refused():
    with pytest.raises(DataError, match=r"4\.weight \(6, 8, 3, 3\) instead of \(6, 4, 3, 3\)"):
        load(net(groups=2), weights_of(randomized(net())))


def test_an_alpha_before_the_mean_is_n_times_ours():
    theirs = randomized(net())
    said = of_model(theirs)
    pytorch = dataclasses.replace(
        said, lrn_alpha="mean", lrn=({**said.lrn[0], "alpha": 5 * said.lrn[0]["alpha"]},)
    )
    assert load(net(), weights_of(theirs, conventions=pytorch.json())) == []
    wrong = dataclasses.replace(said, lrn_alpha="mean")
    (change,) = load(net(), weights_of(theirs, conventions=wrong.json()))
    assert (change.kind, change.name) == ("normalization", "0")
    assert "alpha 0.06" in str(change)


@given(
    k=st.floats(0.5, 4),
    alpha=st.floats(0.05, 2),
    groups=st.sampled_from([1, 2]),
    mine=st.tuples(st.floats(0.5, 4), st.floats(0.05, 2)),
)
def test_weights_make_up_for_other_constants_of_the_normalization(k, alpha, groups, mine):
    theirs = randomized(net(lrn=(5, k, alpha, 0.75, groups)))
    model = net(lrn=(5, *mine, 0.75, groups))
    load(model, weights_of(theirs, conventions=of_model(theirs).json()))
    assert_same_scores(model, theirs)


@pytest.mark.parametrize(
    "lrn", [(3, 2.0, 0.3, 0.75, 1), (5, 2.0, 0.3, 0.5, 1), (5, 2.0, 0.3, 0.75, 2)]
)
def test_another_window_or_power_is_refused_with_both_named(lrn):
    theirs = randomized(net(lrn=lrn))
    with pytest.raises(DataError, match=r"n 5, k 2, alpha 0\.3, beta 0\.75, groups 1.*cannot"):
        load(net(), weights_of(theirs, conventions=of_model(theirs).json()))


def test_where_layers_branch_other_constants_are_refused():
    class Branching(nn.Module):
        def __init__(self):
            self.conv = nn.Conv2d(3, 8, 1)
            self.inner = Inner()

    class Inner(nn.Module):
        def __init__(self):
            self.norm = nn.LocalResponseNorm()
            self.fc = nn.Linear(8, 2)

    model = Branching()
    said = of_model(model)
    other = dataclasses.replace(said, lrn=({**said.lrn[0], "k": 1.0},))
    with pytest.raises(DataError, match="cannot make up"):
        load(model, weights_of(model, conventions=other.json()))


def test_another_number_of_normalizations_is_refused():
    said = dataclasses.replace(of_model(net()), lrn=of_model(net()).lrn * 2)
    with pytest.raises(DataError, match="2 response normalizations, this model 1"):
        load(net(), weights_of(net(), conventions=said.json()))


def test_a_path_is_named_in_what_is_said(tmp_path):
    path = tmp_path / "net.npz"
    tn.weights.save(Weights({"x": np.zeros(2)}), path)
    with pytest.raises(DataError, match=r"net\.npz"):
        fit.load(net(), path)
