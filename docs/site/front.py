"""Front page, which is the README with the table of contents; and the language of each page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

CONTENTS = Path(__file__).with_name("contents.txt")
KOREAN = re.compile(r"lessons/ko/.*|.*\.ko|docs/ko-terms")
FOLDER_OF_DECISIONS = re.compile(r"\]\((?:docs/)?decisions/?\)")


def _on_read(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname == app.config.root_doc:
        source[0] += "\n" + CONTENTS.read_text(encoding="utf-8")
    if docname.endswith(".ko"):
        source[0] = _korean_lessons(Path(app.srcdir), source[0])
    source[0] = FOLDER_OF_DECISIONS.sub("](/docs/site/decisions.md)", source[0])


def _korean_lessons(root: Path, text: str) -> str:
    """Return a Korean text whose links go to the lessons that are translated."""

    def target(match: re.Match[str]) -> str:
        path = f"lessons/ko/{match[1]}.md"
        return f"]({path})" if (root / path).exists() else match[0]

    return re.sub(r"\]\(lessons/(\d\d_\w+)\.ipynb\)", target, text)


def _on_page(
    app: Sphinx, docname: str, template: str, context: dict[str, Any], tree: object
) -> None:
    if KOREAN.fullmatch(docname):
        context["language"] = "ko"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the table of contents and the language of pages."""
    app.connect("source-read", _on_read)
    app.connect("html-page-context", _on_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
