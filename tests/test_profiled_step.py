"""Ledger of the CUDA kernels: no change of a training step for the worse goes unseen.

`TINYNET_LEDGER=write pytest -m slow tests/test_profiled_step.py` writes what is found; the
differences then show in the commit.
"""

import functools
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from tinynet.analysis import gpu_step
from tinynet.cli.main import cli

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nvrtc_library")]
LEDGER = Path(__file__).with_name("profiled_step.json")
NAME = "small-alexnet"
MEGABYTE = 1e6
SCATTERED = {
    "conv2d_tile": "a lane writes every other pixel; rows of a patch begin between sectors",
    "conv2d_weight_tile": "rows of a patch begin between sectors; lanes write to several channels",
    "pack_filters": "lanes read the order in which the tensor cores want them; the L2 cache serves",
    "dropout": "a lane writes the four numbers that Philox draws, one after the other",
    "max_pool2d_forward": "windows overlap, and lanes step by the stride; the L1 cache serves them",
    "max_pool2d_backward": "a lane writes a cell of 2x2 pixels, so lanes step by two",
}
"""Kernels whose coalescing is under 0.9, and why."""
FEW_BLOCKS = {
    "conv2d_tile": "images of 8x8 pixels: 128 tiles of 128 pixels and 64 or 96 filters",
    "add_parts": "a thread for each weight of the first convolution",
}
"""Kernels that move over a megabyte with fewer blocks than an H200 has multiprocessors, and why."""


@pytest.fixture(scope="module")
def found():
    return gpu_step.profile_model(NAME, 128)


def test_no_step_is_worse_than_in_the_ledger(found):
    now = {
        "nodes": found.nodes,
        "estimate_ms": round(found.estimate_ms, 3),
        "registers": {row.name: row.registers for row in found.kernels if row.blocks},
    }
    if os.environ.get("TINYNET_LEDGER") == "write":
        LEDGER.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")
    before = json.loads(LEDGER.read_text())
    assert now["nodes"] <= before["nodes"]
    assert now["estimate_ms"] <= 1.02 * before["estimate_ms"]
    assert now["registers"].keys() == before["registers"].keys()


@pytest.mark.parametrize(
    ("name", "most"),
    [("small-alexnet", 0.40), pytest.param("alexnet", 3.4, marks=pytest.mark.long)],
)
def test_a_step_in_bfloat16_is_not_worse_than_in_the_ledger(name, most):
    found = gpu_step.profile_model(name, 128, precision="bfloat16")
    assert not [row.name for row in found.kernels if row.spills]
    now = {"nodes": found.nodes, "estimate_ms": round(found.estimate_ms, 3)}
    ledger = LEDGER.with_name("profiled_bfloat16.json")
    if os.environ.get("TINYNET_LEDGER") == "write":
        known = json.loads(ledger.read_text()) if ledger.exists() else {}
        ledger.write_text(json.dumps({**known, name: now}, indent=1, sort_keys=True) + "\n")
    before = json.loads(ledger.read_text())[name]
    assert now["nodes"] <= before["nodes"]
    assert now["estimate_ms"] <= min(most, 1.02 * before["estimate_ms"])


def test_no_kernel_spills(found):
    assert not [row.name for row in found.kernels if row.spills]


def test_accesses_are_coalesced_or_have_a_reason(found):
    scattered = {row.name for row in found.kernels if row.coalescing < 0.9}
    scattered -= {row.name for row in found.kernels if row.bytes < MEGABYTE} - set(SCATTERED)
    assert scattered <= set(SCATTERED)


def test_large_launches_fill_the_gpu_or_have_a_reason(found):
    few = {
        row.name for row in found.kernels if 0 < row.blocks < found.gpu.sms and row.bytes > MEGABYTE
    }
    assert few <= set(FEW_BLOCKS)


def test_the_array_library_is_counted(found):
    assert any(row.name == gpu_step.LIBRARY for row in found.kernels)


def test_the_command_prints_a_table_json_and_a_figure(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_step, "profile_model", functools.cache(gpu_step.profile_model))
    figure = tmp_path / "times.png"
    command = ["kernels", "profile", "demo", "--batch", "8", "--gpu", "a100"]
    done = CliRunner().invoke(cli, [*command, "--figure", str(figure)])
    assert done.exit_code == 0, done.output
    assert "estimated, not measured" in done.output
    assert "conv2d_tile" in done.output
    assert figure.stat().st_size > 5000
    read = json.loads(CliRunner().invoke(cli, [*command, "--json"]).stdout)
    assert {"nodes", "estimate_ms", "kernels"} <= read.keys()
