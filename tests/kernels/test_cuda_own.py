"""User-defined CUDA kernels: launches, memory traffic, races."""

import re

import numpy as np
import pytest

import tinynet as tn
from tinynet.core.errors import DeviceError
from tinynet.kernels import cuda_kernel, execution_order, memory_traffic
from tinynet.kernels.cuda import on_cpu
from tinynet.kernels.cuda.custom import Traffic
from tinynet.testing import check_races, races

pytestmark = pytest.mark.cxx

TEXT = r"""
extern "C" __global__ void scale(const float* x, float factor, float* y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = factor * x[i];
}

extern "C" __global__ void rows(const double* __restrict__ a, int width, double *sum) {
  auto row = a + threadIdx.x * width;
  for (int k = 0; k < width; ++k) sum[threadIdx.x] += row[k];
}

extern "C" __global__ void block_sum(const float* x, float* y) {
  __shared__ float part[64];
  part[threadIdx.x] = x[blockIdx.x * 64 + threadIdx.x];
  for (int half = 32; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
  }
  if (threadIdx.x == 0) y[blockIdx.x] = part[0];
}

extern "C" __global__ void places(int* y) {
  const int block = blockIdx.y * gridDim.x + blockIdx.x;
  y[(block * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x] = block;
}
"""
X = np.arange(128, dtype=np.float32)


def test_a_kernel_of_ones_own_is_called_with_blocks_threads_and_arguments():
    y = np.full(101, -1, np.float32)
    cuda_kernel(TEXT, "scale")(2, 64, X[:100].copy(), 3, y, 100)
    assert y[:100].tolist() == (3 * X[:100]).tolist()
    assert y[100] == -1


def test_grids_and_blocks_may_have_two_dimensions():
    y = np.zeros(6 * 8, np.int32)
    cuda_kernel(TEXT, "places")((3, 2), (4, 2), y)
    assert y.tolist() == [block for block in range(6) for _ in range(8)]


@pytest.mark.parametrize(
    ("blocks", "threads", "arguments", "error", "why"),
    [
        (1, 1025, (X, 1, X, 1), ValueError, r"1 to 1024 threads. Got \(1,\) blocks of \(1025,\)"),
        (0, 64, (X, 1, X, 1), ValueError, "at least 1 block"),
        (1, 64, (3, 1, 3, 1), TypeError, "Got no array"),
        (1, 64, (X, 1, X), TypeError, "scale has 4 parameters, got 3"),
        (1, 64, (X, 1, X.astype(float), 1), TypeError, "y must be a row-major array of float32"),
        (1, 64, (X, 1, X[::2], 1), TypeError, "y must be a row-major array"),
    ],
)
def test_a_launch_that_cannot_be_right_is_refused(blocks, threads, arguments, error, why):
    with pytest.raises(error, match=why):
        cuda_kernel(TEXT, "scale")(blocks, threads, *arguments)


@pytest.mark.parametrize(
    ("text", "error", "why"),
    [
        ("void f() {}", ValueError, r"Found none; asked for the only one"),
        (TEXT, ValueError, "Found scale, rows, block_sum, places; asked for the only one"),
        ('extern "C" __global__ void f(size_t n, int* y) {}', TypeError, "a parameter is size_t"),
    ],
)
def test_a_text_that_is_not_understood_is_refused(text, error, why):
    with pytest.raises(error, match=why):
        cuda_kernel(text)


def test_what_the_compiler_refuses_is_named_by_its_line():
    text = '\nextern "C" __global__ void f(int* y) {\n  y[0] = 1 1;\n}\n'
    with pytest.raises(DeviceError, match=r"yours\.cu:3"):
        cuda_kernel(text)(1, 1, np.zeros(1, np.int32))


# what the warps ask of memory


def test_neighbours_share_sectors_and_strides_do_not():
    y = np.zeros_like(X)
    found = memory_traffic(cuda_kernel(TEXT, "scale"), 2, 64, X, 2.0, y, 100)
    whole = Traffic(requests=4, sectors=13, bytes_used=400)  # 100 floats: 12.5 sectors
    assert found == {"x": whole, "y": whole}
    assert whole.bytes_moved == 416
    assert not y.any()


