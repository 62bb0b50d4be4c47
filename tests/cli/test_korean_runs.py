"""`tinynet train` and `eval` in Korean; what programs and files get stays English."""

import io
import json
import re

import pytest
from rich.console import Console

from tinynet import words
from tinynet.cli import console
from tinynet.cli.bar import Bar
from tinynet.core.errors import DataError
from tinynet.training import diagnosis
from tinynet.training.loop import Epoch, Step
from tinynet.words import sentence, spoken

HANGUL = re.compile("[가-힣]")
ENGLISH = re.compile(r"(?<![/\w-])[a-z]{2,}(?: [a-z]{2,})+")  # two words in a row


@pytest.fixture(autouse=True)
def korean(monkeypatch):
    monkeypatch.setenv(words.VARIABLE, "ko")


def in_english(text):
    """Find English words in lines, beside the names of files and commands."""
    lines = [line for line in text.splitlines() if not line.startswith("  ")]
    plain = [
        re.sub(r"tinynet (?:train|eval|predict|explain|recipes)(?![a-z])|`[^`]*`", "", line)
        for line in lines
    ]
    return [found for line in plain for found in ENGLISH.findall(line)]


def test_a_run_speaks_korean_and_its_files_are_english(finished, tinynet_says):
    assert finished.said.code == 0
    first, *lines = finished.said.out.splitlines()
    assert re.match(r"tinynet \S+: 레시피 demo, 장치 cpu\(스레드 \d+개\); 데이터 shapes, ", first)
    assert in_english(finished.said.out) == []
    step = r"에폭 1/2  스텝 1/3  손실 2\.\d+  정확도 .* %  초당 이미지 .*장  남은 시간 계산 중"
    assert any(re.fullmatch(step, line) for line in lines), lines
    epoch = r"에폭 2/2  손실 .*  테스트 손실 .*  테스트 정확도 .*  학습률 \S+  초당 이미지 \S+장"
    assert any(re.fullmatch(epoch, line) for line in lines), lines
    assert lines[-1].startswith(f"다음: tinynet predict {finished.folder} IMAGE")
    for name in ("log.jsonl", "result.json", "config.json", "report.html"):
        path = finished.folder / name
        assert not path.exists() or not HANGUL.search(path.read_text(encoding="utf-8")), name
    said = tinynet_says("eval", finished.folder)
    assert re.match(r"테스트 정확도 .* %  테스트 손실 .*\(shapes 이미지 30장, ", said.out)
    assert in_english(said.out) == []


def test_programs_get_english(small, tinynet_says, tmp_path):
    out = tmp_path / "r"
    said = tinynet_says("train", "--epochs", 1, "--batch", 20, "--lr", 1e4, "--json", "--out", out)
    events = [json.loads(line) for line in said.out.splitlines()]
    assert {"begin", "epoch", "finding", "end"} <= {event["event"] for event in events}
    assert not HANGUL.search(said.out)


def test_the_option_comes_first_or_last(small, tinynet_says, tmp_path, monkeypatch):
    for i, place in enumerate((0, 3)):
        monkeypatch.setenv(words.VARIABLE, "en")
        given = ["train", "--max-minutes", "0"]
        given[place:place] = ["--lang", "ko"]
        said = tinynet_says(*given, "--out", tmp_path / str(i))
        assert "멈췄습니다(정한 시간이 다 되었습니다)." in said.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("eval nowhere", "오류: nowhere: 실행 폴더가 아닙니다. config.json 파일이 없습니다."),
        ("train densent", "오류: recipe: 'densent': 그런 이름의 레시피는 없습니다."),
        ("train --model resnet-17", "그런 이름의 신경망은 없습니다."),
        ("train no/where", "오류: train: no/where: 찾을 수 없습니다. 이미지 폴더나"),
        ("train --resume r --lr 1", "바꿀 수 없는 것이 있습니다: lr."),
        ("train --fast", "도움말: 'tinynet train --help'\n\n오류: --fast: 그런 옵션은 없습니다."),
        ("train --data nothing", "이런 데이터셋은 없습니다. 쓸 수 있는 것: shapes,"),
        ("train --data cifar10", "내려받는 명령: `tinynet data get cifar10"),
        ("train --size 64", "오류: train: demo의 이미지는 32x32여야 하는데, 지금은 64x64입니다."),
        ("eval", "오류: 'RUN': 빠져 있습니다. 꼭 써야 합니다."),
    ],
)
def test_frequent_errors_are_in_korean(arguments, said, tinynet_says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path / "data"))
    told = tinynet_says(*arguments.split())
    assert told.code != 0
    assert said in told.err
    assert in_english(re.sub(r"Usage: .*|있는 것: .*", "", told.err)) == []


def test_findings_are_explained():
    exploded = Epoch(1, 2e15, 0.1, 3e15, 0.1, lr=50.0, seconds=1.0, images_per_second=1.0)
    found = diagnosis.of_epoch(exploded, classes=10)
    assert str(found).endswith("the updates are too large. Try a smaller learning rate.")
    assert spoken(found.message).startswith("에폭 1의 평균 손실이 2e+15입니다.")
    assert spoken(found.message).endswith("학습률을 더 작게 해 보세요.")


def test_the_bar_is_in_korean():
    file = io.StringIO()
    shown = Bar(2, Console(file=file, force_terminal=True, width=90, color_system="standard"))
    with shown.live():
        shown.show(Step("train", 1, 3, 10, 2.0, 0.5, 0.1, 1234.5))
        shown._live.refresh()
        shown.show(Epoch(1, 1.0, 0.5, 1.1, 0.4, 0.1, 3.0, 100.0))
        shown.show(Epoch(2, 1.0, 0.5, 1.1, 0.5, 0.1, 3.0, 100.0))
    text = file.getvalue()
    assert "에폭 1/2  스텝 3/10" in text
    assert "손실 2.0000  정확도 50.0 %  초당 이미지 1,234장" in text or "1,235장" in text
    assert "\x1b[32m테스트 정확도 50.0 %\x1b[0m" in text
    assert "최고" in text


def test_times_are_in_korean():
    assert [spoken(console.duration(s)) for s in (42, 185, 7800)] == [
        "42초",
        "3분 05초",
        "2시간 10분",
    ]


def test_an_error_keeps_its_parts_and_shows_no_control_character():
    inner = DataError(sentence("{path}: there is no file of this name.", path="a\x1bb"))
    outer = DataError(
        sentence("{error} What was learned so far is saved in {folder}.", error=inner, folder="r")
    )
    assert (
        str(outer)
        == r"a\x1bb: there is no file of this name. What was learned so far is saved in r."
    )
    assert (
        spoken(outer)
        == r"a\x1bb: 그런 이름의 파일이 없습니다. 지금까지 학습한 것은 r에 저장했습니다."
    )
