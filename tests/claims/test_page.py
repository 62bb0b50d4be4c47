"""The page of claims: what it says of made-up results, in HTML, Markdown and a browser."""

import re
import xml.etree.ElementTree as ET

import pytest

from support import browser as browsers
from tinynet.claims import catalog, content, figures, markdown, overview, page, setting
from tinynet.claims.claim import BUDGETS
from tinynet.claims.results import Results, as_json

BASE = {"train_error": 20.0, "gap": 1.0, "seconds": 400.0}
WHERE = {"device": "a <fast> one", "commit": "abc", "date": "2026-01-01", "data": "d8902164"}


def made(name, values, budget="quick", data="", measure="test_error"):
    """Return results with a value for each seed of each arm."""
    claim = catalog.find(name)
    data = data or claim.data[0]
    found = Results(name, data, budget, where=dict(WHERE))
    for arm, trial in claim.trials(BUDGETS[budget], data).items():
        for seed, value in enumerate(values.get(arm, ())):
            curve = [(2.0, 90.0 - value), (1.5, 80.0 - value)]
            found.add(arm, trial, seed, {**BASE, measure: value, "epochs": 8, "curve": curve})
    return found


def shown(*found):
    return re.sub(r"\s+", " ", page.render(found))


def text_of(*found):
    """Return what a reader of the page reads."""
    text = shown(*found).partition("</style>")[2]
    text = re.sub(r"</?(?:strong|code|a|span)\b[^>]*>", "", text)  # within a sentence
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


POOL = ("3x3, overlapping", "2x2")
HOLDS = made("overlap", {POOL[0]: [40, 42, 41], POOL[1]: [43, 45.5, 44]})
REVERSED = made("overlap", {POOL[0]: [43, 45.5, 44], POOL[1]: [40, 42, 41]})
NOTHING = made("overlap", {POOL[0]: [40, 45, 43], POOL[1]: [41, 44, 43]})
ONE = made("overlap", {POOL[0]: [40], POOL[1]: [43]})
LACKING = made("overlap", {POOL[1]: [43, 44]})


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (HOLDS, "holds here"),
        (REVERSED, "reversed"),
        (NOTHING, "does not show at this scale"),
        (ONE, "one seed: no interval"),
        (LACKING, "not measured"),
    ],
)
def test_a_verdict_is_in_the_summary_and_in_its_section(found, words):
    (row,) = [r for r in map(overview.row, overview.entries([found])) if r.claim.name == "overlap"]
    assert row.verdict == words
    assert f"Verdict: {words[0].upper()}{words[1:]}." in text_of(found)
    assert f"**Verdict**: {words[0].upper()}{words[1:]}." in markdown.render([found])


def test_one_seed_has_a_difference_without_an_interval():
    said = "One seed: no interval. Test error: “2x2” minus “3x3, overlapping”: +3.00 points."
    assert said in text_of(ONE)


def test_claims_that_differ_without_a_better_one():
    arms = ("inside (paper)", "outside (PyTorch)")
    found = made("momentum", {arms[0]: [40, 42, 41], arms[1]: [43, 45.5, 44]})
    assert "Verdict: A difference shows here." in text_of(found)


def test_a_network_is_beside_its_published_error():
    found = made("cifar-quick", {"cifar-quick": [26.5, 27.1]}, budget="full")
    text = text_of(found)
    assert "Verdict: Within 1 point. Test error: 26.80 ± 3.81 % (2 seeds); published 26 %." in text
    assert ">published<" in shown(found)


def test_runs_that_did_not_arrive_are_a_bound():
    found = made("relu", {"ReLU": [3, 4], "tanh": [20, 21]})
    limit = found.settings["tanh"]["settings"]["epochs"]
    for arm, ends in (("ReLU", (3, 4)), ("tanh", (limit, limit))):
        for run, epochs in zip(found.runs[arm], ends, strict=True):
            run["epochs"] = epochs
    assert f"at least {limit:.2f}" in text_of(found)
    assert "“tanh” divided by “ReLU”: at least " in text_of(found)


def test_diverged_runs_are_counted():
    found = made("overlap", {POOL[0]: [40, 42], POOL[1]: [90, 44]})
    found.runs["2x2"][0]["diverged"] = True
    assert "2x2 (1 diverged)" in text_of(found)


def test_classes_have_a_table():
    found = made("flips", {"nothing": [1, 2], "half turns": [3, 4]})
    for run in (*found.runs["nothing"], *found.runs["half turns"]):
        run["class_errors"] = [float(c) for c in range(10)]
    assert "Test error of each class" in text_of(found)


def test_the_choice_of_a_rate_has_a_table():
    found = made("batch-norm", {"neither": [40, 41]})
    found.tuning = {"neither": [(0.01, 50.0), (0.03, 40.5), (0.1, 60.0)]}
    assert "Choice of the learning rate: error on held-out images, %, seed 0." in text_of(found)
    assert "40.50" in text_of(found)


def test_all_results_of_a_claim_are_shown_the_largest_budget_first():
    small = made("overlap", {POOL[0]: [1, 2], POOL[1]: [3, 4]}, "tiny")
    shapes = made("overlap", {POOL[0]: [1, 2], POOL[1]: [3, 4]}, data="shapes")
    full = made("overlap", {POOL[0]: [1, 2], POOL[1]: [3, 4]}, "full")
    text = text_of(small, shapes, HOLDS, full)
    heads = re.findall(r"(?:CIFAR-10|The drawn data set shapes), budget \w+", text)
    assert heads == [
        "CIFAR-10, budget full",
        "CIFAR-10, budget quick",
        "The drawn data set shapes, budget quick",
        "CIFAR-10, budget tiny",
    ]


