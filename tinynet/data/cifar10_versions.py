"""The three official versions of CIFAR-10: binary files, pickles of Python, files of MATLAB.

Each version has five files to train with and one to test with, of 10,000 images each, in the same
order. A record of the binary version has 3,073 bytes: the label, then 1,024 red, 1,024 green and
1,024 blue values, each plane row by row. The other two hold the same values as two arrays, ``data``
(10000, 3072) and ``labels``; the pickles are read without being executed.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from tinynet.core import mat_file
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickled_arrays import PickledArray, read_arrays
from tinynet.data.download import Source
from tinynet.data.files import DamagedError

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
RECORDS = 10_000  # in a file
PIXELS = 3 * 32 * 32
RECORD = 1 + PIXELS  # bytes
CIFAR100_RECORD = RECORD + 1  # it has two labels
ROOM = 512  # bytes of a record in the other versions beside its pixels: label and file name
AUTHORS = "https://www.cs.toronto.edu/~kriz/"

Images = tuple[Array, Array]
"""Images (RECORDS, 3, 32, 32) uint8 and labels (RECORDS,) of one file."""


@dataclasses.dataclass(eq=False)
class Version:
    """One of the official versions.

    Attributes
    ----------
    title : str
        For messages.
    archive : Source
        The official archive.
    names : tuple of str
        Other names under which programs keep the archive.
    folders : tuple of str
        Where its files are, below the folder of the data set; the first is the archive's.
    ending : str
        Of the file names.
    parse : (bytes, where) -> images, labels
        Reads one file; `where` names it in messages.
    sums : dict of str to str
        The md5 of each of its files, where they are published.
    """

    title: str
    archive: Source
    names: tuple[str, ...]
    folders: tuple[str, ...]
    ending: str
    parse: Callable[[bytes, str], Images]
    sums: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def train(self) -> tuple[str, ...]:
        """The names of the files to train with."""
        return tuple(f"data_batch_{i}{self.ending}" for i in range(1, 6))

    @property
    def test(self) -> tuple[str, ...]:
        """The name of the file to test with."""
        return (f"test_batch{self.ending}",)


def largest() -> int:
    """Return the bytes that a file of any version has at most."""
    return RECORDS * (RECORD + ROOM)


def parse_binary(content: bytes, where: str) -> Images:
    """Return the images and labels of a binary file; both are views of its bytes."""
    size = RECORDS * RECORD
    if len(content) != size:
        raise wrong_size(len(content), where)
    records = np.frombuffer(content, np.uint8).reshape(RECORDS, RECORD)
    return _checked(records[:, 1:], records[:, 0], where)


def parse_python(content: bytes, where: str) -> Images:
    """Return the images and labels of a pickled file, without executing it."""
    with _named(where):
        found = read_arrays(content, largest())
    if not isinstance(found, dict):
        raise DamagedError(f"{where}: a batch of CIFAR-10 is a dict; this pickle is none.")
    data = found.get("data")
    labels = found.get("labels")
    _refuse_cifar100(found, where)
    if not isinstance(data, PickledArray) or not isinstance(labels, list):
        raise DamagedError(f"{where}: a batch of CIFAR-10 has an array data and a list labels.")
    if not all(type(label) is int and 0 <= label < 256 for label in labels):
        raise DamagedError(f"{where}: CIFAR-10's labels are 0..9; these are no such numbers.")
    return _checked(data.array, np.array(labels, np.int64), where)


def parse_matlab(content: bytes, where: str) -> Images:
    """Return the images and labels of a MATLAB file."""
    with _named(where):
        found = mat_file.read(content, largest())
    _refuse_cifar100(found, where)
    if "data" not in found or "labels" not in found:
        raise DamagedError(f"{where}: a batch of CIFAR-10 has matrices data and labels.")
    return _checked(found["data"], found["labels"].reshape(-1), where)


BINARY = Version(
    "binary",
    Source(
        name="cifar-10-binary.tar.gz",
        size=170_052_171,
        md5="c32a1d4ab5d03f1284b67883e8d87530",
        mirrors=(  # the checksum makes them equal; the authors' own server comes last
            "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
            "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-10-binary.tar.gz",
            f"{AUTHORS}cifar-10-binary.tar.gz",
        ),
    ),
    (),
    ("cifar-10-batches-bin",),
    ".bin",
    parse_binary,
)
PYTHON = Version(
    "Python",
    Source(
        "cifar-10-python.tar.gz",
        170_498_071,
        "c58f30108f718f92721af3b95e74349a",
        (f"{AUTHORS}cifar-10-python.tar.gz",),
    ),
    (
        "cifar-10-batches-py.tar.gz",  # Keras 2
        "cifar-10-batches-py-target.tar.gz",  # the first ones of Keras 3
        "cifar-10-batches-py-target_archive",  # Keras 3
    ),
    ("cifar-10-batches-py", "cifar-10-batches-py-target/cifar-10-batches-py"),
    "",
    parse_python,
    {  # as torchvision's CIFAR10 checks them
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
)
MATLAB = Version(
    "MATLAB",
    Source(
        "cifar-10-matlab.tar.gz",
        183_434_414,
        "70270af85842c9e89bb428ec9976c926",
        (f"{AUTHORS}cifar-10-matlab.tar.gz",),
    ),
    (),
    ("cifar-10-batches-mat",),
    ".mat",
    parse_matlab,
)
VERSIONS = (BINARY, PYTHON, MATLAB)
"""In the order in which they are looked for."""


def wrong_size(size: int, where: str) -> DamagedError:
    """Return the error about a binary file of this size."""
    whole, rest = divmod(size, RECORD)
    right = RECORDS * RECORD
    if size and size % CIFAR100_RECORD == 0:
        fact = f"{size // CIFAR100_RECORD:,} records of {CIFAR100_RECORD:,} bytes: CIFAR-100"
    elif rest and size < right:
        fact = f"{size:,} bytes: record {whole:,} (the first is 0) is cut short"
    else:
        fact = f"{size:,} bytes, {whole:,} records" + (f" and {rest:,} bytes" if rest else "")
    return DamagedError(
        f"{where}: a CIFAR-10 batch holds {RECORDS:,} records of {RECORD:,} bytes, {right:,} bytes "
        f"in all. Found {fact}."
    )


@contextlib.contextmanager
def _named(where: str) -> Iterator[None]:
    """Name the file in errors about its contents."""
    try:
        yield
    except DamagedError:
        raise
    except DataError as error:
        raise DamagedError(f"{where}: {error}") from error


def _refuse_cifar100(found: Mapping[str, Any], where: str) -> None:
    if "fine_labels" in found:
        raise DamagedError(f"{where}: this is CIFAR-100, with fine_labels of 100 classes.")


def _checked(data: Array | None, labels: Array, where: str) -> Images:
    """Return images and labels, or raise DamagedError if they are not those of a batch."""
    right = data is not None and data.dtype == np.uint8 and data.shape == (RECORDS, PIXELS)
    if data is None or not right or labels.shape != (RECORDS,):
        found = "nothing" if data is None else f"{data.dtype} {data.shape}"
        raise DamagedError(
            f"{where}: a CIFAR-10 batch holds uint8 ({RECORDS}, {PIXELS}) and {RECORDS} labels. "
            f"Found {found} and {labels.size} labels."
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= len(CLASSES)))
    if len(wrong):
        raise DamagedError(
            f"{where}: CIFAR-10's labels are 0..9. Record {wrong[0]:,} (the first is 0) has label "
            f"{labels[wrong[0]]}; {len(wrong):,} of {RECORDS:,} are out of range."
        )
    return data.reshape(RECORDS, 3, 32, 32), labels
