"""Data sets: labeled images, subsets of them, and pairs of NumPy arrays.

    len(ds)            the number of images
    ds[i]              one pair: image (C, H, W), label
    ds[10:20]          a `Subset`; so is ds[[3, 1, 4]] and ds[labels == 2]
    for x, y in ds     all pairs in the stored order

Whatever has the attributes ``images`` (N, C, H, W), ``labels`` (N,) and ``classes`` works wherever
a data set is expected. A class of your own gets the rest by inheriting from `Dataset`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, overload

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.data.lazy_images import LazyImages

SHOWN = 5  # names of classes in a repr
ELSEWHERE = {"data": "images", "targets": "labels"}  # torchvision's names


class Labeled(Protocol):
    """An object with images and labels, the least that a data loader needs."""

    images: Array
    labels: Array


class Dataset:
    """Base class of all data sets: set ``images``, ``labels`` and ``classes``, the rest is here.

    Attributes
    ----------
    images : (N, C, H, W), usually uint8
    labels : (N,) int64, the number of the class of each image
    classes : the names of the classes; ``classes[label]`` is the name of a label

    Examples
    --------
    >>> from tinynet import data
    >>> train = data.Shapes()
    >>> train
    <Shapes: 3,000 images (3, 32, 32) uint8, 10 classes: disc, ring, square, frame, triangle, ...>
    >>> image, label = train[0]
    >>> image.shape, train.classes[label]
    ((3, 32, 32), 'plus')
    >>> len(train[:100])
    100
    """

    images: Array
    labels: Array
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> tuple[Array, int]: ...

    @overload
    def __getitem__(self, index: slice | Sequence[int] | Array) -> Subset: ...

    def __getitem__(self, index: Any) -> tuple[Array, int] | Subset:
        """Return one pair (image, label) for an integer, a `Subset` for a slice or an array.

        Parameters
        ----------
        index : an integer, a slice, a list or array of integers, or a boolean array (N,)

        Raises
        ------
        IndexError : if the data set has no such image
        TypeError : if the index is of another type
        """
        if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            if not -len(self) <= index < len(self):
                raise IndexError(
                    f"{type(self).__name__}: there is no image {index}; the data set has "
                    f"{len(self):,}."
                )
            return self.images[int(index)], int(self.labels[index])
        return Subset(self, index)

    def __iter__(self) -> Iterator[tuple[Array, int]]:
        """Yield all pairs (image, label) in the stored order."""
        for i in range(len(self)):
            yield self[i]

    def __repr__(self) -> str:
        shape = tuple(self.images.shape[1:])
        names = ", ".join(self.classes[:SHOWN])
        if len(self.classes) > SHOWN:
            names += ", ..."
        return (
            f"<{self._title()}: {len(self):,} images {shape} {self.images.dtype}, "
            f"{len(self.classes)} classes: {names}>"
        )

    def _title(self) -> str:
        return type(self).__name__

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Name the attribute here for one of torchvision's data sets."""
            if name in ELSEWHERE:
                raise AttributeError(
                    f"{type(self).__name__}: there is no {name}; it is called {ELSEWHERE[name]}."
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class ArrayDataset(Dataset):
    """A data set of two NumPy arrays.

    Parameters
    ----------
    images : (N, C, H, W), or (N, ...) for a model that takes something else
    labels : (N,) integers, the number of each image's class
    classes : the names of the classes; None: the numbers 0, 1, ... as strings

    Raises
    ------
    DataError : if the arrays do not pair, if the labels are not class numbers, or if the images
        have their channels last

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import data
    >>> data.ArrayDataset(np.zeros((6, 1, 8, 8), np.uint8), [0, 1, 2, 0, 1, 2])
    <ArrayDataset: 6 images (1, 8, 8) uint8, 3 classes: 0, 1, 2>
    """

    def __init__(
        self, images: Array, labels: Array | Sequence[int], classes: Sequence[str] | None = None
    ) -> None:
        self.images = images if isinstance(images, LazyImages) else np.asarray(images)
        self.labels = _class_numbers(labels)
        if len(self.images) != len(self.labels):
            raise DataError(
                "ArrayDataset: every image needs one label. There are "
                f"{len(self.images):,} images and {len(self.labels):,} labels."
            )
        _refuse_channels_last(self.images.shape)
        used = int(self.labels.max(initial=-1)) + 1
        if classes is None:
            classes = [str(i) for i in range(used)]
        self.classes = tuple(classes)
        if used > len(self.classes):
            raise DataError(
                f"ArrayDataset: with {len(self.classes)} classes, labels are below "
                f"{len(self.classes)}. The largest label is {used - 1}."
            )


class Subset(Dataset):
    """Some images of a data set, with their labels and the same classes.

    Images in memory are copied unless a slice chooses them; images in files stay unread.

    Parameters
    ----------
    dataset : a data set, or anything with ``images`` and ``labels``
    indices : a slice, integers (n,), or booleans (N,)

    Raises
    ------
    IndexError : if an index is outside of the data set
    TypeError : if the indices are neither integers nor booleans

    Examples
    --------
    >>> from tinynet import data
    >>> data.Subset(data.Shapes(), range(0, 3000, 10))
    <Subset of Shapes: 300 images (3, 32, 32) uint8, 10 classes: disc, ring, square, frame, ...>
    """

    def __init__(self, dataset: Labeled, indices: slice | Sequence[int] | Array) -> None:
        chosen: Any = indices
        if not isinstance(indices, slice):
            chosen = _integers_or_booleans(indices, len(dataset.labels))
        images = dataset.images
        if isinstance(images, LazyImages):
            self.images = images.take(np.arange(len(images))[chosen])
        else:
            self.images = images[chosen]
        self.labels = dataset.labels[chosen]
        self.classes = tuple(getattr(dataset, "classes", ()))
        self._origin = getattr(dataset, "_origin", type(dataset).__name__)

    def _title(self) -> str:
        return f"Subset of {self._origin}"


def as_dataset(source: Labeled | tuple[Array, Array], op: str) -> Labeled:
    """Return what has images and labels: a data set itself, a tuple of arrays as one.

    Parameters
    ----------
    source : a data set, or (images, labels)
    op : who asks, for the message

    Raises
    ------
    TypeError : if it is neither
    """
    if isinstance(source, (tuple, list)) and len(source) == 2:
        return ArrayDataset(*source)
    if hasattr(source, "images") and hasattr(source, "labels"):
        return source
    raise TypeError(
        f"{op}: a data set has images (N, C, H, W) and labels (N,), got {type(source).__name__}. "
        "Arrays become one by data.ArrayDataset(images, labels)."
    )


def refuse_transform(transform: object, owner: str) -> None:
    """Raise TypeError if a data set is given a transform: batches are transformed by the loader."""
    if transform is not None:
        raise TypeError(
            f"{owner}: a data set has no transform. Pass it to the loader: "
            "data.DataLoader(dataset, batch_size, transform=...)."
        )


def _class_numbers(labels: Array | Sequence[int]) -> Array:
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] > 1:
        raise DataError(
            f"ArrayDataset: labels are class numbers (N,), got one-hot rows {array.shape}. "
            "Pass labels.argmax(axis=1)."
        )
    if array.ndim != 1 or (array.dtype.kind not in "iu" and len(array)):
        raise DataError(
            f"ArrayDataset: labels are integers (N,), got {array.dtype} {array.shape}. "
            "Pass labels.reshape(-1).astype(int) if they are whole numbers."
        )
    if array.min(initial=0) < 0:
        raise DataError(f"ArrayDataset: labels are 0, 1, 2, ..., got {array.min()}.")
    return array.astype(np.int64)


def _refuse_channels_last(shape: tuple[int, ...]) -> None:
    if len(shape) != 4:
        return
    _, rows, columns, last = shape
    if rows == columns and rows > 4 and last in (1, 3):
        raise DataError(
            f"ArrayDataset: images are (N, C, H, W), got {shape}, which has the channels last. "
            "Pass images.transpose(0, 3, 1, 2)."
        )


def _integers_or_booleans(indices: Any, count: int) -> Array:
    array = np.asarray(indices)
    if not array.size:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub" or array.ndim != 1:
        raise TypeError(
            "Subset: indices are a slice, integers (n,) or booleans (N,), got "
            f"{type(indices).__name__} of {array.dtype} {array.shape}."
        )
    if array.dtype.kind == "b" and len(array) != count:
        raise IndexError(
            f"Subset: a boolean index has one value for each of {count:,} images, got "
            f"{len(array):,}."
        )
    if array.dtype.kind != "b" and len(array) and not -count <= array.min() <= array.max() < count:
        raise IndexError(
            f"Subset: indices are below the number of images, {count:,}, got "
            f"{array.min()}..{array.max()}."
        )
    return array
