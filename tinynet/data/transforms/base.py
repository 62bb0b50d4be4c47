"""Transforms of batches of images: drawing random numbers is apart from applying them.

A transform has two methods:

    params = t.sample(rng, n)         what is random for n images, one row an image
    y = t.apply(images, params)       nothing random: images (N, C, H, W) in, images out

Because the two are apart, one draw serves every way of computing a batch: on the CPU, on a GPU
(`device_plan`), and in a process that prepares only some rows of the batch (`take_rows`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import ShapeError


class Transform:
    """Base class of all transforms. One of your own overrides `apply`, and `sample` if it draws.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import data
    >>> class RandomInvert(data.Transform):
    ...     def sample(self, rng, n):
    ...         return rng.random(n) < 0.5
    ...
    ...     def apply(self, images, params):
    ...         return np.where(params[:, None, None, None], 255 - images, images)
    >>> loader = data.DataLoader(data.Shapes(), 50, transform=RandomInvert())
    >>> images, labels = next(iter(loader))
    >>> images.shape
    (50, 3, 32, 32)
    """

    @property
    def random(self) -> bool:
        """Whether `sample` draws random numbers."""
        return type(self).sample is not Transform.sample

    def sample(self, rng: np.random.Generator, n: int) -> Any:
        """Draw what is random for n images: an array with one row an image, or None.

        Parameters
        ----------
        rng : NumPy's generator
        n : the number of images
        """
        return None

    def apply(self, images: Array, params: Any) -> Array:
        """Return the images transformed by these parameters, as a new array or a view.

        Parameters
        ----------
        images : (N, C, H, W)
        params : from `sample`, N rows
        """
        raise NotImplementedError(f"{type(self).__name__}: a transform needs a method apply.")

    def bind(self, example: Array) -> Transform:
        """Return this transform for images like an example, on whose size its draws may depend.

        Parameters
        ----------
        example : (1, C, H, W); its shape and dtype count, not its values
        """
        return self

    def evaluation(self) -> Transform | None:
        """Return what prepares test images where this prepares training images; None is nothing.

        A transform without random numbers is its own. One of your own that is random is left out,
        unless it overrides this.
        """
        return None if self.random else self

    def __call__(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        """Draw and apply.

        Parameters
        ----------
        images : (N, C, H, W)
        rng : NumPy's generator; needed only where something is random

        Raises
        ------
        ValueError : if something is random and `rng` is not a generator
        """
        images = np.asarray(images)
        if not self.random:
            return self.apply(images, self.sample(np.random.default_rng(0), len(images)))
        if not isinstance(rng, np.random.Generator):
            raise ValueError(
                f"{type(self).__name__}: it draws random numbers, so it needs a generator. "
                "Pass rng=np.random.default_rng(0)."
            )
        check_batch(images, type(self).__name__)
        bound = self.bind(images[:1])
        return bound.apply(images, bound.sample(rng, len(images)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Compose(Transform):
    """Several transforms, one after another.

    Parameters
    ----------
    transforms : transforms, or functions from a batch (N, C, H, W) to a batch

    Raises
    ------
    TypeError : if something in the list is neither

    Examples
    --------
    >>> from tinynet import data
    >>> data.Compose([data.RandomCrop(32, padding=4), data.RandomHorizontalFlip()])
    Compose([
        RandomCrop(32, padding=4),
        RandomHorizontalFlip(p=0.5),
    ])
    """

    def __init__(self, transforms: Iterable[Any]) -> None:
        if isinstance(transforms, Transform) or not isinstance(transforms, Iterable):
            raise TypeError(
                "Compose: the transforms come in a list, like Compose([data.CenterCrop(24)]); got "
                f"{type(transforms).__name__}."
            )
        members: list[Transform] = []
        for given in transforms:
            if isinstance(given, Compose):
                members.extend(given.transforms)
            else:
                members.append(_one(given))
        self.transforms: tuple[Transform, ...] = tuple(members)

    @property
    def random(self) -> bool:
        """Whether a member draws random numbers."""
        return any(t.random for t in self.transforms)

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Any, ...]:
        """Return the parameters of all members, drawn in their order."""
        return tuple(t.sample(rng, n) for t in self.transforms)

    def apply(self, images: Array, params: Any) -> Array:
        """Return what the last member makes of the images.

        Raises
        ------
        ShapeError : if a member does not return an array of as many images
        """
        for t, drawn in zip(self.transforms, params, strict=True):
            images = _applied(t, images, drawn)
        return images

    def bind(self, example: Array) -> Compose:
        """Return all members bound to what the ones before them make of the example.

        Raises
        ------
        ShapeError : if a member cannot work on such images, like a crop that is too large
        """
        rng = np.random.default_rng(0)
        bound = []
        with np.errstate(all="ignore"):  # the values of an example mean nothing
            for t in self.transforms:
                here = t.bind(example)
                example = _applied(here, example, here.sample(rng, len(example)))
                bound.append(here)
        return Compose(bound)

    def evaluation(self) -> Compose:
        """Return the members without what is random, a random crop as a center crop.

        Examples
        --------
        >>> from tinynet import data
        >>> data.Compose([data.RandomCrop(24), data.RandomHorizontalFlip()]).evaluation()
        Compose([
            CenterCrop(24),
        ])
        """
        kept = [t.evaluation() for t in self.transforms]
        return Compose([t for t in kept if t is not None])

    def __len__(self) -> int:
        return len(self.transforms)

    def __getitem__(self, index: int) -> Transform:
        return self.transforms[index]

    def __repr__(self) -> str:
        if not self.transforms:
            return "Compose([])"
        lines = "".join(f"    {t!r},\n" for t in self.transforms)
        return f"Compose([\n{lines}])"


class _Function(Transform):
    """A function from a batch to a batch."""

    def __init__(self, function: Callable[[Array], Array]) -> None:
        self.function = function

    def apply(self, images: Array, params: Any) -> Array:
        return self.function(images)

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))


def _applied(t: Transform, images: Array, params: Any) -> Array:
    """Return t.apply(images, params), which must be an array of as many images."""
    result = t.apply(images, params)
    found = result.shape if isinstance(result, np.ndarray) else type(result).__name__
    if found[:1] != images.shape[:1]:
        raise ShapeError(
            f"{t!r}: a transform gets a batch (N, C, H, W) and returns as many images, in a NumPy "
            f"array. It got {images.shape} and returned {found}."
        )
    return result


def compose(given: Any) -> Compose:
    """Return what a user passes as a transform in one form: None, a transform, a list, a function.

    Raises
    ------
    TypeError : if it is something else
    """
    if given is None:
        return Compose([])
    if isinstance(given, (list, tuple)):
        return Compose(given)
    return Compose([given])


def take_rows(params: Any, rows: slice) -> Any:
    """Return the parameters of some images of a batch.

    Parameters
    ----------
    params : from `Transform.sample`: an array with a row for each image, None, or a tuple, list or
        dict of those
    rows : of the batch
    """
    if isinstance(params, np.ndarray) and params.ndim:
        return params[rows]
    if isinstance(params, (tuple, list)):
        return tuple(take_rows(each, rows) for each in params)
    if isinstance(params, dict):
        return {name: take_rows(each, rows) for name, each in params.items()}
    return params


def check_batch(images: Array, op: str) -> tuple[int, int, int, int]:
    """Return the shape (N, C, H, W) of a batch.

    Raises
    ------
    ShapeError : if the array has another number of axes
    """
    shape = tuple(np.shape(images))
    if len(shape) == 3:
        raise ShapeError(
            f"{op}: expected a batch (N, C, H, W), got {shape}. For one image (C, H, W), pass "
            "image[None]."
        )
    if len(shape) != 4:
        raise ShapeError(f"{op}: expected a batch (N, C, H, W), got {shape}.")
    N, C, H, W = shape
    return N, C, H, W


def _one(given: Any) -> Transform:
    if isinstance(given, Transform):
        _check_methods(given)
        return given
    if isinstance(given, type):
        raise TypeError(f"Compose: {given.__name__} is a class. Write {given.__name__}(...).")
    if hasattr(given, "sample") or hasattr(given, "apply"):
        raise TypeError(
            f"Compose: a transform with sample and apply inherits from data.Transform; "
            f"{type(given).__name__} does not."
        )
    if not callable(given):
        raise TypeError(
            "Compose: expected transforms, or functions from a batch to a batch, got "
            f"{type(given).__name__}."
        )
    return _Function(given)


def _check_methods(t: Transform) -> None:
    """Raise TypeError unless the methods of a transform take the arguments that they get."""
    for method, arguments in ((t.sample, ("rng", "n")), (t.apply, ("images", "params"))):
        try:
            inspect.signature(method).bind(*arguments)
        except TypeError:
            raise TypeError(
                f"{type(t).__name__}: {method.__name__} is called as "
                f"{method.__name__}({', '.join(arguments)}), also where nothing is random."
            ) from None
