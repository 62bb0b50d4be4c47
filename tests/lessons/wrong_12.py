"""Wrong answers to the exercises of lesson 12, and the messages they must get."""


def up(room, stride):
    return -(-room // stride)


def neurons(rounds=up, pool_rounds=up, sides=2, pools=True, shares=False):
    """Return a my_neurons() with one habit changed."""

    def my_neurons(plan, side):
        found = []
        for kind, *row in plan:
            if kind == "fc":
                found.append(row[0])
            elif kind == "pool":
                side = pool_rounds(side - row[0], row[1]) + 1 if pools else side
            else:
                filters, kernel, stride, padding, groups = row
                side = rounds(side + sides * padding - kernel, stride) + 1
                found.append(filters * side * side // (groups if shares else 1))
        return found

    return my_neurons


def forgets_the_groups(inputs, outputs, kernel, places, groups):
    weights = outputs * inputs * kernel**2
    return weights + outputs, weights * places


def has_a_bias_at_every_place(inputs, outputs, kernel, places, groups):
    weights = outputs * (inputs // groups) * kernel**2
    return weights + outputs * places, weights * places


def counts_weights_once(inputs, outputs, kernel, places, groups):
    weights = outputs * (inputs // groups) * kernel**2
    return weights + outputs, weights


def counter(rounds=up, pools=True, flattens=True, convolves=up, sides=2, grouped=True):
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
            side = convolves(side + sides * padding - kernel, stride) + 1
            weights = filters * (channels // groups if grouped else channels) * kernel**2
            parameters += weights + filters
            multiply_adds += weights * side**2
            channels = filters
        return parameters, multiply_adds

    return count


WRONG = {
    "12.1": [
        (neurons(rounds=lambda room, stride: room // stride), "extends past the edge"),
        (neurons(pool_rounds=lambda room, stride: room // stride), "Pools round up too"),
        (neurons(sides=1), "Padding counts on both sides"),
        (neurons(pools=False), "its output is 3 x 3"),
        (neurons(shares=True), "Groups limit the channels"),
    ],
    "12.2": [
        (forgets_the_groups, "only the 2 channels of its group"),
        (has_a_bias_at_every_place, "shared by all positions"),
        (counts_weights_once, "at each of 4 positions"),
    ],
    "12.3": [
        (counter(rounds=lambda room, stride: room // stride), "turns 5 into 3"),
        (counter(pools=False), "the pool 1x1"),
        (counter(flattens=False), "3 * 3 inputs"),
        (counter(convolves=lambda room, stride: room // stride), "Convolutions round up too"),
        (counter(sides=1), "padding 1 on both sides"),
        (counter(grouped=False), "a filter sees one channel"),
    ],
    "12.4": [
        ({"A", "C", "D", "F"}, "there are more"),
        ({"A", "B", "C", "D", "F", "H"}, "1 of the 6 lines that you name is right"),
        ({"Z"}, "there is no"),
    ],
}
