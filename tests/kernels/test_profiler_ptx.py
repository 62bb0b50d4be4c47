"""PTX executed on arrays: every CUDA kernel gives the numbers that it gives as C++."""

import numpy as np
import pytest

import tinynet as tn
from support.bfloat16_maps import MAPS
from support.ptx_run import run
from tinynet import kernels
from tinynet.core.bfloat16 import BFloat16, numbers, rounded
from tinynet.kernels.cuda.launch import observer
from tinynet.kernels.cuda.on_cpu import Module
from tinynet.kernels.profiler import nvrtc, ptx, record
from tinynet.kernels.profiler.lanes import Lanes, UnsupportedError
from tinynet.kernels.profiler.memory import Memory, OutOfBoundsError
from tinynet.testing.cases import cases_for

pytestmark = [pytest.mark.cxx, pytest.mark.usefixtures("nvrtc_library")]
WITH_CUDA = [k for k in kernels.KERNELS if "cuda_on_cpu" in k.implementations]


class Both:
    """An observer that carries each launch out twice: as PTX, and as C++."""

    def __init__(self):
        self.launches = 0

    def on_launch(self, text, kernel, grid, arguments, arrays):
        build = nvrtc.compiled(text, "sm_90")[kernel]
        blocks = int(np.prod(grid.blocks))
        packed = record.packed(build, arguments)
        memory = Memory(build.entry, packed, arrays, blocks, grid.shared)
        sizes = record.three(grid.blocks), record.three(grid.threads)
        Lanes(build.entry, *sizes, np.arange(blocks), memory).run()
        function = Module(text).get_function(kernel)
        function(grid.blocks, grid.threads, arguments, shared_mem=grid.shared)
        assert memory.written, "a kernel writes its result"
        for i, expected in enumerate(memory.arrays):
            agree(memory.result(i), expected, f"{kernel}, argument {i}")
        self.launches += 1
        return False

    def on_product(self, a, b, shape):
        return True

    def on_copy(self, x):
        pass


def agree(got, expected, what):
    if expected.dtype == np.uint16:  # sums in another order may round to the neighbor
        got, expected = (numbers(words) for words in (got, expected))
        assert np.allclose(got, expected, rtol=2**-7, atol=1e-6, equal_nan=True), what
        return
    if expected.dtype.kind != "f":
        assert np.array_equal(got, expected), what
        return
    known = np.isfinite(expected)
    assert np.array_equal(np.isnan(got), np.isnan(expected)), what
    scale = np.abs(expected[known]).max(initial=0)
    difference = np.abs(got[known].astype(float) - expected[known]).max(initial=0)
    assert difference <= 1e-5 * scale, what


@pytest.mark.slow
@pytest.mark.parametrize("kernel", WITH_CUDA, ids=lambda k: k.__name__)
def test_a_kernel_gives_the_same_numbers_as_ptx_and_as_cpp(kernel):
    both = Both()
    token = observer.set(both)
    try:
        for case in list(cases_for(kernel.__name__).values())[:1]:
            kernel.implementations["cuda_on_cpu"](*narrowed(case))
    finally:
        observer.reset(token)
    assert both.launches or kernel.__name__ in ("gemm", "matmul")


CONVOLUTION = [k for k in WITH_CUDA if k.__name__ in ("conv2d_forward", "conv2d_backward_weight")]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
@pytest.mark.parametrize("kernel", CONVOLUTION, ids=lambda k: k.__name__)
def test_the_tensor_cores_give_the_same_numbers_as_ptx_and_as_cpp(kernel, precision):
    both = Both()
    token = observer.set(both)
    try:
        case = next(iter(cases_for(kernel.__name__).values()))
        with tn.precision(precision):
            kernel.implementations["cuda_on_cpu"](*narrowed(case))
    finally:
        observer.reset(token)
    assert both.launches


STORING = [k for k in WITH_CUDA if k.takes_bfloat16]


