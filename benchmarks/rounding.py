"""Rounding errors of convolution, layer by layer: ``python -m benchmarks.rounding``.

For every convolution of nets S, A and L: the largest error of the output, of the gradient of the
input and of the gradient of the weights, relative to the largest value of the same in float64.
The algorithms are the direct microkernel, Winograd, and the float32 reference (im2col and BLAS).
The inputs are the outputs of the layers before, for four images of normal noise; gradients are
noise.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

import tinynet as tn
from benchmarks import workloads
from tinynet import kernels
from tinynet.kernels.conv import direct
from tinynet.kernels.convolution import winograd

IMAGES = 4
WAYS = ("reference", "direct", "Winograd")


def convolutions(net: str) -> Iterator[tuple[Any, Any]]:
    """Yield each convolution of a network and its input."""
    model = workloads.ours(net).eval()
    found = [layer for layer in workloads.layers(model) if isinstance(layer, tn.nn.Conv2d)]
    noise = np.random.default_rng(0).standard_normal(
        (IMAGES, *workloads.shape(net)[1:]), np.float32
    )
    x = tn.tensor(noise)
    with tn.no_grad(), kernels.use("reference"):
        for layer in workloads.layers(model):
            if layer in found:
                yield layer, x.data
            if layer is found[-1]:
                return
            x = layer(x)


def passes(x: Any, weight: Any, gy: Any, geometry: Any) -> tuple[Any, Any, Any]:
    """Return the output, the gradient of the input and that of the weights."""
    return (
        kernels.conv2d_forward(x, weight, None, geometry),
        kernels.conv2d_backward_input(gy, weight, x.shape, geometry),
        kernels.conv2d_backward_weight(gy, x, geometry),
    )


def errors(layer: Any, x: Any) -> dict[str, list[float]]:
    """Return the three relative errors of each algorithm that supports this layer."""
    weight = layer.weight.data
    kernel = weight.shape[2:]
    geometry = kernels.Geometry(kernel, layer.stride, layer.padding, layer.dilation, layer.groups)
    wide = x.astype(np.float64), weight.astype(np.float64)
    y = kernels.conv2d_forward(*wide, None, geometry)
    gy = np.random.default_rng(1).standard_normal(y.shape, np.float32)
    exact = passes(*wide, gy.astype(np.float64), geometry)
    with kernels.use("reference"):
        found = {"reference": passes(x, weight, gy, geometry)}
    with kernels.use("numba"):
        with direct():
            found["direct"] = passes(x, weight, gy, geometry)
        if winograd.supported(x.shape, len(weight), y.shape[2:], geometry):
            found["Winograd"] = passes(x, weight, gy, geometry)
    return {
        way: [float(abs(g - e).max() / abs(e).max()) for g, e in zip(got, exact, strict=True)]
        for way, got in found.items()
    }


def rows(chosen: str) -> Iterator[dict[str, Any]]:
    """Yield one row for each layer and algorithm."""
    for net in chosen:
        for number, (layer, x) in enumerate(convolutions(net), 1):
            OC, C, KH, KW = layer.weight.shape
            what = f"{KH}x{KW}, {C * layer.groups} to {OC}, {layer.groups} groups"
            for way, (y, gx, gweight) in errors(layer, x).items():
                yield {
                    "layer": f"{net} conv{number}", "what": what, "way": way,
                    "y": y, "gx": gx, "gweight": gweight,
                }  # fmt: skip


def main() -> None:
    """Print the table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", default="SAL")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = rows(options.nets)
    if options.json:
        sys.stdout.write(json.dumps({"images": IMAGES, "rows": list(found)}) + "\n")
        return
    sys.stdout.write(
        "| layer | filters | algorithm | y | gx | gweight |\n|---|---|---|---|---|---|\n"
    )
    for row in found:
        sys.stdout.write(
            "| {layer} | {what} | {way} | {y:.1e} | {gx:.1e} | {gweight:.1e} |\n".format(**row)
        )


if __name__ == "__main__":
    main()
