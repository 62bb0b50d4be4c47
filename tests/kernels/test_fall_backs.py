"""Fallbacks of fast versions to the reference: every one is stated, and there are no others."""

import ast
from pathlib import Path

import numpy as np
import pytest

from tinynet import kernels
from tinynet.analysis import environment
from tinynet.kernels.dispatch import Kernel, fallback_if, has_numba
from tinynet.kernels.geometry import Geometry
from tinynet.testing.cases import cases_for

PLAIN = Geometry((2, 2))


def zeros(*shape, dtype="f"):
    return np.zeros(shape, dtype)


def huge(*shape):
    """Return an array of a single number, repeated without memory."""
    return np.broadcast_to(np.float32(0), shape)


MIXED = "images or weights that are not float32"
COUNTLESS = "no images, or 2**31 numbers or more in them"
FEW = "fewer than 4096 numbers, for which Numba need not be loaded"
GAPS = "arrays with gaps, or in different memory orders"
plane = zeros(300, 300)
WIDE = "windows of more than 9 channels"
BYTE = "windows of more than 256 pixels: the argmax is stored in a byte"
MANY = "windows of more than 64 channels and pixels"
WIDE_ARGMAX = "an argmax of more than a byte"
x = zeros(2, 3, 4, 4)
w = zeros(5, 3, 2, 2)
y = zeros(2, 5, 3, 3)
local = zeros(3, 3, 5, 3, 2, 2)
many = huge(2**21, 3, 20, 20)
EXAMPLES = {  # by kernel and reason: arguments to which it applies
    ("batch_norm_statistics", "no images"): [(zeros(0, 3, 2, 2),)],
    ("add", FEW): [(x, x)],
    ("add", GAPS): [(plane, plane.T), (plane[:, ::2], plane[:, ::2])],
    ("add", MIXED): [(plane, plane.astype("d"))],
    ("add", "arrays of two shapes"): [(plane, plane[:1]), (plane, plane[0])],
    ("relu_forward", FEW): [(x,)],
    ("relu_forward", GAPS): [(plane[:, ::2],), (plane[::-1],)],
    ("relu_backward", FEW): [(x, x)],
    ("relu_backward", GAPS): [(plane, plane.T), (plane[:, ::2], plane[:, ::2])],
    ("relu_backward", MIXED): [(plane, plane.astype("d"))],
    ("matmul", "a second matrix that is not float32"): [
        (zeros(100, 100), zeros(100, 100, dtype="d"))
    ],
    ("conv2d_forward", MIXED): [
        (x, w.astype("d"), None, PLAIN),
        (x, w, zeros(5, dtype="d"), PLAIN),
    ],
    ("conv2d_forward", COUNTLESS): [(x[:0], w, None, PLAIN), (many, w, None, PLAIN)],
    ("conv2d_relu_forward", MIXED): [(x, w.astype("d"), None, PLAIN)],
    ("conv2d_relu_forward", COUNTLESS): [(x[:0], w, None, PLAIN), (many, w, None, PLAIN)],
    ("conv2d_relu_backward", MIXED): [(y, y.astype("d"))],
    ("conv2d_relu_backward", COUNTLESS): [(y[:0], y[:0]), (many, many)],
    ("conv2d_backward_input", MIXED): [(y, w.astype("d"), x.shape, PLAIN)],
    ("conv2d_backward_input", COUNTLESS): [
        (y[:0], w, (0, 3, 4, 4), PLAIN),
        (huge(2**21, 5, 19, 19), w, many.shape, PLAIN),
    ],
    ("conv2d_backward_weight", MIXED): [(y, x.astype("d"), PLAIN)],
    ("conv2d_backward_weight", COUNTLESS): [
        (y[:0], x[:0], PLAIN),
        (huge(2**21, 5, 19, 19), many, PLAIN),
    ],
    ("conv2d_backward", "sums in halves on a CPU, as two devices sum"): [
        (y, x, w, None, PLAIN, (True, True, True), True)
    ],
    ("conv2d_backward_bias", COUNTLESS): [(y[:0],), (many,)],
    ("locally_connected2d_forward", MIXED): [(x, local, zeros(5, 3, 3, dtype="d"), PLAIN)],
    ("locally_connected2d_forward", COUNTLESS): [
        (x[:0], local, local[..., 0, 0, 0].transpose(2, 0, 1), PLAIN),
        (many, huge(19, 19, 5, 3, 2, 2), huge(5, 19, 19), PLAIN),
    ],
    ("locally_connected2d_backward_input", MIXED): [(y, local.astype("d"), x.shape, PLAIN)],
    ("locally_connected2d_backward_input", COUNTLESS): [(y[:0], local, (0, 3, 4, 4), PLAIN)],
    ("locally_connected2d_backward_weight", MIXED): [(y, x.astype("d"), PLAIN)],
    ("locally_connected2d_backward_weight", COUNTLESS): [(y[:0], x[:0], PLAIN)],
    ("dropout", "p = 1: no random bits are needed"): [(x, 1.0, (0, 0, 0)), (x, 1, (0, 0, 0))],
    ("lrn_forward", WIDE): [(x, 11, 2.0, 1.0, 0.75, 1)],
    ("lrn_backward", WIDE): [(x, x, x, x + 1, 11, 1.0, 0.75, 1)],
    ("max_pool2d_forward", BYTE): [(zeros(1, 1, 17, 17), Geometry((16, 17)), False)],
    ("lrn_max_pool_forward", BYTE): [
        (zeros(1, 1, 17, 17), 5, 2.0, 1.0, 0.75, 1, Geometry((16, 17)), False)
    ],
    ("lrn_max_pool_forward", MANY): [
        (zeros(1, 1, 17, 17), 5, 2.0, 1.0, 0.75, 1, Geometry((4, 4)), False)
    ],
    ("lrn_max_pool_backward", MANY): [
        (y, y.astype(np.uint8), x, 5, 2.0, 1.0, 0.75, 1, Geometry((4, 4)))
    ],
    ("lrn_max_pool_backward", WIDE_ARGMAX): [
        (x, x.astype(np.int32), x, 5, 2.0, 1.0, 0.75, 1, Geometry((1, 1)))
    ],
    ("max_pool2d_backward", WIDE_ARGMAX): [(y, y.astype(np.int32), x.shape, PLAIN)],
    ("momentum_update", "weights or velocities that are not contiguous, or of two types"): [
        ([x[:, ::2]], [x[:, ::2]], [zeros(2, 2, 4, 4)], 0.1, 0.9, 0.0, False, "paper"),
        ([zeros(2)], [zeros(2)], [zeros(2, dtype="d")], 0.1, 0.9, 0.0, False, "paper"),
        ([zeros(2)] * 2, [zeros(2)] * 2, [zeros(2), zeros(4)[::2]], 0.1, 0.9, 0.0, False, "paper"),
    ],
    ("cross_entropy", "no scores"): [(zeros(0, 3), zeros(0, dtype=int))],
    ("cross_entropy", "labels on a CPU that are out of range"): [
        (zeros(2, 3), np.array([0, 3])),
        (zeros(2, 3), np.array([-1, 2])),
    ],
}
STATED = {
    (kernel.__name__, fall.reason): (kernel, kind, fall)
    for kernel in kernels.KERNELS
    for kind, falls in kernel.fallbacks.items()
    for fall in falls
}


