"""Site of the project: its parts, its links, and what a browser shows of it without a network."""

import doctest
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tinynet
from support.browser import browser, need_browser, wait
from support.required import lacking

ROOT = Path(tinynet.__file__).parent.parent
SITE = ROOT / "docs" / "site"

pytestmark = pytest.mark.skipif(not SITE.is_dir(), reason="tinynet is not a checkout here")


@pytest.fixture
def part(monkeypatch):
    """Return a function that imports a module of docs/site."""
    monkeypatch.syspath_prepend(str(SITE))
    return importlib.import_module


def build(source, out, *settings):
    """Build the site of a folder, every warning an error."""
    needed = ("sphinx", "myst_parser", "furo", "latex2mathml", "ziamath")
    absent = [name for name in needed if importlib.util.find_spec(name) is None]
    if absent:
        lacking("site", f"the site needs {', '.join(absent)}: pip install -e '.[site]'")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", str(SITE)]
    places = ["-d", str(out.with_name("doctrees")), str(source), str(out)]
    options = [word for setting in settings for word in ("-D", setting)]
    return subprocess.run([*command, *options, *places], capture_output=True, text=True)


# the check of links


PAGES = {
    "a.html": '<h1 id="top">A</h1><a href="sub/b.html#here">b</a><a href="#top">up</a>'
    '<a href="https://example.org/x">outside</a><img src="data:image/png;base64,AA">',
    "sub/b.html": '<p id="here"><a href="../a.html">a</a><img src="../i.png"></p>',
    "i.png": "",
    "s.css": 'p { background: url("i.png") }',
}


def checked(part, folder, **changed):
    for name, text in {**PAGES, **changed}.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, encoding="utf-8")
    return part("check_site").offences(folder)


def test_a_whole_site_has_no_offence(part, tmp_path):
    assert checked(part, tmp_path) == []


@pytest.mark.parametrize(
    ("text", "offence"),
    [
        ('<a href="c.html">', "n.html: the file of the link c.html is not there"),
        ('<a href="sub/b.html#no">', "n.html: the anchor of the link sub/b.html#no is not there"),
        ('<a href="#no">', "n.html: the anchor of the link #no is not there"),
        ('<img src="no.png">', "n.html: loads no.png, which is not there"),
        ('<script src="//c.org/x.js">', "n.html: loads //c.org/x.js from a network"),
        (
            '<link rel="stylesheet" href="https://c.org/x.css">',
            "n.html: loads https://c.org/x.css from a network",
        ),
        (
            "<style>@import 'https://c.org/f.css'</style>",
            "n.html: loads https://c.org/f.css from a network",
        ),
    ],
)
def test_a_planted_offence_is_found(part, tmp_path, text, offence):
    assert checked(part, tmp_path, **{"n.html": text}) == [offence]


def test_a_font_from_a_network_is_found(part, tmp_path):
    style = "@font-face { src: url(https://c.org/f.woff) }"
    found = checked(part, tmp_path, **{"s.css": style})
    assert found == ["s.css: loads https://c.org/f.woff from a network"]


# its parts


def test_every_page_of_the_documentation_is_in_the_table_of_contents():
    contents = (SITE / "contents.txt").read_text(encoding="utf-8").split()
    pages = [f"docs/{path.stem}" for path in (ROOT / "docs").glob("*.md")]
    assert sorted(set(pages) - set(contents)) == []
    assert [page for page in pages if contents.count(page) > 1] == []


@pytest.mark.parametrize(
    "name",
    ["docstrings", "equations", "lesson_pages", "notebooks", "search_words"],
)
def test_the_examples_of_its_modules_are_true(part, name):
    pytest.importorskip("sphinx")
    pytest.importorskip("latex2mathml")
    tried = doctest.testmod(part(name))
    assert tried.attempted > 0
    assert tried.failed == 0


SAVED = {
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": ["# 42 Title"]},
        {
            "cell_type": "markdown",
            "metadata": {},
            "source": ["<details><summary>Answer</summary>\n", "$x$\n", "</details>"],
        },
        {
            "cell_type": "code",
            "metadata": {},
            "source": ['# hint("42.1")  # without the first "#": a hint'],
            "outputs": [],
        },
        {
            "cell_type": "code",
            "metadata": {},
            "source": ["draw()"],
            "outputs": [
                {"output_type": "stream", "text": ["one\n"]},
                {"output_type": "stream", "text": ["two\n"]},
                {
                    "output_type": "display_data",
                    "data": {"image/png": "AAAA", "text/plain": 'Figure: a "plus"'},
                },
                {
                    "output_type": "display_data",
                    "data": {"text/html": "<pre>box</pre>", "text/plain": "the same"},
                },
            ],
        },
    ]
}


def test_a_lesson_is_shown_with_its_outputs_and_without_what_only_a_notebook_can(part):
    pytest.importorskip("sphinx")
    text = part("lesson_pages").markdown(SAVED, "<p>row</p>")
    assert text.startswith("# 42 Title\n\n<p>row</p>\n\n<details>")
    assert "</summary>\n\n\n$x$\n\n\n</details>" in text  # Markdown again, with its equation
    assert ":class: output\n\none\ntwo\n```" in text
    assert '<img src="data:image/png;base64,AAAA" alt="Figure: a &quot;plus&quot;">' in text
    assert "<pre>box</pre>" in text
    assert not re.search("hint|the same", text)


