"""Data sets of Hugging Face in parquet files: encoded images and their labels, row by row.

    FOLDER/train-00000-of-00001.parquet     columns img or image {bytes, path}, label
    FOLDER/test-00000-of-00001.parquet

They are read by pyarrow, an optional package. The images are PNG, so their pixels are exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.extras import install_command
from tinynet.data.files import DamagedError, open_regular
from tinynet.data.image_files import decode

LABEL = "label"
ROOM = 4096  # bytes of an image beside its pixels, and of its row
AT_A_TIME = 500  # rows
CODECS = {"SNAPPY", "UNCOMPRESSED"}
LISTED = 1_000  # strings and lists in the description of a file, at most


def files(root: Path, part: str, folders: tuple[str, ...]) -> list[Path]:
    """Return the parquet files of a part of a data set, in order.

    Parameters
    ----------
    root : the folder of the data set, or its folder in the cache of huggingface_hub
    part : "train" or "test"
    folders : below `root`, or below a snapshot, in which the files may be
    """
    if not root.is_dir():
        return []
    snapshots = [path for path in sorted(root.glob("snapshots/*")) if path.is_dir()]
    for place in (root, *reversed(snapshots)):
        for name in folders:
            found = sorted((place / name).glob(f"{part}-*.parquet"))
            if found:
                return found
    return []


def read(
    found: list[Path], part: str, columns: tuple[str, ...], shape: tuple[int, int, int], count: int
) -> tuple[Array, Array]:
    """Return the images and labels of a part.

    Parameters
    ----------
    found : the files, see `files`
    part : for messages
    columns : names that the column of the images may have
    shape : (C, H, W) of each image
    count : the images that the part must have

    Returns
    -------
    images (count, C, H, W) uint8, labels (count,) int64

    Raises
    ------
    DataError : if a file is missing, damaged or of another data set, or if pyarrow is not installed
    """
    images = np.empty((count, *shape), np.uint8)
    labels = np.empty(count, np.int64)
    at = 0
    for path in found:
        for encoded, label in _rows(path, columns, shape, count):
            if at == count:
                raise DamagedError(f"{path}: {part} must have {count:,} images; it has more.")
            where = f"{path}: row {at:,} of {part} (the first is 0)"
            if not isinstance(encoded, bytes) or type(label) is not int or not 0 <= label < 10:
                raise DamagedError(f"{where} must have an encoded image and a label in 0..9.")
            images[at] = decode(encoded, shape, where)
            labels[at] = label
            at += 1
    if at < count:
        raise DamagedError(f"{found[-1]}: {part} must have {count:,} images; it has {at:,}.")
    return images, labels


def _rows(
    path: Path, columns: tuple[str, ...], shape: tuple[int, int, int], count: int
) -> Iterator[tuple[Any, Any]]:
    """Yield the encoded images of a file and their labels."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise DataError(
            f"{path}: parquet files are read by pyarrow: {install_command('parquet')}"
        ) from None
    with open_regular(path) as file:
        try:
            limits = {"thrift_string_size_limit": 1 << 20, "thrift_container_size_limit": LISTED}
            claimed = parquet.ParquetFile(file, **limits)
            column, leaf = _check(path, claimed, columns, int(np.prod(shape)), count)
            # As a dictionary, a value that a small file repeats for every row stays one value.
            table = parquet.ParquetFile(file, read_dictionary=[leaf], **limits)
            for batch in table.iter_batches(AT_A_TIME, columns=[column, LABEL]):
                yield from _pairs(batch, column)
        except (pa.ArrowException, OSError, ValueError, TypeError) as error:
            if isinstance(error, DataError):
                raise
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DamagedError(f"{path}: not a parquet file that can be read ({said}).") from error


def _check(
    path: Path, table: Any, columns: tuple[str, ...], pixels: int, count: int
) -> tuple[str, str]:
    """Return the column of the images and the path of their bytes, after a look at the claims."""
    names = table.schema_arrow.names
    column = next((name for name in columns if name in names), None)
    if column is None or LABEL not in names:
        raise DamagedError(
            f"{path}: the columns must be {' or '.join(columns)}, and {LABEL}. Found "
            f"{', '.join(names[:5])}."
        )
    claimed = table.metadata
    groups = [claimed.row_group(i) for i in range(claimed.num_row_groups)]
    size = sum(group.total_byte_size for group in groups)
    parts = [group.column(i) for group in groups for i in range(group.num_columns)]
    for packed in {part.compression for part in parts} - CODECS:
        raise DamagedError(
            f"{path}: a column is compressed by {packed}, in which a small file can hide "
            "gigabytes. Write it again with compression='snappy'."
        )
    if not 0 <= claimed.num_rows <= count or not 0 <= size <= count * (pixels + ROOM):
        raise DamagedError(
            f"{path}: at most {count:,} images of {pixels:,} values are read. The file claims "
            f"{claimed.num_rows:,} rows of {size:,} bytes."
        )
    leaves = [part.path_in_schema for part in parts]
    return column, f"{column}.bytes" if f"{column}.bytes" in leaves else column


def _pairs(batch: Any, column: str) -> Iterator[tuple[Any, Any]]:
    images = batch.column(column)
    if hasattr(images, "field"):  # a structure of bytes and path
        images = images.field("bytes")
    for image, label in zip(images, batch.column(LABEL), strict=True):
        yield image.as_py(), label.as_py()
