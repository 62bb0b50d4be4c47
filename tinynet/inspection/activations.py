"""Activations: the output of every layer for some images."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from tinynet.core.backend import Array
from tinynet.core.errors import ShapeError
from tinynet.core.grad_mode import no_grad
from tinynet.core.table import first_names
from tinynet.inspection.inputs import Prepare, batch_of, prepared, preserved, to_model
from tinynet.nn import Module, observe
from tinynet.tensors import Tensor
from tinynet.words import sentence


@dataclasses.dataclass(frozen=True)
class Activation:
    """The output of one layer.

    Attributes
    ----------
    name : str
        Of the layer in the model, e.g. "features.0"; called again it is "features.0 (2)".
    kind : str
        Its class, e.g. "Conv2d".
    output : array of shape (N, ...)
    """

    name: str
    kind: str
    output: Array

    @property
    def label(self) -> str:
        """Name and class, such as "features.0 Conv2d", for a title."""
        return f"{self.name} {self.kind}"


def activations(model: Module, images: Any, *, prepare: Prepare | None = None) -> list[Activation]:
    """Return the output of every layer, in the order in which the images pass them.

    The model is in evaluation mode meanwhile. Containers are left out; their layers are there.

    Parameters
    ----------
    model : Module
    images : (N, C, H, W), one image (C, H, W), or a data set
        Floats as the model takes them, or bytes of the kind that `tn.fit` trained on.
    prepare : function of images to inputs, optional
        Used in place of the model's own preparation, for instance a `data.Normalize`.

    Returns
    -------
    list of Activation

    Raises
    ------
    ShapeError
        There is no image.
    ValueError
        The images are bytes, and their preparation is not known.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import inspection, nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    >>> for layer in inspection.activations(model, np.ones((2, 3, 6, 6), np.float32)):
    ...     print(layer.label, layer.output.shape)
    0 Conv2d (2, 8, 4, 4)
    1 ReLU (2, 8, 4, 4)
    """
    x = prepared("activations", model, batch_of("activations", images), prepare)
    with preserved(model), no_grad():
        calls = observed(model, to_model(model, x))
    return [Activation(name, type(m).__name__, y.numpy()) for name, m, _, y in calls]


Call = tuple[str, Module, Tensor, Tensor]
"""Name, layer, input and output of one call of a layer."""


def observed(model: Module, x: Tensor) -> list[Call]:
    """Return the calls of all layers in a forward pass."""
    with watching(model) as calls:
        model(x)
    return calls


@contextlib.contextmanager
def watching(model: Module) -> Iterator[list[Call]]:
    """Yield a list that receives, inside the block, each call of a layer; containers are left out.

    A layer that is called again is listed as "name (2)".
    """
    names: dict[int, str] = {}
    for name, module in model.named_modules():
        names.setdefault(id(module), name or type(module).__name__)
    calls: list[Call] = []
    times: dict[str, int] = {}

    def note(module: Module, x: Any, y: Any) -> None:
        if module.children() or not (isinstance(x, Tensor) and isinstance(y, Tensor)):
            return
        name = names.get(id(module), type(module).__name__)
        times[name] = times.get(name, 0) + 1
        calls.append((f"{name} ({times[name]})" if times[name] > 1 else name, module, x, y))

    with observe(note):
        yield calls


def chosen(op: str, found: list[Activation], layer: str | None, axes: int = 0) -> Activation:
    """Return the activation of a layer by its name; None is the first one with so many axes.

    Raises
    ------
    ShapeError
        There is no such layer.
    """
    fitting = [each for each in found if not axes or each.output.ndim == axes]
    names = first_names((each.name for each in fitting), 12)
    if layer is None and fitting:
        return fitting[0]
    for each in fitting:
        if each.name == layer:
            return each
    kind = " with maps (N, C, H, W)" if axes == 4 else ""
    raise ShapeError(f"{op}: there is no layer {layer!r}{kind}. There are: {names or 'none'}.")


def no_layer(op: str, model: Module, layer: str) -> ShapeError:
    """Return the error that a model has no layer of a kind."""
    said = "{op}: {model} has no layer {layer}."
    return ShapeError(sentence(said, op=op, model=type(model).__name__, layer=layer))
