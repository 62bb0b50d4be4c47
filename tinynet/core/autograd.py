"""Reverse-mode automatic differentiation: the graph, and the walk back through it.

A :class:`Function` is one application of an op and also a node of the graph. A :class:`Variable`
is a value that remembers the node that made it. ``backward()`` visits the nodes in reverse order
and hands every one of them the gradient of its output::

    x ──► [Mul] ──► h ──► [Sum] ──► loss          forward: data flows right, nodes are linked
    gx ◄── [Mul] ◄── gh ◄── [Sum] ◄── 1           backward: each node turns gy into gradients

Nodes know their inputs, never their outputs: there is no reference cycle, and a loss that goes
out of scope frees its whole graph at once. Gradients of gradients are not computed.
"""

from __future__ import annotations

import copy
import heapq
import itertools
import operator
import re
import weakref
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, ClassVar, Never

import numpy as np

from tinynet.core import hooks
from tinynet.core.backend import (
    CPU,
    Array,
    Device,
    array_module,
    current,
    is_aligned,
    is_array,
    is_writable,
    scalar,
)
from tinynet.core.bfloat16 import BFloat16, numbers, rounded
from tinynet.core.errors import DeviceError, GraphError, ShapeError, refuse_keywords
from tinynet.core.grad_mode import no_grad_depth

LARGE = 1 << 16  # numbers in a gradient, from which on a sum may be worth several threads

_serials = itertools.count(1)  # nodes, and changes in place, in the order in which they happen
_last_change = 0  # the serial of the latest change
_written: weakref.WeakValueDictionary[int, Array] = weakref.WeakValueDictionary()
"""The living arrays that were written to, by id: those of parameters, once they have moved."""
_written_at: dict[int, int] = {}
"""The serial of the latest change of each of them."""


