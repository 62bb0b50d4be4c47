"""A stand-in for the part of CuPy that tinynet uses, for machines without a GPU.

Its arrays are no NumPy arrays and refuse to meet them, or to be read by NumPy: a stray ``np.``
call fails here as it would on a card. It also behaves like a card where that is easy to forget:

    memory      comes from pools; freed blocks are handed out again, full of bytes 255 (NaN, -1)
    devices     arrays of another device than the current one are refused
    capture     launches are written down and not carried out; host copies are refused
    products    ``@`` and ``cupy.matmul`` are refused always: tinynet has a gemm of its own
    copies      from a device to the host are counted in ``reads``: each one waits for the card
    streams     with ``card.lazy``, launches run as late as a card may run them, so that a
                forgotten wait reads poison

`test_stand_in.py` compares its names with those of the real CuPy where that is installed.
"""

from support.cupy import _functions
from support.cupy._arrays import ndarray
from support.cupy._card import card
from support.cupy._functions import (
    arange,
    array,
    asarray,
    asnumpy,
    empty,
    empty_like,
    full,
    may_share_memory,
    ones,
    ufunc,
    zeros,
)
from support.cupy._memory import get_default_memory_pool
from support.cupy._modules import RawModule, cuda, lib
from support.cupy._streams import is_available

globals().update(_functions.NAMES)
__version__ = "stand-in"
__name__ = "cupy"  # the name of the module in messages
__all__ = [
    "RawModule",
    "arange",
    "array",
    "asarray",
    "asnumpy",
    "card",
    "cuda",
    "empty",
    "empty_like",
    "full",
    "get_default_memory_pool",
    "is_available",
    "lib",
    "may_share_memory",
    "ndarray",
    "ones",
    "ufunc",
    "zeros",
]
