# %% [markdown] lang="en"
# # 02 Tensors, broadcasting, gradient checks
#
# | | |
# |---|---|
# | goal | Undo a broadcast, check any gradient numerically, and choose the step size of the check. |
# | time | 40 minutes |
# | runs | under 10 seconds on two cores |
# | needs | numpy, matplotlib and tinynet; no network, no download |
# | before | 01 Values that remember: backward of numbers |

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet import functions as F
from tinynet.lessons import check, figure, hint, predict, show, solution

# %% [markdown] lang="en"
# ## Build
#
# Lesson 01 had single numbers that record how they were computed. A network has millions of
# numbers, and Python is too slow to process them one by one. So from now on one value is a whole
# array: a **tensor**. It records the operation that made it, as before, and NumPy does the
# arithmetic.

# %%
x = tn.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
b = tn.tensor([10.0, 20.0, 30.0], requires_grad=True)
y = x * b
print(y)
print("made by", type(y.creator).__name__, "from shapes", [i.shape for i in y.creator.inputs])

# %% [markdown] lang="en"
# ### Broadcasting
#
# `x` has two rows, `b` has one. NumPy raised no error: it used the same row of `b` twice. This is
# **broadcasting**, and it has two rules:
#
# 1. Shapes are aligned at the last axis. A shape that is too short gets axes of length 1 in front:
#    (3,) becomes (1, 3).
# 2. An axis of length 1 is repeated until it fits: (1, 3) becomes (2, 3).
#
# The cell adds four pairs of arrays. Predict the shape of the last sum, of (4, 1) and (4,): write it
# in place of the dots as a tuple, then run the cell. It shows all four only after a guess.


# %% tags=["predict"]
def last_shape():
    for a, c in (((2, 3), (3,)), ((2, 3), (2, 1)), ((5, 1, 3), (4, 1)), ((4, 1), (4,))):
        shape = (np.zeros(a) + np.zeros(c)).shape
        print(a, "and", c, "give", shape)
    return shape


predict("02.a", ..., last_shape)

# %% [markdown] lang="en"
# The last one is a common mistake: (4,) becomes (1, 4), and then both arrays are repeated. If you
# subtract labels (4,) from predictions (4, 1), you want four differences and get sixteen. No error is raised, the loss is a number, and the network learns the mean.
#
# Now backward. In $y[n, c] = x[n, c] + b[c]$, the number $b[c]$ is used once for every $n$. If it
# changes, all of these change, and each contributes to the loss:
#
# $$gb[c] = \sum_n gy[n, c]$$
#
# So the rule is short: **what forward repeats, backward sums**, along the same axes.
#
# Write it for any array `g` and any tuple `shape` that broadcasts to the shape of `g`: by rule 1,
# by rule 2, by both, or without any repetition.


# %% tags=["exercise"]
def my_unbroadcast(g, shape):
    "Your code: g, summed over the broadcast axes, so that it has this shape."
    return None


check("02.1", my_unbroadcast)

# %%
# hint("02.1")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_unbroadcast(g, shape):
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    for axis, length in enumerate(shape):
        if length == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


check("02.1", my_unbroadcast)

# %% [markdown] lang="en"
# ### Is it the derivative?
#
# We will write many backward functions. Each claims to return a slope, and slopes can be measured.
# Change one number by a small $h$ in both directions and compare the values of the function:
#
# $$\frac{\partial f}{\partial x_i} \approx \frac{f(x + h\,e_i) - f(x - h\,e_i)}{2h}$$
#
# $e_i$ is 1 at position $i$ and 0 elsewhere. Why two steps, and not one? The check of the exercise
# shows it, with a step that is not small. `x` may have any shape, and your result has the same
# shape. Do not change `x` itself.


# %% tags=["exercise"]
def my_gradient(f, x, h):
    "Your code: f takes an array and returns a number; return a slope for each element of x."
    return None


check("02.2", my_gradient)

# %%
# hint("02.2")  # without the first "#": a hint, and each time you run it the next one


# %% tags=["solution"]
def my_gradient(f, x, h):
    g = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        ahead = x.copy()
        behind = x.copy()
        ahead[at] += h
        behind[at] -= h
        g[at] = (f(ahead) - f(behind)) / (2 * h)
    return g


check("02.2", my_gradient)

