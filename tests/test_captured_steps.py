"""Captured training step of every network: no host copy, and no more nodes than before.

The stand-in for CuPy writes the launches down and carries none out, so that the largest networks
take seconds and no memory.
"""

import json
import os
from pathlib import Path

import pytest

import tinynet as tn
from support import captured_steps
from support.required import run_with_cupy
from tinynet import models
from tinynet.core.errors import CaptureError
from tinynet.kernels.convolution import columns, cuda
from tinynet.kernels.convolution.parts import NOTHING

LEDGER = Path(__file__).with_name("captured_nodes.json")


@pytest.fixture
def on_paper(stand_in):
    """Return the stand-in, which carries no launch out."""
    stand_in.card.runs = False
    return stand_in


@pytest.fixture
def in_parts(monkeypatch):
    """Cut each batch in parts of one image."""
    monkeypatch.setattr(columns, "COLUMNS", 1)


def compare(name, found):
    """Compare a number of nodes with the ledger, or write it there."""
    known = json.loads(LEDGER.read_text()) if LEDGER.exists() else {}
    if os.environ.get("TINYNET_LEDGER") == "write":
        LEDGER.write_text(json.dumps({**known, name: found}, indent=1, sort_keys=True) + "\n")
        return
    assert found <= known[name], "more nodes a step; TINYNET_LEDGER=write keeps the new numbers"


QUICK = "demo", "cifar-", "small-", "alexnet", "nin", "resnet-20"
NAMES = [
    pytest.param(name, marks=[] if name.startswith(QUICK) else pytest.mark.slow)
    for name in models.names()
]


@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_captured_without_a_host_copy(name, on_paper, in_parts):
    compare(name, captured_steps.capture(name))


@pytest.mark.parametrize("name", ["small-alexnet", "alexnet"])
def test_a_step_of_128_images_has_no_more_nodes_than_before(name, on_paper):
    compare(f"{name}, 128 images", captured_steps.capture(name, 128))


@pytest.mark.parametrize(("name", "most"), [("small-alexnet", 60), ("alexnet", 69)])
def test_a_step_in_bfloat16_has_no_more_nodes_than_before(name, most, on_paper):
    with tn.precision("bfloat16"):
        found = captured_steps.capture(name, 128)
    assert found <= most
    compare(f"{name}, 128 images, bfloat16", found)


def test_a_host_copy_is_found(on_paper, in_parts, monkeypatch):
    """Planted: the parts of a filter's gradient are joined by a function of CuPy."""

    def added(parts, sums, dtype):
        return NOTHING, on_paper.stack(list(parts)).sum(axis=0), sums.sum(axis=0)

    monkeypatch.setattr(cuda, "parts_of", added)
    with pytest.raises(CaptureError, match="nothing may be read from the GPU or sent to it"):
        captured_steps.capture("cifar-quick")


def test_cupy_itself_captures_the_same_nodes():
    """In a process of its own, in which the functions of CUDA are answered by the host."""
    names = [name for name in models.names() if name.startswith(QUICK)]
    found = run_with_cupy("support.captured_steps", *names)
    known = json.loads(LEDGER.read_text())
    assert found == {name: known[name] for name in names}
