"""Honest skips: a test that cannot run says why, and fails where it was promised that it can."""

import os

import pytest

from tinynet.errors import DeviceError
from tinynet.kernels import _cuda_on_cpu


def lacking(what, reason):
    """Skip a test that needs `what`, or fail it where TINYNET_REQUIRE=cxx,nvrtc names that."""
    promised = os.environ.get("TINYNET_REQUIRE", "").split(",")
    (pytest.fail if what in promised else pytest.skip)(reason)


def need_compiler():
    """Skip a test that compiles CUDA kernels for the CPU if there is no C++ compiler."""
    try:
        _cuda_on_cpu.compiler()
    except DeviceError as error:
        lacking("cxx", str(error))
