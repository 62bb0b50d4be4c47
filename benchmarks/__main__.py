"""Tables of the README: ``python -m benchmarks``.

It compares tinynet with PyTorch (eager and compiled, each in two memory layouts), JAX and, in
inference, ONNX Runtime and OpenVINO: `pip install -e ".[oracle,rivals]"`, and a C++ compiler for
torch.compile. A rival that is not installed, or fails, is named below the tables with its reason.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from benchmarks import epoch, parts
from benchmarks.report import Report


def main() -> None:
    """Measure one part after the other and print each row as soon as it is complete."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(parts.PARTS), help="default: all parts")
    parser.add_argument("--nets", nargs="+", help="of step, conv and forward; default: all")
    parser.add_argument("--epoch-images", type=int, help="default: 6400; CIFAR-10 has 50000")
    parser.add_argument("--quick", action="store_true", help="one round, eager PyTorch only")
    options = parser.parse_args()
    if options.epoch_images:
        os.environ[epoch.VARIABLE] = str(options.epoch_images)
    report = Report(sys.stdout, options.threads, 1 if options.quick else options.rounds)
    report.nets, report.quick = options.nets, options.quick
    parts.warm()
    for name, measure in parts.PARTS.items():
        if options.only and name not in options.only:
            continue
        begun = time.perf_counter()
        measure(report)
        sys.stderr.write(f"{name}: {time.perf_counter() - begun:.0f} s\n")
    report.close()


if __name__ == "__main__":
    main()
