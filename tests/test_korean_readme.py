"""README.ko.md beside README.md: the same code, links and numbers in every section."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tinynet.lessons import pages

ROOT = Path(__file__).parent.parent
ENGLISH = ROOT / "README.md"
KOREAN = ROOT / "README.ko.md"
pytestmark = pytest.mark.skipif(not ENGLISH.exists(), reason="tinynet is not a checkout here")

BLOCK = re.compile(r"^```.*?^```$|(?:^    [^\n]*\n)+", flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)]*)\)")
OTHER_EDITION = {"README.md", "README.ko.md"}


def sections(path):
    """Split a text at its second-level headings, which lie outside its blocks of code."""
    return re.split(r"^## ", BLOCK.sub("", path.read_text(encoding="utf-8")), flags=re.MULTILINE)


def code_of(section):
    return Counter(" ".join(code.split()) for code in re.findall(r"`([^`]*)`", section))


def links_of(section):
    return Counter(x for x in LINK.findall(section) if x[0] != "#" and x not in OTHER_EDITION)


def numbers_of(section):
    words = LINK.sub("]", re.sub(r"`[^`]*`", "", section))
    return Counter(re.findall(r"\d+(?:[.,]\d+)*", words))


def tables_of(section):
    return [line.count("|") for line in section.splitlines() if line.startswith("|")]


def differences(english, korean):
    """Return what one section has and the other lacks, by kind."""
    found = {}
    for kind in (code_of, links_of, numbers_of):
        one = kind(english)
        other = kind(korean)
        if one != other:
            found[kind.__name__] = {"only English": one - other, "only Korean": other - one}
    if tables_of(english) != tables_of(korean):
        found["tables_of"] = "other rows or columns"
    return found


def test_both_readmes_have_the_same_blocks_of_code():
    english = BLOCK.findall(ENGLISH.read_text(encoding="utf-8"))
    assert english
    assert BLOCK.findall(KOREAN.read_text(encoding="utf-8")) == english


def test_every_section_has_the_same_code_links_and_numbers_in_korean():
    for english, korean in zip(sections(ENGLISH), sections(KOREAN), strict=True):
        assert differences(english, korean) == {}, korean.partition("\n")[0]


@pytest.mark.parametrize("path", [ENGLISH, KOREAN], ids=lambda path: path.name)
def test_three_pictures_stand_on_the_first_screen(path):
    first = path.read_text(encoding="utf-8").splitlines()[:16]
    shown = [x for line in first for x in re.findall(r"!\[[^]]+\]\(([^)]*)\)", line)]
    assert len(shown) == 3
    assert all((ROOT / picture).is_file() for picture in shown)


@pytest.mark.parametrize(
    ("kind", "korean"),
    [
        ("code_of", "`tinynet rain` 97.1 %: [여기](a.md)\n| a | b |"),
        ("links_of", "`tinynet train` 97.1 %: [여기](b.md)\n| a | b |"),
        ("numbers_of", "`tinynet train` 97.2 %: [여기](a.md)\n| a | b |"),
        ("tables_of", "`tinynet train` 97.1 %: [여기](a.md)\n| a |"),
    ],
)
def test_a_difference_is_found(kind, korean):
    english = "`tinynet train` 97.1 %: [here](a.md)\n| a | b |"
    assert list(differences(english, korean)) == [kind]


def test_every_anchor_of_the_korean_readme_is_a_heading():
    text = KOREAN.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", text), flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert {link[1:] for link in LINK.findall(text) if link[0] == "#"} - anchors == set()


def test_the_korean_readme_lists_the_korean_lessons():
    listed = re.findall(r"^\| \d\d \| .*$", KOREAN.read_text(encoding="utf-8"), re.MULTILINE)
    rows = [pages.row(lesson) for lesson in pages.lessons(lang="ko")]
    assert listed == rows, "write it anew: tinynet lessons pair"
