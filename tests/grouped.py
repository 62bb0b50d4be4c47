"""The network of two towers on one device: groups in their place, numbered like small-alexnet."""

import dataclasses

from tinynet import functions as F
from tinynet import nn
from tinynet.models.towers import EXCHANGES, SMALL

TINY = dataclasses.replace(SMALL, image=16, widths=(4, 6, 8, 6, 4), side=2, hidden=8)


def in_halves(layer, weight, bias):
    """Compute one half of the units, then the other, as the layer file of 2012 has conv3a and b.

    What both see gets a gradient from each: a sum of two sums, which rounds otherwise than one.
    """
    half = len(weight.data) // 2
    parts = slice(None, half), slice(half, None)
    return F.concatenate([layer(weight[part], bias[part]) for part in parts], axis=1)


class ConvInHalves(nn.Conv2d):
    def forward(self, x):
        return in_halves(
            lambda w, b: F.conv2d(x, w, b, padding=self.padding), self.weight, self.bias
        )


class LinearInHalves(nn.Linear):
    def forward(self, x):
        return in_halves(lambda w, b: F.linear(x, w, b), self.weight, self.bias)


class DropoutInHalves(nn.Dropout):
    def forward(self, x):
        half = x.shape[1] // 2
        parts = x[:, :half], x[:, half:]
        return F.concatenate([super(DropoutInHalves, self).forward(h) for h in parts], axis=1)


def one_device(classes, plan=TINY, exchange_at="conv3", halves=True):
    """Return the same network without towers; without `halves` as anybody would write it."""
    c1, c2, c3, c4, c5 = (2 * width for width in plan.widths)
    linear = LinearInHalves if halves else nn.Linear
    dropout = DropoutInHalves if halves else nn.Dropout

    def conv(layer, inputs, outputs, kernel):
        if layer not in EXCHANGES[exchange_at]:
            return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=2)
        kind = ConvInHalves if halves else nn.Conv2d
        return kind(inputs, outputs, kernel, padding=kernel // 2)

    def pool():
        return nn.MaxPool2d(3, stride=2, ceil_mode=plan.ceil_mode)

    return nn.Sequential(
        nn.Conv2d(3, c1, plan.kernel, plan.stride, plan.padding),
        *(nn.ReLU(), nn.LocalResponseNorm(groups=2), pool()),
        conv("conv2", c1, c2, 5),
        *(nn.ReLU(), nn.LocalResponseNorm(groups=2), pool()),
        *(conv("conv3", c2, c3, 3), nn.ReLU()),
        *(conv("conv4", c3, c4, 3), nn.ReLU()),
        *(conv("conv5", c4, c5, 3), nn.ReLU(), pool(), nn.Flatten()),
        *(linear(plan.side**2 * c5, 2 * plan.hidden), nn.ReLU(), dropout(0.5)),
        *(linear(2 * plan.hidden, 2 * plan.hidden), nn.ReLU(), dropout(0.5)),
        nn.Linear(2 * plan.hidden, classes),
    )
