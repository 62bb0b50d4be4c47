"""What a graph writes down while its step runs once; `capture.graph` is what people call.

On a GPU the launches are written down by CUDA. On a CPU they are written down here: during the
recording the engine computes with `Recorded` arrays, which carry out what is done to them and note
it on a tape. Either way a replay repeats launches, not Python. So what may change from one step to
the next has to lie in memory: the arguments, the numbers that were asked for with `live`, and the
counters of the random streams.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from tinynet.core.backend import Array, Device, array_module, current
from tinynet.core.errors import GraphError

_active: contextvars.ContextVar[Recorder | None] = contextvars.ContextVar(
    "tinynet.recorder", default=None
)


def recorder() -> Recorder | None:
    """Return who writes down what runs now, if anybody does."""
    return _active.get()


@contextlib.contextmanager
def unrecorded() -> Iterator[None]:
    """Inside the block nobody writes down: a kernel may call others, and is noted as a whole."""
    token = _active.set(None)
    try:
        yield
    finally:
        _active.reset(token)


def live(compute: Callable[[], float], like: Array) -> Any:
    """Return a number that may be another one at the next replay: ``compute()`` says which.

    Outside of graphs it is simply that number; in a graph an array without axes, of the dtype of
    `like`, which is filled anew before every replay.
    """
    noting = _active.get()
    return compute() if noting is None else noting.live(compute, like)


def kept(make: Callable[[], Array]) -> Array:
    """Return a constant array that comes from the host; a graph makes it before it records."""
    noting = _active.get()
    return make() if noting is None else noting.kept(make)


def seen(x: Any) -> Array:
    """Return the array of a tensor, or an array, so that a graph, if there is one, notes its use.

    An op gets its inputs so. It is for what is computed, or changed in place, outside of ops.
    """
    noting, is_tensor = _active.get(), hasattr(x, "creator")
    if noting is None:
        return x.data if is_tensor else x
    return noting.enter([x])[0] if is_tensor else noting.seen(x)


class Recorder:
    """The notes of one graph.

    Attributes
    ----------
    phase : "warm" (the step runs as always), "record" (a CPU: it runs, and is noted) or "capture"
        (a GPU: it is noted and does not run)
    tape : what a replay has to do, on a CPU
    counters : (3,) uint64, on the device: seed, step and draw at which a replay begins to draw
    """

    def __init__(self, where: Device, counters: Array) -> None:
        self.where, self.counters, self.phase, self.first_draw = where, counters, "warm", 0
        self.tape: list[Callable[[], object]] = []
        self.dials: list[tuple[Array, float]] = []  # and what they hold
        self.constants: list[Array] = []
        self.asks: list[Callable[[], float]] = []  # what they shall hold
        self.watched: list[tuple[str, Callable[[], Any], Any]] = []
        self.held: list[tuple[str, Callable[[], list[Any]], list[Any]]] = []
        self.hooks: list[Callable[[], None]] = []
        self.leaves: dict[int, tuple[Any, Array]] = {}  # tensors that no op has made
        self.grads: set[int] = set()
        self.used = self.taken = 0  # dials and constants, so far in this run of the step

    @contextlib.contextmanager
    def running(self, phase: str, first_draw: int) -> Iterator[None]:
        """Inside the block write down what runs."""
        self.phase, self.used, self.taken, self.first_draw = phase, 0, 0, first_draw
        self.hooks, self.watched, self.held, self.tape = [], [], [], []
        self.grads, self.leaves, self.asks = set(), {}, []
        token = _active.set(self)
        try:
            yield
        finally:
            _active.reset(token)
            for leaf, _ in self.leaves.values():
                leaf.grad = plain(leaf.grad)

    def live(self, compute: Callable[[], float], like: Array) -> Array:
        """See the function `live`. The n-th call gets the n-th dial, in every run of the step."""
        if self.used == len(self.dials):
            if self.phase != "warm":
                raise GraphError(
                    f"graph: the step took {self.used} numbers when it ran first and takes more "
                    "now. It must do the same every time."
                )
            self.dials.append((array_module(like).empty((), like.dtype), math.nan))
        self.asks.append(compute)
        self.used += 1
        if self.phase != "capture":  # to fill it now would be captured; it is done before a launch
            self._turn(self.used - 1)
        return self.seen(self.dials[self.used - 1][0])

    def kept(self, make: Callable[[], Array]) -> Array:
        """See the function `kept`. The n-th call gets the n-th constant."""
        if self.taken == len(self.constants):
            self.constants.append(make())
        self.taken += 1
        return self.constants[self.taken - 1]

    def refresh(self) -> None:
        """Write what the dials shall hold now into the memory that the launches read."""
        for i in range(len(self.asks)):
            self._turn(i)

    def _turn(self, i: int) -> None:
        (array, old), new = self.dials[i], self.asks[i]()
        if new != old:
            with current(self.where):
                array.fill(new)
            self.dials[i] = array, new

    def watch(self, what: str, get: Callable[[], Any]) -> None:
        """Let a replay fail, with a sentence, if a setting is not what it was."""
        self.watched.append((what, get, get()))

    def hold(self, what: str, objects: Callable[[], list[Any]]) -> None:
        """Let a replay fail if the objects are not the same ones any more."""
        self.held.append((what, objects, objects()))

    def each_time(self, hook: Callable[[], None]) -> None:
        """Call a function before each replay: what Python counts, a replay does not come by."""
        self.hooks.append(hook)

    def enter(self, inputs: Iterable[Any]) -> list[Array]:
        """Return the arrays of an op's inputs, as the op shall see them; remember the leaves."""
        for x in inputs:
            if x.creator is None and not isinstance(x.data, Recorded):
                self.leaves[id(x)] = x, x.data
        return [self.seen(x.data) for x in inputs]

    def seen(self, x: Array) -> Array:
        """Return an array so that what is done to it is noted."""
        return Recorded(x, self) if self.phase == "record" and isinstance(x, np.ndarray) else x

    def note_gradient(self, leaf: Any) -> None:
        """Refuse to add to a gradient of another call: a replay would add to it for ever."""
        if leaf.grad is not None and id(leaf) not in self.grads and self.phase != "warm":
            raise GraphError(
                f"graph: backward adds to a gradient {leaf.grad.shape} from before this call. "
                "Let the step forget it first: optimizer.zero_grad()."
            )
        self.grads.add(id(leaf))

    def change(self, into: Any, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        """Call a function that writes into one of its arguments, and put the call on the tape."""
        if not isinstance(into, Recorded):
            raise GraphError(
                f"graph: the step writes into an array {np.shape(into)} of which the graph knows "
                "nothing, so a replay could not start from its old values. Make arrays from others "
                "(zeros_like, not zeros); tensors are known."
            )
        self.call(function, args, kwargs)

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        """Call a function for what it does, and put the call on the tape."""
        seen, named, noting = plain(args), plain(kwargs), recorder() is self
        with unrecorded():
            function(*seen, **named)
        if noting:
            self.tape.append(lambda: function(*seen, **named))

    def note(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call a function for what it returns, and put the call on the tape."""
        seen, named, noting = plain(args), plain(kwargs), recorder() is self
        with unrecorded():
            result = function(*seen, **named)
        if not noting:  # it is over; somebody has kept an array
            return result
        if result is None:  # a kernel that changes its arguments
            self.tape.append(lambda: function(*seen, **named))
            return None
        sources = [a for a in (*seen, *named.values()) if isinstance(a, np.ndarray)]
        several = result if isinstance(result, tuple) else (result,)
        arrays = [np.asarray(r) if isinstance(r, np.generic) else r for r in several]
        fresh = [
            i for i, a in enumerate(arrays)
            if isinstance(a, np.ndarray) and not any(np.may_share_memory(a, s) for s in sources)
        ]  # fmt: skip

        def again() -> None:
            repeated = function(*seen, **named)
            for i in fresh:
                arrays[i][...] = repeated[i] if isinstance(result, tuple) else repeated

        if fresh:  # a view shows what its memory holds, without being asked again
            self.tape.append(again)
        wrapped = tuple(Recorded(a, self) if isinstance(a, np.ndarray) else a for a in arrays)
        return wrapped if isinstance(result, tuple) else wrapped[0]


def plain(x: Any) -> Any:
    """Return NumPy's arrays for recorded ones; everything else as it is."""
    if isinstance(x, Recorded):
        return x.array
    if type(x) in (tuple, list):
        return type(x)(plain(v) for v in x)
    return {k: plain(v) for k, v in x.items()} if type(x) is dict else x


_WRITERS = (np.copyto, np.put_along_axis, np.place, np.putmask, np.fill_diagonal)
_READS = frozenset(("item", "tolist", "tobytes", "data", "ctypes", "base", "dump", "dumps"))


class Recorded(NDArrayOperatorsMixin):
    """An array of NumPy on its way through a step that is being recorded.

    As on a GPU, its values cannot be looked at meanwhile: what Python did with them would be done
    once and never again.
    """

    __tinynet_array__ = True  # by this `backend` knows it

    def __init__(self, array: np.ndarray[Any, Any], owner: Recorder) -> None:
        self.array, self.owner = array, owner

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function, out = getattr(ufunc, method), kwargs.get("out")
        if out is None and method != "at":
            return self.owner.note(function, inputs, kwargs)
        into = inputs[0] if out is None else out[0]
        self.owner.change(into, function, inputs, kwargs)
        return None if out is None else into

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in _WRITERS:
            return self.owner.change(args[0], function, args, kwargs)
        return self.owner.note(function, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # NumPy asks for some, to look at the memory
            raise AttributeError(name)
        value = getattr(self._read() if name in _READS else self.array, name)
        if isinstance(value, np.ndarray):  # x.T
            return Recorded(value, self.owner)
        if not callable(value):
            return value
        method = getattr(np.ndarray, name)
        do = self.owner.call if name in ("fill", "sort", "partition") else self.owner.note
        return lambda *args, **kwargs: do(method, (self, *args), kwargs)

    def __getitem__(self, index: Any) -> Any:
        return self.owner.note(np.ndarray.__getitem__, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        self.owner.change(self, np.ndarray.__setitem__, (self, index, value), {})

    def __len__(self) -> int:
        return len(self.array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self._read(), dtype, copy=copy)

    def __bool__(self) -> bool:
        return bool(self._read())

    def __float__(self) -> float:
        return float(self._read())

    def __int__(self) -> int:
        return int(self._read())

    def _read(self) -> np.ndarray[Any, Any]:
        if recorder() is self.owner:
            raise GraphError(
                "graph: the step looks at a value while it is recorded, and a replay would not "
                "look again. Return the tensor, and look at it outside of the step."
            )
        return self.array
