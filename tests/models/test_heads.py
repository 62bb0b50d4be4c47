"""Heads half-way up: what they add to the loss and the gradients, and that tests ask them not."""

import dataclasses
import importlib.util
import math

import numpy as np
import pytest

import tinynet as tn
from tinynet import data, models, nn
from tinynet import functions as F
from tinynet.analysis import memory
from tinynet.core.backend import device
from tinynet.models.googlenet import AuxiliaryHead, GoogLeNet, SequentialWithHead
from tinynet.optim import SGD
from tinynet.testing import check_layer
from tinynet.training import presets, runs, steps
from tinynet.training.evaluation import evaluate
from tinynet.training.metrics import RunningMetrics

LABELS = np.array([0, 2, 1])


def small(seed=0):
    """Return a network of a few weights with a head on 14x14 maps."""
    with tn.random.fork(seed):
        lower = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.Tanh())
        upper = nn.Sequential(nn.GlobalAvgPool2d(), nn.Linear(2, 3))
        return SequentialWithHead(lower, upper, AuxiliaryHead(2, 3, channels=2, hidden=4))


def pictures(side=14):
    return np.random.default_rng(1).standard_normal((3, 3, side, side)).astype("f")


def test_a_head_counts_three_tenths_of_what_it_says():
    net, x = small(), tn.tensor(pictures())
    tn.seed(0)
    scores, of_head = net(x)
    parts = [F.cross_entropy(s, LABELS).item() for s in (scores, of_head)]
    tn.seed(0)
    said = nn.forward_with_loss(net, x, LABELS)
    assert said.loss.item() == pytest.approx(parts[0])
    assert said.objective.item() == pytest.approx(parts[0] + 0.3 * parts[1])
    np.testing.assert_array_equal(said.scores.data, scores.data)


