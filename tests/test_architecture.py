"""The habits of the house, as tests. (Which module may import which is the job of lint-imports.)

Each habit is a small function from source text to a list of offences; below it stand a planted
offence that it must find and the test that applies it to the whole of tinynet.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tinynet

ROOT = Path(tinynet.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

FUNCTION_LINES = 40
REFERENCE_LINES = 15
FILE_LINES = 300


def offences(judge):
    """Apply a judge to every file; return `file: offence` lines."""
    return [
        f"{path.relative_to(ROOT.parent)}: {offence}"
        for path in FILES
        for offence in judge(ast.parse(path.read_text(encoding="utf-8")))
    ]


def functions(tree):
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def body_lines(function):
    """Count the lines of a function below its signature, without its docstring."""
    lines = function.end_lineno - function.body[0].lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        lines -= function.body[0].end_lineno - function.body[0].lineno + 1
    return lines


# docstrings


def undocumented(tree):
    if ast.get_docstring(tree) is None and tree.body:
        yield "the module has no docstring"
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        if any(ast.unparse(d).endswith(".solution") for d in node.decorator_list):
            continue  # its exercise says what it is for
        if ast.get_docstring(node) is None:
            yield f"{node.name} (line {node.lineno}) has no docstring"


def test_a_missing_docstring_is_found():
    tree = ast.parse('"""Doc."""\ndef f(): ...\ndef _g(): ...\nclass C:\n    """Doc."""')
    assert list(undocumented(tree)) == ["f (line 2) has no docstring"]
    assert list(undocumented(ast.parse("x = 1"))) == ["the module has no docstring"]


def test_public_functions_and_classes_have_docstrings():
    assert offences(undocumented) == []


# prints


def prints(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            yield f"print (line {node.lineno})"


def test_a_print_is_found():
    assert list(prints(ast.parse("def f():\n    print(1)\n    log.print(2)"))) == ["print (line 2)"]


def test_only_the_command_line_prints():
    assert [o for o in offences(prints) if not o.startswith("tinynet/cli")] == []


# lengths


def long_functions(tree, limit=FUNCTION_LINES):
    for f in functions(tree):
        if body_lines(f) > limit:
            yield f"{f.name} (line {f.lineno}) has {body_lines(f)} lines, {limit} are the limit"


def test_a_long_function_is_found_and_its_docstring_is_not_counted():
    tree = ast.parse('def f():\n    """One\n    two\n    three."""\n    a = 1\n    return a')
    assert list(long_functions(tree, limit=2)) == []
    assert list(long_functions(tree, limit=1)) == ["f (line 1) has 2 lines, 1 are the limit"]


def test_functions_fit_on_a_screen():
    assert offences(long_functions) == []


def test_files_stay_readable_in_one_sitting():
    lengths = {str(p.relative_to(ROOT.parent)): len(p.read_text().splitlines()) for p in FILES}
    assert {name: n for name, n in lengths.items() if n > FILE_LINES} == {}


def is_reference(function):
    return any(isinstance(d, ast.Name) and d.id == "Kernel" for d in function.decorator_list)


def long_references(tree, limit=REFERENCE_LINES):
    for f in functions(tree):
        if is_reference(f) and body_lines(f) > limit:
            yield f"{f.name} has {body_lines(f)} lines, {limit} are the limit of a reference"


def test_a_long_reference_is_found():
    source = "@Kernel\ndef f(\n    x,\n):\n    y = x\n    z = y\n    return z\n"
    assert list(long_references(ast.parse(source), limit=3)) == []
    assert len(list(long_references(ast.parse(source), limit=2))) == 1
    assert list(long_references(ast.parse(source.replace("@Kernel", "@other")), limit=2)) == []


def test_references_of_kernels_can_be_read_aloud():
    assert offences(long_references) == []


def test_there_are_references_to_read():
    trees = [ast.parse(p.read_text(encoding="utf-8")) for p in (ROOT / "kernels").glob("*.py")]
    assert sum(is_reference(f) for tree in trees for f in functions(tree)) >= 10


# names


def wide_names(tree):
    """Find arguments called W: a width is W, a weight is `weight`."""
    for f in functions(tree):
        arguments = f.args.posonlyargs + f.args.args + f.args.kwonlyargs
        if any(a.arg == "W" and not _is_int(a) for a in arguments):
            yield f"{f.name} (line {f.lineno}) has an argument W that is not an int"


def _is_int(argument):
    return isinstance(argument.annotation, ast.Name) and argument.annotation.id == "int"


def test_an_array_called_w_is_found():
    assert len(list(wide_names(ast.parse("def f(x, W): ...")))) == 1
    assert list(wide_names(ast.parse("def f(x, H: int, W: int): ..."))) == []


def test_no_array_is_called_like_a_width():
    assert offences(wide_names) == []


# what an import costs

HEAVY = ["numba", "llvmlite", "cupy", "matplotlib", "click", "rich", "requests", "PIL"]
HEAVY += ["onnx", "safetensors", "torch"]


def loaded_by(statement):
    """Return the heavy packages that a new Python holds after this statement."""
    code = f"import sys; {statement}; print(*[m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_heavy_import_is_found():
    assert "click" in loaded_by("import click")


def test_importing_tinynet_pays_for_numpy_only():
    assert loaded_by("import tinynet") == []


@pytest.mark.parametrize("missing", ["numba", "cupy", "matplotlib", "safetensors"])
def test_tinynet_imports_where_an_accelerator_is_missing(missing):
    code = f"import sys; sys.modules[{missing!r}] = None; import tinynet"
    subprocess.run([sys.executable, "-c", code], check=True)
