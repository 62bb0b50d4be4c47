"""Trace of one training step: forward and backward, one op at a time, with what each op sees."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from tinynet import functions as F
from tinynet.analysis.recorded_ops import recorded_ops
from tinynet.core.atomic_file import write_atomically
from tinynet.core.autograd import Function
from tinynet.core.backend import Array, to_numpy
from tinynet.core.errors import GraphError
from tinynet.core.table import table
from tinynet.functions.conv import Conv2d
from tinynet.functions.pool import MaxPool2d
from tinynet.inspection.activations import watching
from tinynet.inspection.inputs import Prepare, batch_of, prepared, preserved, to_model
from tinynet.kernels.im2col import im2col
from tinynet.kernels.max_pool import max_pool2d_backward
from tinynet.nn import Module
from tinynet.tensors import Tensor


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Shape and values of an array.

    Attributes
    ----------
    shape : tuple of int
    least, mean, largest : float
        NaN where there is no finite value.
    zeros : float
        Share of the values that are exactly 0.
    """

    shape: tuple[int, ...]
    least: float
    mean: float
    largest: float
    zeros: float

    @classmethod
    def of(cls, array: Array) -> Statistics:
        """Return the statistics of an array."""
        finite = array[np.isfinite(array)]
        if not finite.size:
            return cls(array.shape, np.nan, np.nan, np.nan, 0.0)
        least = float(finite.min())
        mean = float(finite.mean(dtype=np.float64))
        return cls(array.shape, least, mean, float(finite.max()), float((array == 0).mean()))


@dataclasses.dataclass(frozen=True)
class TraceStep:
    """One op, forward or backward.

    Attributes
    ----------
    number : int
        From 1 on.
    direction : "forward" or "backward"
    op : str
        As users call it: "conv2d".
    layer : str
        Name of the layer in the model; "" for an op outside of all layers, such as the loss.
    arrays : dict of str to array
        Forward: "input", "weight", "bias" (of other ops "input 1", ...) and "output"; of a
        convolution also "columns", the im2col matrix of the first image (C*KH*KW, OH*OW); of max
        pooling "wins", the number of windows that each input pixel wins. Backward: "arriving
        gradient", and "gradient of input" and so on.
    """

    number: int
    direction: str
    op: str
    layer: str
    arrays: Mapping[str, Array]

    @property
    def statistics(self) -> dict[str, Statistics]:
        """Shape, least value, mean, largest value and share of zeros of each array."""
        return {name: Statistics.of(array) for name, array in self.arrays.items()}

    @property
    def title(self) -> str:
        """Number, direction, op and layer."""
        place = f" in {self.layer}" if self.layer else ""
        return f"{self.number}. {self.direction}: {self.op}{place}"

    def __repr__(self) -> str:
        rows: list[tuple[str, ...]] = [("array", "shape", "least", "mean", "largest", "zeros")]
        for name, s in self.statistics.items():
            numbers = (f"{value:.4g}" for value in (s.least, s.mean, s.largest))
            rows.append((name, str(s.shape), *numbers, f"{100 * s.zeros:.0f} %"))
        return f"{self.title}\n{table(rows, left=2)}"


class Trace(Sequence[TraceStep]):
    """The steps of a trace, in order; `save` writes them as a page.

    In a notebook the last value of a cell is shown with buttons, where ipywidgets is installed.
    """

    def __init__(self, steps: Sequence[TraceStep], name: str) -> None:
        self.steps = list(steps)
        self.name = name

    def __len__(self) -> int:
        return len(self.steps)

    @overload
    def __getitem__(self, i: int) -> TraceStep: ...

    @overload
    def __getitem__(self, i: slice) -> list[TraceStep]: ...

    def __getitem__(self, i: int | slice) -> TraceStep | list[TraceStep]:
        return self.steps[i]

    def __iter__(self) -> Iterator[TraceStep]:
        return iter(self.steps)

    def __repr__(self) -> str:
        rows = [("", "direction", "op", "layer", "output or gradient")]
        for step in self:
            shown = "output" if step.direction == "forward" else "arriving gradient"
            shape = str(step.arrays[shown].shape)
            rows.append((str(step.number), step.direction, step.op, step.layer, shape))
        return f"{self.name}: {len(self)} steps\n{table(rows, left=5)}"

    def save(self, path: Path | str) -> None:
        """Write the steps as one HTML page with a slider; it needs no server and no network.

        Parameters
        ----------
        path : Path or str
            An .html file.

        Raises
        ------
        ValueError
            The path has another suffix.
        """
        from tinynet.analysis import trace_page

        if Path(path).suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"trace: a page is an .html file, not {path}.")
        write_atomically(path, trace_page.page(self).encode())

    def _ipython_display_(self) -> None:
        """Show buttons and a slider in a notebook; without ipywidgets the table."""
        display: Any = importlib.import_module("IPython.display").display
        if importlib.util.find_spec("ipywidgets") is None:
            display({"text/plain": repr(self)}, raw=True)
        else:
            display(self.widget())

    def widget(self) -> Any:
        """Return the steps as a widget of ipywidgets: two buttons, a slider, and the step."""
        from tinynet.analysis import trace_page

        widgets: Any = importlib.import_module("ipywidgets")
        slider = widgets.IntSlider(1, 1, len(self), description="step")
        shown = widgets.HTML(trace_page.in_notebook(self[0]))
        back = widgets.Button(description="previous")
        on = widgets.Button(description="next")

        def move(by: int) -> None:
            slider.value = min(max(1, slider.value + by), len(self))

        def change(event: Mapping[str, Any]) -> None:
            shown.value = trace_page.in_notebook(self[event["new"] - 1])

        back.on_click(lambda _: move(-1))
        on.on_click(lambda _: move(1))
        slider.observe(change, "value")
        return widgets.VBox([widgets.HBox([back, slider, on]), shown])


