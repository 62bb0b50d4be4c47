"""check_layer: one battery of questions for any layer, ours or yours."""

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
    """Raise unless a layer is repeatable, has right gradients, and takes inputs as they come.

    Parameters
    ----------
    fn : function of Tensors, or nn.Module
        Its parameters are checked with its inputs, and left as they were.
    inputs : arrays
        One for each argument. Arrays of integers (labels) are handed over as they are.
    against : another layer, optional
        One that is trusted: values are compared too. Without it a layer that is consistently
        wrong, in forward and backward alike, is a right layer of another kind.
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
    """Return the output; ask twice, and look at the inputs afterwards."""
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
    """Ask with read-only inputs and with inputs whose elements are not neighbours in memory."""
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
    """Ask with a batch of one and with none; a ShapeError is an answer too."""
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
    """Return x as float32 can hold it; integers as they are."""
    x = np.asarray(x)
    return x.astype(np.float32) if x.dtype.kind == "f" else x


def _keeps_dtype(subject: Subject) -> Array:
    """Look at the types of output and gradients; return the output."""
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
    """Hold an output against what it should be."""
    terms = sum(x.size for x in subject.arrays)
    text = difference(got, expected, tolerance(terms, dtype) * scale_of(expected))
    if text:
        raise _wrong(subject, f"{what} differs: {text}")


def _wrong(subject: Subject, what: str) -> AssertionError:
    return AssertionError(f"check_layer: {subject.name}: {what}")
