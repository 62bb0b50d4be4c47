"""ONNX export: the ops of a network, with its weights.

The network runs in evaluation mode on an image of zeros, and the graph that autograd records for
backward is written. So it need not be a `Sequential`: residual connections and branches are written
too. An op without a counterpart in ONNX, such as an unshared convolution, is refused by name.

The file must hold for any number of images. So the network runs on two images as well; if that
graph is different, as it is where each device takes half of the images, the export is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinynet import kernels, nn
from tinynet.core.atomic_file import write_atomically
from tinynet.core.autograd import Function, Variable
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.extras import install_command
from tinynet.data import Normalize
from tinynet.tensors import tensor
from tinynet.weights.onnx_facts import INPUT, Facts
from tinynet.weights.onnx_ops import WRITERS
from tinynet.weights.onnx_writer import Writer

if TYPE_CHECKING:
    import onnx

OPSET = 18  # of 2022, which today's readers of ONNX know
IR_VERSION = 8


def save(
    model: nn.Module,
    path: Path | str,
    input_shape: tuple[int, ...],
    *,
    preprocessing: Normalize | None = None,
    include_preprocessing: bool = True,
    softmax: bool = False,
    classes: Sequence[str] = (),
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a network for images (C, H, W) as an ONNX file.

    Parameters
    ----------
    model : nn.Module
    path : Path or str
    input_shape : tuple of int
        (C, H, W), in pixels.
    preprocessing : data.Normalize, optional
        How images are prepared. It becomes the first nodes of the file, which then takes images
        with values in 0..255.
    include_preprocessing : bool
        False leaves these nodes out: the file takes normalized images, and its metadata say how.
    softmax : bool
        Whether the file returns probabilities in place of scores.
    classes : sequence of str
        Their names, for the metadata.
    metadata : dict of str to str, optional
        Further facts for the file.

    Raises
    ------
    DataError
        The package onnx is missing, or tinynet does not export an op of the network.

    Examples
    --------
    >>> import tempfile
    >>> import tinynet as tn
    >>> from tinynet import data, nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    >>> normalize = data.Normalize([125, 123, 114], [63, 62, 67])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tn.weights.save_onnx(
    ...         model, f"{folder}/net.onnx", (3, 8, 8), preprocessing=normalize, softmax=True,
    ...         classes=["cat", "dog"],
    ...     )
    """
    if isinstance(model, str | Path):
        raise TypeError("save_onnx: the model comes first, then the path: save_onnx(model, path).")
    facts = Facts(preprocessing, include_preprocessing, softmax, classes, metadata or {})
    write_atomically(path, exported(model, input_shape, facts).SerializeToString())


def exported(
    model: nn.Module, image: tuple[int, ...], facts: Facts | None = None
) -> onnx.ModelProto:
    """Return a network for images (C, H, W) as an ONNX model from "images" to "scores"."""
    try:
        from onnx import TensorProto, checker, helper, numpy_helper
    except ImportError:
        raise DataError(
            "ONNX: the package onnx is needed, and not installed. "
            f"{install_command('onnx')} brings it."
        ) from None
    facts = facts or Facts()
    writer, scores = _written(model, image, facts, images=1)
    _check_any_number(writer, _written(model, image, facts, images=2)[0])
    own = set(writer.names.values())  # parameters and buffers are initializers, the rest is fixed
    arrays = {
        name: numpy_helper.from_array(_plain(a), name) for name, a in writer.constants.items()
    }
    fixed = [
        helper.make_node("Constant", [], [name], name, value=a)
        for name, a in arrays.items()
        if name not in own
    ]
    graph = helper.make_graph(
        fixed + writer.nodes,
        type(model).__name__,
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", *image])],
        [helper.make_tensor_value_info(facts.output, TensorProto.FLOAT, ["batch", *scores])],
        [a for name, a in arrays.items() if name in own],
    )
    found = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tinynet",
        doc_string=facts.doc(model, image),
    )
    helper.set_model_props(found, facts.properties(model, image))
    checker.check_model(found, full_check=True)
    return found


def _written(
    model: nn.Module, image: tuple[int, ...], facts: Facts, images: int
) -> tuple[Writer, tuple[int, ...]]:
    """Return the graph for so many images, and the shape of its output without N."""
    from onnx import helper

    x, y = _run(model, (images, *image))
    if y.data.shape[:1] != (images,):
        raise DataError(
            f"ONNX: a network must give scores (N, ...) for N images. For {images} it gives "
            f"{y.data.shape}."
        )
    writer = Writer({id(v.data): name for name, v in model._named_tensors()})
    writer.values[id(x)] = facts.begin(writer, image)
    scores = y.data.shape[1:]
    last = facts.end(writer, _write(writer, y), scores)
    writer.nodes.append(helper.make_node("Identity", [last], [facts.output]))
    writer.prune([facts.output])
    return writer, scores


def _check_any_number(one: Writer, two: Writer) -> None:
    """Raise DataError if the graphs for one image and for two differ."""
    for a, b in itertools.zip_longest(one.nodes, two.nodes):
        if a != b or not all(_equal(one, two, name) for name in a.input):
            node = a or b
            raise DataError(
                f"ONNX: the file must hold for any number of images, and {node.name} "
                f"({node.op_type}) differs between 1 image and 2, so it cannot be exported."
            )


def _equal(one: Writer, two: Writer, name: str) -> bool:
    a = one.constants.get(name)
    b = two.constants.get(name)
    return a is b or (a is not None and b is not None and np.array_equal(a, b))


def _run(model: nn.Module, shape: tuple[int, ...]) -> tuple[Variable, Variable]:
    """Return images of zeros and the output of the network, with the graph between them."""
    modes = [(module, module.training) for module in model.modules()]
    x = tensor(np.zeros(shape, np.float32))
    x.requires_grad = True  # so that there is a graph even if all layers are frozen
    try:
        with kernels.use("reference"):
            y = model.eval()(x)
    finally:
        for module, training in modes:
            module.training = training
    if not isinstance(y, Variable) or y.creator is None:
        raise DataError("ONNX: a network must compute one array, its scores, from its images.")
    return x, y


def _write(writer: Writer, y: Variable) -> str:
    """Write every node of the graph of y, the oldest first; return the name of y."""
    nodes: dict[Function, Variable] = {}
    waiting = [y]
    while waiting:
        value = waiting.pop()
        if value.creator is not None and value.creator not in nodes:
            nodes[value.creator] = value
            waiting += value.creator.inputs
    for node in sorted(nodes, key=lambda node: node.serial):
        write = WRITERS.get(type(node))
        if write is None:
            raise DataError(
                f"ONNX: tinynet does not export {node.op()}, so this network cannot be written."
            )
        inputs = [writer.name_of(v) for v in node.inputs]
        writer.values[id(nodes[node])] = write(writer, node, inputs)
    return writer.name_of(y)


def _plain(array: Array) -> Array:
    """Return an array in row-major order; float64 becomes float32, the type of the graph."""
    return np.ascontiguousarray(array, np.float32 if array.dtype.kind == "f" else None).reshape(
        array.shape
    )
