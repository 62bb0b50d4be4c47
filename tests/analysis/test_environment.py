"""What `tinynet info` says of CuPy and of the devices."""

import importlib.metadata
from pathlib import Path

import pytest

import tinynet
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


# what is missing


def no_version(name):
    raise importlib.metadata.PackageNotFoundError(name)


def test_each_missing_part_has_the_line_that_installs_it(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", no_version)
    monkeypatch.setattr(environment, "has_numba", lambda: False)
    monkeypatch.setattr(environment.on_cpu, "has_compiler", lambda: False)
    clone = Path(tinynet.__file__).parents[1]
    found = environment.missing()
    assert all(", for " in each or ", to " in each for each in found)
    assert f'onnx, for networks as ONNX files: pip install -e ".[onnx]", in {clone}' in found
    assert any(line.startswith("Numba") for line in found)
    assert any("C++ compiler" in line for line in found)
    assert not any("CuPy" in line for line in found), "there is no driver"


def test_outside_a_clone_the_packages_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(tinynet, "__file__", str(tmp_path / "tinynet" / "__init__.py"))
    monkeypatch.setattr(importlib.metadata, "version", no_version)
    assert any(line.endswith(": pip install onnx") for line in environment.missing())
    assert not any("tinynet" in line for line in environment.missing())


@pytest.mark.parametrize(("driver", "extra"), [("580.65.06", "gpu13"), ("535.1", "gpu12")])
def test_a_driver_without_cupy_asks_for_the_fitting_one(monkeypatch, tmp_path, driver, extra):
    (tmp_path / "version").write_text(
        f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {driver}  x"
    )
    monkeypatch.setattr(environment, "DRIVER", tmp_path / "version")
    monkeypatch.setattr(importlib.metadata, "version", no_version)
    (line,) = [line for line in environment.missing() if "CuPy" in line]
    assert f'".[{extra}]"' in line


def test_nothing_is_missing_where_all_is_there(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.0")
    monkeypatch.setattr(environment, "has_numba", lambda: True)
    monkeypatch.setattr(environment.on_cpu, "has_compiler", lambda: True)
    assert environment.missing() == []


def test_data_is_found_or_the_command_fetches_it(monkeypatch, tmp_path):
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(bytes(2**20))
    found = {"cifar10": (tmp_path / "cifar-10-binary.tar.gz",)}
    monkeypatch.setattr(environment.data, "find", lambda name: found.get(name, ()))
    rows = environment.info().splitlines()
    assert [row for row in rows if row.split()[:2] == ["data", "cifar10"]] == [
        f"{'data cifar10':20}{tmp_path} (1.0 MiB)"
    ]
    assert any("not found. tinynet data get mnist fetches 11 MiB" in row for row in rows)
