"""Graph capture, `tn.graph`: record a training step once, then replay it.

    step = tn.graph(step)
    for images, labels in batches:
        loss = step(images, labels)

The first call runs the step as always, which compiles its kernels. The second records it. Each
further call is a replay, without the Python of the step: on a GPU it launches the same kernels
within microseconds. Every call counts as one step, and its numbers are those of the step without a
graph.
"""

from __future__ import annotations

import contextvars
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.core import hooks, random
from tinynet.core.autograd import Variable
from tinynet.core.backend import (
    Array,
    Device,
    array_module,
    captured,
    current,
    device,
    is_array,
    transfer,
)
from tinynet.core.errors import CaptureError
from tinynet.core.recorder import Recorder, plain
from tinynet.tensors import Tensor

Step = Callable[..., Any]
_NODE = re.compile(r'^\s*"graph_\d+_node_\d+"\s*\[', re.MULTILINE)
"""The line of a node in CUDA's description of a graph, which is in the language of Graphviz."""


def graph(step: Step, *, device: str | Device | None = None) -> Graph:
    """Return a function that does what `step` does, by replaying a record of it.

    A replay takes over the arguments of the call, the learning rate, dropout's randomness, the
    state of optimizers and of batch normalization, and weights that were loaded meanwhile.

    A replay repeats the launches of the second call. It does not repeat what else Python did (a
    print, an ``if``, an attribute), nor, on a CPU, arithmetic on raw arrays that no op has made.
    Values cannot be read inside the step; shapes must not change; ``model.eval()`` or another
    momentum needs a graph of its own.

    Parameters
    ----------
    step : takes tensors and arrays, returns tensors, arrays, tuples of them, or None
        The results of each call are copies, which later calls do not change.
    device : str, optional
        The device of arrays among the arguments; by default that of the tensors.

    Returns
    -------
    a callable with the arguments and results of `step`

    Raises
    ------
    CaptureError
        By a call, if the step cannot be recorded, or if the record does not fit the call.

    Examples
    --------
    >>> import tinynet as tn
    >>> double = tn.graph(lambda x: x * 2)
    >>> [double(tn.tensor([i])).item() for i in range(4)]
    [0.0, 2.0, 4.0, 6.0]
    """
    return Graph(step, device)


