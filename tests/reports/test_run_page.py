"""report.html of a run: its parts, its numbers, its words for a screen reader, what it survives."""

import base64
import dataclasses
import io
import re
from html.parser import HTMLParser
from importlib import resources

import numpy as np
import pytest
from PIL import Image

import tinynet as tn
from support.reported_run import NAMES, RECORDS
from tinynet import reports
from tinynet.core.errors import DataError
from tinynet.reports import inside, measure, mistakes, run_page
from tinynet.reports.curves import curve_figures
from tinynet.training import recipe_data, run_dir, run_list, runs
from tinynet.training.predict import open_run
from tinynet.weights import checkpoint

OF_THE_CURVES = ["curves", "findings"]
OF_THE_ANSWERS = ["confusion", "classes", "mistakes"]
PARTS = [*OF_THE_CURVES, *OF_THE_ANSWERS, "filters", "maps", "costs", "repeat"]


class Page(HTMLParser):
    """Elements, headings and words of a page."""

    def __init__(self, source):
        super().__init__()
        self.source = source
        self.elements = []
        self.inside = []
        self.texts = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside.append(tag)

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if "style" not in self.inside:
            self.texts.append((self.inside[-1] if self.inside else "", data))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self):
        return " ".join(text for _, text in self.texts)

    @property
    def parts(self):
        return [attributes["id"] for attributes in self.all("section")]


def written(folder, **settings):
    return Page(reports.report(folder, **settings).read_text(encoding="utf-8"))


def test_a_page_has_all_parts_and_leaves_nothing_out(folder):
    page = written(folder)
    assert page.parts == PARTS
    assert "left out" not in page.words
    assert "Note:" not in page.words
    assert len(page.all("h1")) == 1


def test_the_page_is_one_file_that_loads_nothing(folder):
    page = written(folder)
    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".html") == [
        "report.html"
    ]
    for attributes in (a for _, a in page.elements):
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            value = attributes.get(name) or "data:"
            assert value.startswith(("data:", "#")), value
    assert not re.search(r"https?:|url\(|@import", page.source)
    assert page.all("script") == []


def test_a_screen_reader_can_read_it(folder):
    page = written(folder)
    assert page.all("html")[0]["lang"] == "en"
    assert all(len(image["alt"]) > 15 for image in page.all("img"))
    assert len(page.all("img")) >= 5
    charts = [svg for svg in page.all("svg") if svg.get("role") == "img"]
    assert all("epoch" in svg["aria-label"] for svg in charts)
    assert all("scope" in head for head in page.all("th"))
    assert all(table["aria-labelledby"] in page.source for table in page.all("table"))
    targets = {a["id"] for _, a in page.elements if "id" in a}
    assert all(link["href"][1:] in targets for link in page.all("a"))
    identities = [a["id"] for _, a in page.elements if "id" in a]
    assert len(identities) == len(set(identities))


def test_names_of_classes_stay_text(folder):
    page = written(folder)
    for name in NAMES:
        assert name in page.words
    assert not any("onerror" in attributes for _, attributes in page.elements)
    alternatives = " ".join(image["alt"] for image in page.all("img"))
    assert any(name in alternatives for name in NAMES)


def test_the_numbers_are_those_of_the_log(folder):
    page = written(folder)
    last = RECORDS[-1]
    assert f"{100 * last.test_accuracy:.1f} %" in page.words
    assert "30.1 to 75.2 % (15 images)" in page.words
    assert "lr 0.01" in page.words
    assert "best: epoch 2" in page.words
    assert "Stopped after 3 of 4 epochs" in page.words
    assert "demo on <b>pics, seed 0" in page.words
    assert "/a/path" in page.words, "the settings have the whole path"


