"""A worker of `benchmarks.interleaved` without a framework: it answers with the times in `MS`.

OpenVINO is not installed, "compiled:default" does not answer, and ONNX Runtime stops at its second
sample. Without normalization the others take half the time.
"""

import json
import sys
import time

MS = {"tinynet:numba": 10.0, "torch:default": 40.0, "torch:channels_last": 20.0, "jax": 80.0}


def main(rival, net, threads):
    if rival == "openvino":
        sys.exit("ModuleNotFoundError: No module named 'openvino'")
    say(versions={rival.partition(":")[0]: "1.0"}, ready_s=0.0)
    samples = 0
    for line in sys.stdin:
        _, count = line.split()
        if rival == "compiled:default":
            time.sleep(60)
        samples += int(count) > 0
        if rival == "onnxruntime" and samples == 2:
            sys.exit("RuntimeError: it gave up")
        ms = MS.get(rival, 30.0) / (2 if net == "A-no-lrn" and rival != "tinynet:numba" else 1)
        say(seconds=ms / 1e3, peak_mib=MS.get(rival, 100.0))


def say(**facts):
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
