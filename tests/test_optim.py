"""Optimizers: groups, state, and the whole of SGD against the golden traces."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn, optim
from tinynet.errors import ShapeError


def parameter(*values):
    return nn.Parameter(np.array(values))


def steps(optimizer, p, rates, gradient=lambda w: 0.5 + 0 * w):
    """Return the weight after each step."""
    weights = []
    for rate in rates:
        optimizer.lr = rate
        p.grad = gradient(p.data)
        optimizer.step()
        weights.append(float(p.data[0]))
    return weights


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("paper", [0.994995, 0.9854855250, 0.9719220701, 0.9592144747, 0.9472771593]),
        ("torch", [0.994995, 0.9854855250, 0.9719220701, 0.9702008732, 0.9681513109]),
    ],
)
def test_sgd_golden_traces(rule, expected):
    p = parameter(1.0)
    sgd = optim.SGD([p], 0.01, momentum=0.9, weight_decay=5e-4, rule=rule)
    assert steps(sgd, p, [0.01] * 3 + [0.001] * 2) == pytest.approx(expected, abs=5e-11)


def test_sgd_with_nesterov():
    p = parameter(1.0)
    sgd = optim.SGD([p], 0.1, momentum=0.9, nesterov=True)
    weights = steps(sgd, p, [0.1] * 3, lambda w: w.copy())
    assert weights == pytest.approx([0.81, 0.5751, 0.327321])


def test_the_paper_is_the_default():
    assert optim.SGD([parameter(1.0)], 0.1).rule == "paper"


def test_plain_sgd_is_one_step_down():
    p = parameter(1.0)
    assert steps(optim.SGD([p], 0.5), p, [0.5, 0.5]) == [0.75, 0.5]


def test_groups_have_their_own_rate_and_decay():
    w, b = parameter(1.0), parameter(1.0)
    sgd = optim.SGD(
        [{"parameters": [w]}, {"parameters": [b], "lr_scale": 2, "weight_decay": 0}],
        lr=0.25,
        weight_decay=0.5,
    )
    w.grad, b.grad = np.ones(1), np.ones(1)
    sgd.step()
    assert (w.data.tolist(), b.data.tolist()) == ([1 - 0.25 * 1.5], [1 - 0.5])


def test_a_parameter_without_a_gradient_stays():
    a, b = parameter(1.0), parameter(1.0)
    sgd = optim.SGD([a, b], 0.5, momentum=0.9, weight_decay=0.1)
    a.grad = np.ones(1)
    sgd.step()
    assert b.data.tolist() == [1]


def test_zero_grad_forgets():
    p = parameter(1.0)
    p.grad = np.ones(1)
    optim.SGD([p], 0.1).zero_grad()
    assert p.grad is None


def test_the_gradient_is_not_changed():
    p = parameter(1.0)
    p.grad = gradient = np.broadcast_to(np.array([2.0]), (1,))
    for optimizer in (optim.SGD([p], 0.1, 0.9, 0.5), optim.Adam([p], weight_decay=0.5)):
        optimizer.step()
    assert gradient.tolist() == [2]


def test_adams_first_step_has_the_size_of_the_rate():
    p = parameter(1.0, 1.0)
    p.grad = np.array([1e-3, -1e3])
    optim.Adam([p], lr=0.25).step()
    assert p.data == pytest.approx([0.75, 1.25], abs=1e-5)


@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, 0.1, 0.9), lambda p: optim.Adam(p, 0.1)])
def test_going_on_from_a_saved_state_equals_going_on(make):
    def after(optimizer, p, n):
        for i in range(n):
            p.grad = np.cos(p.data + optimizer.steps + i)
            optimizer.step()
        return p.data.tolist()

    p = parameter(1.0, 2.0)
    first = make([p])
    after(first, p, 3)
    saved, weights = first.state_dict(), p.data.copy()
    expected = after(first, p, 3)
    q = parameter(*weights)
    second = make([q])
    second.load_state_dict(saved)
    assert after(second, q, 3) == expected


def test_a_state_of_another_shape_is_refused_whole():
    p = parameter(1.0, 2.0)
    sgd = optim.SGD([p], 0.1, 0.9)
    with pytest.raises(ShapeError, match=r"0\.velocity \(3,\)"):
        sgd.load_state_dict({"steps": np.asarray(4), "0.velocity": np.zeros(3)})
    assert sgd.steps == 0


def test_adam_counts_the_steps_of_each_parameter():
    """One that joins late is moved as if it had been there alone."""
    early, late, alone = (parameter(1.0) for _ in range(3))
    both, one = optim.Adam([early, late], 0.1), optim.Adam([alone], 0.1)
    for step in range(5):
        early.grad, late.grad = np.ones(1), None if step < 3 else np.ones(1) * step
        both.step()
    for step in (3, 4):
        alone.grad = np.ones(1) * step
        one.step()
    assert late.data.tolist() == alone.data.tolist()


def test_steps_that_were_missed_survive_in_the_state():
    def joining_late(steps_before_saving):
        a, b = parameter(1.0), parameter(2.0)
        adam = optim.Adam([a, b], 0.1)
        for step in range(5):
            if step == steps_before_saving:
                saved = adam.state_dict()
                adam = optim.Adam([a, b], 0.1)
                adam.load_state_dict(saved)
            a.grad, b.grad = np.ones(1), None if step < 2 else np.ones(1) * step
            adam.step()
        return a.data.tolist() + b.data.tolist()

    assert joining_late(3) == joining_late(1) == joining_late(None)


def test_a_group_may_have_a_rate_that_no_schedule_changes():
    w, b = parameter(1.0), parameter(1.0)
    sgd = optim.SGD([{"parameters": [w]}, {"parameters": [b], "lr": 0.5, "weight_decay": 0}], 0.25)
    for sgd.lr in (0.25, 0.125):
        w.grad, b.grad = np.ones(1), np.ones(1)
        sgd.step()
    assert (w.data.tolist(), b.data.tolist()) == ([1 - 0.25 - 0.125], [1 - 0.5 - 0.5])


MISTAKES = {
    "negative rate of a group": (
        lambda: optim.SGD([{"parameters": [parameter(1.0)], "lr": -1.0}], 0.1),
        "lr.*-1",
    ),
    "negative rate": (lambda: optim.SGD([parameter(1.0)], -0.1), "-0.1"),
    "negative momentum": (lambda: optim.SGD([parameter(1.0)], 0.1, momentum=-2), "momentum.*-2"),
    "negative decay": (lambda: optim.SGD([parameter(1.0)], 0.1, weight_decay=-1), "decay.*-1"),
    "beta": (lambda: optim.Adam([parameter(1.0)], betas=(0.9, 1.0)), r"betas.*0\.9, 1\.0"),
    "rate that is no number": (lambda: optim.SGD([parameter(1.0)], float("nan")), "lr.*nan"),
    "no parameters": (lambda: optim.Adam([]), "Adam.*no parameters"),
    "unknown rule": (lambda: optim.SGD([parameter(1.0)], 0.1, rule="caffe"), "caffe"),
    "unknown group": (lambda: optim.SGD([{"params": [parameter(1.0)]}], 0.1), "params"),
}


@pytest.mark.parametrize(("mistake", "fact"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_named(mistake, fact):
    with pytest.raises(ValueError, match=fact):
        mistake()


def test_training_lowers_the_loss():
    tn.seed(0)
    net = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
    sgd = optim.SGD(net.parameters(), 0.1, momentum=0.9)
    x = tn.tensor(np.random.default_rng(0).standard_normal((64, 3)).astype("f"))
    labels = (x.data[:, 0] * x.data[:, 1] > 0).astype(np.int64)
    losses = []
    for _ in range(60):
        loss = tn.functions.cross_entropy(net(x), labels)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_a_tensor_is_no_list_of_parameters():
    layer = tn.nn.Linear(3, 2)
    with pytest.raises(TypeError, match=r"SGD: .*got a computed Tensor"):
        optim.SGD(layer.weight, lr=0.1)


def test_a_parameter_given_twice_is_refused():
    p = parameter(1.0)
    with pytest.raises(ValueError, match="twice"):
        optim.SGD([p, p], lr=0.1)


def test_a_state_with_an_unknown_name_loads_nothing():
    optimizer = optim.SGD([parameter(1.0)], lr=0.1)
    with pytest.raises(ShapeError, match=r"0\.nonsense"):
        optimizer.load_state_dict({"steps": np.array(3), "0.nonsense": np.ones(1)})
    with pytest.raises(ShapeError, match="steps"):
        optimizer.load_state_dict({"0.velocity": np.ones(1)})
    assert optimizer.steps == 0
