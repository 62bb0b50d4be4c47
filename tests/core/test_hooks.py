"""The seam of the recorder: nothing is installed by default, and no page of the engine names it."""

import inspect
import threading
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn
from tinynet.core import hooks
from tinynet.core.errors import CaptureError, GraphError
from tinynet.core.recorder import Recorder

ROOT = Path(tn.__file__).parent
WITHOUT = ["core/autograd.py", "core/random.py", "kernels", "functions", "nn", "optim"]


@pytest.mark.parametrize("place", WITHOUT)
def test_no_recorder_is_named(place):
    files = [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py"))
    assert files
    assert [f.name for f in files if "recorder" in f.read_text(encoding="utf-8").lower()] == []


def test_a_recorder_has_every_hook():
    def methods(kind):
        return {n: inspect.signature(f) for n, f in vars(kind).items() if n.startswith("on_")}

    wanted, found = methods(hooks.Hooks), methods(Recorder)
    assert wanted.keys() == found.keys()
    for name, signature in wanted.items():
        assert list(signature.parameters) == list(found[name].parameters), name


class Spy:
    """Hooks that change nothing."""

    def __init__(self):
        self.seen = []

    def on_apply(self, inputs, arrays):
        self.seen.append("apply")
        assert all(a is x.data for a, x in zip(arrays, inputs, strict=True))
        return arrays

    def on_leaf_gradient(self, leaf):
        self.seen.append("leaf")

    def on_array(self, array):
        return array

    def on_constant(self, make):
        return make()

    def on_scalar(self, compute, like):
        self.seen.append("scalar")
        return compute()

    def on_draw(self, draw, first):
        self.seen.append("draw")
        return (0, 0, draw)

    def on_kernel(self, kernel, args, kwargs):
        self.seen.append("kernel")
        return kernel.reference(*args, **kwargs)

    def on_forward(self, module):
        self.seen.append("forward")

    def on_step(self, optimizer):
        self.seen.append(f"step {optimizer.steps}")


def train(model, optimizer):
    x = tn.tensor(np.ones((2, 3), np.float32))
    optimizer.zero_grad()
    model(x).sum().backward()
    optimizer.step()


def test_every_hook_is_asked_and_changes_nothing():
    models = []
    spy = Spy()
    for installed in (None, spy):
        tn.seed(0)
        model = tn.nn.Sequential(tn.nn.Linear(3, 2), tn.nn.Dropout(0.5))
        token = hooks.active.set(installed)
        try:
            train(model, tn.optim.SGD(model.parameters(), lr=0.1))
        finally:
            hooks.active.reset(token)
        models.append(model.state_dict())
    for name in models[0]:
        assert np.array_equal(models[0][name], models[1][name])
    asked = {"apply", "leaf", "scalar", "draw", "kernel", "forward", "step 0"}
    assert set(spy.seen) == asked


def test_hooks_belong_to_their_thread():
    spy, found = Spy(), []
    token = hooks.active.set(spy)
    try:
        thread = threading.Thread(target=lambda: found.append(hooks.active.get()))
        thread.start()
        thread.join()
    finally:
        hooks.active.reset(token)
    assert found == [None]


def test_nothing_stays_installed_after_an_error():
    def step(x):
        raise KeyError

    with pytest.raises(KeyError):
        tn.graph(step)(tn.ones(1))
    assert hooks.active.get() is None


def test_errors_of_capture_are_errors_of_graphs():
    assert issubclass(CaptureError, GraphError)
    assert tn.CaptureError is CaptureError
