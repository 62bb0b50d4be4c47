"""Drawing of an autograd graph: values with their gradients, and the ops that join them.

Data flow from left to right, as in the drawing at the head of `core/autograd.py`. The layout is
that of Sugiyama, Tagawa and Toda (1981): nodes stand in columns by their distance from the leaves,
an edge that spans several columns gets a waypoint in each of them, and each column is ordered by
the mean position of its neighbors.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.autograd import Function
from tinynet.core.backend import Array, to_numpy
from tinynet.core.errors import GraphError
from tinynet.plot import style, tiles
from tinynet.tensors import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST = 60  # values and ops in a figure
PRINTED = 4  # elements of an array that is shown number by number
GAP = 0.4  # inches between two columns
SPACE = 0.22  # inches between two boxes of a column
MARGIN = 0.25  # inches
TITLE = 0.3  # inches above the graph
TITLE_WIDTH = 5.2  # inches that the title takes
SWEEPS = 12  # over the order of the columns
SETTLING = 80  # over the heights of the nodes

LOOKS = {
    "leaf": {"edgecolor": style.BLUE, "facecolor": "#eaf3fa", "linewidth": 1.5},
    "constant": {"edgecolor": style.GRAY, "facecolor": "white", "linestyle": ":", "linewidth": 1.2},
    "value": {"edgecolor": "#333333", "facecolor": "white", "linewidth": 1.0},
    "output": {"edgecolor": style.ORANGE, "facecolor": "#fdf0e8", "linewidth": 1.8},
    "op": {"edgecolor": "#333333", "facecolor": "#e8e8e8", "linewidth": 0.8},
}


@dataclasses.dataclass(eq=False)
class Node:
    """A box of the figure, or a waypoint of an edge, whose kind is "waypoint"."""

    kind: str
    text: str = ""
    inputs: list[Node] = dataclasses.field(default_factory=list)
    column: int = 0
    width: float = 0.0  # inches
    height: float = 0.1  # inches
    x: float = 0.0  # of the center, inches
    y: float = 0.0


def graph(
    tensor: Tensor,
    path: Path | str | None = None,
    *,
    names: Mapping[str, Tensor] | None = None,
) -> Figure:
    r"""Draw the autograd graph of a small expression, with values and gradients.

    Leaves that require a gradient are blue, constants dotted, the drawn value orange, ops gray.
    Draw before `backward()`, or keep the graph with `backward(keep_graph=True)`: otherwise
    `backward()` frees the graph while it walks, and nothing is left to draw.

    After `backward(keep_graph=True)` a leaf shows its `.grad`. A value between the leaves and a
    one-element `tensor` shows the derivative of `tensor` with respect to it; if the value
    keeps its own gradient (`retain_grad`), that one is shown.

    Parameters
    ----------
    tensor : Tensor
        The result of the expression.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    names : dict of str to Tensor, optional
        Names to show in the boxes of these tensors.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    GraphError
        There is no graph behind the value, `backward()` has freed it, or it has more than 60
        values and ops.
    TypeError
        `tensor` is not a Tensor, or `names` not a dict of Tensors by name.

    Examples
    --------
    >>> import tinynet as tn
    >>> w = tn.tensor([2.0, -1.0], requires_grad=True)
    >>> x = tn.tensor([3.0, 4.0])
    >>> loss = (w * x).sum()
    >>> loss.backward(keep_graph=True)
    >>> figure = tn.plot.graph(loss, names={"w": w, "x": x, "loss": loss})
    >>> print(sorted(text.get_text() for text in figure.axes[0].texts if "w" in text.get_text()))
    ['w\n[2, -1]\ngrad [3, 4]']
    """
    if names is not None and not _are_named_tensors(names):
        raise TypeError('graph: names is a dict of tensors by name, like {"w": w}.')
    makers = _functions(tensor)
    nodes = _boxes(tensor, makers, {id(t): name for name, t in (names or {}).items()})
    columns = _columns(nodes)
    canvas = style.new_figure(1, 1, layout=None)
    axes = canvas.add_axes((0.0, 0.0, 1.0, 1.0))
    for node in nodes:
        _measure(axes, node)
    width, height = _place(columns)
    title = _title(nodes)
    width = max(width, TITLE_WIDTH)
    figure = style.new_figure(width, height + TITLE, layout=None)
    axes = style.bare_axes(figure)
    tiles.headline(figure, title, y=1 - 0.12 / (height + TITLE))
    for node in nodes:
        _write(axes, node)
        for start in node.inputs:
            _draw_edge(axes, start, node)
    return style.finish(figure, path, graph_in_words(nodes))


def _title(nodes: list[Node]) -> str:
    """Return how to read the figure."""
    count = sum(node.kind == "op" for node in nodes)
    ops = "1 op" if count == 1 else f"{count} ops"
    if not any("grad " in node.text for node in nodes):
        return f"{ops}: values flow to the right"
    return f"{ops}: values flow to the right, gradients back to the left"


def graph_in_words(nodes: list[Node]) -> str:
    """Return the ops of the graph and the number of its leaves, as a text alternative."""
    ops = [node.text.replace("\n", " + ") for node in nodes if node.kind == "op"]
    leaves = sum(node.kind in ("leaf", "constant") for node in nodes)
    return f"The graph of {len(ops)} ops on {leaves} leaves, in order: {', '.join(ops)}."


def _are_named_tensors(names: Any) -> bool:
    return isinstance(names, Mapping) and all(isinstance(t, Tensor) for t in names.values())


# ---- from tensors to boxes


def _functions(tensor: Tensor) -> dict[Function, Any]:
    """Return the ops behind a value with their results, the oldest first."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"graph: it draws a Tensor, got {type(tensor).__name__}.")
    if tensor.creator is None:
        raise GraphError(
            "graph: it draws a value that was computed from tensors with requires_grad=True; this "
            f"one, of shape {tensor.shape}, was not."
        )
    found: dict[Function, Any] = {}
    values = {id(tensor)}
    waiting: list[Any] = [tensor]
    while waiting:
        value = waiting.pop()
        maker = value.creator
        if maker is None or maker in found:
            continue
        if maker.freed:
            raise GraphError(
                "graph: backward() has freed the graph behind this value. Draw it before "
                "backward(), or call backward(keep_graph=True)."
            )
        found[maker] = value
        values.update(id(x) for x in maker.inputs)
        waiting.extend(maker.inputs)
    count = len(found) + len(values)
    if count > LARGEST:
        raise GraphError(
            f"graph: it is too large to draw: {count} values and ops, {LARGEST} are the limit. "
            "Draw the graph of a smaller expression, or of a value nearer to the leaves."
        )
    return dict(sorted(found.items(), key=lambda pair: pair[0].serial))


