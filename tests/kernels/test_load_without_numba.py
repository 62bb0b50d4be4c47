"""Kernels from the cache are loaded, and the processor is known, without importing Numba."""

import os
import subprocess
import sys

import pytest

from tinynet.kernels.dispatch import has_numba

pytestmark = pytest.mark.skipif(not has_numba(), reason="Numba is not installed")

LOADED = """
import sys
import numpy as np
from tinynet.kernels import momentum
update = momentum._update_loop
w, g, v = np.ones(3, "f"), np.ones(3, "f"), np.zeros(3, "f")
update(3, w, g, v, 0.5, 0.0, 0.0, False, True)
assert w.tolist() == [0.5, 0.5, 0.5]
print(update.from_cache, "numba" in sys.modules)
if update.from_cache:
    import numba

    @numba.njit
    def root(x):
        if x[0] < 0:
            raise ValueError("negative")
        return np.sqrt(x)

    assert root(np.array([4.0])).tolist() == [2.0]
    try:
        root(np.array([-1.0]))
    except ValueError as error:
        print(error)
    update(3, w, g, v, 0.5, 0.0, 0.0, False, True)
    assert w.tolist() == [0.0, 0.0, 0.0]
"""


def run(program, **variables):
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_kernel_from_the_cache_needs_no_numba_and_leaves_it_usable(tmp_path):
    assert run(LOADED, TINYNET_CACHE=str(tmp_path)) == ["False", "True"]
    assert run(LOADED, TINYNET_CACHE=str(tmp_path)) == ["True", "False", "negative"]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"NUMBA_CPU_NAME": "generic"},
        {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
        {"NUMBA_CPU_NAME": "znver3", "NUMBA_CPU_FEATURES": "+avx,+avx2"},
        {"NUMBA_CPU_NAME": "sandybridge"},
        {"NUMBA_ENABLE_AVX": "0"},
        {"NUMBA_OPT": "max", "NUMBA_LOOP_VECTORIZE": "0", "NUMBA_SLP_VECTORIZE": "1"},
    ],
    ids=str,
)
def test_what_numba_compiles_for_is_known_without_it(variables):
    program = (
        "import sys; from tinynet.kernels.codegen import target; own = target.host(); "
        "assert 'numba' not in sys.modules; import numba; by_numba = target.host(); "
        "assert own == by_numba, (own, by_numba)"
    )
    run(program, **variables)
