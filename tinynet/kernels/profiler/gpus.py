"""GPUs: the figures that an estimate needs, each with its source.

Limits of a multiprocessor (SM): CUDA C++ Programming Guide, table "Technical Specifications per
Compute Capability", and its table of the throughput of arithmetic instructions. Numbers of SMs,
clocks, peaks and bandwidths: NVIDIA's data sheets of H200 SXM, A100 SXM 80 GB, RTX A6000 and T4,
and the architecture papers "NVIDIA H100 Tensor Core GPU", "NVIDIA A100 Tensor Core GPU", "NVIDIA
Ampere GA102 GPU" and "NVIDIA Ada GPU". Peaks are dense (without sparsity). The latency of global
memory in clock cycles was measured on A100, H100 and RTX 4090 by Luo et al. 2024 (arXiv
2402.13499), on T4 by Jia et al. 2019 (arXiv 1903.07486); the H200 is taken to have that of the
H100, the RTX A6000 that of the A100. The instruction `mma` reaches 63 to 65 % of the peak of the
H100's tensor cores (Luo et al. 2025, arXiv 2501.12084); only `wgmma`, which is not used here,
reaches more. On A100, RTX A6000 and RTX 4090, which have no other, 95 % is assumed.
"""

from __future__ import annotations

from typing import NamedTuple

from tinynet.words import sentence


class Gpu(NamedTuple):
    """One GPU.

    Attributes
    ----------
    name : as NVIDIA calls it
    architecture : for the compiler, such as "sm_90"
    sms : multiprocessors
    clock : Hz, boost
    bandwidth : bytes per second of its memory, as the data sheet says
    l2 : bytes of the L2 cache
    fp32, fp64 : results per clock and SM, without tensor cores
    tensor : precision to floating-point operations per second of the tensor cores, dense
    mma : the share of it that the instruction `mma` reaches
    warps, blocks, registers, shared : limits of an SM: resident warps and blocks, 32-bit
        registers, bytes of shared memory
    latency : clock cycles of a load from memory
    """

    name: str
    architecture: str
    sms: int
    clock: float
    bandwidth: float
    l2: int
    fp32: int
    fp64: int
    tensor: dict[str, float]
    mma: float
    warps: int
    blocks: int
    registers: int
    shared: int
    latency: float

    @property
    def fp32_peak(self) -> float:
        """Floating-point operations per second in float32; a fused multiply-add is two."""
        return 2 * self.fp32 * self.sms * self.clock


KB = 1024
MB = 1024 * KB
GPUS = {
    "h200": Gpu(
        name="NVIDIA H200 SXM",
        architecture="sm_90",
        sms=132,
        clock=1.98e9,
        bandwidth=4.8e12,
        l2=50 * MB,
        fp32=128,
        fp64=64,
        tensor={"tf32": 494.7e12, "bfloat16": 989.4e12},
        mma=0.63,
        warps=64,
        blocks=32,
        registers=65536,
        shared=228 * KB,
        latency=478.8,
    ),
    "a100": Gpu(
        name="NVIDIA A100 SXM 80 GB",
        architecture="sm_80",
        sms=108,
        clock=1.41e9,
        bandwidth=2.039e12,
        l2=40 * MB,
        fp32=64,
        fp64=32,
        tensor={"tf32": 156e12, "bfloat16": 312e12},
        mma=0.95,
        warps=64,
        blocks=32,
        registers=65536,
        shared=164 * KB,
        latency=466.3,
    ),
    "a6000": Gpu(
        name="NVIDIA RTX A6000",
        architecture="sm_86",
        sms=84,
        clock=1.8e9,
        bandwidth=0.768e12,
        l2=6 * MB,
        fp32=128,
        fp64=2,
        tensor={"tf32": 77.4e12, "bfloat16": 154.8e12},
        mma=0.95,
        warps=48,
        blocks=16,
        registers=65536,
        shared=100 * KB,
        latency=466.3,
    ),
    "rtx4090": Gpu(
        name="NVIDIA GeForce RTX 4090",
        architecture="sm_89",
        sms=128,
        clock=2.52e9,
        bandwidth=1.008e12,
        l2=72 * MB,
        fp32=128,
        fp64=2,
        tensor={"tf32": 82.6e12, "bfloat16": 165.2e12},
        mma=0.95,
        warps=48,
        blocks=24,
        registers=65536,
        shared=100 * KB,
        latency=541.5,
    ),
    "t4": Gpu(
        name="NVIDIA T4",
        architecture="sm_75",
        sms=40,
        clock=1.59e9,
        bandwidth=0.32e12,
        l2=4 * MB,
        fp32=64,
        fp64=2,
        tensor={},
        mma=1.0,
        warps=32,
        blocks=16,
        registers=65536,
        shared=64 * KB,
        latency=434.0,
    ),
}
"""By the name that `--gpu` takes."""


def find(name: str) -> Gpu:
    """Return a GPU by its short name.

    >>> find("h200").sms
    132
    """
    if name.lower() not in GPUS:
        said = "profile: the GPUs are {known}, not {name!r}."
        raise ValueError(sentence(said, known=", ".join(GPUS), name=name))
    return GPUS[name.lower()]
