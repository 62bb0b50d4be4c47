"""Versions, devices and kernels of this machine, as tables of plain text."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path

import tinynet
from tinynet import data, kernels
from tinynet.core import extras
from tinynet.core.backend import gpus
from tinynet.core.errors import DeviceError
from tinynet.core.table import columns_of, table
from tinynet.kernels.codegen import cache, team
from tinynet.kernels.convolution import winograd
from tinynet.kernels.cuda import on_cpu
from tinynet.kernels.dispatch import GENERAL, has_numba
from tinynet.words import phrase, phrases, spoken

CUPY = "cupy-cuda13x", "cupy-cuda12x", "cupy"  # names of the distribution
MISSING = "not installed"
PURPOSES = {  # of the extras of setup.cfg
    "gpu12": "CuPy, for the NVIDIA GPU",
    "gpu13": "CuPy, for the NVIDIA GPU",
    "lessons": "JupyterLab, for the lessons as notebooks",
    "mpi": "MPI, for training in several processes",
    "onnx": "onnx, for networks as ONNX files",
    "parquet": "pyarrow, for data sets of Hugging Face",
    "profile": "NVIDIA's compiler, for the profiler of CUDA kernels",
    "hdf5": "h5py, for weights of Keras",
}
DRIVER = Path("/proc/driver/nvidia/version")
DRIVER_OF_CUDA_13 = 580  # its first driver


def info() -> str:
    """Return versions, devices, threads, caches, data and missing parts, a fact a line."""
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
        *((f"data {entry.name}", _data(entry)) for entry in data.catalogue()),
        *(("missing", line) for line in missing()),
    ]
    return "\n".join(f"{_label(name)}{phrase(value)}" for name, value in facts)


def _label(name: str) -> str:
    """Return the name of a fact in the reader's language, in 20 columns of a terminal."""
    kind, _, rest = name.partition(" ")
    said = f"{phrase(kind)} {rest}" if kind == "data" else phrase(name)
    return said + " " * (20 - columns_of(said))


def missing() -> list[str]:
    """Return the parts that are not installed: what for, and the line that installs them.

    Optional packages for a GPU are missing only where there is a driver.
    """
    found = []
    for extra, packages in extras.PACKAGES.items():
        if extra.startswith("gpu"):
            wanted = extra == _gpu_extra() and _cupy() == MISSING
        else:
            wanted = any(_version(name) == MISSING for name in packages)
        if wanted:
            found.append(f"{phrase(PURPOSES[extra])}: {_install(extra)}")
    if not has_numba():
        found.append(phrase("Numba, for the fast kernels on the CPU: pip install numba"))
    if not on_cpu.has_compiler():
        said = "a C++ compiler, to run CUDA kernels on the CPU: {command}"
        found.append(phrase(said, command=_compiler_command()))
    return found


def _install(extra: str) -> str:
    """Return the line that installs an extra; in a clone, it is typed in its folder."""
    clone = Path(tinynet.__file__).parents[1]
    if (clone / "setup.cfg").is_file() and (clone / "pyproject.toml").is_file():
        return phrase(
            "{command}, in {folder}", command=f'pip install -e ".[{extra}]"', folder=clone
        )
    return extras.install_command(extra)


def _gpu_extra() -> str | None:
    """Return the extra that fits the NVIDIA driver; None without one."""
    try:
        words = DRIVER.read_text().split()
    except OSError:
        return None
    versions = [word.split(".")[0] for word in words if word[0].isdigit() and "." in word]
    major = int(versions[0]) if versions and versions[0].isdigit() else 0
    return "gpu13" if major >= DRIVER_OF_CUDA_13 else "gpu12"


def _compiler_command() -> str:
    if platform.system() == "Darwin":
        return "xcode-select --install"
    return phrase("apt-get install g++, or the package of that name elsewhere")


def _data(entry: data.Entry) -> str:
    """Return where a data set was found and its size, or how to get it."""
    if not entry.sources:
        return "built in"
    paths = data.find(entry.name)
    if not paths:
        said = "not found. tinynet data get {name} fetches {size:,.0f} MiB"
        return phrase(said, name=entry.name, size=entry.size / 2**20)
    folder = paths[0] if paths[0].is_dir() else paths[0].parent
    return f"{folder} ({sum(map(_bytes, paths)) / 2**20:,.1f} MiB)"


def _bytes(path: Path) -> int:
    """Return the size of a file, or of all files below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def kernel_table() -> str:
    """Return a table of the kernels, their implementations, and when the reference runs instead."""
    rows = [phrases("kernel", "implementations", "falls back to NumPy for")]
    for kernel in kernels.KERNELS:
        kinds: dict[str, list[str]] = {}
        for kind, falls in kernel.fallbacks.items():
            for why, _ in falls:
                kinds.setdefault(why, []).append(kind)
        reasons = [f"{phrase(why)} ({', '.join(of)})" for why, of in kinds.items()] or [""]
        rows.append((kernel.__name__, ", ".join(kernel.implementations), reasons[0]))
        rows += [("", "", reason) for reason in reasons[1:]]
    said = "Every {kind} kernel falls back to NumPy for {why}."
    notes = [phrase(said, kind=kind, why=phrase(why)) for kind, why in GENERAL.items()]
    return "\n".join([table(rows, left=3), "", *notes, phrase(winograd.CONDITIONS)])


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
        found = ", ".join(f"{where} ({name})" for where, name in gpus())
        return phrase("yes, {devices}", devices=found)
    except DeviceError as error:
        return phrase("no. {error}", error=spoken(error))


def _has_cuda() -> bool:
    try:
        return bool(gpus())
    except DeviceError:
        return False


def _kinds() -> str:
    """Return the kinds of kernels that can run on this machine."""
    has = {
        "reference": True,
        "numba": has_numba(),
        "cuda": _has_cuda(),
        "cuda_on_cpu": on_cpu.has_compiler(),
    }
    return ", ".join(kind for kind in has if has[kind])


def _cache_folder() -> str:
    folder = cache._base() / "kernels"
    files = [f for f in folder.rglob("*") if f.is_file()] if folder.is_dir() else []
    size = sum(map(_bytes, files)) / 2**20
    return phrase(
        "{path} ({count} files, {size:.1f} MiB)", path=folder, count=len(files), size=size
    )
