"""Profile of a step: work and bytes are counted exactly, times are positive, nothing changes."""

import dataclasses
import json

import numpy as np
import pytest

from tinynet import kernels, nn, optim, plot
from tinynet.analysis import profile as profiling
from tinynet.analysis.profile import Machine, Pass, Profile, ProfiledOp, profile
from tinynet.core.errors import DeviceError
from tinynet.kernels.dispatch import has_numba

MACHINE = Machine(peak=1e9, bandwidth=1e8)


@pytest.fixture
def found(monkeypatch, rng):
    monkeypatch.setattr(profiling, "measure", lambda: MACHINE)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, groups=2),
        nn.ReLU(),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.Linear(64, 3),
    )
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    before = model.state_dict()
    x = rng.standard_normal((5, 2, 4, 4)).astype(np.float32)
    with kernels.use("reference"):
        result = profile(model, optimizer, x, np.arange(5) % 3, repeats=1)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert all(p.grad is None for p in model.parameters())
    return result


def test_work_is_two_flops_for_each_product_in_each_direction(found):
    conv, *_, linear, _ = found.ops
    assert [conv.label, linear.label] == ["0 conv2d + relu", "4 linear"]
    products = 5 * 4 * 16 * 9  # groups: each output sees one of two channels
    assert conv.forward.flops == 2 * products
    assert conv.backward.flops == 2 * products  # the images need no gradient
    assert linear.forward.flops == 2 * 5 * 3 * 64
    assert linear.backward.flops == 2 * 2 * 5 * 3 * 64


def test_bytes_are_those_of_the_arrays(found):
    conv = found.ops[0]
    x, weight, bias, y = (4 * n for n in (5 * 2 * 16, 4 * 9, 4, 5 * 4 * 16))
    assert conv.forward.bytes == x + weight + bias + y
    assert conv.backward.bytes == y + (x + weight + y) + weight + bias
    assert conv.forward.intensity == conv.forward.flops / conv.forward.bytes


def test_the_table_and_the_json_agree(found):
    numbers = json.loads(json.dumps(found.json()))
    assert sum(op["share"] for op in numbers["ops"]) == pytest.approx(1)
    assert all(
        op["forward"]["seconds"] > 0 and op["backward"]["seconds"] > 0 for op in numbers["ops"]
    )
    assert numbers["images_per_second"] == pytest.approx(5 / found.step)
    lines = str(found).splitlines()
    assert len(lines) == 2 + len(found.ops) + 1 + 1
    assert lines[2].startswith("0 conv2d + relu")


def test_winograd_is_spoken_of_where_it_runs(monkeypatch, found):
    monkeypatch.setattr(profiling, "measure", lambda: MACHINE)
    assert not any(op.winograd for op in found.ops)  # by the reference
    assert "Winograd" not in str(found)
    model = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.Flatten(), nn.Linear(2048, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    x = np.ones((1, 32, 8, 8), np.float32)
    with kernels.use("numba"):
        result = profile(model, optimizer, x, np.array([0]), repeats=1)
    assert result.ops[0].winograd == has_numba()
    assert ("it runs in 0." in str(result)) == has_numba()


def test_a_peak_that_cannot_be_is_doubted(found):
    busy = dataclasses.replace(found, machine=Machine(1.0, 1e8))
    assert "Measure again when it is idle" in str(busy)
    only_winograd = [dataclasses.replace(op, winograd=True) for op in busy.ops]
    assert "Measure again" not in str(dataclasses.replace(busy, ops=only_winograd))
    idle = dataclasses.replace(found, machine=Machine(1e15, 1e8))
    assert "Measure again" not in str(idle)


def test_a_limit_is_measured(monkeypatch):
    monkeypatch.setattr(profiling, "SIDE", 128)
    monkeypatch.setattr(profiling, "STREAM", 1 << 16)
    monkeypatch.setattr(profiling, "PRODUCTS", 2)
    machine = profiling.measure(repeats=1)
    assert 1e8 < machine.peak < 1e14
    assert 1e7 < machine.bandwidth < 1e13


def test_points_lie_at_their_intensity_and_speed():
    op = ProfiledOp("conv1", "conv2d", (1,), Pass(0.5, 4_000_000_000, 10**9), Pass(0.25, 0, 8))
    other = ProfiledOp("", "relu", (1,), Pass(0.05, 0, 8), Pass(0.05, 0, 8))
    figure = plot.roofline(Profile([op, other], 1.0, 1, MACHINE), title="net")
    *points, roof = figure.axes[1].lines
    (point,) = (line for line in points if line.get_label() == "forward")
    assert (point.get_xdata()[0], point.get_ydata()[0]) == (4.0, 8.0)
    x, y = roof.get_data()
    np.testing.assert_allclose(y, np.minimum(1.0, 0.1 * x))
    assert figure.get_suptitle() == "net: conv1 conv2d takes 88 % of the ops' time"
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["[1] conv1 conv2d", "relu"]


def test_a_model_on_a_gpu_is_refused(monkeypatch):
    model = nn.Linear(2, 2)
    monkeypatch.setattr(nn.Linear, "device", type("D", (), {"kind": "cuda"})())
    with pytest.raises(DeviceError, match="profile: it measures ops on a CPU"):
        profile(model, None, np.ones((1, 2), np.float32), np.array([0]))
