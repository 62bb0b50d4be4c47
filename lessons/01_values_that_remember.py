# %% [markdown] lang="en"
# # 01 Values that remember
#
# | | |
# |---|---|
# | goal | Write automatic differentiation in sixty lines, and see why gradients vanish in deep nets. |
# | time | 45 minutes |
# | runs | under 10 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; the chain rule from school |
# | before | 00 Hello, net: `loss.backward()` was one line there; here it is built |

# %%
import math
import time

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet.functions.elementwise import Mul
from tinynet.lessons import check, figure, hint, predict, show, solution

# %% [markdown] lang="en"
# ## Build
#
# A net is a long formula, and training needs the derivative of its result with respect to every
# number in it. Take a short formula:
#
# $$y = (a\,b + c)\,a$$
#
# The simplest way to find a slope is to try: increase $a$ a little and compare. Predict the sign of
# each slope at $a = 2$, $b = -3$, $c = 10$. Write three signs in place of the dots, such as
# `("+", "+", "+")`, then run the cell: it shows the truth only after a guess.


# %%
def formula(a, b, c):
    return (a * b + c) * a


point = {"a": 2.0, "b": -3.0, "c": 10.0}


# %% tags=["predict"]
def signs(h=1e-6):
    found = []
    for name in point:
        moved = {**point, name: point[name] + h}
        slope = (formula(**moved) - formula(**point)) / h
        print(f"slope along {name}: {slope:.4f}")
        found.append("+" if slope > 0 else "-")
    return tuple(found)


predict("01.a", ..., signs)

# %% [markdown] lang="en"
# The formula uses $a$ twice. A larger $a$ raises $y$ as the last factor, and lowers it inside the
# bracket, because $b$ is negative; here the second effect is larger.
#
# Trying costs one evaluation per number. A net has millions of numbers, so this is too expensive. But
# the formula consists of small steps, and the slope of a small step is easy:
#
# $$p = a\,b, \qquad q = p + c, \qquad y = q\,a$$
#
# Let $g_v$ stand for the slope of $y$ along $v$ (the code calls it `v.grad`). We know $g_y = 1$,
# and we go backwards. The chain rule says what each step passes to its inputs:
#
# | step | its inputs get |
# |---|---|
# | $y = q\,a$ | $g_q \mathrel{+}= g_y\,a$ and $g_a \mathrel{+}= g_y\,q$ |
# | $q = p + c$ | $g_p \mathrel{+}= g_q$ and $g_c \mathrel{+}= g_q$ |
# | $p = a\,b$ | $g_a \mathrel{+}= g_p\,b$ and $g_b \mathrel{+}= g_p\,a$ |
#
# Look at $a$: it is used in two places and gets a gradient from both. The contributions of the two
# paths from $a$ to $y$ are added. That is why every line says $\mathrel{+}=$.
#
# Write the step for a product.


# %% tags=["exercise"]
def my_mul_backward(a, b, gy):
    "Your code: y = a * b received gy; add to a.grad and b.grad. The values are a.data, b.data."
    raise NotImplementedError


check("01.1", my_mul_backward)

# %%
# hint("01.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_mul_backward(a, b, gy):
    a.grad += gy * b.data
    b.grad += gy * a.data


check("01.1", my_mul_backward)

# %% [markdown] lang="en"
# Now a number can record how it was computed. It keeps its value, its inputs, and a function that
# passes a gradient on to them. Computing with such numbers builds a *graph*.
#
# One question is left: in which order are the gradients passed on? A node may pass on its gradient
# only when *all* of it has arrived, so it must wait for every node that uses it. Write that order.
#
# You are given the last node, $y$, and return a list of nodes that begins with it. All you need of
# a node is `node.inputs`, a tuple of nodes; it is empty for a leaf, a number that you made
# yourself. For the formula above $y$ has the inputs $q$ and $a$, and `[y, q, p, a, b, c]` is right.
# So are other orders in which each node comes after all nodes that use it: $a$ after both $y$ and
# $p$.


# %% tags=["exercise"]
def my_in_order(y):
    "Your code: a list of y and all nodes it depends on (node.inputs), each after all its users."
    return None


check("01.2", my_in_order)

# %%
# hint("01.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
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


check("01.2", my_in_order)

# %% [markdown] lang="en"
# With these two ideas the whole program fits on a screen. Each operation stores its inputs and, for
# each input, the *slope*: the factor you just multiplied `gy` by. Then one loop passes on all
# gradients.
#
# For the order there is a shortcut without recursion. Number the values as they are created. A node
# is always created after its inputs, so reverse creation order works: the newest first.


# %%
class Node:
    """A number that remembers how it was computed."""

    made = 0

    def __init__(self, data, inputs=(), slopes=()):
        self.data = data
        self.inputs = inputs
        self.slopes = slopes
        self.grad = 0.0
        Node.made += 1
        self.serial = Node.made


# %%
class Arithmetic(Node):
    """Each operation stores its inputs and its slopes."""

    def __add__(self, other):
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def sigmoid(self):
        y = 1 / (1 + math.exp(-self.data))
        return Value(y, (self,), (y * (1 - y),))

    def relu(self):
        return Value(max(0.0, self.data), (self,), (float(self.data > 0),))


