"""Notebook syntax in learners' files: what is Python in it is run, all else is passed over."""

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.checkout import needs_lessons
from tinynet.lessons import editions, pages, student
from tinynet.lessons.magics import Shell, plain


def run(source):
    """Run a cell as a learner's file is run; return its names."""
    names = {}
    names["get_ipython"] = lambda: Shell(names)
    student._execute(textwrap.dedent(source).lstrip("\n"), 0, "cell", names)
    return names


@pytest.mark.parametrize(
    "first",
    [
        "%%time",
        "%%timeit -n 1 -r 1",
        "%%timeit -n3 z = 1",
        "%%capture",
        "%%capture out --no-stderr",
        "%%prun -l 5",
        "%%memit",
        "\n\n%%time",
        "# mine\n%%capture\n%%time",
    ],
)
def test_the_cell_under_a_magic_is_run(first):
    assert run(f"{first}\n%matplotlib inline\nx = 1\ny = x + 1")["y"] == 2


@pytest.mark.parametrize(
    "magic", ["bash", "html", "writefile x.py", "javascript", "latex", "sh -e"]
)
def test_a_cell_of_another_language_is_passed_over(magic):
    assert "x" not in run(f"%%{magic}\nx = 1\nif [ 1 ]; then rm -rf /; fi")


@pytest.mark.parametrize(
    "line",
    [
        "%matplotlib inline",
        "%load_ext autoreload",
        "%autoreload 2",
        "%timeit 1 + 1",
        "%timeit -n 10 -r3 f('it''s')",
        "%pip install numpy",
        "pip install numpy",
        "!pip install 'a package' # don't",
        "!ls {x} \\\n    -l",
        "!!ls",
        "x?",
        "x.real??",
        "?x",
        "??x",
        "%timeit?",
        "np.*load*?",
        "%config InlineBackend.figure_format = 'retina'",
        "%env A=1",
        "%debug",
    ],
)
@pytest.mark.parametrize("place", ["x = 1\n{}\ny = x + 1", "x = 1\nif x:\n    {}\n    y = 2"])
def test_other_lines_are_passed_over(line, place):
    assert run(place.format(line))["y"] == 2


def test_statements_that_are_timed_are_run_where_they_stand():
    names = run("""
        def f(a):
            %time b = a + 1
            c = %time b * 2
            return c
        %time y = f(3)
        z = %time f(4)
        %prun w = 5
    """)
    assert [names[name] for name in "yzw"] == [8, 10, 5]


def test_magics_that_give_a_value_give_one():
    names = run(
        """
        x = %timeit -n 2 -o sum(range(9))
        best = x.best
        lines = !ls
        made = %env
        names[0] = %time 3
    """.replace("        names[0]", "        names = [0]\n        names[0]")
    )
    assert 0 <= names["best"] == names["x"].average < 1
    assert names["lines"] == []
    assert names["made"] is None
    assert names["names"] == [3]


def test_a_captured_cell_has_a_name():
    names = run("%%capture out\nprint(1)\nx = 2")
    assert (names["x"], names["out"].stdout) == (2, "")
    names["out"].show()


def test_strings_and_brackets_keep_lines_that_look_like_magics():
    source = '''
%%time
text = """
%time is a magic
!so is this
what?
"""
rest = (7
    % 4)
quote = 'it\\'s # no comment' + "]"  # [ (
after = 1
%timeit 1
'''
    names = run(source)
    assert names["text"] == "\n%time is a magic\n!so is this\nwhat?\n"
    assert (names["rest"], names["after"]) == (3, 1)


def test_a_cell_may_wait():
    names = run("""
        import asyncio
        async def f():
            await asyncio.sleep(0)
            return 3
        %matplotlib inline
        x = await f()
    """)
    assert names["x"] == 3


def test_scripts_that_jupyter_exported_are_run():
    names = run("""
        get_ipython().run_line_magic('matplotlib', 'inline')
        get_ipython().run_cell_magic('time', '', 'x = 1\\n%timeit x\\n')
        get_ipython().run_line_magic('time', 'y = x + 1')
        get_ipython().system('ls')
    """)
    assert (names["x"], names["y"]) == (1, 2)


def test_an_error_keeps_its_line():
    with pytest.raises(ZeroDivisionError) as caught:
        run("%%time\n!ls \\\n   -l\n%pip install x\n1 / 0")
    assert caught.traceback[-1].lineno + 1 == 5
    with pytest.raises(SyntaxError) as broken:
        run("%%time\ndef (")
    assert broken.value.lineno == 2


@given(st.text(alphabet="%!?'\"\\()=#x1 \n\t[]ab:", max_size=40))
def test_any_text_becomes_as_many_lines(text):
    assert plain(text).count("\n") == text.count("\n")


@pytest.mark.parametrize("kind", [".ipynb", ".py"])
@needs_lessons
def test_an_answer_beside_magics_is_judged(learner, kind):
    code = learner.read_text()
    text = f"%load_ext autoreload\nimport os\n# %%\n%%time\n{code}\n%timeit 1 + 1\nmy_max_pool?\n"
    path = learner.with_suffix(kind)
    path.write_text(text if kind == ".py" else editions.notebook(pages.cells("# %%\n" + text), "x"))
    report = student.judge("07", path)
    assert report.outcomes[0].state == "ok"
    assert report.broken == []


def test_display_needs_no_import(tmp_path):
    path = tmp_path / "x.py"
    path.write_text("display(1)\nx = 2\nget_ipython()")
    names, broken = student._run(path)
    assert (names["x"], broken) == (2, [])
