"""Honest skips: a test that cannot run says why, and fails where it was promised that it can."""

import os

import pytest


def lacking(what, reason):
    """Skip a test that needs `what`, or fail it where TINYNET_REQUIRE=cxx,nvrtc names that."""
    promised = os.environ.get("TINYNET_REQUIRE", "").split(",")
    (pytest.fail if what in promised else pytest.skip)(reason)
