"""Sections of `benchmarks.gpu`, run on the CuPy stand-in with tiny inputs."""

import argparse
import json
import subprocess
import sys
import threading
from unittest import mock

import numpy as np
import pytest

import tinynet as tn
from benchmarks import gpu, gpu_kernels, gpu_sections, workloads
from benchmarks.gpu_kernels import beside
from benchmarks.gpu_launches import counting, launches
from support import small_demo
from tinynet import kernels

SETTINGS = {"dry": False, "precision": "tf32", "data_dir": None, "gpu": "h200"}


@pytest.fixture
def place(stand_in):
    place = gpu_sections.Place(SETTINGS)
    place.windows = place.steps = 1
    return place


@pytest.fixture
def small(monkeypatch):
    few = small_demo.few_shapes(30, 30)[False]
    small_demo.use_net(monkeypatch, name="small-alexnet")
    small_demo.use_sets(monkeypatch, {True: few, False: few})


@pytest.mark.cxx
def test_steps_are_timed_as_they_are_and_as_a_graph(place, small, stand_in, monkeypatch):
    monkeypatch.setattr(gpu_sections, "torch_steps", lambda *_: {})
    with tn.precision("tf32"):
        found = gpu_sections.steps_of(place, "small", 4)
    assert found["shape"] == [4, *workloads.shape("A")[1:]]
    assert set(found["ms"]) == {"tinynet eager", "tinynet graph"}
    assert {kind for *_, kind, _ in stand_in.card.products} == {77}, "tf32 is what was asked for"


@pytest.mark.cxx
def test_the_launches_of_a_step_are_counted_and_a_replay_is_one(place, small, stand_in):
    steps = gpu_sections.our_steps(place, "A", 4)
    for step in steps.values():
        for _ in range(2):  # a graph records at the second call
            step()
    before = len(stand_in.card.products)
    steps["tinynet eager"]()
    products = len(stand_in.card.products) - before
    found = launches(steps, on_gpu=True)
    nodes = steps["tinynet graph"].func.nodes
    assert found["tinynet graph"] == {"kernels": 0, "products": 0, "graphs": 1, "nodes": nodes}
    eager = found["tinynet eager"]
    assert eager == {"kernels": eager["kernels"], "products": products, "graphs": 0, "nodes": nodes}
    assert nodes > eager["kernels"] + products, "CuPy adds up and copies, too"
    assert products == 3, "of the linear layer"
    assert eager["kernels"] >= 4, "the convolution, ReLU, the loss, one update"


@pytest.mark.cxx
def test_a_replay_on_a_cpu_repeats_the_launches(small):
    place = gpu_sections.Place({**SETTINGS, "dry": True})
    steps = gpu_sections.our_steps(place, "A", 4)
    with kernels.use("cuda_on_cpu"):
        for _ in range(2):
            steps["tinynet graph"]()
        found = launches(steps, on_gpu=False)
    assert found["tinynet graph"] == {**found["tinynet eager"], "graphs": 1}


@pytest.mark.cxx
def test_the_bandwidth_of_each_kernel_is_compared_with_a_copy(place, monkeypatch):
    monkeypatch.setattr(gpu_sections, "CONV1", (2, 4, 6, 6))
    found = gpu_sections.kernel_shares(place)
    assert set(found["share"]) == set(found["gigabytes_a_second"]) - {"copy"}
    assert len(found["share"]) == 6


@pytest.mark.cxx
def test_each_kernel_of_a_step_is_measured_by_itself(place, small, stand_in, monkeypatch):
    """The clock of the stand-in gives one millisecond to a graph of so many launches."""
    monkeypatch.setattr(gpu_kernels, "ROUNDS", 2)
    step = gpu_sections.our_steps(place, "A", 4)["tinynet eager"]
    step()
    with counting(mock.Mock(), on_gpu=True) as counts:
        rows = gpu_kernels.measured(step, stand_in)
    assert {row["us"] for row in rows} == {500.0}
    ours = [row for row in rows if row["threads"]]
    assert sum(row["launches"] for row in ours) == counts["kernels"]
    products = [row for row in rows if not row["threads"]]
    assert sum(row["launches"] for row in products) == 3
    assert "momentum_update" in {row["kernel"] for row in ours}


@pytest.mark.cxx
def test_the_training_run_notes_every_epoch(place, small):
    found = gpu_sections.training(place, limit=0.0)
    assert found["data"] == "cifar10"
    assert [e["epoch"] for e in found["epochs"]] == [1]
    assert 0 <= found["best"] <= 1
    assert found["seconds_to_89"] is None


