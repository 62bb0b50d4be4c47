"""Fixtures of all tests: fixed seeds, two hypothesis profiles, skips where there is no GPU.

`pytest` draws the same hypothesis examples every time, so a failure can be repeated.
`HYPOTHESIS_PROFILE=explore pytest` draws new ones, and many more of them.
"""

import importlib.util
import os
import sys
import threading
from types import SimpleNamespace

import hypothesis
import numpy as np
import pytest

import tinynet as tn
from support import cupy as stand_in_cupy
from support.cublas import StandIn
from support.devices import cuda_devices
from support.required import need_compiler, need_nvrtc
from tinynet.cli import main
from tinynet.data import readable
from tinynet.kernels.cuda import cublas, on_cpu

pytest_plugins = ["pytester"]  # one of our plugins is for pytest

# Numba compiles at a first call, so no example has a deadline.
hypothesis.settings.register_profile("repeat", deadline=None, max_examples=25, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=500, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))

os.environ.pop("TINYNET_LANG", None)  # tests read messages in English, unless they say otherwise


@pytest.fixture(autouse=True)
def _the_same_start():
    """Every test begins with seed 0, whatever ran before it."""
    tn.seed(0)


@pytest.fixture(scope="session", autouse=True)
def _no_images_in_the_users_cache(tmp_path_factory):
    """Keep what is remembered about image files out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setattr(readable, "_place", lambda root: folder / str(hash(root)))
        yield


@pytest.fixture
def rng():
    """A NumPy generator with a fixed seed, for inputs."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def nvrtc_library():
    """NVIDIA's compiler library, of the wheel nvidia-cuda-nvrtc; without it, skip."""
    return need_nvrtc()


@pytest.fixture
def threads():
    """Set how many threads kernels use; afterwards there are as many as before."""
    before = tn.kernels.get_num_threads()
    yield tn.kernels.set_num_threads
    tn.kernels.set_num_threads(before)


@pytest.fixture(autouse=True)
def _a_compiler(request):
    """Skip what compiles CUDA kernels if the compiler that it needs is not there."""
    case = getattr(request.node, "callspec", None)
    kind = case.params.get("kind") if case else None
    if kind == "cuda_on_cpu" or request.node.get_closest_marker("cxx"):
        need_compiler()
    if request.node.get_closest_marker("nvrtc"):
        need_nvrtc()


@pytest.fixture(autouse=True)
def _enough_devices(request):
    """Skip what asks for more GPUs than there are, and say so."""
    for name, needed in {"gpu": 1, "multi_gpu": 2}.items():
        if request.node.get_closest_marker(name) and cuda_devices() < needed:
            pytest.skip(f"needs CuPy and {needed} CUDA device(s), found {cuda_devices()}")


@pytest.fixture
def stand_in(monkeypatch):
    """Return the stand-in for CuPy, as fresh as a machine that has just been switched on."""
    monkeypatch.setitem(sys.modules, "cupy", stand_in_cupy)
    stand_in_cupy.card.switch_on()
    monkeypatch.setattr(stand_in_cupy.RawModule, "compiler", staticmethod(_for_the_cpu))
    library = StandIn()
    monkeypatch.setattr(cublas, "load", lambda: library)
    monkeypatch.setattr(cublas, "_mine", threading.local())
    return stand_in_cupy


def _for_the_cpu(code, options):
    return on_cpu.Module(code)


CARDS = [pytest.param("card", marks=pytest.mark.gpu)] if cuda_devices() else []


@pytest.fixture(params=["stand-in", *CARDS])
def cupy(request):
    """Return CuPy: the stand-in, and the real one where there is a card."""
    return request.getfixturevalue("stand_in") if request.param == "stand-in" else _real_cupy()


@pytest.fixture(params=["stand-in", *(CARDS if cuda_devices() > 1 else [])])
def two_cards(request):
    """Return a CuPy with two cards: the stand-in, and the real one where there are two."""
    return request.getfixturevalue("stand_in") if request.param == "stand-in" else _real_cupy()


def _real_cupy():
    return importlib.import_module("cupy")


@pytest.fixture
def tinynet_says(monkeypatch, capsys):
    """Run the command line in this process; return exit code, output and error output."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["tinynet", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main.main()
        captured = capsys.readouterr()
        return SimpleNamespace(code=end.value.code, out=captured.out, err=captured.err)

    return run
