"""Numbers that are not finite: the run stops, names the cause and saves nothing of them."""

import numpy as np
import pytest

from support.tiny_run import Points, new_run, tiny_net
from tinynet.optim import SGD
from tinynet.training import runs
from tinynet.training.loop import train_one_epoch
from tinynet.weights import checkpoint


def diverge(run, at_step):
    """Make the weights of the last layer infinite after `at_step` steps of the run."""
    real, count = run.optimizer.step, iter(range(1, 1000))

    def step():
        real()
        if next(count) == at_step:
            run.model[4].weight.data[0, 0] = np.inf

    run.optimizer.step = step


@pytest.mark.parametrize("at_step", [7, 12, 9])
def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_good_checkpoint(tmp_path, at_step):
    run = new_run(tmp_path / "r")
    diverge(run, at_step)
    with pytest.raises(FloatingPointError) as error:
        list(runs.advance(run))
    assert "4.weight" in str(error.value)
    assert "step" in str(error.value)
    assert "lr 0.0" in str(error.value)
    good = checkpoint.load(run.folder / "last.safetensors")
    assert all(np.isfinite(a).all() for a in good.model.values())
    assert good.metadata["epoch"] == "1"
    best = checkpoint.load(run.folder / "best.safetensors")
    assert all(np.isfinite(a).all() for a in best.model.values())
    assert len((run.folder / "log.jsonl").read_text().splitlines()) == 1


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    run = new_run(tmp_path / "r")
    run.model[0].bias.data[1] = np.nan
    with pytest.raises(FloatingPointError, match=r"0\.bias"):
        runs.save(run)
    assert not (run.folder / "last.safetensors").exists()


def test_images_that_are_not_finite_are_blamed_before_the_weights():
    net, feed = tiny_net(), Points()
    feed.images[:] = np.nan
    with pytest.raises(FloatingPointError, match="images already hold"):
        list(train_one_epoch(net, SGD(net.parameters(), lr=0.1), feed))


def test_the_first_layer_to_overflow_is_named():
    net, feed = tiny_net(), Points()
    net[0].weight.data[...] = 1e30
    feed.images *= 1e15
    with pytest.raises(FloatingPointError, match=r"0 \(Conv2d\) is the first layer to overflow"):
        list(train_one_epoch(net, SGD(net.parameters(), lr=0.1), feed))
