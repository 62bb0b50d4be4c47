"""Profiler: planted kernels whose figures are known by arithmetic."""

import json

import numpy as np
import pytest

import tinynet as tn
from support import ptx_run
from tinynet import kernels
from tinynet.kernels.profiler import estimate, nvrtc, profiles
from tinynet.kernels.profiler.gpus import GPUS
from tinynet.kernels.profiler.occupancy import occupancy

H200 = GPUS["h200"]


pytestmark = [pytest.mark.cxx, pytest.mark.usefixtures("nvrtc_library")]
INDEX = "const int i = blockIdx.x * blockDim.x + threadIdx.x;"


def planted(text, *arguments, blocks=4, threads=256, shared=0, **settings):
    """Return the profile row of one launch of a kernel called f."""
    kernel = kernels.cuda_kernel(f'extern "C" __global__ void f{text}')
    found = kernels.profile(lambda: kernel(blocks, threads, *arguments, shared=shared), **settings)
    (row,) = found.kernels
    return row


def floats(n):
    return np.zeros(n, np.float32)


@pytest.mark.parametrize(
    ("place", "sectors", "coalescing"),
    [
        ("i", 4, 1),
        ("2 * i", 8, 1 / 2),
        ("4 * i", 16, 1 / 4),
        ("8 * i", 32, 1 / 8),
        ("i + 1", 5, 4 / 5),
        ("i % 32 * 32 + i / 32", 32, 1 / 8),
        ("i ^ 5", 4, 1),
        ("i / 32", 1, 1),
    ],
)
def test_sectors_of_a_load(place, sectors, coalescing):
    x = floats(8 * 1024 + 8)
    row = planted(f"(const float* x, float* y) {{ {INDEX} y[i] = x[{place}]; }}", x, floats(1024))
    loaded = row.sectors_per_request * 2 - 4  # the store has 4
    if place == "i + 1":  # seven of eight warps begin inside of the array's first sector too
        assert loaded == pytest.approx(5)
    assert loaded == pytest.approx(sectors)
    best = min(4, sectors)
    assert row.coalescing == pytest.approx((best + 4) / (sectors + 4))
    assert best / sectors == pytest.approx(coalescing)


@pytest.mark.parametrize(
    ("place", "ways"),
    [
        ("threadIdx.x", 1),
        ("threadIdx.x * 2", 2),
        ("threadIdx.x * 32", 32),
        ("threadIdx.x * 33", 1),
        ("threadIdx.x / 32", 1),
        ("threadIdx.x * 8", 8),
    ],
)
def test_bank_conflicts(place, ways):
    text = (
        f"(float* y) {{ __shared__ volatile float s[33 * 32]; s[{place}] = 1; y[0] = s[{place}]; }}"
    )
    row = planted(text, floats(1), threads=32, blocks=1)
    assert row.bank_conflicts == pytest.approx(ways)
    assert row.shared == 33 * 32 * 4


def test_each_pattern_of_addresses_has_its_own_conflicts():
    text = """(float* y) { __shared__ volatile float s[33 * 32]; unsigned i = threadIdx.x;
      s[i] = 1; s[i * 2] = 1; s[i * 32] = 1; s[i + 32] = 1; y[0] = 1; }"""
    _, counters = ptx_run.run(text, floats(1))
    assert (counters.passes, counters.passes_at_best) == (1 + 2 + 32 + 1, 4)


def test_wide_accesses_of_shared_memory_take_no_more_passes_than_they_need():
    text = """(float* y) { __shared__ float4 s[32]; s[threadIdx.x] = float4{1, 2, 3, 4};
      __syncthreads(); y[threadIdx.x] = s[threadIdx.x ^ 1].x; }"""
    _, counters = ptx_run.run(text, floats(32))
    stored, loaded = 4, 4  # quarters of a warp; lanes 4 words apart, of which one is read
    assert counters.passes == stored + loaded
    assert counters.passes_at_best == stored + 1


