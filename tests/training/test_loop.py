"""Training loop: steps and epochs are counted, evaluation changes nothing."""

import pytest

import tinynet as tn
from support.tiny_run import Points, assert_same_arrays, tiny_net
from tinynet import functions as F
from tinynet.core import random
from tinynet.optim import SGD, MultiStep
from tinynet.training.evaluation import evaluate
from tinynet.training.loop import Epoch, State, Step, fit, train_one_epoch


def test_every_image_is_seen_once_an_epoch_the_last_partial_batch_too():
    net, state = tiny_net(), State()
    steps = train_one_epoch(net, SGD(net.parameters(), lr=0.1), Points(), state=state)
    assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6]
    assert state.metrics.images == 44


def test_an_epoch_reports_means_over_images_not_over_batches():
    feed, net = Points(10, batch=8, shuffle=False), tiny_net()
    loss, accuracy = evaluate(net, feed)
    net.eval()
    scores = net(tn.tensor(feed.images))
    assert loss == pytest.approx(F.cross_entropy(scores, feed.labels).item(), rel=1e-6)
    assert accuracy == (scores.data.argmax(1) == feed.labels).mean()


def test_evaluation_neither_drops_nor_learns_nor_records_and_goes_back_to_training():
    net = tiny_net()
    before = net.state_dict()
    assert evaluate(net, Points()) == evaluate(net, Points())
    assert_same_arrays(net.state_dict(), before)
    assert all(p.grad is None for p in net.parameters())
    assert net.training


def test_training_switches_dropout_on():
    net = tiny_net().eval()
    list(train_one_epoch(net, SGD(net.parameters(), lr=0.1), Points()))
    assert net.training


def test_evaluation_leaves_a_net_in_evaluation_where_it_was():
    net = tiny_net().eval()
    evaluate(net, Points())
    assert not net.training


def test_fit_yields_a_step_a_batch_and_an_epoch_an_epoch():
    net = tiny_net()
    sgd = SGD(net.parameters(), lr=0.05)
    events = list(fit(net, sgd, Points(), Points(20), epochs=2, every_step=True))
    kinds = [e.phase if isinstance(e, Step) else "epoch" for e in events]
    assert kinds == (["train"] * 6 + ["test"] * 3 + ["epoch"]) * 2
    assert [e.epoch for e in events if isinstance(e, Epoch)] == [1, 2]


def test_fit_learns():
    net = tiny_net()
    events = list(
        fit(net, SGD(net.parameters(), lr=0.01, momentum=0.9), Points(400), Points(100), epochs=8)
    )
    assert events[-1].test_accuracy > 0.85


def test_the_learning_rate_falls_at_its_step():
    net = tiny_net()
    optimizer = SGD(net.parameters(), lr=MultiStep(1e-3, ((0.5, 0.1), (0.75, 0.01))))
    events = list(fit(net, optimizer, Points(), Points(20), epochs=2, every_step=True))
    rates = [e.lr for e in events if isinstance(e, Step) and e.phase == "train"]
    assert rates == [1e-3] * 6 + [1e-4] * 3 + [1e-5] * 3
    assert [e.lr for e in events if isinstance(e, Epoch)] == [1e-3, 1e-5]


def test_a_step_draws_the_same_dropout_mask_whatever_was_drawn_before():
    def weights_after(draws):
        net = tiny_net()
        random.seed(1)
        for _ in range(draws):
            random.next_draw()
        list(train_one_epoch(net, SGD(net.parameters(), lr=0.1), Points()))
        return net.state_dict()

    assert_same_arrays(weights_after(0), weights_after(3))
