"""The training loss: cross-entropy, mean squared error, or the model's own.

A network that returns its scores alone is trained with their cross-entropy. One that in training
returns more, (scores, others, ...), has a method ``loss(outputs, labels)``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinynet import functions as F
from tinynet.core.autograd import require_tensors
from tinynet.core.backend import Array
from tinynet.core.errors import ShapeError
from tinynet.nn.module import Module
from tinynet.tensors import Tensor, tensor


class LossOutput(NamedTuple):
    """The outputs of a network for a batch, with its loss.

    Attributes
    ----------
    scores : (N, classes)
    loss : their mean cross-entropy, which is reported and comparable between networks
    objective : the value that backward starts from; for most networks the loss itself
    """

    scores: Tensor
    loss: Tensor
    objective: Tensor


def forward_with_loss(model: Module, x: Tensor, labels: Array) -> LossOutput:
    """Return the scores of a network and its loss.

    Parameters
    ----------
    model : Module
        It returns scores (N, classes), or in training a tuple that begins with them; then it has a
        method ``loss(outputs, labels)``.
    x : (N, C, H, W)
    labels : (N,), integers

    Returns
    -------
    LossOutput

    Raises
    ------
    ShapeError
        Scores and labels do not fit together.
    TypeError
        The network returns something else.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(12, 10))
    >>> output = nn.forward_with_loss(model, tn.zeros(2, 3, 2, 2), np.array([3, 7]))
    >>> round(output.loss.item(), 4)  # ln(10)
    2.3026
    """
    outputs = model(x)
    if isinstance(outputs, Tensor):
        loss = F.cross_entropy(outputs, labels)
        return LossOutput(outputs, loss, loss)
    name = type(model).__name__
    if not isinstance(outputs, (tuple, list)) or not outputs or not isinstance(outputs[0], Tensor):
        raise TypeError(
            f"{name}: a network that is trained returns a tensor of scores (N, classes), or in "
            f"training a tuple that begins with them; it returned {type(outputs).__name__}."
        )
    objective = getattr(model, "loss", None)
    if objective is None:
        raise TypeError(
            f"{name}: a network that returns a {type(outputs).__name__} in training needs a method "
            "loss(outputs, labels), which returns the value to minimize."
        )
    loss = F.cross_entropy(outputs[0], labels)
    return LossOutput(outputs[0], loss, objective(outputs, labels))


class CrossEntropyLoss(Module):
    """Mean negative log-probability of the right classes, the paper's objective.

    The same as ``F.cross_entropy(scores, labels)``.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> round(nn.CrossEntropyLoss()(tn.zeros(1, 2), np.array([1])).item(), 4)  # ln(2)
    0.6931
    """

    def forward(self, scores: Tensor, labels: Tensor | Array) -> Tensor:
        """Return the mean loss of scores (N, classes), before softmax, for labels (N,)."""
        return F.cross_entropy(scores, labels)


class MSELoss(Module):
    """Mean squared error, the mean of (x - target) ** 2.

    A target that is an array, also of integers, takes the dtype of x.

    Raises
    ------
    ShapeError
        x and target have different shapes; they are not broadcast.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> nn.MSELoss()(tn.tensor([1.0, 2.0]), tn.tensor([1.0, 4.0])).item()
    2.0
    """

    def forward(self, x: Tensor, target: Tensor | Array) -> Tensor:
        """Return the mean over all elements of x and target, which have one shape."""
        require_tensors("MSELoss", x)
        if not isinstance(target, Tensor):
            target = tensor(target, x.device).to(x.dtype if x.dtype.kind == "f" else np.float32)
        if x.shape != target.shape:
            raise ShapeError(
                f"MSELoss: x and target must have one shape; x is {x.shape}, target "
                f"{target.shape}. Write target.reshape{x.shape}."
            )
        if x.dtype.kind == target.dtype.kind == "f" and x.dtype != np.float16:
            error = x - target
            return (error * error).mean()
        error = x.astype(np.float32) - target.astype(np.float32)  # bytes would wrap
        loss = (error * error).mean()
        return loss.astype(x.dtype) if x.dtype == np.float16 else loss
