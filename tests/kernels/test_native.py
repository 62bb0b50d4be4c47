"""Compilation, cache and thread team of the Numba kernels."""

import hashlib
import os
import pickle
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet import kernels
from tinynet.kernels.codegen import cache as cache_module
from tinynet.kernels.codegen import machine_code, microkernel, native, target
from tinynet.kernels.codegen import team as team_module
from tinynet.kernels.codegen.native import (
    In1,
    In2,
    Int32In1,
    Int32In2,
    Intrinsic,
    Native,
    Out1,
    Real,
    helper,
)
from tinynet.kernels.dispatch import has_numba

pytestmark = pytest.mark.skipif(not has_numba(), reason="Numba is not installed")


def scale(lo: int, hi: int, x: In1, factor: Real, y: Out1) -> None:
    for i in range(lo, hi):
        y[i] = factor * x[i]


@pytest.fixture
def make():
    """Build kernels that are removed from the list of the library's own afterwards."""
    before = list(native.COMPILED)
    yield Native
    native.COMPILED[:] = before


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of this test's own."""
    monkeypatch.setenv("TINYNET_CACHE", str(tmp_path))
    monkeypatch.setattr(cache_module, "troubles", [])
    cache_module.folder.cache_clear()
    yield tmp_path
    cache_module.folder.cache_clear()


def twice(kernel):
    x = np.arange(5, dtype=np.float32)
    y = np.zeros(5, np.float32)
    kernel(5, x, 2.0, y)
    assert y.tolist() == [0, 2, 4, 6, 8]


# ---- imports and argument types


def test_kernels_import_without_numba():
    code = "import sys, tinynet.kernels; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("kernel", native.COMPILED, ids=lambda k: f"{k.__module__}.{k.__name__}")
def test_every_kernel_says_its_types(kernel):
    lo, hi, *rest = kernel.signature().args
    assert str(lo) == str(hi) == "int64"
    assert rest


@pytest.mark.parametrize(
    "wrong",
    [
        np.arange(5.0),
        np.arange(5, dtype=np.int32),
        np.arange(10, dtype=np.float32)[::2],
        np.arange(5, dtype=np.float32).astype(">f4"),
        np.frombuffer(bytes(21), np.uint8)[1:].view(np.float32),
        np.zeros((5, 1), np.float32),
    ],
    ids=["float64", "int32", "strided", "byte order", "unaligned", "two axes"],
)
def test_a_wrong_array_is_refused(make, wrong):
    kernel = make(scale)
    with pytest.raises(TypeError):
        kernel(5, wrong, 2.0, np.zeros(5, np.float32))
    with pytest.raises(TypeError):
        kernel(5, np.zeros(5, np.float32), 2.0, wrong)
    twice(kernel)


def test_a_read_only_array_is_read_and_not_written(make):
    kernel = make(scale)
    x = np.ones(4, np.float32)
    y = np.zeros(4, np.float32)
    x.flags.writeable = False
    kernel(4, x, 3.0, y)
    assert y.tolist() == [3, 3, 3, 3]
    with pytest.raises(TypeError):
        kernel(4, y, 3.0, x)


def test_an_intrinsic_is_for_kernels_only():
    with pytest.raises(TypeError):
        helper(scale)()


def plus(lo: int, hi: int, x: In1, y: Out1) -> None:
    for i in range(lo, hi):
        y[i] = offset(x[i])


offset = helper(lambda x: x + np.float32(1))


def test_a_bound_intrinsic_replaces_a_global(make):
    import numba

    other = Intrinsic(lambda: numba.njit(lambda x: x + np.float32(10)))
    x = np.zeros(3, np.float32)
    y = np.zeros(3, np.float32)
    make(plus)(3, x, y)
    assert y.tolist() == [1, 1, 1]
    make(plus, {"offset": other}, "ten")(3, x, y)
    assert y.tolist() == [10, 10, 10]


# ---- the microkernel, at every width


def one_tile(
    lo: int,
    hi: int,
    x: In1,
    rows: Int32In2,
    cols: Int32In1,
    w: In2,
    bias: In1,
    y: Out1,
    follow: int,
    floor: Real,
) -> None:
    for t in range(lo, hi):
        start = y if follow else bias
        tile(
            x,
            0,
            rows,
            t * rows.shape[1],
            cols,
            0,
            len(cols),
            w,
            0,
            start,
            0,
            follow,
            y,
            0,
            rows,
            t * rows.shape[1],
            floor,
        )


