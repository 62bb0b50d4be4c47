"""Gradients by layer: how large they are when they arrive, and beside the weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tinynet.core.backend import Array, to_numpy
from tinynet.core.errors import ShapeError
from tinynet.inspection.activations import watching
from tinynet.inspection.inputs import Prepare, batch_of, prepared, preserved, to_model
from tinynet.nn import Module, Parameter, forward_with_loss
from tinynet.words import sentence


@dataclasses.dataclass(frozen=True)
class GradientFlow:
    """Arrays of one layer in one training step.

    Attributes
    ----------
    name, kind : str
        Name and class of the layer.
    weight, weight_gradient : array
        Of the layer's largest parameter.
    activation, activation_gradient : array of shape (N, ...)
        Its output, and the gradient of the loss with respect to it.
    """

    name: str
    kind: str
    weight: Array
    weight_gradient: Array
    activation: Array
    activation_gradient: Array

    @property
    def ratio(self) -> float:
        """Length of the gradient beside the length of the weight."""
        length = float(np.linalg.norm(self.weight))
        return float(np.linalg.norm(self.weight_gradient)) / length if length else np.inf

    @property
    def arriving(self) -> float:
        """Root mean square of the gradient that arrives at the output."""
        return rms(self.activation_gradient)


def gradient_flow(
    model: Module, images: Any, labels: Any, *, prepare: Prepare | None = None
) -> list[GradientFlow]:
    """Return weights, activations and gradients of each layer with weights, in one training step.

    The loss is that of training (`nn.forward_with_loss`). The model is in training mode, with the
    same dropout mask in every call, and is not updated.

    Parameters
    ----------
    model : Module
        From images to scores (N, classes).
    images : (N, C, H, W)
    labels : (N,) integers
    prepare : function of images to inputs, optional

    Returns
    -------
    list of GradientFlow
        In the order of the forward pass; the gradient passes them in reverse.

    Raises
    ------
    ShapeError
        There is no image, or no layer has parameters that are trained.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import inspection, nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> flow = inspection.gradient_flow(model, np.eye(4, dtype=np.float32), [0, 1, 2, 0])
    >>> [(layer.name, layer.weight_gradient.shape) for layer in flow]
    [('0', (8, 4)), ('2', (3, 8))]
    """
    x = prepared("gradient_flow", model, batch_of("gradient_flow", images), prepare)
    with preserved(model, training=True):
        inputs = to_model(model, x, requires_grad=True)
        with watching(model) as calls:
            objective = forward_with_loss(model, inputs, np.asarray(labels)).objective
        kept = [(name, m, y) for name, m, _, y in calls if _largest(m) is not None]
        if not kept:
            said = "gradient_flow: {model} has no layer whose parameters are trained."
            raise ShapeError(sentence(said, model=type(model).__name__))
        for _, _, y in kept:
            y.retain_grad()
        objective.backward()
        return [_flow(name, module, y) for name, module, y in kept]


def rms(x: Array) -> float:
    """Return the root mean square of an array, in float64."""
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) if x.size else 0.0


def _largest(module: Module) -> Parameter | None:
    """Return the largest parameter of a layer that is trained."""
    trained = [p for p in module.parameters() if p.requires_grad]
    return max(trained, key=lambda p: p.data.size, default=None)


def _flow(name: str, module: Module, y: Any) -> GradientFlow:
    weight = _largest(module)
    assert weight is not None
    nothing = np.zeros(weight.shape, np.float32)
    return GradientFlow(
        name,
        type(module).__name__,
        to_numpy(weight.data).copy(),
        nothing if weight.grad is None else to_numpy(weight.grad).copy(),
        y.numpy(),
        np.zeros(y.shape, np.float32) if y.grad is None else to_numpy(y.grad).copy(),
    )
