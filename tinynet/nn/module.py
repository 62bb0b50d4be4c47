"""Modules: layers that own parameters, and networks that own layers.

Nothing is registered. The parameters of a module are found where Python keeps them, in its
attributes, in the order in which they were assigned; lists, tuples and dicts of layers are
searched too.
"""

from __future__ import annotations

import contextlib
import contextvars
import reprlib
import textwrap
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import GeneratorType
from typing import TYPE_CHECKING, Any, NamedTuple, Never, Self

import numpy as np

from tinynet.core import hooks
from tinynet.core.backend import Array, Device, current, device, is_array, transfer
from tinynet.core.errors import ShapeError
from tinynet.core.table import first_names
from tinynet.nn import guidance
from tinynet.nn.parameter import Buffer, Parameter, ParameterList
from tinynet.tensors import Tensor, require_float_type, tensor

COUNTER = "num_batches_tracked"
"""PyTorch's batch normalization counts its batches; ours has no use for that."""

Observer = Callable[["Module", Any, Any], None]
_observer: contextvars.ContextVar[Observer | None] = contextvars.ContextVar(
    "tinynet.observer", default=None
)


@contextlib.contextmanager
def observe(observer: Observer) -> Iterator[None]:
    """Call ``observer(module, x, y)`` after every module's forward pass, inside the block.

    Parameters
    ----------
    observer : function of (module, x, y)
        x is the input of the module, or the tuple of its inputs if it has several; y its output.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import nn
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    >>> with nn.observe(lambda module, x, y: print(type(module).__name__, y.shape)):
    ...     _ = model(np.ones((2, 4)).astype("float32"))
    Linear (2, 3)
    ReLU (2, 3)
    Sequential (2, 3)
    """
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


def is_observed() -> bool:
    """Return whether the call is inside an `observe` block, where each layer runs by itself."""
    return _observer.get() is not None