tile = native.tile
SHAPES = {name: getattr(microkernel, name) for name in ("SSE", "NEON", "AVX", "AVX512")}
SHAPES["narrow AVX512"] = microkernel.NARROW[microkernel.AVX512]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_tile_is_a_matrix_product_at_every_width(make, shape, rng):
    P = shape.pixels
    B = shape.channels
    depth = 7
    kernel = make(one_tile, {"tile": Intrinsic(lambda: microkernel.build_tile(shape))}, str(shape))
    rows = (np.arange(2 * P, dtype=np.int32)[::-1].copy() * B).reshape(2, P)
    cols = rng.integers(0, 2 * B, depth).astype(np.int32)
    x, w = (rng.integers(-5, 6, s).astype(np.float32) for s in ((2 * P + 2) * B, (depth, B)))
    bias = rng.integers(-5, 6, B).astype(np.float32)
    y = np.full(2 * P * B, np.nan, np.float32)
    product = x[rows.reshape(-1, 1) + cols] @ w
    kernel(2, x, rows, cols, w, bias, y, 0, 0.0)
    assert np.array_equal(y.reshape(-1, B)[::-1], np.maximum(product + bias, 0))
    kernel(2, x, rows, cols, w, bias, y, 0, -np.inf)
    assert np.array_equal(y.reshape(-1, B)[::-1], product + bias)
    kernel(2, x, rows, cols, w, bias, y, 1, -np.inf)
    assert np.array_equal(y.reshape(-1, B)[::-1], 2 * product + bias)


# ---- the cache


def test_a_second_process_compiles_nothing(make, cache):
    first = make(scale)
    second = make(scale)
    twice(first)
    twice(second)
    assert not first.from_cache
    assert second.from_cache


def test_a_callback_is_told_of_each_compilation(make, cache, monkeypatch):
    told = []
    monkeypatch.setattr(native, "on_compile", told.append)
    twice(make(scale))
    twice(make(scale))
    assert len(told) == 1
    assert told[0].endswith("scale")


def test_without_a_callback_stderr_is_told_once(make, cache, monkeypatch, capsys):
    monkeypatch.setattr(native, "on_compile", native.say_on_stderr)
    twice(make(scale))
    twice(make(scale, variant="again"))
    assert capsys.readouterr().err == f"tinynet: {native.COMPILING}\n"


@pytest.mark.parametrize("damage", [b"", b"x" * 10, None], ids=["empty", "short", "one bit"])
def test_a_damaged_file_costs_a_compilation_and_one_warning(make, cache, damage):
    twice(make(scale))
    (file,) = cache.glob("kernels/*/*scale")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content if damage is None else damage)
    again = make(scale)
    with pytest.warns(RuntimeWarning, match="damaged"):
        twice(again)
    assert not again.from_cache
    repaired = make(scale)
    twice(repaired)
    assert repaired.from_cache


def test_whole_content_from_elsewhere_is_not_trusted_to_load(make, cache):
    twice(make(scale))
    (file,) = cache.glob("kernels/*/*scale")
    strange = pickle.dumps((1, 2, 3))
    file.write_bytes(hashlib.sha256(strange).digest() + strange)
    with pytest.warns(RuntimeWarning, match="scale"):
        twice(make(scale))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_read_only_folder_costs_a_compilation_and_one_warning(make, cache):
    cache.chmod(0o500)
    with pytest.warns(RuntimeWarning, match="kernel cache"):
        twice(make(scale))
    twice(make(scale))  # a second warning would be an error


def test_a_file_where_the_folder_should_be_costs_one_warning(make, cache):
    (cache / "kernels").write_text("in the way")
    with pytest.warns(RuntimeWarning, match="kernel cache"):
        twice(make(scale))
    twice(make(scale))


