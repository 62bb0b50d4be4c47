"""All gradients of a convolution at once, as a GPU computes them."""

import itertools

import numpy as np
import pytest

from support.strategies import integers
from tinynet import kernels
from tinynet.kernels import Geometry
from tinynet.kernels.cuda.launch import observer

pytestmark = pytest.mark.cxx
GEOMETRY = Geometry.of(3, padding=1, groups=2)
on_a_card = kernels.conv2d_backward.implementations["cuda_on_cpu"]


class Listed:
    """An observer that lists the kernels that are launched."""

    def __init__(self):
        self.names = []

    def on_launch(self, text, kernel, grid, arguments, arrays):
        self.names.append(kernel)
        return True

    def on_product(self, a, b, shape):
        return True

    def on_copy(self, x):
        pass


@pytest.fixture
def launched():
    """Return the list of the kernels that are launched."""
    listed = Listed()
    token = observer.set(listed)
    yield listed.names
    observer.reset(token)


@pytest.fixture
def arrays(rng):
    """Return gy, x, weight and y, of small integers."""
    shapes = (40, 6, 8, 8), (40, 4, 8, 8), (6, 2, 3, 3), (40, 6, 8, 8)
    return [integers(rng, shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("needed", [*itertools.product([False, True], repeat=3)])
@pytest.mark.parametrize("fused", [False, True])
def test_what_is_needed_is_computed_and_nothing_else(needed, fused, arrays):
    gy, x, weight, y = arrays
    y = y if fused else None
    got = on_a_card(gy, x, weight, y, GEOMETRY, needed)
    assert tuple(g is not None for g in got) == needed
    wide = (None if a is None else a.astype(float) for a in (gy, x, weight, y))
    expected = kernels.conv2d_backward.reference(*wide, GEOMETRY, needed)
    for mine, definition in zip(got, expected, strict=True):
        assert mine is None is definition or np.array_equal(mine, definition)


def test_the_last_steps_of_the_sums_are_in_the_launch_that_packs_the_filters(arrays, launched):
    on_a_card(*arrays, GEOMETRY, (True, True, True))
    assert launched == ["relu_backward", "conv2d_weight_tile", "pack_filters", "conv2d_tile"]


def test_without_a_gradient_of_the_input_they_are_one_launch(arrays, launched):
    on_a_card(*arrays, GEOMETRY, (False, True, True))
    assert launched == ["relu_backward", "conv2d_weight_tile", "add_parts"]


def test_one_part_of_the_weights_is_not_added(arrays, launched):
    weight = arrays[2]
    gy, x, y = (arrays[i][:1] for i in (0, 1, 3))
    on_a_card(gy, x, weight, y, GEOMETRY, (False, True, False))
    assert launched == ["relu_backward", "conv2d_weight_tile"]
