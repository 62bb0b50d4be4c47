"""Documents with tables of claims: they are what the results in claims/results give."""

import re

import pytest

from tinynet.claims import catalog, in_docs, markdown, results
from tinynet.claims.claim import BUDGETS
from tinynet.claims.results import Results
from tinynet.core import companions
from tinynet.words import into

ANEW = "write them anew: python -m tinynet.claims.in_docs"
pytestmark = pytest.mark.skipif(
    not (in_docs.ROOT / "README.md").exists(), reason="tinynet is not a checkout here"
)


def made(name, values, budget="quick"):
    claim = catalog.find(name)
    found = Results(name, claim.data[0], budget)
    for arm, trial in claim.trials(BUDGETS[budget], claim.data[0]).items():
        for seed, value in enumerate(values.get(arm, ())):
            found.add(arm, trial, seed, {"test_error": value, "train_error": 1.0, "epochs": 8.0})
    return found


OVERLAP = made("overlap", {"3x3, overlapping": [40.0, 42.0, 41.0], "2x2": [43.0, 45.5, 44.0]})
QUICK_NET = made("cifar-quick", {"cifar-quick": [28.0, 28.2]}, "full")


def test_the_documents_are_those_of_the_results():
    for path, text in in_docs.documents(in_docs.committed()).items():
        assert path.read_text(encoding="utf-8") == text, ANEW


def test_the_figures_of_the_documents_are_those_of_the_results(tmp_path):
    markdown.write(in_docs.committed(), tmp_path / "claims.md")
    new = {path.name: path.read_bytes() for path in tmp_path.glob("claims-figures/*")}
    folder = in_docs.ROOT / "docs" / markdown.FIGURES
    assert {path.name: path.read_bytes() for path in folder.glob("*")} == new, ANEW


def test_the_images_of_every_result_are_known():
    assert in_docs.unknown_images(in_docs.committed()) == []


def test_the_results_of_every_claim_that_come_with_tinynet_are_whole():
    for each in in_docs.committed():
        claim = catalog.find(each.claim)
        assert set(claim.arms) <= set(each.runs), each.name


def test_a_document_has_its_markers():
    for name in ("README.md", "README.ko.md", "docs/networks.md"):
        text = (in_docs.ROOT / name).read_text(encoding="utf-8")
        assert in_docs.placed(text, "another table") != text


def test_the_table_of_claims():
    rows = in_docs.claims_table([OVERLAP, QUICK_NET]).splitlines()
    assert len(rows) == 4
    assert rows[2].startswith(
        "| [Overlapping pooling lowers the error](docs/claims.md#overlapping-pooling-lowers-the-"
        "error) | holds here | +3.17 points (+2.45 to +3.88) | 0.4 points (top-1)"
    )
    assert rows[2].endswith(" | 3, quick, cifar10 |")
    assert "| 2.1 points above | 28.10 ± 1.27 % | 26 %" in rows[3]


def test_the_korean_table_has_the_same_numbers():
    found = [OVERLAP, QUICK_NET]
    english, korean = in_docs.claims_table(found), in_docs.claims_table(found, "ko")
    numbers = [sorted(re.findall(r"\d+\.\d+|\d+", text)) for text in (english, korean)]
    assert numbers[0] == numbers[1]
    for word in (
        "겹치는 풀링",
        "여기서 성립함",
        "+3.17%포인트 (+2.45에서 +3.88)",
        "2.1%p 높음",
    ):
        assert word in korean


def test_the_korean_page_has_every_claim_and_no_english_sentence():
    page = in_docs.whole_page(in_docs.committed(), "ko")
    assert page.count("\n## ") == len(catalog.CLAIMS)
    for line in page.splitlines():
        told = re.sub(r"\]\([^)]*\)|`[^`]*`|^    .*", "", line)
        assert not re.search(r"(?:\b[A-Za-z]{2,} ){2,}[a-z]{2,}", told), line
    for claim in catalog.CLAIMS.values():
        assert f"\n\n{into('ko', claim.statement)}\n\n" in page


def test_tiny_results_are_in_no_table():
    tiny = made("overlap", {"2x2": [1.0], "3x3, overlapping": [2.0]}, "tiny")
    assert len(in_docs.claims_table([tiny]).splitlines()) == 2


def test_the_table_of_networks_has_those_with_results():
    rows = in_docs.networks_table([OVERLAP, QUICK_NET]).splitlines()
    assert rows[2:] == ["| `cifar-quick` | 28.10 ± 1.27 % | 2 | 9 | 26 % | 2.1 points above |"]


def test_results_come_with_an_installation(monkeypatch, tmp_path):
    """In a clone they lie beside the package, and else where the wheel puts data."""
    folder = tmp_path / "share" / "tinynet" / "claims" / "results"
    folder.mkdir(parents=True)

    class File(str):
        def locate(self):
            return tmp_path / self

    files = [File("tinynet/x.py"), File("share/tinynet/claims/results/a.json")]
    monkeypatch.setattr(companions.importlib.metadata, "files", lambda name: files)
    monkeypatch.setattr(companions, "PACKAGE", tmp_path / "tinynet")
    assert results.published_folder() == folder


QUOTED = {  # by document: the claim, the measure, its digits
    "lessons/04_*.py": (("relu", "epochs", 2),),
    "lessons/07_*.py": (
        ("overlap", "train_error", 1),
        ("overlap", "test_error", 1),
        ("overlap", "gap", 1),
    ),
    "lessons/08_*.py": (("lrn", "test_error", 1), ("keras-lrn", "test_error", 1)),
    "lessons/09_*.py": (("dropout-factor", "test_error", 1), ("dropout-factor", "loss_times_1", 2)),
    "lessons/10_*.py": (
        *(("flips", "6_called_9", 1), ("flips", "9_called_6", 1), ("flips", "5_called_2", 1)),
    ),
    "lessons/18_*.py": (("skips", "test_error", 1),),
    "docs/networks.md": (("towers", "test_error", 1),),
}
NOT_QUOTED = ("sigmoid", "LRN of the 11 % network")


@pytest.mark.parametrize("name_of_document", QUOTED)
def test_a_document_quotes_the_results(name_of_document):
    (path,) = in_docs.ROOT.glob(name_of_document)
    text = path.read_text(encoding="utf-8")
    found = {(each.claim, each.data, each.budget): each for each in in_docs.committed()}
    for name, measure, digits in QUOTED[name_of_document]:
        claim = catalog.find(name)
        for arm in set(claim.arms) - set(NOT_QUOTED):
            values = found[name, claim.data[0], "quick"].values(arm, measure).values()
            mean = f"{sum(values) / len(values):.{digits}f}"
            assert re.search(rf"\b{re.escape(mean)}\b", text), f"{name}, {arm}: {mean}"
