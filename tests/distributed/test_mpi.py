"""`mpiexec -n 2 tinynet train`: real processes that train together, and that fail together."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from support.required import need_mpi
from tinynet import __version__
from tinynet.kernels import use
from tinynet.training import presets, run_dir, runs
from tinynet.training.recipe_data import open_sets
from tinynet.weights import checkpoint

pytestmark = pytest.mark.slow
SOON = 10.0  # seconds
ONE_STEP = "--max-minutes", "0"


def tinynet(*arguments, python=("-m", "tinynet")):
    return [sys.executable, *python, *map(str, arguments)]


def started(*parts):
    """Start mpiexec with (number of ranks, command) after (number, command)."""
    command = [need_mpi()]
    for n, arguments in parts:
        command += [*([":"] if len(command) > 1 else []), "-n", str(n), *arguments]
    environment = {**os.environ, "TINYNET_KERNELS": "reference", "PYTHONUNBUFFERED": "1"}
    root = str(Path(__file__).parents[2])
    environment["PYTHONPATH"] = os.pathsep.join([root, environment.get("PYTHONPATH", "")])
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def said(*parts):
    """Return what mpiexec and its ranks said, their exit code, and how long it took."""
    began, running = time.monotonic(), started(*parts)
    text, _ = running.communicate(timeout=60)
    return text, running.returncode, time.monotonic() - began


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Train the demo for a step with two ranks, for one with three, and for one with a single."""
    folder = tmp_path_factory.mktemp("ranks") / "run"
    texts = [said((2, tinynet("train", "demo", "--out", folder, *ONE_STEP)))[0]]
    texts += [said((n, tinynet("train", "--resume", folder, *ONE_STEP)))[0] for n in (3, 1)]
    return folder, texts


def test_ranks_in_changing_numbers_come_to_the_weights_of_one_process(folder, tmp_path):
    path, _ = folder
    recipe = presets.find("demo")
    with use("reference"):
        run = runs.assemble(tmp_path, recipe, open_sets(recipe))
        for _, event in zip(range(3), runs.advance(run), strict=False):
            assert not isinstance(event, runs.Stopped)
    expected, found = run.model.state_dict(), checkpoint.load(path / run_dir.LAST)
    for name, weights in found.model.items():
        assert np.abs(weights - expected[name]).max() < 1e-6, name
    assert '"step": 3' in found.metadata["state"]
    images = re.search(r'"images": (\d+)', found.metadata["state"])
    assert images[1] == "150", "three batches of fifty"


def test_one_rank_speaks_and_writes(folder):
    path, texts = folder
    for text, ranks in zip(texts, (2, 3, 1), strict=True):
        assert text.count(f"tinynet {__version__}: demo") == 1
        assert text.count("epoch 1/8  step") == 1
        how = f"mpiexec -n {ranks} " if ranks > 1 else ""
        assert text.count(f"Resume with:\n  {how}tinynet train --resume ") == 1
        assert (f"in each of {ranks} ranks (processes " in text) == (ranks > 1)
        assert "died" not in text
    assert {"last.safetensors", "last.previous.safetensors", "config.json"} <= {
        file.name for file in path.iterdir()
    }


@pytest.mark.parametrize(
    ("different", "named"),
    [
        (("demo", "--seed", "7"), r"rank 1 of 2: .*its seed is 7, not 0"),
        (("small-nin",), r"rank 1 of 2: .*its model is 'small-nin', not 'demo'"),
        (("demo", "--data", "cifar10", "--data-dir", "/nowhere"), r"rank 1 of 2: .*nowhere"),
    ],
)
def test_a_rank_that_does_something_else_ends_all_and_is_named(different, named, tmp_path):
    mine = tinynet("train", "demo", "--out", tmp_path / "run")
    text, code, seconds = said((1, mine), (1, tinynet("train", *different)))
    assert code != 0
    assert re.search(named, text)
    assert seconds < 2 * SOON, "which is mostly the start of Python"


FAILS = """
import sys
from tinynet.cli import main
from tinynet.training import steps
average, calls = steps.average, []
def fail(*args):
    calls.append(args)
    if len(calls) == 3:
        raise RuntimeError("a mistake of ours")
    return average(*args)
steps.average = fail
sys.argv[0] = "tinynet"
main.main()
"""


def test_a_rank_that_raises_ends_all_and_is_named(tmp_path):
    arguments = "train", "demo", "--out", tmp_path / "run"
    failing = tinynet(*arguments, python=("-c", FAILS))
    text, code, _ = said((1, tinynet(*arguments)), (1, failing))
    assert code != 0
    assert "a mistake of ours" in text
    assert "died" not in text
    assert "rank 1 of 2: RuntimeError" in text


@pytest.mark.parametrize("rank", [0, 1])
def test_when_a_rank_is_killed_the_others_stop_soon_and_it_is_named(rank, tmp_path):
    folder = tmp_path / "run"
    running = started((2, tinynet("train", "demo", "--out", folder)))
    first = running.stdout.readline()
    processes = re.search(r"\(processes (\d+), (\d+)\)", first)
    assert "step 1/60" in running.stdout.readline()
    killed = time.monotonic()
    os.kill(int(processes[1 + rank]), signal.SIGKILL)
    text, _ = running.communicate(timeout=60)
    assert time.monotonic() - killed < SOON
    assert running.returncode != 0
    sentence = (
        f"rank {rank} (process {processes[1 + rank]} on {socket.gethostname()}) died; the other "
        f"ranks stop. Resume with: mpiexec -n 2 tinynet train --resume {folder}"
    )
    assert [line for line in text.splitlines() if " died; " in line] == [sentence]
    for process in processes.groups():
        with pytest.raises(ProcessLookupError):
            os.kill(int(process), 0)
