"""What optimizers and schedules refuse, and the sentence that says what to write."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import data, nn, optim
from tinynet.core.errors import ShapeError


def layer():
    return nn.Linear(3, 2)


def stepped(optimizer_of):
    model = layer()
    optimizer = optimizer_of(model.parameters())
    model(np.ones((4, 3), np.float32)).sum().backward()
    optimizer.step()
    return optimizer


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": True}, "lr must be a number"),
        ({"momentum": "a"}, "momentum must be a number"),
        ({"momentum": None}, "momentum must be a number"),
        ({"momentum": np.inf}, "momentum must be a number"),
        ({"weight_decay": "a"}, "weight_decay must be a number"),
        ({"weight_decay": np.inf}, "weight_decay must be a number"),
        ({"nesterov": 5e-4}, "nesterov is True or False"),
        ({"decoupled_weight_decay": 5e-4}, "decoupled_weight_decay is True or False"),
    ],
)
def test_settings_of_sgd(settings, message):
    with pytest.raises(ValueError, match=message):
        optim.SGD(layer().parameters(), **({"lr": 0.1} | settings))


def test_the_order_of_pytorch_is_refused():
    with pytest.raises(ValueError, match=r"dampening.*name it, weight_decay=5e-4"):
        optim.SGD(layer().parameters(), 0.1, 0.9, 0, 5e-4)


@pytest.mark.parametrize(
    "betas", [0.9, (0.9,), (0.9, 0.99, 0.9), ("a", "b"), (0.9, 1), (0.9, None)]
)
def test_betas_are_two_numbers(betas):
    with pytest.raises(ValueError, match="betas"):
        optim.Adam(layer().parameters(), betas=betas)


def test_options_of_adam_are_true_or_false():
    for name in ("decoupled_weight_decay", "bias_correction", "uncorrected_eps"):
        with pytest.raises(ValueError, match=f"Adam: {name} is True or False, got 1"):
            optim.Adam(layer().parameters(), **{name: 1})
    with pytest.raises(ValueError, match="AdamW: bias_correction is True or False"):
        optim.AdamW(layer().parameters(), bias_correction=None)


def test_groups():
    model = layer()
    params = model.parameters()
    for wrong, error, message in (
        ({"params": params}, TypeError, r"\[\{.params.: model.parameters"),
        ([{"params": params}, params[0]], TypeError, "not both"),
        ([params[0], {"params": params}], TypeError, "not both"),
        ([{"params": []}], ValueError, "no parameters to train"),
        ([{"params": params, "lr": 0.1, "lr_scale": 2}], ValueError, "not both"),
        ([{"params": params, "lr": optim.Cosine(0.1)}], ValueError, "lr must be a number, not neg"),
        ([{"params": params, "weight_decay": "a"}], ValueError, "weight_decay must be a number"),
    ):
        with pytest.raises(error, match=message):
            optim.SGD(wrong, 0.1)
    one = optim.SGD([{"params": params[0]}, {"params": params[1], "lr_scale": 2}], 0.1)
    assert [len(group["params"]) for group in one.param_groups] == [1, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": np.array(-3)}, "steps is one whole number"),
        ({"steps": np.array([1, 2])}, "steps is one whole number"),
        ({"steps": np.array(1.5)}, "steps is one whole number"),
        ({"lr": np.array(np.nan)}, "lr is one number"),
        ({"lr": np.array([0.1, 0.2])}, "lr is one number"),
        ({"0.mean": None}, r"0\.mean is missing"),
        ({"0.mean": [1, 2]}, "belongs to none"),
    ],
)
def test_a_damaged_state(change, message):
    optimizer = stepped(optim.Adam)
    state = optimizer.state_dict() | change
    if state["0.mean"] is None:
        del state["0.mean"]
    before = optimizer.state_dict()
    with pytest.raises(ShapeError, match=rf"{message}.*Nothing was loaded"):
        optimizer.load_state_dict(state)
    after = optimizer.state_dict()
    assert all((before[name] == after[name]).all() for name in before)
    with pytest.raises(ShapeError, match="a state is a dict"):
        optimizer.load_state_dict(None)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.Cosine(True), "lr must be a number"),
        (lambda: optim.Cosine(0.1, epochs="a"), "epochs must be a whole number"),
        (lambda: optim.Cosine(0.1, epochs=2.5), "epochs must be a whole number"),
        (lambda: optim.Cosine(0.1, epochs=True), "epochs must be a whole number"),
        (lambda: optim.Cosine(0.1, 3), r"by name: epochs=12"),
        (lambda: optim.Cosine(0.1, warmup="a"), "warmup is a fraction"),
        (lambda: optim.MultiStep(0.1, 5), "drops are pairs"),
        (lambda: optim.MultiStep(0.1, ((30, 0.1), (60, 0.01))), r"80 / 164"),  # never reached
        (lambda: optim.MultiStep(0.1, ((-0.5, 0.1),)), "drops are pairs"),
        (lambda: optim.MultiStep(0.1, ((0.5, -3),)), "drops are pairs"),
        (lambda: optim.MultiStep(0.1, ((0.5, np.nan),)), "drops are pairs"),
        (lambda: optim.MultiStep(0.1, (("a", "b"),)), "drops are pairs"),
        (lambda: optim.ReduceOnPlateau(0.1, patience=0), "patience is a whole number"),
        (lambda: optim.ReduceOnPlateau(0.1, times=-1), "patience is a whole number"),
        (lambda: optim.ReduceOnPlateau(0.1, factor=10), "factor is a number between 0 and 1"),
        (lambda: optim.ReduceOnPlateau(0.1, factor=-1), "factor is a number between 0 and 1"),
    ],
)
def test_settings_of_schedules(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_schedule_takes_the_numbers_of_numpy():
    assert optim.Cosine(np.float32(0.5), epochs=np.int64(3)).rate(0, 10) == 0.5


class Own(optim.Schedule):
    value = 0.0

    def rate(self, step, steps, errors=()):
        return self.value


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "a", None])
def test_a_rate_that_is_none(value, monkeypatch):
    monkeypatch.setattr(Own, "value", value)
    optimizer = optim.SGD(layer().parameters(), Own(0.1, total_steps=5))
    with pytest.raises(ValueError, match="a rate is a number"):
        optimizer.step()
    with pytest.raises(ValueError, match="a rate is a number"):
        optimizer.follow_schedule(0, 5)


def test_a_loop_of_ones_own_that_is_longer_than_the_schedule():
    optimizer = optim.SGD(layer().parameters(), optim.Cosine(0.1, total_steps=2))
    optimizer.step()
    optimizer.step()
    with pytest.raises(ValueError, match="ends after 2 steps"):  # the cosine would rise again
        optimizer.step()
    optimizer.schedule = None
    optimizer.step()


def test_total_steps_that_are_not_those_of_the_run():
    model = layer()
    loader = data.DataLoader((np.ones((8, 3), np.float32), np.arange(8) % 2), 4)
    wrong = optim.SGD(model.parameters(), optim.Cosine(0.1, total_steps=3))
    with pytest.raises(ValueError, match="made for 3 steps, and this run has 4"):
        list(tn.fit(model, wrong, loader, epochs=2))
    right = optim.SGD(model.parameters(), optim.Cosine(0.1, total_steps=4))
    assert len(list(tn.fit(model, right, loader, epochs=2))) == 2


def test_an_unknown_name_is_one_of_optim():
    with pytest.raises(AttributeError, match=r"module 'tinynet\.optim' has no attribute 'foo'"):
        optim.foo  # noqa: B018
    with pytest.raises(AttributeError, match="is MultiStep"):
        optim.StepLR  # noqa: B018


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_gradients_that_a_user_sets(kind):
    model = layer()
    optimizer = kind(model.parameters(), lr=0.1)
    before = model.weight.data.copy()
    for wrong, error, message in (
        (np.ones(3, np.float32), ShapeError, r"shape of its parameter, \(2, 3\); it is \(3,\)"),
        (1.0, TypeError, "a gradient is an array, got float"),
        ([[1.0] * 3] * 2, TypeError, "a gradient is an array, got list"),
        (tn.ones(2, 3), TypeError, r"p\.grad = x\.data"),
    ):
        model.weight.grad = wrong
        with pytest.raises(error, match=message):
            optimizer.step()
    assert (model.weight.data == before).all()
    assert optimizer.steps == 0


def test_a_parameter_that_is_added_later():
    optimizer = optim.SGD(layer().parameters(), 0.1)
    optimizer.param_groups[0]["params"].append(nn.Parameter(np.ones(2, np.float32)))
    with pytest.raises(ValueError, match="had 2 parameters and has 3 now"):
        optimizer.step()


@pytest.mark.parametrize("name", ["momentum", "betas", "learning_rate"])
def test_an_entry_of_a_group_that_would_do_nothing(name):
    model = layer()
    optimizer = optim.SGD(model.parameters(), 0.1, 0.9)
    optimizer.param_groups[0][name] = 0.5
    before = model.weight.numpy().copy()
    model.weight.grad = np.ones_like(before)
    with pytest.raises(
        ValueError, match=rf"SGD: a group has params, .*{name}.*optimizer\.momentum"
    ):
        optimizer.step()
    assert (model.weight.numpy() == before).all()


def test_a_state_of_a_smaller_network():
    small = stepped(lambda parameters: optim.SGD(parameters[:1], 0.1))
    whole = optim.SGD(layer().parameters(), 0.1)
    with pytest.raises(ShapeError, match=r"1\.velocity is missing.*moved in 1 steps"):
        whole.load_state_dict(small.state_dict())


def test_a_state_in_which_a_parameter_never_moved():
    model = layer()
    model.bias.requires_grad = False
    optimizer = optim.SGD(model.parameters(), 0.1)
    model(np.ones((4, 3), np.float32)).sum().backward()
    optimizer.step()
    other = optim.SGD(layer().parameters(), 0.1)
    other.load_state_dict(optimizer.state_dict())
    assert other.skipped == [0, 1]


def test_a_plateau_in_a_loop_of_ones_own():
    schedule = optim.ReduceOnPlateau(0.1, patience=1, total_steps=9)
    optimizer = optim.SGD(layer().parameters(), schedule)
    with pytest.raises(ValueError, match=r"follow_schedule\(step, steps, errors\)"):
        optimizer.step()  # the rate would never drop
    optimizer.follow_schedule(0, 9, [0.5, 0.5])
    optimizer.step()
    assert optimizer.lr == pytest.approx(0.01)


def test_a_constant_needs_no_length():
    optimizer = optim.SGD(layer().parameters(), optim.Constant(0.1))
    optimizer.step()
    assert optimizer.lr == 0.1
