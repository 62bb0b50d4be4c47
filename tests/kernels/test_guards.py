"""Bounds checks before a launch: compiled kernels check no index themselves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinynet
from tinynet import kernels
from tinynet.kernels.codegen.tables import Images, Table, guard, offsets, phases, tiles
from tinynet.kernels.convolution import gradient_loops, loops
from tinynet.kernels.dispatch import has_numba
from tinynet.kernels.geometry import Geometry

pytestmark = pytest.mark.skipif(not has_numba(), reason="Numba is not installed")
JUDGE = Path(__file__).with_name("guarded.py")
ONE = (1, 1)
AROUND = ((1, 1), (1, 1))


def run_judge(side, case):
    found = {**os.environ, "PYTHONPATH": str(Path(tinynet.__file__).parents[1])}
    command = [sys.executable, JUDGE, side, case]
    return subprocess.run(command, env=found, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="forbids pages with mprotect")
class TestForbiddenPages:
    @pytest.mark.parametrize("side", ["end", "start"])
    def test_no_kernel_touches_memory_beside_its_arrays(self, side):
        run = run_judge(side, "all")
        assert run.returncode == 0, run.stdout + run.stderr
        assert run.stdout.count("survived") == 10

    def test_the_judge_notices_one_number_too_many(self):
        assert run_judge("end", "planted").returncode == -signal.SIGSEGV


def images(rng, *shape):
    return rng.standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("module", [loops, gradient_loops])
def test_a_missing_border_is_noticed_before_a_kernel_runs(module, monkeypatch, rng):
    x = images(rng, 2, 3, 6, 5)
    weight = images(rng, 4, 3, 3, 3)
    geometry = Geometry((3, 3), padding=AROUND)
    gy = kernels.conv2d_forward(x, weight, None, geometry)
    naked = module.bordered
    monkeypatch.setattr(module, "bordered", lambda x, _padding: naked(x, ((0, 0), (0, 0))))
    launch = {
        loops: lambda: kernels.conv2d_forward(x, weight, None, geometry),
        gradient_loops: lambda: kernels.conv2d_backward_weight(gy, x, geometry),
    }
    with pytest.raises(IndexError, match="reaches"):
        launch[module]()


def test_outputs_beside_the_array_are_noticed(rng):
    x = images(rng, 1, 4, 4, 8)
    w = np.zeros((1, 1, 8, 16), np.float32)
    small = np.empty((1, 3, 4, 16), np.float32)
    rows = tiles(*Images(*x.shape).axes((4, 4), ONE))
    places = tiles(*Images(1, 4, 4, 16).axes((4, 4), ONE))
    with pytest.raises(IndexError):
        loops.convolve(x, rows, offsets((8, 1, 0)), w, None, small, places)


@pytest.mark.parametrize(("low", "high"), [(-1, 5), (0, 8)])
def test_the_guard_knows_both_ends(low, high):
    x = np.zeros((1, 1, 1, 8), np.float32)
    with pytest.raises(IndexError):
        guard(x, Table(None, low, high), Table(None, 0, 0), 1, 1)


def test_the_guard_knows_the_last_group():
    x = np.zeros((1, 1, 1, 8), np.float32)
    guard(x, Table(None, 0, 3), Table(None, 0, 0), 4, 2)
    with pytest.raises(IndexError):
        guard(x, Table(None, 0, 4), Table(None, 0, 0), 4, 2)


def test_offsets_that_need_more_than_32_bits_are_refused():
    assert offsets((2, 2**31 - 1, 0)).high == 2**31 - 1
    with pytest.raises(OverflowError):
        offsets((2, 2**31, 0))


def test_the_last_offset_fills_the_last_tile():
    table = tiles((7, 10, 3)).places
    assert table.reshape(-1)[:7].tolist() == [3, 13, 23, 33, 43, 53, 63]
    assert set(table.reshape(-1)[7:].tolist()) <= {63}


@pytest.mark.parametrize("size", [1, 4, 9])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_phases_meet_every_pair_of_pixel_and_output_once(size, kernel, stride, dilation):
    before = 1
    met = [
        (part.first + k * stride, part.begin + k - part.before - t * part.step, tap)
        for part in phases(size, kernel, stride, before, dilation)
        for k in range(part.pixels)
        for t, tap in enumerate(part.taps)
    ]
    expected = [
        (h, i, p)
        for h in range(size)
        for i in range(-30, 30)
        for p in range(kernel)
        if h == stride * i + dilation * p - before
    ]
    assert sorted(met) == sorted(expected)
