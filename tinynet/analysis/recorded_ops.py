"""Ops behind a value, in the order in which they ran."""

from __future__ import annotations

from typing import Any

from tinynet.core.autograd import Function
from tinynet.tensors import Tensor


def recorded_ops(value: Tensor) -> dict[Function, Tensor]:
    """Return the ops behind a value with their outputs, the oldest first.

    >>> import tinynet as tn
    >>> x = tn.tensor([1.0, 2.0], requires_grad=True)
    >>> [op.op() for op in recorded_ops((x * x).sum())]
    ['mul', 'sum']
    """
    found: dict[Function, Any] = {}
    waiting: list[Any] = [value]
    while waiting:
        y = waiting.pop()
        if y.creator is not None and y.creator not in found:
            found[y.creator] = y
            waiting += y.creator.inputs
    return {node: found[node] for node in sorted(found, key=lambda node: node.serial)}
