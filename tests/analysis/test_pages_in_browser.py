"""Pages of `look`, `trace` and `serve` in a browser: every width, light and dark, the slider."""

import threading

import numpy as np
import pytest

import tinynet as tn
from support.browser import browser, check, need_browser, wait, wait_for_images
from tinynet import nn
from tinynet.analysis import look, serve
from tinynet.data import Normalize
from tinynet.training import presets
from tinynet.training.predict import TrainedModel

pytestmark = pytest.mark.slow

LONG = "a_class_with_a_long_name_that_has_no_place_to_break"


@pytest.fixture
def net():
    layers = (nn.Conv2d(3, 16, 4, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 3))
    return nn.Sequential(*layers).eval()


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)


@pytest.fixture
def files(tmp_path, net, images):
    """Write a page of figures, and a trace that it links to."""
    need_browser()
    steps = tn.trace(net, images[0].astype(np.float32), [1])
    steps.save(tmp_path / "trace.html")
    shares = np.full((2, 3), 1 / 3)
    panels = [
        look.write(
            look.Drawn("one_prediction", tn.plot.predictions(images[:1], shares[:1], "abc")),
            tmp_path,
        ),
        look.write(look.Drawn("predictions", tn.plot.predictions(images, shares, "abc")), tmp_path),
    ]
    links = [("trace.html", "Every op of a step, one by one")]
    index = look.write_page(tmp_path, "Inside demo", [panel for _, panel in panels], links)
    return [index, tmp_path / "trace.html"]


@pytest.fixture
def server(net):
    trained = TrainedModel(
        net, presets.find("demo"), Normalize([128] * 3, [64] * 3), (LONG, "b", "c")
    )
    with serve.PredictionServer(trained) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_pages_of_figures_and_of_steps(files):
    with browser() as page:
        for path in files:
            page.get(path.as_uri())
            check(page, path.name)
        slider = page.find_element("id", "step")
        shown = "return [...document.querySelectorAll('section')].filter(s => !s.hidden).length;"
        assert page.execute_script(shown) == 1
        page.find_element("id", "on").click()
        assert slider.get_attribute("value") == "2"
        assert page.find_element("css selector", "section:not([hidden]) h2").text.startswith("2. ")
        page.get(files[0].as_uri())
        wait_for_images(page)
        headings = [each.text for each in page.find_elements("css selector", "figure h2")]
        assert headings == ["One prediction", "Predictions"]
        page.find_element("link text", "Every op of a step, one by one").click()
        wait(lambda: page.title.endswith("one op at a time"), "the page of the steps")


def test_the_page_of_the_server_with_an_answer(server, tmp_path, images):
    need_browser()
    path = tmp_path / "image.png"
    path.write_bytes(tn.plot.style.png(images[0].transpose(1, 2, 0)))
    with browser() as page:
        page.get(server.address)
        assert page.find_element("id", "state").text.startswith("Its answer will stand here")
        page.find_element("id", "file").send_keys(str(path))
        wait(lambda: page.find_elements("css selector", ".layer img"), "the answer")
        assert page.find_element("id", "state").text == ""
        check(page, "serve")
