"""Optimizers: groups, state, and the whole of SGD against the golden traces."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import kernels, nn, optim
from tinynet.core.errors import ShapeError
from tinynet.kernels.cuda import launch


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


def test_nesterov_without_momentum_is_refused():
    with pytest.raises(ValueError, match="nesterov looks ahead along the momentum"):
        optim.SGD([parameter(1.0)], 0.1, nesterov=True)


def test_the_paper_is_the_default():
    assert optim.SGD([parameter(1.0)], 0.1).rule == "paper"


def test_plain_sgd_is_one_step_down():
    p = parameter(1.0)
    assert steps(optim.SGD([p], 0.5), p, [0.5, 0.5]) == [0.75, 0.5]


def test_groups_have_their_own_rate_and_decay():
    w, b = parameter(1.0), parameter(1.0)
    sgd = optim.SGD(
        [{"params": [w]}, {"params": [b], "lr_scale": 2, "weight_decay": 0}],
        lr=0.25,
        weight_decay=0.5,
    )
    w.grad, b.grad = np.ones(1), np.ones(1)
    sgd.step()
    assert (w.data.tolist(), b.data.tolist()) == ([1 - 0.25 * 1.5], [1 - 0.5])


@pytest.mark.parametrize(
    "make",
    [
        lambda g: optim.SGD(g, 0.1, 0.9, 0.01),
        lambda g: optim.SGD(g, 0.1, 0.9, 0.01, decoupled_weight_decay=True),
        optim.Adam,
        optim.AdamW,
    ],
)
def test_parameters_of_two_devices_and_dtypes_move_as_they_would_alone(make, rng):
    """Together in two groups, and each with an optimizer of its own: the same bits."""
    values = [rng.standard_normal(n) for n in (3, 4, 5, 6, 7)]
    kinds = [("cpu", "f"), ("cpu:1", "f"), ("cpu", "d"), ("cpu", "f"), ("cpu:1", "f")]

    def parameters():
        return [
            tn.tensor(x.astype(dtype), device, requires_grad=True)
            for x, (device, dtype) in zip(values, kinds, strict=True)
        ]

    def trained(all_of_them, optimizers):
        for step in range(3):
            for i, p in enumerate(all_of_them):
                p.grad = np.cos(p.data) if i != 3 or step == 1 else None
            for optimizer in optimizers:
                optimizer.step()
        return [p.data.tobytes() for p in all_of_them]

    together, alone = parameters(), parameters()
    slow = {"lr_scale": 0.5, "weight_decay": 0.0}
    groups = [{"params": together[:2]}, {"params": together[2:], **slow}]
    one_by_one = [make([{"params": [p], **(slow if i > 1 else {})}]) for i, p in enumerate(alone)]
    assert trained(together, [make(groups)]) == trained(alone, one_by_one)


@pytest.mark.cxx
def test_each_group_moves_in_one_launch(monkeypatch):
    launched, real = [], launch.launch
    monkeypatch.setattr(
        "tinynet.kernels.momentum.launch", lambda *args: launched.append(args[1]) or real(*args)
    )
    ps = [tn.tensor(np.ones(n, "f"), requires_grad=True) for n in range(1, 17)]
    sgd = optim.SGD([{"params": ps[:8]}, {"params": ps[8:], "lr_scale": 2.0}], 0.1)
    for p in ps:
        p.grad = np.ones_like(p.data)
    with kernels.use("cuda_on_cpu"):
        sgd.step()
    assert launched == ["momentum_update"] * 2
    assert [float(p.data[-1]) for p in ps] == pytest.approx([0.9] * 8 + [0.8] * 8)


def test_a_parameter_that_appears_twice_in_a_net_moves_once():
    shared = nn.Linear(3, 3, bias=False)
    net = nn.Sequential(shared, nn.Tanh(), shared)
    sgd = optim.SGD(net.parameters(), 0.5)
    before = shared.weight.data.copy()
    net(tn.tensor(np.ones((2, 3), "f"))).sum().backward()
    g = shared.weight.grad.copy()
    sgd.step()
    assert np.array_equal(shared.weight.data, before - np.float32(0.5) * g)


def test_arrays_that_were_replaced_or_moved_are_the_ones_that_change():
    layer = nn.Linear(2, 1, bias=False)
    sgd = optim.SGD(layer.parameters(), 0.5)
    for new in (
        lambda: layer.load_state_dict({"weight": np.ones((1, 2), "f")}),
        lambda: layer.to("cpu:1"),
    ):
        new()
        layer.weight.grad = np.ones((1, 2), "f")
        before = layer.weight.data.copy()
        sgd.step()
        assert np.array_equal(layer.weight.data, before - 0.5)


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


def test_decoupled_decay_shrinks_by_the_rate_of_the_group():
    for make in (
        lambda g: optim.SGD(g, 0.5, weight_decay=0.25, decoupled_weight_decay=True),
        lambda g: optim.AdamW(g, 0.5, weight_decay=0.25),
        lambda g: optim.Adam(g, 0.5, weight_decay=0.25, decoupled_weight_decay=True),
    ):
        a, b, c = (parameter(1.0) for _ in range(3))
        optimizer = make(
            [
                {"params": [a]},
                {"params": [b], "lr_scale": 2},
                {"params": [c], "lr": 0.25, "weight_decay": 0.5},
            ]
        )
        for p in (a, b, c):
            p.grad = np.zeros(1)
        optimizer.step()
        assert [float(p.data[0]) for p in (a, b, c)] == [1 - 0.125, 1 - 0.25, 1 - 0.125]


def test_adams_groups_have_their_own_rates():
    a, b, c = (parameter(1.0) for _ in range(3))
    groups = [
        {"params": [a]},
        {"params": [b], "lr_scale": 2},
        {"params": [c], "lr": 0.125},
    ]
    adam = optim.Adam(groups, lr=0.25)
    for adam.lr in (0.25, 0.0625):  # what has a rate of its own does not notice
        for p in (a, b, c):
            p.grad = np.ones(1)
        adam.step()
    moved = [float(1 - p.data[0]) for p in (a, b, c)]
    assert moved == pytest.approx([0.3125, 0.625, 0.25], abs=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, 0.1, 0.9),
        lambda p: optim.SGD(p, 0.1, 0.9, 0.1, decoupled_weight_decay=True),
        lambda p: optim.Adam(p, 0.1),
        lambda p: optim.Adam(p, 0.1, uncorrected_eps=True),
        lambda p: optim.AdamW(p, 0.1, weight_decay=0.1),
    ],
)
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
    sgd = optim.SGD([{"params": [w]}, {"params": [b], "lr": 0.5, "weight_decay": 0}], 0.25)
    for sgd.lr in (0.25, 0.125):
        w.grad, b.grad = np.ones(1), np.ones(1)
        sgd.step()
    assert (w.data.tolist(), b.data.tolist()) == ([1 - 0.25 - 0.125], [1 - 0.5 - 0.5])


MISTAKES = {
    "negative rate of a group": (
        lambda: optim.SGD([{"params": [parameter(1.0)], "lr": -1.0}], 0.1),
        "lr.*-1",
    ),
    "negative rate": (lambda: optim.SGD([parameter(1.0)], -0.1), "-0.1"),
    "negative momentum": (lambda: optim.SGD([parameter(1.0)], 0.1, momentum=-2), "momentum.*-2"),
    "negative decay": (lambda: optim.SGD([parameter(1.0)], 0.1, weight_decay=-1), "decay.*-1"),
    "beta": (lambda: optim.Adam([parameter(1.0)], betas=(0.9, 1.0)), r"betas.*0\.9, 1\.0"),
    "rate that is no number": (lambda: optim.SGD([parameter(1.0)], float("nan")), "lr.*nan"),
    "no parameters": (lambda: optim.Adam([]), "Adam.*no parameters"),
    "unknown rule": (lambda: optim.SGD([parameter(1.0)], 0.1, rule="caffe"), "caffe"),
    "unknown group": (
        lambda: optim.SGD([{"weights": [parameter(1.0)]}], 0.1),
        "params.*got weights",
    ),
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
    with pytest.raises(TypeError, match=r"SGD: .*in a list; got Parameter"):
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


@pytest.mark.parametrize("make", [optim.Adam, optim.AdamW])
def test_adam_moves_halves_as_it_moves_singles(make, rng):
    """The square of a small gradient is 0 in float16, and the division by its root NaN."""
    start, *gradients = rng.standard_normal((6, 3, 4)).astype(np.float16)
    found = []
    for kind in (np.float16, np.float32):
        w = nn.Parameter(start.astype(kind))
        optimizer = make([w], lr=0.01)
        for gradient in gradients:
            w.grad = (1e-3 * gradient).astype(kind)
            state = optimizer.state_dict()
            optimizer = make([w], lr=0.01)
            optimizer.load_state_dict(state)
            optimizer.step()
        assert w.dtype == kind
        found.append(w.data.astype(np.float32))
    np.testing.assert_allclose(*found, atol=2**-9)
