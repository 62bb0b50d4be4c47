"""A headless Chromium for tests of pages and of JupyterLab."""

import contextlib
import importlib.util
import shutil
import tempfile
import time

from support.required import lacking

FLAGS = (
    "--headless",
    "--no-sandbox",  # Chromium refuses to run as root with its sandbox
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1300,1000",
)

WIDTHS = (320, 375, 1200)  # a small phone, a phone, a desk
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


def need_browser():
    """Return the paths of Chromium and its driver; skip a test if one of them lacks."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which("chromedriver")
    if not (chromium and driver and importlib.util.find_spec("selenium")):
        lacking(
            "browser",
            "needs Chromium, its driver and selenium: apt-get install chromium chromium-driver; "
            "pip install selenium",
        )
    return chromium, driver


@contextlib.contextmanager
def browser(*more):
    """Yield selenium's driver of a new browser with an empty profile, and with more flags."""
    chromium, driver = need_browser()
    from selenium import webdriver

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, *more, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        page = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            yield page
        finally:
            page.quit()


def wait(found, what, seconds=120):
    """Return the first true result of `found()`; fail with `what` if there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(Exception):  # an element may vanish while it is asked
            if result := found():
                return result
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


def wait_for_images(page):
    """Fail unless every image of the open page is drawn; one with `loading=lazy` may come late."""

    def drawn():
        return all(done and width for done, width in page.execute_script(IMAGES))

    wait(drawn, "every image")


def brightness(color):
    return sum(int(float(part)) for part in color.strip("rgba()").split(",")[:3])


def size(page, width):
    settings = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", settings)


def scheme(page, value, media=""):
    features = [{"name": "prefers-color-scheme", "value": value}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features, "media": media})


def check(page, name):
    """Fail unless the open page fits every width, and can be read in both schemes."""
    for width in WIDTHS:
        size(page, width)
        assert page.execute_script(WIDEST) == [0, []], (name, width)
    for value in ("light", "dark"):
        scheme(page, value)
        ground, ink = map(brightness, page.execute_script(SHADES))
        assert (ground > ink) == (value == "light"), name
        low = {k: v for k, v in page.execute_script(CONTRAST).items() if v < 4.5}
        assert low == {}, f"{name}, {value}: too little contrast"
    scheme(page, "dark", media="print")
    ground, ink = map(brightness, page.execute_script(SHADES))
    assert ground > ink, "paper is white"
    scheme(page, "light")
    assert page.get_log("browser") == [], name
