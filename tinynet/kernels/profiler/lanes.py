"""Execution of PTX on NumPy arrays: sampled blocks of a launch, one array element a thread.

All lanes stand at a place in the code. The lanes at the lowest place run until the end of their
basic block; where a branch divides them, they go on apart, and meet again at a later block. So the
lanes of a warp diverge and converge as on a GPU, and each executed block tells how many of its 32
lanes took part. Arguments are copied before the first write: a profile changes nothing.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.profiler import tensor_cores
from tinynet.kernels.profiler.arithmetic import RULES, Rule, converted, source_types
from tinynet.kernels.profiler.counters import Counters
from tinynet.kernels.profiler.memory import Memory
from tinynet.kernels.profiler.ptx import TYPES, Address, Entry, Instruction

WARP = 32
STEPS = 2_000_000  # executed basic blocks after which a launch is given up
CLASSES = (  # registers by the beginning of their name; the longer one first
    ("%rs", np.uint16),
    ("%rd", np.uint64),
    ("%fd", np.float64),
    ("%p", np.bool_),
    ("%r", np.uint32),
    ("%f", np.float32),
    ("%SP", np.uint64),
    ("%temp", np.uint32),  # half of a 64-bit number
)


class UnsupportedError(Exception):
    """An instruction that this module cannot execute."""


class Lanes:
    """The threads of some blocks of one launch.

    Parameters
    ----------
    entry : the kernel
    grid, block : sizes in x, y and z
    chosen : the numbers of the blocks that run
    memory : what their addresses mean
    """

    def __init__(
        self,
        entry: Entry,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        chosen: Array,
        memory: Memory,
    ) -> None:
        self.entry = entry
        self.memory = memory
        threads = block[0] * block[1] * block[2]
        self.block_of = np.repeat(np.arange(len(chosen)), threads)
        thread = np.tile(np.arange(threads), len(chosen))
        warps = -(-threads // WARP)
        self.warp_of = self.block_of * warps + thread // WARP
        self.lane_of = thread % WARP
        self.first_of_warp = np.arange(len(thread)) - self.lane_of
        self.registers: dict[str, Array] = {}
        self.plans: dict[int, tuple[Rule, Any, list[tuple[Any, Any]]]] = {}
        self.special = self._special(grid, block, chosen, thread)
        self.counters = Counters(entry, len(chosen) * warps)
        leaders = (*entry.leaders, len(entry.code))
        self.end_of = dict(itertools.pairwise(leaders))

    def _special(
        self, grid: tuple[int, ...], block: tuple[int, ...], chosen: Array, thread: Array
    ) -> dict[str, Array]:
        """Return the read-only registers: %tid.x, %ctaid.y and so on."""
        found: dict[str, Array] = {"%laneid": self.lane_of}
        of_grid = chosen[self.block_of]
        for size, number, sizes, names in (
            (block, thread, "%ntid", "%tid"),
            (grid, of_grid, "%nctaid", "%ctaid"),
        ):
            x, y, z = size
            for axis, value, length in (
                ("x", number % x, x),
                ("y", number // x % y, y),
                ("z", number // x // y, z),
            ):
                found[f"{names}.{axis}"] = value
                found[f"{sizes}.{axis}"] = np.full(len(thread), length)
        return {name: value.astype(np.uint32) for name, value in found.items()}

    def run(self) -> Counters:
        """Execute all lanes to their end; return what was counted."""
        places: dict[int, list[Array]] = {0: [np.arange(len(self.block_of))]}
        queue = [0]
        waiting: dict[int, list[Array]] = {}
        steps = 0
        if any(one.op in ("bar", "barrier") and "red" in one.modifiers for one in self.entry.code):
            raise UnsupportedError('it contains the instruction "bar.red"')
        with np.errstate(all="ignore"):
            while queue or waiting:
                if not queue:  # all others have ended, or wait at a barrier too
                    places, waiting = waiting, {}
                    queue = sorted(places)
                place = heapq.heappop(queue)
                parts = places.pop(place)
                active = parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts))
                steps += 1
                if steps > STEPS:
                    raise UnsupportedError(f"it runs more than {STEPS:,} basic blocks")
                for target, lanes, waits in self._basic_block(place, active):
                    if len(lanes) == 0 or target >= len(self.entry.code):
                        continue
                    into = waiting if waits else places
                    if target not in into and not waits:
                        heapq.heappush(queue, target)
                    into.setdefault(target, []).append(lanes)
        return self.counters

    def _basic_block(self, place: int, active: Array) -> Iterator[tuple[int, Array, bool]]:
        """Execute one basic block; yield where its lanes go on, and whether they wait there."""
        warps = self.warp_of[active]
        self.counters.enter(place, active, warps)
        end = self.end_of[place]
        for at in range(place, end):
            one = self.entry.code[at]
            lanes = active if not one.guard else active[self._holds(one, active)]
            if one.op == "bra":
                yield self.entry.labels[one.operands[-1]], lanes, False
                if one.guard:
                    yield end, active[~self._holds(one, active)], False
                return
            if one.op in ("ret", "exit"):
                if one.guard:
                    yield end, active[~self._holds(one, active)], False
                return
            if one.op in ("bar", "barrier"):
                yield end, active, True
                return
            if len(lanes):
                self._execute(at, one, lanes)
        yield end, active, False

    def _holds(self, one: Instruction, lanes: Array) -> Array:
        return self._register(one.guard)[lanes] != one.negated

    # ---- one instruction

    def _execute(self, at: int, one: Instruction, lanes: Array) -> None:
        if one.op in RULES:
            if at not in self.plans:
                self.plans[at] = _plan(one)
            rule, target, sources = self.plans[at]
            self.write(target, lanes, rule(one, *[self.read(s, lanes, t) for s, t in sources]))
            return
        special = getattr(self, f"_{one.op}", None)
        if special is None:
            raise UnsupportedError(f'it contains the instruction "{one.op}"')
        special(at, one, lanes)

    def read(self, operand: Any, lanes: Array, kind: Any) -> Array:
        """Return an operand as an array of `kind`, one element a lane."""
        if isinstance(operand, (int, float)):
            return np.full(len(lanes), _immediate(operand, np.dtype(kind)))
        if operand.startswith("!"):
            return ~self.read(operand[1:], lanes, kind)
        if operand in self.special:
            found = self.special[operand]
        elif operand.startswith("%"):
            found = self._register(operand)
        else:
            return np.full(len(lanes), self.memory.address(operand), kind)
        if len(lanes) < len(found):
            found = found[lanes]
        if found.dtype == kind:
            return found
        same = found.dtype.itemsize == np.dtype(kind).itemsize
        return found.view(kind) if same else found.astype(kind)

    def _register(self, name: str) -> Array:
        """Return a register of all lanes; 0 where nothing was written."""
        if name not in self.registers:
            kind = next((kind for start, kind in CLASSES if name.startswith(start)), None)
            if kind is None or "|" in name:
                raise UnsupportedError(f'it uses the register "{name}"')
            self.registers[name] = np.zeros(len(self.block_of), kind)
        return self.registers[name]

    def write(self, target: Any, lanes: Array, value: Array) -> None:
        """Write a value to a register, in the register's own type."""
        if target == "_":
            return
        register = self._register(target)
        value = np.asarray(value)
        same = value.dtype.itemsize == register.dtype.itemsize
        if value.dtype != register.dtype:
            value = value.view(register.dtype) if same else value.astype(register.dtype)
        register[lanes if len(lanes) < len(register) else slice(None)] = value

    def _mov(self, at: int, one: Instruction, lanes: Array) -> None:
        target, source = one.operands
        kind = TYPES[one.kind]
        if isinstance(target, tuple):  # one register into several
            whole = self.read(source, lanes, kind)
            part = np.dtype(f"u{whole.itemsize // len(target)}")
            pieces = np.ascontiguousarray(whole).view(part).reshape(len(lanes), -1)
            for name, piece in zip(target, pieces.T, strict=True):
                self.write(name, lanes, np.ascontiguousarray(piece))
        elif isinstance(source, tuple):
            part = np.dtype(f"u{np.dtype(kind).itemsize // len(source)}")
            pieces = np.stack([self.read(name, lanes, part.type) for name in source], axis=1)
            self.write(target, lanes, np.ascontiguousarray(pieces).view(kind)[:, 0])
        else:
            self.write(target, lanes, self.read(source, lanes, kind))

    def _cvt(self, at: int, one: Instruction, lanes: Array) -> None:
        target, *sources = one.operands
        values = [self.read(source, lanes, TYPES[one.kind]) for source in sources]
        if "tf32" in one.modifiers:
            self.write(target, lanes, tensor_cores.tf32(values[0]))
        elif "bf16x2" in one.modifiers:
            self.write(target, lanes, tensor_cores.bfloat16_pair(*values))
        else:
            self.write(target, lanes, converted(one, values[0]))

    def _mma(self, at: int, one: Instruction, lanes: Array) -> None:
        """Multiply the fragments of whole warps."""
        if len(lanes) % WARP or not np.array_equal(
            self.lane_of[lanes], np.arange(len(lanes)) % WARP
        ):
            raise UnsupportedError("a part of a warp executes mma")
        targets, *sources = one.operands
        a, b, c = (
            np.stack([self.read(name, lanes, kind) for name in names], axis=1)
            for names, kind in zip(sources, (np.uint32, np.uint32, np.float32), strict=True)
        )
        try:
            sums = tensor_cores.multiply_add(one, a, b, c)
        except ValueError as error:
            raise UnsupportedError(str(error)) from None
        for i, name in enumerate(targets):
            self.write(name, lanes, np.ascontiguousarray(sums[:, i]))

    def _shfl(self, at: int, one: Instruction, lanes: Array) -> None:
        target, source, by, clamp = one.operands[:4]
        name, _, within = target.partition("|")
        value = self.read(source, lanes, np.uint32)
        offset = self.read(by, lanes, np.uint32).astype(np.int64) % WARP
        bounds = self.read(clamp, lanes, np.uint32).astype(np.int64)
        segment = bounds >> 8 & (WARP - 1)  # the bits of a lane that name its part of the warp
        lane = self.lane_of[lanes]
        first = lane & segment
        last = first | (bounds & (WARP - 1) & ~segment)
        way = one.modifiers[1]
        from_lane = {
            "bfly": lane ^ offset,
            "down": lane + offset,
            "up": lane - offset,
            "idx": first | (offset & ~segment),
        }[way]
        inside = from_lane >= last if way == "up" else from_lane <= last
        whole = np.zeros(len(self.block_of) + WARP, np.uint32)
        present = np.zeros(len(whole), bool)
        whole[lanes] = value
        present[lanes] = True
        origin = self.first_of_warp[lanes] + np.clip(from_lane, 0, WARP - 1)
        warp = np.append(self.warp_of, np.full(WARP, -1))
        valid = inside & present[origin] & (warp[origin] == self.warp_of[lanes])
        if within:
            self.write(within, lanes, inside)
        self.write(name, lanes, np.where(valid, whole[origin], value))

    # ---- memory

    def _ld(self, at: int, one: Instruction, lanes: Array) -> None:
        targets, address = one.operands
        names = targets if isinstance(targets, tuple) else (targets,)
        kind = np.dtype(TYPES[one.kind])
        space, places = self._places(at, one, address, lanes, kind.itemsize * len(names))
        for i, name in enumerate(names):
            value = self.memory.load(space, places + i * kind.itemsize, kind, self.block_of[lanes])
            if kind.itemsize < 4 and kind.kind == "i":
                value = value.astype(np.int16)  # narrow loads extend the sign
            self.write(name, lanes, value)

    def _st(self, at: int, one: Instruction, lanes: Array) -> None:
        address, sources = one.operands
        names = sources if isinstance(sources, tuple) else (sources,)
        kind = np.dtype(TYPES[one.kind])
        space, places = self._places(at, one, address, lanes, kind.itemsize * len(names))
        for i, name in enumerate(names):
            value = self.read(name, lanes, kind.type)
            self.memory.store(space, places + i * kind.itemsize, value, self.block_of[lanes])

    def _cp(self, at: int, one: Instruction, lanes: Array) -> None:
        """Copy from global to shared memory at once; so what waits for a copy has nothing to do."""
        if len(one.operands) < 2:
            return
        to, source, size = one.operands
        word = np.dtype(np.uint32)
        _, places = self._places(at, one, source, lanes, size, "global")
        _, goals = self._places(at, one, to, lanes, size, "shared")
        blocks = self.block_of[lanes]
        for offset in range(0, size, word.itemsize):
            value = self.memory.load("global", places + offset, word, blocks)
            self.memory.store("shared", goals + offset, value, blocks)

    def _places(
        self,
        at: int,
        one: Instruction,
        address: Address,
        lanes: Array,
        size: int,
        space: str = "",
    ) -> tuple[str, Array]:
        """Return the space of an access, which a modifier names, and its addresses; count it."""
        space = space or next((m for m in one.modifiers if m in self.memory.SPACES), "generic")
        base = self.read(address.base, lanes, np.uint64)
        places = base.astype(np.int64) + address.offset
        if space == "generic":
            space = "global"
        if space in ("local", "const"):
            raise UnsupportedError(f"it uses {space} memory")
        if space == "shared":  # its addresses have 32 bits
            places &= 0xFFFFFFFF
        self.counters.access(
            at, space, places, size, self.warp_of[lanes], self.lane_of[lanes], self.memory
        )
        return space, places

    def _atom(self, at: int, one: Instruction, lanes: Array) -> None:
        target, address, source = one.operands[:3]
        self._change(at, one, lanes, target, address, source)

    def _red(self, at: int, one: Instruction, lanes: Array) -> None:
        address, source = one.operands
        self._change(at, one, lanes, "_", address, source)

    def _change(
        self, at: int, one: Instruction, lanes: Array, target: str, address: Address, source: str
    ) -> None:
        """Add, or take the maximum or minimum, at an address; lanes one after the other."""
        kind = np.dtype(TYPES[one.kind])
        change = {"add": np.add, "max": np.maximum, "min": np.minimum}
        named = next((m for m in one.modifiers if m in change), None)
        if named is None:
            raise UnsupportedError(
                f'it contains the instruction "{one.op}.{".".join(one.modifiers)}"'
            )
        space, places = self._places(at, one, address, lanes, kind.itemsize)
        values = self.read(source, lanes, kind.type)
        blocks = self.block_of[lanes]
        for i in range(len(lanes)):
            here = slice(i, i + 1)
            old = self.memory.load(space, places[here], kind, blocks[here])
            self.write(target, lanes[here], old)
            new = change[named](old, values[here])
            self.memory.store(space, places[here], new, blocks[here])

    def _membar(self, at: int, one: Instruction, lanes: Array) -> None:
        """Memory is written at once, so a fence has nothing to wait for."""

    _fence = _membar


def _plan(one: Instruction) -> tuple[Rule, Any, list[tuple[Any, Any]]]:
    """Return the rule of an instruction, its target, and its sources with their types."""
    target, *sources = one.operands
    types = source_types(one, len(sources))
    return RULES[one.op], target, list(zip(sources, types, strict=True))


def _immediate(value: Any, kind: np.dtype[Any]) -> Any:
    """Return a number of the text as one of a type: integers wrap, floats keep their bits."""
    if kind.kind not in "iu":
        return kind.type(value)
    size = kind.itemsize
    if isinstance(value, float):
        return np.array(value, f"f{size}").view(kind)
    return np.array(value & (1 << 8 * size) - 1, f"u{size}").view(kind)
