"""Pages in a browser: no sideways scrolling, dark and light colors, print, an empty console."""

import pytest

from support.browser import WIDEST, browser, check, need_browser, scheme, size, wait_for_images
from support.reported_run import NAMES
from tinynet import reports

A4 = 720  # CSS pixels between margins of 1 cm


@pytest.fixture
def pages(folder, tmp_path):
    """Write the page of a run and a comparison, with a log of many epochs in one of them."""
    need_browser()
    other = (
        tmp_path / "another run with a very long name that has_no_place_to_break_at_all_0123456789"
    )
    other.mkdir()
    for name in ("config.json", "log.jsonl"):
        (other / name).write_bytes((folder / name).read_bytes())
    return {
        "report": reports.report(folder),
        "comparison": reports.compare([folder, other], tmp_path / "comparison.html"),
    }


@pytest.mark.slow
def test_the_pages_in_a_browser(pages):
    """One browser for all, since its start takes seconds."""
    with browser() as page:
        for path in pages.values():
            page.get(path.as_uri())
            check(page, path.name)
            scheme(page, "dark", media="print")
            size(page, A4)
            assert page.execute_script(WIDEST)[0] == 0, f"{path.name} is wider than paper"
            scheme(page, "light")
            wait_for_images(page)
            assert page.get_log("browser") == []
        page.get(pages["report"].as_uri())
        assert page.execute_script("return typeof alert.called") == "undefined"
        headings = [element.text for element in page.find_elements("css selector", "h2")]
        assert headings[0] == "Curves"
        cells = page.find_elements("css selector", ".confusion tbody th")
        assert [cell.text for cell in cells] == list(NAMES)
