"""Learning rates over a run."""

import numpy as np
import pytest

from tinynet import nn, optim
from tinynet.optim import Cosine, MultiStep, ReduceOnPlateau
from tinynet.tensors import tensor
from tinynet.training import loop


def rates(schedule, steps):
    return [schedule(step, steps) for step in range(steps)]


def after(errors, **settings):
    return ReduceOnPlateau(1.0, **settings).rate(0, 1, errors)


def test_steps_fall_at_their_fractions_of_the_run():
    schedule = MultiStep(0.5, ((0.5, 0.1), (0.75, 0.01)))
    assert rates(schedule, 8) == [0.5] * 4 + [0.05] * 2 + [0.005] * 2


def test_a_fraction_that_float_cannot_hold_is_rounded_to_the_step_that_was_meant():
    assert 0.29 * 100 < 29
    assert rates(MultiStep(1.0, ((0.29, 0.1),)), 100) == [1.0] * 29 + [0.1] * 71


def test_drops_out_of_order_are_refused():
    with pytest.raises(ValueError, match=r"order of their fractions. Got \(\(0\.75, 0\.01\), "):
        MultiStep(0.5, ((0.75, 0.01), (0.5, 0.1)))


def test_a_cosine_falls_from_the_rate_to_almost_nothing():
    found = rates(Cosine(0.5), 100)
    assert found[0] == 0.5
    assert found[50] == pytest.approx(0.25)
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] < 0.001


def test_a_cosine_warms_up_in_a_straight_line():
    found = rates(Cosine(1.0, warmup=0.25), 16)
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


class Zeros:
    """Two black pictures of two classes: nothing can be learnt from them."""

    steps = 1

    def batches(self, epoch, first=0):
        yield np.zeros((2, 3), "f"), np.array([0, 1])


def test_a_run_that_learns_nothing_divides_its_rate_three_times():
    net, state = nn.Linear(3, 2), loop.State()
    sgd = optim.SGD(net.parameters(), lr=ReduceOnPlateau(1.0, patience=2))
    list(loop.fit(net, sgd, Zeros(), Zeros(), epochs=10, state=state))
    found = [record.lr for record in state.records]
    assert found == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3, 1e-3])


def test_an_optimizer_follows_a_schedule_that_knows_its_steps():
    net = nn.Linear(3, 2)
    sgd = optim.SGD(net.parameters(), lr=Cosine(0.5, total_steps=4))
    found = []
    for _ in range(4):
        net(tensor(np.ones((1, 3), "f"))).sum().backward()
        sgd.step()
        found.append(sgd.lr)
    assert found == rates(Cosine(0.5), 4)


def test_a_schedule_without_a_length_needs_fit():
    net = nn.Linear(3, 2)
    sgd = optim.SGD(net.parameters(), lr=Cosine(0.5, epochs=4))
    with pytest.raises(ValueError, match=r"how many steps.*tn\.fit.*total_steps="):
        sgd.step()


def test_fit_refuses_a_schedule_for_another_number_of_epochs():
    net = nn.Linear(3, 2)
    sgd = optim.SGD(net.parameters(), lr=Cosine(0.5, epochs=4))
    with pytest.raises(ValueError, match="made for 4 epochs, and this run has 5"):
        loop.fit(net, sgd, Zeros(), epochs=5)


def test_fit_sets_the_rate_of_each_step():
    net = nn.Linear(3, 2)
    sgd = optim.SGD(net.parameters(), lr=Cosine(0.5, epochs=4))
    found = [epoch.lr for epoch in loop.fit(net, sgd, Zeros(), epochs=4)]
    assert found == rates(Cosine(0.5), 4)


@pytest.mark.parametrize("bad", ["1e-3", None, -0.1, np.inf, np.nan])
def test_a_rate_that_is_no_finite_number_is_refused(bad):
    with pytest.raises(ValueError, match="lr must be a number, at least 0 and finite"):
        optim.SGD(nn.Linear(2, 2).parameters(), lr=bad)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("StepLR", "MultiStep"),
        ("CosineAnnealingLR", "Cosine"),
        ("ReduceLROnPlateau", "ReduceOnPlateau"),
        ("lr_scheduler", "given to the optimizer"),
        ("RMSprop", "there are SGD.*AdamW"),
    ],
)
def test_a_name_of_another_library_is_answered_with_ours(name, says):
    with pytest.raises(AttributeError, match=says):
        getattr(optim, name)


def test_milestones_in_epochs_are_answered_with_fractions():
    with pytest.raises(ValueError, match="Epoch 80 of 164 is 80 / 164"):
        MultiStep(0.1, [80, 120])


def test_the_name_before_0_2_still_works_with_a_warning():
    with pytest.warns(FutureWarning, match="called MultiStep now"):
        assert optim.schedules.Stepwise is MultiStep


def test_a_schedule_shows_what_was_given():
    assert repr(Cosine(0.02, epochs=4)) == "Cosine(0.02, epochs=4)"
    assert repr(MultiStep(0.1, ((0.5, 0.1),))) == "MultiStep(0.1, drops=((0.5, 0.1),))"
    sgd = optim.SGD(nn.Linear(2, 2).parameters(), lr=Cosine(0.02, epochs=4))
    assert "lr=Cosine(0.02, epochs=4)" in repr(sgd)
