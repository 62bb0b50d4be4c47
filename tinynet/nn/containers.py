"""Containers: layers in sequence, branches in parallel, residual connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self, overload

import numpy as np

from tinynet import functions as F
from tinynet.core.checks import is_whole
from tinynet.core.errors import ShapeError
from tinynet.nn.activation import ReLU
from tinynet.nn.guidance import call_as
from tinynet.nn.module import Module, is_observed, run_sequential
from tinynet.nn.normalization import BatchNorm2d
from tinynet.tensors import Tensor


class Sequential(Module):
    """Layers in sequence, named "0", "1", ..., or by the keys of a dict.

    It behaves like a list of its layers: ``model[0]``, ``model[-1] = layer``, ``model[:3]`` (a
    Sequential), ``len(model)``, ``for layer in model``, `append` and `extend`.

    Parameters
    ----------
    layers : Module, or one dict of name to Module

    Raises
    ------
    TypeError
        A layer is not a Module, or the layers are in a list.
    ValueError
        A name of the dict is that of a method, no str, empty, or has a point in it.

    Examples
    --------
    >>> from tinynet import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 16, 5, padding=2), nn.ReLU())
    >>> model.append(nn.MaxPool2d(2))
    Sequential(
      (0): Conv2d(3, 16, kernel_size=(5, 5), padding=(2, 2))
      (1): ReLU()
      (2): MaxPool2d(kernel_size=2)
    )
    >>> nn.Sequential({"conv": model[0], "relu": nn.ReLU()}).conv is model[0]
    True
    """

    def __init__(self, *layers: Module | Mapping[str, Module]) -> None:
        named: Mapping[str, Any] = {str(i): layer for i, layer in enumerate(layers)}
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            named = layers[0]
        for name, layer in named.items():
            self._set(name, layer)

    def _set(self, name: str, layer: object) -> None:
        """Make a layer the one of this name; a new one comes last."""
        kind = type(self).__name__
        if not isinstance(layer, Module):
            raise TypeError(
                f"{kind}: layer {name} must be a Module, got {type(layer).__name__}. "
                f"{_what_to_write(kind, layer)}"
            )
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(
                f"{kind}: the name of a layer is a str without a point, such as 'conv1'; got "
                f"{name!r}."
            )
        if hasattr(type(self), name):
            taken = "a method" if callable(getattr(type(self), name)) else "an attribute"
            raise ValueError(f"{kind}: a layer cannot be called {name!r}, as {taken} is.")
        vars(self)[name] = layer

    def _names(self) -> list[str]:
        return [name for name, value in vars(self).items() if isinstance(value, Module)]

    def __iter__(self) -> Iterator[Module]:
        return (layer for layer in vars(self).values() if isinstance(layer, Module))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @overload
    def __getitem__(self, i: int) -> Module: ...

    @overload
    def __getitem__(self, i: slice) -> Sequential: ...

    def __getitem__(self, i: int | slice) -> Module:
        """Return a layer, or a new Sequential of some of them, which counts from "0" again."""
        if isinstance(i, slice):
            kind = type(self) if type(self).__init__ is Sequential.__init__ else Sequential
            return kind(*list(self)[i])
        return getattr(self, self._name_of(i))

    def __setitem__(self, i: int, layer: Module) -> None:
        """Replace a layer; its name and its place stay."""
        self._set(self._name_of(i), layer)

    def _name_of(self, i: int) -> str:
        """Return the name of layer i, or say that it is not there."""
        if not isinstance(i, (int, np.integer)):
            raise TypeError(
                f"{type(self).__name__}: layers are indexed by their number or a slice, got {i!r}. "
                "By name: getattr(model, name)."
            )
        if not -len(self) <= i < len(self):
            raise IndexError(f"{type(self).__name__}: there is no layer {i}; len() is {len(self)}.")
        return self._names()[i]

    def append(self, layer: Module) -> Self:
        """Add a layer at the end, named by the next free number; returns self."""
        number = len(self)
        while str(number) in vars(self):
            number += 1
        self._set(str(number), layer)
        return self

    def extend(self, layers: Iterable[Module]) -> Self:
        """Add layers at the end; returns self."""
        for layer in layers:
            self.append(layer)
        return self

    def forward(self, x: Any) -> Any:
        """Return the output of the last layer for the input x of the first."""
        return run_sequential(x, *self)


def _what_to_write(kind: str, layer: object) -> str:
    """Return the way out for something in a Sequential that is not a layer."""
    if isinstance(layer, Mapping):
        return f"A dict of names stands alone: nn.{kind}({{'conv': layer, 'relu': layer}})."
    if isinstance(layer, list | tuple) or hasattr(layer, "__next__"):
        return f"Unpack it: nn.{kind}(*layers)."
    if isinstance(layer, type):
        return f"Write {layer.__name__}(...), with parentheses."
    return "Functions have their layers: nn.ReLU(), nn.Flatten()."


class Concatenate(Sequential):
    """Branches in parallel: all see x, and their channels are concatenated (Szegedy et al. 2015).

    Parameters
    ----------
    layers : Module, or one dict of name to Module
        The branches. Their outputs have equal N, OH and OW.

    Raises
    ------
    ShapeError
        The outputs do not fit together.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> block = nn.Concatenate(nn.Conv2d(3, 8, 1), nn.Conv2d(3, 4, 3, padding="same"))
    >>> block(tn.zeros(1, 3, 6, 6)).shape
    (1, 12, 6, 6)
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C1 + C2 + ..., OH, OW) for x (N, C, H, W)."""
        return F.concatenate([branch(x) for branch in self], axis=1)


class Residual(Module):
    """Residual connection, body(x) + shortcut(x) (He et al. 2016).

    Parameters
    ----------
    body : Module
    shortcut : Module, optional
        None is the identity: body(x) + x.

    Raises
    ------
    ShapeError
        The outputs of body and shortcut have different shapes; they are not broadcast.
    TypeError
        body or shortcut is not a Module.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> block = nn.Residual(nn.Conv2d(4, 4, 3, padding="same"))
    >>> block(tn.zeros(1, 4, 6, 6)).shape
    (1, 4, 6, 6)
    """

    @call_as("Write Residual(body) or Residual(body, shortcut).")
    def __init__(self, body: Module, shortcut: Module | None = None) -> None:
        for name, layer in (("body", body), ("shortcut", shortcut)):
            if not isinstance(layer, Module) and (name, layer) != ("shortcut", None):
                raise TypeError(
                    f"Residual: {name} must be a Module, got {type(layer).__name__}. "
                    f"{_what_to_write('Sequential', layer)}"
                )
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum, in the shape of body(x)."""
        change = self.body(x)
        return change + self._kept(x, change)

    def _kept(self, x: Tensor, change: Tensor) -> Tensor:
        """Return what is added to the change of the body."""
        kept = x if self.shortcut is None else self.shortcut(x)
        if change.shape != kept.shape:
            raise ShapeError(
                f"Residual: body and shortcut must agree, body(x) is {change.shape}, the shortcut "
                f"{kept.shape}. x is {x.shape}."
            )
        return kept

    def fuse_with(self, *following: Module) -> tuple[Callable[[Tensor], Tensor], int] | None:
        """Compute a following ReLU with the sum, if the body ends with batch normalization."""
        layers = list(self.body) if type(self.body) is Sequential else [self.body]
        if type(self) is not Residual or type(following[0]) is not ReLU or len(layers) < 2:
            return None
        *before, last = layers

        def joined(x: Tensor) -> Tensor:
            self.body._tell_hooks()
            change = run_sequential(x, *before)
            return normalized_sum_relu(change, last, self._kept(x, change), following[0])

        return (joined, 1) if type(last) is BatchNorm2d else None


