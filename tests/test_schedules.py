"""Learning rates over a run."""

from types import SimpleNamespace

import numpy as np
import pytest

from tinynet import nn, optim
from tinynet.optim.schedules import Cosine, Plateau, Stepwise
from tinynet.training import loop


def rates(schedule, steps):
    return [schedule(step, steps) for step in range(steps)]


def after(errors, **settings):
    records = [SimpleNamespace(test_accuracy=1 - e) for e in errors]
    return Plateau(1.0, records, **settings)(0, 1)


def test_steps_fall_at_their_fractions_of_the_run():
    schedule = Stepwise(0.5, ((0.5, 0.1), (0.75, 0.01)))
    assert rates(schedule, 8) == [0.5] * 4 + [0.05] * 2 + [0.005] * 2


def test_a_fraction_that_float_cannot_hold_is_rounded_to_the_step_that_was_meant():
    assert 0.29 * 100 < 29
    assert rates(Stepwise(1.0, ((0.29, 0.1),)), 100) == [1.0] * 29 + [0.1] * 71


def test_drops_out_of_order_are_refused():
    with pytest.raises(ValueError, match=r"order of their fractions. Got \(\(0\.75, 0\.01\), "):
        Stepwise(0.5, ((0.75, 0.01), (0.5, 0.1)))


def test_a_cosine_falls_from_the_rate_to_almost_nothing():
    found = rates(Cosine(0.5), 100)
    assert found[0] == 0.5
    assert found[50] == pytest.approx(0.25)
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] < 0.001


def test_a_cosine_warms_up_in_a_straight_line():
    found = rates(Cosine(1.0, warm=0.25), 16)
    assert found[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert found[4:] == sorted(found[4:], reverse=True)


def test_nothing_happens_while_the_error_falls():
    assert after([]) == 1
    assert after([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], patience=2) == 1


def test_the_rate_is_divided_by_ten_when_the_error_stalls():
    assert after([0.9, 0.5, 0.6], patience=2) == 1
    assert after([0.9, 0.5, 0.6, 0.5], patience=2) == pytest.approx(0.1)  # as good is no better
    assert after([0.9, 0.5, 0.6, 0.4, 0.6], patience=2) == 1


def test_after_a_drop_the_epochs_are_counted_anew():
    stalled = [0.5, 0.6, 0.6]
    assert after([*stalled, 0.6], patience=2) == pytest.approx(0.1)
    assert after([*stalled, 0.6, 0.6], patience=2) == pytest.approx(0.01)
    assert after([*stalled, 0.4, 0.5, 0.5], patience=2) == pytest.approx(0.01)


def test_it_is_divided_three_times_and_no_more():
    assert after([0.5] * 50, patience=2) == pytest.approx(1e-3)
    assert after([0.5] * 50, patience=2, times=1) == pytest.approx(0.1)


def test_it_looks_at_the_records_when_it_is_asked():
    records = []
    schedule = Plateau(1.0, records, patience=1)
    assert schedule(0, 9) == 1
    records += [SimpleNamespace(test_accuracy=0.5)] * 2
    assert schedule(1, 9) == pytest.approx(0.1)


class Zeros:
    """Two black pictures of two classes: nothing can be learnt from them."""

    steps = 1

    def batches(self, epoch, first=0):
        yield np.zeros((2, 3), "f"), np.array([0, 1])


def test_a_run_that_learns_nothing_divides_its_rate_three_times():
    net, state = nn.Linear(3, 2), loop.State()
    sgd = optim.SGD(net.parameters(), 1.0)
    schedule = Plateau(1.0, state.records, patience=2)
    list(loop.fit(net, sgd, Zeros(), Zeros(), epochs=10, learning_rate=schedule, state=state))
    found = [record.lr for record in state.records]
    assert found == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3, 1e-3])
