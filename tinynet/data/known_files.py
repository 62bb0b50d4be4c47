"""Known files: what a file of another library is, by its size and md5 whatever its name.

The sums of CIFAR-100 and Fashion-MNIST are those of torchvision 0.28, of the authors' page for
CIFAR-100 in binary, and of Keras for mnist.npz.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tinynet.data import cifar10_versions
from tinynet.data.files import is_there, md5_of, open_regular
from tinynet.data.mnist_files import ARCHIVES as MNIST

UNPACKED = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
"""The files of MNIST without gzip, and their md5."""


class Known(NamedTuple):
    """A file that people have: what it is, its md5, and its size where that is sure."""

    title: str
    md5: str
    size: int | None = None


LARGEST = 1 << 28  # bytes; no known file is larger


def known_files() -> tuple[Known, ...]:
    """Return the files that are recognized."""
    return (
        *(
            Known(
                f"the original archive of CIFAR-10, {v.title} version",
                v.archive.md5,
                v.archive.size,
            )
            for v in cifar10_versions.VERSIONS
        ),
        *(
            Known(f"the original file {name} of CIFAR-10, Python version", md5)
            for name, md5 in cifar10_versions.PYTHON.sums.items()
        ),
        *(Known(f"the original file {a.name} of MNIST", a.md5, a.size) for a in MNIST),
        *(Known(f"the original file {name} of MNIST", md5) for name, md5 in UNPACKED.items()),
        Known("the original file mnist.npz of Keras", "8a61469f7ea1b51cbae51d4f78837e45"),
        Known("CIFAR-100, Python version", "eb9058c3a382ffc7106e4002c42a8d85", 169_001_437),
        Known("CIFAR-100, binary version", "03b5dce01913d631647c71ecec9e9cb8", 168_513_733),
        Known("images of Fashion-MNIST to train with", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        Known("labels of Fashion-MNIST to train with", "25c81989df183df01b3e8a0aad5dffbe"),
        Known("images of Fashion-MNIST to test with", "bef4ecab320f06d8554ea6380940ec79"),
        Known("labels of Fashion-MNIST to test with", "bb300cfdad3c16e7a12a480ee83cd310"),
    )


def title_of(path: Path) -> str:
    """Return what a file is, or nothing if it is unknown; a folder is unknown."""
    if not is_there(path) or not path.is_file() or path.stat().st_size > LARGEST:
        return ""
    size = path.stat().st_size
    with open_regular(path) as file:
        found = md5_of(file)
    for known in known_files():
        if known.md5 == found and known.size in (None, size):
            return known.title
    return ""