# %%
class Value(Arithmetic):
    def nodes(self):
        """Return this value and all values it depends on, the newest first."""
        found = [self]
        for node in found:
            found += [v for v in node.inputs if v not in found]
        return sorted(found, key=lambda node: -node.serial)

    def backward(self):
        self.grad = 1.0
        for node in self.nodes():
            for v, slope in zip(node.inputs, node.slopes, strict=True):
                v.grad += node.grad * slope


# %% [markdown] lang="en"
# The formula from above again. `formula` has not changed: it works for plain numbers and for
# Values.

# %%
a = Value(2.0)
b = Value(-3.0)
c = Value(10.0)
y = formula(a, b, c)
y.backward()
print("y =", y.data)
for name, v in {"a": a, "b": b, "c": c}.items():
    print(f"slope along {name}: {v.grad}")

# %% [markdown] lang="en"
# One pass forward, one pass back, all slopes. Here is the graph, with the gradient of each node.

# %%
q = y.inputs[0]
p = y.inputs[0].inputs[0]
places = {"a": (0, 2), "b": (0, 1), "c": (0, 0), "p = ab": (1, 1.5), "q = p + c": (2, 0.75)}
places["y = qa"] = (3, 1.5)
values = dict(zip(places, (a, b, c, p, q, y), strict=True))
labels = {id(v): name for name, v in values.items()}

# %%
fig, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
for name, v in values.items():
    for behind, slope in zip(v.inputs, v.slopes, strict=True):
        start = places[labels[id(behind)]]
        end = places[name]
        ax.annotate(
            "",
            end,
            start,
            arrowprops={"arrowstyle": "->", "color": "#767676", "shrinkA": 34, "shrinkB": 34},
        )
        middle = 0.55 * start[0] + 0.45 * end[0], 0.55 * start[1] + 0.45 * end[1]
        ax.text(
            *middle,
            f"x {slope:g}",
            color="#D55E00",
            fontsize=10,
            ha="center",
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    box = {"boxstyle": "round,pad=0.5", "facecolor": "#eef4fa", "edgecolor": "#0072B2"}
    text = f"{name}\nvalue {v.data:g}\ngradient {v.grad:g}"
    ax.text(*places[name], text, ha="center", va="center", fontsize=10, bbox=box)
ax.set(xlim=(-0.45, 3.45), ylim=(-0.45, 2.45))
ax.set_axis_off()
arrived = [
    v.grad * slope
    for v in (y, p)
    for behind, slope in zip(v.inputs, v.slopes, strict=True)
    if behind is a
]
told = " and ".join(f"{part:g}" for part in arrived)
ax.set_title(f"a is used twice, so its gradient is a sum: {told} give {a.grad:g}", fontsize=11)
figure(
    fig,
    "The graph of y = (ab + c)a, from left to right. "
    + "; ".join(f"{name}: value {v.data:g}, gradient {v.grad:g}" for name, v in values.items())
    + ". Each arrow shows the slope by which backward multiplies the gradient. "
    f"Along the two paths back to a arrive {told}, which sum to {a.grad:g}.",
)

# %% [markdown] lang="en"
# Follow the two arrows that leave $a$. Through $y$ comes $1 \cdot 4 = 4$, through $p$ comes
# $2 \cdot (-3) = -6$, and $4 - 6 = -2$.
#
# ## Judge
#
# Do not trust a derivative that was only derived on paper. Move each input by $h$ to *both* sides
# and compare: the central difference $\left(f(x + h) - f(x - h)\right) / 2h$ is far more accurate
# than the one-sided one. Lesson 02 shows how accurate.


# %%
def central(f, point, name, h=1e-5):
    ahead = f(**{**point, name: point[name] + h})
    return (ahead - f(**{**point, name: point[name] - h})) / (2 * h)


for name, v in {"a": a, "b": b, "c": c}.items():
    tried = central(formula, point, name)
    print(f"{name}: backward {v.grad:.6f}  difference {tried:.6f}  off by {v.grad - tried:+.1e}")

# %% [markdown] lang="en"
# The remaining error comes from the difference, not from backward: floats have 16 digits, and
# dividing by a small $h$ magnifies their rounding. The library has judges, test functions that do
# this for whole arrays, in a random direction. If nothing is wrong they print nothing.

# %%
tn.testing.check_gradient(formula, np.array(2.0), np.array(-3.0), np.array(10.0))
print("check_gradient found no error")

# %% [markdown] lang="en"
# ## Meet
#
# `tn.tensor` is such a value, with an array inside instead of a number. The same formula runs on
# it. Below is its `backward`. Read only the `while` loop, as far as `heappush`: take the newest
# node off the heap, and add to each input its gradient. An input without a `maker` is a leaf. The
# rest handles other kinds of arrays and a second backward pass.

# %%
ta, tb, tc = (tn.tensor(v, requires_grad=True) for v in (2.0, -3.0, 10.0))
formula(ta, tb, tc).backward()
print("gradients:", ta.grad, tb.grad, tc.grad)

# %%
show(Mul)
show(tn.Tensor.backward)

# %% [markdown] lang="en"
# There are three differences.
#
# 1. It stores no slopes. For a matrix product the table of all slopes would be far larger than the
#    matrices. `backward(gy)` computes the gradients of the inputs from arrays that `forward` saved.
# 2. It too goes from the newest to the oldest, but keeps the waiting nodes in a heap instead of
#    sorting all nodes.
# 3. Intermediate gradients are kept in a dict and dropped once they have been passed on. Only the
#    leaves keep theirs.
#
# ## Faster
#
# A graph of single numbers is slow: each number is a Python object. By which factor, for a sum of
# 2000 products, forward and backward?


# %%
def milliseconds(run, rounds=3):
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - started))
    return min(times)


