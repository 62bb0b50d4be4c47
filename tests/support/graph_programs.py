"""Random programs for the engine: a state machine whose steps build, change and walk graphs."""

import os

from support import graph_ops
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

import tinynet as tn
from support.graph_ops import UNARY
from support.random_graph import (
    allowed,
    apply,
    disturbed,
    gradients,
    may_apply,
    new_leaf,
    noise_of,
    reached,
    torch_gradients,
)
from support.strategies import in_order, orders
from tinynet import nn, optim
from tinynet.functions import elementwise
from tinynet.testing.compare import difference, tolerance

EXPLORE = os.environ.get("HYPOTHESIS_PROFILE") == "explore"
PROGRAMS = 20_000 if EXPLORE else 40
STEPS = 40
POOL = 25  # values that a program keeps
SHAPES = [
    (), (1,), (2,), (3,), (2, 3), (3, 2), (1, 3), (3, 3), (2, 2, 3), (2, 2, 4, 5), (2, 2, 2, 2),
]  # fmt: skip
FIRST = [
    ((2, 2, 4, 5), "<f2", "normal"),
    ((2, 2, 4, 5), ">f4", "normal"),
    ((2, 2, 4, 5), "<f4", "normal"),
    ((2, 2, 2, 2), "<f4", "normal"),
    ((2,), "<f4", "positive"),
    ((2,), "<f4", "normal"),
    ((2, 3), "<f4", "normal"),
    ((2, 3), "<f8", "exponents"),
    ((3,), "<f4", "exponents"),
]
DTYPES = ["<f4", "<f4", "<f8", "<f2", ">f4", ">f8"]
BINARY = list(graph_ops.BINARY.values())
KINDS = ["normal", "normal", "positive", "whole numbers", "exponents"]
indices = st.integers(0, POOL - 1)
seeds = st.integers(0, 9)


def numbers(kind, shape, seed):
    """Return float64 numbers that every dtype holds exactly; zeros and ties in two of the kinds."""
    rng = np.random.default_rng(seed)
    if kind == "exponents":
        return rng.choice([0.0, 1.0, 2.0, 3.0], shape)
    if kind == "whole numbers":
        return rng.integers(-2, 3, shape).astype(np.float64)
    x = rng.standard_normal(shape).astype(np.float16).astype(np.float64)
    return np.abs(x) + 0.5 if kind == "positive" else x


