"""Bias, ReLU and dropout behind the product of a linear layer, in one pass."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.functions.matmul import layer_linear
from tinynet.kernels import linear_relu_backward, linear_relu_forward


def separate(x, weight, bias, p):
    y = F.relu(F.linear(x, weight, bias))
    return F.dropout(y, p) if p else y


def fused(x, weight, bias, p):
    return layer_linear(x, weight, bias, relu=True, p=p)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [0.0, 0.5, 0.3])
@pytest.mark.parametrize("biased", [True, False])
def test_the_fused_op_equals_the_three_ops_bit_for_bit(rng, dtype, p, biased):
    arrays = [rng.standard_normal(s).astype(dtype) for s in ((70, 9), (130, 9), (130,))]
    weights = tn.tensor(rng.standard_normal((70, 130)).astype(dtype))
    results = []
    for op in (separate, fused):
        tn.seed(3)
        inputs = [tn.Tensor(a, requires_grad=True) for a in arrays[: 2 + biased]]
        y = op(*inputs, *[None] * (not biased), p)
        (y * weights).sum().backward()
        results.append([y.data, *(v.grad for v in inputs)])
    *exact, last = zip(*results, strict=True)
    for one, other in (*exact, last):
        assert one.any()
        assert one.dtype == other.dtype == dtype
    if biased and linear_relu_backward.kind_for(arrays[0]) == "cuda_on_cpu":
        assert np.allclose(*last, rtol=1e-5, atol=1e-5)  # CUDA sums in double precision, in parts
    else:
        exact.append(last)
    for one, other in exact:
        assert np.array_equal(one, other)


def test_a_bias_of_another_type_keeps_the_type_of_the_product(rng):
    z = rng.standard_normal((3, 4)).astype(np.float32)
    assert linear_relu_forward(z, np.ones(4), 0.0, None).dtype == np.float32


def test_nan_is_not_hidden_and_its_gradient_is_zero():
    z = np.array([[np.nan, 1.0, -1.0]], np.float32)
    y = linear_relu_forward(z, None, 0.0, None)
    assert np.isnan(y[0, 0])
    gz, _ = linear_relu_backward(np.full((1, 3), np.inf, np.float32), y, 0.0)
    assert gz.tolist() == [[0, np.inf, 0]]


def network(*behind):
    tn.seed(0)
    return nn.Sequential(nn.Linear(4, 30), nn.ReLU(), *behind, nn.Linear(30, 3))


def ops_of(y):
    names = []
    while y.creator is not None:
        names.append(y.creator.op())
        y = y.creator.inputs[0]
    return names


@pytest.mark.parametrize(
    ("model", "ops"),
    [
        (network(), ["linear"] * 2),
        (network(nn.Dropout(0.5)), ["linear"] * 2),
        (network(nn.Dropout(0.5).eval()), ["linear"] * 2),
        (network(nn.Dropout(1.0)), ["linear", "dropout", "linear"]),
        (network(nn.ReLU()), ["linear", "relu", "linear"]),
    ],
)
def test_what_a_sequence_fuses(model, ops, rng):
    x = tn.tensor(rng.standard_normal((2, 4)).astype(np.float32))
    assert ops_of(model(x)) == ops


def test_dropout_by_the_rule_of_the_paper_joins_on_a_gpu_alone(rng):
    x = tn.tensor(rng.standard_normal((2, 4)).astype(np.float32))
    on_a_gpu = linear_relu_forward.kind_for(x.data) in ("cuda", "cuda_on_cpu")
    separate = ["linear", "mul", "dropout", "linear"]
    ops = ops_of(network(nn.Dropout(0.5, inverted=False))(x))
    assert ops == (["linear"] * 2 if on_a_gpu else separate)


def test_nothing_is_dropped_in_evaluation(rng):
    model = network(nn.Dropout(0.5))
    model[2].eval()
    x = tn.tensor(rng.standard_normal((2, 4)).astype(np.float32))
    expected = model[3](F.relu(model[0](x)))
    assert np.array_equal(model(x).data, expected.data)


def test_an_observer_sees_every_layer_and_the_same_numbers(rng):
    model = network(nn.Dropout(0.5))
    x = tn.tensor(rng.standard_normal((2, 4)).astype(np.float32))
    seen = []
    tn.seed(1)
    with nn.observe(lambda module, x, y: seen.append(type(module).__name__)):
        watched = model(x)
    tn.seed(1)
    assert seen == ["Linear", "ReLU", "Dropout", "Linear", "Sequential"]
    assert np.array_equal(watched.data, model(x).data)


def test_a_layer_of_a_user_is_not_skipped(rng):
    class Loud(nn.Linear):
        def forward(self, x):
            calls.append("linear")
            return super().forward(x)

    class Louder(nn.Dropout):
        def forward(self, x):
            calls.append("dropout")
            return super().forward(x)

    calls = []
    nn.Sequential(Loud(3, 4), nn.ReLU())(tn.ones(1, 3))
    nn.Sequential(nn.Linear(3, 4), nn.ReLU(), Louder(0.5))(tn.ones(1, 3))
    assert calls == ["linear", "dropout"]


def test_a_recorded_step_notices_that_dropout_was_switched_off():
    model = network(nn.Dropout(0.5))
    step = tn.graph(lambda x: model(x).sum())
    for _ in range(3):
        step(tn.ones(2, 4))
    model[2].eval()
    with pytest.raises(tn.CaptureError, match="training"):
        step(tn.ones(2, 4))
