"""Figures of a lesson: their text, their files, and sliders in a notebook."""

import sys
import types

import pytest

from support.checkout import needs_lessons
from tinynet import lessons
from tinynet.lessons import picture, speak

pytestmark = needs_lessons


@pytest.fixture
def drawn():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    return plt.figure(figsize=(1, 1))


def test_a_figure_says_its_text_is_saved_when_asked_and_closed(
    drawn, tmp_path, monkeypatch, capsys
):
    from matplotlib import pyplot as plt
    from PIL import Image

    monkeypatch.setenv(picture.FOLDER, str(tmp_path / "new"))
    lessons.figure(drawn, "nothing at all")
    assert capsys.readouterr().out == "Figure: nothing at all\n"
    (saved,) = (tmp_path / "new").iterdir()
    with Image.open(saved) as image:
        assert image.info["Description"] == "nothing at all"
    assert plt.get_fignums() == []


@pytest.fixture
def notebook(monkeypatch):
    """Return the list of displayed outputs."""
    shown = []
    monkeypatch.setattr(speak, "notebook", lambda: lambda data, raw: shown.append(data))
    return shown


def test_in_a_notebook_a_figure_carries_its_text(drawn, notebook):
    lessons.figure(drawn, 'a "disc" & more')
    assert 'alt="a &quot;disc&quot; &amp; more"' in notebook[0]["text/html"]


def test_in_a_notebook_a_check_has_a_box(notebook):
    speak.say("ok", "a < b")
    assert "a &lt; b" in notebook[0]["text/html"]
    assert notebook[0]["text/plain"] == "a < b"


def test_without_a_notebook_what_moves_stands_still(drawn, capsys):
    lessons.move(lambda i: (drawn, f"i = {i}"), i=range(3, 5))
    assert capsys.readouterr().out == "Figure: i = 3\n"


class Slider:
    """A slider of ipywidgets that a test can move."""

    made = ()

    def __init__(self, options, description, value, style):
        assert value in options
        self.value = value
        Slider.made = (*Slider.made, self)

    def observe(self, redraw, what):
        self.redraw = redraw


def test_in_a_notebook_with_widgets_sliders_draw_the_picture_anew(monkeypatch):
    from matplotlib import pyplot as plt

    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(data)

    def display(data, raw=False, display_id=False):
        shown.append(data)
        return Handle()

    widgets = types.SimpleNamespace(SelectionSlider=Slider, VBox=list)
    monkeypatch.setattr(speak, "notebook", lambda: display)
    monkeypatch.setitem(sys.modules, "ipywidgets", widgets)
    monkeypatch.setattr(picture.importlib.util, "find_spec", lambda name: name)
    lessons.move(lambda i, j=7: (plt.figure(), f"i = {i}, j = {j}"), i=range(3), j=[5, 7])
    first, second = Slider.made
    first.value, second.value = 2, 5
    second.redraw(None)
    still, _, moved = (data.get("text/plain") if isinstance(data, dict) else "" for data in shown)
    assert (still, moved) == ("Figure: i = 0, j = 7", "Figure: i = 2, j = 5")
    assert plt.get_fignums() == []
