"""Tools of the lessons: checks that never break a notebook, hints, figures, pages, commands."""

import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import tinynet as tn
from tinynet import kernels, lessons, nn
from tinynet.cli import lessons as lessons_module
from tinynet.core.errors import DataError
from tinynet.lessons import exercise, pages, picture, speak, student
from tinynet.lessons.exercise import Wrong, expect

ROOT = Path(tn.__file__).parent.parent
pytestmark = pytest.mark.skipif(not (ROOT / "lessons").is_dir(), reason="not a checkout here")


@exercise.exercise("42.1", "Double", hints=("Look at x.", "Twice."))
def double(answer):
    """Write double(x)."""
    expect(answer(1.0), 2, "x = 1", "Twice one is two.")
    expect(answer(np.array([1.0, 3.0])), [2, 6], "x = [1, 3]")


@double.solution
def double_solution(x):
    return 2 * x


def nothing_but_for_one(x):
    return 2 * x if np.ndim(x) == 0 else None


def fails_inside(x):
    y = x + "one"
    return 2 * y


def not_yet(x):
    raise NotImplementedError


# outcomes


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (double_solution, "42.1 ok: Double"),
        (lambda x: x * x, "42.1 wrong: for x = 1: expected 2, got 1.\n  Twice one is two."),
        (lambda x: 2 * np.sum(x), "42.1 wrong: for x = [1, 3]: expected [2, 6], got 8."),
        (lambda x: "two", "42.1 wrong: for x = 1: expected 2, got 'two'.\n  Twice one is two."),
        (lambda x: None, "42.1 not yet: Write double(x)."),
        (lambda x: (None, ...), "42.1 not yet: Write double(x)."),
        (not_yet, "42.1 not yet: Write double(x)."),
        (None, "42.1 not yet: Write double(x)."),
        (3, "42.1 wrong: it is 3, not a function."),
        (lambda x: sys.exit(3), "42.1 raised SystemExit: 3"),
        (lambda x: [object()], "42.1 wrong: for x = 1: expected 2, got [<object"),
        (nothing_but_for_one, "42.1 wrong: it returns nothing for nothing_but_for_one(x = [1, 3])"),
        (lambda: 2, "42.1 raised TypeError: "),
    ],
)
def test_every_answer_comes_to_words(answer, said):
    assert str(double.try_out(answer)).startswith(said)


def test_what_an_answer_raises_is_told_with_its_call_and_its_line():
    text = str(double.try_out(fails_inside))
    assert text.startswith("42.1 raised TypeError: ")
    assert "in fails_inside(x = 1)" in text
    assert text.endswith('y = x + "one"')


def test_a_judge_of_the_library_may_speak():
    @exercise.exercise("42.2", "Square")
    def square(answer):
        """Square."""
        tn.testing.check_gradient(answer, np.array([1.0, 2.0]))

    assert square.try_out(lambda x: x * x).state == "ok"
    cut = square.try_out(lambda x: x * x.detach())
    assert cut.state == "wrong"
    assert "check_gradient" in cut.text


def test_an_answer_that_works_in_place_may_return_nothing():
    @exercise.exercise("42.3", "Clear", returns=False)
    def clear(answer):
        """Set x to zero."""
        x = np.ones(2)
        answer(x)
        expect(x, [0, 0], "x = [1, 1]")

    assert clear.try_out(lambda x: x.fill(0)).state == "ok"
    assert clear.try_out(lambda x: None).state == "wrong"


def in_place(x):
    x *= 2
    return x


def test_an_answer_that_changes_its_argument_is_told_so_and_spoils_nothing():
    kept = {"x": np.array([1.0, 3.0])}

    @exercise.exercise("42.4", "Double them")
    def doubled(answer):
        """Write doubled(x)."""
        expect(answer(**kept), [2, 6], "x = [1, 3]")
        expect(answer([kept["x"], 7][0]), [2, 6], "x = [1, 3], again")

    text = str(doubled.try_out(in_place))
    assert text.startswith(
        "42.4 wrong: the numbers are right, but your answer changed its argument"
    )
    assert "copy: write x = x / 2, not x /= 2, or begin with x = x.copy()." in text
    assert doubled.try_out(double_solution).state == "ok"
    for spoiler in (lambda x: in_place(in_place(x)), lambda x: x.fill(7)):
        outcome = doubled.try_out(spoiler)
        assert outcome.state == "wrong"
        assert "\n  And your answer changed its argument x" in outcome.text


