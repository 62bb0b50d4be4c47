"""Gradient mode: whether ops record a graph for backward()."""

from __future__ import annotations

import contextvars
import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar, overload

P = ParamSpec("P")
R = TypeVar("R")

no_grad_depth: contextvars.ContextVar[int] = contextvars.ContextVar("tinynet.no_grad", default=0)
"""How many `no_grad` blocks are open in this thread or task; a graph is recorded outside of all."""


class _NoGrad:
    """Record no graph: less memory, and backward() has nothing to walk.

    A block or a decorator, with or without parentheses.

    >>> import tinynet as tn
    >>> x = tn.tensor([3.0], requires_grad=True)
    >>> with tn.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    >>> @tn.no_grad
    ... def square(x):
    ...     return x * x
    >>> square(x).requires_grad
    False
    """

    @overload
    def __call__(self) -> _NoGrad: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> Callable[P, R]: ...
    def __call__(self, function: Callable[P, R] | None = None) -> _NoGrad | Callable[P, R]:
        """Return the block itself, or the function with the block around each call."""
        if function is None:
            return self
        if not callable(function):
            raise TypeError(f"no_grad: it decorates functions, not {type(function).__name__}.")
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise TypeError(
                f"no_grad: {function.__name__} runs after the call has returned. "
                "Write the block inside of it: with tn.no_grad():"
            )

        @functools.wraps(function)
        def without_graph(*args: P.args, **kwargs: P.kwargs) -> R:
            with self:
                return function(*args, **kwargs)

        return without_graph

    def __enter__(self) -> None:
        no_grad_depth.set(no_grad_depth.get() + 1)

    def __exit__(self, *error: object) -> None:
        no_grad_depth.set(no_grad_depth.get() - 1)


no_grad = _NoGrad()
