"""An epoch of `tinynet train small-alexnet --data cifar10`, with its loader, here and in PyTorch.

The bytes of the images are drawn: the time does not depend on them. Both sides hold them in memory,
flip, normalize and crop with a border of 4 pixels at random, train with batches of 128, and sum the
loss. PyTorch's side has a `DataLoader` with `WORKERS` processes, each of which prepares images one
at a time, as data sets of PyTorch do.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from benchmarks import workloads
from benchmarks.our_cases import Run

RECIPE = "small-alexnet"
VARIABLE = "BENCHMARK_EPOCH_IMAGES"  # by which worker processes know the number of images
WARM_UP = 256  # images before the clock starts: workers and threads start, kernels are compiled
WORKERS = 2
PAD = 4  # pixels


def images() -> int:
    """Return the number of images of an epoch; that of CIFAR-10 is 50,000."""
    return int(os.environ.get(VARIABLE, "6400"))


def drawn(count: int) -> tuple[Any, Any]:
    """Return images (N, 3, 32, 32) of bytes, and labels (N,)."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, 3, 32, 32), np.uint8)
    return pixels, rng.integers(0, 10, count)


def tinynet_epoch() -> Run:
    """Return an epoch of the recipe in tinynet."""
    import tinynet as tn
    from tinynet.data import Dataset
    from tinynet.training import presets

    def training(count: int) -> Run:
        found = Dataset()
        found.images, found.labels = drawn(count)
        found.classes = tuple("0123456789")
        built = presets.find(RECIPE).build(sets=(found, found))
        return lambda: list(tn.fit(built.model, built.optimizer, built.train, epochs=1))

    training(WARM_UP)()
    return training(images())


def torch_epoch(memory: Any, compile_: Any, fused: bool) -> Run:
    """Return the same epoch in PyTorch, in one memory layout."""
    import torch
    from torch.nn import functional as F

    first = WARM_UP + images() % 128  # its last batch has the size of the epoch's last one
    pixels, labels = (torch.from_numpy(a) for a in drawn(max(first, images())))
    sample = pixels.float() / 255
    mean, std = (f((0, 2, 3)).reshape(3, 1, 1) for f in (sample.mean, sample.std))

    class Noise(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __init__(self, count: int) -> None:
            self.count = count

        def __len__(self) -> int:
            return self.count

        def __getitem__(self, i: int) -> tuple[Any, Any]:
            image = (pixels[i].float().div_(255) - mean) / std
            if torch.rand(()) < 0.5:
                image = image.flip(2)
            top, left = torch.randint(0, 2 * PAD + 1, (2,)).tolist()
            padded = F.pad(image, (PAD, PAD, PAD, PAD))
            return padded[:, top : top + 32, left : left + 32], labels[i]

    model = workloads.theirs("A").to(memory_format=memory)
    optimizer = torch.optim.SGD(
        model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4, fused=fused
    )
    objective = compile_(lambda x, y: F.cross_entropy(model(x), y))

    def training(count: int) -> Run:
        loader = torch.utils.data.DataLoader(
            Noise(count), 128, shuffle=True, num_workers=WORKERS, persistent_workers=True
        )

        def epoch() -> float:
            total = 0.0
            for x, y in loader:
                optimizer.zero_grad(set_to_none=True)
                loss = objective(x.contiguous(memory_format=memory), y)
                loss.backward()
                optimizer.step()
                total += loss.item()
            return total

        return epoch

    training(first)()
    return training(images())