# %% [markdown] lang="en"
# ### How small may a step be?
#
# A derivative is the limit for $h$ going to 0. So the smaller the better? No: a float has few
# digits, about 7 in float32 and about 16 in float64. Here is the error for steps from 1 down to
# 0.00000000000001, for $f(x) = \sum_i \tanh(x_i)$, whose derivative we know. The slope
# is measured with one step and with two, in both float types.

# %%
x = np.random.default_rng(0).normal(size=20)
v = np.random.default_rng(1).normal(size=20)  # one direction through all 20 numbers
slope = float(((1 - np.tanh(x) ** 2) * v).sum())
steps = 10.0 ** np.arange(-14, 0.1, 0.25)


# %%
def errors(kind, central):
    """Return the error of the slope along v for each step, computed in this float type."""
    found = []
    for h in steps:
        # the two points and the sums over all 20 numbers are rounded to the float type
        ahead, behind = ((x + s * v).astype(kind) for s in (h, -h if central else 0.0))
        difference = np.tanh(ahead).sum(dtype=kind) - np.tanh(behind).sum(dtype=kind)
        found.append(abs(float(difference) / (2 * h if central else h) - slope))
    return np.maximum(found, 1e-16)


# %%
curves = {
    "one step, float64": errors(np.float64, central=False),
    "two steps, float64": errors(np.float64, central=True),
    "two steps, float32": errors(np.float32, central=True),
}

# %% [markdown] lang="en"
# Draw the curves on paper: what do they look like at the left end? Then predict: which step gives the
# smallest error with two steps in float64? Write a power of ten, such as `1e-1`.


# %% tags=["predict"]
def best_step():
    for name, values in curves.items():
        print(f"{name}: error {values[0]:.0e} at h = {steps[0]:.0e}, {values[-1]:.0e} at h = 1")
    return steps[curves["two steps, float64"].argmin()]


predict("02.b", ..., best_step)

# %%
fig, axis = plt.subplots(figsize=(7.5, 4.4), layout="constrained")
looks = (("#767676", ":", "^"), ("#0072B2", "-", "o"), ("#D55E00", "--", "s"))
for (name, values), (colour, line, marker) in zip(curves.items(), looks, strict=True):
    axis.loglog(steps, values, color=colour, ls=line, marker=marker, markersize=4, label=name)
axis.set(xlabel="step h", ylabel="error of the slope", ylim=(1e-13, 30))
axis.grid(visible=True, color="#e4e4e4")
axis.spines[["top", "right"]].set_visible(False)
axis.legend(frameon=False, loc="lower left")
best = {name: steps[values.argmin()] for name, values in curves.items()}
axis.set_title(
    f"The best step is neither large nor tiny: {best['two steps, float64']:.0e} in float64, "
    f"{best['two steps, float32']:.0e} in float32",
    fontsize=11,
)
figure(
    fig,
    "The error of a measured slope against the step, both on logarithmic axes: each curve falls "
    "with the step and rises again, like a V. The lowest points: "
    + "; ".join(
        f"{name}, {values.min():.0e} at h = {best[name]:.0e}" for name, values in curves.items()
    )
    + ".",
)

# %% [markdown] lang="en"
# The curve is a V with a ragged left arm. On the right the step is too large: $f$ is curved between
# the two points, which gives an error that grows as $h^2$ for two steps and as $h$ for one
# (truncation error). On the left it is too small: $f(x + h)$ and $f(x - h)$ agree in nearly all of
# their digits, and the difference keeps only the last ones, which are rounding errors. Divided by a
# tiny $2h$ they become large: an error that grows as $1/h$. Where the float32 curve is flat,
# $x + h$ rounds to $x$: the difference is 0, and the error is the whole slope.
#
# Remember two things. Check gradients in float64: float32 gives only a few correct digits, which
# can hide a small mistake. And no single $h$ is right for every function; a good judge uses
# several.

# %% [markdown] lang="en"
# ## Judge
#
# `tn.testing.check_gradient` is such a judge. It takes a function of tensors and the arrays to test
# it on, and raises nothing if backward is the derivative of forward. It steps along one random
# direction through all numbers at once, with several step sizes. Only if the slope is wrong does it
# search for the wrong element.

# %%
rng = np.random.default_rng(0)
tn.testing.check_gradient(F.mul, rng.normal(size=(2, 3)), rng.normal(size=3))
print("F.mul: no error")