def test_goals_are_judged_and_shown():
    sections = {
        "small": {
            "ms": {"tinynet graph": 1.0, "torch eager": 4.0, "torch graph": 0.8},
            "kernels": [{"kernel": "mean", "blocks": 1, "threads": 256, "launches": 2, "us": 3.0}],
        },
        "estimate-small": {
            "gpu": "a card",
            "ms": 0.59,
            "kernels": [
                {"kernel": "mean", "blocks": 1, "threads": 256, "launches": 2, "us": 1.5},
                {"kernel": "dropout", "blocks": 9, "threads": 32, "launches": 1, "us": 4.0},
            ],
        },
        "estimate-kernels": {"gpu": "a card", "gigabytes_a_second": {"dropout": 3000.0}},
        "alexnet": {
            "launches": {"eager": {"kernels": 54, "products": 9, "graphs": 0, "nodes": 70}}
        },
        "kernels": {"share": {"dropout": 0.7}, "gigabytes_a_second": {"dropout": 2345.6}},
        "training": {"seconds_to_89": 25.0},
    }
    rows = {row["what"]: row["found"] for row in gpu.judged(sections)}
    assert rows["small AlexNet, step, to torch eager"] == 0.25
    assert rows["small AlexNet, step, to torch graph"] == 1.25
    assert rows["AlexNet 2012, step, to torch compile"] is None
    assert rows["dropout, bandwidth to a copy's"] == 0.7
    found = {"device": "d", "precision": "tf32", "commit": "c", "sections": sections}
    text = gpu.shown({**found, "goals": list(gpu.judged(sections))})
    assert "not measured" in text
    assert "0.25" in text
    assert ["dropout", "2345.6", "3000.0"] in [line.split() for line in text.splitlines()]
    assert ["small", "tinynet", "graph", "1.000", "0.590"] in [
        line.split() for line in text.splitlines()
    ]
    assert ["small", "torch", "eager", "4.000", "-"] in [line.split() for line in text.splitlines()]
    assert ["small", "mean", "1", "2", "3.000", "1.500", "2.000"] in [
        line.split() for line in text.splitlines()
    ]
    assert ["small", "dropout", "9", "1", "-", "4.000", "-"] in [
        line.split() for line in text.splitlines()
    ]
    assert text.endswith("Estimates are those of the profiler for a card, made without it.")
    assert ["alexnet", "eager", "54", "9", "0", "70"] in [
        line.split() for line in text.splitlines()
    ]


def options(**changes):
    return argparse.Namespace(**{"precision": "tf32", "dry_run": True, "data_dir": None, **changes})


def test_a_section_that_fails_says_why(monkeypatch):
    monkeypatch.setitem(gpu.SECTIONS, "nonsense", 20)
    found = gpu.section("nonsense", options())
    assert "KeyError: 'nonsense'" in found["failed"]


def test_a_section_that_hangs_is_ended_and_what_it_said_counts(monkeypatch):
    def hangs(*args, **kwargs):
        raise subprocess.TimeoutExpired("x", 1, output=b'{"ms": {"a": 1}}\n')

    monkeypatch.setattr(subprocess, "run", hangs)
    found = gpu.section("small", options())
    assert found == {"ms": {"a": 1}, "failed": f"it took longer than {5 * gpu.SECTIONS['small']} s"}


def test_all_sections_end_within_eight_minutes():
    side_by_side = [gpu.SECTIONS[name] for name in gpu.TOGETHER]
    assert sum(gpu.SECTIONS.values()) - sum(side_by_side) + max(side_by_side) < 8 * 60


def test_sections_that_are_not_timed_run_side_by_side(monkeypatch):
    both = threading.Barrier(len(gpu.TOGETHER), timeout=30)

    def run(name, _):
        if name in gpu.TOGETHER:
            both.wait()  # a deadlock if one ran behind the other
        return {"passed": 1}

    monkeypatch.setattr(gpu, "section", run)
    names = [name for name, _ in gpu.results(gpu.SECTIONS, options())]
    assert sorted(names) == sorted(gpu.SECTIONS)
    assert [name for name, _ in gpu.results(["small"], options())] == ["small"]


def test_without_a_card_it_says_so_in_a_sentence(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(sys, "argv", ["gpu"])
    assert gpu.main() == 1
    assert capsys.readouterr().out.startswith("Nothing was measured: ")


@pytest.mark.slow
@pytest.mark.cxx
@pytest.mark.nvrtc
def test_a_dry_run_does_every_section(monkeypatch, tmp_path, capsys):
    out = tmp_path / "found.json"
    monkeypatch.setattr(sys, "argv", ["gpu", "--dry-run", "--out", str(out)])
    assert gpu.main() == 0
    found = json.loads(out.read_text())
    assert set(found["sections"]) == set(gpu.SECTIONS)
    assert all(row["found"] is None for row in found["goals"])
    assert np.isfinite(list(found["sections"]["small"]["ms"].values())).all()
    guessed = found["sections"]["estimate-small"]
    assert guessed["gpu"] == "NVIDIA H200 SXM"
    assert guessed["ms"] > 0
    rows = beside(found["sections"]["small"]["kernels"], guessed["kernels"])
    ours = [row for row in rows if row["threads"]]
    assert len(ours) >= 10
    assert all(row["us"] and row["estimate_us"] for row in ours), "both, of each kernel"
    rates = found["sections"]["estimate-kernels"]["gigabytes_a_second"]
    assert rates.keys() == found["sections"]["kernels"]["gigabytes_a_second"].keys()
    assert "measured / estimated" in capsys.readouterr().out
