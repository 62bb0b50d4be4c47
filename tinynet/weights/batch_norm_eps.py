"""Eps of batch normalization: variances moved so that a model with another eps computes the same.

A layer divides by sqrt(running_var + eps). Keras adds 1e-3 by default, PyTorch, Caffe and this
project 1e-5. Weights alone do not show it, so files that state it say so in their conventions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tinynet import nn
from tinynet.core.backend import Array
from tinynet.weights.change import Change

VARIANCE = ".running_var"
ASKED = (
    "The file does not state eps of its batch normalizations; Keras's default is 0.001, and the "
    "ResNets and DenseNets of keras.applications have 1.001e-05"
)


def layers_of(arrays: Mapping[str, Array]) -> list[str]:
    """Return the names of the batch normalizations among the arrays of a file.

    >>> layers_of({"conv1.weight": None, "bn1.running_var": None})
    ['bn1']
    """
    return [name.removesuffix(VARIANCE) for name in arrays if name.endswith(VARIANCE)]


def asked_of(arrays: Mapping[str, Array], stated: bool) -> dict[str, str]:
    """Return why eps is asked for, by the name of the option; nothing where that is not needed.

    Layers have at most one vector, the bias, beside their filters or matrix: more vectors are
    those of normalizations. `running_var` is PyTorch's name, and comes with PyTorch's eps.

    >>> import numpy as np
    >>> asked_of({"a": np.ones((2, 2)), "b": np.ones(2)}, stated=False)
    {}
    """
    vectors = sum(array.ndim == 1 for array in arrays.values())
    others = sum(array.ndim > 1 for array in arrays.values())
    known = stated or bool(layers_of(arrays))
    return {"batch_norm_eps": ASKED} if vectors > others and not known else {}


def is_eps(value: object) -> bool:
    """Return whether a value can be the eps of a batch normalization."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value <= 1  # type: ignore[arg-type, operator]


def made_equal(arrays: dict[str, Array], eps: Mapping[str, float | None]) -> float | None:
    """Bring all batch normalizations of a file to one eps, the least of them, and return it.

    Parameters
    ----------
    arrays : dict of str to array
        Of a file; variances whose eps is larger are replaced.
    eps : dict of str to float or None
        Of each layer, as the file states it.

    Returns
    -------
    float or None
        None if there is no batch normalization, or one whose eps is not known.
    """
    return one_of({layer + VARIANCE: eps.get(layer) for layer in layers_of(arrays)}, arrays)


def one_of(stated: Mapping[str, float | None], arrays: dict[str, Array]) -> float | None:
    """Do as `made_equal` does, for variances of any name: `stated` has the eps of each."""
    found = {name: eps for name, eps in stated.items() if eps is not None and is_eps(eps)}
    if not stated or len(found) < len(stated):
        return None
    least = min(found.values())
    for name, eps in found.items():
        if eps > least:
            _move(arrays, name, eps - least)
    return least


def converted(arrays: dict[str, Array], eps: float | None, model: nn.Module) -> list[Change]:
    """Move the variances of a file by the difference of its eps and a model's.

    Parameters
    ----------
    arrays : dict of str to array
        Under the names of the model; variances are replaced.
    eps : float or None
        Of the file; None if it is not known.
    model : nn.Module
    """
    if eps is None:
        return []
    moved = []
    for name, layer in model.named_modules():
        variance = f"{name}{VARIANCE}".removeprefix(".")
        if isinstance(layer, nn.BatchNorm2d) and variance in arrays and layer.eps != eps:
            _move(arrays, variance, eps - layer.eps)
            moved.append(layer.eps)
    if not moved:
        return []
    message = (
        f"eps is {eps:g} in the file's batch normalizations and {moved[0]:g} in this model's: "
        f"{eps - moved[0]:g} was added to running_var, so that evaluation computes the same."
    )
    return [Change("normalization", "", message)]


def _move(arrays: dict[str, Array], name: str, difference: float) -> None:
    """Add a difference to the variances of a layer."""
    arrays[name] = (arrays[name] + np.float64(difference)).astype(arrays[name].dtype)
