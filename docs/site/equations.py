"""Equations as MathML, made when the site is built: browsers draw them without a script.

MathML needs a font that knows how high a fraction bar lies; phones have none. The site carries the
part of STIX Two Math (SIL Open Font License) that its equations use.
"""

from __future__ import annotations

import html
import io
import logging
import re
from importlib import resources
from pathlib import Path

from docutils import nodes
from fontTools import subset
from fontTools.ttLib import TTFont
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

FONT = "equations.woff"
ITALIC = 0x1D434  # browsers show a lone letter of an equation in this alphabet
ITALIC_GREEK = 0x1D6FC


NAMED = re.compile(r"(?<!<msub>)(?<!<msup>)(?<!<munder>)(?<!<mfrac>)(<mi>[a-z]{2,}</mi>)(?=<m[^o])")


def mathml(source: str, display: str) -> str:
    r"""Return an equation in LaTeX as MathML, with a space after the name of a function.

    >>> mathml(r"\log p", "inline").count("mspace")
    1
    """
    made: str = convert(source, display=display)
    return NAMED.sub(r'\1<mspace width="0.167em"/>', made)


def inline(writer: HTML5Translator, node: nodes.math) -> None:
    """Write an equation inside a line."""
    writer.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def block(writer: HTML5Translator, node: nodes.math_block) -> None:
    """Write an equation on a line of its own; a narrow screen scrolls it."""
    writer.body.append(f'<div class="math">{mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def characters(page: str) -> set[int]:
    """Return the characters of all equations of a page, as numbers.

    >>> sorted(map(chr, characters("a<math><mi>H</mi><mo>&#x02211;</mo></math>b")))
    ['H', '∑', '𝐻']
    """
    found = re.findall(r"<math.*?</math>", page, re.DOTALL)
    text = html.unescape(re.sub(r"<[^>]*>", "", " ".join(found)))
    used = {ord(letter) for letter in text if not letter.isspace()}
    for letter in list(used):
        for first, last, alphabet in (
            ("A", "Z", ITALIC),
            ("a", "z", ITALIC + 26),
            ("α", "ω", ITALIC_GREEK),
        ):
            if ord(first) <= letter <= ord(last):
                used.add(alphabet + letter - ord(first))
    if ord("h") in used:
        used.add(0x210E)  # the italic h has its place among the physical constants
    return used


def font(used: set[int]) -> bytes:
    """Return the part of STIX Two Math that has these characters, with all its sizes of them."""
    source = resources.files("ziamath.fonts") / "STIXTwoMath-Regular.ttf"
    whole = TTFont(io.BytesIO(source.read_bytes()))
    options = subset.Options(flavor="woff", name_IDs=["*"], notdef_outline=True)
    reduced = subset.Subsetter(options)
    reduced.populate(unicodes=used)
    reduced.subset(whole)
    whole.flavor = "woff"
    written = io.BytesIO()
    whole.save(written)
    return written.getvalue()


def _on_finished(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        pages = Path(app.outdir).rglob("*.html")
        used = [characters(page.read_text(encoding="utf-8")) for page in pages]
        Path(app.outdir, "_static", FONT).write_bytes(font(set().union(*used)))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer and choose it; write the font."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.config.html_math_renderer = "mathml"
    app.connect("build-finished", _on_finished)
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
