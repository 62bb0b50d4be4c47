"""The network of two towers on one device, very small, and numbered like small-alexnet."""

import dataclasses

from tinynet import nn
from tinynet.models.two_towers import EXCHANGES, SMALL
from tinynet.nn.layers import split_accumulation

TINY = dataclasses.replace(SMALL, image=16, widths=(4, 6, 8, 6, 4), side=2, hidden=8)


def one_device(classes, plan=TINY, exchange_at="conv3"):
    """Return the same network without towers: `small_alexnet` with the numbers of a plan."""
    c1, c2, c3, c4, c5 = (2 * width for width in plan.widths)

    def conv(layer, inputs, outputs, kernel):
        both = layer in EXCHANGES[exchange_at]
        groups = 1 if both else 2
        layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups)
        return split_accumulation(layer, both)

    def pool():
        return nn.MaxPool2d(3, stride=2, ceil_mode=plan.ceil_mode)

    def fully_connected(inputs):
        linear = split_accumulation(nn.Linear(inputs, 2 * plan.hidden))
        return linear, nn.ReLU(), nn.Dropout(0.5, inverted=plan.inverted_dropout)

    return nn.Sequential(
        split_accumulation(nn.Conv2d(3, c1, plan.kernel, plan.stride, plan.padding)),
        *(nn.ReLU(), nn.LocalResponseNorm(groups=2), pool()),
        conv("conv2", c1, c2, 5),
        *(nn.ReLU(), nn.LocalResponseNorm(groups=2), pool()),
        *(conv("conv3", c2, c3, 3), nn.ReLU()),
        *(conv("conv4", c3, c4, 3), nn.ReLU()),
        *(conv("conv5", c4, c5, 3), nn.ReLU(), pool(), nn.Flatten()),
        *fully_connected(plan.side**2 * c5),
        *fully_connected(2 * plan.hidden),
        nn.Linear(2 * plan.hidden, classes),
    )