# %% [markdown] lang="en"
# Here are six small ops, written as the library writes them: a class with `forward` and `backward`.
# Three of them are wrong. You could find them by reading. Use the judge instead: the next op may be
# too long to read. Plus takes a row as its second array, Times and Ratio take two arrays of the
# same shape, and the others take one array.


# %%
class Plus(tn.Function):
    """a (N, C) + b (C,)."""

    def forward(self, a, b):
        return a + b

    def backward(self, gy):
        return gy, gy.mean(axis=0)


# %%
class Times(tn.Function):
    """a * b, of one shape."""

    def forward(self, a, b):
        self.saved = a, b
        return a * b

    def backward(self, gy):
        a, b = self.saved
        return gy * b, gy * a


# %%
class Ratio(tn.Function):
    """a / b, of one shape."""

    def forward(self, a, b):
        self.saved = a, b
        return a / b

    def backward(self, gy):
        a, b = self.saved
        return gy / b, -gy * a / b


# %%
class Cube(tn.Function):
    """x * x * x."""

    def forward(self, x):
        self.saved = x
        return x * x * x

    def backward(self, gy):
        return 3 * gy * self.saved * self.saved


# %%
class Clip(tn.Function):
    """x, but at least 0 and at most 1."""

    def forward(self, x):
        self.saved = x
        return x.clip(0, 1)

    def backward(self, gy):
        return gy * (self.saved > 0)


# %%
class Softplus(tn.Function):
    """log(1 + exp(x))."""

    def forward(self, x):
        self.saved = x
        return np.log(1 + np.exp(x))

    def backward(self, gy):
        return gy / (1 + np.exp(-self.saved))


# %%
def verdict(op, *arrays):
    """Return the message of the judge about an op at these arrays."""
    try:
        tn.testing.check_gradient(lambda *tensors: op()(*tensors), *arrays)
    except AssertionError as error:
        said = str(error)
        return f"{op.__name__}: {said.partition('forward: ')[2] or said}"
    except ValueError as error:  # the arrays are at fault, not the op
        return f"{op.__name__} cannot be judged at these arrays: {error}"
    return f"{op.__name__}: no error"


# %%
a = rng.uniform(0.1, 0.9, (4, 3))
b = rng.uniform(0.1, 0.9, (4, 3))
row = rng.uniform(0.1, 0.9, 3)
print(verdict(Plus, a, row))
print(verdict(Cube, a))

# %% [markdown] lang="en"
# Plus is one of the three. The judge names the input, the element, and even the factor: 4 is the
# number of rows. (It passes a random `gy` back, not ones, so the numbers it prints are slopes times
# that.) Find the other two. Choose the arrays with care: a judge tests only the values it is given.

# %% tags=["exercise"]
my_guilty = None  # your answer: a set of three names, {"Plus", ..., ...}

check("02.3", my_guilty)

# %%
# hint("02.3")  # without the first "#": a hint, and each time you run it the next one

# %% tags=["solution"]
for suspect in (Times, Ratio):
    print(verdict(suspect, rng.normal(size=(2, 3)), rng.normal(size=(2, 3))))
for suspect in (Clip, Softplus):
    print(verdict(suspect, np.array([-2.0, -0.5, 0.3, 0.8, 1.5, 3.0])))
my_guilty = {"Plus", "Ratio", "Clip"}

check("02.3", my_guilty)

# %% [markdown] lang="en"
# ## Meet
#
# The library's `unbroadcast`, and one op that uses it.

# %%
show(tn.functions.elementwise.unbroadcast)

# %%
show(tn.functions.elementwise.Mul)

# %% [markdown] lang="en"
# 1. All axes are summed in one call, and `reshape` restores the axes of length 1. It is the same
#    sum as yours.
# 2. `Mul` saves its two inputs, because each is the slope for the other. `Add` saves nothing. The
#    saved arrays take memory that training needs and prediction does not.
# 3. `needs_grad`: if the gradient of `a` is not needed, it is not computed.

# %% [markdown] lang="en"
# ## Faster
#
# If slopes can be measured, why do we write backward at all? Because of the cost. Central
# differences evaluate the function twice for every number. How long do the three take for 2000
# numbers?


# %%
def milliseconds(run):
    started = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - started)


def loss(x):
    """Return a number that depends on all elements of a tensor."""
    return F.tanh(x * x).sum()


def number(x):
    return loss(tn.tensor(x)).item()


# %%
def by_steps(x, h=1e-5):
    slopes = np.zeros(x.size)
    for i in range(x.size):
        step = h * (np.arange(x.size) == i)
        slopes[i] = (number(x + step) - number(x - step)) / (2 * h)
    return slopes


