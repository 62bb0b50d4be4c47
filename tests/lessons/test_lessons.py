"""The lessons: they have their parts, their checks tell right from wrong, they run, in time.

Each rule is a function from a lesson to a list of offences, with a planted offence it must find.
"""

import ast
import importlib
import os
import re
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

import tinynet
from support.mistakes import wrong_answers
from support.required import need_compiler, need_nvrtc
from tinynet.lessons import editions, exercise, outputs, pages, student

ROOT = Path(tinynet.__file__).parent.parent
LESSONS = sorted((ROOT / "lessons").glob("[0-9][0-9]_*.py"))
NUMBERS = [path.name[:2] for path in LESSONS]
KNOWN = pages.lessons(ROOT / "lessons")
pytestmark = pytest.mark.skipif(not LESSONS, reason="tinynet is not a checkout here")
every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
COMPILES = {  # its exercises are CUDA C, and one of them is profiled
    "17": [pytest.mark.cxx, pytest.mark.nvrtc]
}
every_number = pytest.mark.parametrize(
    "number", [pytest.param(n, marks=COMPILES.get(n, ())) for n in NUMBERS]
)

HEADINGS = ["Build", "Judge", "Meet", "Faster", "Break", "Quiz"]
FACTS = {"goal", "time", "runs", "needs", "before"}
BUDGET = 60  # seconds a lesson may take; most take less than ten


def cells_of(path):
    return pages.cells(path.read_text(encoding="utf-8"))


def code_of(cells):
    return "\n\n".join(c.text for c in cells if not c.prose)


def prose_of(cells):
    return "\n\n".join(pages.plain(c.text) for c in cells if c.prose)


# what a lesson consists of


def missing_parts(cells):
    """Find what of header, headings, box, quiz and figure is not there, or not in its place."""
    first = pages.plain(cells[0].text) if cells and cells[0].prose else ""
    if not re.match(r"# \d\d \S.*\n", first):
        yield "the first cell does not begin with `# NN Title`"
    facts = dict(re.findall(r"^\| (\w+) \| (.+) \|$", first, flags=re.MULTILINE))
    if absent := FACTS - facts.keys():
        yield f"the header lacks {', '.join(sorted(absent))}"
    if not re.match(r"\d+ minutes", facts.get("time", "0 minutes")):
        yield f"the time to read is {facts['time']!r}, not like '40 minutes'"
    prose = prose_of(cells)
    if (found := re.findall(r"^## (.*)$", prose, flags=re.MULTILINE)) != HEADINGS:
        yield f"the headings are {found}, not {HEADINGS}"
    rows = re.findall(r"^\| (in the paper|in the code of 2012|here) \| .+ \|$", prose, re.MULTILINE)
    if rows != ["in the paper", "in the code of 2012", "here"]:
        yield "no table says: in the paper, in the code of 2012, here"
    quiz = prose.partition("## Quiz")[2]
    asked = re.findall(r"^\*\*(\d)\.\*\*", quiz, flags=re.MULTILINE)
    answers = re.findall(r"<details>\s*<summary>.*?</summary>.+?</details>", quiz, flags=re.DOTALL)
    if asked != ["1", "2", "3"] or len(answers) != 3:
        yield f"the quiz has {len(asked)} questions (**1.**) and {len(answers)} folded answers"
    yield from missing_code(code_of(cells))


def missing_code(code):
    if not re.search(r"\b(figure|move)\(", code):
        yield "there is no figure"
    helpers = re.search(r"^from tinynet.lessons import (\([^)]*|.*)", code, flags=re.MULTILINE)
    if not helpers or not {"check", "hint", "solution"} <= set(re.findall(r"\w+", helpers[1])):
        yield "check, hint and solution are not imported in one statement"


GOOD = """# %% [markdown] lang="en"
# # 42 Answers
#
# | | |
# |---|---|
# | goal | a goal |
# | time | 40 minutes |
# | runs | under 10 seconds |
# | needs | nothing |
# | before | all |

# %%
from tinynet.lessons import check, figure, hint, solution
figure(fig, "what it shows")

# %% [markdown] lang="en"
# ## Build
# ## Judge
# ## Meet
# ## Faster
# ## Break
# | in the paper | a |
# | in the code of 2012 | b |
# | here | c |
# ## Quiz
""" + "".join(
    f"# **{i}.** Why?\n# <details><summary>Answer</summary>\n# So.\n# </details>\n"
    for i in (1, 2, 3)
)


