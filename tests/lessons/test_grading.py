"""Parts of grading: slices of files, messages, further cases, tables."""

import csv
import io
import os

import numpy as np
import pytest

from support.checkout import needs_lessons
from tinynet.core.autograd import Variable
from tinynet.core.errors import DataError
from tinynet.lessons import exercise, pages
from tinynet.lessons.grading import batch, further, slices, wire
from tinynet.lessons.lesson_05 import SIZES

pytestmark = needs_lessons

FILE = """
import numpy as np
from tinynet.lessons import check
x = 1
net = train_for_an_hour()

def helper(v):
    return np.square(v) * factor

def other(x):
    return x

factor = 2

def my_answer(x):
    def inner():
        return helper(x)
    return inner()

x = net(x)
check("42.1", lambda v: my_answer(v))
"""


def test_a_slice_has_what_an_answer_needs_and_no_training():
    file = slices.read([(FILE, 0), ("def (", 40)])
    assert file.checked == {"42.1": "lambda v: my_answer(v)"}
    assert file.broken == ["cell 2 raised SyntaxError: invalid syntax (<unknown>, line 1)"]
    chosen = slices.needed(file, [file.checked["42.1"]])
    assert [sorted(file.statements[i].binds) for i in chosen] == [
        ["np"],
        ["helper"],
        ["factor"],
        ["my_answer"],
    ]
    names = {}
    for i in chosen:
        exec(compile(slices.ast.Module([file.statements[i].source], []), "x", "exec"), names)
    assert names["my_answer"](3) == 18


def test_the_last_binding_before_a_use_is_taken():
    file = slices.read([("a = 1\na = 2\nb = a\na = 3\n", 0)])
    assert slices.needed(file, ["b"]) == [1, 2]
    assert slices.needed(file, ["a"]) == [3]


@pytest.fixture
def channel():
    ends = os.pipe()
    made = wire.Channel(*ends)
    yield made
    made.close()


VALUES = [
    None,
    True,
    3,
    1.5,
    float("inf"),
    "text",
    ...,
    1j,
    (1, [2.0, {"a": {1, 2}}], frozenset({3})),
    {(1, 2): "tuple as a key"},
    np.float32(1.5),
    np.arange(6, dtype=np.uint8).reshape(2, 3),
    np.zeros((0, 4), np.float32),
    np.array(7.0),
    np.array(["a", "bc"]),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_message_brings_a_value_as_it_is(value, channel):
    channel.send(wire.pack(value, pytest.fail))
    got = wire.unpack(channel.receive(1), pytest.fail)
    assert type(got) is type(value)
    if isinstance(value, np.ndarray):
        assert (got.dtype, got.shape) == (value.dtype, value.shape)
        assert np.array_equal(got, value)
    else:
        assert got == value


def test_what_is_no_plain_value_needs_a_rule():
    assert wire.pack([np.array([object()]), open], lambda value: {"other": 0}) == {
        "list": [{"other": 0}, {"other": 0}]
    }
    assert wire.pack((i for i in (1, 2)), pytest.fail) == {"list": [1, 2]}
    tensor = wire.unpack(wire.pack(Variable(np.ones(2)), pytest.fail), pytest.fail)
    assert isinstance(tensor, Variable)


@pytest.mark.parametrize(
    "packed",
    [
        [1],
        {"array": ["|O", [1], "AAAAAAAAAAA="]},
        {"array": ["<f8", [10**9], "AAAA"]},
        {"array": ["<f8", [1], "not base64!"]},
        {"a": 1, "b": 2},
    ],
)
def test_a_malformed_value_is_refused(packed):
    with pytest.raises(ValueError):  # noqa: PT011 -- base64, NumPy and we say it differently
        wire.unpack(packed, pytest.fail)


def test_a_message_has_a_limit_and_a_time(channel):
    with pytest.raises(TimeoutError):
        channel.receive(0.01)
    os.write(channel.outgoing, (wire.LIMIT + 1).to_bytes(8, "big"))
    with pytest.raises(ValueError, match="are the limit"):
        channel.receive(1)
    deep = b"[" * 100_000
    os.write(channel.outgoing, len(deep).to_bytes(8, "big") + deep[:50_000])
    os.close(channel.outgoing)
    with pytest.raises(EOFError):
        channel.receive(1)


LESSONS = [f"{i:02d}" for i in range(20) if i != 17]  # its answers are CUDA C


@pytest.mark.parametrize("number", LESSONS)
def test_our_solutions_are_right_in_the_grader_s_cases_too(number):
    for seed in (1, 2):
        with exercise.other_cases(seed):
            for known in exercise.exercises(number).values():
                for one in filter(None, (known, further.exercise_of(known))):
                    outcome = one.try_out(known.right_answer())
                    assert outcome.state == "ok", outcome


def test_an_answer_that_knows_the_learner_s_cases_is_wrong_in_the_grader_s():
    known = exercise.find("05.1")
    right = known.right_answer()
    table = {case: right(*case) for case in SIZES}
    cheat = lambda *case: table.get(case, 0)  # noqa: E731
    assert known.try_out(cheat).state == "ok"
    with exercise.other_cases(1):
        assert further.exercise_of(known).try_out(cheat).state == "wrong"


def test_random_cases_are_others_for_the_grader():
    mine = exercise.cases(5).random(3)
    with exercise.other_cases(1):
        theirs = exercise.cases(5).random(3)
    assert np.array_equal(mine, np.random.default_rng(5).random(3))
    assert not np.array_equal(mine, theirs)
    assert np.array_equal(mine, exercise.cases(5).random(3))


def test_a_student_is_a_file_or_a_folder(tmp_path):
    for name in ("bob.py", "eve/05.ipynb", "ann/a.py", "ann/b.py", ".git/x.py", "none/readme.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1")
    found = batch.files(tmp_path)
    assert list(found) == ["ann/a.py", "ann/b.py", "bob", "eve"]
    with pytest.raises(DataError, match=r"no \.py or \.ipynb"):
        batch.grade("05", tmp_path / "none")


def test_tables_are_plain_text():
    rows = [
        batch.Row("=cmd", "05.1", False, "wrong", "-1 is wrong"),
        batch.Row("=cmd", "05.2", True, "ok", ""),
        batch.Row("bob", "05.1", False, "not yet", "no answer"),
        batch.Row("bob", "05.2", True, "ok", ""),
    ]
    graded = batch.Graded(rows, {"isolated": True, "sealed": True, "limited": True})
    first, second = batch.table(graded).splitlines()
    assert "05.1 WRONG  05.2 ok       1/2  05.1 -1 is wrong" in first
    assert second.endswith("05.1 -      05.2 ok       1/2")
    read = list(csv.reader(io.StringIO(batch.as_csv(graded))))
    assert read[0] == list(batch.HEADER)
    assert read[1] == ["'=cmd", "05.1", "0", "wrong", "'-1 is wrong"]
    assert "Warning" not in batch.protection(graded)
    open_ = batch.Graded(rows, {**graded.layers, "sealed": False})
    assert "can be read and written" in batch.protection(open_)


def test_a_lesson_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no lesson 77"):
        batch.grade("77", tmp_path)
    assert pages.find("05").number == "05"
