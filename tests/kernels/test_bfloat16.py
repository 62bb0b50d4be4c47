"""Activations in bfloat16: each kernel that stores them, against its reference in float64."""

import numpy as np
import pytest

import tinynet as tn
from support.bfloat16_maps import MAPS
from tinynet import kernels
from tinynet.core.bfloat16 import BFloat16, numbers, rounded
from tinynet.kernels.geometry import Geometry
from tinynet.testing import tolerance
from tinynet.testing.cases import cases_for
from tinynet.testing.compare import scale_of

pytestmark = pytest.mark.cxx
UNIT = 2.0**-8  # a number that is rounded to 8 significant bits is off by this share at most
KERNELS = {k.__name__: k for k in kernels.KERNELS if k.takes_bfloat16 and "bf" not in k.__name__}
STORED = {  # results that are stored as bfloat16, and no others
    "conv2d_relu_forward": (0,),
    "conv2d_backward_input": (),  # gx is stored as x is, and the kernel does not see x
    "conv2d_relu_backward": (0,),
    "conv2d_backward": (0,),
    "max_pool2d_forward": (0,),
    "max_pool2d_relu_forward": (0,),
    "max_pool2d_backward": (0,),
    "lrn_forward": (0,),
    "lrn_backward": (0,),
    "lrn_max_pool_forward": (0,),
    "lrn_max_pool_backward": (0,),
    "dropout": (0,),
    "linear_relu_backward": (0,),
}


def stored(x):
    return BFloat16(rounded(x))


def several(results):
    return results if isinstance(results, tuple) else (results,)


def floats(x):
    return numbers(x.words) if isinstance(x, BFloat16) else x


def given(name, case):
    """Return the arguments with activations in bfloat16; the numbers of weights fit it, too."""
    return [_given(name, i, argument) for i, argument in enumerate(case)]


def _given(name, i, argument):
    if not isinstance(argument, np.ndarray) or argument.dtype.kind != "f":
        return argument
    if i in MAPS[name]:
        return stored(argument)
    keeps = name == "lrn_backward"  # the scale, which stays float32
    return argument.astype(np.float32) if keeps else floats(stored(argument))


def test_all_kernels_that_take_bfloat16_are_known():
    assert set(MAPS) == set(KERNELS)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_off_by_the_rounding_of_what_it_stores(name, precision):
    kernel = KERNELS[name]
    for case in cases_for(name).values():
        arguments = given(name, case)
        wide = [floats(a) for a in arguments]
        wide = [a.astype(float) if getattr(a, "dtype", None) == np.float32 else a for a in wide]
        if name == "lrn_backward":  # y is computed again from x and the scale, not read
            wide[2] = wide[1] * wide[3] ** -wide[6]
        expected = several(kernel.reference(*wide))
        with tn.precision(precision), kernels.use("cuda_on_cpu"):
            got = several(kernel(*arguments))
        terms = max(a.size for a in wide if isinstance(a, np.ndarray))
        for mine, theirs in zip(got, expected, strict=True):
            if not isinstance(theirs, np.ndarray) or theirs.dtype.kind != "f":
                assert np.array_equal(mine, theirs)
                continue
            rounding = UNIT if isinstance(mine, BFloat16) else 0
            allowed = rounding * np.abs(theirs) + tolerance(terms, np.float32) * scale_of(theirs)
            assert mine.shape == theirs.shape
            assert (np.abs(floats(mine) - theirs) <= allowed).all()


@pytest.mark.parametrize("name", KERNELS)
def test_what_is_stored_as_bfloat16(name):
    kernel = KERNELS[name]
    case = next(iter(cases_for(name).values()))
    with tn.precision("bfloat16"), kernels.use("cuda_on_cpu"):
        got = several(kernel(*given(name, case)))
    found = tuple(i for i, result in enumerate(got) if isinstance(result, BFloat16))
    assert found == STORED.get(name, ())


def test_a_convolution_of_float32_images_stores_bfloat16_behind_its_relu(rng):
    x, weight = (rng.standard_normal(s).astype(np.float32) for s in ((2, 3, 9, 9), (4, 3, 3, 3)))
    with tn.precision("bfloat16"), kernels.use("cuda_on_cpu"):
        y = kernels.conv2d_relu_forward(x, weight, None, Geometry.of(3))
        z = kernels.conv2d_forward(x, weight, None, Geometry.of(3))
    assert isinstance(y, BFloat16)
    assert z.dtype == np.float32
    assert np.array_equal(numbers(y.words), numbers(rounded(np.maximum(z, 0))))


def test_a_product_stores_its_result_as_it_is_told(rng):
    a, b = (stored(rng.standard_normal(shape)) for shape in ((3, 5), (5, 4)))
    with tn.precision("bfloat16"), kernels.use("cuda_on_cpu"):
        y = kernels.matmul(a, b)
        half = kernels.matmul(a, b, "", True)
    assert y.dtype == np.float32
    assert np.array_equal(half.words, rounded(y))


@pytest.mark.parametrize("kind", ["reference", "numba", "cuda"])
def test_a_kernel_that_cannot_read_bfloat16_gets_float32(kind, rng):
    x = stored(rng.standard_normal((2, 3, 6, 6)))
    with kernels.use(kind):
        y, _ = kernels.max_pool2d_forward(x, Geometry((2, 2)), False)
    expected, _ = kernels.max_pool2d_forward.reference(floats(x), Geometry((2, 2)), False)
    assert np.array_equal(y, expected)


def test_a_window_that_falls_back_gets_float32_too(rng):
    x = stored(rng.standard_normal((1, 1, 17, 17)))
    with kernels.use("cuda_on_cpu"):
        y, _ = kernels.max_pool2d_forward(x, Geometry((16, 17)), False)
    assert y.dtype == np.float32
    assert y[0, 0, 0, 0] == floats(x)[0, 0, :16].max()


def test_every_word_survives_and_every_half_is_rounded_to_even():
    words = np.arange(2**16, dtype=np.uint16)
    x = numbers(words)
    known = x == x
    for kind in ("reference", "cuda_on_cpu"):
        with kernels.use(kind):
            assert np.array_equal(kernels.to_bfloat16(x)[known], words[known])
            assert np.isnan(numbers(kernels.to_bfloat16(x)[~known])).all()
            between = (words.astype(np.uint32) << 16 | 0x8000).view(np.float32)
            ok = np.isfinite(between)
            assert not (kernels.to_bfloat16(between)[ok] & 1).any()
