"""Modules: layers that own parameters, and networks that own layers.

Nothing is registered. The parameters of a module are found where Python keeps them, in its
attributes, in the order in which they were assigned: a list of layers is found like a layer.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from tinynet.core import hooks
from tinynet.core.backend import Array, Device, current, device, is_array, is_writable, transfer
from tinynet.core.errors import ShapeError
from tinynet.tensors import Tensor

COUNTER = "num_batches_tracked"
"""PyTorch's batch normalization counts its batches; ours has no use for that."""

Observer = Callable[["Module", Any, Any], None]
_observer: contextvars.ContextVar[Observer | None] = contextvars.ContextVar(
    "tinynet.observer", default=None
)


@contextlib.contextmanager
def observe(observer: Observer) -> Iterator[None]:
    """Inside the block call ``observer(module, x, y)`` after every module's forward pass."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


class Buffer(Tensor):
    """A tensor that belongs to a module's state but is not learned: running means.

    It is made from a NumPy array (or a CPU tensor's), on the default device.
    """

    __slots__ = ()

    def __init__(self, data: Array | Tensor) -> None:
        where = device()
        data = data.data if isinstance(data, Tensor) else data
        shared = where.kind == "cpu" and not (is_array(data) and not is_writable(data))
        super().__init__(data if shared else transfer(data, where), where)


class Parameter(Buffer):
    """A tensor that an optimizer changes."""

    __slots__ = ()

    def __init__(self, data: Array | Tensor) -> None:
        super().__init__(data)
        self.requires_grad = True


class Module:
    """A layer or a network: write ``__init__`` (parameters) and ``forward`` (what it computes)."""

    forward: Callable[..., Any]
    training = True
    frozen = False

    def __call__(self, *inputs: Any) -> Any:
        """Return forward(*inputs), and let an observer see it."""
        self._tell_graph()
        y = self.forward(*inputs)
        observer = _observer.get()
        if observer is not None:
            observer(self, inputs[0] if len(inputs) == 1 else inputs, y)
        return y

    def _tell_graph(self) -> None:
        """Show this module to the hooks, if any are installed."""
        watching = hooks.active.get()
        if watching is not None:
            watching.on_forward(self)

    def together_with(self, following: Module) -> Callable[[Any], Any] | None:
        """Return how to do this layer and the one that follows in one go, if there is a way."""
        return None

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield ("", self) and every module inside, as ("features.0", module)."""
        yield prefix, self
        for name, value in _walk(vars(self), f"{prefix}." if prefix else ""):
            if isinstance(value, Module):
                yield from value.named_modules(name)

    def _named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        for prefix, module in self.named_modules():
            for name, value in _walk(vars(module), f"{prefix}." if prefix else ""):
                if isinstance(value, Buffer):
                    yield name, value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield every parameter with its name, like ("features.0.weight", ...)."""
        for name, value in self._named_tensors():
            if isinstance(value, Parameter):
                yield name, value

    def parameters(self) -> list[Parameter]:
        """Return every parameter, in the order of definition; a shared one once."""
        return list({id(p): p for _, p in self.named_parameters()}.values())

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters():
            p.grad = None

    def train(self, mode: bool = True) -> Module:
        """Switch dropout and batch normalization to training; returns self."""
        for _, module in self.named_modules():
            module.training = mode and not module.frozen
        return self

    def eval(self) -> Module:
        """Switch dropout off and batch normalization to its running values; returns self."""
        return self.train(False)

    def freeze(self) -> Module:
        """Keep every number as it is: no gradients, and evaluation also in training; returns self.

        Batch normalization then stays with its running values, which do not move.
        """
        for _, module in self.named_modules():
            module.frozen, module.training = True, False
        for p in self.parameters():
            p.requires_grad = False
        return self

    def to(self, target: str | Device | type | np.dtype[Any]) -> Module:
        """Move all state to a device, or change its float dtype, in place; returns self."""
        where = device(target) if isinstance(target, str) else None
        for _, value in self._named_tensors():
            if where is None:
                with current(value.device):
                    value.data = value.data.astype(target)
            elif where != value.device:
                value.data, value.device = transfer(value.data, where), where
            value.grad = None
        return self

    def state_dict(self) -> dict[str, Array]:
        """Return a copy of every parameter and buffer by name."""
        return {name: transfer(v.data, v.device) for name, v in self._named_tensors()}

    def load_state_dict(self, state: Mapping[str, Array | Tensor]) -> None:
        """Take over all arrays of `state`, or, if any name or shape differs, none of them.

        The dtype comes with the arrays: a state in float64 makes a module in float64. What PyTorch
        counts in its batch normalizations is passed over.
        """
        mine = dict(self._named_tensors())
        given = {k: v.data if isinstance(v, Tensor) else v for k, v in state.items()}
        arrays = {k: v if is_array(v) else np.asarray(v) for k, v in given.items()}
        missing = mine.keys() - arrays.keys()
        unknown = {k for k in arrays.keys() - mine.keys() if k.rpartition(".")[2] != COUNTER}
        if missing or unknown:
            raise ShapeError(
                f"load_state_dict: the names must be those of the module. "
                f"Missing: {_some(missing)}. Unknown: {_some(unknown)}. Nothing was loaded."
            )
        for name, value in mine.items():
            if arrays[name].shape != value.shape:
                raise ShapeError(
                    f"load_state_dict: {name} is {value.shape}, but the state has "
                    f"{arrays[name].shape}. Nothing was loaded."
                )
        fresh = {}
        for name, value in mine.items():
            array = arrays[name]
            if array.dtype.kind not in "fiub":
                raise TypeError(
                    f"load_state_dict: {name} must hold numbers, but the state has {array.dtype}. "
                    "Nothing was loaded."
                )
            dtype = array.dtype if array.dtype.kind == "f" else value.dtype
            fresh[name] = transfer(array, value.device, dtype)
        for name, value in mine.items():
            value.data = fresh[name]


def _some(names: set[str]) -> str:
    """Return the first names of a set, in order, for a message."""
    listed = sorted(names)
    return (
        ", ".join(listed[:4]) + (f" and {len(listed) - 4} more" if len(listed) > 4 else "")
        or "none"
    )


def _walk(items: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield attributes in definition order; lists, tuples and dicts are followed."""
    for name, value in items.items():
        if isinstance(value, (list, tuple)):
            yield from _walk({str(i): v for i, v in enumerate(value)}, f"{prefix}{name}.")
        elif isinstance(value, dict):
            yield from _walk(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


class Sequential(Module):
    """Modules one after the other, named "0", "1", ..."""

    def __init__(self, *layers: Module) -> None:
        for i, layer in enumerate(layers):
            if not isinstance(layer, Module):
                raise TypeError(
                    f"Sequential: layer {i} must be a Module, got {type(layer).__name__}. "
                    "Functions have their layers: nn.ReLU(), nn.Flatten()."
                )
            vars(self)[str(i)] = layer

    def __iter__(self) -> Iterator[Module]:
        return (layer for layer in vars(self).values() if isinstance(layer, Module))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, i: int) -> Module:
        return list(self)[i]

    def forward(self, x: Any) -> Any:
        """Return the last layer's output: see `in_turn`."""
        return in_turn(x, *self)


def in_turn(x: Any, *layers: Module) -> Any:
    """Return what the layers make of x, one after the other.

    Two neighbours may share one pass over memory, if nobody observes: see `Module.together_with`.
    """
    waiting = list(layers)
    while waiting:
        layer = waiting.pop(0)
        both = layer.together_with(waiting[0]) if waiting and _observer.get() is None else None
        if both is None:
            x = layer(x)
        else:
            layer._tell_graph()  # as `layer(x)` would have done
            waiting.pop(0)
            x = both(x)
    return x