@pytest.fixture
def referred(monkeypatch):
    """Replace every reference by a function that notes its name; return the names."""
    names = []

    def spy(kernel):
        return lambda *args, **kwargs: names.append(kernel.__name__)

    for kernel in kernels.KERNELS:
        monkeypatch.setattr(kernel, "reference", spy(kernel))
    return names


def test_every_stated_fall_back_has_an_example():
    assert set(EXAMPLES) == set(STATED)


@pytest.mark.parametrize("stated", STATED, ids=" ".join)
def test_a_stated_fall_back_is_one(stated, referred):
    kernel, kind, fall = STATED[stated]
    for arguments in EXAMPLES[stated]:
        assert fall.predicate(*arguments)
        kernel.implementations[kind](*arguments)
    assert referred == [kernel.__name__] * len(EXAMPLES[stated])


def narrow(arguments):
    return tuple(
        a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
        for a in arguments
    )


@pytest.mark.skipif(not has_numba(), reason="Numba is not installed")
@pytest.mark.parametrize(
    "kernel", [k for k in kernels.KERNELS if "numba" in k.implementations], ids=lambda k: k.__name__
)
def test_nothing_else_is_left_to_the_reference(kernel, request):
    cases = {name: narrow(arguments) for name, arguments in cases_for(kernel.__name__).items()}
    if kernel.__name__ == "matmul":
        cases["large"] = zeros(128, 64), zeros(64, 128)
    if kernel.__name__.startswith("relu"):
        cases["large"] = (plane,) * (1 + kernel.__name__.endswith("backward"))
    referred = request.getfixturevalue("referred")  # the cases themselves call references
    fast = 0
    for name, arguments in cases.items():
        referred.clear()
        kernel.implementations["numba"](*arguments)
        stated = any(fall.predicate(*arguments) for fall in kernel.fallbacks["numba"])
        assert bool(referred) == stated, name
        fast += not stated
    assert fast


def test_a_fast_version_runs_where_no_reason_holds():
    @Kernel
    def double(x):
        return "reference"

    @double.cuda
    @fallback_if("small", lambda x: x < 2)
    @fallback_if("odd", lambda x: x % 2)
    def double_cuda(x):
        return "fast"

    kernels.KERNELS.remove(double)
    answers = [double.implementations["cuda_on_cpu"](x) for x in (0, 1, 2, 3)]
    assert answers == ["reference", "reference", "fast", "reference"]
    assert [reason for reason, _ in double.fallbacks["cuda"]] == ["small", "odd"]


def hidden_calls(tree):
    """Yield where a function that is no @Kernel calls some reference."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and not any(
            isinstance(d, ast.Name) and d.id == "Kernel" for d in node.decorator_list
        ):
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "reference":
                    yield f"{node.name}, line {call.lineno}"


def test_a_hidden_fall_back_is_found():
    assert list(hidden_calls(ast.parse("def f(x):\n    return g.reference(x)")))
    assert not list(hidden_calls(ast.parse("@Kernel\ndef f(x):\n    return g.reference(x)")))


@pytest.mark.parametrize(
    "room",
    [p for p in Path(kernels.__file__).parent.rglob("*.py") if p.name != "dispatch.py"],
    ids=lambda path: path.stem,
)
def test_no_fall_back_is_hidden_in_a_fast_version(room):
    assert list(hidden_calls(ast.parse(room.read_text()))) == []


def test_the_table_states_every_reason():
    table = environment.kernel_table()
    for name, reason in STATED:
        assert name in table
        assert reason in table
