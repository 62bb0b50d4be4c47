"""Shape errors in the reader's language: a traceback shows Korean, the parts stay English."""

import re
import traceback

import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import nn, words
from tinynet.core.errors import ShapeError

IMAGES = tn.ones(2, 3, 8, 8)
ROWS = tn.ones(2, 3)
WRONG = {
    "conv2d": lambda: nn.Conv2d(4, 8, 3)(IMAGES),
    "conv2d, a hint": lambda: F.conv2d(IMAGES, tn.ones(3, 1, 3, 3)),
    "conv2d, a large window": lambda: nn.Conv2d(3, 8, 11)(IMAGES),
    "Conv2d, channels last": lambda: nn.Conv2d(3, 8, 3)(tn.ones(2, 8, 8, 3)),
    "Conv2d, groups": lambda: nn.Conv2d(3, 8, 3, groups=2),
    "linear": lambda: nn.Linear(4, 2)(ROWS),
    "max_pool2d": lambda: nn.MaxPool2d(9)(IMAGES),
    "max_pool2d, rows": lambda: nn.MaxPool2d(3)(ROWS),
    "local_response_norm": lambda: nn.LocalResponseNorm()(ROWS),
    "batch_norm": lambda: nn.BatchNorm2d(4)(IMAGES),
    "cross_entropy": lambda: F.cross_entropy(ROWS, [0, 5]),
    "cross_entropy, rows": lambda: F.cross_entropy(ROWS, [0]),
    "matmul": lambda: ROWS @ ROWS,
    "reshape": lambda: ROWS.reshape(4, 2),
    "concatenate": lambda: F.concatenate([ROWS, tn.ones(3, 2)]),
    "stack": lambda: F.stack([ROWS, tn.ones(3, 2)]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_shape_error_is_told_in_korean(name, monkeypatch):
    monkeypatch.setenv(words.VARIABLE, "ko")
    with pytest.raises(ShapeError) as caught:
        WRONG[name]()
    told = str(caught.value)
    assert re.search("[가-힣]", told)
    assert told.startswith(name.partition(",")[0])
    assert told in traceback.format_exception_only(caught.value)[-1]
    english = str(words.message(caught.value))
    assert not re.search("[가-힣]", english)
    numbers = re.findall(r"\d+", english)
    assert sorted(re.findall(r"\d+", told)) == sorted(numbers)


@pytest.mark.parametrize("name", WRONG)
def test_without_a_language_it_is_english(name, monkeypatch):
    monkeypatch.delenv(words.VARIABLE, raising=False)
    with pytest.raises(ShapeError) as caught:
        WRONG[name]()
    assert str(caught.value) == caught.value.args[0]
    assert not re.search("[가-힣]", str(caught.value))