class LoadResult(NamedTuple):
    """The names that `Module.load_state_dict` did not find, on either side.

    Attributes
    ----------
    missing_keys : names of the module that the state does not have
    unexpected_keys : names of the state that the module does not have
    """

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """The base class of layers and networks.

    Write ``__init__``, which assigns parameters and layers to attributes, and ``forward``, which
    computes the output. ``super().__init__()`` may be called but need not be.

    Attributes
    ----------
    training : bool
        Whether dropout and batch normalization behave as in training: see `train` and `eval`.
    frozen : bool
        Whether `train` leaves this module in evaluation mode: see `freeze`.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import nn
    >>> class Classifier(nn.Module):
    ...     def __init__(self, classes):
    ...         self.features = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    ...         self.scores = nn.Linear(8, classes)
    ...     def forward(self, x):
    ...         return self.scores(self.features(x))
    >>> model = Classifier(3)
    >>> model
    Classifier(
      (features): Sequential(
        (0): Linear(in_features=4, out_features=8)
        (1): ReLU()
      )
      (scores): Linear(in_features=8, out_features=3)
    )
    >>> model(np.ones((2, 4), np.float32)).shape
    (2, 3)
    """

    forward: Callable[..., Any]
    training = True
    frozen = False

    def __init_subclass__(cls) -> None:
        """Refuse layers and parameters of a class, which all its modules would share unseen."""
        for name, value in vars(cls).items():
            if isinstance(value, Module | Buffer):
                raise TypeError(
                    f"{cls.__name__}.{name}: layers and parameters belong to each module. Make them"
                    f" in __init__: self.{name} = {type(value).__name__}(...)."
                )

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, unless a method or a parameter would be lost by it."""
        old = vars(self).get(name)
        if isinstance(value, Module | Buffer) and hasattr(Module, name):
            raise ValueError(
                f"{type(self).__name__}: a layer or a parameter cannot be called {name!r}, as a "
                "method or an attribute of every module is."
            )
        if isinstance(old, Buffer) and not isinstance(value, Buffer | None):
            raise TypeError(
                f"{type(self).__name__}: {name} is a {type(old).__name__}, and "
                f"{type(value).__name__} would not be found any more. Change its values by "
                f"module.{name}.data[...] = values, or assign nn.{type(old).__name__}(values)."
            )
        super().__setattr__(name, value)

    def __call__(self, *inputs: Any, **unknown: Never) -> Any:
        """Return forward(*inputs), and let an observer see it.

        The first input may be a NumPy array: it is copied to the device of this module. Integers,
        as the bytes of images, become float32; a float array keeps its dtype.
        """
        if unknown:
            raise TypeError(
                f"{type(self).__name__}: inputs are given by position, model(x); got "
                f"{', '.join(unknown)}. model.train() and model.eval() set the mode."
            )
        if inputs and is_array(inputs[0]):
            inputs = (tensor(inputs[0], self.device), *inputs[1:])
        self._tell_hooks()
        y = self.forward(*inputs)
        observer = _observer.get()
        if observer is not None:
            observer(self, inputs[0] if len(inputs) == 1 else inputs, y)
        return y

    def _tell_hooks(self) -> None:
        """Show this module to the hooks, if any are installed."""
        watching = hooks.active.get()
        if watching is not None:
            watching.on_forward(self)

    if not TYPE_CHECKING:  # a type checker knows the arguments and the attributes

        def __init__(self, *settings: Any, **named: Any) -> None:
            if settings or named:
                given = [repr(value) for value in settings]
                given += [f"{name}={value!r}" for name, value in named.items()]
                raise TypeError(
                    f"{type(self).__name__}: it takes no arguments, got {', '.join(given)}."
                    f"{guidance.on_argument(named)}"
                )

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
                f"{guidance.on_method(name)}",
                name=name,
                obj=self,
            )

    def extra_repr(self) -> str:
        """Return what `repr` shows between the parentheses: the settings of this module."""
        return ""

    @reprlib.recursive_repr("...")
    def __repr__(self) -> str:
        inside = [f"({name}): {child!r}" for name, child in self.named_children()]
        settings = self.extra_repr()
        if not inside:
            return f"{type(self).__name__}({settings})"
        lines = [settings, *inside] if settings else inside
        return f"{type(self).__name__}(\n{textwrap.indent(chr(10).join(lines), '  ')}\n)"

    def fuse_with(self, *following: Module) -> tuple[Callable[[Any], Any], int] | None:
        """Return a function that computes this layer and the next ones in one pass, and how many.

        `following` has at least one layer. None means that this layer runs by itself.
        """
        return None

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules directly inside this one, as ("features", module).

        One in a list or a dict is called "towers.0" or "branches.left".
        """
        for name, value in _walk(vars(self), ""):
            if isinstance(value, Module):
                yield name, value

    def children(self) -> list[Module]:
        """Return the modules directly inside this one, a shared one once."""
        return _once(child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield ("", self) and every module inside, as ("features.0", module).

        A shared module comes under each of its names. A module that holds its owner
        (``layer.owner = model``) does not yield it a second time.
        """
        yield from _modules(self, prefix, ())

    def modules(self) -> list[Module]:
        """Return this module and every module inside, a shared one once."""
        return _once(module for _, module in self.named_modules())

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call ``function(module)`` for every module inside, in order, then for this one.

        Returns self.

        Examples
        --------
        >>> from tinynet import nn
        >>> def zero_biases(module):
        ...     if isinstance(module, nn.Linear):
        ...         module.bias.data[...] = 0
        >>> model = nn.Sequential(nn.Linear(4, 3)).apply(zero_biases)
        """
        for module in self.modules()[1:]:
            function(module)
        function(self)
        return self

    @property
    def device(self) -> Device:
        """The device of the first parameter or buffer; without any, the default device."""
        for _, value in self._named_tensors():
            return value.device
        return device()

    @device.setter
    def device(self, value: object) -> None:
        raise AttributeError(
            f"{type(self).__name__}.device is where the parameters are; it cannot be assigned. To "
            f'move them: model.to("{value}").'
        )

    def summary(self, input_shape: tuple[int, ...]) -> Any:
        """Return the table of ``tn.summary``: output shape, parameters and costs of every layer.

        Parameters
        ----------
        input_shape : tuple of int
            Shape of one input without the batch axis, (C, H, W) for images, in pixels.
        """
        import tinynet  # the function is in a layer above this one: only its public name is used

        return tinynet.summary(self, input_shape)

    def _named_tensors(self) -> Iterator[tuple[str, Buffer]]:
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
        """Return a list of every parameter, in the order of definition; a shared one once."""
        return ParameterList({id(p): p for _, p in self.named_parameters()}.values())

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters():
            p.grad = None

    def train(self, mode: bool = True) -> Self:
        """Switch to training mode; returns self.

        Dropout is on, and batch normalization uses the statistics of the batch. Frozen modules stay
        in evaluation mode.
        """
        for _, module in self.named_modules():
            module.training = mode and not module.frozen
        return self

    def eval(self) -> Self:
        """Switch to evaluation mode; returns self.

        Dropout is off, and batch normalization uses its running statistics.
        """
        return self.train(False)

    def freeze(self) -> Self:
        """Fix every parameter and running value inside, until `unfreeze`; returns self.

        Parameters get no gradients, and the modules stay in evaluation mode also when `train` is
        called, so the running statistics of batch normalization do not change either.
        """
        for _, module in self.named_modules():
            module.frozen = True
            module.training = False
        return self.requires_grad_(False)

    def unfreeze(self) -> Self:
        """Undo `freeze`: parameters get gradients, the modules are in training mode; returns self.

        Examples
        --------
        >>> from tinynet import nn
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
        >>> _ = model[0].freeze()
        >>> [p.requires_grad for p in model.parameters()]
        [False, False, True, True]
        >>> _ = model.unfreeze()
        >>> [p.requires_grad for p in model.parameters()]
        [True, True, True, True]
        """
        for _, module in self.named_modules():
            module.frozen = False
            module.training = True
        return self.requires_grad_(True)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set whether the parameters get gradients; the mode does not change; returns self."""
        for p in self.parameters():
            p.requires_grad = requires_grad
        return self

    def to(self, target: str | Device | type | np.dtype[Any]) -> Self:
        """Move all state to a device, or change its float dtype, in place; returns self.

        Parameters
        ----------
        target : device, e.g. "cpu" or "cuda:1", or dtype, e.g. np.float64

        Raises
        ------
        TypeError
            `target` is neither a device nor a floating-point type.
        """
        where = device(target) if isinstance(target, str) else None
        if where is None:
            require_float_type(f"{type(self).__name__}.to", target)
        for _, value in self._named_tensors():
            if where is None:
                with current(value.device):
                    value.data = value.data.astype(target)
            elif where != value.device:
                value.data, value.device = transfer(value.data, where), where
            value.grad = None
        return self

    def state_dict(self) -> dict[str, Array]:
        """Return a copy of every parameter and buffer by name.

        Raises
        ------
        ValueError
            Two of them have the same name.
        """
        found = self._tensors_by_name()
        return {name: transfer(v.data, v.device) for name, v in found.items()}

    def _tensors_by_name(self) -> dict[str, Buffer]:
        found: dict[str, Buffer] = {}
        for name, value in self._named_tensors():
            if found.setdefault(name, value) is not value:
                raise ValueError(
                    f"{type(self).__name__}: two parameters or buffers are called {name!r}. Leave "
                    "points out of names."
                )
        return found

    def load_state_dict(
        self, state: Mapping[str, Array | Tensor], strict: bool = True
    ) -> LoadResult:
        """Copy the arrays of `state` into this module, or, if any of them does not fit, none.

        The dtype comes with the arrays: a state in float64 makes a module in float64. PyTorch's
        `num_batches_tracked` is ignored.

        Parameters
        ----------
        state : dict of name to array
            As `state_dict` returns it. For a file: ``tn.load(model, path)``.
        strict : bool
            Whether the names must be exactly those of the module. False loads what both have.

        Returns
        -------
        LoadResult
            missing_keys and unexpected_keys, both empty if `strict`.

        Raises
        ------
        ShapeError
            A name is missing or unknown, or a shape differs. Nothing was loaded.
        TypeError
            `state` is no dict, or holds something that is not a number. Nothing was loaded.

        Examples
        --------
        >>> from tinynet import nn
        >>> model = nn.Linear(2, 3)
        >>> state = model.state_dict()
        >>> del state["bias"]
        >>> model.load_state_dict(state, strict=False)
        LoadResult(missing_keys=['bias'], unexpected_keys=[])
        """
        if not isinstance(state, Mapping):
            raise TypeError(
                f"load_state_dict: state is a dict of arrays by name, got {type(state).__name__}. "
                "To read a file: tn.load(model, path)."
            )
        mine = self._tensors_by_name()
        given = {k: v.data if isinstance(v, Tensor) else v for k, v in state.items()}
        arrays = {k: v if is_array(v) else np.asarray(v) for k, v in given.items()}
        missing = mine.keys() - arrays.keys()
        unknown = {k for k in arrays.keys() - mine.keys() if k.rpartition(".")[2] != COUNTER}
        if strict and (missing or unknown):
            raise ShapeError(
                f"load_state_dict: the names must be those of the module. "
                f"Missing: {_some(missing)}. Unknown: {_some(unknown)}. Nothing was loaded. "
                "To load the names that both have: strict=False."
            )
        found = {name: value for name, value in mine.items() if name in arrays}
        fresh = {name: _loaded(name, value, arrays[name]) for name, value in found.items()}
        for name, value in found.items():
            value.data = fresh[name]
        return LoadResult(sorted(missing), sorted(unknown))


def _loaded(name: str, value: Buffer, array: Array) -> Array:
    """Return the array on the device of the value, or say why it does not fit."""
    if array.shape != value.shape:
        raise ShapeError(
            f"load_state_dict: {name} is {value.shape}, but the state has {array.shape}. "
            "Nothing was loaded."
        )
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"load_state_dict: {name} must hold numbers, but the state has {array.dtype}. "
            "Nothing was loaded."
        )
    dtype = array.dtype if array.dtype.kind == "f" else value.dtype
    return transfer(array, value.device, dtype)


def _modules(
    module: Module, prefix: str, owners: tuple[Module, ...]
) -> Iterator[tuple[str, Module]]:
    """Yield a module and those inside it, except those that it is inside of."""
    yield prefix, module
    owners = (*owners, module)
    for name, value in _walk(vars(module), f"{prefix}." if prefix else ""):
        if isinstance(value, Module) and not any(value is owner for owner in owners):
            yield from _modules(value, name, owners)


def _once(modules: Iterator[Module]) -> list[Module]:
    """Return the modules in order, each once."""
    return list({id(module): module for module in modules}.values())


def _some(names: set[str]) -> str:
    """Return the first names of a set, in order, for a message."""
    return first_names(sorted(names), 4) or "none"


def _walk(items: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield attributes in definition order; lists, tuples and dicts are searched."""
    for name, value in items.items():
        if isinstance(value, (list, tuple)):
            yield from _walk({str(i): v for i, v in enumerate(value)}, f"{prefix}{name}.")
        elif isinstance(value, dict):
            yield from _walk(value, f"{prefix}{name}.")
        else:
            if isinstance(value, (GeneratorType, map, filter, zip)):
                raise TypeError(
                    f"{prefix}{name}: layers and parameters in a {type(value).__name__} are not "
                    "found. Make a list of it."
                )
            if isinstance(value, (set, frozenset, deque)) or _is_object_array(value):
                _refuse_state_in(value, f"{prefix}{name}")
            yield f"{prefix}{name}", value


def _is_object_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == object


def _refuse_state_in(collection: Any, name: str) -> None:
    """Raise a TypeError if a collection that is not searched holds layers or parameters."""
    values = collection.flat if isinstance(collection, np.ndarray) else collection
    if any(isinstance(value, Module | Buffer) for value in values):
        raise TypeError(
            f"{name}: layers and parameters in a {type(collection).__name__} are not found. Keep "
            "them in a list, a tuple or a dict."
        )


def run_sequential(x: Any, *layers: Module) -> Any:
    """Return the output of layers in sequence, each applied to the output of the one before.

    Neighbours may be computed in one pass over memory, see `Module.fuse_with`; inside `observe`
    each runs by itself.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> nn.run_sequential(tn.ones(2, 4), nn.Linear(4, 3), nn.ReLU()).shape
    (2, 3)
    """
    waiting = list(layers)
    while waiting:
        layer = waiting.pop(0)
        fused = layer.fuse_with(*waiting) if waiting and not is_observed() else None
        if fused is None:
            x = layer(x)
            continue
        several, following = fused
        for each in (layer, *waiting[:following]):
            each._tell_hooks()  # as `each(x)` would have done
        del waiting[:following]
        x = several(x)
    return x
