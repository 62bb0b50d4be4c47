"""Module-level __getattr__ is hidden from type checkers, which would accept misspelled names."""

import ast
import importlib
from pathlib import Path

import pytest

import tinynet

PACKAGE = Path(tinynet.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def shown_getattr(tree):
    """Return whether a module defines __getattr__ at its top level."""
    return any(
        isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_names_that_are_not_there_are_errors(path):
    assert not shown_getattr(ast.parse(path.read_text(encoding="utf-8")))


def test_a_planted_one_is_found():
    assert shown_getattr(ast.parse("def __getattr__(name): ..."))
    hidden = "if not TYPE_CHECKING:\n    def __getattr__(name): ..."
    assert not shown_getattr(ast.parse(hidden))


@pytest.mark.parametrize("name", ["data", "data.transforms", "nn", "optim", "plot"])
def test_dir_shows_the_public_names(name):
    module = importlib.import_module(f"tinynet.{name}")
    assert dir(module) == sorted(module.__all__)
