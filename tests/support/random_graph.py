"""Graphs that are computed three times: by tinynet, in float64 by formulas, and by PyTorch.

Every value of a graph is known with its uncertainty. The formulas are evaluated once exactly and
several times with random relative errors in the arguments and in the result of each op, forward and
backward, as large as `tinynet.testing.tolerance` allows for the dtype and the number of terms. What
the results differ by is what a right implementation may be off by (stochastic arithmetic, Vignes
1993): no tolerance is chosen.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from support import graph_ops
from support.graph_ops import LARGEST, Op, torch
from tinynet.testing.compare import difference, tolerance

RUNS = 7  # evaluations of each op: the first is exact
_numbers = itertools.count(1)


def noise_of(arrays, dtypes):
    """Return the relative error of an op on these arrays, and the smallest number of the dtype."""
    coarsest = max(dtypes, key=lambda d: np.finfo(d).eps)
    terms = sum(a.size for a in arrays)
    return tolerance(terms, coarsest), float(np.finfo(coarsest).smallest_subnormal)


def disturbed(x, noise, rng):
    """Return x with an error of one to two times `noise` in every element that is not 0.

    Of errors that are all equally large, some would cancel each other exactly.
    """
    relative, absolute = noise
    errors = rng.choice([-1.0, 1.0], x.shape) * rng.uniform(1, 2, x.shape)
    return x + errors * (relative * np.abs(x) + absolute * (x != 0))


def allowed(runs):
    """Return by how much the exact one of several runs may be missed, element by element."""
    errors = np.abs(np.stack(runs[1:]) - runs[0])
    together = np.sqrt((errors**2).mean()) if errors.size else 0.0
    return np.maximum(errors.max(axis=0), together)


@dataclass(eq=False)
class Value:
    """One value: a tensor, its runs in float64, a tensor of PyTorch, and how it was made."""

    tensor: Any
    runs: list[np.ndarray]
    twin: Any = None
    op: Op | None = None
    setting: Any = None
    inputs: tuple[Value, ...] = ()
    noise: tuple[float, float] = (0.0, 0.0)
    requires_grad: bool = False
    number: int = field(default_factory=lambda: next(_numbers))
    freed: bool = False
    retained: bool = False
    arrays: tuple[Any, ...] = ()  # of the inputs, when the op was applied

    @property
    def exact(self):
        return self.runs[0]

    @property
    def dtype(self):
        return self.tensor.data.dtype

    def check(self):
        """Compare what tinynet computed with the exact run."""
        text = difference(self.tensor.data, self.exact, allowed(self.runs))
        assert text is None, f"forward: {text}"


def new_leaf(tensor):
    """Return the value of a leaf as it stands now: exact."""
    exact = tensor.data.astype(np.float64)
    twin = None
    if torch is not None:
        twin = torch.tensor(exact, requires_grad=tensor.requires_grad)
    return Value(tensor, [exact] * RUNS, twin, requires_grad=tensor.requires_grad)


def may_apply(op, inputs, s):
    """Return whether an op is defined for these values, and on one side of its kinks."""
    computed = [[v.tensor.data.astype(np.float64) for v in inputs]]
    exact, *others = [*([v.runs[i] for v in inputs] for i in range(RUNS)), *computed]
    if not op.domain(exact, s):
        return False
    side = op.pattern(exact, s)
    for arrays in others:
        if not op.domain(arrays, s) or not _equal(op.pattern(arrays, s), side):
            return False
    with np.errstate(all="ignore"):
        y = op.value(exact, s)
    return bool(np.all(np.abs(y) <= LARGEST))


def _equal(a, b):
    parts = zip(a, b, strict=True) if isinstance(a, tuple) else [(a, b)]
    return all(np.array_equal(x, y) for x, y in parts)


def apply(op, inputs, s, rng, *, record=True):
    """Compute a value three times; compare what tinynet made of it."""
    tensor = op.tiny([v.tensor for v in inputs], s)
    dtypes = [tensor.dtype, *(v.dtype for v in inputs)]
    noise = noise_of([*(v.exact for v in inputs), tensor.data], dtypes)
    runs = [np.asarray(op.value([v.exact for v in inputs], s))]
    for i in range(1, RUNS):
        arrays = [disturbed(v.runs[i], noise, rng) for v in inputs]
        runs.append(disturbed(np.asarray(op.value(arrays, s)), noise, rng))
    requires = record and any(v.requires_grad for v in inputs)
    twin = None
    if torch is not None:
        with torch.set_grad_enabled(record):
            twin = op.torch([v.twin for v in inputs], s)
    y = Value(tensor, runs, twin, op, s, inputs, noise, requires)
    y.arrays = tuple(v.tensor.data for v in inputs)
    assert tensor.requires_grad == requires
    y.check()
    return y


def reached(y):
    """Return the values that backward from y meets, without leaves; the youngest first."""
    found = {y.number: y}
    waiting = [y]
    while waiting:
        for x in waiting.pop().inputs:
            if x.requires_grad and x.op is not None and x.number not in found:
                found[x.number] = x
                waiting.append(x)
    return [found[n] for n in sorted(found, reverse=True)]


def gradients(y, gy, rng):
    """Return {value: runs of the gradient} for every leaf and every retained value that y reaches.

    The order of the additions is free, so nothing but the exact sum is promised.
    """
    found = {y: [gy] * RUNS}
    waiting = [(-y.number, y)]
    wanted = {}
    seen = {y}
    while waiting:
        node = heapq.heappop(waiting)[1]
        runs = found.pop(node)
        if node.op is None or node.retained:
            wanted[node] = runs
        if node.op is None:
            continue
        for x, parts in zip(node.inputs, _transposed(node, runs, rng), strict=True):
            if not x.requires_grad:
                continue
            old = found.get(x)
            found[x] = parts if old is None else [a + b for a, b in zip(old, parts, strict=True)]
            if x not in seen:
                seen.add(x)
                heapq.heappush(waiting, (-x.number, x))
    return wanted


def _transposed(node, runs, rng):
    """Return for each input of a node the runs of its share of the gradient."""
    shares = []
    for i, gy in enumerate(runs):
        arrays = [x.runs[i] for x in node.inputs]
        y = node.runs[i]
        if i:
            gy = disturbed(gy, node.noise, rng)
            if not node.op.selects:
                arrays = [disturbed(a, node.noise, rng) for a in arrays]
                y = disturbed(np.asarray(node.op.value(arrays, node.setting)), node.noise, rng)
        found = node.op.vjp(gy, arrays, y, node.setting)
        found = [np.reshape(g, a.shape) for g, a in zip(found, arrays, strict=True)]
        shares.append([disturbed(g, node.noise, rng) if i else g for g in found])
    return list(zip(*map(list, shares), strict=True))


def torch_gradients(y, gy, values):
    """Return {value: gradient} of PyTorch; None where it is not installed."""
    if torch is None:
        return {}
    twins = [v.twin for v in values]
    found = torch.autograd.grad(
        y.twin, twins, torch.tensor(gy), retain_graph=True, allow_unused=True
    )
    return {v: g.numpy() for v, g in zip(values, found, strict=True) if g is not None}


__all__ = ["Value", "allowed", "apply", "gradients", "graph_ops", "may_apply", "new_leaf"]
