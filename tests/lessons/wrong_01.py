"""Wrong answers to the exercises of lesson 01, and the messages they must get."""

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


def inputs_alone(y):
    return list(y.inputs)


def unordered(y):
    return set(my_in_order(y))


def moves_to_the_end(y):
    """Right, but along every path."""
    found = []

    def visit(node):
        if node in found:
            found.remove(node)
        found.append(node)
        for behind in node.inputs:
            visit(behind)

    visit(y)
    return found


def last_of_each(y):
    """Right, but with every path in memory."""
    found = [y]
    for node in found:
        found += node.inputs
    return [node for i, node in enumerate(found) if node not in found[i + 1 :]]


def returns_the_parts(a, b, gy):
    return gy * b.data, gy * a.data


def doubles(a, b, gy):
    a.grad += a.grad + gy * b.data
    b.grad += b.grad + gy * a.data


def doubles_later(a, b, gy):
    before = a.grad if a is not b else 0
    a.grad += before + gy * b.data
    b.grad += gy * a.data


WRONG = {
    "01.1": [
        (own_factor, "slope is the other factor"),
        (no_chain, "The chain rule"),
        (overwrites, "uses a twice"),
        (forgets_the_past, "Keep it, and add"),
        (returns_the_parts, "add to them"),
        (doubles, "a second time"),
        (doubles_later, "is added twice"),
    ],
    "01.2": [
        (inputs_first, "reverse the list"),
        (inputs_alone, "p itself is missing"),
        (unordered, "Return a list"),
        (lambda y: y, "you return a Node. Return a list"),
        (moves_to_the_end, "It walks every path"),
        (last_of_each, "It walks every path"),
        (breadth_first, "before all of it has arrived"),
        (down_at_once, "before all of it has arrived"),
        (without_memory, "twice"),
        (without_leaves, "is missing"),
    ],
}
