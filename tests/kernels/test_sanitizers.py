"""Sanitizers find races, skipped barriers and wrong addresses in CUDA kernels."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tinynet
from support.bfloat16_maps import MAPS
from support.kernel_groups import GROUPS, group
from support.required import lacking
from tinynet.kernels.cuda import on_cpu
from tinynet.kernels.gemm import PRECISIONS

pytestmark = [pytest.mark.cxx, pytest.mark.slow]
JUDGE, PLANTED, BETWEEN = (
    Path(__file__).with_name(name)
    for name in ("watched.py", "planted.cu", "planted_between_blocks.cu")
)
LIBRARIES = {"address": "libasan.so", "thread": "libtsan.so"}


def watch(sanitizer, *what):
    """Run watched.py under a sanitizer; return its process."""
    command = [on_cpu.compiler(), f"-print-file-name={LIBRARIES[sanitizer]}"]
    library = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    if not os.path.isabs(library):  # the compiler returns the bare name of a missing library
        lacking("cxx", f"{command[0]} has no {LIBRARIES[sanitizer]}")
    settings = {
        "PYTHONPATH": f"{Path(tinynet.__file__).parents[1]}{os.pathsep}{Path(__file__).parents[1]}",
        "LD_PRELOAD": library,
        "ASAN_OPTIONS": "detect_leaks=0",  # Python itself frees little at its end
        "TSAN_OPTIONS": "halt_on_error=1",
    }
    return subprocess.run(
        [sys.executable, JUDGE, sanitizer, *map(str, what)],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def line_of(file, kernel):
    """Return the number of the line of `file` that has the name of the kernel in a comment."""
    lines = file.read_text(encoding="utf-8").splitlines()
    (number,) = [i for i, line in enumerate(lines, 1) if re.search(rf"// {kernel}\b", line)]
    return number


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("which", GROUPS)
@pytest.mark.parametrize("sanitizer", LIBRARIES)
def test_nothing_is_found_in_any_kernel(sanitizer, which, precision):
    known = {k.__name__ for k in tinynet.kernels.KERNELS if "cuda" in k.implementations}
    if precision != "float32":
        known = {name for name in known if group(name) == "convolutions"}
    if precision == "bfloat16":
        known |= set(MAPS) | {"from_bfloat16"}
    known = {name for name in known if group(name) == which}
    if not known:
        pytest.skip("tf32 is for products")
    done = watch(sanitizer, which, precision)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.endswith("survived\n")
    visited = {line.split(":")[0] for line in done.stdout.splitlines()[:-1]}
    assert visited >= known


@pytest.mark.parametrize("file", [PLANTED, BETWEEN], ids=["blocks share", "blocks share nothing"])
@pytest.mark.parametrize("sanitizer", LIBRARIES)
def test_nothing_is_found_in_a_kernel_that_does_it_right(sanitizer, file):
    done = watch(sanitizer, file, "right")
    assert (done.returncode, done.stdout) == (0, "survived\n"), done.stderr[-4000:]


@pytest.mark.parametrize(
    ("file", "kernel"),
    [
        (PLANTED, "no_barrier"),
        (PLANTED, "no_second_barrier"),
        (PLANTED, "between_lanes"),
        (BETWEEN, "no_atomic"),
        (BETWEEN, "neighbours"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_race_is_found_with_file_and_line(file, kernel):
    done = watch("thread", file, kernel)
    assert done.returncode != 0
    assert "data race" in done.stderr
    assert f"{file.name}:{line_of(file, kernel)}" in done.stderr


@pytest.mark.parametrize(
    ("file", "kernel", "how"),
    [
        (PLANTED, "beyond", "heap-buffer-overflow"),
        (PLANTED, "writes_beyond", "heap-buffer-overflow"),
        (PLANTED, "beyond_shared", "global-buffer-overflow"),
        (BETWEEN, "beyond_dynamic", "use-after-poison"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_address_beyond_the_end_is_found_with_file_and_line(file, kernel, how):
    done = watch("address", file, kernel)
    assert done.returncode != 0
    assert how in done.stderr
    assert re.search(rf"#0 .* in {kernel} .*{file.name}:{line_of(file, kernel)}\b", done.stderr)


@pytest.mark.parametrize("sanitizer", LIBRARIES)
def test_a_skipped_barrier_is_found_with_file_and_line(sanitizer):
    done = watch(sanitizer, PLANTED, "skipped")
    assert f"planted.cu:{line_of(PLANTED, 'skipped')}: all 128 threads of a block" in done.stderr
