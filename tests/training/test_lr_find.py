"""Range test of the learning rate: it finds the edge, and leaves everything as it was."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import data, nn, optim
from tinynet.training import lr_find as finding


def regression(rng):
    """Return a linear model with separable classes, and its loader."""
    images = rng.standard_normal((200, 8)).astype(np.float32)
    labels = (images[:, 0] > 0).astype(np.int64)
    return nn.Linear(8, 2), data.DataLoader((images, labels), batch_size=50, shuffle=True)


def test_the_rates_rise_by_one_factor_and_the_loss_falls_before_it_rises(rng):
    model, loader = regression(rng)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    found = tn.lr_find(model, optimizer, loader, low=1e-4, high=1e4, steps=80)
    np.testing.assert_allclose(np.diff(np.log(found.rates)), np.log(1e8) / 79)
    assert found.exploded
    assert len(found.rates) < 80
    assert 1e-2 < found.suggestion < 1e2
    assert found.suggestion == pytest.approx(found.lowest / 10)
    assert found.smoothed.min() < 0.7 * found.smoothed[0]
    assert "the loss exploded there. The loss is smallest at" in str(found)


@pytest.mark.parametrize("schedule", [False, True])
def test_everything_is_as_before(rng, schedule):
    model = nn.Sequential(nn.Linear(8, 6), nn.Dropout(0.5), nn.Linear(6, 2)).eval()
    _, loader = regression(rng)
    rate = optim.MultiStep(0.1, ((0.5, 0.1),)) if schedule else 0.1
    optimizer = optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    before = model.state_dict()
    moments = optimizer.state_dict()
    draws = tn.random.counters()
    tn.lr_find(model, optimizer, loader, steps=20)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    for name, array in optimizer.state_dict().items():
        np.testing.assert_array_equal(array, moments[name])
    assert optimizer.lr == 0.1
    assert (optimizer.schedule is None) != schedule
    assert tn.random.counters() == draws
    assert not any(module.training for module in model.modules())
    assert all(p.grad is None for p in model.parameters())


def test_a_loss_that_never_falls_gets_no_suggestion():
    rates = np.geomspace(1e-3, 1, 20)
    rising = finding.RateTest(rates, rates, rates, True)
    assert rising.suggestion is None
    assert "never fell: begin with a smaller rate" in str(rising)


def test_the_average_follows_without_lag_and_a_spike_is_capped():
    losses = [2.0] * 50 + [1.0] * 50
    smoothed = finding._smoothed(losses, 100)
    assert 1.4 < smoothed[49:51].mean() < 1.6
    spike = [2.0] * 50 + [1e6] + [2.0] * 49
    assert finding._smoothed(spike, 100).max() < 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"low": 0}, "the rates are 0 < low < high, got 0 and 10"),
        ({"low": 1, "high": 1}, "the rates are 0 < low < high"),
        ({"high": float("inf")}, "the rates are 0 < low < high"),
        ({"steps": 9}, "steps is an integer from 10 on, got 9"),
    ],
)
def test_what_cannot_be_is_refused(rng, settings, message):
    model, loader = regression(rng)
    with pytest.raises(ValueError, match=f"lr_find: {message}"):
        tn.lr_find(model, optim.SGD(model.parameters(), lr=0.1), loader, **settings)


def test_a_loss_that_is_not_finite_at_the_start_is_an_error(rng):
    model, loader = regression(rng)
    model.weight.data[...] = np.nan
    with pytest.raises(FloatingPointError, match="lr_find: the loss of the first batch"):
        tn.lr_find(model, optim.SGD(model.parameters(), lr=0.1), loader)