def test_the_answers_are_those_of_the_network(folder, sets):
    trained = open_run(folder)
    found = measure.answers(trained, sets[1])
    expected = tn.predict(trained.model, trained.prepare(sets[1].images), transform=None)
    np.testing.assert_array_equal(found.answers, expected.argmax(axis=1))
    assert found.counts.sum() == 15
    assert found.counts.trace() == (found.answers == sets[1].labels).sum()
    worst = found.worst(3)
    wrong = np.flatnonzero(found.answers != found.labels)
    assert set(worst) <= set(wrong)
    assert found.truth[worst[0]] == found.truth[wrong].min()
    page = written(folder)
    assert f"Test image {worst[0]}:" in page.source


def test_the_halves_that_two_groups_see_are_drawn_apart(folder):
    found = Page(inside.filters(open_run(folder)))
    captions = [text for tag, text in found.texts if tag == "figcaption"]
    assert captions == [
        "Before training: filters 1 to 2",
        "After training: filters 1 to 2",
        "Before training: filters 3 to 4",
        "After training: filters 3 to 4",
    ]
    assert "Figure 3 of the AlexNet paper" in found.words


def test_an_image_is_drawn_pixel_by_pixel(folder, sets):
    found = measure.answers(open_run(folder), sets[1])
    page = Page(mistakes.worst(found, sets[1], NAMES))
    source = page.all("img")[0]["src"].removeprefix("data:image/png;base64,")
    with Image.open(io.BytesIO(base64.b64decode(source))) as picture:
        pixels = np.asarray(picture)
    expected = sets[1].images[found.worst(1)[0]].transpose(1, 2, 0)
    np.testing.assert_array_equal(pixels, expected)


def test_each_layer_has_its_cost(folder, sets):
    trained = open_run(folder)
    costs, batch = measure.layer_costs(trained.model, trained.prepare(sets[1].images))
    assert [cost.kind for cost in costs] == [
        "Conv2d",
        "ReLU",
        "MaxPool2d",
        "Conv2d",
        "ReLU",
        "Flatten",
        "Linear",
    ]
    assert batch == 15
    assert all(cost.seconds > 0 for cost in costs)
    assert costs[0].output_bytes == 4 * 4 * 15 * 15
    assert costs[0].multiply_adds == 4 * 15 * 15 * 27


# what is missing or broken


def test_images_that_are_gone_are_said_and_the_rest_is_there(folder, monkeypatch):
    def gone(*_, **__):
        raise DataError("/a/path/<b>pics: there is no such folder.")

    monkeypatch.setattr(recipe_data, "open_set", gone)
    page = written(folder)
    assert page.parts == ["curves", "findings", "filters", "repeat"]
    assert "The images are not at hand" in page.words
    assert "<b>pics: there is no such folder" in page.words


def test_a_run_without_a_checkpoint_and_one_without_an_epoch(folder):
    for path in folder.glob("last*"):
        path.unlink()
    page = written(folder)
    assert page.parts == ["curves", "findings", "repeat"]
    assert "no checkpoint yet" in page.words
    (folder / run_dir.LOG).unlink()
    assert written(folder).parts == ["repeat"]


def test_damaged_weights_are_said(folder):
    (folder / run_dir.LAST).write_bytes(b"no weights")
    page = written(folder)
    assert "The weights could not be read" in page.words
    assert "filters" not in page.parts


@pytest.mark.parametrize("classes", [None, "3", "[", '{"a": 1}', "[1]"])
def test_a_checkpoint_of_another_making_is_said(folder, classes):
    found = checkpoint.load(folder / run_dir.LAST)
    metadata = {k: v for k, v in found.metadata.items() if k != "classes"}
    if classes is not None:
        metadata["classes"] = classes
    checkpoint.save(folder / run_dir.LAST, dataclasses.replace(found, metadata=metadata))
    page = written(folder)
    assert "curves" in page.parts
    assert "Note:" in page.words


def test_a_part_that_fails_is_left_out_with_its_reason(folder, monkeypatch):
    def broken(trained):
        raise ZeroDivisionError("no filters today")

    monkeypatch.setattr(inside, "filters", broken)
    page = written(folder)
    assert page.parts == [part for part in PARTS if part != "filters"]
    assert "First-layer filters: left out (ZeroDivisionError: no filters today)" in page.words


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="not a run folder"):
        tn.report(tmp_path)


