"""Outputs of the notebooks in the repository: saved by a run, and kept while the code is the same.

A learner's notebook has none; those of the repository show figures to a reader who runs nothing.
"""

from __future__ import annotations

import base64
import importlib
import importlib.util
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinynet.core.errors import DataError

Cell = dict[str, Any]
ANSWERED = {"exercise", "predict"}  # tags of cells whose output is about an answer that is missing
FIGURE = re.compile(r'<img src="data:image/png;base64,([^"]*)" alt="[^"]*">')
WIDGET = "application/vnd.jupyter.widget-view+json"  # a slider moves nothing in a saved file
LIMIT = 600  # seconds a cell


def kept(new: str, old: str) -> str:
    """Return a notebook with the outputs of an older one, if both have the same code.

    Parameters
    ----------
    new, old : text
        Notebooks as JSON. An output depends on all cells before it, so one that differs is enough
        to keep none.
    """
    notebook = json.loads(new)
    mine = code_cells(notebook)
    theirs = code_cells(json.loads(old))
    if [cell["source"] for cell in mine] != [cell["source"] for cell in theirs]:
        return new
    for cell, saved in zip(mine, theirs, strict=True):
        cell["outputs"] = saved["outputs"]
    return as_text(notebook)


def without(text: str) -> str:
    """Return a notebook without its outputs."""
    notebook = json.loads(text)
    for cell in code_cells(notebook):
        cell["outputs"] = []
    return as_text(notebook)


def run(path: Path) -> None:
    """Run a notebook from top to bottom, in English and on drawn images, and save its outputs.

    Raises
    ------
    DataError
        nbclient is not installed, or a cell fails.
    """
    if importlib.util.find_spec("nbclient") is None:
        raise DataError("lessons pair: nbclient is not installed. pip install nbclient ipykernel")
    nbclient: Any = importlib.import_module("nbclient")
    nbformat: Any = importlib.import_module("nbformat")
    executed = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        executed, timeout=LIMIT, resources={"metadata": {"path": str(path.parent)}}
    )
    same = {**os.environ, "TINYNET_LANG": "en", "TINYNET_LESSON_DATA": "shapes"}
    try:
        client.execute(env=same)
    except nbclient.exceptions.CellExecutionError as error:
        said = f"{error.ename}: {error.evalue}"
        raise DataError(f"lessons pair: {path.name}: a cell failed: {said}") from None
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell, done in zip(code_cells(notebook), code_cells(executed), strict=True):
        answered = ANSWERED & set(cell["metadata"].get("tags", ()))
        cell["outputs"] = [] if answered else list(saved(done["outputs"]))
    path.write_text(as_text(notebook), encoding="utf-8")


def saved(outputs: list[Cell]) -> Iterator[Cell]:
    """Yield the outputs of a cell as they are saved.

    What was printed in pieces is one output. A figure is an image of its own kind, which is shown
    everywhere, with its description as text. Sliders and what programs say to stderr are left out.
    """
    printed = ""
    for one in outputs:
        if one["output_type"] == "stream":
            printed += one["text"] if one["name"] == "stdout" else ""
            continue
        yield from _stream(printed)
        printed = ""
        data = dict(one.get("data", {}))
        if WIDGET not in data:
            figure = FIGURE.fullmatch(data.get("text/html", ""))
            if figure:
                data["image/png"] = figure[1] + "\n"
                del data["text/html"]
            shown = {kind: _lines(value) for kind, value in sorted(data.items())}
            yield {"data": shown, "metadata": {}, "output_type": "display_data"}
    yield from _stream(printed)


def images(notebook: Cell) -> list[bytes]:
    """Return the images in the outputs of a notebook."""
    outputs = [one for cell in code_cells(notebook) for one in cell["outputs"]]
    found = [one["data"]["image/png"] for one in outputs if "image/png" in one.get("data", {})]
    return [base64.b64decode("".join(coded)) for coded in found]


def code_cells(notebook: Cell) -> list[Cell]:
    """Return the cells of a notebook that hold code."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def as_text(notebook: Cell) -> str:
    """Return a notebook as JSON, as this project writes it."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _stream(text: str) -> Iterator[Cell]:
    if text:
        yield {"name": "stdout", "output_type": "stream", "text": _lines(text)}


def _lines(text: str) -> list[str] | str:
    return text.splitlines(keepends=True) if "\n" in text.rstrip("\n") else text
