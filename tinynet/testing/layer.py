"""Layer check: gradients, repeatability, memory orders, dtypes and batch sizes of any layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import ShapeError
from tinynet.testing.compare import difference, scale_of, tolerance
from tinynet.testing.gradient import compare_gradients
from tinynet.testing.kernel import other_orders
from tinynet.testing.subject import Subject, name_of


def check_layer(
    fn: Callable[..., Any], *inputs: Array, against: Callable[..., Any] | None = None
) -> None:
    """Raise unless a layer is repeatable, has correct gradients, and takes all kinds of inputs.

    Checked are: the same output twice, unchanged inputs, finite values, gradients (see
    `check_gradient`), read-only and non-contiguous inputs, float32 and float64, batches of one and
    of none.

    Parameters
    ----------
    fn : function of Tensors, or nn.Module
        Its parameters are checked with its inputs, and restored.
    inputs : arrays
        One for each argument. Arrays of integers (labels) are passed on unchanged.
    against : another layer, optional
        A correct one, for a comparison of the outputs. Without it, a layer whose forward and
        backward are wrong in the same way passes.

    Raises
    ------
    AssertionError
        Something is wrong; the message names it.
    ValueError
        An input is at a kink, where there is no derivative.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> x = np.random.default_rng(0).standard_normal((3, 4))
    >>> tn.testing.check_layer(nn.Linear(4, 2), x)
    """
    with Subject(fn, inputs, np.float64) as subject:
        y = _values(subject)
        if against is not None:
            with Subject(against, inputs, np.float64) as trusted:
                expected = trusted.value(trusted.arrays)
            _same(subject, y, expected, f"it is not {name_of(against)}: its output")
        compare_gradients(subject, "check_layer")
        _memory_orders(subject, y)
        if subject.count == 1 == len(subject.inputs):
            _batch_sizes(subject, y.shape)
    for dtype in (np.float64, np.float32):
        with Subject(fn, inputs, dtype) as subject:
            y = _keeps_dtype(subject)
    with Subject(fn, tuple(_rounded(x) for x in inputs), np.float64) as subject:
        for p, array in zip(subject.parameters, subject.arrays[subject.count :], strict=True):
            array[...] = _rounded(p.data)
        expected = subject.value(subject.arrays)
        _same(subject, y, expected, "the output in float32, against float64,", np.float32)


def _values(subject: Subject) -> Array:
    """Return the output; compare two calls, and the inputs before and after."""
    given = [x.copy() for x in subject.arrays]
    y = subject.value(given)
    again = subject.value(given)
    subject.require_unchanged(given, "check_layer")
    if y.tobytes() != again.tobytes():
        raise _wrong(
            subject,
            "the output for the same input is not the same, in the same bits, the second time. "
            "Draw random numbers by tinynet.core.random.",
        )
    if not np.isfinite(y).all():
        count = int((~np.isfinite(y)).sum())
        raise _wrong(subject, f"{count} of {y.size} elements of the output are NaN or infinite.")
    return y


def _memory_orders(subject: Subject, y: Array) -> None:
    """Check read-only inputs, and inputs whose elements are not contiguous in memory."""
    for order in other_orders(np.zeros((1, 1))):
        given = [other_orders(x)[order] for x in subject.arrays[: subject.count]]
        for x in given:
            x.flags.writeable = False
        arrays = [*given, *subject.arrays[subject.count :]]
        what = f"for a read-only input, {order},"
        try:
            got = subject.value(arrays)
            subject.gradients(arrays, np.ones(y.shape))
        except (ValueError, TypeError) as error:
            raise _wrong(subject, f"{what} it fails: {error}") from error
        _same(subject, got, y, f"{what} the output")


def _batch_sizes(subject: Subject, shape: tuple[int, ...]) -> None:
    """Check a batch of one and a batch of none; a ShapeError is allowed."""
    x, *parameters = subject.arrays
    if not shape or x.shape[:1] != shape[:1]:
        return
    for size in (1, 0):
        arrays = [x[:size], *parameters]
        try:
            y = subject.value(arrays)
            subject.gradients(arrays, np.ones(y.shape))
        except ShapeError:
            continue
        except (ValueError, TypeError, IndexError, ZeroDivisionError) as error:
            raise _wrong(subject, f"for a batch of {size} it fails: {error}") from error
        if y.shape != (size, *shape[1:]):
            raise _wrong(
                subject,
                f"for a batch of {size} the output is {y.shape}, expected {(size, *shape[1:])}.",
            )


def _rounded(x: Array) -> Array:
    """Return floats rounded to float32, and integers unchanged."""
    x = np.asarray(x)
    return x.astype(np.float32) if x.dtype.kind == "f" else x


def _keeps_dtype(subject: Subject) -> Array:
    """Check the dtypes of output and gradients; return the output."""
    y = subject.value(subject.arrays)
    kind = np.dtype(subject.dtype)
    if y.dtype != kind:
        raise _wrong(subject, f"inputs are {kind}, but the output is {y.dtype}.")
    gradients = subject.gradients(subject.arrays, np.ones_like(y))
    for name, g in zip(subject.names, gradients, strict=True):
        if g.dtype != kind:
            raise _wrong(subject, f"{name} is {kind}, but its gradient is {g.dtype}.")
    return y


def _same(
    subject: Subject, got: Array, expected: Array, what: str, dtype: Any = np.float64
) -> None:
    """Raise unless an output is the expected one."""
    terms = sum(x.size for x in subject.arrays)
    text = difference(got, expected, tolerance(terms, dtype) * scale_of(expected))
    if text:
        raise _wrong(subject, f"{what} differs: {text}")


def _wrong(subject: Subject, what: str) -> AssertionError:
    return AssertionError(f"check_layer: {subject.name}: {what}")
