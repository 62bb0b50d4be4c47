"""Figures of a run while it lasts: when they are drawn, and that they never end it."""

from types import SimpleNamespace

import pytest

from support.tiny_run import RECIPE, new_run
from tinynet.training import run_dir, run_figures, runs
from tinynet.training.loop import Epoch
from tinynet.training.recipes import Recipe
from tinynet.training.run_figures import Redrawing


class Clock:
    """Seconds that pass only when they are told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_figures_take_a_twentieth_of_the_time_at_most():
    clock = Clock()
    drawn = []

    def draw(run):
        drawn.append(clock.now)
        clock.now += 2.0

    figures = Redrawing(draw, clock)
    for _ in range(100):
        clock.now += 5.0
        figures.if_due(None)
    assert drawn[0] == 10.0, "by the guess of half a second"
    assert drawn[1] - drawn[0] == 42.0
    assert 2.0 * len(drawn) <= 0.05 * clock.now


def test_a_figure_that_cannot_be_drawn_is_a_warning():
    def broken(run):
        raise RuntimeError("no font")

    figures = Redrawing(broken)
    with pytest.warns(RuntimeWarning, match="figures of a/run could not be drawn: no font"):
        figures.now(SimpleNamespace(folder="a/run"))


@pytest.fixture
def drawn(monkeypatch):
    """Return how many epochs each drawing had, in a run whose drawings cost nothing."""
    found = []
    monkeypatch.setattr(runs, "draw", lambda run: found.append(len(run.state.records)))
    monkeypatch.setattr(run_figures, "FIRST_COST", 0.0)
    return found


def test_a_run_draws_while_it_lasts_and_at_its_end(tmp_path, drawn):
    seen = [
        list(drawn) for event in runs.advance(new_run(tmp_path / "r")) if isinstance(event, Epoch)
    ]
    assert seen[0] == []
    assert seen[1] == [1]
    assert drawn[-1] == RECIPE.epochs


def test_a_stopped_run_has_its_figures(tmp_path):
    run = new_run(tmp_path / "r")
    list(runs.advance(run, max_minutes=0))
    assert (run.folder / run_dir.CURVES).exists()
    assert (run.folder / run_dir.FILTERS).exists()


@pytest.mark.parametrize(
    ("data", "title"),
    [("shapes", "demo on shapes, seed 3"), ("folder:/a/long/path/pics", "demo on pics, seed 3")],
)
def test_a_title_names_a_folder_without_its_path(data, title):
    recipe = Recipe(name="demo", about="", model="demo", data=data, epochs=1, lr=0.1, seed=3)
    assert recipe.title == title