def test_what_an_answer_puts_back_counts_as_unchanged():
    x = np.array([0.1, 3.0])

    def there_and_back(x):
        x += 0.7
        x -= 0.7
        return 2 * x

    @exercise.exercise("42.6", "Double them")
    def doubled(answer):
        """Write doubled(x)."""
        expect(answer(x), [0.2, 6], "x = [0.1, 3]")

    assert there_and_back(x.copy())[0] != 2 * x[0]  # rounding
    assert doubled.try_out(there_and_back).state == "ok"


def test_an_answer_that_empties_a_list_or_a_dict_is_told_so():
    @exercise.exercise("42.5", "First")
    def first(answer):
        """Write first(v, names)."""
        v, names = [np.ones(1), 2.0], {"a": [1]}
        for _ in range(2):
            expect(answer(v, names), 2, "v = [[1], 2]")

    assert first.try_out(lambda v, names: v[-1]).state == "ok"
    assert "changed its argument v" in first.try_out(lambda v, names: v.pop()).text
    spoiler = first.try_out(lambda v, names: names["a"].append(1) or v[-1])
    assert "changed its argument names" in spoiler.text


def test_ctrl_c_is_not_caught():
    def impatient(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        double.try_out(impatient)


@pytest.mark.parametrize(
    ("got", "expected", "fragment"),
    [
        ([1.0, 2.0], [[1.0, 2.0]], "the shape (2,); the expected shape is (1, 2)."),
        ([[1.0], [2.0, 3.0]], [1.0, 2.0], "got [[1], [2, 3]]"),
        (1.0000021, 1.0, "expected 1, got 1.0000021"),
        (tn.tensor([1.0, 3.0]), [1.0, 2.0], "expected [1, 2], got [1, 3]"),
        (np.arange(40.0), np.arange(40.0) % 39, "at [i=39] it is wrong: got 39, expected 0"),
        (np.full(2, np.nan), np.zeros(2), "got [nan, nan]"),
    ],
)
def test_a_difference_is_said_in_small_numbers(got, expected, fragment):
    with pytest.raises(Wrong) as wrong:
        expect(got, expected, "this")
    assert fragment in str(wrong.value)


@pytest.mark.parametrize(
    ("got", "fragment"),
    [(4.0, "this slip"), (np.nan, "that slip"), (5.0, "as a rule"), ([4.0], "as a rule")],
)
def test_a_well_known_mistake_gets_its_own_sentence(got, fragment):
    with pytest.raises(Wrong) as wrong:
        expect(got, 2, "this", "as a rule", slips=[(4, "this slip"), (np.nan, "that slip")])
    assert str(wrong.value).endswith(f"\n  {fragment}")


def test_what_is_equal_up_to_rounding_is_right():
    expect(1 + 1e-9, 1, "this")
    expect(1e6 + 0.01, 1e6, "this")


# words


def test_hints_come_one_by_one_and_then_again(capsys):
    for _ in range(4):
        lessons.hint("07.2")
    said = capsys.readouterr().out.splitlines()
    assert [line[:16] for line in said] == [f"07.2 hint {i} of 3"[:16] for i in (1, 2, 3, 1)]


def test_a_hint_may_be_asked_by_its_number(capsys):
    for step in (2, None, 1):
        lessons.hint("07.2", step)
    said = capsys.readouterr().out.splitlines()
    assert [line[10:11] for line in said] == ["2", "3", "1"]
    with pytest.raises(ValueError, match=r"07\.2 has the hints 1 to 3, not 4"):
        lessons.hint("07.2", 4)


def test_an_unknown_exercise_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"no exercise 07\.9\. Those of lesson 07: 07\.1, 07\.2"):
        lessons.check("07.9", None)
    with pytest.raises(ValueError, match=r'a number like "07\.2", not 7'):
        lessons.hint(7)


def test_solution_shows_our_code_without_the_decorator(capsys):
    lessons.solution("07.1")
    assert capsys.readouterr().out.startswith("# 07.1 Max-pooling, forward\ndef my_max_pool(x")


@pytest.mark.parametrize(
    ("thing", "fragment"),
    [
        ((kernels.max_pool2d_forward,), "\n@Kernel\ndef max_pool2d_forward("),
        ((kernels.max_pool2d_forward, "numba"), "\ndef max_pool2d_forward_numba("),
        ((tn.functions.max_pool2d,), "# tinynet/functions/pool.py, line "),
        ((nn.MaxPool2d(2),), "\nclass MaxPool2d(FusesReLU):"),
        ((tn.Tensor.backward,), "\ndef backward(\n    self,"),
    ],
)
def test_show_reads_the_source_from_the_library(thing, fragment, capsys):
    lessons.show(*thing)
    assert fragment in capsys.readouterr().out


