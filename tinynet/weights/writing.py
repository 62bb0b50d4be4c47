"""Saving the weights of a model to a file, in the format that the suffix names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinynet.core.backend import Array, is_array, to_numpy
from tinynet.core.errors import DataError
from tinynet.nn import Module
from tinynet.tensors import Tensor
from tinynet.weights import conventions, file, onnx_graph
from tinynet.weights.contents import Weights

Saved = Module | Weights | Mapping[str, Array | Tensor]


def save(model: Saved, path: Path | str, *, input_shape: tuple[int, ...] | None = None) -> None:
    """Write the weights of a model to a file, or the model itself to an .onnx file.

    A .safetensors or .npz has metadata: the conventions of the model. A .pt is what torch.load
    reads with its defaults; it has none. The file is replaced at once: a reader sees the old
    contents or the new ones.

    Parameters
    ----------
    model : nn.Module, Weights, or dict of str to array
        Of a module, `state_dict` and the conventions of its layers are written.
    path : Path or str
    input_shape : tuple of int, optional
        Shape of one input without the batch axis, e.g. (3, 32, 32); an .onnx file needs it, since
        it holds the network too.

    Raises
    ------
    TypeError
        The arguments are in another order, `model` is something else, or a dict holds something
        else than arrays of numbers by name.
    DataError
        The suffix names another format, or the format does not have a dtype or an op of the model.

    Examples
    --------
    >>> import tempfile
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> model = nn.Sequential(nn.Linear(3, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tn.weights.save(model, f"{folder}/net.npz")
    ...     tn.weights.load(model, f"{folder}/net.npz")
    []
    """
    require_order("save", model, path)
    path = Path(path)
    if path.suffix != ".onnx":
        file.write(_weights_of(model), path)
    elif not isinstance(model, Module):
        raise DataError(f"{path}: an .onnx file holds the network too; save a module, not arrays.")
    elif input_shape is None:
        raise DataError(
            f"{path}: an .onnx file holds the network too, for inputs of one shape: save(model, "
            "path, input_shape=(3, 224, 224))."
        )
    else:
        onnx_graph.save(model, path, input_shape)


def require_order(function: str, model: Any, path: Any) -> None:
    """Raise TypeError where path and model are swapped, or the path is none."""
    if isinstance(model, str | Path):
        raise TypeError(
            f"{function}: the model comes first, then the path: {function}(model, {str(model)!r})."
        )
    if not isinstance(path, str | Path):
        raise TypeError(f"{function}: the path is a str or a Path, got {type(path).__name__}.")


def _weights_of(model: Any) -> Weights:
    if isinstance(model, Weights):
        return model
    if isinstance(model, Module):
        metadata = {conventions.KEY: conventions.of_model(model).json()}
        return Weights(model.state_dict(), metadata)
    if not isinstance(model, Mapping):
        raise TypeError(
            f"save: it takes a module, its state_dict() or Weights, got {type(model).__name__}."
        )
    return Weights({name: _array(name, value) for name, value in model.items()})


def _array(name: Any, value: Any) -> Array:
    """Return one entry of a dict as a NumPy array of numbers."""
    data = value.data if isinstance(value, Tensor) else value
    if not isinstance(name, str) or not is_array(data) or data.dtype.kind in "OUSMm":
        raise TypeError(
            f"save: a dict holds arrays of numbers by name; {name!r} is "
            f"{getattr(data, 'dtype', type(data).__name__)}. Write np.asarray(values)."
        )
    return to_numpy(data)
