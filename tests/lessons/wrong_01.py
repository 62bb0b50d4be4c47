"""Wrong answers to the exercises of lesson 01, and what they must be told."""

from tinynet.lessons.lesson_01 import my_in_order


def own_factor(a, b, gy):
    a.grad += gy * a.data
    b.grad += gy * b.data


def no_chain(a, b, gy):
    a.grad += b.data
    b.grad += a.data


def overwrites(a, b, gy):
    a.grad = gy * b.data
    b.grad = gy * a.data


def forgets_the_past(a, b, gy):
    parts = gy * b.data, gy * a.data
    a.grad = b.grad = 0.0
    a.grad += parts[0]
    b.grad += parts[1]


def inputs_first(y):
    return my_in_order(y)[::-1]


def breadth_first(y):
    found = [y]
    for node in found:
        found += [behind for behind in node.inputs if behind not in found]
    return found


def down_at_once(y):
    found = []

    def visit(node):
        if node not in found:
            found.append(node)
            for behind in node.inputs:
                visit(behind)

    visit(y)
    return found


def without_memory(y):
    found = [y]
    for node in found:
        if len(found) > 100:
            break
        found += node.inputs
    return found


def without_leaves(y):
    return [node for node in my_in_order(y) if node.inputs]


WRONG = {
    "01.1": [
        (own_factor, "slope is the other factor"),
        (no_chain, "the chain rule"),
        (overwrites, "uses a twice"),
        (forgets_the_past, "Keep it, and add"),
    ],
    "01.2": [
        (inputs_first, "y itself stands first"),
        (breadth_first, "before all of it has arrived"),
        (down_at_once, "before all of it has arrived"),
        (without_memory, "twice"),
        (without_leaves, "is missing"),
    ],
}
