"""Profiler: tensor cores and asynchronous copies, against matrices of NumPy and known counts."""

import numpy as np
import pytest

from support.ptx_run import run
from tinynet.kernels.profiler import estimate, nvrtc, record
from tinynet.kernels.profiler.gpus import GPUS
from tinynet.kernels.profiler.lanes import UnsupportedError
from tinynet.kernels.profiler.record import Launch

pytestmark = pytest.mark.usefixtures("nvrtc_library")
TF32 = """(const float* a, const float* b, const float* c, float* y) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  const int row[4] = {g, g + 8, g, g + 8}, column[4] = {t, t, t + 4, t + 4};
  unsigned u[4], v[2];
  float s[4];
  for (int i = 0; i < 4; ++i) {
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(u[i]) : "f"(a[row[i] * 8 + column[i]]));
    s[i] = c[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
  }
  for (int i = 0; i < 2; ++i)
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(v[i]) : "f"(b[(t + 4 * i) * 8 + g]));
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};" : "+f"(s[0]), "+f"(s[1]), "+f"(s[2]), "+f"(s[3])
      : "r"(u[0]), "r"(u[1]), "r"(u[2]), "r"(u[3]), "r"(v[0]), "r"(v[1]));
  for (int i = 0; i < 4; ++i) y[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = s[i];
}"""
BFLOAT16 = """(const float* a, const float* b, const float* c, float* y) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  unsigned u[4], v[2];
  float s[4];
  for (int i = 0; i < 4; ++i) {
    const float* first = a + (g + i % 2 * 8) * 16 + 2 * t + i / 2 * 8;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(u[i]) : "f"(first[1]), "f"(first[0]));
    s[i] = c[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
  }
  for (int i = 0; i < 2; ++i) {
    const float* first = b + (2 * t + 8 * i) * 8 + g;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(v[i]) : "f"(first[8]), "f"(first[0]));
  }
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};" : "+f"(s[0]), "+f"(s[1]), "+f"(s[2]), "+f"(s[3])
      : "r"(u[0]), "r"(u[1]), "r"(u[2]), "r"(u[3]), "r"(v[0]), "r"(v[1]));
  for (int i = 0; i < 4; ++i) y[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = s[i];
}"""
"""Fragments as in the PTX ISA, mma: m16n8k8 for .tf32 and m16n8k16 for .bf16."""


def rounded(x, bits):
    """Return x with a significand of so many bits, to nearest."""
    fraction, exponent = np.frexp(x.astype(np.float64))
    return np.ldexp(np.rint(np.ldexp(fraction, bits)), exponent - bits)


def written(memory):
    (i,) = memory.written
    return memory.result(i)


@pytest.mark.parametrize(("text", "K", "bits"), [(TF32, 8, 11), (BFLOAT16, 16, 8)])
def test_fragments_are_multiplied_as_matrices(text, K, bits, rng):
    a, b, c = (rng.standard_normal(shape).astype("f") for shape in ((16, K), (K, 8), (16, 8)))
    memory, _ = run(text, a, b, c, np.zeros((16, 8), np.float32))
    expected = c + rounded(a, bits) @ rounded(b, bits)
    np.testing.assert_allclose(written(memory), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("number", "tf32", "bfloat16"),
    [
        (1 + 2**-11, 0x3F802000, 0x3F80),  # a tie of tf32: away from zero
        (1 + 2**-11 - 2**-23, 0x3F800000, 0x3F80),
        (-1 - 2**-11, 0xBF802000, 0xBF80),
        (1 + 2**-8, 0x3F808000, 0x3F80),  # a tie of bfloat16: to even
        (1 + 3 * 2**-8, 0x3F818000, 0x3F82),
        (np.inf, 0x7F800000, 0x7F80),
    ],
)
def test_factors_are_rounded(number, tf32, bfloat16):
    body = """asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y[0]) : "f"(x[0]));
      asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y[1]) : "f"(x[0]), "f"(x[1]));"""
    x = np.array([number, 1], np.float32)
    memory, _ = run(f"(const float* x, unsigned* y) {{ {body} }}", x, np.zeros(2, np.uint32))
    assert written(memory).tolist() == [tf32, bfloat16 << 16 | 0x3F80]


def test_a_part_of_a_warp_cannot_multiply():
    text = TF32.replace("{\n", "{\n  if (threadIdx.x >= 16) return;\n", 1)
    arrays = [np.zeros(128, np.float32) for _ in range(4)]
    with pytest.raises(UnsupportedError, match="a part of a warp executes mma"):
        run(text, *arrays)


def test_another_form_of_mma_is_named():
    text = BFLOAT16.replace(".bf16.bf16", ".f16.f16")
    arrays = [np.zeros(256, np.float32) for _ in range(4)]
    with pytest.raises(UnsupportedError, match=r"f16\.f16\.f32"):
        run(text, *arrays)


COPY = """(const float4* x, float* y) {
  __shared__ float4 s[32];
  const unsigned place = __cvta_generic_to_shared(s + threadIdx.x);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(place), "l"(x + threadIdx.x));
  asm volatile("cp.async.wait_all;" ::: "memory");
  __syncthreads();
  y[threadIdx.x] = s[31 - threadIdx.x].y;
}"""


def test_asynchronous_copies_move_and_are_counted():
    x = np.arange(128, dtype=np.float32)
    memory, counters = run(COPY, x, np.zeros(32, np.float32))
    assert written(memory).tolist() == x.reshape(32, 4)[::-1, 1].tolist()
    assert counters.requests == 2
    assert counters.sectors == 16 + 4
    assert counters.passes == 4 + 4, "16 bytes a lane in quarters of a warp; every fourth word"
    assert counters.load_rounds() == 1, "the warp waits once"


def test_the_time_of_the_tensor_cores_is_their_operations_by_their_peak():
    text = f'extern "C" __global__ void f{TF32}'
    build = nvrtc.compiled(text, "sm_90")["f"]
    arrays = [np.zeros(128, np.float32) for _ in range(4)]
    _, counters = run(TF32, *arrays)
    launch = Launch(
        "f", record.Grid((264,), (32,)), build, counters, 1, dict.fromkeys(range(4), 512)
    )
    h200 = GPUS["h200"]
    seconds = 264 * 2 * 16 * 8 * 8 / (0.63 * 494.7e12)
    assert estimate.of_launch(launch, h200).demands["tensor cores"] == pytest.approx(seconds)


def test_an_integer_division_costs_what_the_compiler_makes_of_it():
    def size(expression):
        body = f"const int a = x[0], b = x[1], c = x[2], d = x[3]; y[0] = {expression};"
        text = f'extern "C" __global__ void f(const int* x, int* y) {{ {body} }}'
        return nvrtc.compiled(text, "sm_90")["f"].instructions

    six = size("a / b + c / d + a / c + b / c + b / d + d / a")
    assert (six - size("a + b + c + d")) / 6 == pytest.approx(estimate.DIVISION, rel=0.25)
