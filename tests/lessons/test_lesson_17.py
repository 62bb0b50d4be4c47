"""The lesson on CUDA: without a compiler it says so and goes on; with a card it uses the card."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import tinynet
from tinynet.lessons import show

PATH = Path(tinynet.__file__).parent.parent / "lessons" / "17_fast_on_a_gpu.py"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PATH.exists(), reason="tinynet is not a checkout here"),
]


def test_without_a_compiler_it_says_so_and_runs_to_its_end(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", PATH],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": "",
            "MPLBACKEND": "Agg",
            "PYTHONPATH": str(PATH.parents[1]),
            "HOME": str(tmp_path),
        },
    )
    assert done.returncode == 0, done.stderr
    assert "Install one (Debian, Ubuntu: apt install g++)" in done.stdout
    assert "17.2 ok" in done.stdout
    for number in ("17.1", "17.3", "17.4", "17.5"):
        assert f"{number} not here: it cannot be judged on this machine." in done.stdout
    assert "by hand, nothing was run" in done.stdout


@pytest.mark.nvrtc
def test_the_profiler_ranks_the_four_versions_as_a_card_did(tmp_path, monkeypatch, capsys):
    script = tmp_path / "lesson.py"
    script.write_text(PATH.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("TINYNET_PREDICT", "show")
    runpy.run_path(str(script))
    row = r"^(\w[\w ]*?) +limit: ([\w ]*?) +([\d,]+) GFLOP/s estimated, ([\d,]+)"
    found = re.findall(row, capsys.readouterr().out, re.MULTILINE)
    estimates, measured = ([float(line[i].replace(",", "")) for line in found] for i in (2, 3))
    assert [name for name, *_ in found] == ["naive", "coalesced", "shared tile", "register tile"]
    assert [limit for _, limit, *_ in found[:3]] == ["cache", "instructions", "shared memory"]
    assert estimates == sorted(estimates)
    assert measured == sorted(measured)
    apart = [guess / true for guess, true in zip(estimates, measured, strict=True)]
    assert 3 < apart[0] < 4, "nearly four times, as the lesson says"
    assert all(1 < ratio < 1.6 for ratio in apart[1:]), apart


def test_cuda_code_is_shown_by_the_name_of_its_file(capsys):
    show("tile_product.cuh")
    told = capsys.readouterr().out
    assert told.startswith("// tinynet/kernels/cuda/tile_product.cuh\n")
    assert "__syncthreads();" in told


@pytest.mark.cxx
def test_with_a_card_the_four_versions_are_timed_there(stand_in, tmp_path, monkeypatch, capsys):
    text = PATH.read_text(encoding="utf-8")
    sizes = {"large = 2048": "large = 64", "1 << 26": "1 << 12", "1 << 18": "1 << 4"}
    for large, little in sizes.items():
        assert large in text
        text = text.replace(large, little)
    script = tmp_path / "lesson.py"
    script.write_text(text, encoding="utf-8")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    runpy.run_path(str(script))
    told = capsys.readouterr().out
    assert "No measurement on a GPU" not in told
    assert told.count("GFLOP/s, loads") == 4
    assert "Gigabytes a second that each version loads: naive" in told