def test_an_access_is_counted_wherever_the_pointer_has_gone():
    a = np.ones((32, 16))
    total = np.zeros(32)
    found = memory_traffic(cuda_kernel(TEXT, "rows"), 1, 32, a, 16, total)
    assert found["a"] == Traffic(16, 16 * 32, 8 * 16 * 32)  # 32 rows, one sector each
    assert found["sum"] == Traffic(16, 16 * 8, 8 * 16 * 32)
    assert not total.any()  # the arguments are not changed


# races


def test_another_execution_order_shows_a_missing_barrier():
    y = np.zeros(2, np.float32)
    kernel = cuda_kernel(TEXT, "block_sum")
    raced = cuda_kernel(TEXT.replace("    __syncthreads();\n", ""), "block_sum")
    right = []
    wrong = []
    for order in ("forward", "backward", "mixed"):
        with execution_order(order):
            kernel(2, 64, X, y)
            right.append(y.tolist())
            raced(2, 64, X, y)
            wrong.append(y.tolist())
    assert right == [X.reshape(2, 64).sum(axis=1).tolist()] * 3
    assert wrong[0] != right[0]


LOSES = 'extern "C" __global__ void loses(const int* x, int* y) {\n  y[x[threadIdx.x]] += 1;\n}'


@pytest.mark.slow
def test_the_judge_finds_a_race_and_is_silent_where_there_is_none():
    numbers = np.arange(64, dtype=np.int32) % 3
    y = np.zeros(3, np.int32)
    check_races(cuda_kernel(TEXT, "block_sum"), 2, 64, X, np.zeros(2, np.float32))
    with pytest.raises(AssertionError) as told:
        check_races(cuda_kernel(LOSES), 1, 64, numbers, y)
    line = "yours.cu:2: y[x[threadIdx.x]] += 1;"
    assert re.search(rf"loses has a data race.*read at {re.escape(line)}", str(told.value), re.S)
    assert not y.any()
    mended = LOSES.replace("y[x[threadIdx.x]] += 1", "atomicAdd(&y[x[threadIdx.x]], 1)")
    check_races(cuda_kernel(mended), 1, 64, numbers, y)


def test_a_race_is_told_from_the_sanitizers_report(monkeypatch):
    report = (
        "WARNING: ThreadSanitizer: data race (pid=1)\n  Write of size 4 at 0x7 by thread T2:\n"
        "    #0 loses yours.cu:2 (a.so+0x1)\n\n  Previous read of size 4 at 0x7 by thread T1:\n"
        "    #0 loses yours.cu:1 (a.so+0x1)\n"
    )
    answer = races.subprocess.CompletedProcess([], 66, "", report)
    monkeypatch.setattr(races, "_watch", lambda command: answer)
    with pytest.raises(AssertionError, match=r"(?s)write at yours.cu:2: y\[x.*read at yours.cu:1"):
        check_races(cuda_kernel(LOSES), 1, 64, np.zeros(64, np.int32), np.zeros(3, np.int32))


def test_a_kernel_that_dies_is_no_race(monkeypatch):
    answer = races.subprocess.CompletedProcess([], 1, "", "Traceback\nRuntimeError: a barrier")
    monkeypatch.setattr(races, "_watch", lambda command: answer)
    with pytest.raises(RuntimeError, match="loses did not finish: RuntimeError: a barr"):
        check_races(cuda_kernel(LOSES), 1, 64, np.zeros(64, np.int32), np.zeros(3, np.int32))


def test_without_the_sanitizer_one_sentence_says_so(monkeypatch):
    monkeypatch.setattr(races, "LIBRARY", "libnothing.so")
    with pytest.raises(DeviceError, match=r"has no libnothing\.so"):
        check_races(cuda_kernel(LOSES), 1, 64, np.zeros(64, np.int32), np.zeros(3, np.int32))


def test_without_a_compiler_a_kernel_says_what_is_missing(monkeypatch):
    on_cpu.compiler.cache_clear()
    monkeypatch.setattr(on_cpu.shutil, "which", lambda _name: None)
    with pytest.raises(DeviceError, match=r"apt install g\+\+"):
        cuda_kernel(LOSES + "// never compiled before")(
            1, 1, np.zeros(1, np.int32), np.zeros(1, np.int32)
        )
    on_cpu.compiler.cache_clear()


def test_both_are_public():
    assert tn.kernels.cuda_kernel is cuda_kernel
    assert tn.testing.check_races is check_races
