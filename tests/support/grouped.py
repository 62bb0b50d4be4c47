"""Narrow networks: the two towers on one device, and the variants of AlexNet."""

import dataclasses

from tinynet import nn
from tinynet.models.alexnet_variants import AlexNetVariant
from tinynet.models.cross_layers import CROSS_LAYERS
from tinynet.models.split_accumulation import split_where_towers_meet
from tinynet.models.two_towers import SMALL

TINY = dataclasses.replace(SMALL, image=16, widths=(4, 6, 8, 6, 4), side=2, hidden=8)


def one_device(classes, plan=TINY, cross_at="conv3"):
    """Return the same network without towers: `small_alexnet` with the numbers of a plan."""
    c1, c2, c3, c4, c5 = (2 * width for width in plan.widths)

    def conv(layer, inputs, outputs, kernel):
        groups = 1 if layer in CROSS_LAYERS[cross_at] else 2
        return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups)

    def pool():
        return nn.MaxPool2d(3, stride=2, ceil_mode=plan.ceil_mode)

    def fully_connected(inputs):
        linear = nn.Linear(inputs, 2 * plan.hidden)
        return linear, nn.ReLU(), nn.Dropout(0.5, inverted=plan.inverted_dropout)

    model = nn.Sequential(
        nn.Conv2d(3, c1, plan.kernel, plan.stride, plan.padding),
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
    split_where_towers_meet(model)
    return model


def narrow(model, widths=(4, 4, 6, 6, 4), hidden=6):
    """Return an AlexNet, or a variant, with fewer channels and units and nothing else changed."""

    def thinner(layer, inputs, outputs):
        if isinstance(layer, nn.Linear):
            thin = nn.Linear(inputs, outputs)
        else:
            kernel = layer.weight.shape[2]
            thin = nn.Conv2d(
                inputs, outputs, kernel, layer.stride, layer.padding, groups=layer.groups
            )
        thin._split = layer._split
        return thin

    features = []
    inputs = 3
    remaining = list(widths)
    for layer in model.features:
        if isinstance(layer, nn.Conv2d):
            outputs = remaining.pop(0)
            features.append(thinner(layer, inputs, outputs))
            inputs = outputs
        elif isinstance(layer, nn.BatchNorm2d):
            features.append(nn.BatchNorm2d(inputs, eps=layer.eps, momentum=layer.momentum))
        else:
            features.append(layer)
    classifier = []
    inputs *= 6 * 6
    *_, last = model.classifier
    for layer in model.classifier:
        if isinstance(layer, nn.Linear):
            outputs = last.weight.shape[0] if layer is last else hidden
            classifier.append(thinner(layer, inputs, outputs))
            inputs = outputs
        else:
            classifier.append(layer)
    return AlexNetVariant([features], classifier)