class Variable:
    """A value that remembers the function that made it."""

    __slots__ = ("__weakref__", "creator", "data", "device", "grad", "requires_grad")
    output_type: ClassVar[type[Variable]]  # what an op makes of variables of this class
    stored_type: ClassVar[Callable[..., Variable]]  # the same, of results stored as bfloat16
    stored: ClassVar[BFloat16 | None] = None  # the data of such a result
    add_large: ClassVar[Callable[[Array, Array], Array]] = operator.add  # of gradients on a CPU
    narrow: ClassVar[Callable[[Array], Array]] = rounded  # the words of bfloat16 for float32
    widen: ClassVar[Callable[[Array], Array]] = numbers  # and back

    def __init__(
        self,
        data: Array,
        device: Device = CPU,
        creator: Function | None = None,
        requires_grad: bool = False,
    ) -> None:
        self.data = data
        self.device = device
        self.creator = creator
        self.requires_grad = requires_grad
        self.grad: Array | None = None  # only leaves receive one
        if creator is None:
            self._require_array()

    def _require_array(self) -> None:
        """Raise unless `data` is an array; copy it where kernels or gradients could not use it."""
        if type(self.data) is np.ndarray and self.data.base is None and not self.requires_grad:
            return  # the result of an op without a graph, most often
        if isinstance(self.data, np.generic):  # a single number of NumPy
            self.data = np.asarray(self.data)
        if type(self.data) is not np.ndarray and not is_array(self.data):
            raise TypeError(
                f"{type(self).__name__}: it wraps an array; got {type(self.data).__name__}. "
                "tn.tensor(x) makes a tensor of numbers and lists."
            )
        if not is_aligned(self.data) or (self.requires_grad and not is_writable(self.data)):
            self.data = self.data.copy()

    def retain_grad(self) -> None:
        """Ask backward() to leave the gradient in `.grad`, as it does for leaves."""
        if self.creator is not None:
            self.creator.output = weakref.ref(self)  # weak: still no reference cycle

    def mark_changed(self) -> None:
        """Note that `data` was written to: graphs that saved its old values are refused."""
        global _last_change
        if isinstance(self.data, np.generic):  # x.data = 2 * x.data, of an array without axes
            self.data = np.asarray(self.data)
        key = id(self.data)
        if _written.get(key) is not self.data:
            _written[key] = self.data
        _written_at[key] = _last_change = next(_serials)

    def backward(
        self,
        gy: Variable | Array | float | None = None,
        *,
        keep_graph: bool = False,
        **unknown: Never,
    ) -> None:
        """Add d(self)/d(leaf) to the `.grad` of every leaf that requires it.

        A node is made after the nodes it uses, so visiting the youngest first reaches every node
        when its own gradient is complete.

        Parameters
        ----------
        gy : tensor or array of the shape of this value, or a number, optional
            The gradient to start with; needed unless this value has one element (then 1).
            A number stands for an array filled with it.
        keep_graph : bool
            Keep what the nodes saved, so that backward() can be called again.

        Raises
        ------
        GraphError
            If this value was not computed from a tensor that requires a gradient, has more than
            one element and no `gy`, if the graph is freed, or if an optimizer has changed what
            it saved.
        ShapeError
            If `gy` has another shape.
        """
        refuse_keywords("backward", unknown)
        first = self._starting_node(gy)
        watching = hooks.active.get()
        pending: dict[Function, Any] = {first: _stored(self._starting_gradient(gy), self)}
        youngest_first = [(-first.serial, first)]
        while youngest_first:
            node = heapq.heappop(youngest_first)[1]
            gy = pending.pop(node)
            gradients = node.gradients(gy)
            for x, gx in gradients:
                maker = x.creator
                if maker is None:
                    if watching is not None:
                        watching.on_leaf_gradient(x)
                    old = x.grad
                    x.grad = (
                        _unshared(x, gx, gy, gradients) if old is None else _sum(old, gx, x.device)
                    )
                elif maker in pending:
                    pending[maker] = _sum(pending[maker], gx, x.device)
                else:
                    pending[maker] = gx
                    heapq.heappush(youngest_first, (-maker.serial, maker))
            if not keep_graph:  # memory returns as we walk
                node.saved = None
                node.inputs = ()
                node.freed = True

    def _starting_node(self, gy: Any) -> Function:
        """Return the node that made this value, or say why backward() cannot start here."""
        if self.creator is None:
            raise GraphError(
                f"backward: it starts from a value that was computed from tensors with "
                f"requires_grad=True; this one, of shape {self.data.shape}, was not."
            )
        if gy is None and self.data.size != 1:
            raise GraphError(
                f"backward: it starts from one number, usually the loss; this value has shape "
                f"{self.data.shape}. Take .sum() or .mean() first."
            )
        return self.creator

    def _starting_gradient(self, gy: Any) -> Array:
        """Return the gradient of this value as an array like its data."""
        xp = array_module(self.data)
        with current(self.device):
            if gy is None:
                return xp.ones_like(self.data)
            if isinstance(gy, Real):
                return xp.full_like(self.data, gy)
            given = gy.data if isinstance(gy, Variable) else gy
            if is_array(given) and array_module(given) is not xp:
                raise DeviceError(
                    f"backward: gy must lie on {self.device}, as this value does. Ops never move "
                    f'data; tn.tensor(gy, device="{self.device}") does.'
                )
            given = xp.asarray(given)
            if given.shape != self.data.shape:
                raise ShapeError(
                    f"backward: gy must have the shape {self.data.shape} of this value, "
                    f"not {given.shape}."
                )
            return given.astype(self.data.dtype, copy=False)


Variable.output_type = Variable


def _stored(gx: Any, x: Variable) -> Any:
    """Return a gradient of x in the form in which x is stored; that of a leaf as an array."""
    half = x.stored is not None and x.creator is not None
    if isinstance(gx, BFloat16) == half:
        return gx
    with current(x.device):
        return BFloat16(Variable.narrow(gx)) if half else Variable.widen(gx.words)


def _sum(a: Any, b: Any, where: Device) -> Any:
    """Return a + b as a new array: a and b may be used elsewhere."""
    if type(a) is BFloat16:
        with current(where):
            total = Variable.widen(a.words) + Variable.widen(b.words)
            return BFloat16(Variable.narrow(total))
    if where.kind == "cpu":
        total = a + b if a.size < LARGE else Variable.add_large(a, b)
    else:
        with current(where):
            total = a + b
    return total if type(total) is np.ndarray else _array(total)


def _array(x: Array) -> Array:
    """Return an array, also where NumPy made a scalar of one without axes."""
    return x if is_array(x) else array_module(x).asarray(x)


def _may_share(a: Array, b: Array) -> bool:
    """Return whether two arrays may have memory in common."""
    return type(a) is type(b) and array_module(a).may_share_memory(a, b)


