"""Kernel check: a function of arrays against the definition of a kernel."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.geometry import Geometry
from tinynet.testing.cases import cases_for
from tinynet.testing.compare import difference, scale_of, tolerance
from tinynet.testing.subject import name_of
from tinynet.testing.window_cases import NONE

NEUTRAL: dict[str, Any] = {
    "bias": None,
    "padding": NONE,
    "dilation": (1, 1),
    "groups": 1,
    "ceil_mode": False,
    "count_include_pad": True,
    "nesterov": False,
    "rule": "paper",
}
"""Values of arguments that a function may lack; cases with other values are skipped."""

FIELDS = [field.name for field in dataclasses.fields(Geometry)]
"""Arguments that a function may take in the place of `geometry`."""

Function = Callable[..., Any]
Arguments = tuple[Any, ...]


def check_kernel(
    mine: Function,
    *arguments: Any,
    against: Function,
    cases: Mapping[str, Arguments] | Iterable[Arguments] | None = None,
    dtypes: tuple[Any, ...] = (np.float32, np.float64),
) -> None:
    """Raise unless `mine` computes the same as `against`, in every case, dtype and memory order.

    Parameters
    ----------
    mine : function of arrays
        It takes the arguments of `against`, in the same order; those with a neutral value
        (groups=1, no padding, ...) may be absent. In the place of `geometry` it may take kernel,
        stride, padding, dilation and groups, or some of them. Of several results it may return the
        first ones.
    arguments
        One case. Without arguments: `cases`, or tinynet's own cases for this kernel.
    against : kernel or function
        The definition. It is computed in float64.
    cases : {name: arguments} or list of arguments
    dtypes
        Float types in which `mine` is called.

    Raises
    ------
    AssertionError
        A result is wrong, an input changed, or a call failed; the message names case and element.
    ValueError
        No case fits.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> def my_relu(x):
    ...     return np.maximum(x, 0)
    >>> x = np.random.default_rng(0).standard_normal((2, 3))
    >>> tn.testing.check_kernel(my_relu, x, against=lambda x: x * (x > 0))
    """
    definition = getattr(against, "reference", against)
    trial = Trial(mine, definition)
    named = _named(arguments, cases, name_of(against))
    tried = 0
    for name, case in named.items():
        if not trial.accepts(case):
            continue
        tried += 1
        for dtype in dtypes:
            trial.run(name, _cast(case, dtype), dtype)
    if not tried:
        raise ValueError(
            f"check_kernel: {name_of(mine)}{inspect.signature(mine)} lacks arguments that all "
            f"{len(named)} cases of {name_of(against)} need. Give it some: cases=[...]."
        )


def _named(arguments: Arguments, cases: Any, kernel: str) -> dict[str, Arguments]:
    """Return the cases by name."""
    if arguments:
        return {"yours": arguments}
    if cases is None:
        cases = cases_for(kernel)
    elif not isinstance(cases, Mapping):
        cases = {f"number {i}": case for i, case in enumerate(cases)}
    if not cases:
        raise ValueError(f"check_kernel: there are no cases for {kernel}. Give some: cases=[...].")
    return dict(cases)


def is_float(x: Any) -> bool:
    """Return whether x is an array of floats."""
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def _cast(case: Arguments, dtype: Any) -> Arguments:
    return tuple(x.astype(dtype) if is_float(x) else x for x in case)


def _copies(case: Arguments) -> Arguments:
    return tuple(x.copy() if isinstance(x, np.ndarray) else x for x in case)


def _tuple(result: Any) -> Arguments:
    """Return the results as a tuple: () for None, (y,) for y."""
    return () if result is None else result if isinstance(result, tuple) else (result,)


def other_orders(x: Array) -> dict[str, Array]:
    """Return x twice, with the same values in another memory order."""
    turned = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1) if x.ndim > 1 else x
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1] + 1), x.dtype) if x.ndim else x
    if x.ndim:
        wide = wide[..., 1::2][..., ::-1]
        wide[...] = x
    return {"channels last in memory": turned, "every other element, backwards": wide}


class Trial:
    """One function and its definition."""

    def __init__(self, mine: Function, definition: Function) -> None:
        self.mine = mine
        self.definition = definition
        self.name = f"check_kernel: {name_of(mine)}"
        self.names = list(inspect.signature(definition).parameters)
        self.absent: list[str] = []
        self.spells_geometry = False
        mine_takes = inspect.signature(mine).parameters.values()
        if any(p.kind is p.VAR_POSITIONAL for p in mine_takes):
            return
        takes = [p.name for p in mine_takes]
        self.spells_geometry = "geometry" not in takes and not set(takes).isdisjoint(FIELDS)
        names = list(self.values([None] * len(self.names)))
        if len(takes) < len(names):
            self.absent = [n for n in names if n not in takes]

    def values(self, case: Iterable[Any]) -> dict[str, Any]:
        """Return the arguments of `mine` by name, those that it does not take included."""
        values: dict[str, Any] = {}
        for name, value in zip(self.names, case, strict=False):
            if name == "geometry" and self.spells_geometry:
                values.update((field, getattr(value, field, None)) for field in FIELDS)
            else:
                values[name] = value
        return values

    def accepts(self, case: Arguments) -> bool:
        """Return whether the arguments that `mine` lacks are neutral in this case, or absent."""
        values = self.values(case)
        asked = [n for n in self.absent if n in values]
        if "weight" in values:  # the shape of the filters implies the kernel size
            asked = [n for n in asked if n != "kernel"]
        return all(n in NEUTRAL and _equal(NEUTRAL[n], values[n]) for n in asked)

    def call(self, case: Arguments) -> Arguments:
        """Return the results of `mine` as a tuple; arrays in `case` may change in place."""
        kept = [x for n, x in self.values(case).items() if n not in self.absent]
        return _tuple(self.mine(*kept))

    def run(self, name: str, case: Arguments, dtype: Any) -> None:
        """Check one case: values, unchanged inputs, repeatability, every memory order."""
        self.at = f'{self.name}, case "{name}" in {np.dtype(dtype).name}'
        self.facts = ", ".join(
            f"{n} {x.shape}" if isinstance(x, np.ndarray) else f"{n}={x}"
            for n, x in zip(self.names, case, strict=False)
        )
        exact = _copies(_cast(case, np.float64))
        wanted = _tuple(self.definition(*exact))
        same_type = _copies(case)
        types = [x.dtype for x in _tuple(self.definition(*same_type))]
        written = [i for i, x in enumerate(case) if not _equal(x, same_type[i])]
        _leave_nan_behind([x.shape for x in wanted], dtype)
        given = _copies(case)
        results = self.call(given)
        self.compare(results, wanted, types, case)
        for i, x in enumerate(case):
            if i in written:
                self.same(given[i], exact[i], self.names[i], case)
            elif not _equal(x, given[i]):
                raise AssertionError(f"{self.at}: it changed its input {self.names[i]}.")
        self.again(case, results, written)
        self.reordered(case, wanted, types, written)

    def compare(self, results: Arguments, wanted: Arguments, types: list[Any], case: Any) -> None:
        """Compare every result with that of the definition."""
        if len(results) > len(wanted) or (wanted and not results):
            raise AssertionError(
                f"{self.at}: it returned {len(results)} results, expected {len(wanted)}."
            )
        for i, (got, expected, dtype) in enumerate(zip(results, wanted, types, strict=False)):
            if not hasattr(got, "dtype"):
                raise AssertionError(f"{self.at}: result {i} is a {type(got).__name__}, no array.")
            self.same(np.asarray(got), expected, f"result {i}", case)
            if got.dtype != dtype:
                raise AssertionError(
                    f"{self.at}: result {i} is {got.dtype}, expected {dtype}. "
                    "Numbers and arrays of another type change it: np.empty without a dtype?"
                )

    def same(self, got: Array, expected: Array, what: str, case: Arguments) -> None:
        """Raise unless an array is the expected one."""
        allowed = 0.0
        if expected.dtype.kind == "f":
            terms = max((x.size for x in case if isinstance(x, np.ndarray)), default=1)
            floats = [x.dtype for x in case if is_float(x)]
            allowed = tolerance(terms, floats[0]) * scale_of(expected) if floats else 0.0
        text = difference(got, expected, allowed)
        if text:
            raise AssertionError(f"{self.at}: {what}: {text}\n  Arguments: {self.facts}.")

    def again(self, case: Arguments, results: Arguments, written: list[int]) -> None:
        """Call once more, with read-only inputs."""
        given = _copies(case)
        for i, x in enumerate(given):
            if isinstance(x, np.ndarray) and i not in written:
                x.flags.writeable = False
        try:
            repeated = self.call(given)
        except (ValueError, TypeError) as error:
            raise AssertionError(f"{self.at}: it fails on read-only inputs: {error}") from error
        for i, (a, b) in enumerate(zip(results, repeated, strict=True)):
            if np.asarray(a).tobytes() != np.asarray(b).tobytes():
                raise AssertionError(
                    f"{self.at}: result {i} is not the same the second time, in the same bits."
                )

    def reordered(
        self, case: Arguments, wanted: Arguments, types: list[Any], written: list[int]
    ) -> None:
        """Call again with the same numbers in other memory orders."""
        where = self.at
        for order in other_orders(np.zeros((1, 1))):
            given = tuple(
                other_orders(x)[order] if is_float(x) and i not in written else x
                for i, x in enumerate(_copies(case))
            )
            self.at = f"{where}, {order}"
            try:
                results = self.call(given)
            except (ValueError, TypeError) as error:
                raise AssertionError(f"{self.at}: it fails: {error}") from error
            self.compare(results, wanted, types, case)


def _equal(a: Any, b: Any) -> bool:
    """Return whether two arguments are equal, arrays bit for bit."""
    if isinstance(a, np.ndarray):
        return a.tobytes() == b.tobytes()
    return a is b or (not isinstance(b, np.ndarray) and bool(a == b))


def _leave_nan_behind(shapes: list[tuple[int, ...]], dtype: Any) -> None:
    """Free memory full of NaN, in the size of the results, which the next np.empty may get."""
    held = [np.full(shape, np.nan, dtype) for shape in shapes for _ in range(4)]
    held.clear()