@pytest.mark.slow
@pytest.mark.parametrize("kernel", STORING, ids=lambda k: k.__name__)
def test_bfloat16_in_memory_gives_the_same_numbers_as_ptx_and_as_cpp(kernel):
    both = Both()
    token = observer.set(both)
    try:
        case = narrowed(next(iter(cases_for(kernel.__name__).values())))
        maps = MAPS.get(kernel.__name__, ())
        halves = (a is not None and i in maps for i, a in enumerate(case))
        case = [BFloat16(rounded(a)) if half else a for half, a in zip(halves, case, strict=True)]
        with tn.precision("bfloat16"):
            kernel.implementations["cuda_on_cpu"](*case)
    finally:
        observer.reset(token)
    assert both.launches or kernel.__name__ == "matmul"


def narrowed(case):
    """Return the arguments of a case, with float32 for float64."""
    return [
        np.ascontiguousarray(a, np.float32)
        if isinstance(a, np.ndarray) and a.dtype.kind == "f"
        else a
        for a in case
    ]


def test_arguments_keep_their_values():
    y = np.zeros(32, np.float32)
    memory, _ = run("(float* y) { y[threadIdx.x] = threadIdx.x; }", y)
    assert not y.any()
    assert memory.result(0).tolist() == list(range(32))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("i / 7 - i % 7", lambda i: np.fix(i / 7) - np.fmod(i, 7)),
        ("(i << 3) ^ (i >> 1)", lambda i: (i << 3) ^ (i >> 1)),
        ("(int)((unsigned)i >> 28)", lambda i: i.astype(np.uint32) >> 28),
        ("__popc(i) + min(i, 3)", lambda i: np.bitwise_count(i.astype("u4")) + np.minimum(i, 3)),
        ("(int)floorf(i * 0.3f)", lambda i: np.floor(i.astype("f4") * np.float32(0.3))),
        ("i > 4 && i != 9 ? 1 : -1", lambda i: np.where((i > 4) & (i != 9), 1, -1)),
        ("(int)(signed char)(100 * i)", lambda i: (100 * i).astype(np.int8)),
        ("(int)((long long)i * 1000003 >> 3)", lambda i: i.astype("i8") * 1000003 >> 3),
        ("__mulhi(i, 1 << 30)", lambda i: i.astype("i8") * (1 << 30) >> 32),
        ("__shfl_xor_sync(~0u, i, 5)", lambda i: i[np.arange(32) ^ 5]),
        ("__shfl_down_sync(~0u, i, 4)", lambda i: np.append(i[4:], i[28:])),
        ("__shfl_up_sync(~0u, i, 4)", lambda i: np.append(i[:4], i[:28])),
        ("__shfl_sync(~0u, i, 9)", lambda i: np.full(32, i[9])),
        ("__shfl_down_sync(~0u, i, 1, 8)", lambda i: i[np.arange(32) + (np.arange(32) % 8 < 7)]),
        ("__shfl_up_sync(~0u, i, 1, 8)", lambda i: i[np.arange(32) - (np.arange(32) % 8 > 0)]),
        ("__shfl_sync(~0u, i, 3, 8)", lambda i: i[np.arange(32) // 8 * 8 + 3]),
        ("(int)((long long)i * 1000003 % 7)", lambda i: np.fmod(i.astype("i8") * 1000003, 7)),
        (
            "__mul64hi(i * 5000000000LL, 1LL << 60) + i",
            lambda i: (i.astype("i8") * 5 * 10**9 >> 4) + i,
        ),
        ("__float2ll_rz(i * 1e30f) > 0", lambda i: i > 0),
        ("(int)(100 * __saturatef(i * 0.25f))", lambda i: np.clip(25 * i, 0, 100)),
        ("(int)__saturatef(i + __int_as_float(0x7fc00000))", lambda i: 0 * i),
        ("(int)fmaxf(i, __int_as_float(0x7fc00000))", lambda i: i),
    ],
)
def test_an_expression_has_the_value_of_c(expression, expected):
    y = np.zeros(32, np.int32)
    i = np.arange(32, dtype=np.int32) - 11
    body = f"{{ int i = (int)threadIdx.x - 11; y[threadIdx.x] = {expression}; }}"
    memory, _ = run(f"(int* y) {body}", y)
    assert memory.result(0).tolist() == expected(i).astype(np.int32).tolist()


def test_columns_of_an_image_without_pixels_read_none():
    geometry = kernels.Geometry((2, 2), padding=((2, 2), (2, 2)))
    token = observer.set(Both())
    try:
        columns = kernels.im2col.implementations["cuda_on_cpu"](
            np.zeros((1, 1, 0, 5), np.float32), geometry
        )
    finally:
        observer.reset(token)
    assert columns.shape == (1, 4, 24)
    assert not columns.any()