@pytest.mark.parametrize(
    ("part", "other", "complaint"),
    [
        ("# # 42 Answers", "# Answers", "first cell"),
        ("# | goal | a goal |\n", "", "lacks goal"),
        ("40 minutes", "long", "time to read"),
        ("# ## Judge\n", "", "headings"),
        ("# | here | c |\n", "", "in the paper"),
        ("# **2.** Why?\n", "", "quiz"),
        ("figure(fig", "draw(fig", "figure"),
        ("hint, ", "", "in one statement"),
    ],
)
def test_a_missing_part_is_found(part, other, complaint):
    assert list(missing_parts(pages.cells(GOOD))) == []
    (found,) = missing_parts(pages.cells(GOOD.replace(part, other, 1)))
    assert complaint in found


@every_lesson
def test_a_cell_begins_with_two_signs(path):
    assert not re.search(r"^# %($|[^%])", path.read_text(encoding="utf-8"), re.MULTILINE)


@every_lesson
def test_a_lesson_has_all_its_parts(path):
    assert list(missing_parts(cells_of(path))) == []


def languages(cells):
    for i, cell in enumerate(cells):
        if bool(cell.lang) != cell.prose:
            yield f"cell {i}: prose has a lang, code has none"


def test_a_cell_without_its_language_is_found():
    assert list(languages(pages.cells('# %% [markdown] lang="en"\n# a\n# %%\nb'))) == []
    assert len(list(languages(pages.cells('# %% [markdown]\n# a\n# %% lang="en"\nb')))) == 2


@every_lesson
def test_prose_names_its_language_and_code_is_shared(path):
    assert list(languages(cells_of(path))) == []


# lessons import the library; they never paste it

ALLOWED = {"tinynet", "numpy", "numba", "matplotlib", "ipywidgets"} | set(sys.stdlib_module_names)


def private_names(tree):
    """Find imports of strangers and of what is not public."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr):
            names = [f"tinynet.{node.attr}"]
        else:
            continue
        for name in names:
            if name.split(".")[0] not in ALLOWED or "._" in name:
                yield name
            if name.startswith("tinynet.lessons.") and name[16:] not in tinynet_lessons():
                yield name


def tinynet_lessons():
    return importlib.import_module("tinynet.lessons").__all__


def test_a_private_name_is_found():
    source = "import os, torch\nfrom tinynet.kernels import _cuda\nx._secret\nx.public"
    found = list(private_names(ast.parse(source)))
    assert found == ["torch", "tinynet.kernels._cuda", "tinynet._secret"]
    assert list(private_names(ast.parse("from tinynet.lessons import check, exercise"))) == [
        "tinynet.lessons.exercise"
    ]


@every_lesson
def test_lessons_use_public_names_only(path):
    assert list(private_names(ast.parse(path.read_text(encoding="utf-8")))) == []


PASTED = 5  # lines in a row that stand in the library too


def bare_lines(text):
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if len(line) > 3 and not line.startswith("#")]


def runs_of(lines):
    return {tuple(lines[i : i + PASTED]) for i in range(len(lines) - PASTED + 1)}


@pytest.fixture(scope="session")
def library():
    files = [p for p in ROOT.glob("tinynet/**/*.py") if "lessons" not in p.parts]
    return set().union(*(runs_of(bare_lines(p.read_text(encoding="utf-8"))) for p in files))


def test_pasted_lines_are_found(library):
    source = (ROOT / "tinynet" / "kernels" / "max_pool.py").read_text(encoding="utf-8")
    assert runs_of(bare_lines(source.partition("@Kernel")[2])[:12]) & library


@every_lesson
def test_no_lesson_pastes_the_library(path, library):
    assert sorted(runs_of(bare_lines(code_of(cells_of(path)))) & library) == []


# one loop is written out, in the first lesson; the others call tn.fit

BY_HAND = {  # number of training loops, and their reason
    "00": 1,  # it explains the loop
    "11": 1,  # its subject is the update; its range test calls a step of its own, in another cell
}


def training_loops(tree):
    """Find the loops that go backward and take a step of an optimizer."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.For, ast.While)):
            called = {
                call.func.attr
                for statement in node.body
                if not isinstance(statement, (ast.For, ast.While))
                for call in ast.walk(statement)
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
            }
            if {"backward", "step"} <= called:
                yield node.lineno


def test_a_training_loop_is_found():
    loop = "for x, y in loader:\n    f(net(x), y).backward()\n    optimizer.step()\n"
    outer = "for epoch in range(3):\n" + textwrap.indent(loop, "    ")
    fitted = "for epoch in tn.fit(net, optimizer, loader, epochs=3):\n    print(epoch)\n"
    assert list(training_loops(ast.parse(loop + outer + fitted))) == [1, 5]


