"""Checkpoints of a loop of one's own: a stopped run reaches the weights of an unbroken one."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import data, nn, optim
from tinynet.core import random
from tinynet.core.errors import DataError


class Points:
    """Six batches of random points whose label is the sign of their sum; shuffled every epoch."""

    steps = 6

    def batches(self, epoch, first=0):
        for step in range(first, self.steps):
            rng = random.generator("points", epoch, step, seed=1)
            x = rng.standard_normal((8, 5)).astype(np.float32)
            yield x, (x.sum(axis=1) > 0).astype(np.int64)


def new():
    with random.fork(3):
        model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Dropout(0.5), nn.Linear(7, 2))
    return model, optim.SGD(model.parameters(), lr=optim.Cosine(0.1, epochs=3), momentum=0.9)


def weights_of(model):
    return {name: array.tobytes() for name, array in model.state_dict().items()}


@pytest.mark.parametrize("stop", range(1, 18, 4))
def test_a_run_that_stopped_anywhere_reaches_the_same_weights(tmp_path, stop):
    whole, optimizer = new()
    records = list(tn.fit(whole, optimizer, Points(), epochs=3))
    model, optimizer = new()
    state = tn.State()
    events = tn.fit(model, optimizer, Points(), epochs=3, state=state, every_step=True)
    for _, _ in zip(range(stop), events, strict=False):
        pass
    tn.save_checkpoint(tmp_path / "run.safetensors", model, optimizer, state)

    model, optimizer = new()
    for p in model.parameters():
        p.data[:] = np.nan  # what is not restored would be seen
    state = tn.load_checkpoint(str(tmp_path / "run.safetensors"), model, optimizer)
    found = list(tn.fit(model, optimizer, Points(), epochs=3, state=state))
    assert weights_of(model) == weights_of(whole)
    assert [r.train_loss for r in state.records] == [r.train_loss for r in records]
    assert found[-1].lr == records[-1].lr


def test_weights_alone_are_no_run(tmp_path):
    model, optimizer = new()
    from tinynet.weights import checkpoint

    checkpoint.save(tmp_path / "w.safetensors", checkpoint.Checkpoint(model.state_dict()))
    with pytest.raises(DataError, match=r"no position of a run. tn\.load"):
        tn.load_checkpoint(tmp_path / "w.safetensors", model, optimizer)


def test_the_rate_is_part_of_the_state_of_an_optimizer():
    model, _ = new()
    first = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    first.lr = 0.001
    second = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    second.load_state_dict(first.state_dict())
    assert second.lr == 0.001


def test_a_schedule_is_not_overruled_in_silence():
    _, optimizer = new()
    with pytest.raises(ValueError, match=r"sets the rate.*optimizer\.schedule = None"):
        optimizer.lr = 0.5
    optimizer.schedule = None
    optimizer.lr = 0.5
    assert optimizer.lr == 0.5


def test_an_epoch_goes_on_with_batches_of_its_own_size(tmp_path):
    points = next(iter(Points().batches(0)))

    def loader(batch_size):
        return data.DataLoader(points, batch_size=batch_size, shuffle=True)

    model, optimizer = new()
    state = tn.State()
    events = tn.fit(model, optimizer, loader(2), epochs=3, state=state, every_step=True)
    next(events)
    tn.save_checkpoint(tmp_path / "run.safetensors", model, optimizer, state)
    model, optimizer = new()
    state = tn.load_checkpoint(tmp_path / "run.safetensors", model, optimizer)
    with pytest.raises(ValueError, match="after 1 batches with 2 images; the loader has 4 in a"):
        tn.fit(model, optimizer, loader(4), epochs=3, state=state)
    assert len(list(tn.fit(model, optimizer, loader(2), epochs=3, state=state))) == 3
