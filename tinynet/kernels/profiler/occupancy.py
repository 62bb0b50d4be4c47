"""Occupancy: how many blocks of a kernel are resident on a multiprocessor, and what limits it.

The rules are those of NVIDIA's occupancy calculator: registers are given to a warp in units of 256,
of which each of the four parts of a multiprocessor has a quarter; shared memory is given to a block
in units of 128 bytes (256 before compute capability 8.0), and from 8.0 on the system keeps 1 KB for
each block.
"""

from __future__ import annotations

from typing import NamedTuple

from tinynet.kernels.profiler.gpus import KB, Gpu

WARP = 32
REGISTER_UNIT = 256
PARTS = 4  # of a multiprocessor, each with its own registers


class Occupancy(NamedTuple):
    """Resident blocks of an SM, their warps as a share of the most possible, and the limit."""

    blocks: int
    share: float
    limit: str  # "warps", "blocks", "registers" or "shared memory"


def occupancy(gpu: Gpu, threads: int, registers: int, shared: int) -> Occupancy:
    """Return the occupancy of a kernel.

    Parameters
    ----------
    gpu : the device
    threads : of a block
    registers : of a thread
    shared : bytes of a block, static and dynamic
    """
    warps = -(-threads // WARP)
    of_warp = _up(max(registers, 1) * WARP, REGISTER_UNIT)
    modern = gpu.architecture >= "sm_80"
    used = _up(shared, 128 if modern else 256) + (KB if modern else 0)
    limits = {
        "warps": gpu.warps // warps,
        "blocks": gpu.blocks,
        "registers": gpu.registers // PARTS // of_warp * PARTS // warps,
        "shared memory": gpu.shared // used if used else gpu.blocks,
    }
    limit = min(limits, key=lambda name: limits[name])
    return Occupancy(limits[limit], limits[limit] * warps / gpu.warps, limit)


def _up(size: int, unit: int) -> int:
    return -(-size // unit) * unit