def test_show_refuses_a_version_that_there_is_not():
    with pytest.raises(ValueError, match="has no java version, only reference"):
        lessons.show(kernels.max_pool2d_forward, "java")


# figures


@pytest.fixture
def drawn():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    return plt.figure(figsize=(1, 1))


def test_a_figure_says_its_text_is_saved_when_asked_and_closed(
    drawn, tmp_path, monkeypatch, capsys
):
    from matplotlib import pyplot as plt
    from PIL import Image

    monkeypatch.setenv(picture.FOLDER, str(tmp_path / "new"))
    lessons.figure(drawn, "nothing at all")
    assert capsys.readouterr().out == "Figure: nothing at all\n"
    (saved,) = (tmp_path / "new").iterdir()
    with Image.open(saved) as image:
        assert image.info["Description"] == "nothing at all"
    assert plt.get_fignums() == []


@pytest.fixture
def notebook(monkeypatch):
    """Return the list of displayed outputs."""
    shown = []
    monkeypatch.setattr(speak, "notebook", lambda: lambda data, raw: shown.append(data))
    return shown


def test_in_a_notebook_a_figure_carries_its_text(drawn, notebook):
    lessons.figure(drawn, 'a "disc" & more')
    assert 'alt="a &quot;disc&quot; &amp; more"' in notebook[0]["text/html"]


def test_in_a_notebook_a_check_has_a_box(notebook):
    speak.say("ok", "a < b")
    assert "a &lt; b" in notebook[0]["text/html"]
    assert notebook[0]["text/plain"] == "a < b"


def test_without_a_notebook_what_moves_stands_still(drawn, capsys):
    lessons.move(lambda i: (drawn, f"i = {i}"), i=range(3, 5))
    assert capsys.readouterr().out == "Figure: i = 3\n"


class Slider:
    """A slider of ipywidgets that a test can move."""

    made = ()

    def __init__(self, options, description, value, style):
        assert value in options
        self.value = value
        Slider.made = (*Slider.made, self)

    def observe(self, redraw, what):
        self.redraw = redraw


def test_in_a_notebook_with_widgets_sliders_draw_the_picture_anew(monkeypatch):
    from matplotlib import pyplot as plt

    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(data)

    def display(data, raw=False, display_id=False):
        shown.append(data)
        return Handle()

    widgets = types.SimpleNamespace(SelectionSlider=Slider, VBox=list)
    monkeypatch.setattr(speak, "notebook", lambda: display)
    monkeypatch.setitem(sys.modules, "ipywidgets", widgets)
    monkeypatch.setattr(picture.importlib.util, "find_spec", lambda name: name)
    lessons.move(lambda i, j=7: (plt.figure(), f"i = {i}, j = {j}"), i=range(3), j=[5, 7])
    first, second = Slider.made
    first.value, second.value = 2, 5
    second.redraw(None)
    still, _, moved = (data.get("text/plain") if isinstance(data, dict) else "" for data in shown)
    assert (still, moved) == ("Figure: i = 0, j = 7", "Figure: i = 2, j = 5")
    assert plt.get_fignums() == []


# pages

TEXT = """# %% [markdown] lang="en"
# # 42 Answers

# %% [markdown] lang="ko"
# another edition

# %% tags=["exercise"]
x = 1

# %% tags=["solution"]
x = 2
check("42.1", x)
"""


def test_cells_are_read_and_written_back():
    cells = pages.cells(TEXT)
    assert pages.script(cells) == TEXT
    assert [c.lang for c in cells] == ["en", "ko", "", ""]
    assert [c.tags for c in cells] == [(), (), ("exercise",), ("solution",)]


def test_text_before_the_first_cell_is_refused():
    with pytest.raises(DataError, match="before the first cell"):
        pages.cells("x = 1\n# %%\n")


def test_an_edition_holds_its_language_and_all_code():
    assert [c.lang for c in pages.edition(pages.cells(TEXT))] == ["en", "", ""]
    assert [c.lang for c in pages.edition(pages.cells(TEXT), "ko")] == ["ko", "", ""]


