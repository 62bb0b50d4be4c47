"""A run with hostile class names, whose network has two groups, for the tests of its page."""

import dataclasses
import json

import numpy as np

from tinynet import data, nn
from tinynet.core import random
from tinynet.training import presets, run_dir, runs
from tinynet.training.loop import Epoch

NAMES = ('<img src=x onerror="alert(1)">', "고양이 & 犬", "</style><script>alert(2)</script>")


def grouped_net(classes):
    with random.fork(1):
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(4, 4, 3, groups=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(4 * 5 * 5, classes),
        )


def images(count):
    rng = np.random.default_rng(count)
    pixels = rng.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    return data.ArrayDataset(pixels, np.arange(count) % 3, NAMES)


RECIPE = dataclasses.replace(
    presets.find("demo"),
    model="grouped",
    data="folder:/a/path/<b>pics",
    epochs=4,
    batch_size=8,
    schedule=((0.75, 0.1),),
)
RECORDS = [
    Epoch(1, 2.0, 0.3, 1.9, 0.4, lr=0.1, seconds=1.0, images_per_second=10.0),
    Epoch(2, 1.0, 0.5, 1.2, 0.6, lr=0.1, seconds=1.0, images_per_second=10.0),
    Epoch(3, 0.9, 0.6, 1.3, 0.5, lr=0.01, seconds=1.0, images_per_second=10.0),
]


def save(path, sets):
    with run_dir.new_folder(RECIPE, path):
        run_dir.write_config(path, RECIPE, device="cpu", images={"train": 24, "test": 15})
    run = runs.assemble(path, RECIPE, sets)
    run.state.records = list(RECORDS)
    run.state.epoch = 3
    runs.save(run)
    lines = (json.dumps(dataclasses.asdict(record)) + "\n" for record in RECORDS)
    (path / run_dir.LOG).write_text("".join(lines))
    return path
