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
import re
import weakref
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from tinynet.backend import CPU, Array, Device, array_module, current
from tinynet.errors import DeviceError, GraphError, ShapeError

_recording: contextvars.ContextVar[bool] = contextvars.ContextVar("tinynet.grad", default=True)


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

        Parameters
        ----------
        gy : array of the shape of this value, optional
            The gradient to start with; needed unless this value has one element (then 1).
        keep_graph : bool
            Keep what the nodes saved, so that backward() can be called again.
        """
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
        pending = {self.creator: array_module(self.data).ones_like(self.data) if gy is None else gy}
        for node in reversed(topological_order(self.creator)):
            if node in pending:  # otherwise every path to it was cut
                node.pass_back(pending.pop(node), pending, keep_graph)


Variable.output_type = Variable


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
    freed = False

    def __call__(self, *inputs: Variable) -> Any:
        """Apply the op to variables of one device; remember them if a gradient may be asked for."""
        first, wanted = inputs[0], False
        for x in inputs:
            if not isinstance(x, Variable):
                raise TypeError(
                    f"{self.op()}: expected a Tensor, got {type(x).__module__}.{type(x).__name__}. "
                    "Wrap it: tn.tensor(x)."
                )
            if x.device is not first.device and x.device != first.device:
                places = ", ".join(f"a {v.data.shape} tensor on {v.device}" for v in inputs)
                raise DeviceError(
                    f"{self.op()}: got {places}. Ops never move data; use x.to({first.device!r})."
                )
            wanted = wanted or x.requires_grad
        wanted = wanted and _recording.get()
        self.inputs = inputs  # set before forward, which may ask needs_grad()
        if first.device.kind == "cpu":
            data = self.forward(*[x.data for x in inputs])
        else:
            with current(first.device):
                data = self.forward(*[x.data for x in inputs])
        if not hasattr(data, "flags"):  # NumPy reductions return scalars, not arrays
            data = array_module(data).asarray(data)
        if not wanted:
            self.saved, self.inputs = None, ()
            return first.output_type(data, first.device)
        return first.output_type(data, first.device, self, True)

    def needs_grad(self, i: int) -> bool:
        """Return whether the gradient of input i is wanted: it may be costly."""
        return self.inputs[i].requires_grad

    def pass_back(self, gy: Array, pending: dict[Function, Array], keep_graph: bool) -> None:
        """Turn gy into the gradients of the inputs: into `.grad` of leaves, `pending` of nodes."""
        if self.output is not None and (kept := self.output()) is not None:
            kept.grad = gy if kept.grad is None else kept.grad + gy
        with current(self.inputs[0].device):
            gradients = self.backward(gy)
        if not isinstance(gradients, tuple):
            gradients = (gradients,)
        for x, gx in zip(self.inputs, gradients, strict=True):
            if gx is not None and x.requires_grad:
                self._deliver(gx, x, pending)
        if not keep_graph:
            self.saved, self.inputs, self.freed = None, (), True  # memory returns as we walk

    def _deliver(self, gx: Array, x: Variable, pending: dict[Function, Array]) -> None:
        """Add gx to the gradient of the input x, without changing arrays that others may share."""
        if gx.shape != x.data.shape:
            raise ShapeError(
                f"{self.op()}: backward returned a gradient of shape {gx.shape} for an input "
                f"of shape {x.data.shape}."
            )
        if x.creator is None:
            gx = gx.astype(x.data.dtype, copy=False)
            x.grad = gx if x.grad is None else x.grad + gx
        else:
            other = pending.get(x.creator)
            pending[x.creator] = gx if other is None else other + gx

    def op(self) -> str:
        """Return the name of the op as users call it: MaxPool2d is max_pool2d."""
        return re.sub("(?<=[a-z])(?=[A-Z][a-z])", "_", type(self).__name__).lower()


def topological_order(last: Function) -> list[Function]:
    """Return the nodes below `last` and `last` itself, every node after the makers of its inputs.

    Iterative: a chain of 20,000 additions is deeper than Python's recursion limit.
    """
    order: list[Function] = []
    seen: set[Function] = set()
    stack = [(last, False)]
    while stack:
        node, inputs_are_done = stack.pop()
        if inputs_are_done:
            order.append(node)
        elif node not in seen:
            if node.freed:
                raise GraphError(
                    f"backward: it already went through this graph (at {node.op()}) and what was "
                    "saved is gone. Pass keep_graph=True the first time."
                )
            seen.add(node)
            stack.append((node, True))
            stack.extend((x.creator, False) for x in node.inputs if x.creator is not None)
    return order
