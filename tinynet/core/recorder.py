"""Recorder of a training step: the hooks that `tn.graph` installs, and its tape for a CPU.

On a GPU, CUDA records the launches of a step. On a CPU they are recorded here: during the recording
the engine computes with `Recorded` arrays, which carry out each operation and append it to a tape.
Either way a replay repeats launches, not Python. So what may change from one step to the next has
to lie in memory: the arguments, the scalars of optimizers, and the counters of the random streams.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from tinynet.core import hooks, random
from tinynet.core.backend import Array, Device, array_module, current
from tinynet.core.bfloat16 import BFloat16, words_of
from tinynet.core.errors import CaptureError


class Recorder:
    """The record of one graph; its ``on_...`` methods are the `hooks.Hooks` of a recording.

    Attributes
    ----------
    phase : "warm" (the step runs as always), "record" (a CPU: it runs, and is recorded) or
        "capture" (a GPU: it is recorded and does not run)
    tape : what a replay has to do, on a CPU
    counters : (3,) uint64, on the device: seed, step and draw at which a replay begins to draw
    """

    def __init__(self, where: Device, counters: Array) -> None:
        self.where = where
        self.counters = counters
        self.phase = "warm"
        self.first_draw = 0
        self.scalars: list[tuple[Array, float]] = []  # arrays without axes, and their values
        self.constants: list[Array] = []
        self._forget()

    def _forget(self) -> None:
        """Begin a new record; the memory of scalars and constants stays."""
        self.tape: list[Callable[[], object]] = []
        self.computes: list[Callable[[], float]] = []  # the values that the scalars shall have
        self.watched: list[tuple[str, Callable[[], Any], Any]] = []
        self.held: list[tuple[str, Callable[[], list[Any]], list[Any]]] = []
        self.before_replay: list[Callable[[], None]] = []
        self.leaves: dict[int, tuple[Any, Array]] = {}  # tensors that no op has made
        self.halves: list[BFloat16] = []  # of bfloat16: memory that the launches read
        self.grads: set[int] = set()
        self.constants_used = 0

    @contextlib.contextmanager
    def running(self, phase: str, first_draw: int) -> Iterator[None]:
        """Record what runs inside the block."""
        self._forget()
        self.phase = phase
        self.first_draw = first_draw
        token = hooks.active.set(self)
        try:
            yield
        finally:
            hooks.active.reset(token)
            for leaf, _ in self.leaves.values():
                leaf.grad = plain(leaf.grad)

    # ---- the hooks

    def on_apply(self, inputs: tuple[Any, ...], arrays: list[Any]) -> list[Any]:
        """Return the arrays of an op's inputs; remember which of them are leaves."""
        for x in inputs:
            if x.creator is None and x.stored is not None:
                self.halves.append(x.stored)
            elif x.creator is None and not isinstance(x.data, Recorded):
                self.leaves[id(x)] = x, x.data
        return [self.on_array(array) for array in arrays]

    def on_leaf_gradient(self, leaf: Any) -> None:
        """Refuse to add to a gradient of an earlier call: every replay would add to it."""
        if leaf.grad is not None and id(leaf) not in self.grads and self.phase != "warm":
            raise CaptureError(
                f"graph: backward adds to a gradient {leaf.grad.shape} from before this call. "
                "Clear it first in the step: optimizer.zero_grad()."
            )
        self.grads.add(id(leaf))

    def on_array(self, array: Array) -> Array:
        """Return the array, on a CPU in the form that records its operations."""
        if isinstance(array, BFloat16):
            return BFloat16(self.on_array(array.words))
        recording = self.phase == "record" and isinstance(array, np.ndarray)
        return Recorded(array, self) if recording else array

    def on_constant(self, make: Callable[[], Array]) -> Array:
        """Return a constant: the n-th call gets the n-th one, in every run of the step."""
        if self.constants_used == len(self.constants):
            self.constants.append(make())
        self.constants_used += 1
        return self.constants[self.constants_used - 1]

    def on_scalar(self, compute: Callable[[], float], like: Array) -> Array:
        """Return an array without axes, of the dtype of `like`, that is filled before each replay.

        The n-th call gets the n-th scalar, in every run of the step.
        """
        n = len(self.computes)
        if n == len(self.scalars):
            if self.phase != "warm":
                raise CaptureError(
                    f"graph: the step took {n} numbers when it ran first and takes more now. "
                    "It must do the same every time."
                )
            self.scalars.append((array_module(like).empty((), like.dtype), math.nan))
        self.computes.append(compute)
        if self.phase != "capture":  # filling it now would be captured; `refresh` does it
            self._fill(n)
        return self.on_array(self.scalars[n][0])

    def on_draw(self, draw: int, first: int) -> random.LiveKey:
        """Return a key that lies in memory, since every replay draws anew."""
        self.watch("the first image of the batch", random.row)
        return random.LiveKey(self.counters, draw - self.first_draw, first)

    def on_kernel(self, kernel: Any, args: Any, kwargs: Any) -> Any:
        """Run a kernel, and put it on the tape of a CPU."""
        kind = kernel.kind_for(*plain(args))
        implementation = kernel.implementations[kind]
        if self.phase == "record":
            return self.note(implementation, args, kwargs)
        return implementation(*args, **kwargs)

    def on_forward(self, module: Any) -> None:
        """Watch whether a module is in training."""
        self.watch(f"{type(module).__name__}.training", lambda: module.training)

    def on_step(self, optimizer: Any) -> None:
        """Watch the settings of an optimizer, and advance its counters with each replay."""
        name = type(optimizer).__name__
        without_gradient = optimizer.without_gradient()
        self.before_replay.append(lambda: optimizer.count_step(without_gradient))
        for setting in optimizer.constants():
            self.watch(
                f"{name}.{setting}",
                lambda setting=setting: optimizer.constants()[setting],  # type: ignore[misc]
            )
        self.hold(
            f"the state of {name}",
            lambda: [array for state in optimizer.state for array in state.values()],
        )

    # ---- what a replay depends on

    def refresh(self) -> None:
        """Fill the scalars with their present values; the launches read them."""
        for i in range(len(self.computes)):
            self._fill(i)

    def _fill(self, i: int) -> None:
        array, old = self.scalars[i]
        new = self.computes[i]()
        if new != old:
            with current(self.where):
                array.fill(new)
            self.scalars[i] = array, new

    def watch(self, what: str, get: Callable[[], Any]) -> None:
        """Let a replay fail, with a sentence, if a setting has changed."""
        self.watched.append((what, get, get()))

    def hold(self, what: str, objects: Callable[[], list[Any]]) -> None:
        """Let a replay fail if any of the objects was replaced."""
        self.held.append((what, objects, objects()))

    # ---- the tape

    def change(self, into: Any, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        """Call a function that writes into one of its arguments, and put the call on the tape."""
        if not isinstance(into, Recorded):
            raise CaptureError(
                f"graph: the step writes into an array {np.shape(into)} that was not recorded, so "
                "a replay could not start from its old values. Make arrays from others "
                "(zeros_like, not zeros), or use tensors."
            )
        self.call(function, args, kwargs)

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        """Call a function for its effect, and put the call on the tape."""
        seen = plain(args)
        named = plain(kwargs)
        noting = hooks.active.get() is self
        with hooks.suspended():
            function(*seen, **named)
        if noting:
            self.tape.append(lambda: function(*seen, **named))

    def note(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call a function for its result, and put the call on the tape."""
        seen = plain(args)
        named = plain(kwargs)
        noting = hooks.active.get() is self
        with hooks.suspended():
            result = function(*seen, **named)
        if not noting:  # the recording is over; the caller has kept an array of it
            return result
        if result is None:  # a kernel that changes its arguments
            self.tape.append(lambda: function(*seen, **named))
            return None
        given = map(words_of, (*seen, *named.values()))
        sources = [a for a in given if isinstance(a, np.ndarray)]
        several = result if isinstance(result, tuple) else (result,)
        arrays = [np.asarray(r) if isinstance(r, np.generic) else words_of(r) for r in several]
        fresh = [
            i
            for i, a in enumerate(arrays)
            if isinstance(a, np.ndarray) and not any(np.may_share_memory(a, s) for s in sources)
        ]

        def again() -> None:
            repeated = function(*seen, **named)
            for i in fresh:
                arrays[i][...] = words_of(repeated[i] if isinstance(result, tuple) else repeated)

        if fresh:  # a view needs no replay: it shows what its memory holds
            self.tape.append(again)
        wrapped = tuple(map(self._wrapped, several, arrays))
        return wrapped if isinstance(result, tuple) else wrapped[0]

    def _wrapped(self, result: Any, array: Any) -> Any:
        """Return the array of a result in the form that records its operations."""
        if not isinstance(array, np.ndarray):
            return array
        recorded: Any = Recorded(array, self)
        return BFloat16(recorded) if isinstance(result, BFloat16) else recorded


def plain(x: Any) -> Any:
    """Return NumPy's arrays for recorded ones; everything else as it is."""
    if isinstance(x, Recorded):
        return x.array
    if isinstance(x, BFloat16):
        return BFloat16(plain(x.words))
    if type(x) in (tuple, list):
        return type(x)(plain(v) for v in x)
    return {k: plain(v) for k, v in x.items()} if type(x) is dict else x


_WRITERS = (np.copyto, np.put_along_axis, np.place, np.putmask, np.fill_diagonal)
_READS = frozenset(("item", "tolist", "tobytes", "data", "ctypes", "base", "dump", "dumps"))


class Recorded(NDArrayOperatorsMixin):
    """A NumPy array in a step that is being recorded.

    As on a GPU, its values cannot be read meanwhile: what Python did with them would be done once
    and not repeated.
    """

    __tinynet_array__ = True  # `backend` recognizes it by this

    def __init__(self, array: np.ndarray[Any, Any], owner: Recorder) -> None:
        self.array = array
        self.owner = owner

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = getattr(ufunc, method)
        out = kwargs.get("out")
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
        if name.startswith("__"):  # NumPy asks for some of them, to read the memory
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
        if hooks.active.get() is self.owner:
            raise CaptureError(
                "graph: the step reads a value while it is recorded, and a replay would not read "
                "it again. Return the tensor, and read it outside of the step."
            )
        return self.array
