"""Learning curves, from dicts and from what a training loop yields."""

import dataclasses

import pytest
from PIL import Image

from tinynet import plot
from tinynet.plot import style
from tinynet.plot.curves import mark_drops
from tinynet.training.loop import Epoch, Step


def record(epoch, lr=0.1, **more):
    return {
        "epoch": epoch,
        "train_loss": 2.0 / epoch,
        "train_accuracy": 0.3 * epoch,
        "test_loss": 2.1 / epoch,
        "test_accuracy": 0.25 * epoch,
        "lr": lr,
        **more,
    }


def words_in(path):
    with Image.open(path) as picture:
        return picture.text["Description"]


def lines(figure):
    """Return {label: accuracies} of the right axes."""
    return {line.get_label(): list(line.get_ydata()) for line in figure.axes[1].lines}


def test_curves_describe_themselves_in_words(tmp_path):
    records = [record(1), record(2, lr=0.01), record(3, lr=0.01)]
    figure = plot.curves(records, tmp_path / "c.png", title="demo")
    words = words_in(tmp_path / "c.png")
    assert "3 epochs" in words
    assert "test accuracy from 25.0 % to 75.0 %" in words
    assert figure.get_suptitle() == "demo: test accuracy 75.0 %"


def test_the_events_of_a_training_loop_can_be_drawn():
    step = Step("train", 1, 1, 1, 2.0, 0.1, 0.1)
    epoch = Epoch(1, 2.0, 0.3, 2.1, 0.25, 0.1, 1.0, 10.0, 2.2, 0.2)
    assert lines(plot.curves([step, epoch])) == {
        "train": [30],
        "test": [25],
        "validation": [20],
    }
    assert lines(plot.curves([dataclasses.asdict(epoch)])) == lines(plot.curves([epoch]))
    assert lines(plot.curves(event for event in (step, epoch))) == lines(plot.curves([epoch]))


def test_what_was_not_measured_is_not_drawn():
    records = [record(1, test_loss=None, test_accuracy=None)]
    assert list(lines(plot.curves(records))) == ["train"]
    some = [record(1), record(2, validation_loss=1.0, validation_accuracy=0.5)]
    assert lines(plot.curves(some))["validation"] == [50]


def test_a_run_without_epochs_and_one_with_one_can_be_drawn(tmp_path):
    for records in ([], [record(1)]):
        plot.curves(records, tmp_path / "c.png")
        with Image.open(tmp_path / "c.png") as picture:
            assert picture.width > 500


def test_each_drop_of_the_learning_rate_is_marked():
    axes = style.new_figure(3, 3).subplots()
    mark_drops(axes, [record(1, 0.1), record(2, 0.01), record(3, 0.01), record(4, 0.001)])
    assert [line.get_xdata()[0] for line in axes.lines] == [1.5, 3.5]
    assert [text.get_text() for text in axes.texts] == ["lr 0.01", "lr 0.001"]


def test_a_smooth_decay_is_not_marked():
    axes = style.new_figure(3, 3).subplots()
    mark_drops(axes, [record(i, 0.1 - 0.01 * i) for i in range(1, 5)])
    assert not axes.lines


def test_the_lines_differ_without_their_color():
    kinds = (style.TRAIN, style.TEST, style.VALIDATION)
    assert len({kind["linestyle"] for kind in kinds}) == 3
    assert len({kind["marker"] for kind in kinds}) == 3


@pytest.mark.parametrize("records", ["log.jsonl", [3], [Epoch]])
def test_records_of_another_kind_are_refused(records):
    with pytest.raises(TypeError, match=r"curves: each record is an Epoch of tn.fit or a dict"):
        plot.curves(records)


def test_batches_alone_are_no_epoch(tmp_path):
    figure = plot.curves([Step("train", 1, 1, 9, 2.0, 0.1, 0.1)], tmp_path / "c.png")
    assert words_in(tmp_path / "c.png") == "No epoch has finished."
    assert figure.axes[0].get_legend() is None
