"""The autograd graph as a figure: right texts, right arrows, and nothing changes."""

import itertools

import numpy as np
import pytest
from PIL import Image

import tinynet as tn
from tinynet import functions as F
from tinynet import nn, plot
from tinynet.core.errors import GraphError
from tinynet.plot.graph import _boxes, _columns, _functions, _place


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


@pytest.fixture
def loss():
    w = tn.tensor([2.0, -1.0], requires_grad=True)
    x = tn.tensor([3.0, 4.0])
    return (w * x).sum(), w, x


def test_before_backward_there_are_values_and_ops(loss):
    y, w, x = loss
    assert texts(plot.graph(y, names={"w": w, "x": x})) == [
        "w\n[2, -1]",
        "x\n[3, 4]",
        "mul",
        "[6, -4]",
        "sum",
        "2",
    ]
    assert w.grad is None


def test_after_backward_there_are_gradients_too(loss):
    y, w, _ = loss
    y.backward(keep_graph=True)
    before = w.grad.copy()
    assert texts(plot.graph(y)) == [
        "[2, -1]\ngrad [3, 4]",
        "[3, 4]",
        "mul",
        "[6, -4]\ngrad [1, 1]",
        "sum",
        "2\ngrad 1",
    ]
    np.testing.assert_array_equal(w.grad, before)
    assert y.grad is None
    y.backward(keep_graph=True)  # and values between do not receive gradients from now on
    assert y.grad is None
    np.testing.assert_array_equal(w.grad, 2 * before)


def test_a_leaf_shows_the_gradient_that_it_holds(loss):
    y, *_ = loss
    y.backward(keep_graph=True)
    y.backward(keep_graph=True)
    assert texts(plot.graph(y))[0] == "[2, -1]\ngrad [6, 8]"


def test_a_gradient_that_was_kept_is_shown():
    w = tn.tensor([2.0, -1.0], requires_grad=True)
    h = w * 3.0
    h.retain_grad()
    (h * h).sum().backward(keep_graph=True)
    assert "[6, -3]\ngrad [12, -6]" in texts(plot.graph(h))


def test_a_graph_that_was_freed_is_explained(loss):
    y, *_ = loss
    y.backward()
    with pytest.raises(GraphError, match=r"freed the graph .*keep_graph=True"):
        plot.graph(y)


def test_a_value_without_a_graph_is_explained():
    with pytest.raises(GraphError, match=r"requires_grad=True; this one, of shape \(2,\), was not"):
        plot.graph(tn.ones(2))
    with pytest.raises(TypeError, match="graph: it draws a Tensor, got float"):
        plot.graph(1.0)


def test_a_large_graph_is_refused_with_the_way_out():
    x = tn.tensor([1.0], requires_grad=True)
    y = x
    for _ in range(29):
        y = y.tanh() if hasattr(y, "tanh") else F.tanh(y)
    plot.graph(y)  # 29 ops, 30 values
    with pytest.raises(GraphError, match=r"too large to draw: 61 values and ops, 60 are the limit"):
        plot.graph(F.tanh(y))


def test_a_network_is_drawn_with_shapes_and_ranges(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    model[0].bias.data[:] = 0.5
    y = F.cross_entropy(model(tn.ones(1, 3, 4, 4)), np.array([1]))
    y.backward(keep_graph=True)
    figure = plot.graph(y, tmp_path / "g.png", names=dict(model.named_parameters()))
    found = texts(figure)
    assert any(text.startswith("0.weight\n(4, 3, 3, 3)\n") for text in found)
    assert "[0.5, 0.5, 0.5, 0.5]" in next(text for text in found if text.startswith("0.bias"))
    assert any("relu" in text for text in found)
    with Image.open(tmp_path / "g.png") as picture:
        assert picture.text["Description"].startswith("The graph of ")


def chains():
    """A leaf that is used at every step: long edges."""
    x = tn.tensor([1.0], requires_grad=True)
    y = x
    for i in range(6):
        y = y * float(i) + x
    return y.sum()


def test_boxes_do_not_overlap_and_edges_go_to_the_right():
    y = chains()
    nodes = _boxes(y, _functions(y), {})
    columns = _columns(nodes)
    for node in nodes:
        node.width = 0.8
        node.height = 0.4
    width, height = _place(columns)
    for column in columns:
        for above, below in itertools.pairwise(column):
            assert below.y - above.y >= (above.height + below.height) / 2
        for node in column:
            assert 0 < node.x - node.width / 2 < node.x + node.width / 2 < width
            assert 0 < node.y - node.height / 2 < node.y + node.height / 2 < height
            assert all(start.column == node.column - 1 for start in node.inputs)
            assert all(start.x < node.x for start in node.inputs)


def test_each_use_of_a_value_has_its_arrow():
    x = tn.tensor([1.0], requires_grad=True)
    figure = plot.graph(x * x)
    arrows = [text for text in figure.axes[0].texts if getattr(text, "arrow_patch", None)]
    assert len(arrows) == 3
