"""Notebook syntax in plain Python: cells with magics, shell commands and questions.

A line ``%name ...``, ``!command`` or ``name?`` is no Python. What holds Python (``%time f(x)``,
a cell under ``%%time``) becomes that Python, all others become ``pass``: nothing is installed,
loaded or run in a shell. Lines keep their numbers, so errors name the learner's own.
"""

from __future__ import annotations

import ast
import re
import time
import timeit
from collections.abc import Callable
from typing import Any

# Their cells hold another language, or text: they are skipped. Cells of other magics are run.
FOREIGN = re.compile(
    "bash|sh|script|system|sx|cmd|perl|ruby|python[23]?|pypy|html|HTML|svg|SVG|latex|markdown|"
    "javascript|js|writefile|file|writetemplate|cython|R|sql"
)
RUN = ("time", "prun")  # line magics that run their Python in the notebook
OPTIONS = r"(?:\s+-\w+(?:[ =]?\d+)?)*"  # such as -n 10 -r3 -o -q

CELL = re.compile(r"%%(\w+)(.*)")
LINE = re.compile(r"(\s*)%(?!%)\s*([\w.]+)(.*)")
ASSIGNED = re.compile(r"(\s*[\w.\[\]'\"*, ]+?=\s*)([%!])(?![%!=])\s*(\w*)(.*)")
SHELL = re.compile(r"(\s*)!.*")
QUESTION = re.compile(r"(\s*)(?:\?{1,2}\s*[%\w.*]+|[%\w.*\[\]]+\s*\?{1,2})\s*(?:;|#.*)?\s*$")
WORD = re.compile(r"(\s*)(pip|conda|mamba|matplotlib|load_ext|reload_ext|autoreload|cd|ls)\s+\S.*")
TOKEN = re.compile(
    r"""#[^\n]*|[rRbBuUfFtT]{0,2}('{3}|"{3})|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[()\[\]{}]|."""
)


def plain(source: str) -> str:
    r"""Return the Python of a notebook's cell, with as many lines.

    >>> from tinynet.lessons.magics import plain
    >>> print(plain("%%time\nx = %timeit -o 1 + 1\n!pip install numpy\ny = 2"))
    # %%time
    x = get_ipython().run_line_magic('timeit', '-o 1 + 1')
    pass  # !pip install numpy
    y = 2
    """
    if _is_python(source):
        return source
    lines = source.split("\n")
    first = _first(lines)
    while first is not None and (found := CELL.match(lines[first])):
        name, rest = found.groups()
        if FOREIGN.fullmatch(name):
            return "\n".join(f"# {line}" for line in lines)
        lines[first] = _under(name, rest.strip()) or f"# %%{name}"
        first = _first(lines, first + 1)
    return "\n".join(_lines(lines))


def _is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    return True


def _first(lines: list[str], start: int = 0) -> int | None:
    """Return the first line that is neither empty nor a comment."""
    whole = range(start, len(lines))
    return next((i for i in whole if lines[i].strip() and not lines[i].startswith("#")), None)


def _under(name: str, rest: str) -> str:
    """Return what the line of a cell magic does: ``%%timeit`` prepares, ``%%capture`` names."""
    words = [word for word in rest.split() if not word.startswith("-")]
    if name == "capture" and words and words[0].isidentifier():
        return f"{words[0]} = get_ipython().run_line_magic('capture', '')"
    prepares = re.sub(rf"^{OPTIONS}\s*", "", f" {rest}") if name == "timeit" else ""
    return prepares if _is_python(prepares) else ""


def _lines(lines: list[str]) -> list[str]:
    """Rewrite the lines that begin a statement; those inside of strings and brackets stay."""
    done: list[str] = []
    state = _State()
    continued = False
    for line in lines:
        if continued:  # the rest of a shell command
            done.append("")
            continued = line.endswith("\\")
            continue
        changed = _line(line) if state.at_start else None
        if changed is None:
            state.read(line)
            done.append(line)
        else:
            done.append(changed)
            continued = line.endswith("\\")
    return done


