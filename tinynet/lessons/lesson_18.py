"""Exercises of lesson 18: networks after AlexNet."""

import numpy as np

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.lessons.exercise import Wrong, cases, exercise, expect
from tinynet.words import phrase


@exercise(
    "18.1",
    "Receptive field",
    hints=(
        "Go through the layers in order. Keep two numbers: the receptive field, and the distance "
        "in pixels between two neighbours (the jump). Both begin as 1.",
        "A layer with kernel k sees k neighbours, so the receptive field grows by (k - 1) * jump.",
        "Then multiply the jump by the layer's stride. The order matters.",
    ),
)
def receptive_field(answer):
    """Write my_receptive_field(layers): side of the field in pixels; a layer is (k, stride)."""
    cases = [
        ([], 1, "Without a layer a value is one pixel."),
        ([(3, 1)], 3, "One 3x3 filter sees 3 pixels."),
        ([(3, 1), (3, 1)], 5, "The second filter sees 3 values whose fields overlap: 3 + 2."),
        ([(3, 1)] * 3, 7, "Each 3x3 layer adds 2 pixels."),
        ([(2, 2), (3, 1)], 6, "After a stride of 2, neighbours are 2 pixels apart: 2 + 2 * 2."),
        ([(11, 4), (3, 2), (5, 1)], 51, "AlexNet up to conv2: 11, then 11 + 2*4, then 19 + 4*8."),
    ]
    for layers, expected, why in cases:
        expect(answer(list(layers)), expected, f"layers = {layers}", why)


@receptive_field.solution
def my_receptive_field(layers):
    field = 1
    jump = 1
    for k, stride in layers:
        field += (k - 1) * jump
        jump *= stride
    return field


@exercise(
    "18.2",
    "Channels in a dense block",
    hints=(
        "Every layer adds `growth` channels to those it sees; the first layer sees `inputs`.",
        "So layer i = 0, 1, ... sees inputs + i * growth.",
        "return [inputs + i * growth for i in range(layers)]",
    ),
)
def channels_seen(answer):
    """Write my_channels_seen(inputs, growth, layers): the input channels of each layer."""
    cases = [
        ((16, 8, 1), [16], "The first layer sees the block's input."),
        ((16, 8, 3), [16, 24, 32], "A layer adds `growth` channels, however many it sees."),
        ((64, 32, 6), [64, 96, 128, 160, 192, 224], "DenseNet-121's first block: linear growth."),
    ]
    for arguments, expected, why in cases:
        case = "inputs = {}, growth = {}, layers = {}".format(*arguments)
        expect(answer(*arguments), expected, case, why)


@channels_seen.solution
def my_channels_seen(inputs, growth, layers):
    return [inputs + i * growth for i in range(layers)]


WHAT = (
    "The norm is the root of the sum of squares of the weight's grad, not of the weight. The loss "
    "is the mean cross-entropy, and the first layer comes first."
)


def _chain(scale):
    """Return three convolutions whose weights are multiplied by `scale`, and a linear layer."""
    with tn.random.fork(0):
        layers = [nn.Conv2d(2, 2, 3, padding=1, bias=False) for _ in range(3)]
        for layer in layers:
            layer.weight.data *= np.float32(scale)
        return nn.Sequential(*layers, nn.GlobalAvgPool2d(), nn.Linear(2, 3))


@exercise(
    "18.3",
    "Gradient norms by depth",
    hints=(
        "model.zero_grad(); loss = F.cross_entropy(model(tn.tensor(x)), labels); loss.backward()",
        "model.named_parameters() goes from the first layer to the last. A convolution's weight is "
        "the one with four axes: len(p.shape) == 4.",
        "return [float(np.linalg.norm(p.grad)) for _, p in model.named_parameters() if "
        "len(p.shape) == 4]",
    ),
)
def gradient_norms(answer):
    """Write my_gradient_norms(model, x, labels): a norm for each convolution's weight, in order.

    The gradient is that of F.cross_entropy(model(tn.tensor(x)), labels). Return a list of numbers,
    the first layer's first.
    """
    x = cases(0).standard_normal((4, 2, 5, 5)).astype(np.float32)
    labels = np.array([0, 1, 2, 1])
    for scale in (1.0, 0.1):
        model = _chain(scale)
        F.cross_entropy(model(tn.tensor(x)), labels).backward()
        parameters = [p for p in model.parameters() if len(p.shape) == 4]
        truth = [float(np.linalg.norm(p.grad)) for p in parameters]
        model.zero_grad()
        case = phrase("three convolutions (weights times {scale}) and a linear layer", scale=scale)
        got = answer(model, x, labels)
        if np.shape(got) == (4,) or np.shape(got) == (5,):
            raise Wrong(
                phrase(
                    "for {case}: expected 3 norms, got {count}. Count convolutions only.",
                    case=case,
                    count=len(got),
                )
            )
        expect(got, truth, case, WHAT)
        again = answer(model, x, labels)
        expect(
            again,
            truth,
            phrase("{case}, called a second time", case=case),
            "Gradients add up until zero_grad().",
        )


@gradient_norms.solution
def my_gradient_norms(model, x, labels):
    model.zero_grad()
    F.cross_entropy(model(tn.tensor(x)), labels).backward()
    return [float(np.linalg.norm(p.grad)) for p in model.parameters() if len(p.shape) == 4]