@pytest.mark.parametrize(
    ("condition", "lanes"),
    [
        ("true", 1),
        ("threadIdx.x % 2", 1 / 2),
        ("threadIdx.x % 32 < 8", 1 / 4),
        ("threadIdx.x < 32", 1),
    ],
)
def test_divergence(condition, lanes):
    body = f"if ({condition}) for (int k = 0; k < n; ++k) v = v * v + 1;"
    text = f"(float* y, int n) {{ {INDEX} float v = i; {body} y[i] = v; }}"
    row = planted(text, floats(1024), 4000)
    assert row.active_lanes == pytest.approx(lanes, rel=0.01)


def test_executed_instructions():
    body = "for (int k = 0; k < n; ++k) v = v * x[0] + 1; y[i] = v; c[i] = i / n + i % 7;"
    text = f"(const float* x, float* y, int* c, int n) {{ {INDEX} float v = i; {body} }}"
    row = planted(text, floats(1), floats(1024), np.zeros(1024, np.int32), 96)
    assert row.instructions["fused multiply-add, f32"] == 96
    assert row.divisions == 1, "a division by a constant is a multiplication"
    assert row.instructions["global store, 32 bits"] == 2


def test_wide_loads_are_seen():
    body = "float4 v = reinterpret_cast<const float4*>(x)[i]; y[i] = v.x + v.y + v.z + v.w;"
    _, counters = ptx_run.run(
        f"(const float* x, float* y) {{ {INDEX} {body} }}", floats(128), floats(32)
    )
    assert counters.requests == 2
    assert counters.sectors == 16 + 4
    kinds = {profiles.instruction_class(one) for one, _ in counters.executed()}
    assert "global load, 128 bits" in kinds


def test_spills_are_seen():
    sums = "".join(f"v[{k}] = x[{k} * n];" for k in range(64))
    rest = "".join(f"y[{k} * n] = v[{(7 * k) % 64}] * v[{(k + 1) % 64}];" for k in range(64))
    text = f"(const volatile float* x, volatile float* y, int n) {{ float v[64]; {sums} {rest} }}"
    tight = f'extern "C" __global__ void __launch_bounds__(1024, 2) f{text}'
    assert nvrtc.compiled(tight, "sm_90")["f"].spills > 0
    assert nvrtc.compiled(f'extern "C" __global__ void f{text}', "sm_90")["f"].spills == 0


@pytest.mark.parametrize(
    ("gpu", "threads", "registers", "shared", "blocks", "share", "limit"),
    [
        ("h200", 256, 32, 0, 8, 1, "warps"),
        ("h200", 256, 64, 0, 4, 0.5, "registers"),
        ("h200", 256, 33, 0, 6, 0.75, "registers"),
        ("h200", 32, 16, 0, 32, 0.5, "blocks"),
        ("h200", 256, 32, 100 * 1024, 2, 0.25, "shared memory"),
        ("rtx4090", 1024, 32, 0, 1, 2 / 3, "warps"),
        ("t4", 1024, 64, 0, 1, 1, "warps"),
        ("h200", 96, 40, 0, 16, 0.75, "registers"),
        ("a100", 128, 168, 0, 3, 0.1875, "registers"),
    ],
)
def test_occupancy(gpu, threads, registers, shared, blocks, share, limit):
    found = occupancy(GPUS[gpu], threads, registers, shared)
    assert found.limit == limit
    assert found.share == pytest.approx(share)
    assert found.blocks == blocks


