"""Every command in Korean: no line holds two ordinary English words in a row."""

import html
import re
from collections import Counter

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tinynet import words
from tinynet.analysis import serve_page
from tinynet.claims import in_docs
from tinynet.cli.main import COMMANDS, cli
from tinynet.training import predict

NAMES = (  # of classes, networks, files and commands: they stay as they are
    *("disc with rows", "disc with columns", "one weird trick", "tensorboard --logdir"),
    *("apt-get install", "kernels profile", "lessons open", "network in network", "mnist quick"),
    "install tensorboard",
)
QUOTED = re.compile(
    r"`[^`]*`|'[^']*'|\"[^\"]*\"|\[[^\]]*\]|tinynet [\w-]+(?: [a-z]+)?|tn\.[\w.]+\(.*\)"
    r"|pip install \S+|\S*/\S*|--\S+"
)
ENGLISH = re.compile(r"(?<![\w-])[A-Za-z]?[a-z]{2,}(?: [a-z]{2,}(?![\w-]))+")


@pytest.fixture(autouse=True)
def korean(monkeypatch):
    monkeypatch.setenv(words.VARIABLE, "ko")


def english(text):
    """Return the English in a text, but for names, code and what stands in a file."""
    lines = [line for line in text.splitlines() if not re.match(r"\w+: [\[{]", line)]
    for name in NAMES:
        lines = [line.replace(name, "") for line in lines]
    return [found for line in lines for found in ENGLISH.findall(QUOTED.sub(" - ", line))]


def texts_of(page):
    """Return what a page says, without code and settings."""
    hidden = r"<(style|script|code|pre|table class=.settings)\b.*?</(style|script|code|pre|table)>"
    body = re.sub(hidden, "", page, flags=re.DOTALL)
    found = re.findall(r">([^<]+)<", body) + re.findall(r'(?:alt|aria-label)="([^"]*)"', body)
    return "\n".join(html.unescape(piece).strip() for piece in found)


def test_english_is_found():
    assert english("손실: the loss rose") == ["the loss rose"]
    assert english("Drawn pictures, 3장") == ["Drawn pictures"]
    assert english("disc with rows 3 %, `pip list me`, /a/b c\nNumPy Python\ncifar10 train") == []
    assert english(texts_of('<code>a bc de</code><p>값</p><img alt="one image">')) == ["one image"]


def every(command, name):
    """Yield the name of a command and those below it."""
    yield name
    for below, each in getattr(command, "commands", {}).items():
        yield from every(each, (*name, below))


def all_commands():
    """Return the names of all commands, as words."""
    found = [()]
    for name in COMMANDS:
        with click.Context(cli) as context:
            found += every(cli.get_command(context, name), (name,))
    return found


@pytest.mark.parametrize("name", all_commands(), ids=" ".join)
def test_the_help_is_korean(name):
    told = CliRunner().invoke(cli, [*name, "--help"], prog_name="tinynet", catch_exceptions=False)
    assert told.output.startswith("사용법:")
    assert english(told.output.partition("\n")[2]) == []


COMMANDS_ALONE = [
    *("claims list", "data list", "data get shapes", "info", "info --kernels", "recipes"),
    *("summary alexnet", "summary small-alexnet --memory --batch-size 2", "runs"),
    *("summary alexnet-two-towers --traffic", "summary --diff paper code2012"),
    *("summary --diff keras-same caffe", "summary --diff torchvision batchnorm-227"),
    "summary alexnet-two-towers --memory --batch-size 4",
]


