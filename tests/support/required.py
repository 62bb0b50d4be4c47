"""Honest skips: a test that cannot run says why, and fails where it was promised that it can."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

from tinynet.core.errors import DeviceError
from tinynet.kernels.cuda import on_cpu


def lacking(what, reason):
    """Skip a test that needs `what`, or fail it where TINYNET_REQUIRE=cxx,nvrtc,mpi names that."""
    promised = os.environ.get("TINYNET_REQUIRE", "").split(",")
    (pytest.fail if what in promised else pytest.skip)(reason)


def need_compiler():
    """Skip a test that compiles CUDA kernels for the CPU if there is no C++ compiler."""
    try:
        on_cpu.compiler()
    except DeviceError as error:
        lacking("cxx", str(error))


def need_mpi():
    """Return the command mpiexec; skip a test that starts several ranks if it or mpi4py lacks."""
    beside = str(Path(sys.executable).parent)
    command = shutil.which("mpiexec", path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if command is None or importlib.util.find_spec("mpi4py") is None:
        lacking("mpi", "needs mpiexec and mpi4py: pip install mpi4py mpich")
    return command
