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
def browser():
    """Yield selenium's driver of a new browser with an empty profile."""
    chromium, driver = need_browser()
    from selenium import webdriver

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
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
