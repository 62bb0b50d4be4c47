"""Errors of the library in Korean: each has a translation, but for those that are named here."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn
from tinynet import data, nn, optim, words

ROOT = Path(tn.__file__).parent
KOREAN = words.table("ko")
ENGLISH = (  # files whose errors stay English
    # what is wrong inside of a damaged or foreign file of weights
    *("weights/caffe_", "weights/foreign", "weights/hdf5", "weights/keras_", "weights/legacy"),
    *("weights/matconvnet", "weights/npy_", "weights/onnx_", "weights/protobuf"),
    *("weights/safetensors", "weights/tar_", "weights/torch_"),
    *("core/archives", "core/mat_file", "core/numpy_file", "core/pickle"),
    # compilers, GPUs, several processes, recorded steps
    *("kernels/codegen/", "kernels/convolution/", "kernels/cuda/", "kernels/profiler/"),
    *("core/recorder", "distributed/", "graph_capture", "testing/races", "training/device_loader"),
    # files of runs that were written by hand; authors of lessons, the sandbox of the grader
    *("training/recipe_json", "training/run_", "lessons/grading/", "lessons/outputs"),
    *("lessons/pages", "lessons/source", "lessons/translation", "baselines/", "words/"),
)
NAMES = r"module .* has no attribute|object has no attribute"  # as Python says it
COMPOSED = (  # of what Python says about a call, and how to call: nn.guidance
    "{1}: missing a required argument: {2}. Write {3}.",
    "{1}: too many positional arguments. Write {2}.",
    "{1}: got an unexpected keyword argument {2}. Write {3}.",
)


def template(node):
    """Return a text with numbers for its fields; None if the node is no text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"([{}])", r"\1\1", node.value)
    if not isinstance(node, ast.JoinedStr):
        return None
    parts, count = [], 0
    for value in node.values:
        count += not isinstance(value, ast.Constant)
        parts.append(template(value) or f"{{{count}}}")
    return "".join(parts)


def raised(tree):
    """Yield the texts that errors and warnings of a module are made with, also by a name."""
    named = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            named.setdefault(ast.unparse(node.targets[0]), []).append(node.value)
    for node in ast.walk(tree):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) and node.args else ""
        if re.search(r"(Error|\bwarn)$", called):
            given = named.get(ast.unparse(node.args[0]), [node.args[0]])
            texts = [template(each) for value in given for each in branches(value)]
            yield from (text for text in texts if text and not re.search(NAMES, text))


def branches(node):
    """Return the values that an expression may have."""
    ways = (node.body, node.orelse) if isinstance(node, ast.IfExp) else ()
    return [each for way in ways for each in branches(way)] or [node]


def templates():
    """Return the texts with fields of all modules."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in ROOT.rglob("*.py")]
    nodes = (node for tree in trees for node in ast.walk(tree))
    return {template(node) for node in nodes if isinstance(node, ast.JoinedStr | ast.Constant)}


def test_the_texts_of_errors_are_found():
    code = """g = "h"
raise ValueError(f"a {b!r}: {c:,} d")
warnings.warn("e {f}")
raise TypeError(g if h else f"{i} j")
raise OSError(g)"""
    assert sorted(raised(ast.parse(code))) == ["a {1}: {2} d", "e {{f}}", "h", "{1} j"]


def test_every_error_has_its_korean():
    missing = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(ENGLISH):
            texts = raised(ast.parse(path.read_text(encoding="utf-8")))
            lacking = [text for text in texts if has_words(text) and not known(text)]
            missing.update({name: lacking} if lacking else {})
    assert missing == {}


def known(text):
    """Return whether the table has a text, also where its own {fields} are filled in later."""
    return text in KOREAN or text.replace("{{", "{").replace("}}", "}") in KOREAN


def has_words(text):
    return bool(re.search("[A-Za-z]{2} [A-Za-z]", re.sub(r"\{\d+\}", "", text)))


def test_every_file_whose_errors_stay_english_is_there():
    names = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py")]
    assert [one for one in ENGLISH if not any(name.startswith(one) for name in names)] == []


def test_every_numbered_text_of_the_table_is_in_the_code():
    known = templates() | {*COMPOSED}
    assert [text for text in KOREAN if re.search(r"\{1\}|\{\{", text) and text not in known] == []


WRONG = {
    "Conv2d": lambda: nn.Conv2d(3, 8, 3, padding="sam"),
    "Linear": lambda: nn.Linear(10),
    "Dropout": lambda: nn.Dropout(3),
    "Sequential": lambda: nn.Sequential({"a.b": nn.ReLU()}),
    "SGD, a dict": lambda: optim.SGD({}, 0.1),
    "SGD, a rate": lambda: optim.SGD(nn.Linear(3, 2).parameters(), lr="x"),
    "MultiStep": lambda: optim.MultiStep(0.1, ((2, 0.1),)),
    "backward": lambda: tn.ones(2, 3).backward(),
    "sum": lambda: tn.ones(2, 3).sum(dim=1),
    "tensor": lambda: tn.tensor([[1, 2], [3]]),
    "load_state_dict": lambda: nn.Linear(3, 2).load_state_dict({"a": np.ones(2)}),
    "ArrayDataset": lambda: data.ArrayDataset(np.ones((2, 3, 4, 4)), [0]),
    "DataLoader": lambda: data.DataLoader(data.Shapes(train=True), batch_size=0),
    "Normalize": lambda: data.Normalize(0.5, 0.0),
    "fit": lambda: list(tn.fit(nn.Linear(2, 2), None, None, epochs=1)),
    "load": lambda: tn.load("net.pth"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_error_is_told_in_korean(name, monkeypatch):
    monkeypatch.setenv(words.VARIABLE, "ko")
    with pytest.raises((TypeError, ValueError, RuntimeError)) as caught:
        WRONG[name]()
    told = words.spoken(caught.value)
    assert told.startswith(f"{name.partition(',')[0]}: ")
    assert re.search("[가-힣]", told)
    code = r"[\w.]*\(.*?\)|[\w.]+=\S*"
    assert not re.search("[a-z]{2,} [a-z]{2,}", re.sub(code, "", told)), told


def test_an_error_inside_of_another_is_translated(monkeypatch):
    monkeypatch.setenv(words.VARIABLE, "ko")
    inner = "clip: min must not be larger than max, got 3 and 2."
    told = words.recognized(f"a.pth: {inner} Nothing was loaded.")
    assert told == (
        "a.pth: clip: min은 max보다 크면 안 됩니다. 받은 것: 3, 2. 아무것도 불러오지 않았습니다."
    )
    assert words.recognized("conv1, fc6 and 2 more") == "conv1, fc6 외 2개"


@pytest.mark.parametrize("text", ["alexnet", "an unknown text, 3 of 4", "x " * 2000])
def test_other_texts_stay(text, monkeypatch):
    monkeypatch.setenv(words.VARIABLE, "ko")
    assert words.recognized(text) == text
