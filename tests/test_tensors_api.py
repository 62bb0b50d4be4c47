"""The rest of Tensor's methods, its constructors, its comparisons, and what it prints."""

import copy
import pickle
import re

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F

A = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])


def leaf(array=A):
    return tn.tensor(array, requires_grad=True)


# methods and properties


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (lambda x: x.min(), A.min()),
        (lambda x: x.min(axis=1, keepdims=True), A.min(1, keepdims=True)),
        (lambda x: x.var(), A.var()),
        (lambda x: x.var(0, ddof=1), A.var(0, ddof=1)),
        (lambda x: x.std(axis=1, keepdims=True), A.std(1, keepdims=True)),
        (lambda x: x.std(), A.std()),
        (lambda x: x.abs(), abs(A)),
        (lambda x: abs(x), abs(A)),
        (lambda x: x.clip(-1, 2), A.clip(-1, 2)),
        (lambda x: x.clip(min=0), A.clip(0)),
        (lambda x: x.clip(max=0), A.clip(max=0)),
        (lambda x: x.flatten(), A.reshape(-1)),
        (lambda x: x.flatten(1), A),
        (lambda x: x.view(3, -1), A.reshape(3, 2)),
        (lambda x: x.T, A.T),
        (lambda x: x.permute(1, 0), A.T),
        (lambda x: x.unsqueeze(1), A[:, None]),
        (lambda x: x.unsqueeze(-1).squeeze(), A),
        (lambda x: x.unsqueeze(0).squeeze(axis=0), A),
        (lambda x: x.clone(), A),
        (lambda x: x.cpu(), A),
        (lambda x: x.astype(np.float32), A.astype(np.float32)),
        (lambda x: x // 2, A // 2),
        (lambda x: round(x / 3, 1), (A / 3).round(1)),
    ],
)
def test_methods_are_numpys(method, expected):
    y = method(tn.tensor(A))
    assert y.shape == np.shape(expected)
    assert y.dtype == expected.dtype
    assert y.data == pytest.approx(expected, rel=1e-14)


def test_facts():
    x = tn.tensor(A)
    assert (x.ndim, x.size, x.numel(), len(x)) == (2, 6, 6, 2)
    assert x.tolist() == A.tolist()
    assert int(tn.tensor([2.9])) == 2
    assert [row.tolist() for row in x] == A.tolist()


def test_a_number_has_no_rows():
    with pytest.raises(TypeError, match="item"):
        iter(tn.tensor(1.0))


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_argmax_and_argmin_are_arrays_of_places(name, axis):
    found = getattr(tn.tensor(A), name)(axis)
    assert isinstance(found, np.ndarray)
    assert np.array_equal(found, getattr(A, name)(axis))


def test_accuracy_in_one_line():
    scores, labels = tn.tensor(A), np.array([2, 0])
    assert (scores.argmax(axis=1) == labels).mean() == 0.5


def test_gradients_go_through_copies_and_types():
    x = leaf()
    (x.clone().astype(np.float32).to(np.float64).cpu() * 3).sum().backward()
    assert (x.grad == 3).all()
    assert x.grad.dtype == np.float64


def test_gradients_of_integers_are_refused():
    for make in (
        lambda: tn.tensor([1], dtype=int, requires_grad=True),
        lambda: tn.zeros(2, dtype=int, requires_grad=True),
        lambda: leaf().astype(int),
    ):
        with pytest.raises(TypeError, match="floating-point"):
            make()


def test_the_gradient_of_clip_and_abs():
    x = leaf(np.array([-3.0, -1.0, 0.0, 1.0, 3.0]))
    (x.clip(-1, 1) + x.abs()).sum().backward()
    assert x.grad.tolist() == [-1, 0, 1, 2, 1]


def test_ties_of_a_minimum_go_to_the_first():
    x = leaf(np.array([2.0, 1.0, 1.0]))
    x.min().backward()
    assert x.grad.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (lambda x: x.clip(), "limit"),
        (lambda x: x.clip(2, 1), "2 and 1"),
        (lambda x: x.squeeze(0), "length 1"),
        (lambda x: x.squeeze(5), "axis 5"),
        (lambda x: x.unsqueeze(5), r"-3\.\.2"),
        (lambda x: x.flatten(3), "no axis 3"),
        (lambda x: x.var(ddof=6), "ddof=6"),
        (lambda x: F.stack([x, x.T]), r"\(2, 3\), \(3, 2\)"),
        (lambda x: F.stack([]), "one shape"),
        (lambda x: x.sum(axis=2), "axis 2"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, match):
    with pytest.raises(ValueError, match=match):
        wrong(tn.tensor(A))


REDUCTIONS = ["sum", "mean", "max", "min", "var", "std", "argmax", "argmin", "squeeze"]