def _boxes(tensor: Tensor, makers: dict[Function, Any], names: dict[int, str]) -> list[Node]:
    """Return the boxes of all values and ops, each with those that flow into it."""
    gradients = _gradients(tensor, makers)
    boxes: dict[int, Node] = {}

    def box_of(value: Any) -> Node:
        if id(value) not in boxes:
            text = _text(names.get(id(value)), value.data, gradients.get(id(value)))
            boxes[id(value)] = Node(_kind(value, tensor), text)
        return boxes[id(value)]

    nodes: dict[int, Node] = {}  # by id, in order
    for maker, value in makers.items():
        fused = "\nrelu" if getattr(maker, "relu", False) else ""
        op = Node("op", maker.op() + fused)
        op.inputs = [box_of(x) for x in maker.inputs]
        result = box_of(value)
        result.inputs = [op]
        nodes |= {id(node): node for node in (*op.inputs, op, result)}
    return list(nodes.values())


def _kind(value: Any, tensor: Tensor) -> str:
    if value is tensor:
        return "output"
    if value.creator is not None:
        return "value"
    return "leaf" if value.requires_grad else "constant"


def _gradients(tensor: Tensor, makers: dict[Function, Any]) -> dict[int, Array]:
    """Return the gradients to show, by the id of the value; none before backward()."""
    leaves = {id(x): x for maker in makers for x in maker.inputs if x.creator is None}
    values = list(makers.values())
    found: dict[int, Array] = {}
    if tensor.data.size == 1 and any(x.grad is not None for x in leaves.values()):
        found |= _derivatives(tensor, [*leaves.values(), *values], values)
    for value in (*leaves.values(), *values):
        if value.grad is not None:
            found[id(value)] = value.grad
    return found


