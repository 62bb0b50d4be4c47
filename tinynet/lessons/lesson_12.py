"""Exercises of lesson 12: counting AlexNet's neurons, parameters and multiply-adds."""

from __future__ import annotations

from typing import Any

from tinynet.lessons.exercise import Wrong, exercise, expect
from tinynet.words import phrase

PAPER = [  # ("conv", filters, kernel, stride, padding, groups), ("pool", kernel, stride), ("fc", n)
    ("conv", 96, 11, 4, 0, 1),
    ("pool", 3, 2),
    ("conv", 256, 5, 1, 2, 2),
    ("pool", 3, 2),
    ("conv", 384, 3, 1, 1, 1),
    ("conv", 384, 3, 1, 1, 2),
    ("conv", 256, 3, 1, 1, 2),
    ("pool", 3, 2),
    ("fc", 4096),
    ("fc", 4096),
    ("fc", 1000),
]


@exercise(
    "12.1",
    "How many neurons?",
    hints=(
        "Keep track of the side of the maps. A convolution or a pool changes it to the number of "
        "windows that fit, rounded up.",
        "-(-a // b) is a / b rounded up: side = -(-(side + 2 * padding - kernel) // stride) + 1. "
        "A pool has no padding.",
        "A convolution has filters * side * side neurons, a fully connected layer as many as it "
        "has outputs. A pool has no neurons.",
    ),
)
def neurons_of(answer: Any) -> None:
    """Write my_neurons(plan, side): a list: the number of neurons of each layer with weights.

    plan lists ("conv", filters, kernel, stride, padding, groups), ("pool", kernel, stride) and
    ("fc", outputs). Sizes round up, as in the code of 2012.
    """
    cases = (
        ([("fc", 2)], 5, [2], "A fully connected layer has a neuron for each output."),
        ([("conv", 4, 3, 1, 0, 1)], 5, [36], "Windows of 3 fit 3 times into 5: 4 maps of 3 x 3."),
        ([("conv", 4, 3, 1, 0, 2)], 5, [36], "Groups limit the channels of a filter, not places."),
        ([("conv", 1, 3, 1, 1, 1)], 5, [25], "Padding counts on both sides: 7 pixels, 5 windows."),
        ([("conv", 1, 3, 2, 0, 1)], 6, [9], "Rounded up: a third window extends past the edge."),
        (
            [("pool", 3, 2), ("conv", 2, 1, 1, 0, 1)],
            7,
            [18],
            "The pool has no weights, so it has no neurons; but its output is 3 x 3.",
        ),
        ([("pool", 3, 2), ("conv", 1, 1, 1, 0, 1)], 8, [16], "Pools round up too: 4 windows."),
    )
    for plan, side, wanted, why in cases:
        expect(
            answer(plan, side),
            wanted,
            phrase("plan = {plan}, side {side}", plan=plan, side=side),
            why,
        )
    wanted = [290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
    expect(
        answer(PAPER, 224),
        wanted,
        "the paper's plan, side 224",
        "Did you apply the pools between the layers?",
    )


@neurons_of.solution
def my_neurons(plan, side):
    neurons = []
    for kind, *row in plan:
        if kind == "fc":
            neurons.append(row[0])
            continue
        filters, kernel, stride, padding = (0, *row, 0) if kind == "pool" else row[:4]
        side = -(-(side + 2 * padding - kernel) // stride) + 1
        if kind == "conv":
            neurons.append(filters * side * side)
    return neurons


@exercise(
    "12.2",
    "What does one layer cost?",
    hints=(
        "One filter sees inputs // groups channels through kernel x kernel pixels.",
        "There are `outputs` filters; each has one bias, shared by all positions.",
        "Each filter is applied at every position: multiply_adds = weights * places. Additions of "
        "biases are not counted.",
    ),
)
def layer_cost(answer: Any) -> None:
    """Write my_layer_cost(inputs, outputs, kernel, places, groups): (parameters, multiply-adds).

    A filter is kernel x kernel pixels and is applied at `places` positions. A fully connected layer
    has kernel = places = 1.
    """
    expect(
        answer(1, 1, 3, 4, 1),
        (10, 36),
        "1 input, 1 filter of 3x3, 4 places",
        "9 weights and 1 bias, shared by all positions; 9 multiply-adds at each of 4 positions.",
    )
    expect(
        answer(4, 2, 1, 1, 1),
        (10, 8),
        "4 inputs, 2 outputs, kernel 1, 1 place",
        "A fully connected layer: 4 * 2 weights, 2 biases.",
    )
    expect(
        answer(4, 2, 1, 1, 2),
        (6, 4),
        "4 inputs, 2 outputs, kernel 1, 1 place, 2 groups",
        "Each filter sees only the 2 channels of its group.",
    )
    expect(
        answer(48 + 48, 256, 5, 27 * 27, 2),
        (307_456, 223_948_800),
        "conv2 of AlexNet: 96 inputs, 256 filters of 5x5, 27x27 places, 2 groups",
        "256 * 48 * 5 * 5 weights and 256 biases; the weights are used at 729 positions.",
    )


@layer_cost.solution
def my_layer_cost(inputs, outputs, kernel, places, groups):
    weights = outputs * (inputs // groups) * kernel * kernel
    return weights + outputs, weights * places


def _without_groups(plan: list[Any]) -> list[Any]:
    return [(*row[:5], 1) if row[0] == "conv" else row for row in plan]


@exercise(
    "12.3",
    "Count a whole network",
    hints=(
        "Keep track of two numbers: the channels and the side of the maps. Sizes round up.",
        "A pool changes the side and costs nothing. A convolution changes the side, costs "
        "layer_cost(channels, filters, kernel, side * side, groups) and sets channels = filters.",
        "The first fully connected layer has channels * side * side inputs. After it set side = 1 "
        "and channels = its outputs; then the next one needs no special case.",
    ),
)
def count(answer: Any) -> None:
    """Write my_count(plan, channels, side): (parameters, multiply-adds) of all layers together.

    plan lists ("conv", filters, kernel, stride, padding, groups), ("pool", kernel, stride) and
    ("fc", outputs). Sizes round up, as in the code of 2012.
    """
    expect(
        answer([("fc", 2)], 3, 1),
        (8, 6),
        'plan = [("fc", 2)], 3 channels, side 1',
        "3 * 2 weights and 2 biases.",
    )
    small = [("conv", 2, 3, 1, 0, 1), ("pool", 2, 2), ("fc", 5)]
    expect(
        answer(small, 1, 4),
        (20 + 15, 72 + 10),
        phrase("plan = {plan}, 1 channel, side 4", plan=small),
        "The convolution makes 2x2 maps, the pool 1x1: the fc layer has 2 inputs.",
    )
    odd = [("pool", 2, 2), ("fc", 1)]
    expect(
        answer(odd, 1, 5),
        (10, 9),
        phrase("plan = {plan}, 1 channel, side 5", plan=odd),
        "With rounding up, a 2x2 pool with stride 2 turns 5 into 3; the fc layer has 3 * 3 inputs.",
    )
    over = [("conv", 1, 2, 2, 0, 1)]
    expect(
        answer(over, 1, 5),
        (5, 36),
        phrase("plan = {plan}, 1 channel, side 5", plan=over),
        "Convolutions round up too: windows of 2 begin at 0, 2 and 4, so 3 * 3 positions.",
    )
    padded = [("conv", 2, 3, 1, 1, 2), ("fc", 1)]
    expect(
        answer(padded, 2, 2),
        (20 + 9, 72 + 8),
        phrase("plan = {plan}, 2 channels, side 2", plan=padded),
        "With padding 1 on both sides the maps stay 2x2. Two groups: a filter sees one channel.",
    )
    expect(
        answer(PAPER, 3, 224),
        (60_965_224, 724_406_816),
        "the paper's plan, 3 channels, side 224",
        "The small cases above were right. conv2, conv4 and conv5 have two groups.",
    )
    expect(
        answer(_without_groups(PAPER), 3, 224),
        (62_378_344, 1_135_256_096),
        "the same plan with one group everywhere",
    )


@count.solution
def my_count(plan, channels, side):
    parameters = multiply_adds = 0
    for kind, *row in plan:
        if kind == "pool":
            side = -(-(side - row[0]) // row[1]) + 1
            continue
        if kind == "conv":
            outputs, kernel, stride, padding, groups = row
            side = -(-(side + 2 * padding - kernel) // stride) + 1
        else:
            outputs = row[0]
            kernel = 1
            groups = 1
            channels, side = channels * side * side, 1
        new = my_layer_cost(channels, outputs, kernel, side * side, groups)
        parameters, multiply_adds = parameters + new[0], multiply_adds + new[1]
        channels = outputs
    return parameters, multiply_adds


LINES = {  # letter: (whether it is wrong, why)
    "A": (True, "(224 - 11) // 4 + 1 = 54 windows fit. 55 needs rounding up, or 227 pixels."),
    "B": (False, "3 * 3 * 256 * 384 = 884,736: conv3 sees both towers."),
    "C": (True, "pool5 comes first and leaves 6x6: 6 * 6 * 256 * 4096 = 37,748,736."),
    "D": (
        True,
        "62.4 million is one tower. Two towers have 60,965,224: conv2, 4 and 5 see half the maps.",
    ),
    "E": (False, "724,406,816 in all, and 665,784,864 of them in the five convolutions."),
    "F": (True, "55 * 55 * 96 = 290,400. 253,440 is 55 * 48 * 96."),
    "G": (False, "(13 - 3) // 2 + 1 = 6, exactly, without rounding."),
    "H": (True, "15.4 % is for seven nets on the validation set; on the test set they had 15.3 %."),
}


@exercise(
    "12.4",
    "Which lines are wrong?",
    value=True,
    hints=(
        "Four of the eight need only the size or the cost of one layer: A, B, C and G.",
        "D and E are sums over all layers. For F multiply the positions along both axes by the "
        "number of filters.",
        "H is in the table above: check on which pictures each number was measured.",
    ),
)
def wrong_lines(answer: Any) -> list[str]:
    """Give the letters of the wrong lines as a set, such as {"A", "B"}."""
    found = {str(letter).upper() for letter in answer}
    strangers = sorted(found - LINES.keys())
    if strangers:
        raise Wrong(
            phrase(
                "the lines are {lines}; there is no {stranger!r}.",
                lines=", ".join(LINES),
                stranger=strangers[0],
            )
        )
    right = sum(not LINES[letter][0] for letter in found)
    if right:
        raise Wrong(
            phrase(
                "{right} of the {count} lines that you name {be} right as printed. "
                "Compute each line before you name it.",
                right=right,
                count=len(found),
                be="is" if right == 1 else "are",
            )
        )
    if len(found) < sum(wrong for wrong, _ in LINES.values()):
        raise Wrong(
            phrase(
                "all {count} lines that you name are wrong, and there are more. Which lines have "
                "you not computed? For a percentage: on which pictures was it measured?",
                count=len(found),
            )
        )
    return [f"{letter}: {phrase(why)}" for letter, (_, why) in LINES.items()]


@wrong_lines.solution
def my_wrong_lines():
    return {"A", "C", "D", "F", "H"}