@pytest.mark.parametrize("line", COMMANDS_ALONE)
def test_a_command_is_korean(line, tinynet_says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = tinynet_says(*line.split())
    assert told.code == 0, told.err
    assert english(told.out + told.err) == []


COMMANDS_OF_A_RUN = [
    *("compare RUN OTHER", "data verify shapes", "eval RUN", "explain RUN", "export RUN"),
    *("look RUN IMAGE", "predict RUN IMAGE --show", "export RUN --tensorboard", "runs ."),
    *("weights show RUN", "weights convert RUN a.onnx", "weights convert RUN a.npz"),
    *("weights show RUN --model demo", "report RUN", "lr-find demo --steps 10 --batch-size 20"),
    "profile demo --batch-size 4 --repeats 1 --figure",
]


@pytest.fixture
def paths(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save("image.png")
    other = tmp_path / "other"
    other.mkdir()
    for file in finished.folder.iterdir():
        text = file.read_bytes()
        (other / file.name).write_bytes(text.replace(b'"seed": 0', b'"seed": 1'))
    return {"RUN": finished.folder.name, "OTHER": "other", "IMAGE": "image.png"}


@pytest.mark.slow
def test_commands_of_a_run_are_korean(paths, tinynet_says, tmp_path):
    found = {}
    for line in COMMANDS_OF_A_RUN:
        told = tinynet_says(*(paths.get(word, word) for word in line.split()))
        assert told.code == 0, (line, told.err)
        lines = told.out.splitlines()
        said = "\n".join(lines if line != "export RUN" else [])  # CSV is for programs
        found[line] = english(said + "\n" + told.err)
    assert {line: text for line, text in found.items() if text} == {}
    pages = [tmp_path / "comparison.html", *(tmp_path / paths["RUN"]).rglob("*.html")]
    told = {path.name: english(texts_of(path.read_text(encoding="utf-8"))) for path in pages}
    assert {"comparison.html", "index.html", "trace.html"} <= set(told)
    assert {name: text for name, text in told.items() if text} == {}


def test_the_page_of_serve_is_korean(paths):
    page = serve_page.page(predict.open_run(paths["RUN"], "cpu"))
    assert '<html lang="ko">' in page
    assert english(texts_of(page)) == []


def test_the_report_of_the_claims_is_korean(tinynet_says, tmp_path):
    told = tinynet_says("claims", "report", "--out", tmp_path)
    assert (told.code, english(told.out + told.err)) == (0, [])
    page = (tmp_path / "claims.html").read_text(encoding="utf-8")
    assert '<html lang="ko">' in page
    assert english(texts_of(page)) == []
    text = (tmp_path / "claims.md").read_text(encoding="utf-8")
    assert english(re.sub(r"<[^>]*>|\]\([^)]*\)|^    .*$", "", text, flags=re.MULTILINE)) == []
    drawings = [path.read_text(encoding="utf-8") for path in tmp_path.glob("claims-figures/*.svg")]
    assert len(drawings) > 20
    assert [found for each in drawings for found in english(texts_of(each))] == []


def test_the_page_of_claims_has_the_numbers_of_the_english_one():
    found = in_docs.committed()
    english, korean = (numbers(in_docs.whole_page(found, lang)) for lang in words.LANGUAGES)
    assert english - korean == Counter()  # "a sixth" is "6분의 1", so Korean may have more
    assert english.total() > 2000


def numbers(text):
    return Counter(re.findall(r"[+−]?\d+(?:[.,]\d+)*", re.sub(r"\]\([^)]*\)", "", text)))


def test_figures_are_korean_where_a_font_is_installed(monkeypatch):
    from tinynet.plot import curves, style

    records = [{"epoch": e, "train_loss": 2 / e, "test_accuracy": e / 9} for e in (1, 2, 3)]
    monkeypatch.setattr(style, "hangul_fonts", list)
    assert curves(records).axes[0].get_xlabel() == "epoch"
    monkeypatch.setattr(style, "hangul_fonts", lambda: ["a font"])
    figure = curves(records, title="run 7")
    assert figure.axes[0].get_xlabel() == "에폭"
    assert figure.get_suptitle() == "run 7: 테스트 정확도 33.3 %"


WRONG = [
    *("nothing", "train --nope", "train --epochs x", "train --epochs", "train --epochs 0"),
    *("data get nothing", "export a b", "summary nothing", "summary --diff a b", "summary"),
    *("summary alexnet --traffic", "summary alexnet --batch-size 3", "claims run nothing"),
    *("claims run relu --data mnist", "compare a b", "compare a", "explain a", "report a"),
    *("look a", "predict a b.png", "predict a b.csv", "eval a", "lr-find --low 2 --high 1"),
    *("kernels profile nothing", "weights show a", "weights convert a b.onnx", "serve a"),
    *("weights show cut.safetensors", "weights show note.pth", "weights show .", "train empty"),
    *("train --data folder:empty", "train --init-from note.pth", "predict a note.pth"),
    *("lessons open 99", "lessons check 99 a.py", "profile nothing", "runs a", "data verify mnist"),
]


@pytest.mark.parametrize("line", WRONG)
def test_a_mistake_is_told_in_korean(line, tinynet_says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path / "data"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.pth").write_text("a note")
    (tmp_path / "cut.safetensors").write_bytes(bytes([200, 0, 0, 0, 0, 0, 0, 0]) + b"{" * 9)
    told = tinynet_says(*line.split())
    assert told.code != 0
    assert "오류: " in told.err
    lists = r"(?:있는 것|있는 이름|범위|들): .*"
    assert english(re.sub(lists, "", told.err.partition("오류: ")[2])) == []
