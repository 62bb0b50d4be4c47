"""Tensor: what goes in, what comes out, and every operator."""

import numpy as np
import pytest

import tinynet as tn

A, B = np.array([[1.0, 2], [3, 4]]), np.array([4.0, 0.5])


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1, "float32"),
        ([1, 2], "float32"),
        ([1.5, 2.5], "float32"),
        (np.array([1, 2]), "float32"),
        (np.array([True]), "float32"),
        (np.float64(2), "float64"),
        (A, "float64"),
        (A.astype("f"), "float32"),
        (tn.Tensor(A), "float64"),
    ],
)
def test_float_arrays_keep_their_dtype_and_all_else_becomes_float32(data, dtype):
    assert tn.tensor(data).dtype == dtype


def test_a_tensor_is_a_copy_of_its_data():
    a = A.copy()
    x = tn.tensor(a)
    a[0, 0] = 99
    assert x.data[0, 0] == 1


@pytest.mark.parametrize("data", ["text", [None], np.array([1j])])
def test_what_is_no_number_is_refused(data):
    with pytest.raises(TypeError, match="numbers"):
        tn.tensor(data)


OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
}


@pytest.mark.parametrize("op", OPERATORS.values(), ids=OPERATORS)
@pytest.mark.parametrize(("a", "b"), [(A, B), (A, 2.0), (3.0, B), (A, 2)])
def test_operators_are_numpys(op, a, b):
    x, y = (tn.tensor(v) if isinstance(v, np.ndarray) else v for v in (a, b))
    got = op(x, y)
    assert got.dtype == np.float64
    assert got.data == pytest.approx(op(a, b), rel=1e-15)


def test_matrix_product_and_minus():
    x = tn.tensor(A)
    assert np.array_equal((x @ x).data, A @ A)
    assert np.array_equal((-x).data, -A)


@pytest.mark.parametrize("number", [2, 2.0, np.float64(2), np.float32(2), np.int64(2)])
def test_numbers_of_python_and_numpy_follow_the_tensors_dtype(number):
    x = tn.tensor([3.0])
    for y in (x * number, number * x):
        assert y.dtype == np.float32
        assert y.data.tolist() == [6]


def test_arrays_and_tensors_do_not_mix_silently():
    for mix in (lambda: A + tn.tensor(A), lambda: tn.tensor(A) + A):
        with pytest.raises(TypeError):
            mix()


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (lambda x: x.sum(), A.sum()),
        (lambda x: x.sum(axis=0, keepdims=True), A.sum(0, keepdims=True)),
        (lambda x: x.mean(1), A.mean(1)),
        (lambda x: x.max(), A.max()),
        (lambda x: x.reshape(4), A.reshape(4)),
        (lambda x: x.reshape((1, -1)), A.reshape(1, -1)),
        (lambda x: x.transpose(), A.T),
        (lambda x: x.transpose(1, 0), A.T),
        (lambda x: x.transpose((1, 0)), A.T),
        (lambda x: x.exp(), np.exp(A)),
        (lambda x: x.log(), np.log(A)),
        (lambda x: x.sqrt(), np.sqrt(A)),
        (lambda x: x[1], A[1]),
    ],
)
def test_methods_are_numpys(method, expected):
    y = method(tn.tensor(A))
    assert y.shape == np.shape(expected)
    assert np.array_equal(y.data, expected)


def test_item_numpy_and_len():
    x = tn.tensor(A)
    assert x.sum().item() == 10
    assert isinstance(x.sum().item(), float)
    assert x.numpy() is x.data
    assert len(x) == 2
    assert x.shape == (2, 2)


def test_the_gradient_comes_back_from_another_dtype():
    x = tn.tensor(A, requires_grad=True)
    y = x.to(np.float32)
    assert (y.dtype, y.requires_grad) == (np.float32, True)
    (y * y).sum().backward()
    assert np.array_equal(x.grad, 2 * A)
    assert x.grad.dtype == np.float64


def test_repr_shows_what_is_not_usual():
    assert repr(tn.tensor([1.0, 2.0])) == "tensor([1., 2.])"
    shown = repr(tn.tensor(B, device="cpu:1", requires_grad=True))
    assert all(part in shown for part in ("float64", "cpu:1", "requires_grad=True"))


def test_zeros_and_ones():
    assert tn.zeros(2, 3).data.tolist() == [[0, 0, 0]] * 2
    assert tn.ones(2).dtype == np.float32
    assert tn.ones(2, requires_grad=True).requires_grad


def test_a_tensor_of_one_element_is_a_number_and_larger_ones_have_no_truth():
    assert not tn.tensor([0.0])
    assert tn.tensor(2.0)
    assert float(tn.tensor([2.5])) == 2.5
    with pytest.raises(ValueError, match="ambiguous"):
        bool(tn.tensor([0.0, 1.0]))


def test_numpy_reads_a_tensor_as_its_array():
    x = tn.tensor([[1.0, 2.0]])
    assert np.array_equal(np.asarray(x), x.data)
    assert np.asarray(x, np.float64).dtype == np.float64
