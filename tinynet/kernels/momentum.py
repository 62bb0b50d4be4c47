r"""Momentum SGD: one update of one parameter, in place.

    the paper (section 5):  v <- momentum * v - lr * (g + weight_decay * w)      w <- w + v
    PyTorch:                v <- momentum * v + (g + weight_decay * w)           w <- w - lr * v

They are the same while lr stays constant. When lr falls, the paper's velocity still holds steps
of the old size, PyTorch's takes the new lr at once. Nesterov's form looks ahead: w moves by
momentum * (new v) plus one plain gradient step, and w is the look-ahead point itself.
"""

from __future__ import annotations

from tinynet.backend import Array
from tinynet.kernels._kernel import Kernel


@Kernel
def momentum_update(
    weight: Array,
    gradient: Array,
    velocity: Array,
    lr: float,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
    rule: str,
) -> None:
    """Change weight and velocity in place; all three arrays have one shape. `rule`: see above."""
    g = gradient + weight_decay * weight
    velocity *= momentum
    if rule == "paper":
        velocity -= lr * g
        weight += momentum * velocity - lr * g if nesterov else velocity
    else:
        velocity += g
        weight -= lr * (g + momentum * velocity if nesterov else velocity)
