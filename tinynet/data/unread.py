"""Containers of other libraries that are not read: recognized by name, with the way out.

    mnist/3.0.1/mnist-train.tfrecord-00000-of-00001   TensorFlow Datasets
    train/data-00000-of-00001.arrow, cifar10-train.arrow   datasets of Hugging Face

TensorFlow Datasets shuffles the images before it writes them, so they are in another order there.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

KINDS = {
    "*.tfrecord*": (
        "a file of TensorFlow Datasets (TFRecord), which is not read. Write the arrays of "
        'tfds.as_numpy(tfds.load("mnist", batch_size=-1)) as mnist.npz: x_train, y_train, x_test, '
        "y_test. The originals of CIFAR-10 are in its folder downloads"
    ),
    "*.arrow": (
        "a file of datasets (Arrow), which is not read. Write it as parquet: "
        'dataset["train"].to_parquet("train-00000-of-00001.parquet"), and the same for test'
    ),
}
FOLDERS = ("", "*/", "*/*/", "*/*/*/")
MOST = 10_000  # names that are looked at


def told(root: Path) -> str:
    """Return a sentence on a file at or below `root` that another library would read, or nothing.

    It ends in a space.
    """
    for pattern, what in KINDS.items():
        found = root if root.match(pattern) else next(_below(root, pattern), None)
        if found is not None:
            return f"{found} is {what}. "
    return ""


def _below(root: Path, pattern: str) -> Iterator[Path]:
    try:
        for folder in FOLDERS:
            for path in islice(root.glob(folder + "*"), MOST):
                if path.match(pattern):
                    yield path
    except OSError:
        return
