"""A learner's day in a real JupyterLab: no dialog, no answer in sight, nothing modified unasked."""

import contextlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import time

import pytest

from support.browser import browser, need_browser, wait
from support.checkout import ROOT, needs_lessons
from support.required import lacking

pytestmark = [needs_lessons, pytest.mark.slow]

NAME = "05_convolution.ipynb"
ANSWER = "the filters are the same"  # of the quiz's first question
HEAD = "my_output_size = lambda size, kernel, stride, padding: "
WRONG = f'{HEAD}(size - kernel) // stride + 1\ncheck("05.1", my_output_size)'
RIGHT = WRONG.replace("(size -", "(size + 2 * padding -")


class Lab:
    """The page of a lesson in JupyterLab."""

    def __init__(self, page, link):
        self.page = page
        self.link = link

    def open(self):
        """Load the lesson's link, and wait until its kernel is idle."""
        self.page.get("about:blank")
        self.page.get(self.link)
        wait(lambda: self.all(".jp-Notebook .jp-Cell"), "the notebook's cells")
        wait(self.idle, "an idle kernel")
        time.sleep(2)  # a mark of modification or a dialog would come now

    def all(self, selector):
        return self.page.find_elements("css selector", selector)

    def idle(self):
        return self.all('.jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status="idle"]')

    def modified(self):
        return bool(self.all(".lm-DockPanel-tabBar .lm-TabBar-tab.jp-mod-dirty"))

    def dialogs(self):
        return [dialog.text for dialog in self.all(".jp-Dialog")]

    def text(self):
        """Return the visible text of the whole notebook; it renders what is scrolled to."""
        shown = "return document.querySelector('.jp-Notebook').innerText"
        seen = []
        outer = '(document.querySelector(".jp-Notebook .jp-WindowedPanel-outer"))'
        below = f"{outer}.scrollTop + {outer}.clientHeight < {outer}.scrollHeight - 2"
        self.page.execute_script(f"{outer}.scrollTo(0, 0)")
        for _ in range(200):
            time.sleep(0.2)
            # selenium's .text would show what is folded
            seen.append(self.page.execute_script(shown))
            if not self.page.execute_script(f"return {below}"):
                return "\n".join(seen)
            self.page.execute_script(f"{outer}.scrollBy(0, 600)")
        raise AssertionError("the notebook has no end")

    def run_all(self):
        menu = next(e for e in self.all(".lm-MenuBar-item") if e.text == "Run")
        menu.click()
        item = wait(lambda: self.all('li[data-command="runmenu:run-all"]'), "the menu Run")
        item[0].click()
        wait(lambda: not self.idle(), "a busy kernel", 20)
        wait(self.idle, "the end of the last cell")

    def cell(self, fragment):
        """Scroll to the code cell with this text, and return its editor."""
        outer = '(document.querySelector(".jp-Notebook .jp-WindowedPanel-outer"))'
        for top in range(0, 40_000, 500):
            for editor in self.all(".jp-CodeCell .cm-content"):
                with contextlib.suppress(Exception):
                    if fragment in editor.text:
                        self.page.execute_script("arguments[0].scrollIntoView()", editor)
                        return editor
            self.page.execute_script(f"{outer}.scrollTo(0, {top})")
            time.sleep(0.1)
        raise AssertionError(f"no cell with {fragment}")

    def type(self, fragment, source):
        """Replace the text of a cell, run it, and return the text below it."""
        from selenium.webdriver.common.keys import Keys

        editor = self.cell(fragment)
        editor.click()
        editor.send_keys(Keys.CONTROL, "a")
        editor.send_keys(Keys.DELETE)
        editor.send_keys(source)
        editor.send_keys(Keys.ESCAPE)  # closes a list of completions
        self.page.switch_to.active_element.send_keys(Keys.CONTROL, Keys.ENTER)
        return editor

    def save(self):
        from selenium.webdriver.common.keys import Keys

        self.page.switch_to.active_element.send_keys(Keys.CONTROL, "s")
        wait(lambda: not self.modified(), "a saved notebook", 20)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Open lesson 05 as `tinynet lessons open` does, in a browser."""
    need_browser()
    if not (importlib.util.find_spec("jupyterlab") and importlib.util.find_spec("ipywidgets")):
        lacking("browser", "needs JupyterLab with sliders: pip install jupyterlab ipywidgets")
    home = tmp_path_factory.mktemp("home")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
    environment |= {
        "HOME": str(home),
        "BROWSER": "true",  # the command of this name opens nothing
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "TINYNET_LESSON_DATA": "shapes",
    }
    command = [sys.executable, "-m", "tinynet", "lessons", "open", "05", "--dir", "mine"]
    log = (home / "log").open("w+")
    server = subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=log)
    try:
        link = wait(lambda: re.search(r"http://\S+", (home / "log").read_text()), "a link")[0]
        with browser() as page:
            wait(lambda: page.get(link) or "Jupyter" in page.title, "JupyterLab")
            lab = Lab(page, link)
            lab.file = home / "mine" / NAME
            yield lab
    finally:
        server.terminate()
        server.wait()
        log.close()


def untouched(lab):
    """Open the lesson; it must be as it was saved, and show no answer."""
    lab.open()
    assert lab.dialogs() == []
    wait(lambda: not lab.modified(), "a notebook that is not modified", 10)  # while it settles
    text = lab.text()
    assert "05 Convolution by hand" in text
    assert "Answer" in text
    assert ANSWER not in text.lower()


def test_a_day_with_a_lesson(lab):
    untouched(lab)
    lab.run_all()
    assert "05.1 not yet" in lab.text()

    lab.type("my_output_size(size", WRONG)
    said = wait(
        lambda: [e.text for e in lab.all(".jp-OutputArea pre") if "05.1 wrong" in e.text],
        "05.1 wrong",
    )
    assert "size = 4, kernel = 3, stride = 1, padding = 1" in said[0]
    (box,) = [e for e in lab.all(".jp-OutputArea pre") if "05.1 wrong" in e.text]
    assert box.value_of_css_property("word-break") == "normal"
    lab.type("my_output_size = lambda", RIGHT)
    wait(lambda: [e for e in lab.all(".jp-OutputArea pre") if "05.1 ok" in e.text], "05.1 ok")

    lab.cell("move(draw_window")  # below the folded code of the figure
    assert "h, w = divmod(place, 5)" not in lab.text()
    handle = wait(lambda: lab.all(".widget-slider .noUi-handle"), "a slider")[0]
    from selenium.webdriver.common.keys import Keys

    handle.send_keys(Keys.ARROW_RIGHT)
    wait(lambda: lab.all('img[alt^="A 3 x 3 window at row 3, column 1"]'), "a moved window")

    lab.save()
    assert "05.1 ok" in lab.file.read_text()
    untouched(lab)
    assert "05.1 ok" in lab.text()

    notebook = json.loads(lab.file.read_text())
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"]).replace("(size + 2", "(size + 1 + 1")
    lab.file.write_text(json.dumps(notebook, indent=1))
    later = time.time() + 10
    os.utime(lab.file, (later, later))
    untouched(lab)
    assert "1 + 1" in lab.cell("my_output_size = lambda").text