def by_backward(x):
    leaf = tn.tensor(x, requires_grad=True)
    loss(leaf).backward()
    return leaf.grad


# %%
x = rng.normal(size=2000)
assert np.allclose(by_steps(x), by_backward(x), atol=1e-6)
print(f"the function, once     {milliseconds(lambda: number(x)):9.3f} ms")
print(f"backward, all slopes   {milliseconds(lambda: by_backward(x)):9.3f} ms")
print(f"two steps for each     {milliseconds(lambda: by_steps(x)):9.3f} ms")

# %% [markdown] lang="en"
# Backward costs about as much as a few forward passes, whatever the number of parameters. AlexNet
# has 60,965,224 of them; two steps for each would be 121,930,448 passes for a single update. The
# random direction of the judge needs a few passes, whatever the size: that is why it can check
# whole layers.

# %% [markdown] lang="en"
# ## Break
#
# **In float32.** A correct op, checked by hand with one fixed step. Would you trust a test that
# allows an error of 1 % here?

# %%
rng = np.random.default_rng(5)
x = rng.normal(size=50).astype(np.float32)
v = rng.normal(size=50).astype(np.float32)
right = float(((1 - np.tanh(x) ** 2) * v).sum())
for h in (1e-2, 1e-4, 1e-6):
    h = np.float32(h)
    ahead, behind = (np.tanh(x + s * h * v).sum(dtype=np.float32) for s in (1, -1))
    print(f"h = {h:.0e}: off by {abs(float(ahead - behind) / float(2 * h) / right - 1):8.3%}")

# %% [markdown] lang="en"
# No. The first two steps pass, but the last one rejects a correct op, and we cannot know in advance
# which step works. In float64 there is enough room between the two kinds of error.
#
# **At a kink.** A ReLU has no derivative at exactly 0: on the left the slope is 0, on the right it
# is 1. What should a judge say?

# %%
try:
    tn.testing.check_gradient(F.relu, np.array([-1.0, 0.0, 2.0]))
except ValueError as refusal:
    print(refusal)

# %% [markdown] lang="en"
# It refuses. (It steps in one random direction through all three numbers at once, so its two slopes
# are not 0 and 1; it matters only that they differ.) It raises a ValueError, not an AssertionError:
# the input is at fault, not the op. Many test suites fail at random for this reason, and the usual
# reaction is a wider tolerance.
#
# **The broadcast mistake from above.** Four predictions, four labels; one loss of sixteen
# differences, one of four. Which of the two is 0 for a perfect prediction?

# %%
prediction = tn.tensor(np.array([[1.0], [2.0], [3.0], [4.0]]))
labels = tn.tensor(np.array([1.0, 2.0, 3.0, 4.0]))
wrong = prediction - labels
right = prediction.reshape(4) - labels
print(wrong.shape, (wrong * wrong).mean().item())
print(right.shape, (right * right).mean().item())

# %% [markdown] lang="en"
# No gradient check finds this: backward is the derivative of the code as written, not as intended.
# Print shapes.
#
# | | |
# |---|---|
# | in the paper | not mentioned; gradients were written by hand for each layer |
# | in the code of 2012 | `checkGradient` in `convnet.cu` of cuda-convnet: a one-sided difference for each weight, in single precision on the GPU |
# | here | two steps of several sizes, along a random direction, in double precision; every op of the library is tested this way |

# %% [markdown] lang="en"
# ## Quiz
#
# **1.** `x` is (8, 3, 5, 5) and `bias` is (3, 1, 1). What is the shape of `x + bias`, and along
# which axes is the gradient of `bias` summed?
#
# <details><summary>Answer</summary>
# (8, 3, 5, 5). Along axes 0, 2 and 3: the first was added in front, the other two had length 1.
# </details>
#
# **2.** In the figure, where is the best step of central differences, and why not further left?
#
# <details><summary>Answer</summary>
# Between 1e-6 and 1e-5 in float64. There the truncation error, about h squared, is as small as the
# rounding error, about 1e-16 / h. Further left the rounding error grows.
# </details>
#
# **3.** An op passes check_gradient. Is it right?
#
# <details><summary>Answer</summary>
# Its backward is the derivative of its forward, at the tested values. But forward itself may be
# wrong. Other judges compare it with a definition: check_layer with `against`, or check_kernel.
# </details>
