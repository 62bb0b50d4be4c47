"""Plausible wrong answers to the exercises of lesson 12, and what must be said about each."""


def always_rounds_down(size, kernel, stride, padding, rounding):
    return -(-size // stride) if rounding == "same" else (size + 2 * padding - kernel) // stride + 1


def pads_one_side(size, kernel, stride, padding, rounding):
    if rounding == "same":
        return -(-size // stride)
    room = size + padding - kernel
    return (room // stride if rounding == "down" else -(-room // stride)) + 1


def forgets_the_first_window(size, kernel, stride, padding, rounding):
    return (size + 2 * padding - kernel) // stride


def forgets_the_groups(inputs, outputs, kernel, places, groups):
    weights = outputs * inputs * kernel**2
    return weights + outputs, weights * places


def has_a_bias_at_every_place(inputs, outputs, kernel, places, groups):
    weights = outputs * (inputs // groups) * kernel**2
    return weights + outputs * places, weights * places


def counts_weights_once(inputs, outputs, kernel, places, groups):
    weights = outputs * (inputs // groups) * kernel**2
    return weights + outputs, weights


def counter(rounds=lambda room, stride: -(-room // stride), pools=True, flattens=True):
    """Return a count() with one habit changed."""

    def count(plan, channels, side):
        parameters = multiply_adds = 0
        for kind, *row in plan:
            if kind == "pool":
                side = rounds(side - row[0], row[1]) + 1 if pools else side
                continue
            if kind == "fc":
                channels, side = channels * side**2 if flattens else channels, 1
                row = [row[0], 1, 1, 0, 1]
            filters, kernel, stride, padding, groups = row
            side = rounds(side + 2 * padding - kernel, stride) + 1
            weights = filters * (channels // groups) * kernel**2
            parameters += weights + filters
            multiply_adds += weights * side**2
            channels = filters
        return parameters, multiply_adds

    return count


WRONG = {
    "12.1": [
        (always_rounds_down, "the window that begins at 6 counts"),
        (pads_one_side, "Padding counts on both sides"),
        (forgets_the_first_window, "Windows begin at 0, 2 and 4"),
    ],
    "12.2": [
        (forgets_the_groups, "only the 2 channels of its group"),
        (has_a_bias_at_every_place, "shared by all places"),
        (counts_weights_once, "at each of the 4 places"),
    ],
    "12.3": [
        (counter(rounds=lambda room, stride: room // stride), "makes 3 of 5"),
        (counter(pools=False), "the pool 1x1"),
        (counter(flattens=False), "3 * 3 numbers"),
    ],
    "12.4": [
        ({"A", "C", "D", "F"}, "15.3"),
        ({"A", "B", "C", "D", "F", "H"}, "conv3 sees both towers"),
        ({"Z"}, "there is no"),
    ],
}