def test_a_full_disk_costs_one_warning_and_leaves_nothing_behind(make, cache, monkeypatch):
    def fail(self, folder, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_module.Cache, "_write", fail)
    with pytest.warns(RuntimeWarning, match="No space"):
        twice(make(scale))
    assert list(cache.glob("kernels/*/*")) == []


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="folders have no owner here")
def test_a_folder_that_others_may_write_to_is_not_used(make, cache):
    twice(make(scale))
    (folder,) = cache.glob("kernels/*")
    folder.chmod(0o777)
    cache_module.folder.cache_clear()
    again = make(scale)
    with pytest.warns(RuntimeWarning, match="others may write"):
        twice(again)
    assert not again.from_cache


def test_the_folder_is_named_after_sources_versions_and_flags(monkeypatch, tmp_path):
    options = tuple(sorted(native.OPTIONS.items()))
    stamps = {cache_module._stamp(options), cache_module._stamp((*options, ("fastmath", True)))}
    with monkeypatch.context() as patch:
        patch.setattr(target, "version", lambda: b"0.0")
        stamps.add(cache_module._stamp(options))
    with monkeypatch.context() as patch:
        patch.setattr(target, "host", lambda: target.Target("x86_64", "generic", "", "3 1 0"))
        stamps.add(cache_module._stamp(options))
    for file in ("_cache.py", "_microkernel.py"):
        (tmp_path / file).write_text(f"# {file}")
    monkeypatch.setattr(cache_module, "__file__", str(tmp_path / "_cache.py"))
    stamps.add(cache_module._stamp(options))
    (tmp_path / "_microkernel.py").write_text("# edited")
    stamps.add(cache_module._stamp(options))
    assert len(stamps) == 6


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TINYNET_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/tinynet"),
        ({"HOME": "/c"}, "/c/.cache/tinynet"),
    ],
)
def test_the_user_chooses_where_kernels_are_kept(monkeypatch, variables, expected):
    for name in ("TINYNET_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
        if name in variables:
            monkeypatch.setenv(name, variables[name])
    assert cache_module._base().as_posix() == expected


def test_code_that_uses_what_is_not_there_is_compiled_again(make, cache, monkeypatch):
    twice(make(scale))
    (file,) = cache.glob("kernels/*/*scale")
    found = machine_code.from_bytes(file.read_bytes()[cache_module.DIGEST :])
    strange = found._replace(symbols=("no_such_function",)).to_bytes()
    file.write_bytes(hashlib.sha256(strange).digest() + strange)
    with pytest.warns(RuntimeWarning, match="no_such_function"):
        twice(make(scale))


def test_functions_are_not_optimized_before_linking(make, cache, monkeypatch):
    from numba.core.codegen import JITCodeLibrary
    from numba.core.registry import cpu_target

    def forbidden(self, module):
        raise AssertionError("function passes")

    monkeypatch.setattr(JITCodeLibrary, "_optimize_functions", forbidden)
    twice(kernel := make(scale))
    assert not kernel.from_cache
    assert cpu_target.target_context.codegen()._library_class is JITCodeLibrary


# ---- the team


@given(st.integers(0, 200), st.integers(0, 20), st.integers(1, 5))
def test_every_unit_of_work_is_done_once(n, grain, size):
    team = team_module.Team(size)
    done = []
    team.run(lambda lo, hi: done.append(range(lo, hi)), n, grain, ())
    team.dismiss()
    assert sorted(i for chunk in done for i in chunk) == list(range(n))
    assert min(map(len, done)) >= min(grain, n)


def test_chunks_become_smaller_so_that_no_thread_waits_for_long():
    team = team_module.Team(2)
    sizes = []
    team.run(lambda lo, hi: sizes.append(hi - lo), 320, 10, ())
    team.dismiss()
    assert sorted(sizes) == [10, 10, 10, 10, 20, 20, 40, 40, 80, 80]


def test_small_work_stays_with_the_caller():
    team = team_module.Team(3)
    seen = set()
    team.run(lambda lo, hi: seen.add(threading.current_thread()), 19, 10, ())
    team.dismiss()
    assert seen == {threading.current_thread()}


def test_large_work_is_shared():
    team = team_module.Team(2)
    barrier = threading.Barrier(2, timeout=10)
    team.run(lambda lo, hi: barrier.wait() if lo < 2 else None, 8, 1, ())  # two at a time, or never
    team.dismiss()


@pytest.mark.parametrize("bad", [0, 7])
def test_an_error_in_any_thread_comes_back_to_the_caller(bad):
    team = team_module.Team(2)

    def work(lo, hi):
        if lo <= bad < hi:
            raise ZeroDivisionError(bad)

    with pytest.raises(ZeroDivisionError):
        team.run(work, 8, 1, ())
    team.run(lambda lo, hi: None, 8, 1, ())  # and the team still works
    team.dismiss()


def test_a_kernel_may_be_called_while_the_team_is_at_work():
    team = team_module.Team(2)
    done = []
    inner = lambda lo, hi: done.extend(range(lo, hi))  # noqa: E731
    team.run(lambda lo, hi: team.run(inner, 4, 1, ()), 8, 8, ())
    team.run(lambda lo, hi: [team.run(inner, 1, 1, ()) for _ in range(lo, hi)], 8, 1, ())
    team.dismiss()
    assert len(done) == 12


@pytest.mark.parametrize("n", [0, -1, 1.5, 2.0, True, None, "2", 10**6])
def test_a_number_of_threads_is_refused_at_once(threads, n):
    before = team_module.get_num_threads()
    with pytest.raises(ValueError, match="at least one"):
        threads(n)
    assert team_module.get_num_threads() == before


def test_a_numpy_integer_is_a_number_of_threads(threads):
    threads(np.int64(2))
    assert team_module.get_num_threads() == 2


def test_teams_that_are_changed_while_others_work_leave_no_thread_behind(threads):
    stop = threading.Event()

    def work():
        while not stop.is_set():
            team_module.team().run(lambda lo, hi: None, 64, 1, ())

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for i in range(60):
        threads(1 + i % 3)
        time.sleep(0.001)
    threads(2)
    stop.set()
    for worker in workers:
        worker.join()
    deadline = time.monotonic() + 10
    while len(_helpers()) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(_helpers()) <= 1, "a team of two has one thread beside its caller"


def _helpers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("tinynet-")]


