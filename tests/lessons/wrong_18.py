"""Wrong answers to the exercises of lesson 18, and the messages they must get."""

import numpy as np

import tinynet as tn
from tinynet import functions as F


def sum_of_kernels(layers):
    return sum(k for k, _ in layers) or 1


def no_strides(layers):
    return 1 + sum(k - 1 for k, _ in layers)


def jump_too_early(layers):
    field, jump = 1, 1
    for k, stride in layers:
        jump *= stride
        field += (k - 1) * jump
    return field


def doubling(inputs, growth, layers):
    return [inputs * 2**i for i in range(layers)]


def after_the_layer(inputs, growth, layers):
    return [inputs + (i + 1) * growth for i in range(layers)]


def only_the_last(inputs, growth, layers):
    return inputs + (layers - 1) * growth


def backward(model, x, labels):
    F.cross_entropy(model(tn.tensor(x)), labels).backward()


def not_zeroed(model, x, labels):
    backward(model, x, labels)
    return [float(np.linalg.norm(p.grad)) for p in model.parameters() if len(p.shape) == 4]


def all_parameters(model, x, labels):
    model.zero_grad()
    backward(model, x, labels)
    return [float(np.linalg.norm(p.grad)) for p in model.parameters()]


def from_the_end(model, x, labels):
    model.zero_grad()
    backward(model, x, labels)
    found = [float(np.linalg.norm(p.grad)) for p in model.parameters() if len(p.shape) == 4]
    return found[::-1]


def weights_instead(model, x, labels):
    return [float(np.linalg.norm(p.data)) for p in model.parameters() if len(p.shape) == 4]


def without_the_root(model, x, labels):
    model.zero_grad()
    backward(model, x, labels)
    return [float((p.grad**2).sum()) for p in model.parameters() if len(p.shape) == 4]


WRONG = {
    "18.1": [
        (sum_of_kernels, "fields overlap"),
        (no_strides, "After a stride of 2"),
        (jump_too_early, "After a stride of 2"),
    ],
    "18.2": [
        (doubling, "however many it sees"),
        (after_the_layer, "the block's input"),
        (only_the_last, "expected [16]"),
    ],
    "18.3": [
        (not_zeroed, "second time"),
        (all_parameters, "Count convolutions only"),
        (from_the_end, "three convolutions"),
        (weights_instead, "not of the weight"),
        (without_the_root, "the root of the sum of squares"),
    ],
}
