"""Training step against PyTorch: ``python -m benchmarks.step --net A --against torch``."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from benchmarks import workloads
from benchmarks.interleaved import OURS, TORCH, run_interleaved
from tinynet import models


def compare(net: str, case: str, threads: int, rounds: int, kind: str = OURS) -> dict[str, Any]:
    """Return the times of one case and the ratio to the faster of PyTorch's two layouts."""
    found = run_interleaved(net, (kind, *TORCH), (case,), threads, rounds)
    for name, reason in found["failed"].items():
        raise SystemExit(f"{name} failed: {reason}")
    mine, default, channels_last = (found["ms"][case, name] for name in (kind, *TORCH))
    return {
        "net": net,
        "case": case,
        "ours_ms": round(mine, 2),
        "torch_ms": round(default, 2),
        "torch_channels_last_ms": round(channels_last, 2),
        "ratio": round(mine / min(default, channels_last), 3),
        "ours_peak_mib": round(found["peak_mib"][kind]),
        "torch_peak_mib": round(found["peak_mib"][TORCH[0]]),
        "threads": threads,
        "dtype": "float32",
        "versions": found["versions"],
        "spread": {name: round(found["spread"][case, name], 3) for name in (kind, *TORCH)},
    }


def main() -> None:
    """Print one comparison, as JSON or as a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--net", default="A", help="a letter of workloads, or a network of tinynet.models"
    )
    parser.add_argument("--case", choices=["step", "forward", "conv"], default="step")
    parser.add_argument("--against", choices=["torch"], default="torch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--kernels", choices=["numba", "reference"], default="numba")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.net not in {**workloads.MODELS, **models.MODELS}:
        parser.error(
            f"--net: there is no {options.net!r}. "
            f"Known: {', '.join([*workloads.MODELS, *models.MODELS])}."
        )
    if options.case == "conv" and not workloads.is_chain(options.net):
        parser.error(f"--case conv: only for {', '.join(workloads.CHAINS)}.")
    kind = f"tinynet:{options.kernels}"
    result = compare(options.net, options.case, options.threads, options.rounds, kind)
    if options.json:
        sys.stdout.write(json.dumps(result) + "\n")
        return
    sys.stdout.write(
        "net {net}, {case}: tinynet {ours_ms} ms, PyTorch {torch_ms} ms, channels_last "
        "{torch_channels_last_ms} ms: ratio {ratio} ({threads} threads)\n".format(**result)
    )


if __name__ == "__main__":
    main()