def _unshared(x: Variable, gx: Array, gy: Array, gradients: list[tuple[Variable, Array]]) -> Array:
    """Return the gradient of a leaf in memory of its own, that can be written to."""
    gx = _array(gx)
    others = [gy, *(other for leaf, other in gradients if leaf is not x)]
    if is_writable(gx) and not any(_may_share(gx, other) for other in others):
        return gx
    with current(x.device):
        return gx.copy()


class Function:
    """One application of an op: a node of the graph.

    Subclasses write ``forward(*arrays)``, which returns an array, and ``backward(gy)``, which
    returns a gradient, or a tuple of them: one per input, None where there is none. What backward
    needs, forward puts in ``saved``, an array or a tuple of arrays and other values. An object that
    is applied again makes a node of its own, with attributes of the same values.

    >>> import tinynet as tn
    >>> class Square(tn.Function):
    ...     def forward(self, x):
    ...         self.saved = x
    ...         return x * x
    ...
    ...     def backward(self, gy):
    ...         return 2 * self.saved * gy
    >>> x = tn.tensor([3.0], requires_grad=True)
    >>> Square()(x).backward()
    >>> x.grad
    array([6.], dtype=float32)
    """

    forward: Callable[..., Array]
    takes_bfloat16 = False  # whether forward and backward take arrays of BFloat16, too
    saved: Any = None
    inputs: tuple[Variable, ...] = ()
    output: weakref.ref[Variable] | None = None
    serial = 0  # nodes count up as they are made; 0 is no node yet
    freed = False

    def backward(self, gy: Array) -> Any:
        """Return the gradients of the inputs; a subclass writes it."""
        raise NotImplementedError(f"{self.op()}: its class has no backward(gy), so no gradient.")

    def __call__(self, *inputs: Any) -> Any:
        """Apply the op to tensors of one device; remember them if a gradient may be asked for."""
        if self.serial:  # an op object that is used again makes a node of its own
            return self._fresh()(*inputs)
        first = inputs[0]
        device: Any = getattr(first, "device", None)  # a number has none, and is checked below
        wanted = False
        halves = self.takes_bfloat16
        arrays: list[Any] = []
        for x in inputs:
            if not isinstance(x, Variable) or (x.device is not device and x.device != device):
                return self(*self._checked(inputs))
            arrays.append(x.stored if halves and x.stored is not None else x.data)
            wanted = wanted or x.requires_grad
        self.inputs = inputs  # before forward, which may ask needs_grad()
        watching = hooks.active.get()
        arrays = arrays if watching is None else watching.on_apply(inputs, arrays)
        if device.kind == "cpu":
            data = self.forward(*arrays)
        else:
            with current(device, self.described):
                data = self.forward(*arrays)
        kind: Any = first.output_type
        if type(data) is not np.ndarray:
            kind = first.stored_type if isinstance(data, BFloat16) else kind
            data = self._output(data)
        if wanted and not no_grad_depth.get():
            self.serial = next(_serials)
            return kind(data, device, self, True)
        self.saved = None
        self.inputs = ()
        return kind(data, device)

    def _output(self, data: Any) -> Any:
        """Return what forward computed as an array, or say that it is none."""
        if isinstance(data, BFloat16):
            return data
        if not isinstance(data, np.generic) and not is_array(data):
            raise TypeError(
                f"{self.op()}: forward must return one array, and it returned "
                f"{type(data).__name__}. Of a number: np.asarray(y)."
            )
        return _array(data)

    def _fresh(self) -> Function:
        """Return a copy of this op that is no node yet."""
        fresh = copy.copy(self)
        fresh.saved = None
        fresh.inputs = ()
        fresh.output = None
        fresh.serial = 0
        fresh.freed = False
        return fresh

    def _checked(self, inputs: tuple[Variable | float, ...]) -> list[Variable]:
        """Return the inputs with numbers as constants, or say what does not belong here."""
        tensors = [x for x in inputs if isinstance(x, Variable)]
        for x in inputs:
            if not isinstance(x, Real) or not tensors:
                require_tensors(self.op(), x)
        like = tensors[0]
        if any(x.device != like.device for x in tensors):
            places = ", ".join(f"a {x.data.shape} tensor on {x.device}" for x in tensors)
            raise DeviceError(
                f'{self.op()}: got {places}. Ops never move data; use x.to("{like.device}").'
            )
        with current(like.device):
            return [
                x
                if isinstance(x, Variable)
                else like.output_type(scalar(x, like.data), like.device)
                for x in inputs
            ]

    def needs_grad(self, i: int) -> bool:
        """Return whether the gradient of input i is wanted: it may be costly."""
        return self.inputs[i].requires_grad

    def gradients(self, gy: Array) -> list[tuple[Variable, Array]]:
        """Return the inputs that want a gradient, each with its own."""
        if self.freed:
            raise GraphError(
                f"backward: it already went through this graph (at {self.op()}) and what was "
                "saved is gone. Pass keep_graph=True the first time."
            )
        if _last_change > self.serial:
            self._refuse_changed()
        if self.output is not None:
            self._retain(gy)
        pairs = []
        for x, gx in zip(self.inputs, self._returned(gy), strict=True):
            if gx is not None and x.requires_grad:
                data: Any = x.data if x.stored is None else x.stored
                if getattr(gx, "shape", None) != data.shape:
                    self._refuse_gradient(gx, data)
                if gx.dtype != data.dtype:
                    gx = (
                        _stored(gx, x)
                        if "bfloat16" in (gx.dtype, data.dtype)
                        else gx.astype(data.dtype)
                    )
                pairs.append((x, gx))
        return pairs

    def _returned(self, gy: Array) -> Sequence[Any]:
        """Return what backward computes, one entry for each input."""
        if self.inputs[0].device.kind == "cpu":
            found = self.backward(gy)
        else:
            with current(self.inputs[0].device, self.described):
                found = self.backward(gy)
        found = found if isinstance(found, (tuple, list)) else (found,)
        if len(found) != len(self.inputs):
            raise TypeError(
                f"{self.op()}: backward returns one gradient for each input, None where there is "
                f"none; it returned {len(found)} for {len(self.inputs)} inputs."
            )
        return found

    def _refuse_gradient(self, gx: Any, data: Array) -> Never:
        if not is_array(gx) and not isinstance(gx, np.generic):
            raise TypeError(
                f"{self.op()}: backward returns arrays; it returned a {type(gx).__name__}. "
                "Of a number: np.asarray(gx)."
            )
        raise ShapeError(
            f"{self.op()}: backward returned a gradient of shape {gx.shape} for an input of shape "
            f"{data.shape}."
        )

    def _retain(self, gy: Array) -> None:
        """Add to the gradient of an output that asked for it with retain_grad()."""
        y = self.output() if self.output is not None else None
        if y is not None:
            with current(y.device):
                gy = Variable.widen(gy.words) if isinstance(gy, BFloat16) else gy
                y.grad = gy.copy() if y.grad is None else y.grad + gy

    def _refuse_changed(self) -> None:
        """Raise if the values with which forward computed were overwritten since."""
        saved = self.saved if isinstance(self.saved, (tuple, list)) else (self.saved,)
        arrays = [a for a in saved if is_array(a)]
        for key, written in _written.items():
            if _written_at[key] > self.serial and any(_may_share(a, written) for a in arrays):
                raise GraphError(
                    f"backward: a tensor {written.shape} of {self.op()} was changed after the "
                    "forward pass, by optimizer.step() for example, so the gradient would be "
                    "wrong. Call backward() before the change, or compute the forward pass again."
                )

    def described(self) -> str:
        """Return the op and its inputs, for a message: "add of a cupy array (2, 3), ..."."""
        kinds = [f"a {array_module(x.data).__name__} array {x.data.shape}" for x in self.inputs]
        return f"{self.op()} of {' and '.join(kinds)}"

    def op(self) -> str:
        """Return the name of the op as users call it: MaxPool2d is max_pool2d."""
        return re.sub("(?<=[a-z])(?=[A-Z][a-z])", "_", type(self).__name__).lower()


def require_tensors(op: str, *inputs: Any) -> None:
    """Raise TypeError at the first input that is no tensor."""
    for x in inputs:
        if not isinstance(x, Variable):
            raise TypeError(
                f"{op}: expected a Tensor, got {type(x).__module__}.{type(x).__qualname__}. "
                "Wrap it: tn.tensor(x)."
            )
