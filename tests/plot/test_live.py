"""Curves that grow while a network is trained: how often, in place, in files, in a notebook."""

import importlib
import itertools
import sys
from types import SimpleNamespace

import pytest

from tinynet import plot
from tinynet.training.loop import Step

module = importlib.import_module("tinynet.plot.live")  # the name in tinynet.plot is the function


def record(epoch):
    return {"epoch": epoch, "train_loss": 2.0 / epoch, "train_accuracy": 0.1 * epoch, "lr": 0.1}


class Clock:
    """Seconds that pass only when they are told to."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(module, "time", found)
    return found


@pytest.fixture
def drawn(monkeypatch, clock):
    """Return (seconds, epochs) of each drawing; a drawing takes a hundredth of a second."""
    found = []

    def curves(seen, path, *, title, classes):
        found.append((clock.now, [each["epoch"] for each in seen]))
        clock.now += 0.01
        return f"figure of {len(seen)}"

    monkeypatch.setattr(module, "curves", curves)
    return found


@pytest.fixture
def notebook(monkeypatch):
    """Put IPython with a kernel in place; return what its cell was given."""
    given = []
    handle = SimpleNamespace(update=lambda figure: given.append(("update", figure)))

    def display(figure, display_id):
        given.append(("display", figure))
        return handle

    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    return given


def test_one_figure_is_replaced_in_place(notebook, drawn, clock):
    for _ in plot.live(record(i) for i in (1, 2)):
        clock.now += 1.0
    assert notebook == [("display", "figure of 1"), ("update", "figure of 2")]


def test_it_is_drawn_at_most_twice_a_second_and_at_last(notebook, drawn, clock):
    for _ in plot.live(record(i) for i in range(1, 22)):
        clock.now += 0.1
    times = [now for now, _ in drawn]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert all(gap >= 0.5 for gap in gaps[:-1])
    assert drawn[-1][1] == list(range(1, 22)), "the last epoch is always drawn"
    assert len(drawn) < 7


def test_drawing_takes_a_tenth_of_the_time(notebook, monkeypatch, clock):
    drawn = []

    def slow(seen, path, *, title, classes):
        drawn.append(len(seen))
        clock.now += 1.0

    monkeypatch.setattr(module, "curves", slow)
    for _ in plot.live(record(i) for i in range(1, 101)):
        clock.now += 1.0
    assert len(drawn) <= 12  # the first one is not counted


def test_the_first_drawing_loads_matplotlib_and_delays_no_other(notebook, monkeypatch, clock):
    drawn = []

    def curves(seen, path, *, title, classes):
        clock.now += 0.01 if drawn else 3.0
        drawn.append(len(seen))

    monkeypatch.setattr(module, "curves", curves)
    for _ in plot.live(record(i) for i in range(1, 6)):
        clock.now += 1.0
    assert drawn == [1, 2, 3, 4, 5]


def test_what_comes_is_passed_on_as_it_is(drawn):
    step = Step("train", 1, 1, 1, 2.0, 0.1, 0.1)
    events = [step, record(1), step, record(2)]
    assert list(plot.live(iter(events))) == events
    assert drawn == [], "nothing is drawn where nothing would be seen"


def test_a_file_is_redrawn_where_there_is_no_notebook(tmp_path):
    for _ in plot.live([record(1), record(2)], tmp_path / "c.png", title="mine", classes=10):
        assert (tmp_path / "c.png").exists(), "it is there before the next epoch"


def test_a_loop_that_is_left_early_leaves_the_figure(notebook, drawn):
    for _ in plot.live(record(i) for i in (1, 2, 3)):
        break
    assert [epochs for _, epochs in drawn] == [[1]]


CELL = """
import tinynet as tn
records = [{"epoch": i, "train_loss": 1 / i, "train_accuracy": 0.1} for i in (1, 2)]
for _ in tn.plot.live(records, every=0.0):
    pass
"""


@pytest.mark.slow
def test_a_real_notebook_has_one_figure_of_all_epochs():
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    cell = nbformat.v4.new_code_cell(CELL)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    outputs = notebook.cells[0].outputs
    assert len(outputs) == 1
    assert "image/png" in outputs[0].data