n = 2000
numbers = np.random.default_rng(0).normal(size=(2, n))


# %%
def by_values():
    total = Value(0.0)
    nodes = []
    for s, t in numbers.T:
        term = Value(float(s)) * Value(float(t))
        total = total + term
        nodes += [term, total]
    total.grad = 1.0
    for node in reversed(nodes):
        for v, slope in zip(node.inputs, node.slopes, strict=True):
            v.grad += node.grad * slope


# %%
def by_tensors():
    s, t = (tn.tensor(row, requires_grad=True) for row in numbers)
    (s * t).sum().backward()


slow = milliseconds(by_values)
fast = milliseconds(by_tensors)
print(f"{n} Values {slow:.2f} ms, one tensor {fast:.2f} ms: {slow / fast:.0f} times as fast here")

# %% [markdown] lang="en"
# One node per *array* instead of one per number: every framework does this.
#
# ## Break
#
# The gradient that arrives at the first input is a *product*: every step multiplies it by its
# slope. The sigmoid's slope is $y(1 - y)$, which is at most $1/4$. Predict what is left of a gradient
# of 1 after 20 sigmoids in a row. A power of ten will do, such as `1e-2`. The cell shows as many
# ReLUs beside them.


# %%
def left(kind, steps):
    """Return the gradient at the first input of a chain of equal steps."""
    x = y = Value(0.5)
    for _ in range(steps):
        y = kind(y)
    y.backward()
    return x.grad


# %% tags=["predict"]
def after_20_sigmoids():
    print("steps   sigmoid      relu")
    for steps in (1, 5, 10, 20):
        print(f"{steps:5}   {left(Value.sigmoid, steps):.2e}   {left(Value.relu, steps):.2e}")
    return left(Value.sigmoid, 20)


predict("01.b", ..., after_20_sigmoids)

# %% [markdown] lang="en"
# These are *vanishing gradients*. No step is wrong; the product of 20 small factors is tiny. It is one reason why nets
# with many layers trained so slowly before ReLU (lesson 04), and why later nets have skip
# connections (lesson 18). Real layers multiply by weights as well, which may be above one, so in a
# real net the gradient vanishes more slowly than in this chain, or explodes.
#
# Now break the code: overwrite instead of adding. Only the last line of the class differs from
# `Value`; `+` and `*` are repeated because their results must be of the broken class too. For
# which of the three numbers will the slope be wrong?


# %%
class Overwriting(Value):
    def __add__(self, other):
        return Overwriting(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Overwriting(self.data * other.data, (self, other), (other.data, self.data))

    def backward(self):
        self.grad = 1.0
        for node in self.nodes():
            for v, slope in zip(node.inputs, node.slopes, strict=True):
                v.grad = node.grad * slope


# %%
broken = [Overwriting(v) for v in point.values()]
formula(*broken).backward()
for name, v in zip(point, broken, strict=True):
    right = central(formula, point, name)
    print(f"{name}: {v.grad:6.2f}, the difference says {right:6.2f}")

# %% [markdown] lang="en"
# Only the number that is used twice gets a wrong slope. A test in which every number is used once
# would pass.
#
# | | |
# |---|---|
# | in the paper | gradients by backpropagation; it has one sentence for it, the update rule of section 5 |
# | in the code of 2012 | no graph: every layer is a class with `fprop` and `bprop` by hand; the first gradient to arrive overwrites, later ones add (`layer.cu`) |
# | here | every op is a `Function` with `forward` and `backward`; the graph is built while you compute |
#
# ## Quiz
#
# **1.** What is the slope of $y = a \cdot a \cdot a$ at $a = 2$, and how many parts does it have?
#
# <details><summary>Answer</summary>
# 12, in three parts of 4 each: once per use of a.
# </details>
#
# **2.** You call `y.backward()` twice on the same graph of Values. What happens to `a.grad`?
#
# <details><summary>Answer</summary>
# It becomes more than twice as large: the intermediate nodes still hold their first gradient and
# pass it on again. That is why a training loop calls zero_grad(), and why the library refuses a
# second backward pass through the same graph.
# </details>
#
# **3.** Backward costs about as much as forward, however many inputs there are. Why is trying each
# input so much more expensive?
#
# <details><summary>Answer</summary>
# Trying needs one forward pass per input. Backward visits every arrow once and yields the gradients
# of all inputs.
# </details>
