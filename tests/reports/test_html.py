"""HTML as text: what is escaped, and the parts of a page."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet.reports.html import Html, image, page, section, table, tag, text


class Reader(HTMLParser):
    """Reads back the text and the attributes of one element."""

    def __init__(self, source):
        super().__init__()
        self.elements = []
        self.words = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data


@given(st.text(st.characters(categories=["L", "N", "P", "S"], include_characters=" ")))
def test_whatever_a_text_or_an_attribute_is_it_is_read_back(value):
    found = Reader(tag("p", value, title=value))
    assert found.elements == [("p", {"title": value})]
    assert found.words == value


def test_control_characters_are_written_out():
    assert text("a\x00b\x1b[2J\u202e") == "a\\x00b\\x1b[2J\\u202e"


def test_html_is_taken_as_it_is_and_nothing_else():
    assert tag("p", tag("b", "x"), "<i>", None) == "<p><b>x</b>&lt;i&gt;</p>"
    assert type(tag("p")) is Html
    assert tag("br") == "<br>"


def test_attributes():
    found = tag("td", class_="a", aria_label="b", hidden=True, id=None, open=False)
    assert found == '<td class="a" aria-label="b" hidden></td>'


def test_a_table_says_what_its_cells_are_about():
    found = Reader(table(["class", "images"], [["<cat>", "3"]], "Counts"))
    heads = [attributes for name, attributes in found.elements if name == "th"]
    assert [attributes["scope"] for attributes in heads] == ["col", "col", "row"]
    (whole,) = [attributes for name, attributes in found.elements if name == "table"]
    (caption,) = [attributes for name, attributes in found.elements if name == "p"]
    assert whole["aria-labelledby"] == caption["id"]
    (region,) = [a for name, a in found.elements if name == "div"]
    assert region["tabindex"] == "0", "the keyboard can scroll it"


def test_two_tables_have_two_identities():
    first, second = (Reader(table(["a"], [], words)).elements[0][1]["id"] for words in "xy")
    assert first != second


def test_a_section_is_named_by_its_heading():
    found = Reader(section("curves", "Curves"))
    (name, whole), (heading, attributes) = found.elements
    assert (name, heading) == ("section", "h2")
    assert whole["aria-labelledby"] == attributes["id"]


def test_an_image_has_its_words():
    assert 'alt="a &quot;cat&quot;"' in image("data:,", 'a "cat"')


def test_a_page_has_its_landmarks_and_loads_nothing():
    whole = page("A & B", [tag("h1", "A")], [("one", "One", tag("p", "x"))])
    found = Reader(whole)
    names = [name for name, _ in found.elements]
    assert whole.startswith("<!DOCTYPE html>\n")
    assert dict(found.elements)["html"] == {"lang": "en"}
    for name in ("header", "nav", "main", "footer", "title"):
        assert names.count(name) == 1
    policy = next(a["content"] for n, a in found.elements if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert "script" not in names
    assert ("a", {"href": "#one"}) in found.elements


@pytest.mark.parametrize("scheme", ["prefers-color-scheme: dark", "@media print"])
def test_the_style_sheet_is_inside_and_knows_dark_and_print(scheme):
    whole = page("", [], [])
    assert scheme in whole
    assert "url(" not in whole
    assert "@import" not in whole
