"""Sphinx's settings for the site: `make site` builds it from the files of the repository."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT)]

import tinynet  # noqa: E402

project = "tinynet"
author = "tinynet contributors"
release = tinynet.__version__
root_doc = "README"
language = "en"
nitpicky = True
nitpick_ignore = {("py:exc", "UnsupportedError"), ("py:exc", "OutOfBoundsError")}  # not public

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    # of this folder
    "docstrings",
    "equations",
    "front",
    "lesson_pages",
    "notebooks",
    "search_words",
]

# The source folder is the repository itself: its links are the links of the site.

source_suffix = {".md": "markdown", ".ipynb": "markdown"}
include_patterns = ["*.md", "docs/**", "lessons/[0-9]*.ipynb", "lessons/ko/[0-9]*.md"]
exclude_patterns = [  # an environment or a run need not be searched
    path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in ("docs", "lessons")
]

# Markdown

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

# Docstrings

autodoc_default_options = {"members": True, "imported-members": True}
autodoc_member_order = "groupwise"
autodoc_typehints = "none"
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_use_param = False  # what stands for a type here is often a shape
napoleon_use_rtype = False
default_role = "code"
smartquotes = False  # the text as it is written

# HTML

html_theme = "furo"
html_title = "tinynet"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_additional_pages = {"index": "index.html"}  # leads to README.html
templates_path = ["templates"]
html_copy_source = False
html_show_sphinx = False