def test_a_claim_without_results_says_so_with_its_command():
    assert "It has not been run yet: tinynet claims run relu" in text_of()
    assert "tinynet claims run cifar-quick --budget full" in text_of()


def test_nothing_of_a_result_is_taken_as_html(monkeypatch):
    html = shown(HOLDS)
    assert "a &lt;fast&gt; one" in html
    assert "<fast>" not in html
    assert "\\<fast>" in markdown.render([HOLDS])
    assert "<script" not in html
    assert "default-src &#x27;none&#x27;" in html


def test_the_command_repeats_the_runs():
    claim = catalog.find("overlap")
    assert setting.command(claim, HOLDS) == "tinynet claims run overlap --seeds 3"
    found = made("overlap", {POOL[0]: [1] * 5}, "full", "shapes")
    assert setting.command(claim, found) == "tinynet claims run overlap --data shapes --budget full"


def test_the_setting_is_in_words():
    claim = catalog.find("overlap")
    words = " ".join(setting.in_words(claim, HOLDS))
    trial = claim.trials(BUDGETS["quick"], "cifar10")["2x2"]
    recipe = trial.recipe(0)
    assert "Network `four-layers`, on CIFAR-10: the first 5,000 training images" in words
    assert f"{recipe.epochs} epochs, batches of {recipe.batch_size}, SGD with momentum 0.9" in words
    assert f"learning rate {recipe.lr:g}, the rate times 0.1 from 75 % of the run on" in words
    assert "Seeds 0 to 2" in words
    assert setting.changes(claim, HOLDS, "2x2") == "window 2"


def test_a_known_copy_is_said_to_be_one():
    assert "a copy of CIFAR-10 that had been compressed as JPEG" in text_of(HOLDS)
    other = made("overlap", {POOL[0]: [1, 2], POOL[1]: [3, 4]})
    other.where["data"] = "00000000"
    assert "JPEG" not in text_of(other)


def test_every_arm_of_every_claim_can_be_shown():
    found = []
    for claim in catalog.CLAIMS.values():
        budget = BUDGETS[claim.budgets[0]]
        each = Results(claim.name, claim.data[0], budget.name, where=dict(WHERE))
        for i, (arm, trial) in enumerate(claim.trials(budget, claim.data[0]).items()):
            each.settings[arm] = as_json(trial)
            each.runs[arm] = [
                {"seed": s, **dict.fromkeys(content.LABELS, 10.0 + i + s)} for s in range(3)
            ]
        found.append(each)
    assert "not run yet" not in text_of(*found)
    assert text_of(*found).count("Verdict: ") == len(found)
    for section in content.sections(found):
        assert any(isinstance(part, figures.Picture) for part in section.parts)


# figures


def test_a_dot_for_each_seed_and_lines_between_pairs():
    picture = figures.pictures(catalog.find("overlap"), HOLDS)[0]
    assert picture.svg.count("<circle") == 6
    assert picture.svg.count("<polyline") == 3
    assert "Means: A  3x3, overlapping 41.00; B  2x2 44.17." in picture.words


def test_wide_intervals_do_not_hide_the_dots():
    rows = [figures.Row("A", {0: 1.0, 1: 2.0})]  # its interval is 12.7 wide
    low, high = figures._axis(rows, ())
    assert (low, high) == pytest.approx((0.0, 3.12))


def test_a_figure_is_a_file_of_its_own(tmp_path):
    path = markdown.write([HOLDS], tmp_path / "claims.md")
    text = path.read_text(encoding="utf-8")
    linked = re.findall(r"\]\((claims-figures/[^)]+\.svg)\)", text)
    assert {f"claims-figures/{f.name}" for f in tmp_path.glob("claims-figures/*")} == set(linked)
    for name in linked:
        drawing = (tmp_path / name).read_text(encoding="utf-8")
        assert ET.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"
        assert "prefers-color-scheme: dark" in drawing


def test_the_report_is_written(tinynet_says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    HOLDS.write(tmp_path / "mine")
    said = tinynet_says("claims", "report", "--results", "mine", "--out", "page")
    assert said.code == 0
    assert "Holds here." in (tmp_path / "page" / "claims.html").read_text(encoding="utf-8")
    assert (tmp_path / "page" / "claims.md").exists()
    said = tinynet_says("claims", "report", "--results", "nowhere")
    assert (said.code, said.err) == (1, "Error: nowhere: there is no such folder.\n")


# in a browser

WIDEST = """
const width = document.documentElement.clientWidth;
return [...document.querySelectorAll("body *")].filter(element =>
    !element.closest(".wide") && !element.closest(".skip")
    && element.getBoundingClientRect().right > width + 0.5).map(e => e.outerHTML.slice(0, 80));
"""


@pytest.mark.slow
def test_the_page_fits_a_phone_and_a_desk(tmp_path):
    browsers.need_browser()
    path = tmp_path / "claims.html"
    found = (HOLDS, made("cifar-quick", {"cifar-quick": [26.5, 27.1]}, budget="full"))
    path.write_text(page.render(found), encoding="utf-8")
    with browsers.browser() as opened:
        opened.get(path.as_uri())
        for width in (320, 390, 1200):
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
            opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            assert opened.execute_script(WIDEST) == [], width
        names = [
            each.get_attribute("aria-label")
            for each in opened.find_elements("css selector", "figure svg")
        ]
        assert all(names)
        assert opened.get_log("browser") == []
