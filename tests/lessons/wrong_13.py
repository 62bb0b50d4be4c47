"""Wrong answers to the exercises of lesson 13, and the messages they must get."""

import math

import numpy as np


def repeated(weight, groups):
    return np.concatenate([weight] * groups, axis=1)


def off_the_diagonal(weight, groups):
    OC, c, KH, KW = weight.shape
    o = OC // groups
    dense = np.zeros((OC, c * groups, KH, KW))
    for g in range(groups):
        h = groups - 1 - g
        dense[g * o : (g + 1) * o, h * c : (h + 1) * c] = weight[g * o : (g + 1) * o]
    return dense


def transposed_blocks(weight, groups):
    OC, c, KH, KW = weight.shape
    dense = np.zeros((OC, c * groups, KH, KW))
    for i in range(OC):
        g = i % groups
        dense[i, g * c : (g + 1) * c] = weight[i]
    return dense


def rows_for_columns(weight, groups):
    OC, c, *window = weight.shape
    dense = np.zeros((OC, c * groups, *window))
    for o in range(OC):
        g = min(o // c, groups - 1)
        dense[o, g * c : (g + 1) * c] = weight[o]
    return dense


def channels_in_turn(weight, groups):
    OC, c, *window = weight.shape
    dense = np.zeros((OC, c * groups, *window))
    for o in range(OC):
        dense[o, o * groups // OC :: groups] = weight[o]
    return dense


def own_only(gys):
    half = gys[0].shape[1] // 2
    return [gys[0][:, :half], gys[1][:, half:]]


def averaged(gys):
    both = (gys[0] + gys[1]) / 2
    half = both.shape[1] // 2
    return [both[:, :half], both[:, half:]]


def whole(gys):
    return [gys[0] + gys[1]] * 2


def one_way(maps, sees, batch):
    return {layer: 4 * batch * math.prod(maps[layer]) for layer in sees}


def numbers(maps, sees, batch):
    return {layer: 2 * batch * math.prod(maps[layer]) for layer in sees}


def everywhere(maps, sees, batch):
    return {layer: 8 * batch * math.prod(shape) for layer, shape in maps.items()}


WRONG = {
    "13.1": [
        (repeated, "zeros elsewhere"),
        (off_the_diagonal, "channel 0 only"),
        (transposed_blocks, "OC / G rows and C / G columns"),
        (rows_for_columns, "OC / G rows and C / G columns"),
        (channels_in_turn, "in the order of the groups"),
    ],
    "13.2": [(own_only, "add its"), (averaged, "add its"), (whole, "expected [[11]]")],
    "13.3": [(one_way, "128"), (numbers, "4 bytes"), (everywhere, "'conv3': 128")],
}
