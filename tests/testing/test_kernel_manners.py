"""check_kernel looks at inputs, dtypes, memory orders and repeatability, and takes cases."""

import numpy as np
import pytest

from testing.planted import (
    text_of,
)
from tinynet import kernels
from tinynet.kernels.geometry import Geometry
from tinynet.testing import check_kernel
from tinynet.testing.cases import cases_for


def double(x):
    return 2 * x


def writes_into_its_input(x):
    x *= 2
    return x.copy()


def doubles_the_dtype(x):
    return 2.0 * x.astype(np.float64)


def leaves_a_hole(x):
    y = np.empty_like(x)
    y[..., :-1] = 2 * x[..., :-1]
    return y


def believes_in_contiguous_memory(x):
    y = np.empty(x.shape, x.dtype)
    memory = np.lib.stride_tricks.as_strided(x, (x.size,), (x.itemsize,))
    y.ravel()[:] = 2 * memory
    return y


def needs_to_write(x):
    x[...] = x
    return 2 * x


class Counting:
    __name__ = "counting"

    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return 2 * x * (1 + self.calls * np.finfo(x.dtype).eps)


MANNERS = {
    "input changed": (writes_into_its_input, "it changed its input x"),
    "dtype": (doubles_the_dtype, "float64, expected float32"),
    "not written": (leaves_a_hole, "never written"),
    "memory order": (believes_in_contiguous_memory, "channels last in memory"),
    "read-only": (needs_to_write, "fails on read-only inputs"),
    "not repeatable": (Counting(), "not the same the second time"),
    "nothing returned": (lambda x: None, "returned 0 results, expected 1"),
    "no array": (lambda x: "text", "is a str, no array"),
    "shape": (lambda x: 2 * x[0], "the shape is (3, 4), expected (2, 3, 4)"),
}


@pytest.mark.parametrize(("mine", "complaint"), MANNERS.values(), ids=MANNERS)
def test_check_kernel_looks_at_manners_too(mine, complaint):
    cases = [(np.arange(1.0, 25).reshape(2, 3, 4),)]
    assert complaint in text_of(check_kernel, mine, against=double, cases=cases)


def test_check_kernel_takes_arguments_lists_and_names():
    x = np.ones((2, 3))
    check_kernel(double, x, against=double)
    check_kernel(double, against=double, cases=[(x,), (x[:0],)])
    text = text_of(check_kernel, lambda x: x, against=double, cases={"ones": (x,)})
    assert 'case "ones"' in text
    assert "6 of 6" in text


def test_check_kernel_forgives_absent_arguments_that_no_case_gives():
    def product(a, b):  # kernels.matmul has a third argument, which is left at its default
        return a @ b

    check_kernel(product, np.ones((2, 3)), np.ones((3, 4)), against=kernels.matmul)


def test_check_kernel_forgives_absent_arguments_that_are_neutral():
    def grouped_only(x, weight, stride, groups):
        geometry = Geometry(weight.shape[2:], stride, groups=groups)
        return kernels.conv2d_forward(x, weight, None, geometry)

    check_kernel(grouped_only, against=kernels.conv2d_forward)


def test_check_kernel_without_cases_says_so():
    with pytest.raises(ValueError, match=r"no cases for double.*cases="):
        check_kernel(double, against=double)
    with pytest.raises(ValueError, match="lacks arguments"):
        check_kernel(lambda x: x, against=kernels.lrn_forward)


def test_chosen_cases_hold_what_trust_needs():
    """One image, one channel and no image at all; ties; a stride that leaves a rest."""
    shapes = [case[0].shape for case in cases_for("conv2d_forward").values()]
    assert (1, 1) in {shape[:2] for shape in shapes}
    assert 0 in {shape[0] for shape in shapes}
    assert all(H != W for *_, H, W in shapes)
    assert any(
        len(np.unique(c[0])) < c[0].size / 4
        for c in cases_for("max_pool2d_forward").values()
        if c[0].size
    )
    assert {case[3] for case in cases_for("lrn_forward").values()} == {1.0, 1e-4}