@every_lesson
def test_lessons_train_with_fit(path):
    found = list(training_loops(ast.parse(path.read_text(encoding="utf-8"))))
    assert len(found) == BY_HAND.get(path.name[:2], 0), f"training loops in lines {found}"


# exercises


def checked(cells):
    """Return the exercises that the cells with a tag check, in their order."""
    return [
        (tag, number)
        for cell in cells
        for tag in cell.tags
        for number in re.findall(r'check\("(\d\d\.\d+)"', cell.text)
    ]


@every_lesson
def test_each_exercise_has_its_cell_and_then_its_solution(path):
    numbers = list(exercise.exercises(path.name[:2]))
    assert numbers, "a lesson has exercises"
    expected = [(tag, n) for n in numbers for tag in ("exercise", "solution")]
    assert checked(cells_of(path)) == expected


OTHERWISE = {  # whose cell says it differently, and why
    "16.1": "here Numba is imported when it is needed; in the lesson it was, at the top",
    "17.5": "the cell adds one line to a kernel that the lesson has",
}


def as_cell(source, name, value):
    """Return the source of a solution as its cell says it: under the lesson's name."""
    head, _, body = source.partition("\n")
    if not value:
        return re.sub(rf"\b{re.split(r'[( :]', head)[1]}\b", name, source)
    body = body if '"""' in body else textwrap.dedent(body)  # what is quoted stands at the margin
    return f"{name} = " + body.strip().removeprefix("return ")


def drifted(cells, known, names):
    """Find solution cells that do not end with what `solution` shows, and then the check."""
    for cell in cells:
        if "solution" in cell.tags:
            number = re.search(r'check\("(\d\d\.\d+)"', cell.text)[1]
            source = as_cell(known[number].solution_source(), names[number], known[number].value)
            end = bare(f'{source}\ncheck("{number}", {names[number]})')
            if number not in OTHERWISE and bare(cell.text)[-len(end) :] != end:
                yield f"{number} should say:\n{source}"


def bare(text):
    return [line for line in text.splitlines() if line.strip()]


@every_lesson
def test_a_solution_cell_is_the_solution(path):
    number = path.name[:2]
    known = exercise.exercises(number)
    names = student.answer_names(number)
    assert list(drifted(cells_of(path), known, names)) == []


@pytest.mark.parametrize(("part", "other"), [("cell @ 2", "2 @ cell"), ("my_x(", "my_y(")])
def test_a_solution_that_drifted_is_found(part, other):
    text = '# %% tags=["solution"]\ndef my_x(cell):\n    return cell @ 2\n\n\ncheck("42.1", my_x)\n'
    known = {"42.1": SimpleNamespace(value=False)}
    known["42.1"].solution_source = lambda: "def solved(cell):\n    return cell @ 2"
    assert list(drifted(pages.cells(text), known, {"42.1": "my_x"})) == []
    (found,) = drifted(pages.cells(text.replace(part, other, 1)), known, {"42.1": "my_x"})
    assert found.startswith("42.1 should say:\ndef my_x(cell)")


@every_number
def test_the_solution_is_right(number):
    for known in exercise.exercises(number).values():
        said = str(known.try_out(known.right_answer()))
        assert said.splitlines()[0] == f"{known.number} ok: {known.title}"
        assert known.solution_source()


@every_number
def test_wrong_answers_are_told_why(number):
    wrong = wrong_answers(number)
    known = exercise.exercises(number)
    assert wrong.keys() == known.keys()
    for n, answers in wrong.items():
        assert len(answers) >= 2, n
        for answer, fragment in answers:
            outcome = known[n].try_out(answer)
            assert outcome.state in ("wrong", "raised"), f"{n}: {answer} came to {outcome}"
            assert fragment in outcome.text, f"{n}: {answer} came to {outcome}"


@every_number
def test_what_is_not_written_yet_is_no_mistake(number):
    for known in exercise.exercises(number).values():
        empty = None if known.value else lambda *_, **__: None
        if known.returns:
            assert known.try_out(empty).state == "not yet", known.number
        assert 1 <= len(known.hints) <= 3, known.number


# notebooks


@every_lesson
def test_the_notebook_is_the_script(path):
    notebook = path.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert outputs.without(notebook) == editions.front(pages.read(path), KNOWN), (
        "write it anew: tinynet lessons pair"
    )


