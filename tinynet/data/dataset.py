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
MOST_CLASSES = 1_000_000  # a larger label is not the number of a class


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
            if name in ("images", "labels", "classes"):
                raise AttributeError(
                    f"{type(self).__name__}: a data set sets images, labels and classes in its "
                    f"__init__; {name} is missing."
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
    DataError : if the arrays do not pair, if the images are not numbers of one shape, if the labels
        are not class numbers, or if the images have their channels last
    TypeError : if `classes` is not a list of names

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
        self.images = images if isinstance(images, LazyImages) else _image_array(images)
        self.labels = _class_numbers(np.asarray(labels), "ArrayDataset").astype(np.int64)
        _check_pairs(self.images, self.labels, "ArrayDataset")
        _refuse_channels_last(self.images.shape)
        used = int(self.labels.max(initial=-1)) + 1
        if classes is None:
            classes = [str(i) for i in range(used)]
        if isinstance(classes, (str, int, np.integer)):
            raise TypeError(
                f'ArrayDataset: classes are names, like ["cat", "dog"], got {classes!r}. Without '
                "them the names are 0, 1, ..."
            )
        self.classes = tuple(str(name) for name in classes)
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
    dataset : a data set, anything with ``images`` and ``labels``, or a tuple of the two
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

    def __init__(
        self, dataset: Labeled | tuple[Array, Array], indices: slice | Sequence[int] | Array
    ) -> None:
        source = as_dataset(dataset, "Subset")
        chosen: Any = indices
        if not isinstance(indices, slice):
            chosen = _integers_or_booleans(indices, len(source.labels))
        images = source.images
        if isinstance(images, LazyImages):
            self.images = images.take(np.arange(len(images))[chosen])
        else:
            self.images = images[chosen]
        self.labels = source.labels[chosen]
        self.classes = tuple(getattr(source, "classes", ()))
        self._origin = getattr(source, "_origin", type(source).__name__)

    def _title(self) -> str:
        return f"Subset of {self._origin}"


def as_dataset(source: Labeled | tuple[Array, Array], op: str) -> Labeled:
    """Return what has images and labels: a data set itself, a tuple of arrays as one.

    Parameters
    ----------
    source : a data set, or (images, labels)
    op : the function that needs it, for messages

    Raises
    ------
    TypeError : if it is neither, or if its images and labels are not NumPy arrays
    DataError : if they do not pair, or if the labels are not class numbers
    """
    given: Any = source
    if isinstance(given, (tuple, list)) and len(given) == 2 and not _are_pairs(given):
        return ArrayDataset(*given)
    if hasattr(source, "images") and hasattr(source, "labels"):
        _check_arrays(given, op)
        return given
    raise TypeError(
        f"{op}: a data set has images (N, C, H, W) and labels (N,), got {type(source).__name__}. "
        "Arrays become one by data.ArrayDataset(images, labels), and pairs (image, label) by "
        "data.ArrayDataset(*zip(*pairs))."
    )


def _are_pairs(source: Sequence[Any]) -> bool:
    """Return whether two values are two pairs (image, label), not images and labels."""
    return all(isinstance(value, tuple) and len(value) == 2 for value in source)


def _check_arrays(source: Labeled, op: str) -> None:
    """Raise unless a data set has arrays of images and of labels that pair."""
    images: Any = source.images
    labels: Any = source.labels
    if not isinstance(images, (np.ndarray, LazyImages)) or not isinstance(labels, np.ndarray):
        raise TypeError(
            f"{op}: images and labels of a data set are NumPy arrays; {type(source).__name__} has "
            f"{type(images).__name__} and {type(labels).__name__}. Make them arrays, or pass "
            "data.ArrayDataset(images, labels)."
        )
    _class_numbers(labels, op)
    _check_pairs(images, labels, op)


def refuse_transform(transform: object, owner: str) -> None:
    """Raise TypeError if a data set is given a transform: batches are transformed by the loader."""
    if transform is not None:
        raise TypeError(
            f"{owner}: a data set has no transform. Pass it to the loader: "
            "data.DataLoader(dataset, batch_size, transform=...)."
        )


def check_train(train: object, owner: str) -> None:
    """Raise TypeError unless `train` is True or False: the name of a part would be true."""
    if not isinstance(train, (bool, np.bool_)):
        raise TypeError(
            f"{owner}: train is True for the images to train on, False for those to test with; got "
            f"{train!r}."
        )


def _image_array(images: Any) -> Array:
    """Return images as an array of numbers."""
    try:
        array = np.asarray(images)
    except ValueError:
        array = np.array(None)
    if array.ndim == 0 or array.dtype.kind not in "fiub":
        raise DataError(
            "ArrayDataset: images are one array of numbers (N, C, H, W), all of one size, got "
            f"{type(images).__name__}. Images of several sizes come from files: data.ImageFolder."
        )
    return array


def _check_pairs(images: Array, labels: Array, op: str) -> None:
    if len(images) != len(labels):
        raise DataError(
            f"{op}: every image needs one label. There are {len(images):,} images and "
            f"{len(labels):,} labels."
        )


def _class_numbers(labels: Array, op: str) -> Array:
    """Return the labels, or raise DataError if they are not the numbers of classes."""
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise DataError(
            f"{op}: labels are class numbers (N,), got one-hot rows {labels.shape}. "
            "Pass labels.argmax(axis=1)."
        )
    if labels.ndim > 2:
        raise DataError(
            f"{op}: labels are integers (N,), got {labels.dtype} {labels.shape}. The images come "
            "first, then the labels."
        )
    if labels.ndim != 1 or (labels.dtype.kind not in "iu" and len(labels)):
        raise DataError(
            f"{op}: labels are integers (N,), got {labels.dtype} {labels.shape}. "
            "Pass labels.reshape(-1).astype(int) if they are whole numbers."
        )
    if labels.min(initial=0) < 0:
        raise DataError(f"{op}: labels are 0, 1, 2, ..., got {labels.min()}.")
    if labels.max(initial=0) >= MOST_CLASSES:
        raise DataError(
            f"{op}: labels are the numbers of classes, below {MOST_CLASSES:,}, got "
            f"{labels.max():,}. Pass np.unique(labels, return_inverse=True)[1]."
        )
    return labels


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
