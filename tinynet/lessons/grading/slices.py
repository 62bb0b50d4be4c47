"""Slices of a learner's file: the statements that an answer needs, without training and figures.

A statement is needed if it binds a name that the answer uses, directly or through other statements.
"""

from __future__ import annotations

import ast
import builtins
import dis
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple


class Statement(NamedTuple):
    """One top-level statement: its cell and source, and the names that it binds and uses."""

    cell: int
    source: ast.stmt
    binds: frozenset[str]
    uses: frozenset[str]


class File(NamedTuple):
    """The statements of a file, the expression of each checked answer, and the broken cells."""

    statements: list[Statement]
    checked: dict[str, str]
    broken: list[str]


def read(cells: list[tuple[str, int]]) -> File:
    """Return the statements of cells, each given by its text and the number of lines before it."""
    found = File([], {}, [])
    for i, (text, before) in enumerate(cells):
        try:
            tree = ast.increment_lineno(ast.parse(text), before)
            for node in tree.body:
                found.statements.append(Statement(i, node, *_names(node)))
                found.checked.update(_checked(node))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            found.broken.append(f"cell {i + 1} raised {type(error).__name__}: {error}")
    return found


def _names(node: ast.stmt) -> tuple[frozenset[str], frozenset[str]]:
    code = compile(ast.Module([node], []), "handed in", "exec")
    used = [i for part in _codes(code) for i in dis.get_instructions(part)]
    reads = {str(i.argval) for i in used if i.opname in ("LOAD_NAME", "LOAD_GLOBAL")}
    writes = {str(i.argval) for i in used if i.opname == "STORE_GLOBAL"}
    writes |= {str(i.argval) for i in dis.get_instructions(code) if i.opname == "STORE_NAME"}
    return frozenset(writes), frozenset(reads - set(dir(builtins)))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _checked(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """Find a call `check("05.1", answer)`: the number, and the answer as text."""
    call = node.value if isinstance(node, ast.Expr) else None
    if isinstance(call, ast.Call) and ast.unparse(call.func) == "check" and len(call.args) == 2:
        number = call.args[0]
        if isinstance(number, ast.Constant) and isinstance(number.value, str):
            yield number.value, ast.unparse(call.args[1])


def needed(file: File, expressions: list[str]) -> list[int]:
    """Return the indices of the statements that some expressions need, in their order."""
    end = len(file.statements)
    stars = [i for i, one in enumerate(file.statements) if _is_star(one.source)]
    chosen = set(stars)
    wanted = [(name, end) for text in expressions for name in _used(text)]
    while wanted:
        name, before = wanted.pop()
        index = _binding(file.statements, name, before)
        if index is not None and index not in chosen:
            chosen.add(index)
            wanted += [(used, index) for used in file.statements[index].uses]
    return sorted(chosen)


def _is_star(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)


def _used(expression: str) -> set[str]:
    nodes = ast.walk(ast.parse(expression, mode="eval"))
    return {node.id for node in nodes if isinstance(node, ast.Name)}


def _binding(statements: list[Statement], name: str, before: int) -> int | None:
    """Return the last statement before an index that binds a name, or else the last one of all."""
    all_of_them = [i for i, one in enumerate(statements) if name in one.binds]
    earlier = [i for i in all_of_them if i < before]
    found = earlier or all_of_them
    return found[-1] if found else None
