"""Notebooks that the site offers: to download and, if its repository is named, on Colab and Binder.

The address of the repository is known only to whoever publishes the site: it is the setting
`repository`, and without it there are no badges. The site lies on the branch `branch` of that
repository, and Colab and Binder open the notebooks there.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import lab
from sphinx.application import Sphinx
from sphinx.errors import ConfigError

from tinynet.core.extras import DISTRIBUTION
from tinynet.lessons import editions, pages
from tinynet.words import LANGUAGES

FOLDER = "notebooks"
WORDS = ("Notebook", "Open in Colab", "Open in Binder", "Run in this browser")


def requirement(repository: str) -> str:
    """Return what pip installs: the name on the package index would be that of another project."""
    return f"{DISTRIBUTION} @ git+https://github.com/{repository}"


def install_cell(repository: str) -> dict[str, Any]:
    """Return the cell that installs tinynet where it is missing, as on Colab."""
    text = (
        "# Where tinynet is not installed, as on Colab, this installs it from its repository.\n"
        "import importlib.util\n"
        "\n"
        'if importlib.util.find_spec("tinynet") is None:\n'
        f'    %pip install --quiet "{requirement(repository)}"'
    )
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": "install",
        "metadata": {},
        "outputs": [],
        "source": text.splitlines(keepends=True),
    }


def offered(text: str, repository: str) -> str:
    """Return a notebook with the cell that installs tinynet, if its repository is known."""
    notebook = json.loads(text)
    if repository:
        notebook["cells"].insert(1, install_cell(repository))
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def links(
    docname: str, other: str, repository: str, branch: str, *, in_browser: bool = False
) -> str:
    """Return the row of links on the page of a lesson, as HTML.

    Parameters
    ----------
    other : text
        A link to the same lesson in the other language, or nothing.
    in_browser : bool
        The site has a lab, with the lessons that run there.

    >>> links("lessons/05_convolution", "", "", "")
    '<p class="open"><a href="../notebooks/05_convolution.ipynb" download>Notebook</a></p>'
    """
    _, *folders, name = docname.split("/")
    path = "/".join([FOLDER, *folders, f"{name}.ipynb"])
    top = "../" * (1 + len(folders))
    korean = ("노트북", "Colab에서 열기", "Binder에서 열기", "이 브라우저에서 실행")
    words = korean if folders else WORDS
    colab = f"https://colab.research.google.com/github/{repository}/blob/{branch}/{path}"
    binder = f"https://mybinder.org/v2/gh/{repository}/{branch}?labpath={path}"
    row = [f'<a href="{top}{path}" download>{words[0]}</a>']
    if repository:
        row.append(f'<a href="{colab}">{words[1]}</a>')
        row.append(f'<a href="{binder}">{words[2]}</a>')
    if in_browser and name[:2] in lab.LESSONS:
        file = "/".join([*folders, f"{name}.ipynb"])
        row.append(f'<a href="{top}{lab.FOLDER}/lab/index.html?path={file}">{words[3]}</a>')
    row.append(other)
    return f'<p class="open">{" ".join(filter(None, row))}</p>'


def _on_config(app: Sphinx, config: Any) -> None:
    if config.repository and not re.fullmatch(r"[\w.-]+/[\w.-]+", config.repository):
        raise ConfigError(
            f"make site: REPOSITORY={config.repository} must be owner/name, as in its address on "
            "GitHub: https://github.com/owner/name."
        )


def _on_finished(app: Sphinx, error: Exception | None) -> None:
    if error is not None:
        return
    repository = app.config.repository
    for lang in LANGUAGES:
        folder = Path(app.outdir, FOLDER, "" if lang == "en" else lang)
        folder.mkdir(parents=True, exist_ok=True)
        known = pages.lessons(Path(app.srcdir, "lessons"), lang)
        for lesson in known:
            if lesson.lang == lang:
                text = offered(editions.learners_notebook(lesson, known), repository)
                (folder / f"{lesson.path.stem}.ipynb").write_text(text, encoding="utf-8")
    Path(app.outdir, ".nojekyll").touch()  # GitHub's pages would leave out _static
    if repository:  # Binder reads it
        text = f"{requirement(repository)}\nipywidgets\n"
        Path(app.outdir, "requirements.txt").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the settings, and write the notebooks."""
    app.add_config_value("repository", "", "env", [str])
    app.add_config_value("branch", "gh-pages", "env", [str])
    app.add_config_value("in_browser", "", "env", [str])
    app.connect("config-inited", _on_config)
    app.connect("build-finished", _on_finished)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
