"""The arithmetic of docs/scaling.md: what crosses, and what follows from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import scaling
from benchmarks.scaling import ACTIVATIONS, DEVICES, GRADIENTS, TRICK, Machine, seconds, sent
from tinynet import models, nn
from tinynet.analysis import communication

CARD = Machine(fixed=1e-3, per_image=1e-4, bandwidth=6e9, latency=1e-5)


@pytest.fixture(scope="module")
def papers():
    return scaling.net("alexnet")


def test_the_papers_network_is_known_by_its_numbers(papers):
    assert papers.weights == 60_965_224
    assert papers.convolutions == 2_334_080
    assert papers.shown == {"conv3": 43_264, "fc6": 9_216, "fc7": 4_096, "fc8": 4_096}


@pytest.mark.parametrize("name", ["alexnet", "small-alexnet"])
def test_between_two_devices_as_many_bytes_cross_as_traffic_says(name):
    with nn.init.skip_init():
        model = models.build(models.two_tower_form(name))
    crossed, numbers = model.traffic(), scaling.net(name)
    for batch in (1, 128):
        said = [sum(rest) for _, *rest in communication.amounts(model, crossed, batch)]
        ours = [2 * sent(numbers, way, 2, batch)[0] for way in (ACTIVATIONS, GRADIENTS, TRICK)]
        assert ours == pytest.approx(said)


def test_a_device_alone_sends_nothing(papers):
    for scheme in (ACTIVATIONS, GRADIENTS, TRICK):
        assert sent(papers, scheme, 1, 128) == (0, 0)
        assert seconds(papers, CARD, scheme, 1, 128) == pytest.approx(1e-3 + 128e-4)


@given(st.sampled_from(DEVICES), st.integers(1, 4096))
def test_gradients_cost_the_same_whatever_the_batch_and_activations_do_not(papers, K, batch):
    assert sent(papers, GRADIENTS, K, batch) == sent(papers, GRADIENTS, K, 1)
    once, twice = (sent(papers, ACTIVATIONS, K, n)[0] for n in (batch, 2 * batch))
    assert twice == pytest.approx(2 * once)
    assert 4 * papers.weights * 2 >= sent(papers, GRADIENTS, K, batch)[0], "twice round the ring"


def test_a_wire_without_end_divides_the_images_and_a_slow_one_makes_it_worse(papers):
    ideal = Machine(0.0, 1e-4, float("inf"), 0.0)
    slow = Machine(0.0, 1e-4, 1e8, 0.0)
    for scheme in (ACTIVATIONS, GRADIENTS, TRICK):
        assert seconds(papers, ideal, scheme, 16, 128) == pytest.approx(128e-4 / 16)
    assert seconds(papers, slow, GRADIENTS, 2, 128) > seconds(papers, slow, GRADIENTS, 1, 128)


def test_the_table_has_a_row_for_each_number_of_devices(papers):
    lines = scaling.foretold(papers, CARD, 128, growing=True).splitlines()
    assert [line.split()[0] for line in lines[2:]] == [str(K) for K in DEVICES]
    assert lines[-1].split()[1] == str(64 * 128)
    assert lines[2].split()[2:5] == ["13.8", "ms,", "x"]


def test_another_machine_is_foretold_without_measuring(monkeypatch, capsys):
    numbers = ["--fixed", "1e-3", "--per-image", "1e-4", "--bandwidth", "6e9", "--latency", "1e-5"]
    monkeypatch.setattr("sys.argv", ["scaling", "--net", "L", *numbers])
    monkeypatch.setattr(scaling, "measured", None)
    scaling.main()
    expected = scaling.foretold(scaling.net("alexnet"), CARD, 128, growing=False)
    assert capsys.readouterr().out == expected + "\n"
