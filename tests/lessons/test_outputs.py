"""Outputs that the notebooks of the repository are saved with."""

import json

import pytest

from support.checkout import needs_lessons
from tinynet.core.errors import DataError
from tinynet.lessons import outputs, pages
from tinynet.lessons.editions import notebook
from tinynet.lessons.pages import cells

TEXT = """# %% [markdown] lang="en"
# # 42 Title

# %% tags=["predict"]
print("a guess is missing")

# %%
print("one")
print("two")
"""
OLD = notebook(cells(TEXT), "lesson-42")


def with_output(text):
    whole = json.loads(text)
    stream = {"name": "stdout", "output_type": "stream", "text": "one"}
    outputs.code_cells(whole)[1]["outputs"] = [stream]
    return outputs.as_text(whole)


def test_outputs_stay_while_the_code_does():
    run = with_output(OLD)
    assert outputs.kept(OLD, run) == run
    reworded = notebook(cells(TEXT.replace("Title", "Another")), "lesson-42")
    assert "Another" in outputs.kept(reworded, run)
    assert '"stdout"' in outputs.kept(reworded, run)
    assert outputs.without(run) == OLD


def test_a_change_of_any_cell_drops_all_outputs():
    changed = notebook(cells(TEXT.replace("a guess", "your guess")), "lesson-42")
    assert outputs.kept(changed, with_output(OLD)) == changed


def test_a_figure_becomes_an_image_and_sliders_are_left_out():
    figure = '<img src="data:image/png;base64,AAAA" alt="a &quot;plus&quot;">'
    shown = [
        {"output_type": "stream", "name": "stdout", "text": "one\n"},
        {"output_type": "stream", "name": "stderr", "text": "a warning\n"},
        {"output_type": "stream", "name": "stdout", "text": "two\n"},
        {
            "output_type": "display_data",
            "data": {"text/plain": "Figure: a plus", "text/html": figure},
        },
        {"output_type": "display_data", "data": {outputs.WIDGET: {}, "text/plain": "VBox()"}},
        {"output_type": "execute_result", "data": {"text/plain": "3"}, "execution_count": 7},
    ]
    printed, image, result = outputs.saved(shown)
    assert printed["text"] == ["one\n", "two\n"]
    assert image["data"] == {"image/png": "AAAA\n", "text/plain": "Figure: a plus"}
    assert result == {"data": {"text/plain": "3"}, "metadata": {}, "output_type": "display_data"}


@needs_lessons
@pytest.mark.parametrize("number", [f"{i:02d}" for i in range(20)])
def test_the_notebook_of_a_lesson_shows_its_figures(number):
    path = pages.find(number).path.with_suffix(".ipynb")
    whole = json.loads(path.read_text(encoding="utf-8"))
    shown = outputs.images(whole)
    assert shown, f"save them: tinynet lessons pair --run {number}"
    assert all(image.startswith(b"\x89PNG") for image in shown)
    for cell in outputs.code_cells(whole):
        answered = outputs.ANSWERED & set(cell["metadata"].get("tags", ()))
        assert not (answered and cell["outputs"])


@pytest.mark.slow
def test_a_run_saves_what_is_shown(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbclient")
    path = tmp_path / "42_title.ipynb"
    path.write_text(OLD)
    outputs.run(path)
    nbformat.validate(nbformat.read(path, as_version=4))
    guess, printed = outputs.code_cells(json.loads(path.read_text()))
    assert guess["outputs"] == []
    assert printed["outputs"][0]["text"] == ["one\n", "two\n"]
    assert outputs.without(path.read_text()) == OLD
    path.write_text(notebook(cells(TEXT.replace('"one"', '1 + "one"')), "lesson-42"))
    with pytest.raises(DataError, match=r"42_title.ipynb: a cell failed: TypeError"):
        outputs.run(path)
