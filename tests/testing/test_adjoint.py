"""check_adjoint finds a backward that is not the transpose."""

import pytest

from testing.planted import (
    X,
    overwriting_col2im,
    text_of,
)
from tinynet import kernels
from tinynet.kernels.geometry import Geometry
from tinynet.testing import check_adjoint

GEOMETRY = Geometry((3, 2), (2, 1), ((1, 0), (0, 1)))


def columns_of(x):
    return kernels.im2col(x, GEOMETRY)


def test_check_adjoint_accepts_the_transpose():
    check_adjoint(columns_of, lambda c: kernels.col2im(c, X.shape, GEOMETRY), X)
    check_adjoint(lambda a, b: 2 * a - b, lambda g: (2 * g, -g), X, X)


ADJOINTS = {
    "overwrites": lambda c: overwriting_col2im(c, X.shape, GEOMETRY),
    "sign": lambda c: -kernels.col2im(c, X.shape, GEOMETRY),
    "flipped": lambda c: kernels.col2im(c, X.shape, GEOMETRY)[:, :, ::-1],
    "one part in a million": lambda c: kernels.col2im(c, X.shape, GEOMETRY) * (1 + 1e-6),
}


@pytest.mark.parametrize("backward", ADJOINTS.values(), ids=ADJOINTS)
def test_check_adjoint_finds_the_mistake(backward):
    text = text_of(check_adjoint, columns_of, backward, X)
    assert "is not the transpose of columns_of" in text
    assert "Worst at [n=" in text


def test_check_adjoint_names_the_wrong_input_and_shape():
    text = text_of(check_adjoint, lambda a, b: a - b, lambda g: (g, g), X, X)
    assert "for input 1" in text
    assert "sign is flipped" in text
    text = text_of(check_adjoint, lambda a: a.sum(axis=0), lambda g: g, X)
    assert "(6, 4, 5), expected (2, 6, 4, 5)" in text


def test_check_adjoint_refuses_what_is_not_linear():
    with pytest.raises(ValueError, match=r"(?s)not linear.*check_gradient"):
        check_adjoint(lambda x: x + 1, lambda g: g, X)
