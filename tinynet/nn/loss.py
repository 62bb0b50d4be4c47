"""What training makes small: the cross entropy of the scores, or what a network says instead.

A network that returns its scores alone need not know of this. One that in training returns more,
(scores, others, ...), has a method ``loss(outputs, labels)``, which says what to make of them.
"""

from __future__ import annotations

from typing import NamedTuple

from tinynet import functions as F
from tinynet.core.backend import Array
from tinynet.nn.module import Module
from tinynet.tensors import Tensor


class LossOutput(NamedTuple):
    """What a network says to a batch.

    Attributes
    ----------
    scores : (N, classes)
    loss : their mean cross entropy, which is reported: in tests it means the same
    objective : what backward starts from; of most networks the loss itself
    """

    scores: Tensor
    loss: Tensor
    objective: Tensor


def forward_with_loss(model: Module, x: Tensor, labels: Array) -> LossOutput:
    """Return what a network says to images (N, C, H, W) with these labels (N,)."""
    outputs = model(x)
    if isinstance(outputs, Tensor):
        loss = F.cross_entropy(outputs, labels)
        return LossOutput(outputs, loss, loss)
    loss = F.cross_entropy(outputs[0], labels)
    return LossOutput(outputs[0], loss, model.loss(outputs, labels))  # type: ignore[attr-defined]