@every_lesson
def test_the_percent_format_is_that_of_jupytext(path):
    jupytext = pytest.importorskip("jupytext")
    parts = cells_of(path)
    for mine, theirs in zip(parts, jupytext.read(path).cells, strict=True):
        source = pages.plain(mine.text) if mine.prose else mine.text
        assert (mine.prose, source) == (theirs.cell_type == "markdown", theirs.source)
        assert (mine.lang, mine.tags) == (
            theirs.metadata.get("lang", ""),
            tuple(theirs.metadata.get("tags", ())),
        )


def test_there_is_no_notebook_without_a_script():
    notebooks = {p.stem for p in (ROOT / "lessons").glob("*.ipynb")}
    assert notebooks == {p.stem for p in LESSONS}


def test_the_readme_lists_every_lesson_in_order():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \d\d \| .*$", readme, flags=re.MULTILINE)
    rows = [pages.row(pages.read(path)) for path in LESSONS]
    assert listed == rows, "write it anew: tinynet lessons pair"


def test_a_missing_lesson_enters_the_list():
    first, second = (pages.Lesson(n, Path(f"{n}_x.py"), "Title", {}) for n in ("00", "01"))
    text = f"before\n{pages.row(first)}\nafter\n"
    both = f"before\n{pages.row(first)}\n{pages.row(second)}\nafter\n"
    assert pages.listed(text, [first, second]) == both


# they run

OFFLINE = """
import os, runpy, socket, sys
def refused(*_): raise OSError("a lesson runs offline")
socket.socket.connect = socket.getaddrinfo = refused
sys.argv = [sys.argv[1]]
runpy.run_path(sys.argv[0], run_name="__main__")
print("processor time", sum(os.times()[:4]))
"""


def execute(path, folder):
    """Run a script in an empty folder, without a network; return what came and the seconds.

    Seconds of processor time, since what else runs here must not count: a lesson that does not
    wait takes at most as long by the clock when it has the machine to itself.
    """
    environment = os.environ.copy()
    environment["MPLBACKEND"] = "Agg"
    environment["PYTHONPATH"] = str(ROOT)
    environment["TINYNET_LESSON_DATA"] = "shapes"
    environment["TINYNET_PREDICT"] = "" if path.stem.endswith("_unsolved") else "show"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", OFFLINE, str(path)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=4 * BUDGET,
        env=environment,
    )
    used = re.search(r"^processor time (.*)$", done.stdout, re.MULTILINE)
    return done, float(used[1]) if used else 0.0


@pytest.fixture(scope="session")
def executed(request, tmp_path_factory):
    """Run every lesson, solved and unsolved, two at a time."""
    here = tmp_path_factory.mktemp("elsewhere")
    jobs = {}
    for path in LESSONS:
        emptied = here / f"{path.stem}_unsolved.py"
        emptied.write_text(pages.script(editions.unsolved(cells_of(path))), encoding="utf-8")
        jobs |= {(path.stem, "solved"): path, (path.stem, "unsolved"): emptied}
    with ThreadPoolExecutor(2) as two:
        results = dict(zip(jobs, two.map(lambda p: execute(p, here), jobs.values()), strict=True))
    lines = [f"{name:36} {kind:9} {s:5.1f} s" for (name, kind), (_, s) in results.items()]
    plugins = request.config.pluginmanager
    with plugins.getplugin("capturemanager").global_and_fixture_disabled():
        plugins.getplugin("terminalreporter").write("\n" + "\n".join(lines) + "\n")
    return results


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["solved", "unsolved"])
@every_lesson
def test_a_lesson_runs_anywhere_offline_in_its_time(path, kind, executed):
    if path.name[:2] in COMPILES:
        need_compiler()
        need_nvrtc()
    done, seconds = executed[path.stem, kind]
    assert (done.returncode, re.sub("^tinynet: Comp.*\n", "", done.stderr)) == (0, ""), done.stderr
    assert seconds < BUDGET
    last = dict(re.findall(r"^(\d\d\.\d+) (ok|not yet|wrong|raised)", done.stdout, re.MULTILINE))
    state = "ok" if kind == "solved" else "not yet"
    assert last == dict.fromkeys(exercise.exercises(path.name[:2]), state)


@pytest.mark.slow
def test_a_notebook_runs_in_a_real_kernel(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    number = "07"
    solved = cells_of(LESSONS[int(number)])
    notebook = nbformat.reads(editions.notebook(solved, f"lesson-{number}"), as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=BUDGET, resources={"metadata": {"path": tmp_path}}
    ).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    shown = [output["data"] for output in outputs if output.output_type == "display_data"]
    assert any('alt="' in data.get("text/html", "") for data in shown)
    assert any("07.2 ok" in data["text/plain"] for data in shown)
