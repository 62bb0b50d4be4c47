"""The exercises of lesson 01: what a product gives back, and in which order."""

from types import SimpleNamespace

from tinynet.lessons.exercise import Wrong, exercise, expect


def _number(data):
    return SimpleNamespace(data=data, grad=0.0)


@exercise(
    "01.1",
    "Backward of a product",
    hints=(
        "If a grows by a little h, a * b grows by h * b. So the slope with respect to a is b.",
        "By the chain rule a gets gy times that slope: gy * b.data. And b?",
        "a.grad += gy * b.data and b.grad += gy * a.data. With += and not =, because a number may "
        "be used more than once.",
    ),
    returns=False,
)
def mul_backward(answer):
    """Write my_mul_backward(a, b, gy): add to a.grad and b.grad what y = a * b passes on of gy."""
    a, b = _number(3.0), _number(5.0)
    answer(a, b, 1.0)
    case = "a = 3, b = 5, gy = 1"
    why = "Each factor's slope is the other factor: raise a by h, and a * b rises by 5 * h."
    expect([a.grad, b.grad], [5, 3], f"{case}, (a.grad, b.grad)", why)
    a, b = _number(3.0), _number(5.0)
    answer(a, b, 10.0)
    why = "Whoever comes after y multiplies: the chain rule says gy times the slope."
    expect([a.grad, b.grad], [50, 30], "a = 3, b = 5, gy = 10, (a.grad, b.grad)", why)
    a = _number(3.0)
    answer(a, a, 1.0)
    why = "a * a uses a twice, so two parts arrive and must be added: 3 + 3."
    expect(a.grad, 6, "y = a * a with a = 3, gy = 1, a.grad", why)
    a, b = _number(3.0), _number(5.0)
    a.grad = 100.0
    answer(a, b, 1.0)
    why = "Something had already arrived at a from another place. Keep it, and add."
    expect(a.grad, 105, "a = 3, b = 5, gy = 1, a.grad = 100 from before, a.grad afterwards", why)


@mul_backward.solution
def my_mul_backward(a, b, gy):
    a.grad += gy * b.data
    b.grad += gy * a.data


class _Node:
    def __init__(self, name, *inputs):
        self.name, self.inputs = name, inputs

    def __repr__(self):
        return self.name


def _graphs():
    """Return the last node of a few graphs, each with its formula."""
    a, b = _Node("a"), _Node("b")
    p = _Node("p", a, b)
    yield "p = a * b", p
    yield "p = a * b, y = p + a", _Node("y", p, a)
    yield "y = a + p, p = a * b (a comes first this time)", _Node("y", a, p)
    q = _Node("q", p, p)
    r = _Node("r", q, a)
    yield "p = a * b, q = p * p, r = q + a, y = r * p", _Node("y", r, p)
    yield "p = a * b, q = p * p, r = q + a, y = p * r", _Node("y", p, r)
    for i in range(30):
        p = _Node(f"p{i}", p, p)
    yield "30 squares, one of the other", p


@exercise(
    "01.2",
    "In which order?",
    hints=(
        "Write down the other direction first: a list in which every node stands after its inputs. "
        "A recursion does it: first visit the inputs, then append the node itself.",
        "Remember whom you have visited (`seen`, a set of id(node)), or a node that is used twice "
        "is listed twice.",
        "def visit(n): if id(n) in seen: return; seen.add(id(n)); for i in n.inputs: visit(i); "
        "found.append(n). Return the list reversed.",
    ),
)
def in_order(answer):
    """Write my_in_order(y): y and all nodes behind it, each one after every node that uses it."""
    for formula, y in _graphs():
        nodes = answer(y)
        got = [getattr(n, "name", n) for n in nodes]
        if nodes[0] is not y:
            raise Wrong(f"for {formula}: you return {got}. y itself stands first: it starts.")
        if len(set(got)) < len(got):
            twice = next(n for n in got if got.count(n) > 1)
            raise Wrong(
                f"for {formula}: you return {got}: {twice} stands there twice, and would pass on "
                "its gradient twice. Remember whom you have visited."
            )
        place = {name: i for i, name in enumerate(got)}
        for node in nodes:
            for behind in node.inputs:
                _in_place(formula, got, place, node.name, behind.name)


def _in_place(formula, got, place, user, behind):
    if behind not in place:
        raise Wrong(f"for {formula}: you return {got}: {behind} is missing, and {user} uses it.")
    if place[behind] < place[user]:
        raise Wrong(
            f"for {formula}: you return {got}. {behind} stands before {user}, which uses it. "
            f"So {behind} would pass on its gradient before all of it has arrived."
        )


@in_order.solution
def my_in_order(y):
    found, seen = [], set()

    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for behind in node.inputs:
                visit(behind)
            found.append(node)

    visit(y)
    return found[::-1]
