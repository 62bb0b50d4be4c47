r"""Counter-based random numbers: independent of the backend, and of what was drawn before.

Philox (Salmon et al. 2011) is a *counter-based* generator: the numbers are a function of a key and
a counter, there is no other state. Here the key is the seed, and the counter says which
number it is:

    word i of draw d in training step s  =  Philox4x32(counter = (i // 4, d, s), key = seed)[i % 4]

So a run that resumes at step 700 draws what the uninterrupted run drew there, and a dropout mask
is the same on NumPy, in Numba and on a GPU.
"""

from __future__ import annotations

import contextlib
import threading
import zlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinynet.core import hooks
from tinynet.core.backend import Array, array_module
from tinynet.core.errors import CaptureError


@dataclass
class _Counters:
    """The position of the global stream: see `seed`, `at_step` and `next_draw`."""

    seed: int = 0
    step: int = 0
    draw: int = 0
    parameter: int = 0
    sample: int = 0
    row: int = 0


_counters = _Counters()  # of the process: of the main thread, and of threads without a seed
_own: ContextVar[_Counters | None] = ContextVar("tinynet.random", default=None)


def _here() -> _Counters:
    """Return the position of the stream that this thread draws from."""
    return _own.get() or _counters


def seed(n: int) -> None:
    """Start all random streams anew from seed `n`: initial weights, dropout masks, `randn`.

    Called in the main thread, it starts the streams of the process. Called in another thread, it
    gives that thread streams of its own, so two runs in two threads draw what each draws alone.
    A thread that calls neither `seed` nor `fork` draws from the streams of the process.

    Parameters
    ----------
    n : int, 0 .. 2**64 - 1

    Raises
    ------
    ValueError
        If `n` is not such an integer.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.seed(1)
    """
    if not isinstance(n, (int, np.integer)) or not 0 <= n < 2**64:
        raise ValueError(f"seed: a seed is an integer in 0..2**64-1, got {n!r}.")
    global _counters
    start = _Counters(seed=int(n))
    if _own.get() is None and threading.current_thread() is threading.main_thread():
        _counters = start
    else:
        _own.set(start)


def at_step(step: int) -> None:
    """Let the following draws belong to this training step, and begin with its draw 0."""
    if hooks.active.get() is not None:
        raise CaptureError(
            "at_step: a replay would not repeat this call. Set the step before calling the graph."
        )
    here = _here()
    here.step = step
    here.draw = 0


def row() -> int:
    """Return the number that image 0 of a batch has: see `at_row`."""
    return _here().row


def at_row(row: int) -> None:
    """Let image 0 of a batch count as image `row`: other ranks have those before it."""
    _here().row = row


@contextlib.contextmanager
def fork(n: int) -> Iterator[None]:
    """Inside the block everything is drawn from seed `n`; afterwards the old streams go on.

    Other threads do not notice: their streams go on during the block, too.
    """
    before = _own.get()
    _own.set(_counters)  # from here on `seed` is of this thread alone
    try:
        seed(n)
        yield
    finally:
        _own.set(before)


class LiveKey(NamedTuple):
    """Key of a draw in a recorded step: it lies in memory, since every replay draws anew."""

    counters: Array  # (3,) uint64: seed, step, draw
    offset: int  # to be added to the draw
    first: int = 0


Key = tuple[int, int, int] | tuple[int, int, int, int] | LiveKey
"""Which draw it is, (seed, step, draw), and which of its numbers is the first, if not number 0."""


def next_draw(an_image: int = 0) -> Key:
    """Return the key of one more draw, for example of a dropout mask.

    `an_image`: how many numbers an image takes; those of a shard begin where the whole batch's do.
    """
    key = counters()
    here = _here()
    first = here.row * an_image
    here.draw += 1
    recording = hooks.active.get()
    if recording is not None:
        live: LiveKey = recording.on_draw(key[2], first)
        return live
    return (*key, first) if first else key


def first_number(key: Key) -> int:
    """Return which number of its draw is the first one that is wanted."""
    return key.first if isinstance(key, LiveKey) else key[3] if len(key) > 3 else 0


def counters() -> tuple[int, int, int]:
    """Return the seed, the step and the number of the next draw."""
    here = _here()
    return here.seed, here.step, here.draw


def skip(draws: int) -> None:
    """Count draws that were made elsewhere: by a replay."""
    _here().draw += draws


def numbers(key: Key) -> tuple[Any, Any, Any]:
    """Return (seed, step, draw): of a key in the memory of a GPU, as arrays without axes."""
    if not isinstance(key, LiveKey):
        return key[:3]
    seed, step, draw = (key.counters[i] for i in range(3))
    found = seed, step, draw + np.uint64(key.offset)
    return found if array_module(key.counters) is not np else tuple(int(n) for n in found)  # type: ignore[return-value]


def next_parameter() -> np.random.Generator:
    """Return the generator for the initial values of one more parameter."""
    here = _here()
    here.parameter += 1
    return generator("parameter", here.parameter - 1)


def next_sample() -> np.random.Generator:
    """Return the generator for one more array of random numbers: see `tensors.randn`."""
    here = _here()
    here.sample += 1
    return generator("sample", here.sample - 1)


def generator(*path: int | str, seed: int | None = None) -> np.random.Generator:
    """Return NumPy's generator over Philox for this seed and path, e.g. ``("shuffle", epoch)``.

    The same path always gives the same numbers: nothing has to be stored to go on later.
    """
    words = [zlib.crc32(p.encode()) if isinstance(p, str) else p for p in path]
    entropy = [_here().seed if seed is None else seed, *words]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))


def philox4x32(counter: list[Array], key: tuple[Any, Any]) -> list[Array]:
    """Return four arrays of random 32-bit words for four arrays of 32-bit counter words.

    Ten rounds of: multiply two words, keep both halves of the products, mix in the others and the
    key (Philox4x32-10, Salmon et al. 2011, section 3.2). All arrays are uint64 holding 32 bits.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0 = c0 * np.uint64(0xD2511F53)
        p1 = c2 * np.uint64(0xCD9E8D57)
        c0 = (p1 >> np.uint64(32)) ^ c1 ^ k0
        c1 = p1 & np.uint64(0xFFFFFFFF)
        c2 = (p0 >> np.uint64(32)) ^ c3 ^ k1
        c3 = p0 & np.uint64(0xFFFFFFFF)
        k0 = (k0 + 0x9E3779B9) % 2**32
        k1 = (k1 + 0xBB67AE85) % 2**32
    return [c0, c1, c2, c3]


def random_bits(size: int, key: Key, like: Array) -> Array:
    """Return `size` random 32-bit words (uint32) of a draw, from its first one on."""
    xp: Any = array_module(like)
    n, step, draw = numbers(key)
    start, skipped = divmod(first_number(key), 4)
    block = xp.arange(start, start - (-(size + skipped) // 4), dtype=xp.uint64)
    fixed = [xp.zeros_like(block) + word for word in (draw, step % 2**32, step // 2**32)]
    words = philox4x32([block, *fixed], (n % 2**32, n // 2**32))
    return xp.stack(words, axis=1).astype(xp.uint32).reshape(-1)[skipped : skipped + size]