class RandomGraphs(RuleBasedStateMachine):
    """One program: the values it has, and the gradients that they should have."""

    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(0)
        self.values = []
        self.unchanged = {}  # tensor -> its bytes
        self.expected = {}  # tensor -> runs of its gradient, or None for one beyond its dtype
        self.changes = []  # (number, array that was written to)
        self.functions = [
            (elementwise.Tanh(), UNARY["tanh"]),
            (elementwise.Exp(), UNARY["exp"]),
            (elementwise.ReLU(), UNARY["relu"]),
            (elementwise.Sigmoid(), UNARY["sigmoid"]),
            (elementwise.Mul(), graph_ops.BINARY["mul"]),
            (elementwise.Div(), graph_ops.BINARY["div"]),
        ]

    # ---- helpers

    def _keep(self, value):
        if value.exact.size > 300:
            return
        self.values.append(value)
        self.unchanged[value.tensor] = value.tensor.data.tobytes()
        computed = [v for v in self.values if v.op is not None]
        if len(self.values) > POOL and computed:
            self.values.remove(computed[0])

    def _pick(self, i, ndim=None):
        """Return a value counted from the youngest, among those with so many axes."""
        found = [v for v in self.values if ndim is None or v.exact.ndim == ndim]
        return found[-1 - i % len(found)]

    def _leaves(self):
        return [v for v in self.values if v.op is None and v.tensor.requires_grad]

    def _apply(self, op, inputs, s=None, record=True):
        """Apply an op where it is defined, else tanh, which is everywhere."""
        if not may_apply(op, inputs, s):
            op, inputs, s = UNARY["tanh"], inputs[:1], None
        with np.errstate(over="ignore", under="ignore"):
            if record:
                self._keep(apply(op, inputs, s, self.rng))
                return
            with tn.no_grad():
                self._keep(apply(op, inputs, s, self.rng, record=False))

    def _with_partner(self, op, i, j, s=None):
        """Apply an op to value i and the first value from j on that fits."""
        x = self._pick(i)
        for k in range(len(self.values)):
            if may_apply(op, [x, self._pick(j + k)], s):
                self._apply(op, [x, self._pick(j + k)], s)
                return
        self._apply(op, [x, self._pick(j)], s)

    # ---- leaves

    @initialize()
    def first_leaves(self):
        for seed, (shape, dtype, kind) in enumerate(FIRST):
            role = "read-only parameter" if seed % 2 else "parameter"
            self.leaf(shape, dtype, kind, "rows", seed, role)

    @rule(
        shape=st.sampled_from(SHAPES),
        dtype=st.sampled_from(DTYPES),
        kind=st.sampled_from(KINDS),
        order=orders,
        seed=seeds,
        role=st.sampled_from(["parameter", "read-only parameter", "tensor", "constant"]),
    )
    def leaf(self, shape, dtype, kind, order, seed, role):
        array = in_order(numbers(kind, shape, seed).astype(dtype), order)
        if role == "read-only parameter":
            array.flags.writeable = False
        if role in ("tensor", "constant"):
            tensor = graph_ops.leaf(array, role == "tensor")
        else:
            tensor = nn.Parameter(array)
        self._keep(new_leaf(tensor))

    # ---- ops

    @rule(name=st.sampled_from(list(UNARY)), i=indices, record=st.sampled_from([True, True, False]))
    def unary(self, name, i, record):
        self._apply(UNARY[name], [self._pick(i)], record=record)

    @rule(name=st.sampled_from(list(graph_ops.BINARY)), i=indices, j=indices)
    def binary(self, name, i, j):
        self._with_partner(graph_ops.BINARY[name], i, j)

    @rule(i=indices, j=indices)
    def power(self, i, j):
        """Search a base and an exponent: few values are either."""
        op = graph_ops.BINARY["pow"]
        for k in range(len(self.values)):
            if may_apply(op, [self._pick(i + k), self._pick(j)], None):
                self._apply(op, [self._pick(i + k), self._pick(j)])
                return
        self._with_partner(op, i, j)

    @rule(k=indices, i=indices, j=indices, record=st.booleans())
    def same_function_object(self, k, i, j, record):
        """Apply one of the Function objects that the program keeps, to two values."""
        function, op = self.functions[k % len(self.functions)]
        for x in (self._pick(i), self._pick(j)):
            inputs = [x, x] if op in BINARY else [x]
            self._apply(graph_ops.again(function, op), inputs, record=record)

    @rule(count=st.integers(2, 4))
    def total(self, count):
        """Add up the youngest values."""
        able = [v for v in self.values if v.requires_grad]
        for x in able[-count:]:
            self._apply(graph_ops.REDUCTIONS["sum"], [x], (None, False))
        for _ in range(count - 1):
            self._apply(graph_ops.BINARY["add"], [self.values[-1], self.values[-2]])

    @rule(
        name=st.sampled_from(list(graph_ops.REDUCTIONS)),
        i=indices,
        axis=st.integers(-3, 3),
        keepdims=st.booleans(),
    )
    def reduction(self, name, i, axis, keepdims):
        x = self._pick(i)
        ndim = x.exact.ndim
        axes = [None, *range(-ndim, ndim), *([(0, ndim - 1), (-1, -2)] if ndim > 1 else [])]
        self._apply(graph_ops.REDUCTIONS[name], [x], (axes[axis % len(axes)], keepdims))

    @rule(name=st.sampled_from(list(graph_ops.SOFTMAX)), i=indices, axis=st.integers(0, 3))
    def softmax(self, name, i, axis):
        x = self._pick(i)
        if x.exact.ndim:
            self._apply(graph_ops.SOFTMAX[name], [x], axis % x.exact.ndim)

    @rule(i=indices, how=st.integers(0, 3))
    def reshape(self, i, how):
        shape = self._pick(i).exact.shape
        flat = (*shape[:1], -1) if shape else (1,)
        self._apply(
            graph_ops.RESHAPE, [self._pick(i)], [(-1,), (1, *shape), flat, (*shape[::-1],)][how]
        )

    @rule(i=indices, how=st.booleans())
    def transpose(self, i, how):
        axes = list(range(self._pick(i).exact.ndim))
        self._apply(
            graph_ops.TRANSPOSE, [self._pick(i)], tuple(axes[::-1] if how else axes[1:] + axes[:1])
        )

    @rule(i=indices, how=st.integers(0, 5))
    def getitem(self, i, how):
        x = self._pick(i)
        if x.exact.ndim and x.exact.shape[0] > 1:
            parts = [0, slice(1, None), [1, 0, 1], (Ellipsis, 0), (None, Ellipsis), slice(0, 1)]
            self._apply(graph_ops.GETITEM, [x], parts[how])

    @rule(i=indices)
    def pad(self, i):
        x = self._pick(i)
        if x.exact.ndim:
            widths = [(0, 0)] * x.exact.ndim
            widths[-1] = (1, 0)
            self._apply(graph_ops.PAD, [x], tuple(widths))

    @rule(i=indices, dtype=st.sampled_from(["f2", "f4", "f8"]))
    def cast(self, i, dtype):
        self._apply(graph_ops.CAST, [self._pick(i)], np.dtype(dtype))

    @rule(name=st.sampled_from(list(graph_ops.JOINS)), i=indices, j=indices)
    def join(self, name, i, j):
        if self._pick(i).exact.ndim:
            self._with_partner(graph_ops.JOINS[name], i, j, 0)

    @rule(i=indices, j=indices)
    def matmul(self, i, j):
        self._with_partner(graph_ops.MATMUL, i, j)

    @rule(i=indices, j=indices, k=indices)
    def linear(self, i, j, k):
        x = self._pick(i)
        for a in range(len(self.values)):
            for b in range(len(self.values)):
                inputs = [x, self._pick(j + a), self._pick(k + b)]
                if graph_ops.LINEAR.domain([v.exact for v in inputs], None):
                    self._apply(graph_ops.LINEAR, inputs)
                    return

    @rule(
        name=st.sampled_from(list(graph_ops.IMAGES)),
        i=indices,
        j=indices,
        stride=st.integers(1, 2),
        padding=st.integers(0, 1),
    )
    def windows(self, name, i, j, stride, padding):
        s = graph_ops.Geometry.of(2, stride, padding)
        op = graph_ops.IMAGES[name]
        inputs = [self._pick(i, 4), self._pick(j, 4)]
        self._apply(op, inputs if name == "conv2d" else inputs[:1], s)

    @rule(i=indices, j=indices, k=indices, which=st.sampled_from(["lrn", "lrn", "", "relu"]))
    def normalization(self, i, j, k, which):
        x = self._pick(i, 4)
        if which == "lrn":
            self._apply(graph_ops.LRN_OP, [x])
            return
        vectors = [v for v in self.values if v.exact.shape == x.exact.shape[1:2]]
        if vectors:
            weights = [vectors[j % len(vectors)], vectors[k % len(vectors)]]
            self._apply(graph_ops.BATCH_NORM, [x, *weights], which)

    @rule(i=indices, p=st.sampled_from([0.25, 0.5, 1.0]), draw=st.integers(0, 3))
    def dropout(self, i, p, draw):
        self._apply(graph_ops.DROPOUT, [self._pick(i)], (p, (5, 7, draw)))

    @rule(i=indices)
    def detach(self, i):
        x = self._pick(i)
        cut = new_leaf(x.tensor.detach())
        cut.runs = x.runs
        self._keep(cut)

    # ---- gradients

    @rule(i=indices)
    def retain_grad(self, i):
        value = self._pick(i)
        if value.op is not None and value.requires_grad:
            value.tensor.retain_grad()
            value.retained = True

    @rule(
        i=indices,
        keep_graph=st.booleans(),
        form=st.integers(0, 3),
        seed=seeds,
        scaled=st.booleans(),
    )
    def backward(self, i, keep_graph, form, seed, scaled):
        able = [v for v in self.values if v.op is not None and v.requires_grad]
        if not able:
            return
        y = able[-1 - i % len(able)]
        gy = numbers("whole numbers", y.exact.shape, seed)
        given = [gy, tn.tensor(gy), gy.astype(y.dtype), gy][form]
        if form == 3:
            gy = np.full(y.exact.shape, 2.0)
            given = 2
        nodes = reached(y)
        freed = any(node.freed for node in nodes)
        try:
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                y.tensor.backward(given, keep_graph=keep_graph)
        except tn.GraphError:
            assert freed or self._is_changed(nodes), "refused without a reason"
            self._start_anew()
            return
        assert not freed, "a freed graph was walked"
        for node in nodes:
            node.freed = not keep_graph
        self._accumulate(gradients(y, gy, self.rng), y, gy)
        self.gradients_are_right()
        if scaled:
            for k in range(len(self.expected)):
                self.scale_gradient_in_place(k)

    @rule(i=indices, kind=st.sampled_from(["plain", "adam"]), seed=seeds)
    def step_between(self, i, kind, seed):
        """Go back, step, and go back again through what is left of the graph."""
        self.backward(i, True, 0, seed, False)
        self.step(kind, 0)
        self.backward(i, False, 0, seed, False)

    def _is_changed(self, nodes):
        return any(
            number > node.number and np.may_share_memory(array, used)
            for number, array in self.changes
            for node in nodes
            for used in node.arrays
        )

    def _start_anew(self):
        """Keep the leaves only: a walk that was refused may have gone half of the way."""
        self.values = [v for v in self.values if v.op is None]
        self.zero_grad()

    def _accumulate(self, found, y, gy):
        twins = torch_gradients(y, gy, list(found))
        for value, runs in found.items():
            if value in twins:
                text = difference(twins[value], runs[0], allowed(runs))
                assert text is None, f"the formulas and PyTorch: {text}"
            tensor = value.tensor
            old = self.expected.get(tensor)
            noise = noise_of([value.exact], [tensor.dtype])
            if old is not None:
                runs = [a + b for a, b in zip(old, runs, strict=True)]
            self.expected[tensor] = [runs[0], *(disturbed(r, noise, self.rng) for r in runs[1:])]

    def gradients_are_right(self):
        for tensor in list(self.unchanged):
            runs = self.expected.get(tensor)
            if runs is None:
                assert tensor.grad is None
                continue
            if np.abs(runs[0]).max(initial=0) > 1000 * graph_ops.LARGEST:
                tensor.grad = None  # float16 ends there
                del self.expected[tensor]
                continue
            assert tensor.grad.shape == tensor.shape
            text = difference(tensor.grad, runs[0], allowed(runs))
            assert text is None, f"backward: {text}"

    @precondition(lambda self: self.expected)
    @rule(i=indices)
    def scale_gradient_in_place(self, i):
        tensor = list(self.expected)[i % len(self.expected)]
        tensor.grad *= 0.5
        self.expected[tensor] = [run * 0.5 for run in self.expected[tensor]]
        self.gradients_are_right()

    @rule()
    def zero_grad(self):
        for tensor in self.unchanged:
            tensor.grad = None
        self.expected.clear()

    # ---- changes of parameters

    def _changed(self, value, in_place):
        """Take a leaf as it is now; what shares its memory is no longer used by new ops."""
        if in_place:
            number = new_leaf(value.tensor).number
            self.changes.append((number, value.tensor.data))
            self.values = [
                v
                for v in self.values
                if v is value or not np.may_share_memory(v.tensor.data, value.tensor.data)
            ]
        self.values[self.values.index(value)] = new_leaf(value.tensor)
        self.unchanged[value.tensor] = value.tensor.data.tobytes()

    @precondition(lambda self: self.expected and self._leaves())
    @rule(
        kind=st.sampled_from(["plain", "paper", "torch", "adam"]), decay=st.sampled_from([0, 0.1])
    )
    def step(self, kind, decay):
        leaves = [v for v in self._leaves() if v.tensor.grad is not None]
        if kind == "adam":
            leaves = [v for v in leaves if v.dtype.itemsize > 2]  # eps is 0 in float16
        if not leaves:
            return
        before = [(v.tensor.data.astype(np.float64), v.tensor.grad.astype(float)) for v in leaves]
        tensors = [v.tensor for v in leaves]
        if kind == "adam":
            optim.Adam(tensors, lr=0.1, weight_decay=decay).step()
        else:
            momentum = 0.0 if kind == "plain" else 0.9
            rule = "torch" if kind == "torch" else "paper"
            optim.SGD(tensors, lr=0.1, momentum=momentum, weight_decay=decay, rule=rule).step()
        for value, (w, g) in zip(leaves, before, strict=True):
            g = g + decay * w
            moved = 0.1 * g / (np.abs(g) + 1e-8) if kind == "adam" else 0.1 * g
            slack = 1e-3 * 0.1 if kind == "adam" else 0.0  # sqrt(v) of tiny g, near eps
            bound = tolerance(4, value.dtype) * (np.abs(w) + np.abs(moved) + 0.1 * np.abs(g))
            text = difference(value.tensor.data, w - moved, bound + slack)
            assert text is None, f"step: {text}"
            self._changed(value, in_place=True)

    @precondition(lambda self: self._leaves())
    @rule(i=indices, seed=seeds)
    def load_state_dict(self, i, seed):
        value = self._leaves()[i % len(self._leaves())]
        if isinstance(value.tensor, nn.Parameter):
            holder = nn.Module()
            holder.p = value.tensor
            new = numbers("normal", value.exact.shape, seed).astype(value.dtype)
            holder.load_state_dict({"p": new})
            new[...] = 7  # the state was copied
            self._changed(value, in_place=False)

    @precondition(lambda self: self._leaves())
    @rule(i=indices, how=st.sampled_from(["other array", "in place"]))
    def write_data(self, i, how):
        value = self._leaves()[i % len(self._leaves())]
        if how == "other array":
            value.tensor.data = value.tensor.data * 2 - 1
            self._changed(value, in_place=False)
            return
        value.tensor.data *= 2
        value.tensor.data -= 1
        value.tensor.mark_changed()
        self._changed(value, in_place=True)

    def teardown(self):
        for value in self.values:
            assert value.tensor.data.tobytes() == self.unchanged[value.tensor], "changed by an op"


HOW = settings(
    max_examples=PROGRAMS,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
