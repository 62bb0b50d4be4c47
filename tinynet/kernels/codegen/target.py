"""The processor and the settings that Numba compiles for, without importing Numba.

A kernel from the cache needs none of Numba's Python, whose import takes longer than a training step
of a small network. Only the name of its folder and the size of its blocks depend on these settings.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import NamedTuple

CONFIGURATION = Path(".numba_config.yaml")  # settings of Numba in the working directory
WITHOUT_AVX = {  # processors for which Numba does not use it, or that some virtual machines name
    *("corei7-avx", "core-avx-i", "sandybridge", "ivybridge", "nocona"),
}


class Target(NamedTuple):
    """What machine code depends on, beside its source.

    Attributes
    ----------
    triple, cpu, features : str
        Names of LLVM; the features are separated by commas.
    optimization : str
        Numba's settings of this kind.
    """

    triple: str
    cpu: str
    features: str
    optimization: str


def host() -> Target:
    """Return what Numba compiles for in this process."""
    if "numba" in sys.modules or CONFIGURATION.exists():  # it may have other settings
        return _by_numba()
    from llvmlite import binding

    cpu = os.environ.get("NUMBA_CPU_NAME") or binding.get_host_cpu_name()
    optimization = [
        os.environ.get(f"NUMBA_{name}", default)
        for name, default in (("OPT", "3"), ("LOOP_VECTORIZE", "1"), ("SLP_VECTORIZE", "0"))
    ]
    return Target(binding.get_process_triple(), cpu, _features(cpu), " ".join(optimization))


def _features(cpu: str) -> str:
    """Return the features of the processor, or those that the environment names."""
    from llvmlite import binding

    generic = "" if cpu.lower() == "generic" else None
    chosen = os.environ.get("NUMBA_CPU_FEATURES", generic)
    if chosen is not None:
        return chosen
    try:
        features = binding.get_host_cpu_features()
    except RuntimeError:  # LLVM does not know them on this processor
        return ""
    if not int(os.environ.get("NUMBA_ENABLE_AVX", cpu not in WITHOUT_AVX)):
        features.update({name: False for name in features if name.startswith("avx")})
    return features.flatten()


def _by_numba() -> Target:
    from numba.core import config
    from numba.core.registry import cpu_target

    names = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE")
    values = (getattr(vars(config)[name], "_raw_value", vars(config)[name]) for name in names)
    triple, cpu, features = cpu_target.target_context.codegen().magic_tuple()
    return Target(triple, cpu, features, " ".join(map(str, values)))


def version() -> bytes:
    """Return the version of Numba, as the file in which it is stored."""
    spec = importlib.util.find_spec("numba")
    if spec is None or spec.origin is None:
        return b""
    return Path(spec.origin).with_name("_version.py").read_bytes()