def _derivatives(tensor: Tensor, touched: list[Any], values: list[Any]) -> dict[int, Array]:
    """Return the derivative of a number with respect to values; their state stays as it was."""
    gradients = [value.grad for value in touched]
    outputs = [value.creator.output for value in values]
    for value in touched:
        value.grad = None
    try:
        for value in values:
            value.retain_grad()
        tensor.backward(keep_graph=True)
        return {id(value): value.grad for value in values if value.grad is not None}
    finally:
        for value, gradient in zip(touched, gradients, strict=True):
            value.grad = gradient
        for value, output in zip(values, outputs, strict=True):
            value.creator.output = output


def _text(name: str | None, value: Array, gradient: Array | None) -> str:
    lines = [name] if name else []
    if value.size > PRINTED:
        lines.append(str(value.shape))
    lines.append(_numbers(value))
    if gradient is not None:
        lines.append(f"grad {_numbers(gradient)}")
    return "\n".join(lines).replace("$", r"\$")


def _numbers(array: Array) -> str:
    """Return the numbers of a small array, the range of a large one."""
    array = to_numpy(array)
    if array.size == 1:
        return f"{float(array.reshape(-1)[0]):.4g}"
    if array.size <= PRINTED:
        return np.array2string(array, separator=", ", formatter={"float_kind": "{:.3g}".format})
    return f"{array.min():.3g} .. {array.max():.3g}"


# ---- columns, order and places


def _columns(nodes: list[Node]) -> list[list[Node]]:
    """Return the boxes column by column, with waypoints for edges that span several columns."""
    for node in nodes:  # inputs come first
        node.column = 1 + max((x.column for x in node.inputs), default=-1)
    for leaf in nodes:
        if leaf.kind in ("leaf", "constant"):
            leaf.column = min(node.column for node in nodes if leaf in node.inputs) - 1
    columns: list[list[Node]] = [[] for _ in range(1 + max(node.column for node in nodes))]
    for node in nodes:
        columns[node.column].append(node)
        node.inputs = [_routed(start, node, columns) for start in node.inputs]
    for sweep in range(SWEEPS):
        _order(columns, forward=sweep % 2 == 0)
    return columns


def _routed(start: Node, end: Node, columns: list[list[Node]]) -> Node:
    """Return the last waypoint between two boxes, or the first box where there is none."""
    for column in range(start.column + 1, end.column):
        start = Node("waypoint", inputs=[start], column=column)
        columns[column].append(start)
    return start


def _order(columns: list[list[Node]], *, forward: bool) -> None:
    """Order the nodes of each column by the mean position of their neighbors."""
    place = {node: i for column in columns for i, node in enumerate(column)}
    followers = _followers(columns)
    for column in columns if forward else reversed(columns):
        near = {node: node.inputs if forward else followers.get(node, []) for node in column}
        mean = {
            node: sum(place[x] for x in ends) / len(ends) if ends else place[node]
            for node, ends in near.items()
        }
        column.sort(key=mean.__getitem__)
        place |= {node: i for i, node in enumerate(column)}


