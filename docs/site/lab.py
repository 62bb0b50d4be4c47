"""JupyterLab in the browser as a part of the site: Python, NumPy and tinynet come from the site.

    python docs/site/lab.py site FOLDER_OF_PYODIDE

The folder holds a Pyodide with its packages; nothing of it is in the repository. CONTRIBUTING.md
says where to get one. JupyterLite writes the pages, and a server of files is all they need.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from tinynet.core.extras import DISTRIBUTION  # noqa: E402
from tinynet.lessons import editions, pages  # noqa: E402
from tinynet.words import LANGUAGES  # noqa: E402

FOLDER = "browser"
VERSION = "0.27"  # of Pyodide, for which this JupyterLite is made
PARTS = ("pyodide.js", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
PACKAGES = (
    "numpy",
    "matplotlib",
    "pillow",
    "threadpoolctl",
)  # that tinynet computes and draws with
KERNEL = ("ipython", "jedi", "micropip", "sqlite3", "ssl")  # that JupyterLite's kernel asks for
NUMBERS = "01 02 03 05 06 07 08 10 11 12 13"  # each takes at most half a minute
LESSONS = tuple(NUMBERS.split())
INSTALL = f"""# In the browser tinynet comes from this site.
import piplite

await piplite.install({[*PACKAGES]})
await piplite.install("{DISTRIBUTION}", deps=False)"""


def lacking(folder: Path) -> str:
    """Return what a folder lacks to be a Pyodide for the lab, or nothing."""
    absent = [name for name in PARTS if not (folder / name).is_file()]
    if absent:
        return f"it has no {', '.join(absent)}"
    lock = json.loads((folder / "pyodide-lock.json").read_text(encoding="utf-8"))
    version = lock["info"]["version"]
    if not version.startswith(f"{VERSION}."):
        return f"it is Pyodide {version}, and JupyterLite is made for {VERSION}"
    found = {name: lock["packages"].get(name, {}) for name in (*PACKAGES, *KERNEL)}
    files = {name: one.get("file_name", "") for name, one in found.items()}
    absent = [name for name, file in files.items() if not (file and (folder / file).is_file())]
    return f"it has no package {', '.join(absent)}" if absent else ""


def notebook(text: str) -> str:
    """Return a lesson's notebook with the cell that installs tinynet, for the browser's kernel."""
    found = json.loads(text)
    cell = {"cell_type": "code", "execution_count": None, "id": "install", "metadata": {}}
    found["cells"].insert(1, {**cell, "outputs": [], "source": INSTALL.splitlines(keepends=True)})
    name = {"display_name": "Python (Pyodide)", "language": "python", "name": "python"}
    found["metadata"]["kernelspec"] = name
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def write_notebooks(folder: Path) -> None:
    """Write the lessons that run in a browser, the Korean ones into a folder of their own."""
    for lang in LANGUAGES:
        place = folder if lang == "en" else folder / lang
        place.mkdir(parents=True)
        known = pages.lessons(ROOT / "lessons", lang)
        for lesson in known:
            if lesson.number in LESSONS and lesson.lang == lang:
                text = notebook(editions.learners_notebook(lesson, known))
                (place / f"{lesson.path.stem}.ipynb").write_text(text, encoding="utf-8")


def build(site: Path, pyodide: Path) -> None:
    """Write the lab into the site."""
    with tempfile.TemporaryDirectory() as temporary:
        lite = Path(temporary)
        (lite / "static").mkdir()
        (lite / "static" / "pyodide").symlink_to(pyodide.resolve(), target_is_directory=True)
        wheels = ["pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "pypi", str(ROOT), "comm"]
        subprocess.run([sys.executable, "-m", *wheels], cwd=lite, check=True)
        write_notebooks(lite / "lessons")
        command = ["jupyterlite_core", "build", "--lite-dir", ".", "--contents", "lessons"]
        out = ["--output-dir", str((site / FOLDER).resolve())]
        quiet = [sys.executable, "-W", "ignore", "-m", *command, *out]
        subprocess.run(quiet, cwd=lite, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Build the lab from the two folders that the command line names."""
    site, pyodide = map(Path, sys.argv[1:])
    lack = lacking(pyodide)
    if lack:
        sys.stderr.write(f"make site: PYODIDE={pyodide}: {lack}. CONTRIBUTING.md has its source.\n")
        return 1
    build(site, pyodide)
    sys.stdout.write(f"{site / FOLDER}: serve it, python -m http.server --directory {site}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
