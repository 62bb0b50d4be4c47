"""Exercises of lesson 01: backward of a product, topological order."""

from types import SimpleNamespace

from tinynet.lessons.exercise import Wrong, exercise, expect
from tinynet.words import phrase


def _number(data):
    return SimpleNamespace(data=data, grad=0.0)


@exercise(
    "01.1",
    "Backward of a product",
    hints=(
        "Look at the table: its last line is this step, with p instead of y.",
        "If a grows by a little h, a * b grows by h * b. So a gets gy times b, and b is b.data.",
        "a.grad += gy * b.data and b.grad += gy * a.data. With += and not =, because a number may "
        "be used more than once.",
    ),
    returns=False,
)
def mul_backward(answer):
    """Write my_mul_backward(a, b, gy): add to a.grad and b.grad what y = a * b passes on of gy.

    a.data and b.data are the numbers.
    """
    a = _number(3.0)
    b = _number(5.0)
    answer(a, b, 1.0)
    case = "a = 3, b = 5, gy = 1"
    why = "Each factor's slope is the other factor: raise a by h, and a * b rises by 5 * h."
    idle = "Both are 0 still: add to them (a.grad += ...). The return value is not used."
    expect(
        [a.grad, b.grad], [5, 3], f"{phrase(case)}, (a.grad, b.grad)", why, slips=[([0, 0], idle)]
    )
    a = _number(3.0)
    b = _number(5.0)
    answer(a, b, 10.0)
    why = "The chain rule multiplies: gy times the slope."
    expect([a.grad, b.grad], [50, 30], "a = 3, b = 5, gy = 10, (a.grad, b.grad)", why)
    a = _number(3.0)
    answer(a, a, 1.0)
    why = "a * a uses a twice, so two parts arrive and must be added: 3 + 3."
    twice = [(9, "Two parts of 3 arrive, but you add the value already in a.grad a second time.")]
    expect(a.grad, 6, "y = a * a with a = 3, gy = 1, a.grad", why, slips=twice)
    a = _number(3.0)
    b = _number(5.0)
    a.grad = 100.0
    answer(a, b, 1.0)
    why = "a.grad already held a gradient from another use of a. Keep it, and add."
    twice = [(205, "The 100 is added twice: += keeps it already.")]
    case = "a = 3, b = 5, gy = 1, a.grad = 100 at the start, a.grad afterwards"
    expect(a.grad, 105, case, why, slips=twice)


@mul_backward.solution
def my_mul_backward(a, b, gy):
    a.grad += gy * b.data
    b.grad += gy * a.data


class _Node:
    """A node that counts how often the inputs of its graph are read."""

    def __init__(self, name, *inputs):
        self.name = name
        self._inputs = inputs
        self.looks = inputs[0].looks if inputs else [0]  # one counter for all connected nodes

    @property
    def inputs(self):
        self.looks[0] += 1
        if self.looks[0] > ENOUGH:
            raise _EndlessError
        return self._inputs

    def __repr__(self):
        return self.name


class _EndlessError(Exception):
    """An answer reads inputs so often that it must be walking every path."""


ENOUGH = 40_000  # the longest graph has 33 nodes: even 33 ** 3 reads are fewer


def _graphs():
    """Return the last node of a few graphs, each with its formula."""
    a = _Node("a")
    b = _Node("b")
    p = _Node("p", a, b)
    yield "p = a * b", p
    yield "p = a * b, y = p + a", _Node("y", p, a)
    yield "y = a + p, p = a * b (a comes first this time)", _Node("y", a, p)
    q = _Node("q", p, p)
    r = _Node("r", q, a)
    yield "p = a * b, q = p * p, r = q + a, y = r * p", _Node("y", r, p)
    yield "p = a * b, q = p * p, r = q + a, y = p * r", _Node("y", p, r)
    p = _Node("p", _Node("a"), _Node("b"))
    for i in range(30):
        p = _Node(f"p{i}", p, p)
    yield "30 squares, each of the one before", p


@exercise(
    "01.2",
    "In which order?",
    hints=(
        "Write down the other direction first: a list in which every node stands after its inputs. "
        "A recursion does it: first visit the inputs, then append the node itself.",
        "Keep a set of visited nodes (`seen`, a set of id(node)), or a node that is used twice "
        "is listed twice.",
        "def visit(n): if id(n) in seen: return; seen.add(id(n)); for i in n.inputs: visit(i); "
        "found.append(n). Return the list reversed.",
    ),
)
def in_order(answer):
    """Write my_in_order(y): a list of y and all nodes it depends on, users before inputs.

    Each node comes once, after all nodes that use it. node.inputs is a tuple of nodes, empty for a
    leaf.
    """
    for name, y in _graphs():
        formula = phrase(name)
        nodes = _listed(answer, y, formula)
        got = [getattr(n, "name", n) for n in nodes]
        if y not in nodes:
            raise Wrong(
                phrase(
                    "for {formula}: you return {got}. {last} itself is missing.",
                    formula=formula,
                    got=got,
                    last=y.name,
                )
            )
        if len(set(got)) < len(got):
            twice = next(n for n in got if got.count(n) > 1)
            raise Wrong(
                phrase(
                    "for {formula}: you return {got}: {twice} is listed twice and would pass on "
                    "its gradient twice. Keep a set of visited nodes.",
                    formula=formula,
                    got=got,
                    twice=twice,
                )
            )
        if nodes[-1] is y and len(nodes) > 1:
            raise Wrong(
                phrase(
                    "for {formula}: you return {got}. The backward pass begins at {last}, so it "
                    "comes first. Here every node comes after its inputs: reverse the list.",
                    formula=formula,
                    got=got,
                    last=y.name,
                )
            )
        if nodes[0] is not y:
            raise Wrong(
                phrase(
                    "for {formula}: you return {got}. {last} must be first: backward begins there.",
                    formula=formula,
                    got=got,
                    last=y.name,
                )
            )
        place = {name: i for i, name in enumerate(got)}
        for node in nodes:
            for behind in node.inputs:
                _in_place(formula, got, place, node.name, behind.name)


def _listed(answer, y, formula):
    """Return an answer's nodes as a list; refuse a set or a dict, which has no chosen order."""
    try:
        found = answer(y)
        if not isinstance(found, _Node | set | frozenset | dict):
            return list(found)
    except _EndlessError:
        raise Wrong(
            phrase(
                "for {formula}: your code has read node.inputs {enough:,} times and is not done.\n"
                "  It walks every path from the last node, and each square doubles their number: "
                "30 squares have 2 ** 30. Read the inputs of each node once: keep a set of visited "
                "nodes.",
                formula=formula,
                enough=ENOUGH,
            )
        ) from None
    raise Wrong(
        phrase(
            "for {formula}: you return a {kind}. Return a list: the order of the nodes matters.",
            formula=formula,
            kind=type(found).__name__.strip("_"),
        )
    )


def _in_place(formula, got, place, user, behind):
    if behind not in place:
        raise Wrong(
            phrase(
                "for {formula}: you return {got}: {behind} is missing, and {user} uses it.",
                formula=formula,
                got=got,
                behind=behind,
                user=user,
            )
        )
    if place[behind] < place[user]:
        raise Wrong(
            phrase(
                "for {formula}: you return {got}. {behind} comes before {user}, which uses it. "
                "So {behind} would pass on its gradient before all of it has arrived.",
                formula=formula,
                got=got,
                behind=behind,
                user=user,
            )
        )


@in_order.solution
def my_in_order(y):
    found = []
    seen = set()

    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for behind in node.inputs:
                visit(behind)
            found.append(node)

    visit(y)
    return found[::-1]
