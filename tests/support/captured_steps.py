"""Captured training step of a network, on the stand-in for CuPy or on CuPy without a driver.

As a program, `python -m support.captured_steps NAME ...` captures the steps on the installed CuPy
without a driver, and prints the number of nodes of each as JSON.
"""

import json
import os
import sys

import numpy as np

import tinynet as tn
from tinynet import models, nn
from tinynet.core import backend
from tinynet.kernels.convolution import columns
from tinynet.kernels.cuda import cublas

BATCH = 9  # in parts of one image more parts than CuPy joins without a copy from the host


def capture(name, batch=BATCH):
    """Run a training step of a network once, and capture it once; return its number of nodes."""
    with nn.init.skip_init():
        model = models.build(name).to("cuda")
    optimizer = tn.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
    images = tn.zeros(batch, *models.INPUT_SHAPES[name], device="cuda")
    labels = backend.transfer(np.zeros(batch, np.int64), backend.device("cuda"))

    def step(images, labels):
        loss = nn.forward_with_loss(model, images, labels).objective
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    graph = tn.graph(step)
    for _ in range(2):  # the second call is captured
        graph(images, labels)
    return graph.nodes


class NoProducts(cublas.Blas):
    """cuBLAS where there is none: each product is one node of the graph."""

    def __init__(self, machine):
        self.machine = machine

    def follow(self, stream):
        self.stream = stream

    def gemm(self, a, b, y, precision):
        self.machine.count(self.stream)


def main():
    """Capture on the installed CuPy."""
    from support.cupy_without_driver import machine

    columns.COLUMNS = 1
    cublas.Blas = lambda: NoProducts(machine)
    found = {name: capture(name) for name in sys.argv[1:]}
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)  # CuPy would free its memory after the functions that answer are gone


if __name__ == "__main__":
    main()
