"""Counters of an executed launch: lanes, instructions, memory sectors, bank conflicts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.profiler.ptx import Entry, Instruction

if TYPE_CHECKING:
    from tinynet.kernels.profiler.memory import Memory

WARP = 32
SECTOR = 32  # bytes, the unit of a transfer from global memory
BANKS = 32  # of shared memory, four bytes wide
WORD = 4
ALL_BANKS = BANKS * WORD  # bytes of one word of each bank


class Counters:
    """What one run of `Lanes` counted.

    Attributes
    ----------
    warps : how many warps ran
    visits : basic block to how often a warp executed it
    lanes : basic block to how many lanes took part, added up
    rounds : how often a warp executed a basic block that loads from global memory
    requests, sectors, sectors_at_best, bytes_used : of global memory; one request is one
        instruction of one warp, and at best its distinct bytes fill their sectors
    passes, passes_at_best : of shared memory
    touched : argument to a mask of its sectors
    """

    def __init__(self, entry: Entry, warps: int) -> None:
        self.entry = entry
        self.warps = warps
        self.visits: Counter[int] = Counter()
        self.lanes: Counter[int] = Counter()
        self.requests = 0
        self.sectors = 0
        self.sectors_at_best = 0
        self.bytes_used = 0
        self.passes = 0
        self.passes_at_best = 0
        self.touched: dict[int, Array] = {}
        self.written: set[int] = set()
        self.known: dict[tuple[int, bytes], tuple[int, int]] = {}  # passes of a pattern of words
        ends = (*entry.leaders[1:], len(entry.code))
        self.blocks = dict(zip(entry.leaders, ends, strict=True))

    def enter(self, place: int, active: Array, warps: Array) -> None:
        """Count the lanes that execute a basic block."""
        self.visits[place] += int(np.count_nonzero(np.diff(warps))) + 1
        self.lanes[place] += len(active)

    def access(
        self,
        at: int,
        space: str,
        places: Array,
        size: int,
        warps: Array,
        lanes: Array,
        memory: Memory,
    ) -> None:
        """Count one executed load or store: an address for each lane, `size` bytes from there."""
        if space == "global":
            self._global(at, places, size, warps, memory)
        elif space == "shared":
            self._shared(places, size, warps, lanes)

    def _global(self, at: int, places: Array, size: int, warps: Array, memory: Memory) -> None:
        self.requests += int(np.count_nonzero(np.diff(warps))) + 1
        self.bytes_used += len(places) * size
        for i, part in memory.groups(places):
            here = places[part] - memory.aligned[i]
            warp = warps[part]
            sectors = here // SECTOR
            self.sectors += _distinct(warp, sectors)
            bytes_by_warp = _distinct_by(warp, here) * size
            self.sectors_at_best += int((-(-bytes_by_warp // SECTOR)).sum())
            if i not in self.touched:
                self.touched[i] = np.zeros(memory.arrays[i].nbytes // SECTOR + 10, np.bool_)
            self.touched[i][sectors] = True
            if self.entry.code[at].op not in ("ld", "cp"):
                self.written.add(i)

    def _shared(self, places: Array, size: int, warps: Array, lanes: Array) -> None:
        """Count passes: in each pass a bank delivers one word, to all lanes that ask for it.

        Accesses of 8 and 16 bytes are served for a half and a quarter of a warp at a time.
        """
        # A pattern that lies whole rows of banks further takes as many passes.
        moved = places - places[0] // ALL_BANKS * ALL_BANKS
        key = size, (((warps * WARP + lanes) << 32) + moved).tobytes()
        if key not in self.known:
            self.known[key] = _passes(places, size, warps, lanes)
        passes, at_best = self.known[key]
        self.passes += passes
        self.passes_at_best += at_best

    # ---- what follows from it

    def executed(self) -> list[tuple[Instruction, int]]:
        """Return each instruction with how often a warp executed it."""
        return [
            (self.entry.code[i], times)
            for place, times in self.visits.items()
            for i in range(place, self.blocks[place])
        ]

    def active_share(self) -> float:
        """Return the share of lanes that took part, over all executed instructions."""
        size = {place: end - place for place, end in self.blocks.items()}
        possible = sum(WARP * times * size[place] for place, times in self.visits.items())
        return sum(n * size[place] for place, n in self.lanes.items()) / max(1, possible)

    def load_rounds(self) -> float:
        """Return how often a warp waits for global memory.

        It waits in executed blocks that load from it, or that end an asynchronous copy.
        """
        loading = {
            place
            for place, end in self.blocks.items()
            if any(_loads(self.entry.code[i]) for i in range(place, end))
        }
        return sum(self.visits[place] for place in loading) / max(1, self.warps)


def _loads(one: Instruction) -> bool:
    """Return whether a warp waits for memory: at a load, or where asynchronous copies must end."""
    if one.op == "cp":
        return "wait_all" in one.modifiers or "wait_group" in one.modifiers
    return one.op == "ld" and "global" in one.modifiers


def _passes(places: Array, size: int, warps: Array, lanes: Array) -> tuple[int, int]:
    """Return the passes of one access to shared memory, and those at best."""
    width = max(1, size // WORD)
    group = warps * width + lanes // (WARP // width)
    words = (places // WORD)[:, None] + np.arange(width)
    keys = np.sort((np.repeat(group, width) << 32) + words.reshape(-1))
    keys = keys[np.diff(keys, prepend=-1) != 0]  # distinct words of a group
    first = keys[0] >> 32
    rows = int((keys[-1] >> 32) - first) + 1
    bank = ((keys >> 32) - first) * BANKS + keys % BANKS
    passes = np.bincount(bank, minlength=rows * BANKS).reshape(rows, BANKS).max(axis=1)
    return int(passes.sum()), int(np.count_nonzero(passes))


def _distinct(warps: Array, values: Array) -> int:
    """Return how many distinct (warp, value) there are."""
    _, fresh = _ordered(warps, values)
    return int(np.count_nonzero(fresh))


def _distinct_by(warps: Array, values: Array) -> Any:
    """Return the number of distinct values of each warp."""
    ordered, fresh = _ordered(warps, values)
    return np.bincount(ordered - ordered[0], weights=fresh).astype(np.int64)


def _ordered(warps: Array, values: Array) -> tuple[Array, Array]:
    """Return the warps in order, and whether each (warp, value) is the first of its kind."""
    order = np.lexsort((values, warps))
    ordered = warps[order]
    steps = (np.diff(ordered) != 0) | (np.diff(values[order]) != 0)
    return ordered, np.concatenate(([True], steps))
