"""Versions, devices and kernels of this machine, as tables of plain text."""

from __future__ import annotations

import importlib.metadata
import platform

import tinynet
from tinynet import kernels
from tinynet.core.backend import gpus
from tinynet.core.errors import DeviceError
from tinynet.core.table import table
from tinynet.kernels.codegen import cache, team
from tinynet.kernels.convolution import winograd
from tinynet.kernels.cuda import on_cpu
from tinynet.kernels.dispatch import GENERAL, has_numba

CUPY = "cupy-cuda13x", "cupy-cuda12x", "cupy"  # names of the distribution
MISSING = "not installed"


def info() -> str:
    """Return versions, devices, threads and the kernel cache of this machine, a fact a line."""
    packages = ("numpy", "numba", "llvmlite", "matplotlib", "safetensors", "torch")
    facts = [
        ("tinynet", tinynet.__version__),
        ("python", platform.python_version()),
        *((package, _version(package)) for package in packages),
        ("cupy", _cupy()),
        ("machine", f"{platform.machine()}, {platform.system()} {platform.release()}"),
        ("threads", str(team.get_num_threads())),
        ("cuda", _cuda()),
        ("kernels", _kinds()),
        ("kernel cache", _cache_folder()),
    ]
    return "\n".join(f"{name:14}{value}" for name, value in facts)


def kernel_table() -> str:
    """Return a table of the kernels, their implementations, and when the reference runs instead."""
    rows = [("kernel", "implementations", "falls back to NumPy for")]
    for kernel in kernels.KERNELS:
        kinds: dict[str, list[str]] = {}
        for kind, falls in kernel.fallbacks.items():
            for why, _ in falls:
                kinds.setdefault(why, []).append(kind)
        reasons = [f"{why} ({', '.join(of)})" for why, of in kinds.items()] or [""]
        rows.append((kernel.__name__, ", ".join(kernel.implementations), reasons[0]))
        rows += [("", "", reason) for reason in reasons[1:]]
    notes = [f"Every {kind} kernel falls back to NumPy for {why}." for kind, why in GENERAL.items()]
    return "\n".join([table(rows, left=3), "", *notes, winograd.CONDITIONS])


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return MISSING


def _cupy() -> str:
    """Return the version of CuPy and the distribution that it comes from, which is one of three."""
    for distribution in CUPY:
        version = _version(distribution)
        if version != MISSING:
            return version if distribution == "cupy" else f"{version} ({distribution})"
    return MISSING


def _cuda() -> str:
    """Return whether there are CUDA devices, and all of them."""
    try:
        return "yes, " + ", ".join(f"{where} ({name})" for where, name in gpus())
    except DeviceError as error:
        return f"no. {error}"


def _kinds() -> str:
    """Return the kinds of kernels that can run on this machine."""
    has = {
        "reference": True,
        "numba": has_numba(),
        "cuda": _cuda().startswith("yes"),
        "cuda_on_cpu": on_cpu.has_compiler(),
    }
    return ", ".join(kind for kind in has if has[kind])


def _cache_folder() -> str:
    folder = cache._base() / "kernels"
    files = [f for f in folder.rglob("*") if f.is_file()] if folder.is_dir() else []
    size = sum(f.stat().st_size for f in files)
    return f"{folder} ({len(files)} files, {size / 2**20:.1f} MiB)"