def test_emptied_solutions_say_how_to_see_ours():
    last = pages.unsolved(pages.cells(TEXT))[-1]
    assert last.text == '# solution("42.1") shows ours'


QUIZ = """# %% [markdown] lang="en"
# ## Quiz
#
# **1.** Why?
#
# <details><summary>Answer</summary>
# So.
# And so.
# </details>
#
# **2.** How?
#
# <details><summary>Answer</summary>
# Thus.
# </details>
"""


def test_a_script_has_the_answers_of_its_quiz_far_from_the_questions():
    asked, answered = pages.answers_last(pages.cells(QUIZ))
    assert pages.plain(asked.text) == "## Quiz\n\n**1.** Why?\n\n**2.** How?"
    assert pages.plain(answered.text).startswith("## Answers\n")
    assert pages.plain(answered.text).endswith("\n**1.** So.\nAnd so.\n\n**2.** Thus.")
    assert answered.text.count("\n") >= pages.APART
    assert pages.answers_last(pages.cells(TEXT)) == pages.cells(TEXT)


def test_a_notebook_is_valid_and_tells_prose_from_code():
    nbformat = pytest.importorskip("nbformat")
    text = pages.notebook(pages.edition(pages.cells(TEXT)), "lesson-42")
    nbformat.validate(nbformat.reads(text, as_version=4))
    cells = json.loads(text)["cells"]
    assert [c["cell_type"] for c in cells] == ["markdown", "code", "code"]
    assert cells[0]["source"] == ["# 42 Answers"]


# learners' files


@pytest.fixture
def learner(tmp_path):
    path = tmp_path / "student.py"
    right = exercise.find("07.1").solution_source()
    path.write_text(f"import numpy as np\n\n{right}\n")
    return path


def test_a_script_that_only_defines_the_functions_is_judged(learner):
    report = student.judge("07", learner)
    assert [o.state for o in report.outcomes] == ["ok", "not yet"]
    assert student.table(report).endswith("1 of 2 exercises are right.")


def test_a_broken_cell_does_not_hide_the_others(learner):
    learner.write_text("# %%\n1 / 0\n# %%\n" + learner.read_text() + "# %%\ndef (")
    report = student.judge("07", learner)
    assert report.outcomes[0].state == "ok"
    assert [line.split(":")[0] for line in report.broken] == [
        "cell 2 raised ZeroDivisionError",
        "cell 4 raised SyntaxError",
    ]


def test_a_notebook_is_judged_by_its_own_checks(learner):
    code = learner.read_text() + '\nfrom tinynet.lessons import check\ncheck("07.1", my_max_pool)'
    cells = pages.cells("# %%\n" + code)
    path = learner.with_suffix(".ipynb")
    path.write_text(pages.notebook(cells, "lesson-07"))
    assert student.judge("07", path).outcomes[0].state == "ok"
    path.write_text("{}")
    with pytest.raises(DataError, match="it is not a notebook"):
        student.judge("07", path)


def test_pytest_makes_each_exercise_a_test(learner, pytester):
    done = pytester.runpytest_inprocess(
        "-p", "tinynet.lessons.plugin", "-p", "no:cacheprovider", "--lesson", "7", learner
    )
    done.assert_outcomes(failed=1, passed=1)
    done.stdout.fnmatch_lines("FAILED *student.py::07.2 - Failed*")
    done.stdout.no_fnmatch_line("*Traceback*")


def test_pytest_says_why_an_answer_is_missing_and_which_lessons_there_are(learner, pytester):
    learner.write_text("def my_max_pool(x, k, s):\n    return x[")
    plain = "-p", "tinynet.lessons.plugin", "-p", "no:cacheprovider", "--lesson"
    done = pytester.runpytest_inprocess(*plain, "7", learner)
    done.stdout.fnmatch_lines("*cell 1 raised SyntaxError: '[[]' was never closed*")
    done = pytester.runpytest_inprocess(*plain, "99", learner)
    done.stdout.fnmatch_lines("lessons: there is no lesson 99. There are 00, 01, *")
    done.stdout.no_fnmatch_line("*plugin.py*")


LOOPS = """
from tinynet.lessons import check
# %%
def my_max_pool(x, k, s):
    while True:
        pass
check("07.1", my_max_pool)
# %%
while True:
    pass
# %%
import sys
sys.exit("bye")
"""