def test_loops_barriers_shared_memory_and_atomics():
    text = """(const float* x, float* y, int* count) {
      __shared__ float s[64];
      s[threadIdx.x] = x[threadIdx.x];
      __syncthreads();
      float sum = 0;
      for (int i = 0; i <= threadIdx.x; ++i) sum += s[63 - i];
      y[threadIdx.x] = sum;
      if (threadIdx.x % 3 == 0) atomicAdd(count, 1);
    }"""
    x = np.arange(64, dtype=np.float32)
    memory, _ = run(text, x, np.zeros(64, np.float32), np.zeros(1, np.int32), threads=64)
    found = {len(memory.arrays[i]): memory.result(i) for i in memory.written}
    assert found[64].tolist() == np.cumsum(x[::-1]).tolist()
    assert found[1].tolist() == [22]


def test_an_address_outside_of_the_arguments_is_refused():
    with pytest.raises(OutOfBoundsError, match="f reads or writes outside of its arguments"):
        run("(float* y) { y[threadIdx.x + 100000] = 1; }", np.zeros(32, np.float32))


@pytest.mark.parametrize("access", ["s[at] = 1", "y[threadIdx.x] = s[at]"])
def test_an_address_outside_of_shared_memory_is_refused(access):
    """Also where the memory of the next block would be hit."""
    shared = "__shared__ float s[32]; const int at = threadIdx.x + 64;"
    with pytest.raises(OutOfBoundsError, match="f reads or writes outside of shared memory"):
        run(f"(float* y) {{ {shared} {access}; y[0] = s[threadIdx.x]; }}", np.zeros(32, np.float32))


def test_an_unknown_instruction_is_named():
    with pytest.raises(UnsupportedError, match='the instruction "match"'):
        run("(int* y) { y[0] = __match_any_sync(~0u, threadIdx.x); }", np.zeros(1, np.int32))


def test_an_endless_loop_is_given_up(monkeypatch):
    monkeypatch.setattr("tinynet.kernels.profiler.lanes.STEPS", 1000)
    with pytest.raises(UnsupportedError, match="more than 1,000 basic blocks"):
        run("(volatile int* y) { while (y[0] == 0); }", np.zeros(1, np.int32))


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("atomicCAS(y, 1, 2);", 'the instruction "atom.global.cas.b32"'),
        ("y[0] = (int)clock64();", 'the register "%clock'),
        ("y[0] = __syncthreads_or(y[1]);", 'the instruction "bar.red"'),
        ("int a[32] = {}; a[y[0]] = 1; y[0] = a[y[1]];", "local memory"),
    ],
)
def test_what_cannot_be_executed_is_named(statement, what):
    with pytest.raises(UnsupportedError, match=what):
        run(f"(int* y) {{ {statement} }}", np.zeros(2, np.int32))


def test_a_float_keeps_its_bits_in_a_register_of_integers():
    lanes = Lanes.__new__(Lanes)
    assert lanes.read(1.0, np.arange(2), np.uint32).tolist() == [0x3F800000] * 2
    assert lanes.read(-1, np.arange(2), np.uint16).tolist() == [0xFFFF] * 2


def test_operands_are_read():
    (entry,) = ptx.entries(
        ".visible .entry f(\n.param .u64 f_param_0,\n.param .align 8 .b8 f_param_1[24]\n)\n{\n"
        ".reg .b32 %r<9>;\n.shared .align 4 .b8 s[128];\n"
        "@!%p1 bra $L;\nld.global.v2.f32 {%f1, %f2}, [%rd1+-8];\n$L:\n"
        "mov.f32 %f3, 0f3F800000;\nmov.u32 %r1, s;\nret;\n\n}\n"
    ).values()
    branch, load, move, *_ = entry.code
    assert branch.guard == "%p1"
    assert branch.negated
    assert load.operands == (("%f1", "%f2"), ptx.Address("%rd1", -8))
    assert move.operands[1] == 1.0
    assert entry.labels == {"$L": 2}
    assert entry.parameters["f_param_1"] == ptx.Variable(8, 24)
    assert entry.shared == {"s": ptx.Variable(0, 128)}
