"""Memory pools of the stand-in."""

import builtins
import weakref
from collections import defaultdict

import numpy as np

from support.cupy._card import POISON, card, current_device, thread
from support.cupy._streams import current_stream


class OutOfMemoryError(MemoryError):
    def __init__(self, size, total, limit=0):
        super().__init__(
            f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes)."
        )


class MemoryPool:
    """Blocks of bytes, by device and size; a freed one serves the next array of its size."""

    def __init__(self, allocator=None):
        self.free = defaultdict(list)
        self.limit = None
        self.generation = card.generation
        self.used = self.total = 0

    def malloc(self, size):
        size = builtins.max(512, -(-size // 512) * 512)
        waiting = self.free[current_device(), size]
        if not waiting and self.limit is not None and self.total + size > self.limit:
            raise OutOfMemoryError(size, self.total, self.limit)
        if not waiting:
            waiting.append(np.empty(size, np.uint8))
            self.total += size
        memory = waiting.pop()
        if card.runs:
            memory[:] = POISON
        self.used += size
        return MemoryPointer(_Block(self, memory), memory.ctypes.data)

    def free_all_blocks(self, stream=None):
        self.total -= builtins.sum(key[1] * len(blocks) for key, blocks in self.free.items())
        self.free.clear()

    def __del__(self):  # the driver hands its memory to the next pool
        if (
            card is None or card.pool is None or self.generation != card.generation
        ):  # an earlier test
            return
        for key, blocks in self.free.items():
            card.pool.free[key].extend(blocks)

    def set_limit(self, size=None, fraction=None):
        self.limit = size or None

    def used_bytes(self):
        return self.used

    def total_bytes(self):
        return self.total


class _Block:
    """Memory that goes back to its pool when the last array on it is gone."""

    def __init__(self, pool, memory):
        self.memory = memory
        self.device_id = current_device()
        where = self.device_id, current_stream()
        weakref.finalize(self, self._give_back, pool, memory, *where).atexit = False

    @staticmethod
    def _give_back(pool, memory, device_id, stream):
        """A block serves the next array of its stream: there, what was launched before is done."""

        def give():
            if card.runs:
                memory[:] = POISON
            pool.used -= memory.size
            pool.free[device_id, memory.size].append(memory)

        if card.lazy and not stream.is_capturing():
            stream.later(give)
        else:
            give()


class MemoryPointer:
    def __init__(self, mem, ptr):
        self.mem = mem
        self.ptr = ptr
        self.device_id = mem.device_id


def get_default_memory_pool():
    if card.pool is None:
        card.pool = MemoryPool()
    return card.pool


def allocate(size):
    return (getattr(thread, "allocator", None) or get_default_memory_pool().malloc)(size)


class using_allocator:
    def __init__(self, allocator=None):
        self.allocator = allocator

    def __enter__(self):
        self.before = getattr(thread, "allocator", None)
        thread.allocator = self.allocator

    def __exit__(self, *_):
        thread.allocator = self.before
