"""CUDA emulation: blocks, warps, barriers and error reports on the CPU."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tinynet as tn
from support.required import need_compiler
from tinynet.core.errors import DeviceError
from tinynet.kernels.cuda import on_cpu
from tinynet.kernels.cuda.on_cpu import ORDERS, Module, execution_order

pytestmark = pytest.mark.cxx

LESSON = r"""
extern "C" __global__ void who(int* y) {
  int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  y[block * blockDim.x * blockDim.y * blockDim.z + thread] = 1000 * block + thread;
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

extern "C" __global__ void turned(const double* x, double* y) {
  DYNAMIC_SHARED(double, row);
  row[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
  __syncthreads();
  y[blockIdx.x * blockDim.x + threadIdx.x] = row[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void warp_talk(const float* x, float* y) {
  float mine = x[threadIdx.x];
  y[threadIdx.x] = __shfl_xor_sync(~0u, mine, 1);
  y[blockDim.x + threadIdx.x] = __shfl_down_sync(~0u, mine, 16);
  y[2 * blockDim.x + threadIdx.x] = __shfl_sync(~0u, mine, 5);
}

extern "C" __global__ void count(const int* x, float* much, int* most) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(&much[x[i]], 0.5f);
  atomicMax(most, i);
}

extern "C" __global__ void leaves_early(float* y) {
  if (threadIdx.x >= 40) return;
  __syncthreads();
  y[threadIdx.x] = 1;
}

extern "C" __global__ void two_barriers(float* y) {
  if (threadIdx.x < 40)
    __syncthreads();
  else
    __syncthreads();
  y[threadIdx.x] = 1;
}

extern "C" __global__ void half_a_warp(float* y) {
  if (threadIdx.x % 32 < 16) y[threadIdx.x] = __shfl_xor_sync(~0u, 1.0f, 1);
}

extern "C" __global__ void unwritten(float* y) {
  DYNAMIC_SHARED(float, row);
  y[threadIdx.x] = row[threadIdx.x];
}
"""


@pytest.fixture(scope="module")
def lesson():
    need_compiler()  # module fixtures are set up before marks are evaluated
    return Module('#line 1 "lesson.cu"\n' + LESSON)


@pytest.fixture(params=ORDERS)
def run(lesson, request):
    """Return a function that launches a kernel in one of the execution orders."""
    with execution_order(request.param):
        yield lambda name, *args, **shared: lesson.get_function(name)(*args, **shared)


def line_of(text, after=""):
    return LESSON.count("\n", 0, LESSON.index(text, LESSON.index(after))) + 1


def test_every_thread_knows_its_place(run):
    y = np.zeros(24 * 60, np.int32)
    run("who", (2, 3, 4), (5, 4, 3), (y,))
    assert y.tolist() == [1000 * block + thread for block in range(24) for thread in range(60)]


def test_a_barrier_lets_every_thread_see_what_the_others_wrote(run):
    x = np.arange(192, dtype=np.float32)
    y = np.zeros(3, np.float32)
    run("block_sum", (3,), (64,), (x, y))
    assert y.tolist() == x.reshape(3, 64).sum(axis=1).tolist()


def test_shared_memory_may_get_its_size_at_the_launch(run):
    x = np.arange(20, dtype=float)
    y = np.zeros_like(x)
    run("turned", (2,), (10,), (x, y), shared_mem=80)
    assert y.reshape(2, 10).tolist() == x.reshape(2, 10)[:, ::-1].tolist()


def test_the_lanes_of_a_warp_read_each_other(run):
    x = np.arange(64, dtype=np.float32)
    y = np.zeros((3, 64), np.float32)
    run("warp_talk", (1,), (64,), (x, y))
    lane = np.arange(64) % 32
    warp = np.arange(64) // 32 * 32
    assert y[0].tolist() == (warp + (lane ^ 1)).tolist()
    assert y[1].tolist() == (warp + np.where(lane < 16, lane + 16, lane)).tolist()
    assert y[2].tolist() == (warp + 5).tolist()


def test_atomics_lose_nothing(run, rng):
    x = rng.integers(0, 5, 640).astype(np.int32)
    much = np.zeros(5, np.float32)
    most = np.zeros(1, np.int32)
    run("count", (10,), (64,), (x, much, most))
    assert much.tolist() == (np.bincount(x, minlength=5) / 2).tolist()
    assert most[0] == 639


@pytest.mark.parametrize(
    ("name", "threads", "where", "what"),
    [
        (
            "leaves_early",
            64,
            "__syncthreads",
            r"all 64 threads.*\. 40 came; 24 threads .* returned",
        ),
        ("two_barriers", 64, "__syncthreads", r".*\. 64 came to this one or another"),
        ("half_a_warp", 64, "__shfl", r"all 32 threads of a warp .*\. 16 came; 32 threads .* ret"),
    ],
)
def test_a_barrier_that_some_threads_skip_is_an_error(lesson, name, threads, where, what):
    y = np.zeros(64, np.float32)
    with pytest.raises(RuntimeError, match=f"lesson.cu:{line_of(where, name)}: {what}") as failure:
        lesson.get_function(name)((2,), (threads,), (y,))
    assert str(failure.value).endswith(f"({name}, block 0, 0, 0).")
    lesson.get_function("who")((1,), (8,), (y.view(np.int32),))  # and the next launch works
    assert y.view(np.int32)[:8].tolist() == list(range(8))


def test_dynamic_shared_memory_begins_as_nan(run):
    y = np.zeros(8, np.float32)
    run("unwritten", (1,), (8,), (y,), shared_mem=32)
    assert np.isnan(y).all()


def test_launches_from_several_python_threads_do_not_meet(lesson):
    def launch(start):
        x = start + np.arange(640, dtype=np.float32)
        y = np.zeros(10, np.float32)
        for _ in range(20):
            lesson.get_function("block_sum")((10,), (64,), (x, y))
        return y.tolist() == x.reshape(10, 64).sum(axis=1).tolist()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(launch, range(4)))


# the compiler and what it leaves behind


def test_without_a_compiler_one_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setattr(on_cpu.shutil, "which", lambda _name: None)
    with pytest.raises(DeviceError, match=r"compiler, and none was .* apt install g\+\+"):
        on_cpu.compiler.__wrapped__()


def test_a_kernel_that_is_no_cplusplus_is_refused_with_file_and_line():
    with pytest.raises(DeviceError, match=r"planted\.cu:1"):
        Module('#line 1 "planted.cu"\nextern "C" void f() { return 1 }\n')


KERNEL = 'extern "C" __global__ void one(int* y) { y[0] = 1; }'
USER = f"""
import numpy as np
from tinynet.kernels.cuda.on_cpu import Module
y = np.zeros(1, np.int32)
Module({KERNEL!r}).get_function("one")((1,), (1,), (y,))
assert y[0] == 1
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return an empty cache folder."""
    monkeypatch.setenv("TINYNET_CACHE", str(tmp_path))
    on_cpu._folder.cache_clear()
    yield tmp_path / "cuda_on_cpu"
    on_cpu._folder.cache_clear()


def use_one():
    y = np.zeros(1, np.int32)
    Module(KERNEL).get_function("one")((1,), (1,), (y,))
    return y[0]


def test_what_was_compiled_is_used_again_unless_it_is_damaged(folder):
    assert use_one() == 1
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert len(before) == 2  # the runtime and the kernel, and no temporary files
    assert use_one() == 1
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == before
    library = next(folder.glob("*.so"))
    data = library.read_bytes()
    library.unlink()  # this process still runs it
    library.write_bytes(data[:-1000])
    assert use_one() == 1
    assert {path.name for path in folder.iterdir()} == before.keys()
    assert library.stat().st_ino != before[library.name]


@pytest.mark.slow
def test_four_processes_may_compile_the_same_at_once(folder):
    source = str(next(iter(tn.__path__)) + "/..")
    users = [
        subprocess.Popen([sys.executable, "-c", USER], cwd=source, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    assert [user.communicate()[1] for user in users] == [b""] * 4
    assert [user.returncode for user in users] == [0] * 4
    assert len(list(folder.iterdir())) == 2


def test_a_cache_that_cannot_be_written_costs_a_warning_and_no_more(folder, monkeypatch):
    monkeypatch.setenv("TINYNET_CACHE", "/dev/null/nowhere")
    monkeypatch.setattr(on_cpu.cache, "troubles", [])
    with pytest.warns(RuntimeWarning, match="kernel cache"):
        assert use_one() == 1
