"""Pages in a browser: no sideways scrolling, dark and light colors, print, an empty console."""

import pytest

from support.browser import browser, need_browser
from support.reported_run import NAMES
from tinynet import reports

WIDTHS = (320, 375, 1200)  # a small phone, a phone, a desk
A4 = 720  # CSS pixels between margins of 1 cm
SHADES = """
const style = getComputedStyle(document.body);
return [style.backgroundColor, style.color];
"""
WIDEST = """
const width = document.documentElement.clientWidth;
const wide = [...document.querySelectorAll("body *")].filter(element =>
    !element.closest(".wide") && !element.closest(".skip") && !element.closest("svg")
    && element.getBoundingClientRect().right > width + 0.5);
return [document.documentElement.scrollWidth - width, wide.map(e => e.outerHTML.slice(0, 80))];
"""
IMAGES = "return [...document.images].map(image => [image.complete, image.naturalWidth]);"
CONTRAST = """
const canvas = document.createElement("canvas").getContext("2d");
const light = color => {
    const [r, g, b] = color.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255)
        .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const paper = light(getComputedStyle(document.body).backgroundColor);
const found = {};
for (const element of document.querySelectorAll("p, a, td, th, figcaption, svg text, dt, dd")) {
    if (element.closest(".confusion") || element.closest(".facts")) continue;
    const style = getComputedStyle(element);
    const ink = light(element.closest("svg") ? style.fill : style.color);
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    const name = element.tagName + "." + (element.getAttribute("class") || "");
    found[name] = Math.min(ratio, found[name] || 99);
}
return found;
"""


def brightness(color):
    return sum(int(float(part)) for part in color.strip("rgba()").split(",")[:3])


def size(page, width):
    settings = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", settings)


def scheme(page, value, media=""):
    features = [{"name": "prefers-color-scheme", "value": value}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features, "media": media})


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
            for width in WIDTHS:
                size(page, width)
                assert page.execute_script(WIDEST) == [0, []], (path.name, width)
            for value in ("light", "dark"):
                scheme(page, value)
                ground, ink = map(brightness, page.execute_script(SHADES))
                assert (ground > ink) == (value == "light")
                low = {k: v for k, v in page.execute_script(CONTRAST).items() if v < 4.5}
                assert low == {}, f"{path.name}, {value}: too little contrast"
            scheme(page, "dark", media="print")
            ground, ink = map(brightness, page.execute_script(SHADES))
            assert ground > ink, "paper is white"
            size(page, A4)
            assert page.execute_script(WIDEST)[0] == 0, f"{path.name} is wider than paper"
            scheme(page, "light")
            assert all(done and width for done, width in page.execute_script(IMAGES))
            assert page.get_log("browser") == []
        page.get(pages["report"].as_uri())
        assert page.execute_script("return typeof alert.called") == "undefined"
        headings = [element.text for element in page.find_elements("css selector", "h2")]
        assert headings[0] == "Curves"
        cells = page.find_elements("css selector", ".confusion tbody th")
        assert [cell.text for cell in cells] == list(NAMES)
