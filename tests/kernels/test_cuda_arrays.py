"""CUDA kernels on CuPy arrays: those of the stand-in, and on a GPU if there is one."""

import functools

import numpy as np
import pytest

from tinynet import kernels
from tinynet.core.bfloat16 import BFloat16
from tinynet.kernels.convolution import columns
from tinynet.testing import check_kernel

pytestmark = pytest.mark.cxx
WITH_CUDA = [k for k in kernels.KERNELS if "cuda" in k.implementations]


def on_card(kernel, cupy):
    """Return the kernel's CUDA version as a function of NumPy arrays."""

    @functools.wraps(kernel.reference)
    def function(*arguments):
        moved = [cupy.array(a) if isinstance(a, np.ndarray) else a for a in arguments]
        words = kernel.__name__ == "from_bfloat16"  # which of bare words are integers
        assert kernel.kind_for(*map(BFloat16, moved) if words else moved) == "cuda"
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


def test_bytes_beside_floats_take_the_reference_too(cupy):
    bytes_ = cupy.zeros((1, 2, 4, 4), np.uint8)
    weight = cupy.zeros((3, 2, 3, 3), np.float32)
    assert kernels.conv2d_forward.kind_for(bytes_, weight) == "reference"


def test_the_gradient_of_filters_is_the_sum_of_parts_of_several_images(cupy, monkeypatch):
    """Five images in parts of two: three parts, the last of them smaller."""
    rng = np.random.default_rng(0)
    gy = rng.integers(-4, 5, (5, 6, 3, 3)).astype(np.float32)
    x = rng.integers(-4, 5, (5, 4, 5, 5)).astype(np.float32)
    geometry = kernels.Geometry((3, 3), (1, 1), groups=2)
    monkeypatch.setattr(columns, "COLUMNS", 2 * 4 * 9 * 9)
    got = kernels.conv2d_backward_weight(cupy.asarray(gy), cupy.asarray(x), geometry)
    assert (got.get() == kernels.conv2d_backward_weight.reference(gy, x, geometry)).all()