@pytest.mark.parametrize("name", REDUCTIONS)
def test_dim_is_answered_with_axis(name):
    with pytest.raises(TypeError, match=rf"{name}: .* dim\. .*axis="):
        getattr(tn.tensor(A), name)(dim=1)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "var", "std"])
def test_keepdim_is_answered_with_keepdims(name):
    for function in (getattr(tn.Tensor, name), getattr(F, name)):
        with pytest.raises(TypeError, match="keepdims="):
            function(tn.tensor(A), axis=1, keepdim=True)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_dim_of_a_softmax_is_answered_with_axis(name):
    with pytest.raises(TypeError, match="axis="):
        getattr(F, name)(tn.tensor(A), dim=1)


def test_dim_of_joined_tensors_is_answered_with_axis():
    for join in (tn.stack, tn.concatenate, tn.cat):
        with pytest.raises(TypeError, match="axis="):
            join([tn.ones(2)], dim=0)


@pytest.mark.parametrize(
    ("typed", "here"),
    [
        (lambda x: x.cuda(), 'x.to("cuda")'),
        (lambda x: x.float(), "astype"),
        (lambda x: x.dim(), "x.ndim"),
        (lambda x: x.requires_grad_(), "requires_grad = True"),
    ],
)
def test_names_of_pytorch_are_answered(typed, here):
    with pytest.raises(AttributeError, match=re.escape(here)):
        typed(tn.tensor(A))


# comparisons


@pytest.mark.parametrize(
    "compare",
    [
        lambda a, b: a == b,
        lambda a, b: a != b,
        lambda a, b: a < b,
        lambda a, b: a <= b,
        lambda a, b: a > b,
        lambda a, b: a >= b,
    ],
)
@pytest.mark.parametrize("other", [1, 4.0, np.float32(3), np.array([1.0, 2.0, -6.0]), A.T.copy().T])
def test_comparisons_are_numpys(compare, other):
    expected = compare(A, other)
    pairs = [(tn.tensor(A), other)]
    if isinstance(other, np.ndarray):
        pairs += [(tn.tensor(A), tn.tensor(other)), (A, tn.tensor(other))]
    for a, b in pairs:
        got = compare(a, b)
        assert isinstance(got, np.ndarray)
        assert got.dtype == bool
        assert np.array_equal(got, expected)


def test_a_comparison_with_labels_gives_an_accuracy():
    predicted, labels = tn.tensor([1.0, 0.0, 1.0]), np.array([1, 0, 1])
    assert np.mean(predicted == labels) == 1
    assert np.mean(labels == predicted) == 1
    assert sum(a == b for a, b in zip(predicted, labels, strict=True)) == 3
    assert (predicted == [1, 0, 0]).tolist() == [True, True, False]
    assert tn.tensor(0.0) == 0.0
    assert 1.0 in predicted
    assert 7.0 not in predicted


def test_what_is_no_number_is_unequal():
    x = tn.tensor(A)
    assert (x == None, x == "text", x != None) == (False, False, True)  # noqa: E711
    assert None not in x
    with pytest.raises(TypeError):
        x < "text"  # noqa: B015


def test_tensors_are_hashed_and_found_by_identity():
    a, b = tn.ones(1), tn.ones(1)
    assert hash(a) != hash(b)
    assert {a: 1, b: 2}[b] == 2
    assert len({a, b, a}) == 2


def test_tensors_of_two_devices_do_not_compare():
    with pytest.raises(tn.DeviceError, match="cpu:1"):
        tn.ones(2) == tn.ones(2, device="cpu:1")  # noqa: B015


def test_parameters_are_told_apart_though_they_are_equal():
    model = tn.nn.Sequential(tn.nn.Linear(2, 2), tn.nn.Linear(2, 2))
    model[1].load_state_dict(model[0].state_dict())
    assert len(model.parameters()) == 4
    with pytest.raises(ValueError, match="twice"):
        tn.optim.SGD([model[0].weight, model[0].weight], lr=0.1)
    tn.optim.SGD(model.parameters(), lr=0.1)


