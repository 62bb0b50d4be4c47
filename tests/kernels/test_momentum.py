"""Momentum SGD: golden traces of both rules, and where they differ."""

import numpy as np
import pytest

from tinynet import kernels
from tinynet.kernels import momentum_update
from tinynet.kernels.cuda import launch
from tinynet.testing import tolerance

KINDS = pytest.mark.parametrize("kind", momentum_update.implementations)
RATES = [0.01, 0.01, 0.01, 0.001, 0.001]
PAPER = [0.994995, 0.9854855250, 0.9719220701, 0.9592144747, 0.9472771593]
TORCH = [*PAPER[:3], 0.9702008732, 0.9681513109]
DIGITS = 5e-11


def trace(rule, rates=RATES, gradient=lambda w: 0.5 + 0 * w, decay=5e-4, nesterov=False, dtype="d"):
    """Return the weight after each step, and its velocity."""
    w = np.ones(1, dtype)
    v = np.zeros(1, dtype)
    weights = []
    for lr in rates:
        momentum_update([w], [gradient(w)], [v], lr, 0.9, decay, nesterov, rule)
        weights.append(float(w[0]))
    return weights, float(v[0])


@pytest.mark.parametrize(("rule", "expected"), [("paper", PAPER), ("torch", TORCH)])
def test_golden_traces_before_and_after_the_rate_falls(rule, expected):
    assert trace(rule)[0] == pytest.approx(expected, abs=DIGITS)


@KINDS
@pytest.mark.parametrize(("rule", "expected"), [("paper", PAPER), ("torch", TORCH)])
def test_golden_traces_in_float32(kind, rule, expected):
    with kernels.use(kind):
        weights, _ = trace(rule, dtype="f")
    assert weights == pytest.approx(expected, rel=tolerance(len(RATES), np.float32))


def test_the_rules_agree_while_the_rate_is_constant():
    paper, v = trace("paper", [0.01] * 9)
    torch, b = trace("torch", [0.01] * 9)
    assert torch == pytest.approx(paper, rel=1e-14)
    assert v == pytest.approx(-0.01 * b, rel=1e-14)


@pytest.mark.parametrize("rule", ["paper", "torch"])
def test_nesterov_holds_the_point_ahead_of_sutskevers_weight(rule):
    weights, _ = trace(rule, [0.1] * 4, lambda w: w.copy(), decay=0, nesterov=True)
    assert weights == pytest.approx([0.81, 0.5751, 0.327321, 0.09388791], abs=DIGITS)
    w = 1.0
    v = 0.0
    ahead = []
    for _ in range(4):  # v <- mu v - lr grad(w + mu v), w <- w + v (Sutskever et al. 2013)
        v = 0.9 * v - 0.1 * (w + 0.9 * v)
        w += v
        ahead.append(w + 0.9 * v)
    assert w == pytest.approx(0.2945889, abs=DIGITS)
    assert weights == pytest.approx(ahead, rel=1e-13)


@KINDS
@pytest.mark.parametrize("rule", ["paper", "torch"])
def test_dyadic_numbers_are_exact_in_float32(kind, rule, rng):
    w, g, v = (rng.integers(-8, 9, (3, 5)).astype("f") for _ in range(3))
    exact = [a.astype("d") for a in (w, g, v)]
    with kernels.use(kind):
        momentum_update([w], [g], [v], 0.25, 0.5, 0.125, False, rule)
    momentum_update.reference(*([a] for a in exact), 0.25, 0.5, 0.125, False, rule)
    assert np.array_equal(w, exact[0])
    assert np.array_equal(v, exact[2])


@KINDS
def test_the_gradient_is_left_alone_and_may_be_read_only(kind):
    w = np.ones(4, "f")
    v = np.zeros(4, "f")
    g = np.broadcast_to(np.float32(2), 4)
    with kernels.use(kind):
        momentum_update([w], [g], [v], 0.5, 0.0, 0.0, False, "paper")
    assert w.tolist() == [0, 0, 0, 0]
    assert g.tolist() == [2, 2, 2, 2]


SIZES = (3, 1, 0, 700, *range(1, 2 * launch.LIST_CAPACITY))


@KINDS
@pytest.mark.parametrize("nesterov", [False, True])
def test_many_arrays_at_once_get_the_bits_that_each_gets_alone(kind, nesterov, rng):
    lists = [[rng.standard_normal(n).astype("f") for n in SIZES] for _ in range(3)]
    alone = [[x.copy() for x in arrays] for arrays in lists]
    settings = 0.1, 0.9, 0.25, nesterov, "paper"
    with kernels.use(kind):
        momentum_update(*lists, *settings)
        for w, g, v in zip(*alone, strict=True):
            momentum_update([w], [g], [v], *settings)
    for together, one_by_one in zip(lists, alone, strict=True):
        assert [x.tobytes() for x in together] == [x.tobytes() for x in one_by_one]


@KINDS
def test_rows_of_an_array_are_a_list_of_arrays(kind, rng):
    w, g, v = (rng.standard_normal((4, 5)).astype("f") for _ in range(3))
    a, b, c = ([row.copy() for row in x] for x in (w, g, v))
    with kernels.use(kind):
        momentum_update(w, g, v, 0.1, 0.9, 0.25, False, "torch")
        momentum_update(a, b, c, 0.1, 0.9, 0.25, False, "torch")
    assert np.array_equal(w, a)
    assert np.array_equal(v, c)


@pytest.mark.cxx
def test_up_to_96_arrays_are_one_launch(monkeypatch):
    launched = []
    monkeypatch.setattr(
        "tinynet.kernels.momentum.launch", lambda _, name, grid, *rest: launched.append(grid.blocks)
    )
    with kernels.use("cuda_on_cpu"):
        for count in (1, 96, 97):
            arrays = [np.ones(1000, "f") for _ in range(count)]
            momentum_update(arrays, arrays, arrays, 0.1, 0.9, 0.0, False, "paper")
    assert launched == [(4, 1), (4, 96), (4, 96), (4, 1)]


@pytest.mark.cxx
def test_a_thread_takes_more_than_one_weight_of_a_large_array(monkeypatch, rng):
    w, g, v = (rng.standard_normal(1000).astype("f") for _ in range(3))
    exact = [[x.copy()] for x in (w, g, v)]
    monkeypatch.setattr("tinynet.kernels.momentum.MAXIMUM_BLOCKS", 2)
    with kernels.use("cuda_on_cpu"):
        momentum_update([w], [g], [v], 0.25, 0.5, 0.125, True, "torch")
    momentum_update.reference(*exact, 0.25, 0.5, 0.125, True, "torch")
    assert w == pytest.approx(exact[0][0], rel=1e-5)