def _line(line: str) -> str | None:
    """Return the Python of one line of notebook syntax, or None if it is none."""
    for pattern, rewrite in PATTERNS:
        found = pattern.match(line)
        if found:
            return rewrite(found)
    return None


def _magic(found: re.Match[str]) -> str | None:
    indent, name, rest = found.groups()
    statement = re.sub(rf"^{OPTIONS}\s*", "", rest)
    if name in RUN and _is_python(statement.strip()) and statement.strip():
        return f"{indent}{statement.strip()}"
    return _skipped(found)


def _assigned(found: re.Match[str]) -> str | None:
    target, sign, name, rest = found.groups()
    rest = rest.strip()
    if sign == "!":
        return f"{target}get_ipython().getoutput({f'{name} {rest}'.strip()!r})"
    if name in RUN and _is_python(rest):
        return f"{target}{rest}"
    return f"{target}get_ipython().run_line_magic({name!r}, {rest!r})"


def _skipped(found: re.Match[str]) -> str:
    return f"{found[1]}pass  # {found[0].strip()}"


def _unless_python(found: re.Match[str]) -> str | None:
    return None if _is_python(found[0].strip()) else _skipped(found)


PATTERNS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]], ...] = (
    (QUESTION, _skipped),
    (LINE, _magic),
    (ASSIGNED, _assigned),
    (SHELL, _skipped),
    (WORD, _unless_python),
)


class _State:
    """Whether the next line begins a statement, or goes on in a string or in brackets."""

    def __init__(self) -> None:
        self.quotes = ""
        self.depth = 0
        self.backslash = False

    @property
    def at_start(self) -> bool:
        return not self.quotes and self.depth <= 0 and not self.backslash

    def read(self, line: str) -> None:
        at = 0
        while at < len(line):
            if self.quotes:
                end = re.compile(rf"(?:\\.|(?!{self.quotes}).)*{self.quotes}").match(line, at)
                if end is None:
                    return
                at = end.end()
                self.quotes = ""
                continue
            token = TOKEN.match(line, at)
            if token is None:
                break
            at = token.end()
            self.quotes = token[1] or ""
            self.depth += (token[0] in "([{") - (token[0] in ")]}")
        self.backslash = line.endswith("\\")


class Shell:
    """Stands for IPython's: what ``get_ipython()`` gives in a notebook, without a shell.

    Scripts that Jupyter exports call it in place of magics.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names

    def run_line_magic(self, name: str, line: str, *_: object) -> Any:
        """Run the Python of ``%time`` and ``%timeit``; all other magics do nothing."""
        if name == "timeit":
            return Timing(re.sub(rf"^{OPTIONS}\s*", "", f" {line}"), self.names)
        if name in RUN:
            exec(line, self.names)
        return Captured() if name == "capture" else None

    def run_cell_magic(self, name: str, line: str, cell: str) -> None:
        """Run the cell, if it is Python."""
        exec(plain(f"%%{name} {line}\n{cell}"), self.names)

    def system(self, command: str) -> None:
        """Run nothing."""

    def getoutput(self, command: str) -> list[str]:
        """Run nothing, which prints no lines."""
        return []


class Timing:
    """The result of ``%timeit -o``, measured once."""

    loops = 1
    repeat = 1

    def __init__(self, statement: str, names: dict[str, Any]) -> None:
        self.best = timeit.timeit(statement, globals=names, number=1, timer=time.perf_counter)
        self.average = self.worst = self.best
        self.stdev = 0.0
        self.timings = self.all_runs = [self.best]


class Captured:
    """The result of ``%%capture``: nothing that a cell prints is kept."""

    stdout = ""
    stderr = ""
    outputs: tuple[()] = ()

    def show(self) -> None:
        """Print nothing."""