def test_a_large_copy_is_bound_by_memory():
    n = 1 << 22
    text = f"(const float* x, float* y) {{ {INDEX} y[i] = x[i]; }}"
    row = planted(text, floats(n), floats(n), blocks=n // 256)
    assert row.bound == "memory"
    assert row.bytes == pytest.approx(8 * n, rel=0.01)
    expected = 8 * n / (estimate.REACHED * H200.bandwidth)
    assert row.estimate_us == pytest.approx(expected * 1e6, rel=0.01)


def test_one_block_that_waits_for_memory_again_and_again_is_bound_by_latency():
    n = 1 << 16
    body = "float v = 0; for (int k = threadIdx.x; k < n; k += 256) { if (x[k] < 1) v += 1; }"
    text = f"(const float* x, float* y, int n) {{ {body} y[threadIdx.x] = v; }}"
    row = planted(text, floats(n), floats(256), n, blocks=1)
    assert row.bound == "latency"
    assert row.estimate_us >= 60 * H200.latency / H200.clock * 1e6


def test_a_divided_index_is_bound_by_instructions():
    body = "int s = i; for (int k = 1; k < 60; ++k) s += i / (n + k); y[i] = s;"
    text = f"(int* y, int n) {{ {INDEX} {body} }}"
    row = planted(text, np.zeros(1 << 18, np.int32), 3, blocks=1 << 10)
    assert row.bound == "instructions"
    assert row.divisions == 59


def test_a_product_is_bound_by_the_peak_of_its_precision():
    a = np.zeros((4096, 4096), np.float32)
    times = {}
    for precision in ("float32", "tf32", "bfloat16"):
        event = estimate.Product(1, 1, 4096, 4096, 4096, 3 * a.nbytes)
        times[precision] = estimate.of_product(event, H200, precision).seconds
    assert times["float32"] / times["tf32"] == pytest.approx(494.7 / 66.9, rel=0.01)
    assert times["tf32"] / times["bfloat16"] == pytest.approx(2)
    assert times["bfloat16"] >= 2 * 4096**3 / 989.4e12


def test_a_profile_changes_nothing():
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    weight = tn.nn.Parameter(x[:, :, :3, :3].copy())
    values = []

    def step():
        weight.grad = None
        y = tn.functions.relu(tn.functions.conv2d(tn.tensor(x), weight, padding=1))
        tn.functions.dropout(y, 0.5, training=True).sum().backward()
        values.append((y.numpy(), weight.grad.copy()))

    tn.seed(0)
    step()
    tn.seed(0)
    found = kernels.profile(step)
    for plain, profiled in zip(*values, strict=True):
        assert np.array_equal(plain, profiled)
    assert {"conv2d_weight_tile", "dropout"} <= {row.name for row in found.kernels}


@pytest.mark.parametrize("carry_out", [True, False])
def test_a_kernel_is_profiled_with_or_without_being_carried_out(carry_out, monkeypatch):
    if not carry_out:
        monkeypatch.setenv("PATH", "")  # no C++ compiler is asked for
    kernel = kernels.cuda_kernel(f'extern "C" __global__ void f(float* y) {{ {INDEX} y[i] = 1; }}')
    y = floats(1024)
    (row,) = kernels.profile(lambda: kernel(4, 256, y), carry_out=carry_out).kernels
    assert row.coalescing == 1
    assert (y == carry_out).all()


def test_a_profile_can_be_written_as_json():
    x = floats(1000)
    found = kernels.profile(lambda: kernels.relu_forward(x), gpu="a100")
    read = json.loads(json.dumps(found.as_dict()))
    assert read["gpu"] == "NVIDIA A100 SXM 80 GB"
    assert read["nodes"] == 1
    assert read["measured"] is False
    assert read["kernels"][0]["name"] == "relu_forward"
    assert read["estimate_ms"] > 0


@pytest.mark.parametrize("gpu", GPUS)
def test_every_gpu_is_known_to_the_compiler(gpu):
    row = planted("(float* y) { y[threadIdx.x] = 1; }", floats(256), blocks=1, gpu=gpu)
    assert row.coalescing == 1


def test_what_is_unknown_is_refused():
    with pytest.raises(ValueError, match="the GPUs are h200, a100, a6000, rtx4090, t4, not 'v100'"):
        kernels.profile(lambda: None, gpu="v100")
    with pytest.raises(ValueError, match="float32, tf32, bfloat16, not 'fp8'"):
        kernels.profile(lambda: None, precision="fp8")
