"""Optional packages: the command that installs what a feature needs.

The packages are named one by one: on the package index the name `tinynet` belongs to another
project, so no message says to install an extra of that name.
"""

from __future__ import annotations

DISTRIBUTION = "tinynet-alexnet"
"""The name under which pip knows this project."""

PACKAGES = {  # extra of setup.cfg: its packages
    "gpu12": ("cupy-cuda12x[ctk]",),
    "gpu13": ("cupy-cuda13x[ctk]",),
    "lessons": ("jupyterlab", "ipywidgets"),
    "mpi": ("mpi4py", "mpich"),
    "onnx": ("onnx",),
    "parquet": ("pyarrow",),
    "profile": ("nvidia-cuda-nvrtc",),
    "hdf5": ("h5py",),
}


def install_command(extra: str) -> str:
    """Return the command that installs the packages of an extra.

    >>> install_command("mpi")
    'pip install mpi4py mpich'
    """
    quoted = (f"'{name}'" if "[" in name else name for name in PACKAGES[extra])
    return f"pip install {' '.join(quoted)}"