def trace(
    model: Module,
    x: Any,
    labels: Any = None,
    *,
    training: bool = False,
    prepare: Prepare | None = None,
) -> Trace:
    """Run a model forward and backward, and return every op with the arrays that it sees.

    The backward pass starts from the mean cross-entropy if there are labels, else from the sum of
    each image's largest score. Neighboring layers are not fused. The model stays as it was.

    Parameters
    ----------
    model : Module
    x : (N, C, H, W) or one image (C, H, W)
        Floats as the model takes them, or bytes of the kind that `tn.fit` trained on.
    labels : (N,) integers, optional
    training : bool
        Whether dropout is on and batch normalization uses the batch.
    prepare : function of images to inputs, optional

    Returns
    -------
    Trace
        A sequence of TraceStep; `trace.save("trace.html")` writes a page with a slider.

    Raises
    ------
    GraphError
        The output does not depend on the input by any op.
    ShapeError
        There is no image.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> steps = tn.trace(model, np.ones((1, 4, 4), np.float32), labels=[2])
    >>> [step.op for step in steps if step.direction == "forward"]
    ['conv2d', 'relu', 'reshape', 'linear', 'cross_entropy']
    >>> steps[0].arrays["columns"].shape
    (9, 4)
    """
    inputs = prepared("trace", model, batch_of("trace", x), prepare)
    with preserved(model, training=training):
        images = to_model(model, inputs, requires_grad=True)
        with watching(model) as calls:
            scores = model(images)
        if isinstance(scores, tuple | list):
            scores = scores[0]
        objective = _objective(scores, labels)
        outputs = recorded_ops(objective)
        if not outputs:
            raise GraphError(
                f"trace: the output of {type(model).__name__} does not depend on its input by any "
                "op, so there is nothing to step through."
            )
        for y in outputs.values():
            y.retain_grad()
        objective.backward(keep_graph=True)
        return Trace(_steps(outputs, _layers(outputs, calls)), type(model).__name__)


def _objective(scores: Tensor, labels: Any) -> Tensor:
    """Return the number from which the backward pass starts."""
    if labels is not None:
        return F.cross_entropy(scores, np.atleast_1d(np.asarray(labels)))
    flat = scores.reshape(scores.shape[0], -1)
    rows = np.arange(scores.shape[0])
    return flat[rows, flat.numpy().argmax(axis=1)].sum()


def _layers(outputs: dict[Function, Tensor], calls: Sequence[Any]) -> dict[Function, str]:
    """Return the layer of each op: the one whose output comes next; "" behind the last one."""
    ends: dict[Any, str] = {}
    for name, _, _, y in calls:
        ends.setdefault(y.creator, name)  # a layer that does nothing returns what it got
    waiting: list[Function] = []
    found: dict[Function, str] = {}
    for node in outputs:
        waiting.append(node)
        if node in ends:
            found.update(dict.fromkeys(waiting, ends[node]))
            waiting = []
    return found | dict.fromkeys(waiting, "")


def _steps(outputs: dict[Function, Tensor], layers: Mapping[Function, str]) -> list[TraceStep]:
    steps: list[TraceStep] = []
    for node, y in outputs.items():
        arrays = _forward(node, y)
        steps.append(TraceStep(len(steps) + 1, "forward", node.op(), layers[node], arrays))
    for node, y in reversed(list(outputs.items())):
        arrays = _backward(node, y)
        steps.append(TraceStep(len(steps) + 1, "backward", node.op(), layers[node], arrays))
    return steps


def _names(node: Function) -> list[str]:
    """Return names of the inputs of an op."""
    count = len(node.inputs)
    if count == 1:
        return ["input"]
    weights = [x.creator is None and x.requires_grad for x in node.inputs[1:]]
    if all(weights) and count <= 3:
        return ["input", "weight", "bias"][:count]
    return [f"input {i + 1}" for i in range(count)]


def _forward(node: Function, y: Tensor) -> dict[str, Array]:
    arrays = {n: to_numpy(x.data) for n, x in zip(_names(node), node.inputs, strict=True)}
    if isinstance(node, Conv2d):
        arrays["columns"] = im2col(arrays["input"][:1], node.geometry)[0]
    if isinstance(node, MaxPool2d):
        argmax, shape = node.saved
        ones = np.ones_like(to_numpy(y.data))
        arrays["wins"] = max_pool2d_backward(ones, to_numpy(argmax), shape, node.geometry)
    return {**arrays, "output": to_numpy(y.data)}


def _backward(node: Function, y: Tensor) -> dict[str, Array]:
    arrays = {"arriving gradient": _gradient(y)}
    for name, x in zip(_names(node), node.inputs, strict=True):
        if x.requires_grad:
            arrays[f"gradient of {name}"] = _gradient(x)
    return arrays


def _gradient(x: Any) -> Array:
    """Return the whole gradient of a value: the sum over all ops that use it."""
    return np.zeros(x.data.shape, np.float32) if x.grad is None else to_numpy(x.grad)
