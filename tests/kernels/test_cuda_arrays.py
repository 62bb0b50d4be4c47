"""CUDA kernels on CuPy arrays: those of the stand-in, and on a GPU if there is one."""

import functools

import numpy as np
import pytest

from tinynet import kernels
from tinynet.kernels.convolution import columns
from tinynet.testing import check_kernel

pytestmark = pytest.mark.cxx
WITH_CUDA = [k for k in kernels.KERNELS if "cuda" in k.implementations]


def on_card(kernel, cupy):
    """Return the kernel's CUDA version as a function of NumPy arrays."""

    @functools.wraps(kernel.reference)
    def function(*arguments):
        moved = [cupy.array(a) if isinstance(a, np.ndarray) else a for a in arguments]
        assert kernel.kind_for(*moved) == "cuda"
        result = kernel.implementations["cuda"](*moved)
        if result is None:  # it changed its arguments in place
            for mine, other in zip(arguments, moved, strict=True):
                if isinstance(mine, np.ndarray) and mine.flags.writeable:
                    mine[...] = other.get()
            return None
        return tuple(a.get() for a in result) if isinstance(result, tuple) else result.get()

    return function


@pytest.mark.parametrize("kernel", WITH_CUDA, ids=lambda kernel: kernel.__name__)
def test_a_kernel_does_on_a_card_what_its_reference_says(kernel, cupy, monkeypatch):
    monkeypatch.setattr(columns, "COLUMNS", 200)  # so that a batch is split into parts
    check_kernel(on_card(kernel, cupy), against=kernel)


def test_bytes_take_the_reference_but_for_images_that_are_augmented(cupy):
    """NVRTC does not compile arithmetic such as rsqrt for bytes."""
    bytes_ = cupy.asarray(np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4))
    geometry = kernels.Geometry((3, 3), (1, 1))
    assert kernels.im2col.kind_for(bytes_, geometry) == "reference"
    columns_of_bytes = kernels.im2col(bytes_, geometry)
    assert (columns_of_bytes.get() == kernels.im2col(bytes_.get(), geometry)).all()
    mean = cupy.zeros((3, 1, 1), np.float32)
    assert kernels.augment.kind_for(bytes_, None, mean) == "cuda"
    assert kernels.augment.kind_for(bytes_, None, cupy.zeros((3, 1, 1), int)) == "reference"
