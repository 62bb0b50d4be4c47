"""Honest skips: a test that cannot run says why, and fails where it was promised that it can."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tinynet.core.errors import DeviceError
from tinynet.kernels.cuda import on_cpu
from tinynet.kernels.profiler import nvrtc


def lacking(what, reason):
    """Skip a test that needs `what`, or fail it where TINYNET_REQUIRE=cxx,mpi,... names that."""
    promised = os.environ.get("TINYNET_REQUIRE", "").split(",")
    (pytest.fail if what in promised else pytest.skip)(reason)


def need_compiler():
    """Skip a test that compiles CUDA kernels for the CPU if there is no C++ compiler."""
    try:
        on_cpu.compiler()
    except DeviceError as error:
        lacking("cxx", str(error))


def need_nvrtc():
    """Return NVIDIA's compiler library, of the wheel nvidia-cuda-nvrtc; without it, skip."""
    try:
        return nvrtc.library()
    except DeviceError as error:
        return lacking("nvrtc", str(error))


def need_mpi():
    """Return the command mpiexec; skip a test that starts several ranks if it or mpi4py lacks."""
    beside = str(Path(sys.executable).parent)
    command = shutil.which("mpiexec", path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if command is None or importlib.util.find_spec("mpi4py") is None:
        lacking("mpi", "needs mpiexec and mpi4py: pip install mpi4py mpich")
    return command


def run_with_cupy(module, *arguments):
    """Return what a module prints as JSON, run on the installed CuPy; without CuPy, skip."""
    if importlib.util.find_spec("cupy") is None:
        lacking(
            "cupy", "CuPy is not installed; pip install cupy-cuda13x brings it, without a driver"
        )
    tests = Path(__file__).parents[1]
    path = [str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
