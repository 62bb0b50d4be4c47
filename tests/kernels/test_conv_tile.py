"""Implicit matrix products of convolution for GPUs, in float32, tf32 and bfloat16."""

import numpy as np
import pytest

import tinynet as tn
from support.strategies import integers
from tinynet import kernels
from tinynet.kernels import Geometry
from tinynet.kernels.convolution import cuda, tile
from tinynet.kernels.gemm import PRECISIONS
from tinynet.testing import tolerance

pytestmark = pytest.mark.cxx
SIGNIFICANT = {"float32": 24, "tf32": 11, "bfloat16": 8}  # bits of a factor
PAIR = (1, 1)


class Case:
    """A convolution: images (N, C, H, W), filters, windows."""

    def __init__(self, shape, filters, geometry):
        self.shape = shape
        self.geometry = geometry
        self.weight = (filters, shape[1] // geometry.groups, *geometry.kernel)
        self.outputs = geometry.output_shape("case", shape)
        self.y = (shape[0], filters, *self.outputs)

    def arrays(self, fill):
        """Return x, weight, bias and gy in float32."""
        shapes = self.shape, self.weight, self.y[1:2], self.y
        return [fill(shape).astype(np.float32) for shape in shapes]


SMALL = Case((3, 4, 6, 5), 6, Geometry((3, 2), PAIR, ((2, 1), (0, 1)), groups=2))
LARGER = {
    "32 filters, 4 places a thread": Case((3, 9, 17, 19), 26, Geometry.of(5, padding=2)),
    "96 filters, images side by side": Case((5, 18, 7, 7), 90, Geometry.of(3, padding=1)),
    "64 filters, two tiles, two groups": Case((2, 10, 9, 30), 140, Geometry.of(3, groups=2)),
    "a stride": Case((3, 5, 9, 10), 8, Geometry.of(3, stride=2, padding=1)),
    "dilation": Case((3, 27, 9, 8), 70, Geometry((3, 3), PAIR, ((2, 2), (2, 2)), (2, 1))),
    "phases, two groups, a filter that ends within one": Case(
        (3, 6, 35, 31), 70, Geometry((11, 9), (4, 3), ((2, 1), (3, 2)), groups=2)
    ),
    "wide rows": Case((1, 3, 4, 150), 5, Geometry.of(3, padding=1)),
}
PHASES = Case((2, 3, 30, 19), 6, Geometry((11, 11), (4, 4), ((2, 2), (1, 2))))
CASES = [
    pytest.param(SMALL, id="small"),
    pytest.param(PHASES, id="phases of a stride"),
    *(pytest.param(case, id=name, marks=pytest.mark.slow) for name, case in LARGER.items()),
]


def tiled(case, x, weight, bias, gy, *, relu=False):
    """Return y, gx (None under a stride) and gweight."""
    g = case.geometry
    return (
        tile.forward(x, weight, bias, case.outputs, g, relu=relu),
        tile.backward_input(gy, weight, case.shape, g),
        weight_gradient(gy, x, g),
    )


def weight_gradient(gy, x, geometry):
    """Return gweight, the sum of its parts."""
    return cuda.added(tile.weight_parts(gy, x, geometry), None, np.float32)[0]


def by_reference(case, x, weight, bias, gy):
    x, weight, bias, gy = (a.astype(np.float64) for a in (x, weight, bias, gy))
    g = case.geometry
    return (
        kernels.conv2d_forward.reference(x, weight, bias, g),
        kernels.conv2d_backward_input.reference(gy, weight, case.shape, g),
        kernels.conv2d_backward_weight.reference(gy, x, g),
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_small_integers_give_the_bits_of_the_reference(precision, case, rng):
    arrays = case.arrays(lambda shape: integers(rng, shape))
    with tn.precision(precision):
        found = tiled(case, *arrays)
    strided = case.geometry.stride != PAIR
    assert [result is None for result in found] == [False, strided, False]
    for got, expected in zip(found, by_reference(case, *arrays), strict=True):
        assert got is None or np.array_equal(got, expected)


@pytest.mark.parametrize("case", CASES[:1])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_floats_are_within_the_rounding_of_their_factors(precision, case, rng):
    arrays = case.arrays(rng.standard_normal)
    with tn.precision(precision):
        found = tiled(case, *arrays)
    unit = 2.0 ** -SIGNIFICANT[precision]
    sizes = by_reference(case, *map(np.abs, arrays))
    for got, expected, size in zip(found, by_reference(case, *arrays), sizes, strict=True):
        error = np.abs(got - expected)
        # each factor is off by a unit at most, so each product by 2 units; and the sums are float32
        assert (error <= (2 * unit + unit**2 + tolerance(1000, np.float32)) * size).all()
        assert precision == "float32" or error.max() > unit / 20, "the factors are rounded"


@pytest.mark.parametrize("precision", PRECISIONS)
def test_relu_is_taken_of_the_sum_with_the_bias(precision, rng):
    x, weight, bias, gy = SMALL.arrays(lambda shape: integers(rng, shape))
    with tn.precision(precision):
        y, *_ = tiled(SMALL, x, weight, bias, gy, relu=True)
        z = kernels.conv2d_relu_forward.implementations["cuda_on_cpu"](
            x, weight, None, SMALL.geometry
        )
    expected = kernels.conv2d_forward.reference(x, weight, bias, SMALL.geometry)
    assert np.array_equal(y, np.maximum(expected, 0))
    expected = kernels.conv2d_forward.reference(x, weight, None, SMALL.geometry)
    assert np.array_equal(z, np.maximum(expected, 0))


def test_parts_of_a_long_sum_are_added_in_a_fixed_order(rng, monkeypatch):
    monkeypatch.setattr(tile, "TILES", 1)
    gy = rng.standard_normal((9, 4, 8, 8)).astype(np.float32)
    x = rng.standard_normal((9, 3, 10, 10)).astype(np.float32)
    first, second = (weight_gradient(gy, x, Geometry.of(3)) for _ in range(2))
    assert np.array_equal(first, second)
    expected = kernels.conv2d_backward_weight.reference(
        *(a.astype(float) for a in (gy, x)), Geometry.of(3)
    )
    np.testing.assert_allclose(first, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "geometry", "why"),
    [
        ((2, 3, 40, 40), Geometry.of(30, padding=15), "the pixels under 128 windows"),
        ((2, 3, 9, 9), Geometry.of(1), "one tap, for the gradient of the weights"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_where_a_tile_does_not_fit_columns_take_over(shape, geometry, why):
    outputs = geometry.output_shape("case", shape)
    if "one tap" in why:
        gy = np.ones((2, 4, *outputs), np.float32)
        assert tile.weight_parts(gy, np.ones(shape, np.float32), geometry) is None
    else:
        weight = np.ones((4, 3, 30, 30), np.float32)
        x = np.ones(shape, np.float32)
        assert tile.forward(x, weight, None, outputs, geometry, relu=False) is None


def test_float64_is_left_to_the_columns():
    x = np.ones((1, 2, 4, 4))
    assert tile.forward(x, np.ones((1, 2, 3, 3)), None, (2, 2), Geometry.of(3), relu=False) is None


def test_a_stride_is_divided_into_phases_where_the_patch_would_not_fit():
    first = tile.plan_of(128, (55, 55), Geometry.of(11, stride=4), 128, 384)  # of AlexNet
    assert (first.phases, first.windows.kernel, first.windows.stride) == ((4, 4), (3, 3), (1, 1))
    assert tile.plan_of(128, (8, 8), Geometry.of(3, stride=2), 128, 512).phases == (1, 1)
    assert tile.plan_of(128, (8, 8), Geometry.of(1, stride=8), 128, 384) is None  # 63 of 64 idle
    assert tile.plan_of(9, (9, 9), Geometry.of(9, stride=4, dilation=2), 128, 384) is None


def test_a_tile_covers_a_batch_with_few_blocks():
    same = Geometry.of(3, padding=1)
    assert tile.tile_of(128, (8, 8), same, 128, 384)[:3] == (2, 8, 8)
    assert tile.tile_of(128, (16, 16), same, 128, 384)[:3] == (1, 8, 16)
    assert tile.tile_of(1, (13, 13), same, 128, 384).blocks(1, (13, 13)) == 2
    assert tile.tile_of(1, (8, 8), Geometry.of(30, padding=15), 64, 256) is None
