"""The graph and the walk back: everything about derivatives that is not an op.

A :class:`Function` is one application of an op and also a node of the graph. A :class:`Variable`
is a value that remembers the node that made it. ``backward()`` visits the nodes in reverse order
and hands every one of them the gradient of its output::

    x ──► [Mul] ──► h ──► [Sum] ──► loss          forward: data flows right, nodes are linked
    gx ◄── [Mul] ◄── gh ◄── [Sum] ◄── 1           backward: each node turns gy into gradients

Nodes know their inputs, never their outputs: there is no reference cycle, and a loss that goes
out of scope frees its whole graph at once. Gradients of gradients are not computed.
"""

from __future__ import annotations

import contextlib
import contextvars
import heapq
import itertools
import re
import weakref
from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any, ClassVar

from tinynet.core import hooks
from tinynet.core.backend import CPU, Array, Device, array_module, current, is_array, scalar
from tinynet.core.errors import DeviceError, GraphError, ShapeError

_recording: contextvars.ContextVar[bool] = contextvars.ContextVar("tinynet.grad", default=True)
_serials = itertools.count(1)


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Inside the block nothing is recorded: less memory, and backward() has nothing to walk."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


class Variable:
    """A value that remembers the function that made it."""

    __slots__ = ("__weakref__", "creator", "data", "device", "grad", "requires_grad")
    output_type: ClassVar[type[Variable]]  # what an op makes of variables of this class

    def __init__(
        self,
        data: Array,
        device: Device = CPU,
        creator: Function | None = None,
        requires_grad: bool = False,
    ) -> None:
        self.data, self.device = data, device
        self.creator, self.requires_grad = creator, requires_grad
        self.grad: Array | None = None  # only leaves receive one

    def retain_grad(self) -> None:
        """Ask backward() to leave the gradient in `.grad`, as it does for leaves."""
        if self.creator is not None:
            self.creator.output = weakref.ref(self)  # weak: still no reference cycle

    def backward(self, gy: Array | None = None, *, keep_graph: bool = False) -> None:
        """Add d(self)/d(leaf) to the `.grad` of every leaf that requires it.

        A node is made after the nodes it uses, so visiting the youngest first reaches every node
        when its own gradient is complete.

        Parameters
        ----------
        gy : array of the shape of this value, optional
            The gradient to start with; needed unless this value has one element (then 1).
        keep_graph : bool
            Keep what the nodes saved, so that backward() can be called again.
        """
        first = self._starting_node(gy)
        watching = hooks.active.get()
        if gy is None:
            with current(self.device):
                gy = array_module(self.data).ones_like(self.data)
        pending = {first: gy}
        youngest_first = [(-first.serial, first)]
        while youngest_first:
            node = heapq.heappop(youngest_first)[1]
            for x, gx in node.gradients(pending.pop(node)):
                maker = x.creator
                if maker is None:
                    if watching is not None:
                        watching.on_leaf_gradient(x)
                    x.grad = gx if x.grad is None else _sum(x.grad, gx, x.device)
                elif maker in pending:
                    pending[maker] = _sum(pending[maker], gx, x.device)
                else:
                    pending[maker] = gx
                    heapq.heappush(youngest_first, (-maker.serial, maker))
            if not keep_graph:  # memory returns as we walk
                node.saved, node.inputs, node.freed = None, (), True

    def _starting_node(self, gy: Array | None) -> Function:
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
        if gy is not None and gy.shape != self.data.shape:
            raise ShapeError(
                f"backward: gy must have the shape {self.data.shape} of this value, not {gy.shape}."
            )
        return self.creator


Variable.output_type = Variable


def _sum(a: Array, b: Array, where: Device) -> Array:
    """Return a + b as a new array: others may share the two."""
    with current(where):
        return a + b


class Function:
    """One application of an op: a node of the graph.

    Subclasses write ``forward(*arrays)``, which returns an array, and ``backward(gy)``, which
    returns a gradient, or a tuple of them: one per input, None where there is none. What backward
    needs, forward puts in ``saved``.
    """

    forward: Callable[..., Array]
    backward: Callable[..., Any]
    saved: Any = None
    inputs: tuple[Variable, ...] = ()
    output: weakref.ref[Variable] | None = None
    serial = 0  # nodes count up as they are made
    freed = False

    def __call__(self, *inputs: Any) -> Any:
        """Apply the op to tensors of one device; remember them if a gradient may be asked for."""
        first, wanted = inputs[0], False
        for x in inputs:
            if not isinstance(x, Variable) or x.device != first.device:
                return self(*self._checked(inputs))
            wanted = wanted or x.requires_grad
        self.inputs = inputs  # before forward, which may ask needs_grad()
        watching = hooks.active.get()
        arrays = [x.data for x in inputs] if watching is None else watching.on_apply(inputs)
        if first.device.kind == "cpu":
            data = self.forward(*arrays)
        else:
            with current(first.device, self.described):
                data = self.forward(*arrays)
        if not is_array(data):  # NumPy reductions return scalars
            data = array_module(data).asarray(data)
        if wanted and _recording.get():
            self.serial = next(_serials)
            return first.output_type(data, first.device, self, True)
        self.saved, self.inputs = None, ()
        return first.output_type(data, first.device)

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
        if self.output is not None and (kept := self.output()) is not None:
            kept.grad = gy if kept.grad is None else _sum(kept.grad, gy, kept.device)
        if self.inputs[0].device.kind == "cpu":
            found = self.backward(gy)
        else:
            with current(self.inputs[0].device, self.described):
                found = self.backward(gy)
        pairs = []
        for x, gx in zip(self.inputs, found if type(found) is tuple else (found,), strict=True):
            if gx is not None and x.requires_grad:
                if gx.shape != x.data.shape:
                    raise ShapeError(
                        f"{self.op()}: backward returned a gradient of shape {gx.shape} for an "
                        f"input of shape {x.data.shape}."
                    )
                pairs.append((x, gx if gx.dtype == x.data.dtype else gx.astype(x.data.dtype)))
        return pairs

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
