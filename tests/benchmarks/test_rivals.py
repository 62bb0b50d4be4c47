"""The table of `python -m benchmarks`, with workers that compute nothing."""

import importlib.util
import io
import sys
from pathlib import Path

import pytest

from benchmarks import interleaved, parts, workloads
from benchmarks.interleaved import INFERENCE_RIVALS, OURS, RivalFailedError, run_interleaved
from benchmarks.report import Report


@pytest.fixture(autouse=True)
def stubs(request, monkeypatch):
    if "real" in request.node.name:
        return
    stub = Path(__file__).with_name("stub_worker.py")
    monkeypatch.setattr(interleaved, "WORKER", [sys.executable, str(stub)])
    monkeypatch.setattr(interleaved, "LIMIT", 5.0)


def report(nets):
    made = Report(io.StringIO(), threads=2, rounds=3)
    made.nets = nets
    return made


def test_the_ratio_is_to_the_best_rival_and_a_failure_is_named(monkeypatch):
    monkeypatch.setattr(interleaved, "LIMIT", 1.0)
    made = report(["S"])
    parts.PARTS["forward"](made)
    made.close()
    lines = made.out.getvalue().splitlines()
    (row,) = (line for line in lines if line.startswith("| S "))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:5] == ["10 ms", "40 / 20", "failed / 30"]
    assert cells[5:] == ["80", "failed", "failed", "**0.50**", "PyTorch eager, channels_last"]
    said = "\n".join(lines)
    assert "OpenVINO, inference of S, failed: ModuleNotFoundError: No module named 'op" in said
    assert "ONNX Runtime, inference of S, failed: RuntimeError: it gave up" in said
    assert "torch.compile, inference of S, failed: no answer within 1 s" in said
    assert "2 threads, float32, medians of 3 rounds" in said


def test_the_share_of_the_normalization_is_that_of_both_rows(monkeypatch):
    monkeypatch.setitem(parts.ROWS, "step", ("training step", ("A", "A-no-lrn"), ("jax",)))
    made = report(None)
    parts.PARTS["step"](made)
    parts.PARTS["tiny"](made)
    made.close()
    text = made.out.getvalue()
    assert "rows A and A-no-lrn: tinynet 0%, JAX 50%." in text
    assert "| A-no-lrn | training step | 10 ms | – | – | 40 | – | – | **0.25** | JAX |" in text
    assert "additions, forward and backward | 10.00 ms | 40.00 ms | **0.25** |" in text


def test_an_epoch_is_given_in_images_a_second(monkeypatch):
    monkeypatch.setattr(parts, "CONV_RIVALS", ("torch:default", "jax"))
    monkeypatch.setenv("BENCHMARK_EPOCH_IMAGES", "500")
    made = report(None)
    parts.PARTS["epoch"](made)
    assert "500 images" in made.out.getvalue()
    assert "| 50,000 images/s | 12,500 images/s | **0.25** |" in made.out.getvalue()


def test_our_own_failure_ends_the_run():
    with pytest.raises(SystemExit, match="openvino failed: ModuleNotFoundError"):
        run_interleaved("S", ("openvino", OURS), ("forward",), 2, 1)
    with (
        interleaved.Rival("openvino", "S", 2) as rival,
        pytest.raises(RivalFailedError, match="No module named 'openvino'"),
    ):
        rival.sample("forward", 1)


def test_every_rival_has_a_worker_and_a_column():
    from benchmarks import report as tables
    from benchmarks import worker

    kinds = {name.partition(":")[0] for name in (OURS, *INFERENCE_RIVALS)}
    assert kinds == set(worker.BUILDERS)
    assert [name for names in tables.COLUMNS.values() for name in names] == list(INFERENCE_RIVALS)
    assert set(tables.NAMES) == set(INFERENCE_RIVALS)


def test_the_networks_of_the_letters():
    assert workloads.shape("A@1") == (1, 3, 32, 32)
    assert workloads.shape("L") == (16, 3, 224, 224)
    kinds = {net: [type(m).__name__ for m in workloads.layers(workloads.ours(net))]
             for net in ("A", "A-no-lrn")}  # fmt: skip
    assert [k for k in kinds["A"] if k != "LocalResponseNorm"] == kinds["A-no-lrn"]
    assert kinds["A"].count("LocalResponseNorm") == 2


@pytest.mark.slow
@pytest.mark.parametrize("case", ["step", "forward", "conv", "tiny", "epoch"])
def test_real_workers_answer(case, monkeypatch):
    monkeypatch.setenv("BENCHMARK_EPOCH_IMAGES", "4")
    monkeypatch.setattr(interleaved, "SAMPLE", 0.0)
    net = "A@2" if case == "epoch" else "S@2"
    installed = importlib.util.find_spec("torch") is not None
    rivals = (OURS, "torch:channels_last") if installed else (OURS,)
    found = run_interleaved(net, rivals, (case,), 1, 1, repeat=False)
    assert found["failed"] == {}
    assert {name for _, name in found["ms"]} == set(rivals)
    assert min(found["ms"].values()) > 0