def normalized_sum_relu(x: Tensor, norm: Module, added: Tensor, relu: Module) -> Tensor:
    """Return relu(norm(x) + added), the end of a residual block, in one pass where possible.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> x = tn.tensor([[[[-3.0, 1.0]]]])
    >>> nn.normalized_sum_relu(x, nn.BatchNorm2d(1, eps=0.0).eval(), x, nn.ReLU()).numpy()
    array([[[[0., 2.]]]], dtype=float32)
    """
    if type(norm) is not BatchNorm2d or type(relu) is not ReLU or is_observed():
        return relu(norm(x) + added)
    for layer in (norm, relu):
        layer._tell_hooks()  # as `layer(x)` would have done
    return norm.with_relu(x, added)


class Subsample(Module):
    """Every stride-th pixel, with zeros as new channels: a shortcut without weights.

    Option A of He et al. 2016, section 4.2.

    Parameters
    ----------
    stride : int
        Pixels from one that is kept to the next.
    new_channels : int
        Channels of zeros behind those of x.

    Raises
    ------
    ValueError
        stride is below 1 or new_channels below 0, or one of them is not whole.
    ShapeError
        x is not (N, C, H, W).

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> nn.Subsample(stride=2, new_channels=16)(tn.zeros(1, 16, 32, 32)).shape
    (1, 32, 16, 16)
    """

    @call_as("Write Subsample(stride, new_channels).")
    def __init__(self, stride: int, new_channels: int) -> None:
        if not is_whole(stride, 1) or not is_whole(new_channels, 0):
            raise ValueError(
                "Subsample: stride must be at least 1 and new_channels at least 0, both whole, got "
                f"{stride!r} and {new_channels!r}."
            )
        self.stride = stride
        self.new_channels = new_channels

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"stride={self.stride}, new_channels={self.new_channels}"

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C + new_channels, H / stride, W / stride), sizes rounded up."""
        if len(x.shape) != 4:
            raise ShapeError(f"Subsample: x must be (N, C, H, W); it is {x.shape}.")
        kept = x[:, :, :: self.stride, :: self.stride] if self.stride > 1 else x
        return F.pad(kept, [(0, 0), (0, self.new_channels), (0, 0), (0, 0)])