# text


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: tn.tensor(1.5), "tensor(1.5)"),
        (lambda: tn.tensor([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
        (lambda: tn.tensor([1.0], requires_grad=True) * 2, "tensor([2.], op=mul)"),
        (lambda: tn.ones(1, device="cpu:1"), "tensor([1.], device='cpu:1')"),
        (lambda: tn.zeros(0, 3), "tensor([], shape=(0, 3))"),
        (lambda: tn.tensor(np.ones(1)), "tensor([1.], dtype=float64)"),
    ],
)
def test_repr(make, text):
    assert repr(make()) == text
    assert f"{make()}" == str(make()) == text


def test_repr_of_a_long_tensor_shows_its_shape():
    text = repr(tn.zeros(100, 100))
    assert "..." in text
    assert "shape=(100, 100)" in text


def test_repr_shows_the_gradient_or_its_shape():
    x = tn.tensor([1.0, 2.0], requires_grad=True)
    (x * 2).sum().backward()
    assert repr(x) == "tensor([1., 2.], requires_grad=True, grad=[2., 2.])"
    y = tn.ones(3, 4, requires_grad=True)
    (y * 2).sum().backward()
    assert "grad=<float32 (3, 4)>" in repr(y)


def test_a_loss_can_be_formatted():
    loss = tn.tensor(1.5, requires_grad=True) * 1
    assert (f"{loss:.3f}", f"{loss:g}", f"{loss:>8}") == ("1.500", "1.5", "     1.5")
    assert f"{tn.tensor([2.0]):.1f}" == "2.0"
    with pytest.raises(TypeError, match=r"\.3f.*\(2,\)"):
        f"{tn.ones(2):.3f}"


def test_tensors_survive_copying():
    x = tn.tensor([1.0], requires_grad=True)
    for y in (copy.deepcopy(x), copy.copy(x), pickle.loads(pickle.dumps(x))):
        assert (y.tolist(), y.requires_grad) == ([1], True)


# constructors


@pytest.mark.parametrize(
    ("make", "values", "dtype"),
    [
        (lambda: tn.tensor([1, 2], dtype=np.float64), [1, 2], "float64"),
        (lambda: tn.tensor([1, 2], dtype="int64"), [1, 2], "int64"),
        (lambda: tn.zeros(2, dtype=np.float64), [0, 0], "float64"),
        (lambda: tn.ones((2,), dtype=np.float16), [1, 1], "float16"),
        (lambda: tn.arange(3), [0, 1, 2], "float32"),
        (lambda: tn.arange(1, 2, 0.5, dtype=float), [1, 1.5], "float64"),
        (lambda: tn.zeros_like(tn.ones(2, dtype=float)), [0, 0], "float64"),
        (lambda: tn.ones_like(tn.zeros(2)), [1, 1], "float32"),
        (lambda: tn.stack([tn.ones(1), tn.zeros(1)]), [[1], [0]], "float32"),
        (lambda: tn.concatenate([tn.ones(1), tn.zeros(1)]), [1, 0], "float32"),
        (lambda: tn.cat([tn.ones(1), tn.zeros(1)], axis=0), [1, 0], "float32"),
        (lambda: tn.from_numpy(np.ones(1)), [1], "float64"),
    ],
)
def test_constructors(make, values, dtype):
    x = make()
    assert (x.tolist(), x.dtype) == (values, np.dtype(dtype))


def test_like_is_on_the_same_device():
    x = tn.ones(2, device="cpu:1")
    assert tn.zeros_like(x).device == tn.ones_like(x).device == "cpu:1"
    assert tn.zeros_like(x, requires_grad=True).requires_grad


def test_from_numpy_shares_memory_and_tensor_does_not():
    a = np.ones(2)
    x, y = tn.from_numpy(a), tn.tensor(a)
    a[0] = 5
    assert (x.tolist(), y.tolist()) == ([5, 1], [1, 1])


@pytest.mark.parametrize("wrong", [np.array([1, 2]), [1.0], 3])
def test_from_numpy_takes_arrays_of_floats(wrong):
    with pytest.raises(TypeError, match=r"floats.*tn\.tensor"):
        tn.from_numpy(wrong)


def test_a_tensor_wraps_an_array():
    with pytest.raises(TypeError, match=r"list.*tn\.tensor"):
        tn.Tensor([1.0])


@pytest.mark.parametrize("dtype", [complex, str, "datetime64[s]"])
def test_types_of_no_real_numbers_are_refused(dtype):
    with pytest.raises(TypeError, match="real numbers"):
        tn.tensor([1.0], dtype=dtype)


def test_random_numbers_depend_on_the_seed_and_on_nothing_else():
    tn.seed(4)
    first, second = tn.randn(200, 3), tn.randn((200, 3))
    tn.seed(4)
    tn.random.next_draw()
    tn.random.next_parameter()
    assert np.array_equal(tn.randn(200, 3).data, first.data)
    assert not np.array_equal(first.data, second.data)
    assert (first.dtype, first.shape) == (np.float32, (200, 3))
    assert abs(first.data.mean()) < 0.15
    assert abs(first.data.std() - 1) < 0.1
    assert tn.randn().shape == ()


def test_random_numbers_do_not_move_the_other_streams():
    tn.seed(4)
    tn.randn(5)
    assert tn.random.next_draw() == (4, 0, 0)
    with tn.random.fork(9):
        inside = tn.randn(2).tolist()
    tn.seed(9)
    assert tn.randn(2).tolist() == inside