def test_another_file_can_be_named(folder, tmp_path):
    assert tn.report(str(folder), str(tmp_path / "a.html")) == tmp_path / "a.html"
    assert not (folder / run_dir.REPORT).exists()


def test_many_classes_have_a_list_of_confusions_in_place_of_the_matrix():
    labels = np.arange(60) % 30
    counts = np.zeros((30, 30), np.int64)
    np.add.at(counts, (labels, (labels + (labels == 7)) % 30), 1)
    found = measure.Answers(labels, labels, np.ones(60), np.ones(60), counts)
    names = [f"class {i}" for i in range(30)]
    page = Page(mistakes.matrix(found, names))
    assert "The most frequent confusions." in page.words
    cells = [text for tag, text in page.texts if tag in ("td", "th")]
    assert cells[-4:] == ["class 7", "class 8", "2", "100.0 %"]


def test_a_class_without_test_images_has_no_accuracy():
    counts = np.array([[3, 1], [0, 0]])
    found = measure.Answers(*[np.zeros(4)] * 4, counts)
    page = Page(mistakes.class_table(found, ["a", "b"]))
    assert [text for tag, text in page.texts if tag == "td"] == [
        "4",
        "75.0 %",
        "30.1 to 95.4 %",
        "b (1)",
        "0",
    ]


def luminance(color):
    """Return the relative luminance of a color of three bytes, as WCAG defines it."""
    shares = np.array([*color]) / 255
    linear = np.where(shares <= 0.03928, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("page", ["light", "dark"])
def test_the_numbers_of_the_matrix_can_be_read_in_every_shade(page):
    css = resources.files("tinynet.reports").joinpath("page.css").read_text()
    color = {
        name: [bytes.fromhex(value) for value in re.findall(rf"--{name}: #(\w{{6}})", css)]
        for name in ("paper", "ink", "accent")
    }
    dark = page == "dark"
    paper, ink, blue = (np.array([*color[name][dark]], float) for name in color)
    other = bytes.fromhex("06121a") if dark else [255, 255, 255]
    for right in range(101):
        cell = mistakes._cell(np.array([[right, 100 - right], [0, 0]]), 0, 0)
        changed = "strong" in cell if dark else "full" in cell
        ground = luminance(paper + right / 100 * (blue - paper))
        written = luminance(other if changed else ink)
        low, high = sorted([ground, written])
        assert (high + 0.05) / (low + 0.05) > 3.8, f"{right} %"


def test_a_cosine_has_no_marks_of_its_learning_rate():
    rates = [0.0197, 0.0148, 0.0068, 0.0033, 0.0009, 2e-7]
    records = [dataclasses.replace(RECORDS[0], epoch=i + 1, lr=r) for i, r in enumerate(rates)]
    marks = re.findall("<text[^>]*>(lr [^<]*)</text>", curve_figures(records, 3))
    assert marks == ["lr 2e-07"], "at the end of the line alone"


def test_one_epoch_is_not_called_epochs(folder):
    run = run_list.read(folder)
    recipe = dataclasses.replace(run.recipe, epochs=1)
    one = dataclasses.replace(run, state="finished", recipe=recipe, records=run.records[:1])
    assert "after 1 epoch, " in run_page.render(run_page.Source(one))


def test_no_mistake_is_said(sets):
    right = np.array([0, 1])
    found = measure.Answers(right, right, np.ones(2), np.ones(2), np.eye(2, dtype=int))
    assert "All 2 test images are answered correctly." in mistakes.worst(found, sets[1], NAMES)
    assert found.surest() == 0


# at the end of a run


def test_the_page_of_a_run_that_has_just_ended(folder, sets):
    recipe, _ = run_dir.read_config(folder)
    run = runs.assemble(folder, recipe, sets)
    runs.restore(run)
    page = Page(run_page.write_for(run, sets).read_text())
    assert page.parts == PARTS
    assert "Finished after 3 epochs" in page.words