def _followers(columns: list[list[Node]]) -> dict[Node, list[Node]]:
    found: dict[Node, list[Node]] = {}
    for column in columns:
        for node in column:
            for start in node.inputs:
                found.setdefault(start, []).append(node)
    return found


def _place(columns: list[list[Node]]) -> tuple[float, float]:
    """Give every node its place; return the width and height of the figure in inches."""
    left = MARGIN
    for column in columns:
        width = max(node.width for node in column)
        for node in column:
            node.x = left + width / 2
            if node.kind == "waypoint":
                node.width = width
        left += width + GAP
    followers = _followers(columns)
    for column in columns:
        _spread(column, [0.0] * len(column))
    for sweep in range(SETTLING):
        for column in columns if sweep % 2 else reversed(columns):
            neighbors = [[*node.inputs, *followers.get(node, [])] for node in column]
            wanted = [sum(x.y for x in ends) / len(ends) for ends in neighbors]
            _spread(column, wanted)
    nodes = [node for column in columns for node in column]
    lowest = min(node.y - node.height / 2 for node in nodes) - MARGIN
    for node in nodes:
        node.y -= lowest
    return left - GAP + MARGIN, max(node.y + node.height / 2 for node in nodes) + MARGIN


def _spread(column: list[Node], wanted: list[float]) -> None:
    """Put the nodes of a column as near as wanted, in their order and without overlap."""
    places: list[float] = []
    for i, node in enumerate(column):
        y = wanted[i]
        if i:
            before = column[i - 1]
            y = max(y, places[-1] + (before.height + node.height) / 2 + SPACE)
        places.append(y)
    shift = sum(w - p for w, p in zip(wanted, places, strict=True)) / len(column)
    for node, place in zip(column, places, strict=True):
        node.y = place + shift


# ---- drawing


def _measure(axes: Axes, node: Node) -> None:
    """Set the size of a box from its text."""
    figure: Any = axes.figure
    text = _write(axes, node)
    extent = text.get_window_extent(figure.canvas.get_renderer())
    padding = 2 * _padding(node) * _font_size(node) / 72
    node.width = extent.width / figure.dpi + padding
    node.height = extent.height / figure.dpi + padding


def _write(axes: Axes, node: Node) -> Any:
    shape = "round4" if node.kind == "op" else "square"
    box: Any = {"boxstyle": f"{shape},pad={_padding(node)}", **LOOKS[node.kind]}
    return axes.text(
        node.x,
        node.y,
        node.text,
        ha="center",
        va="center",
        fontsize=_font_size(node),
        bbox=box,
        zorder=3,
    )


def _padding(node: Node) -> float:
    """Return the padding of a box, in units of its font size."""
    return 0.35 if node.kind == "op" else 0.5


def _font_size(node: Node) -> float:
    return 9.0 if node.kind == "op" else 8.5


def _draw_edge(axes: Axes, start: Node, end: Node) -> None:
    """Draw an arrow from a box, along the waypoints, to another box."""
    points = list(_points(start, end))
    tail = points[-2]
    style_of_line: Any = {"arrowstyle": "-|>", "color": "#555555", "linewidth": 1.0}
    axes.annotate(
        "", points[-1], tail, arrowprops={**style_of_line, "shrinkA": 0, "shrinkB": 0}, zorder=2
    )
    if len(points) > 2:
        xs = [x for x, _ in points[:-1]]
        ys = [y for _, y in points[:-1]]
        axes.plot(xs, ys, color="#555555", linewidth=1.0, zorder=1)


def _points(start: Node, end: Node) -> Iterator[tuple[float, float]]:
    """Yield the corners of an edge; a waypoint is crossed at its own height."""
    way = [start]
    while way[-1].kind == "waypoint":
        way.append(way[-1].inputs[0])
    first, *waypoints = reversed(way)
    yield first.x + first.width / 2, first.y
    for node in waypoints:
        yield node.x - node.width / 2, node.y
        yield node.x + node.width / 2, node.y
    yield end.x - end.width / 2, end.y
