"""Trace of a step: the arrays are those of the equations, and the page shows them."""

import re

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.analysis import trace_page
from tinynet.core.errors import GraphError


@pytest.fixture
def net():
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, groups=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(16, 3),
    )


@pytest.fixture
def x(rng):
    return rng.standard_normal((2, 2, 5, 5)).astype(np.float32)


def forward(steps, op):
    return next(s for s in steps if s.direction == "forward" and s.op == op)


def backward(steps, op):
    return next(s for s in steps if s.direction == "backward" and s.op == op)


def test_every_op_is_a_step_forward_and_backward_in_reverse(net, x):
    steps = tn.trace(net, x, [0, 2])
    ops = ["conv2d", "relu", "max_pool2d", "reshape", "linear", "cross_entropy"]
    assert [(s.direction, s.op) for s in steps] == [
        *(("forward", op) for op in ops),
        *(("backward", op) for op in reversed(ops)),
    ]
    assert [s.layer for s in steps[:6]] == ["0", "1", "2", "3", "5", ""]
    assert [s.number for s in steps] == list(range(1, 13))
    assert steps[0].title == "1. forward: conv2d in 0"


def test_the_columns_times_the_filters_are_the_output(x):
    net = nn.Sequential(nn.Conv2d(2, 3, 3, stride=2, padding=1))
    arrays = tn.trace(net, x)[0].arrays
    product = arrays["weight"].reshape(3, -1) @ arrays["columns"] + arrays["bias"][:, None]
    np.testing.assert_allclose(product.reshape(3, 3, 3), arrays["output"][0], atol=1e-5)


def test_the_gradients_are_those_of_backward(net, x):
    steps = tn.trace(net, x, [0, 2])
    again = tn.tensor(x, requires_grad=True)
    F.cross_entropy(net.eval()(again), np.array([0, 2])).backward()
    conv = backward(steps, "conv2d").arrays
    np.testing.assert_allclose(conv["gradient of input"], again.grad, atol=1e-6)
    np.testing.assert_allclose(conv["gradient of weight"], net[0].weight.grad, atol=1e-6)
    linear = backward(steps, "linear").arrays
    np.testing.assert_allclose(
        linear["gradient of weight"],
        linear["arriving gradient"].T @ forward(steps, "linear").arrays["input"],
        atol=1e-6,
    )
    scores = forward(steps, "linear").arrays["output"].astype(np.float64)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(linear["arriving gradient"], (p - np.eye(3)[[0, 2]]) / 2, atol=1e-6)


def test_winners_pass_the_gradient_and_nobody_else_does(net, x):
    steps = tn.trace(net, x, [0, 2])
    wins = forward(steps, "max_pool2d").arrays["wins"]
    assert wins.sum() == forward(steps, "max_pool2d").arrays["output"].size
    passed = backward(steps, "max_pool2d").arrays["gradient of input"]
    assert (passed[wins == 0] == 0).all()


def test_without_labels_it_starts_from_the_largest_scores(net, x):
    arriving = backward(tn.trace(net, x), "linear").arrays["arriving gradient"]
    scores = net.eval()(x).numpy()
    np.testing.assert_array_equal(arriving, np.eye(3)[scores.argmax(axis=1)])


def test_a_value_that_is_used_twice_shows_the_sum_of_its_gradients(x):
    class Twice(nn.Module):
        def forward(self, x):
            y = x * 3.0
            return (y * y + y).reshape(len(x), -1)

    steps = tn.trace(Twice(), x[:, :1])
    y = 3 * x[:, :1]
    largest = (y * y + y).reshape(2, -1).argmax(axis=1)
    expected = np.zeros((2, 25), np.float32)
    expected[[0, 1], largest] = (2 * y + 1).reshape(2, -1)[[0, 1], largest]
    first = [s for s in steps if s.direction == "backward"][-1]
    np.testing.assert_allclose(
        first.arrays["arriving gradient"].reshape(2, -1), expected, rtol=1e-5
    )