@pytest.mark.parametrize(("name", "wide"), [("13_two_gpus", True), ("05_convolution", False)])
def test_a_drawing_that_is_too_wide_for_a_phone_is_marked(part, name, wide):
    pytest.importorskip("sphinx")
    notebook = json.loads((ROOT / "lessons" / f"{name}.ipynb").read_text(encoding="utf-8"))
    text = part("lesson_pages").markdown(notebook)
    assert '<div class="shown' in text
    assert ('<div class="shown drawing"><img' in text) == wide


def test_badges_and_the_install_cell_need_the_name_of_a_repository(part):
    pytest.importorskip("sphinx")
    notebooks = part("notebooks")
    lesson = "lessons/05_convolution"
    assert "http" not in notebooks.links(lesson, "", "", "gh-pages")
    assert "browser" not in notebooks.links(lesson, "", "", "gh-pages")
    row = notebooks.links("lessons/ko/05_convolution", "", "", "", in_browser=True)
    assert '"../../browser/lab/index.html?path=ko/05_convolution.ipynb">이 브라우저' in row
    assert "lab" not in notebooks.links("lessons/00_hello_net", "", "", "", in_browser=True)
    row = notebooks.links(lesson, "", "some/one", "gh-pages")
    assert (
        "colab.research.google.com/github/some/one/blob/gh-pages/notebooks/05_convolution.ipynb"
        in row
    )
    assert "mybinder.org/v2/gh/some/one/gh-pages?labpath=notebooks/05_convolution.ipynb" in row
    text = (ROOT / f"{lesson}.ipynb").read_text(encoding="utf-8")
    assert notebooks.offered(text, "") == text
    second = json.loads(notebooks.offered(text, "some/one"))["cells"][1]
    assert second["source"][-1] == (
        '    %pip install --quiet "tinynet-alexnet @ git+https://github.com/some/one"'
    )


# the whole


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make site` does it."""
    out = tmp_path_factory.mktemp("site") / "site"
    built = build(ROOT, out)
    assert (built.returncode, built.stderr) == (0, "")
    return out


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_with_every_link(site, part):
    assert part("check_site").offences(site) == []
    lessons = [path.stem for path in (ROOT / "lessons").glob("*.py")]
    assert len(lessons) == 20
    for name in lessons:
        assert (site / "lessons" / f"{name}.html").exists()
        assert (site / "notebooks" / f"{name}.ipynb").exists()
    korean = (site / "notebooks" / "ko" / "05_convolution.ipynb").read_text(encoding="utf-8")
    assert 'language(\\"ko\\")' in korean
    text = (site / "lessons" / "05_convolution.html").read_text(encoding="utf-8")
    assert "<math" in text
    assert "mybinder" not in text
    assert 'id="tinynet.nn.Conv2d"' in (site / "docs/site/api/nn.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_site_of_a_repository_has_badges(tmp_path, part):
    (tmp_path / "lessons").mkdir()
    for name in ("05_convolution.py", "05_convolution.ipynb"):
        text = (ROOT / "lessons" / name).read_text(encoding="utf-8")
        (tmp_path / "lessons" / name).write_text(text.replace("06_im2col.ipynb", "#quiz"))
    (tmp_path / "README.md").write_text("# tinynet\n")
    out = tmp_path / "out" / "site"
    built = build(tmp_path, out, "repository=some/one", "suppress_warnings=toc,myst")
    assert (built.returncode, built.stderr) == (0, "")
    page = (out / "lessons" / "05_convolution.html").read_text(encoding="utf-8")
    assert "mybinder.org/v2/gh/some/one/gh-pages" in page
    assert part("check_site").offences(out) == []  # a badge is a link, and loads nothing
    requirements = (out / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert requirements[0] == "tinynet-alexnet @ git+https://github.com/some/one"
    refused = build(tmp_path, out, "repository=https://github.com/some/one")
    assert refused.returncode != 0
    assert "must be owner/name" in refused.stderr


@pytest.mark.slow
def test_a_browser_searches_it_from_the_disk(site):
    need_browser()
    with browser() as page:
        for words, expected in (("dropout", "09 Dropout"), ("도형", "05 손으로 하는 합성곱")):
            page.get(f"{site.as_uri()}/search.html?q={words}")
            found = wait(lambda title=expected: page.find_element("link text", title), words)
        found.click()
        wait(lambda: page.find_element("tag name", "h1").text.startswith(expected), "its page")
        assert page.execute_script("return document.documentElement.lang") == "ko"
        state = "return [...document.fonts].map(font => [font.family, font.status].join(': '))"
        wait(lambda: page.execute_script(state) == ["Site Math: loaded"], "equations in their font")


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1200])
def test_no_page_is_wider_than_the_screen(site, width):
    need_browser()
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    names = ["README", "README.ko", "docs/weights", "docs/networks", "docs/site/api/nn"]
    names += [f"lessons/{path.stem}" for path in (ROOT / "lessons").glob("*.ipynb")]
    with browser() as page:
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        wide = {}
        for name in names:
            page.get(f"{site.as_uri()}/{name}.html")
            wide[name] = page.execute_script("return document.documentElement.scrollWidth")
        assert {name: w for name, w in wide.items() if w > width} == {}
