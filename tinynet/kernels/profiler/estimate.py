"""Estimates: the time that a launch would need on a GPU, from what it does and the GPU's limits.

A launch takes as long as the slowest of its demands (a roofline): issuing its instructions, moving
its bytes, serving its loads from cache and shared memory, or waiting for memory when there are too
few warps to hide the wait. Nothing here is measured; `ASSUMPTIONS` lists what is assumed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from tinynet.kernels.profiler import tensor_cores
from tinynet.kernels.profiler.gpus import Gpu
from tinynet.kernels.profiler.occupancy import Occupancy, occupancy
from tinynet.kernels.profiler.ptx import Instruction
from tinynet.kernels.profiler.record import Launch, Pass, Product
from tinynet.words import sentence

SECTOR = 32
ISSUE = 4  # instructions of a warp that an SM begins in a clock cycle
CACHE_SECTORS = 4  # that the L1 cache of an SM delivers in a clock cycle
REACHED = 0.85  # of the bandwidth of the data sheet
GAP = 1.3e-6  # seconds between two dependent nodes of a graph
TILES = {128: 0.9, 64: 0.7}  # sides of the tiles of a product; the share of the peak they reach
PIPELINE = 48  # terms of a sum that filling the pipeline of a tile costs
DIVISION = 20  # machine instructions of an integer division, as NVRTC 13 makes it for sm_90
SPLIT = 256  # terms of a sum that a tile computes at least, where sums are split

ASSUMPTIONS = (
    sentence(
        "memory delivers {share:.0%} of the data sheet's bandwidth; each argument's touched bytes "
        "move once (the L2 cache keeps what blocks share)",
        share=REACHED,
    ),
    sentence(
        "an SM issues {count} warp instructions a clock; a PTX instruction costs as many machine "
        "instructions as the kernel has on average, an integer division {division} times as many",
        count=ISSUE,
        division=DIVISION,
    ),
    sentence(
        "loads of one basic block overlap, those of the next wait; all resident warps wait together"
    ),
    sentence(
        "`mma` reaches 63% of the peak of an H200's tensor cores, 95% on A100, A6000 and RTX 4090"
    ),
    sentence("{gap:.1f} us between nodes of a captured graph", gap=GAP * 1e6),
    sentence(
        "products, by cuBLAS: the best of tiles of 128x128 (90% of peak) and 64x64 (70%), times "
        "how far they fill the matrix and the last wave, times K / (K + {pipeline}); long sums "
        "are split",
        pipeline=PIPELINE,
    ),
    sentence(
        "only a sample of the blocks of a launch is executed; the others are taken to do the same"
    ),
)


class Estimate(NamedTuple):
    """Seconds of one launch by demand; the largest is its time."""

    demands: dict[str, float]

    @property
    def seconds(self) -> float:
        """The time of the launch, without the gap before the next."""
        return max(self.demands.values())

    @property
    def bound(self) -> str:
        """The demand that decides."""
        return max(self.demands, key=lambda name: self.demands[name])


def resident(launch: Launch, gpu: Gpu) -> Occupancy:
    """Return the occupancy of a launch."""
    shared = launch.build.shared + launch.grid.shared
    return occupancy(gpu, launch.threads, launch.build.registers, shared)


def memory_bytes(launch: Launch) -> float:
    """Return the bytes that move between memory and the GPU, if shared sectors move once."""
    part = launch.blocks / launch.sampled
    return sum(
        min(part * float(mask.sum()) * SECTOR, float(launch.sizes[i]))
        for i, mask in launch.counters.touched.items()
    )


def issued(launch: Launch) -> float:
    """Return the machine instructions of warps in one block."""
    build = launch.build
    ratio = build.instructions / max(1, sum(map(machine_instructions, build.entry.code)))
    executed = launch.counters.executed()
    return ratio * sum(machine_instructions(one) * n for one, n in executed) / launch.sampled


def machine_instructions(one: Instruction) -> int:
    """Return about how many machine instructions a PTX instruction becomes, before optimization."""
    divides = one.op in ("div", "rem") and one.kind in ("s32", "u32")
    return DIVISION if divides else 1


def of_launch(launch: Launch, gpu: Gpu) -> Estimate:
    """Return the estimate of one launch."""
    here = launch.counters
    on_busiest = math.ceil(launch.blocks / gpu.sms)  # blocks of the SM with the most
    blocks = max(1, resident(launch, gpu).blocks)
    waves = math.ceil(launch.blocks / (gpu.sms * blocks))
    double = sum(times for one, times in here.executed() if one.kind == "f64" and _computes(one.op))
    demands = {
        "instructions": on_busiest * issued(launch) / ISSUE / gpu.clock,
        "memory": memory_bytes(launch) / (REACHED * gpu.bandwidth),
        "cache": on_busiest * here.sectors / launch.sampled / CACHE_SECTORS / gpu.clock,
        "shared memory": on_busiest * here.passes / launch.sampled / gpu.clock,
        "float64": on_busiest * double / launch.sampled * 32 / gpu.fp64 / gpu.clock,
        "tensor cores": on_busiest * tensor_seconds(launch, gpu),
        "latency": waves * here.load_rounds() * gpu.latency / gpu.clock,
    }
    return Estimate(demands)


def tensor_seconds(launch: Launch, gpu: Gpu) -> float:
    """Return the seconds for which one block keeps the tensor cores of a multiprocessor busy."""
    seconds = 0.0
    for one, times in launch.counters.executed():
        if one.op == "mma":
            precision = tensor_cores.PRECISIONS[tensor_cores.kind_of(one)]
            peak = gpu.mma * gpu.tensor[precision] / gpu.sms
            seconds += times * tensor_cores.operations(one) / peak
    return seconds / launch.sampled


def _computes(op: str) -> bool:
    return op in ("add", "sub", "mul", "fma", "div", "sqrt")


def of_product(product: Product, gpu: Gpu, precision: str) -> Estimate:
    """Return the estimate of a product of cuBLAS, with the tiles that suit it best."""
    peak = gpu.tensor.get(precision, gpu.fp32_peak)
    operations = 2.0 * product.times * product.M * product.N * product.K
    return Estimate(
        {
            "product": operations / (peak * max(_reached(product, gpu, side) for side in TILES)),
            "memory": product.nbytes / (REACHED * gpu.bandwidth),
        }
    )


def _reached(product: Product, gpu: Gpu, side: int) -> float:
    """Return the share of the peak that a product reaches with tiles of a side."""
    rows = math.ceil(product.M / side)
    columns = math.ceil(product.N / side)
    tiles = rows * columns * product.times
    parts = max(1, min(product.K // SPLIT, gpu.sms // tiles))
    filled = product.M * product.N / (rows * columns * side * side)
    wave = tiles * parts / (math.ceil(tiles * parts / gpu.sms) * gpu.sms)
    deep = product.K / parts / (product.K / parts + PIPELINE)
    return TILES[side] * filled * wave * deep


def of_pass(one: Pass, gpu: Gpu) -> Estimate:
    """Return the estimate of an operation of the array library."""
    return Estimate({"memory": one.nbytes / (REACHED * gpu.bandwidth)})