def test_a_network_without_heads_makes_its_loss_small_and_nothing_else():
    said = nn.forward_with_loss(models.build("demo", 3), tn.zeros(3, 3, 32, 32), LABELS)
    assert said.objective is said.loss


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="the oracle: PyTorch")
def test_loss_and_gradients_of_the_scores_are_those_of_pytorch(rng):
    import torch

    arrays = rng.standard_normal((3, 3, 4))
    ours = [tn.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    GoogLeNet.loss(small(), ours, LABELS).backward()
    a, b, c = (torch.nn.functional.cross_entropy(s, torch.tensor(LABELS)) for s in theirs)
    (a + 0.3 * (b + c)).backward()
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.grad, other.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("torchvision", [False, True])
def test_a_head_drops_seventy_percent(torchvision):
    """Section 5 of the paper, and torchvision."""
    assert AuxiliaryHead(2, 3, torchvision).dropout.p == 0.7


@pytest.mark.parametrize("torchvision", [False, True])
def test_a_head_has_the_derivatives_of_its_forward(torchvision, rng):
    head = AuxiliaryHead(3, 2, torchvision, channels=2, hidden=3)
    for p in head.parameters():
        p.data += rng.uniform(-0.3, 0.3, p.shape).astype("f")
    check_layer(head, rng.standard_normal((2, 3, 14, 15)))


def test_googlenet_has_two_heads_in_training_and_none_in_tests():
    with nn.init.skip_init():
        net = GoogLeNet(5, auxiliary=True)
    x = tn.zeros(0, 3, 224, 224)
    with tn.no_grad(), tn.kernels.use("reference"):
        assert [y.shape for y in net(x)] == [(0, 5)] * 3
        assert net.eval()(x).shape == (0, 5)


def test_the_small_one_begins_as_small_googlenet_does_and_says_the_same_in_tests():
    plain, headed = (models.build(f"small-googlenet{s}", 4, seed=3).eval() for s in ("", "-head"))
    x = tn.tensor(np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype("f"))
    np.testing.assert_array_equal(plain(x).data, headed(x).data)
    assert nn.forward_with_loss(headed, x, LABELS[:2]).objective.item() == pytest.approx(
        F.cross_entropy(plain(x), LABELS[:2]).item()
    )


# the loop


def one_step(net, heads):
    """Return the gradients and the tally of a training step, with or without what the heads say."""
    if not heads:
        net.loss = lambda outputs, labels: F.cross_entropy(outputs[0], labels)
    tally = RunningMetrics()
    tn.seed(0)
    steps.train_step(net, SGD(net.parameters(), lr=0.0), pictures(), LABELS, metrics=tally)
    return {name: p.grad for name, p in net.named_parameters()}, tally


def test_a_step_teaches_the_heads_and_brings_their_gradient_to_the_lower_half():
    (alone, reported), (together, also_reported) = (one_step(small(), h) for h in (False, True))
    assert alone["aux1.fc2.weight"] is None
    assert together["aux1.fc2.weight"].any()
    assert not np.allclose(alone["lower.0.weight"], together["lower.0.weight"], rtol=1e-3)
    np.testing.assert_array_equal(alone["upper.1.weight"], together["upper.1.weight"])
    assert also_reported == reported  # the loss of the scores, as in tests


def test_a_step_on_a_gpu_does_the_same(stand_in):
    x, found = pictures(), []
    for where in ("cpu", "cuda"):
        net, tally = small().to(where), RunningMetrics()
        optimizer = SGD(net.parameters(), lr=0.1)
        tn.seed(0)
        if where == "cpu":
            steps.train_step(net, optimizer, x, LABELS, metrics=tally)
        else:
            steps.GpuSteps(net, optimizer).run(x, LABELS, tally, 0, look=True)
        found.append((tally.loss, net.to(device("cpu")).state_dict()))
    (loss, weights), (on_card, there) = found
    assert on_card == pytest.approx(loss, rel=1e-5)
    for name, value in weights.items():
        np.testing.assert_allclose(there[name], value, atol=1e-5)


def test_a_head_that_overflows_stops_training_and_the_layer_is_named():
    net = small()
    net.aux1.fc1.bias.data[:] = 100
    net.aux1.fc2.weight.data[:] = 3e38
    with pytest.raises(FloatingPointError, match=r"aux1\.fc2 \(Linear\) is the first layer to"):
        one_step(net, heads=True)


class Batches:
    """Three batches of three pictures."""

    steps = 3

    def batches(self, epoch, first=0):
        for i in range(first, 3):
            yield pictures() + 0.1 * i, LABELS


def test_tests_do_not_ask_the_heads():
    net = small()
    before = evaluate(net, Batches())
    for p in net.aux1.parameters():
        p.data[:] = np.nan
    assert evaluate(net, Batches()) == before
    assert math.isfinite(before[0])


RECIPE = dataclasses.replace(presets.find("small-googlenet-head"), epochs=2, batch_size=4)


@pytest.mark.parametrize("stop", [1, 4])
def test_a_run_with_a_head_goes_on_as_if_it_had_never_stopped(tmp_path, monkeypatch, stop):
    monkeypatch.setattr(runs, "draw", lambda run: None)
    monkeypatch.setattr(models.googlenet, "small_googlenet", tiny_googlenet)
    sets = data.Shapes(train=True)[:10], data.Shapes(train=False)[:10]

    def begun(name):
        (tmp_path / name).mkdir(exist_ok=True)
        return runs.assemble(tmp_path / name, RECIPE, sets)

    whole, half = begun("whole"), begun("half")
    list(runs.advance(whole))
    events = runs.advance(half)
    for _ in range(stop):
        next(events)
    runs.save(half)
    events.close()
    resumed = begun("half")
    runs.restore(resumed)
    list(runs.advance(resumed))
    wanted, found = whole.model.state_dict(), resumed.model.state_dict()
    assert any(name.startswith("aux1.") for name in found)
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value)


def tiny_googlenet(classes):
    """Return the plan of small-googlenet with few channels, but for the 96 that the head sees."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 96, 1),
        nn.ReLU(),
        nn.GlobalAvgPool2d(),
        nn.Linear(96, classes),
    )


def test_the_memory_estimate_counts_what_the_heads_save():
    def update(net):
        return SGD(net.parameters(), lr=0.1)

    net = small()
    with_heads = memory.estimate(net, (3, 14, 14), update)
    without = memory.estimate(nn.Sequential(net.lower, net.upper), (3, 14, 14), update)
    more = sum(with_heads.activations(8).values()) - sum(without.activations(8).values())
    assert more >= 8 * 4 * (2 * 4 * 4 + 4)  # the head's maps and hidden units, in float32


def test_a_head_may_stay_behind_when_weights_are_carried_to_a_network_without():
    from tinynet.weights.names import fitted

    with nn.init.skip_init():
        full, plain = (GoogLeNet(3, auxiliary=heads) for heads in (True, False))
    assert fitted(full.state_dict(), plain.state_dict()).keys() == plain.state_dict().keys()
