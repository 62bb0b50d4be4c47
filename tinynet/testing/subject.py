"""Function or module under test: repeatable calls, with its state restored afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.core import random
from tinynet.core.backend import CPU, Array
from tinynet.nn import Module
from tinynet.tensors import Tensor


def name_of(fn: Any) -> str:
    """Return the name of a function or a layer for a message."""
    return getattr(fn, "__name__", None) or type(fn).__name__


class Subject:
    """A layer as a function of a list of float arrays: first its inputs, then its parameters.

    Every call starts from the same parameters, running statistics and random numbers. Arrays of
    integers among the inputs (labels) are passed on unchanged.

    Parameters
    ----------
    fn : function of tensors, or nn.Module
    inputs : tuple of arrays
    dtype : float dtype
        Inputs and parameters are cast to it.
    """

    def __init__(self, fn: Callable[..., Any], inputs: tuple[Array, ...], dtype: Any) -> None:
        self.fn = fn
        self.name = name_of(fn)
        self.dtype = dtype
        self.inputs = [np.asarray(x) for x in inputs]
        module = fn if isinstance(fn, Module) else Module()
        self.state = [t for _, t in module._named_tensors()]
        self.kept = [(t, t.data, t.grad) for t in self.state]
        self.parameters = module.parameters()
        names = {id(p): name for name, p in module.named_parameters()}
        floats = [(i, x) for i, x in enumerate(self.inputs) if x.dtype.kind == "f"]
        self.names = [f"input {i}" for i, _ in floats] + [names[id(p)] for p in self.parameters]
        self.arrays = [x.astype(dtype) for _, x in floats]
        self.count = len(self.arrays)  # of inputs; parameters follow
        self.arrays += [p.data.astype(dtype) for p in self.parameters]

    def __enter__(self) -> Subject:
        return self

    def __exit__(self, *_: object) -> None:
        for tensor, data, grad in self.kept:
            tensor.data = data
            tensor.grad = grad

    def apply(self, arrays: list[Array], requires_grad: bool = False) -> tuple[Tensor, list[Any]]:
        """Return the output of the layer, and its inputs and parameters as tensors."""
        for tensor, data, _ in self.kept:
            tensor.data = data.astype(self.dtype)
            tensor.grad = None
        for p, array in zip(self.parameters, arrays[self.count :], strict=True):
            p.data = array
        floats = iter([Tensor(a, CPU, None, requires_grad) for a in arrays[: self.count]])
        inputs = [next(floats) if x.dtype.kind == "f" else x for x in self.inputs]
        with random.fork(0):
            y = self.fn(*inputs)
        if not isinstance(y, Tensor):
            raise AssertionError(
                f"{self.name}: it must return a Tensor, but it returned {type(y).__name__}."
            )
        leaves = [x for x in inputs if isinstance(x, Tensor)]
        return y, [*leaves, *self.parameters]

    def require_unchanged(self, given: list[Array], judge: str) -> None:
        """Raise AssertionError if arrays that were passed to the layer are other numbers now."""
        for name, x, before in zip(self.names, given, self.arrays, strict=True):
            if x.tobytes() != before.tobytes():
                raise AssertionError(
                    f"{judge}: {self.name}: it changed its {name} in place. Make a new array."
                )

    def value(self, arrays: list[Array]) -> Array:
        """Return the layer's output for these arrays."""
        return self.apply(arrays)[0].data

    def gradients(self, arrays: list[Array], gy: Array) -> list[Array]:
        """Return the gradients of <output, gy> by backward(), one for each array."""
        y, leaves = self.apply(arrays, requires_grad=True)
        if y.creator is None:
            raise AssertionError(
                f"{self.name}: no gradient can pass, its output is not connected to its inputs. "
                "Compute with tensors, not with their .data or .numpy()."
            )
        handed = gy.copy()
        y.backward(handed)
        if not np.array_equal(handed, gy):
            raise AssertionError(
                f"{self.name}: backward changed gy in place; others use it too. Make a new array."
            )
        gradients = [leaf.grad for leaf in leaves]
        for name, g in zip(self.names, gradients, strict=True):
            if g is None:
                raise AssertionError(f"{self.name}: no gradient reached {name}; it got None.")
            if not np.isfinite(g).all():
                raise AssertionError(
                    f"{self.name}: the gradient of {name} has {int((~np.isfinite(g)).sum())} "
                    f"of {g.size} elements that are NaN or infinite."
                )
        return gradients
