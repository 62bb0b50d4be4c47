"""Model summary: output shape, parameters and multiply-adds of every layer."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import reprlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinynet import kernels, models, nn
from tinynet.core import random
from tinynet.core.backend import CPU, transfer
from tinynet.core.errors import ShapeError
from tinynet.core.grad_mode import no_grad
from tinynet.core.table import first_names, table
from tinynet.tensors import Tensor
from tinynet.words import phrase, phrases

FLOAT = 4  # bytes of a float32
SHOWN = 4  # names in a message
MODEL = "(model)"  # name of the whole model, where it has parameters itself

Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Layer:
    """One call of one layer.

    Parameters
    ----------
    name : str
        Its name in the model, e.g. "features.0".
    kind : str
        Its class.
    output_shape : tuple of int
        With the batch axis; () if the layer does not return one tensor.
    parameters : int
        Numbers that it learns itself. A layer that is called again counts them once.
    multiply_adds : int
        Products of a weight and a value, for the whole batch. Only convolutions (shared or not)
        and linear layers are counted.
    buffers : int
        Numbers that it keeps but does not learn: running means and variances.
    """

    name: str
    kind: str
    output_shape: Shape
    parameters: int
    multiply_adds: int
    buffers: int = 0

    @property
    def shape(self) -> Shape:
        """Shape of the output for one image, without the batch axis."""
        return self.output_shape[1:]

    @property
    def bytes(self) -> int:
        """Memory of the output and the parameters in float32."""
        output = math.prod(self.output_shape) if self.output_shape else 0
        return FLOAT * (output + self.parameters)


@dataclasses.dataclass(frozen=True)
class Summary:
    """The layers of a model with their costs; `print` shows them as a table.

    Parameters
    ----------
    name : str
        Class of the model, or its registered name.
    input_shape : tuple of int
        With the batch axis.
    layers : list of Layer
        In the order in which they were called.
    not_called : dict of str to int
        Parameters of the modules that this input does not reach.
    """

    name: str
    input_shape: Shape
    layers: list[Layer]
    not_called: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """Parameters of the whole model, each counted once."""
        return sum(layer.parameters for layer in self.layers) + sum(self.not_called.values())

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of a forward pass of the whole batch."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def buffers(self) -> int:
        """Numbers that are kept but not learned."""
        return sum(layer.buffers for layer in self.layers)

    def table(self) -> str:
        """Return the table of the layers, with the totals in its last row."""
        header = phrases("layer", "kind", "output", "parameters", "multiply-adds", "bytes")
        rows = [_row(layer) for layer in self.layers]
        total = (phrase("total"), "", "", self.parameters, self.multiply_adds, self._bytes())
        return table([header, *rows, _cells(*total)], left=3)

    def _bytes(self) -> int:
        unreached = FLOAT * sum(self.not_called.values())
        return sum(layer.bytes for layer in self.layers) + unreached

    def __str__(self) -> str:
        lines = [
            phrase(
                "{name}, input {shape}. Bytes are those of the output and the parameters, float32.",
                name=self.name,
                shape=self.input_shape,
            ),
            self.table(),
        ]
        if self.not_called:
            names = first_names(self.not_called, SHOWN)
            count = sum(self.not_called.values())
            said = "not called with this input: {names} ({count:,} parameters)"
            lines.append(phrase(said, names=names, count=count))
        if self.buffers:
            said = "not trained: {count:,} running means and variances"
            lines.append(phrase(said, count=self.buffers))
        return "\n".join(lines)

    __repr__ = __str__


def summary(model: nn.Module, input_shape: Shape, batch_size: int = 1) -> Summary:
    """Return a table of the layers of a model.

    A batch of zeros goes through the model once, in evaluation mode. Training mode, running
    statistics, random streams and gradients stay as they are.

    Parameters
    ----------
    model : nn.Module
    input_shape : tuple of int
        Shape of one input without the batch axis: (C, H, W) for images, in pixels.
    batch_size : int
        Inputs in the batch; output shapes, multiply-adds and bytes are those of the whole batch.

    Returns
    -------
    Summary
        `str` and `repr` give the table; `.layers`, `.parameters`, `.multiply_adds` the numbers.

    Raises
    ------
    ShapeError
        `input_shape` or `batch_size` is not made of positive integers.
    TypeError
        `model` is not an nn.Module.

    Examples
    --------
    >>> from tinynet import nn
    >>> from tinynet.analysis.summary import summary
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(),
    ...                       nn.Linear(8 * 4 * 4, 10))
    >>> summary(model, (3, 4, 4))
    Sequential, input (1, 3, 4, 4). Bytes are those of the output and the parameters, float32.
    layer  kind     output        parameters  multiply-adds  bytes
    --------------------------------------------------------------
    0      Conv2d   (1, 8, 4, 4)         224          3,456  1,408
    1      ReLU     (1, 8, 4, 4)           0              0    512
    2      Flatten  (1, 128)               0              0    512
    3      Linear   (1, 10)            1,290          1,280  5,200
    total                              1,514          4,736  7,632
    """
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"summary: the model, an nn.Module, comes first, got {type(model).__name__}. For a "
            "model by its name: models.build(name)."
        )
    shape = _batch_shape(input_shape, batch_size)
    called = list(_called_layers(model, shape))
    return Summary(type(model).__name__, shape, called, _not_called(model, called))


def layers(model: nn.Module, input_shape: Shape) -> list[Layer]:
    """Return the layers of a model in the order in which an image (C, H, W) meets them.

    Nothing is computed: the batch has no images, and the shapes are those of a batch of one. The
    model must keep the batch axis first; `summary` asks for no such thing.
    """
    return [
        dataclasses.replace(layer, output_shape=(1, *layer.shape))
        for layer in _called_layers(model, (0, *input_shape))
    ]


def counted(
    name: str,
    classes: int | None = None,
    variant: str | None = None,
    cross_at: str | None = None,
) -> tuple[models.Entry, list[Layer]]:
    """Return the entry of a registered model, with the number of classes, and its layers.

    Parameters
    ----------
    name : str
        A registered model.
    classes, variant, cross_at : optional
        As in `tn.models.build`.
    """
    entry = models.entry(name, variant)
    entry = entry._replace(classes=classes or entry.classes)
    with nn.init.skip_init():
        model = models.build(name, entry.classes, variant=variant, cross_at=cross_at)
    return entry, layers(model, (3, entry.side, entry.side))


def page(
    name: str,
    classes: int | None = None,
    variant: str | None = None,
    cross_at: str | None = None,
) -> str:
    """Return the summary of a registered model as text; its weights are not initialized.

    Parameters
    ----------
    name : str
        A registered model.
    classes, variant, cross_at : optional
        As in `tn.models.build`.
    """
    entry, rows = counted(name, classes, variant, cross_at)
    title = f"{name}, {variant}" if variant else name
    if cross_at:
        title = phrase("{title}, crossing at {layer}", title=title, layer=cross_at)
    shape = 1, 3, entry.side, entry.side
    named = phrase("{title}: {count} classes", title=title, count=entry.classes)
    return str(Summary(named, shape, rows))


def _batch_shape(input_shape: Shape, batch_size: int) -> Shape:
    """Return (batch_size, *input_shape), or say what is wrong with it."""
    if not isinstance(input_shape, tuple | list) or len(input_shape) > 3:
        raise ShapeError(
            f"summary: input_shape is a tuple without the batch axis, e.g. (3, 32, 32), not "
            f"{reprlib.repr(input_shape)}."
        )
    shape = (batch_size, *input_shape)
    if not all(isinstance(n, int | np.integer) and n > 0 for n in shape):
        raise ShapeError(
            f"summary: batch_size and the lengths in input_shape are positive integers, got "
            f"{batch_size!r} and {tuple(input_shape)!r}."
        )
    return tuple(int(n) for n in shape)


def _called_layers(model: nn.Module, shape: Shape) -> Iterator[Layer]:
    """Run a batch of zeros, and yield every layer that it passes, in the order of the calls."""
    names: dict[int, str] = {}
    for name, module in model.named_modules():
        names.setdefault(id(module), name)  # a shared module is listed under its first name
    calls: list[tuple[nn.Module, Shape]] = []

    def note(module: nn.Module, x: Any, y: Any) -> None:
        if id(module) in names:  # else a copy on another device
            calls.append((module, y.shape if isinstance(y, Tensor) else ()))

    _run(model, shape, note)
    seen: set[int] = set()
    counted: set[int] = set()  # parameters
    for module, output_shape in calls:
        inner = any(m is not module for _, m in module.named_modules())
        own = _own_parameters(module)
        if inner and not own:
            continue  # a container: its layers are listed themselves
        yield Layer(
            names[id(module)] or MODEL,
            type(module).__name__,
            output_shape,
            sum(math.prod(p.shape) for p in own if id(p) not in counted),
            _multiply_adds(module, output_shape),
            _buffers(module) if id(module) not in seen else 0,
        )
        seen.add(id(module))
        counted.update(map(id, own))


def _run(model: nn.Module, shape: Shape, note: nn.module.Observer) -> None:
    """Run a batch of zeros through a model, on its device and in its dtype."""
    state = [value for _, value in model._named_tensors()]
    where = state[0].device if state else CPU
    floats = [value.data.dtype for value in state if value.data.dtype.kind == "f"]
    images = np.zeros(shape, floats[0] if floats else np.float32)
    x = Tensor(transfer(images, where), where)
    reference = kernels.use("reference") if where.kind == "cpu" else contextlib.nullcontext()
    modes = [(module, module.training) for _, module in model.named_modules()]
    try:
        with no_grad(), reference, random.fork(0), nn.observe(note):
            model.eval()(x)
    finally:
        for module, training in modes:
            module.training = training


def _not_called(model: nn.Module, called: list[Layer]) -> dict[str, int]:
    """Return the parameters of the modules that were not called, by name."""
    names = {layer.name for layer in called}
    modules = [(name or MODEL, module) for name, module in model.named_modules()]
    counted = {id(p) for name, m in modules if name in names for p in _own_parameters(m)}
    found: dict[str, int] = {}
    for name, module in modules:
        fresh = [p for p in _own_parameters(module) if id(p) not in counted]
        if fresh:
            found[name] = sum(math.prod(p.shape) for p in fresh)
        counted.update(map(id, fresh))
    return found


def _own_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of a module, without those of the modules inside it."""
    inside = [m for _, m in module.named_modules() if m is not module]
    theirs = {id(p) for m in inside for p in m.parameters()}
    return [p for p in module.parameters() if id(p) not in theirs]


def _multiply_adds(module: nn.Module, output_shape: Shape) -> int:
    """Return how often a layer multiplies a weight and adds; for a batch of none, that of one."""
    if not output_shape:
        return 0
    images = max(1, output_shape[0])
    if isinstance(module, nn.LocallyConnected2d):
        return images * math.prod(module.weight.shape)  # no filter is used twice
    if not isinstance(module, nn.Conv2d | nn.Linear):
        return 0
    per_output = math.prod(module.weight.shape[1:])
    return images * math.prod(output_shape[1:]) * per_output


def _buffers(module: nn.Module) -> int:
    """Return how many numbers a layer keeps that are not learned."""
    return sum(math.prod(v.shape) for v in vars(module).values() if type(v) is nn.Buffer)


def _row(layer: Layer) -> tuple[str, ...]:
    return _cells(
        layer.name,
        layer.kind,
        str(layer.output_shape) if layer.output_shape else "",
        layer.parameters,
        layer.multiply_adds,
        layer.bytes,
    )


def _cells(name: str, kind: str, shape: str, *numbers: int) -> tuple[str, ...]:
    return (name, kind, shape, *(f"{number:,}" for number in numbers))