def test_a_loop_without_an_end_is_broken_off_and_an_exit_is_no_end(learner, monkeypatch):
    monkeypatch.setattr(student, "LIMIT", 0.2)
    learner.write_text(LOOPS)
    report = student.judge("07", learner)
    assert report.outcomes[0].text.startswith("TimeoutError: it had not ended after 0.2 s.")
    assert "\n  in my_max_pool(x = " in report.outcomes[0].text
    assert [line[:26] for line in report.broken] == [
        "cell 3 raised TimeoutError",
        "cell 4 raised SystemExit: ",
    ]
    learner.write_text(LOOPS.replace("# %%", "").partition("check(")[0])
    assert student.judge("07", learner).outcomes[0].text.startswith("TimeoutError: ")


def test_a_file_that_is_no_text_is_refused(learner):
    learner.write_bytes(b"\xd0")
    with pytest.raises(DataError, match="it cannot be read as text"):
        student.judge("07", learner)


# the commands


def run(*arguments):
    return CliRunner().invoke(lessons_module.lessons, [str(a) for a in arguments])


def test_list_names_every_lesson():
    said = run("list").output
    assert "07  Max-pooling with windows that overlap  (40 minutes)\n    Write max-pooling" in said
    assert said.count("minutes)") == len(pages.lessons())


def test_new_writes_copies_without_solutions_and_overwrites_nothing(tmp_path):
    done = run("new", tmp_path / "mine")
    assert done.exit_code == 0
    script = tmp_path / "mine" / "07_overlapping_max_pool.py"
    assert '# solution("07.2") shows ours' in script.read_text()
    assert "winner // k" not in script.read_text()
    assert "<details>" not in script.read_text()
    assert 'the first hint; hint("07.2", 2) is the second' in script.read_text()
    assert "# **3.** At a tie there is no derivative" in script.read_text()
    assert "<details>" in script.with_suffix(".ipynb").read_text()
    notebook = json.loads(script.with_suffix(".ipynb").read_text())
    assert '# solution("07.2") shows ours' in [c["source"][0] for c in notebook["cells"]]
    assert (script.parent / pages.PAIRING).exists()
    script.write_text("mine")
    assert run("new", script.parent).output.startswith("0 files written")
    assert script.read_text() == "mine"


def test_check_prints_every_exercise_and_fails_where_one_is_open(learner):
    done = run("check", "7", learner)
    assert done.exit_code == 1
    assert done.output.startswith("07.1 ok: Max-pooling, forward\n07.2 not yet: ")


def test_test_says_what_a_lesson_takes_and_fails_where_one_breaks(tmp_path, monkeypatch):
    for name, text in {"01_good": "print(1)", "02_bad": "1 / 0"}.items():
        (tmp_path / f"{name}.py").write_text(f"# %%\n{text}\n")
    monkeypatch.setattr(pages, "folder", lambda: tmp_path)
    assert run("test", "1").exit_code == 0
    both = run("test")
    assert both.exit_code == 1
    assert "ZeroDivisionError" in both.output
    monkeypatch.setattr(lessons_module, "BUDGET", 0)
    assert "TOO SLOW" in run("test", "1", "--unsolved").output


def test_a_lesson_that_there_is_not_is_refused():
    with pytest.raises(DataError, match="there is no lesson 77"):
        pages.find("77")


def test_open_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(lessons_module.importlib.util, "find_spec", lambda name: None)
    done = run("open", "7", "--dir", tmp_path / "mine")
    assert done.exit_code == 1
    assert "pip install jupyterlab jupytext ipywidgets" in done.output
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(("user", "options"), [(1000, []), (0, ["--allow-root"])])
def test_open_starts_jupyter_on_a_copy(user, options, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(lessons_module.os, "geteuid", lambda: user)
    monkeypatch.setattr(lessons_module.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(lessons_module.subprocess, "call", lambda c: calls.append(c) or 0)
    assert run("open", "7", "--dir", tmp_path).exit_code == 0
    copy = tmp_path / "07_overlapping_max_pool.ipynb"
    assert calls[0][1:] == ["-m", "jupyterlab", *options, str(copy)]
    assert copy.exists()


def test_pair_writes_what_is_out_of_step(tmp_path, monkeypatch):
    (tmp_path / "01_good.py").write_text('# %% [markdown] lang="en"\n# # 01 Good\n')
    monkeypatch.setattr(pages, "folder", lambda: tmp_path)
    assert "1 notebooks changed: 01_good.ipynb" in run("pair").output
    assert "0 notebooks changed" in run("pair").output