class Graph:
    """A step with its recording; see `graph`."""

    def __init__(self, step: Step, where: str | Device | None) -> None:
        self.step = step
        self._asked = where
        self._notes: Recorder | None = None
        self._replay: Callable[[], None] | None = None
        self._inputs: tuple[Any, ...] = ()
        self._outputs: Any = None
        self._draws = 0
        self._count: Callable[[], int] = lambda: 0

    @property
    def nodes(self) -> int:
        """How many kernels and copies a replay launches; 0 before the second call."""
        return self._count()

    def __call__(self, *args: Any) -> Any:
        """Run the step once: as it is, while it is recorded, or by a replay."""
        if hooks.active.get() is not None:
            raise CaptureError(
                "graph: a graph cannot be recorded inside of another. Call the step itself."
            )
        notes = self._notes
        if notes is None:
            where = self._place(args)
            with current(where):
                inputs = tuple(_static(x, i, where) for i, x in enumerate(args))
                counters = _like(where).zeros(3, np.uint64)
            self._notes = notes = Recorder(where, counters)
            self._inputs = inputs
            try:
                self._place_counters(notes)
                return _copied(self._run(notes, "warm"), where)
            except BaseException:
                self._notes = None  # nothing has begun
                raise
        if self._replay is None:
            self._take(args, notes.where)
            self._record(notes)
        else:
            self._check(notes)
            self._take(args, notes.where)
            for prepare in notes.before_replay:
                prepare()
            self._place_counters(notes)
            random.skip(self._draws)
            notes.refresh()
            self._replay()
        return _copied(self._outputs, notes.where)

    def _place(self, args: tuple[Any, ...]) -> Device:
        """Return the one device of the arguments."""
        found = {x.device for x in args if isinstance(x, Variable)}
        if len(found) > 1:
            raise CaptureError(
                f"graph: its arguments must lie on one device; got {', '.join(sorted(found))}."
            )
        return found.pop() if found else device(self._asked)

    def _run(self, notes: Recorder, phase: str) -> Any:
        """Run the step in Python."""
        draw = random.counters()[2]
        token = captured.set(notes.where if phase != "warm" else None)
        try:
            with notes.running(phase, draw):
                outputs = self.step(*_shown(self._inputs, notes))
        finally:
            captured.reset(token)
        self._draws = random.counters()[2] - draw
        return plain(outputs)

    def _record(self, notes: Recorder) -> None:
        self._place_counters(notes)
        if notes.where.kind == "cpu":
            context = contextvars.copy_context()  # the kind of kernels, the precision
            self._outputs = self._run(notes, "record")
            tape = tuple(notes.tape)

            def replay() -> None:
                for launch in tape:
                    context.run(launch)

            self._replay = replay
            self._count = lambda: len(tape)
        else:
            with current(notes.where, lambda: "graph"):
                self._replay = self._captured(notes)
                notes.refresh()
                self._replay()

    def _captured(self, notes: Recorder) -> Callable[[], None]:
        """Let CUDA record the launches of the step, with memory that is reserved for them."""
        import cupy

        pool = cupy.cuda.MemoryPool()
        stream = cupy.cuda.Stream(non_blocking=True)
        with cupy.cuda.using_allocator(pool.malloc), stream:
            stream.begin_capture()
            try:
                self._outputs = self._run(notes, "capture")
            except BaseException:
                _abandon(stream)
                raise
            launches = stream.end_capture()
        self._count = lambda: len(_NODE.findall(launches.debug_dot_str()))

        def replay(keep: Any = (pool, stream)) -> None:  # cuBLAS remembers the stream
            launches.launch(cupy.cuda.get_current_stream())

        return replay

    def _place_counters(self, notes: Recorder) -> None:
        """Write the position of the random streams to the memory that the launches read."""
        with current(notes.where):
            values = np.array(random.counters(), np.uint64)
            notes.counters[...] = array_module(notes.counters).asarray(values)

    def _take(self, args: tuple[Any, ...], where: Device) -> None:
        """Copy the arguments of a call to the memory that the launches read."""
        if len(args) != len(self._inputs):
            raise CaptureError(
                f"graph: the step had {len(self._inputs)} arguments, got {len(args)}."
            )
        with current(where):
            for i, (x, mine) in enumerate(zip(args, self._inputs, strict=True)):
                new = _array(x, i)
                old = _array(mine, i)
                if (new.shape, new.dtype) != (old.shape, old.dtype) or (
                    isinstance(x, Variable) and x.device != where
                ):
                    raise CaptureError(
                        f"graph: argument {i} was {_facts(mine, where)} when the step was "
                        f"recorded and is {_facts(x, where)} now. A graph takes one shape: drop a "
                        "last batch that is smaller, or make it a graph of its own."
                    )
                old[...] = new if isinstance(old, np.ndarray) else array_module(old).asarray(new)

    def _check(self, notes: Recorder) -> None:
        """Raise where a replay would be wrong; take over weights that were loaded meanwhile."""
        for what, get, value in notes.watched:
            now = get()
            if now != value:
                raise CaptureError(
                    f"graph: {what} was {value} when the step was recorded and is {now} now. "
                    "Make another graph: tn.graph(step)."
                )
        for what, objects, kept in notes.held:
            if any(a is not b for a, b in zip(objects(), kept, strict=True)):
                raise CaptureError(
                    f"graph: {what} was replaced since the step was recorded. "
                    "Make another graph: tn.graph(step)."
                )
        for tensor, array in notes.leaves.values():
            if tensor.data is array:
                continue
            new = tensor.data
            if tensor.device != notes.where or (new.shape, new.dtype) != (array.shape, array.dtype):
                raise CaptureError(
                    f"graph: a tensor of the step was {array.dtype} {array.shape} on {notes.where} "
                    f"and is {new.dtype} {new.shape} on {tensor.device} now. "
                    "Make another graph: tn.graph(step)."
                )
            with current(notes.where):
                array[...] = new
            tensor.data = array
            tensor.mark_changed()


def _abandon(stream: Any) -> None:
    """End a capture that went wrong; CUDA may already have ended it."""
    try:
        stream.end_capture()
    except RuntimeError:
        return


def _like(where: Device) -> Any:
    """Return the library whose arrays lie on this device: numpy or cupy."""
    if where.kind == "cpu":
        return np
    import cupy

    return cupy


def _array(x: Any, i: int) -> Array:
    """Return the array of an argument; raise if it is none."""
    if isinstance(x, Variable) and (x.creator is not None or x.requires_grad):
        raise CaptureError(
            f"graph: argument {i} requires a gradient; arguments are data. Use x.detach()."
        )
    data = x.data if isinstance(x, Variable) else x
    if not is_array(data):
        raise CaptureError(
            f"graph: argument {i} is {x!r}; arguments are tensors and arrays, since any other "
            "value would stay what it was when the step was recorded."
        )
    return data


def _static(x: Any, i: int, where: Device) -> Any:
    """Return the copy of an argument that the launches will read."""
    copy = transfer(_array(x, i), where)
    return Tensor(copy, where) if isinstance(x, Variable) else copy


def _shown(inputs: tuple[Any, ...], notes: Recorder) -> list[Any]:
    """Return the arguments in the form in which the step gets them."""
    return [x if isinstance(x, Variable) else notes.on_array(x) for x in inputs]


def _facts(x: Any, where: Device) -> str:
    array = x.data if isinstance(x, Variable) else x
    return f"{array.dtype} {array.shape} on {x.device if isinstance(x, Variable) else where}"


def _copied(x: Any, where: Device) -> Any:
    """Return results that the next call does not overwrite."""
    if isinstance(x, (tuple, list)):
        return type(x)(_copied(v, where) for v in x)
    if isinstance(x, dict):
        return {name: _copied(v, where) for name, v in x.items()}
    if isinstance(x, Variable):
        return Tensor(_copied(plain(x.data), where), where)
    if x is None:
        return None
    if not is_array(x):
        raise CaptureError(
            f"graph: the step returned {x!r}; results are tensors and arrays, since any other "
            "value would stay what it was when the step was recorded."
        )
    with current(where):
        return x.copy()
