"""What `tinynet info` says of CuPy and of the devices."""

import importlib.metadata

import pytest

from tinynet.analysis import environment


def line(name):
    (found,) = [row for row in environment.info().splitlines() if row.split()[0] == name]
    return found.removeprefix(name).strip()


@pytest.mark.parametrize(
    ("installed", "said"),
    [
        ("cupy-cuda13x", "14.2.0 (cupy-cuda13x)"),
        ("cupy-cuda12x", "14.2.0 (cupy-cuda12x)"),
        ("cupy", "14.2.0"),
        ("something-else", "not installed"),
    ],
)
def test_cupy_is_found_under_each_name_of_its_distribution(monkeypatch, installed, said):
    def version(name):
        if name == installed:
            return "14.2.0"
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert line("cupy") == said


def test_every_device_is_listed(stand_in):
    assert line("cuda") == "yes, cuda:0 (stand-in), cuda:1 (stand-in)"
    assert "cuda" in line("kernels").split(", ")


def test_without_a_device_the_reason_is_given(stand_in):
    stand_in.card.driver = 0
    assert line("cuda").startswith("no. ")
    assert "no NVIDIA driver" in line("cuda")