FORK = """
import os, sys, threading, numpy as np
from tinynet import kernels
kernels.set_num_threads(2)
x = np.ones((64, 32, 32, 32), np.float32)
def work():
    return kernels.max_pool2d_forward(x, kernels.Geometry((2, 2), (2, 2)), False)[0].sum()
before = work()
child = os.fork()
if child == 0:
    same = work() == before
    os._exit(0 if same and threading.active_count() == 2 else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_has_a_team_of_its_own():
    run = subprocess.run([sys.executable, "-c", FORK], timeout=60, check=False)
    assert run.returncode == 0


def train_step(rng):
    """Return the results of each threaded kernel on images large enough to be shared."""
    x = rng.standard_normal((16, 32, 16, 16), dtype=np.float32)
    results = []
    for K, C in ((5, 32), (3, 48), (1, 24)):
        weight = rng.standard_normal((C, 32, K, K), dtype=np.float32)
        geometry = kernels.Geometry.of(K, padding=K // 2)
        y = kernels.conv2d_forward(x, weight, None, geometry)
        results += [y, kernels.conv2d_backward_input(y, weight, x.shape, geometry)]
        results.append(kernels.conv2d_backward_weight(y, x, geometry))
        results.append(kernels.conv2d_backward_bias(y))
    window = kernels.Geometry((3, 3), (2, 2), ((1, 0), (0, 1)))
    y, argmax = kernels.max_pool2d_forward(x, window, True)
    results += [y, kernels.max_pool2d_backward(y, argmax, x.shape, window)]
    y = kernels.avg_pool2d_forward(x, window, True, True)
    results += [y, kernels.avg_pool2d_backward(y, x.shape, window, True)]
    y, s = kernels.lrn_forward(x, 5, 2.0, 1e-4, 0.75, 1)
    results += [y, kernels.lrn_backward(y, x, y, s, 5, 1e-4, 0.75, 1)]
    flat = x.reshape(64, -1)
    results += [kernels.dropout(flat, 0.5, (1, 2, 3)), *kernels.cross_entropy(flat, np.arange(64))]
    return results


def test_the_bits_do_not_depend_on_the_number_of_threads(threads):
    outcomes = []
    for count in (1, 2, 3):
        threads(count)
        outcomes.append(train_step(np.random.default_rng(0)))
    for other in outcomes[1:]:
        for a, b in zip(outcomes[0], other, strict=True):
            assert np.array_equal(a, b)