def test_dropout_is_a_step_in_training_mode_only(net, x):
    assert "dropout" not in [s.op for s in tn.trace(net, x)]
    assert "dropout" in [s.op for s in tn.trace(net, x, training=True)]


def test_the_model_stays_as_it_was(net, x):
    net[0].weight.grad = np.ones(net[0].weight.shape, np.float32)
    tn.trace(net.train(), x, [0, 1])
    assert net.training
    assert (net[0].weight.grad == 1).all()
    assert net[5].weight.grad is None


def test_statistics_and_the_table_of_a_step():
    net = nn.Sequential(nn.ReLU())
    (step, *_) = tn.trace(net, np.array([[[[-1.0, 3.0], [0.0, 0.0]]]], np.float32))
    s = step.statistics["input"]
    assert (s.least, s.mean, s.largest, s.zeros) == (-1, 0.5, 3, 0.5)
    assert repr(step).splitlines()[0] == "1. forward: relu in 0"
    assert "input   (1, 1, 2, 2)" in repr(step)


def test_the_table_lists_all_steps(net, x):
    lines = repr(tn.trace(net, x, [0, 2])).splitlines()
    assert lines[0] == "Sequential: 12 steps"
    assert re.search(r"^1 +forward +conv2d +0 +\(2, 4, 5, 5\)$", lines[3])


def test_the_page_holds_every_step_and_asks_for_nothing(net, x, tmp_path):
    steps = tn.trace(net, x, [0, 2])
    steps.save(tmp_path / "trace.html")
    text = (tmp_path / "trace.html").read_text()
    assert text.count("<section") == 12
    assert 'max="12"' in text
    assert "im2col matrix, 18×25: each column is one window" in text
    assert "winners: windows that each pixel wins" in text
    assert not re.search(r"https?:|src=\"(?!data:)|@import|<link", text)
    assert all(' alt="' in image for image in re.findall("<img[^>]*>", text))
    with pytest.raises(ValueError, match=r"a page is an .html file, not .*t\.png"):
        steps.save(tmp_path / "t.png")


def test_the_words_for_a_screen_reader_say_the_colors(net, x):
    text = trace_page.page(tn.trace(net, x, [0, 2]))
    alternatives = re.findall('alt="([^"]*)"', text)
    of_input = "input: first 2 of 2 maps, negative values in blue, positive ones in orange"
    assert alternatives[0] == of_input
    winners = next(words for words in alternatives if words.startswith("winners"))
    assert winners.endswith("in shades of gray")


def test_large_arrays_make_a_small_page(tmp_path):
    net = nn.Sequential(nn.Conv2d(3, 32, 11, stride=4), nn.ReLU(), nn.Flatten())
    text = trace_page.page(tn.trace(net, np.ones((3, 200, 200), np.float32)))
    assert "its first 96×256" in text
    assert len(text) < 1_000_000


def test_names_are_escaped_on_the_page():
    net = nn.Sequential({"<b>": nn.ReLU()})
    assert "&lt;b&gt;" in trace_page.page(tn.trace(net, np.ones((1, 2, 2), np.float32)))


def test_buttons_move_between_the_steps(net, x):
    pytest.importorskip("ipywidgets")
    steps = tn.trace(net, x, [0, 2])
    box = steps.widget()
    (back, slider, on), shown = box.children[0].children, box.children[1]
    assert "1. forward: conv2d" in shown.value
    assert "image-rendering: pixelated" in shown.value, "a notebook has no style of ours"
    on.click()
    assert slider.value == 2
    assert "2. forward: relu" in shown.value
    back.click()
    back.click()
    assert slider.value == 1
    slider.value = 12
    assert "12. backward: conv2d" in shown.value


class Constant(nn.Module):
    def forward(self, x):
        return tn.ones(1, 2)


def test_a_model_without_ops_is_refused():
    with pytest.raises(GraphError, match="trace: the output of Constant does not depend on"):
        tn.trace(Constant(), np.ones((1, 2, 2), np.float32))
