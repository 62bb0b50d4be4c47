"""Figures as objects and as files: no state of pyplot, no half of a file, no noise."""

import gc
import os
import subprocess
import sys
import weakref

import pytest

import tinynet as tn
from tinynet import plot
from tinynet.plot import style

MATRIX = [[8, 2], [1, 9]]


def test_a_figure_is_returned_whole_and_pyplot_is_never_imported():
    code = (
        "import sys, tinynet as tn; figure = tn.plot.confusion([[1, 0], [0, 1]]);"
        "png = figure._repr_png_();"
        "print(type(figure).__mro__[1].__name__, png[1:4], 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Figure", "b'PNG'", "False"]


def test_a_figure_that_is_dropped_is_freed():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure = weakref.ref(plot.confusion(MATRIX))
    gc.collect()
    assert figure() is None
    assert pyplot.get_fignums() == []


def test_a_notebook_shows_a_figure_without_pyplot():
    formatters = pytest.importorskip("IPython.core.formatters")
    data, _ = formatters.DisplayFormatter().format(plot.confusion(MATRIX))
    assert data["image/png"][1:4] == b"PNG"


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.png", b"\x89PNG"), ("a", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")],
)
def test_the_suffix_decides_the_format_and_a_path_may_be_a_string(tmp_path, name, start):
    plot.confusion(MATRIX, path=str(tmp_path / name))
    assert (tmp_path / name).read_bytes().startswith(start)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_another_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"plot: figures are written as .png, .svg, .pdf, not .gi"):
        plot.confusion(MATRIX, path=tmp_path / "a.gif")


def test_a_figure_that_cannot_be_written_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"a\.png: could not be written .* Make room"):
        plot.confusion(MATRIX, path=path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert path.read_bytes() == b"old"


def test_the_figure_keeps_its_words_and_its_numbers():
    figure = plot.dead_units(tn.nn.Sequential(tn.nn.ReLU()), [[1.0, -1.0]])
    assert figure.description == "Dead units of the ReLU layers: 1 of 2 in layer 0."
    assert figure.numbers["0"].tolist() == [1, 0]


def test_all_are_public():
    assert {"confusion", "curves", "filters", "graph"} < set(tn.plot.__all__)
    assert tn.plot.__all__ == sorted(tn.plot.__all__)
    assert all(callable(getattr(tn.plot, name)) for name in tn.plot.__all__)


def test_without_a_home_drawing_is_silent(tmp_path):
    code = "from tinynet import plot; plot.curves([], 'c.png')"
    environment = {**os.environ, "HOME": "/dev/null/home", "PYTHONPATH": os.pathsep.join(sys.path)}
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (tmp_path / "c.png").exists(), done.stderr
    assert done.stderr == ""


def test_drawing_leaves_the_log_level_of_matplotlib_alone():
    code = (
        "import logging, tinynet as tn; logger = logging.getLogger('matplotlib');"
        "logger.setLevel(logging.INFO); tn.plot.curves([]); print(logger.level == logging.INFO)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


# other scripts


def families(figure):
    """Return the fonts of the labels of the rows, by their text."""
    return {t.get_text(): t.get_fontfamily() for t in figure.axes[0].get_yticklabels()}


def test_names_in_other_scripts_get_the_fonts_that_are_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(style, "_fonts", lambda: ["DejaVu Sans", "DejaVu Serif"])
    figure = plot.confusion(MATRIX, ["고양이", "chien gâté"], tmp_path / "a.png")
    assert families(figure)["고양이"] == ["DejaVu Sans", "DejaVu Serif"]
    assert families(figure)["chien gâté"] != ["DejaVu Sans", "DejaVu Serif"]


@pytest.mark.filterwarnings("error")
def test_a_glyph_without_a_font_is_a_box_and_no_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(style, "_fonts", lambda: ["DejaVu Sans"])
    figure = plot.confusion(MATRIX, ["고양이", "犬"], tmp_path / "a.png", title="동물")
    assert figure._repr_png_()


def test_the_first_font_is_that_of_the_figures():
    assert style._fonts()[0] == "DejaVu Sans"
    assert set(style._fonts()[1:]) <= set(style.OTHER_SCRIPTS)
