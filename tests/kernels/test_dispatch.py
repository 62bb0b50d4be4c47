"""Kernel dispatch: selection of an implementation, and refused settings."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tinynet import kernels
from tinynet.kernels import dispatch
from tinynet.kernels.dispatch import Kernel, has_numba


@pytest.fixture
def double():
    @Kernel
    def double(x, times):
        return "reference", x * times

    @double.numba
    def double_numba(x, times):
        return "numba", x * times

    yield double
    dispatch.ALL_KERNELS.remove(double)


def test_float32_takes_numba_and_float64_the_reference(double, monkeypatch):
    monkeypatch.setattr(dispatch, "has_numba", lambda: True)
    assert double(np.ones(2, np.float32), 2)[0] in ("numba", os.environ.get("TINYNET_KERNELS"))
    assert double(np.ones(2), 2)[0] == "reference"


def test_a_number_of_numpy_is_not_taken_for_an_array_of_a_gpu(double):
    @double.cuda
    def double_cuda(x, times):
        return "cuda", x * times

    assert double(np.float64(3), 2) == ("reference", 6)
    with kernels.use("cuda_on_cpu"):
        assert double(np.float64(3), 2) == ("reference", 6)
        assert double(np.ones(2), 2)[0] == "cuda"


def test_without_numba_the_reference_serves(double, monkeypatch):
    monkeypatch.setattr(dispatch, "has_numba", lambda: False)
    assert double(np.ones(2, np.float32), 2)[0] == "reference"


def test_use_forces_a_kind_and_gives_it_back(double):
    before = double(np.ones(2, np.float32), 2)[0]
    with kernels.use("reference"):
        assert double(np.ones(2, np.float32), 2)[0] == "reference"
        with kernels.use("numba"):
            assert double.kind_for(np.ones(2, np.float32)) == (
                "numba" if has_numba() else "reference"
            )
    assert double(np.ones(2, np.float32), 2)[0] == before


def test_a_kind_that_a_kernel_lacks_falls_back_to_its_reference(double):
    with kernels.use("cuda"):
        assert double(np.ones(2, np.float32), 2)[0] == "reference"


def test_other_arguments_than_the_reference_are_refused(double):
    with pytest.raises(TypeError, match="double: the numba version must take exactly"):
        double.numba(lambda x: x)


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with (
        pytest.raises(ValueError, match=r"reference, numba, cuda, cuda_on_cpu, not 'nunba'"),
        kernels.use("nunba"),
    ):
        pass


def test_a_typing_mistake_in_the_environment_is_refused():
    done = subprocess.run(
        [sys.executable, "-c", "import tinynet.kernels"],
        env={**os.environ, "TINYNET_KERNELS": "nunba"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert (
        "TINYNET_KERNELS: the kinds are reference, numba, cuda, cuda_on_cpu, not 'nunba'."
        in done.stderr
    )
