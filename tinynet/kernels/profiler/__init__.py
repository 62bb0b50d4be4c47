"""Profiler of CUDA kernels without a GPU: NVIDIA's own PTX, executed and counted on a CPU."""

from tinynet.kernels.profiler.profiles import KernelProfile, Profile, profile

__all__ = ["KernelProfile", "Profile", "profile"]
