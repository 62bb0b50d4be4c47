"""The habits of the house, as tests. (Which module may import which is the job of lint-imports.)

Each habit is a small function from source text to a list of offences; below it stand a planted
offence that it must find and the test that applies it to the whole of tinynet.
"""

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tinynet

ROOT = Path(tinynet.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

REFERENCE_LINES = 15


@functools.cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def offences(judge):
    """Apply a judge to every file; return `file: offence` lines."""
    return [
        f"{path.relative_to(ROOT.parent)}: {offence}"
        for path in FILES
        for offence in judge(tree_of(path))
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
        decorators = {ast.unparse(d) for d in node.decorator_list}
        if "overload" in decorators or any(d.endswith(".solution") for d in decorators):
            continue  # the implementation, or the exercise, says what it is for
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


# packing


def packed(tree):
    """Find assignments of unrelated values in one statement; a swap is none."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)):
            continue
        for target in node.targets:
            if isinstance(target, ast.Tuple) and len(target.elts) == len(node.value.elts):
                assigned = {ast.unparse(e) for e in target.elts}
                used = {ast.unparse(e) for e in ast.walk(node.value) if isinstance(e, ast.expr)}
                if not assigned & used:
                    yield f"line {node.lineno} assigns {len(target.elts)} values at once"


def test_packed_statements_are_found_and_swaps_are_not():
    assert list(packed(ast.parse("a, b = x, f(y)"))) == ["line 1 assigns 2 values at once"]
    assert list(packed(ast.parse("a, b = b, a\na, b = f()\nx[i], x[j] = x[j], x[i]"))) == []


def test_one_statement_assigns_one_thing():
    assert offences(packed) == []


# references


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


# words

OPENERS = ("What", "Who", "How", "Says", "Where", "Which", "That", "Whether")
BANNED = (
    "nobody",
    "somebody",
    "whoever",
    "foretell",
    "foretold",
    "foretells",
    "dearer",
    "of before",
    "hungriest",
    "comes along",
    "come along",
    "would just do",
    "whom asks",
    "are other than",
)


def riddles(tree):
    """Find module docstrings that begin with a relative clause in place of a noun phrase."""
    text = ast.get_docstring(tree)
    if text and text.split()[0] in OPENERS:
        yield f"the module docstring begins with {text.split()[0]}"


def odd_words(tree):
    """Find words in strings that plain standard English does without."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for word in BANNED:
                if re.search(rf"\b{word}\b", node.value, re.IGNORECASE):
                    yield f"line {node.lineno} says {word!r}"


def test_a_riddle_and_an_odd_word_are_found():
    assert list(riddles(ast.parse('"""What a graph writes down."""')))
    assert list(riddles(ast.parse('"""Tape of a step."""'))) == []
    assert list(odd_words(ast.parse('x = "weights of before"')))
    assert list(odd_words(ast.parse('x = "pretrained weights"'))) == []


def test_a_module_docstring_begins_with_a_noun_phrase():
    assert offences(riddles) == []


def test_strings_and_docstrings_are_plain_english():
    assert offences(odd_words) == []


@pytest.mark.skipif(not (ROOT.parent / "README.md").exists(), reason="tinynet is no checkout here")
def test_documents_and_lessons_are_plain_english():
    folder = ROOT.parent
    paths = [*folder.glob("*.md"), *folder.glob("docs/**/*.md"), *folder.glob("lessons/*.py")]
    found = [
        f"{path.relative_to(folder)}:{number} says {word!r}"
        for path in paths
        if path.name != "CHANGELOG.md"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for word in BANNED
        if re.search(rf"\b{word}\b", line, re.IGNORECASE)
    ]
    assert found == []


# tests

TESTS = Path(__file__).parent
TEST_LINES = 500
BESIDE_THE_PACKAGE = {"benchmarks", "support"}


def long_files(folder, limit=TEST_LINES):
    """Find the Python files below a folder that have more lines than the limit."""
    for path in sorted(folder.rglob("*.py")):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > limit:
            yield f"{path.relative_to(folder)} has {lines} lines, {limit} are the limit"


def folders_of(folder):
    return {path.parent.name for path in folder.glob("*/*.py")}


def test_a_long_test_file_is_found(tmp_path):
    (tmp_path / "short.py").write_text("x = 1\n" * 2)
    (tmp_path / "long.py").write_text("x = 1\n" * 3)
    assert list(long_files(tmp_path, limit=2)) == ["long.py has 3 lines, 2 are the limit"]


def test_a_test_file_has_one_subject_and_is_short():
    assert list(long_files(TESTS)) == []


def test_the_folders_of_the_tests_are_those_of_the_package():
    assert folders_of(TESTS) == folders_of(ROOT) | BESIDE_THE_PACKAGE


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


def test_importing_tinynet_and_its_layers_pays_for_numpy_only():
    assert loaded_by("import tinynet; tinynet.nn; tinynet.optim; tinynet.data") == []


def modules_after(statement):
    """Return how many modules of tinynet a new Python holds after this statement."""
    code = f"import sys; {statement}; print(sum(m.startswith('tinynet.') for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_public_names_load_when_they_are_used():
    assert modules_after("import tinynet") == 0
    assert modules_after("import tinynet; tinynet.nn") > 0


def test_the_help_of_the_command_line_loads_no_command():
    code = "import sys; from tinynet.cli.main import cli; cli(['--help'], standalone_mode=False)"
    report = "print(*[m for m in sys.modules if m == 'numpy' or m.startswith('tinynet.')])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {report}"], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.splitlines()[-1].split()
    language = {"tinynet.cli.language", "tinynet.words"}  # of this help
    assert set(loaded) == {"tinynet.cli", "tinynet.cli.main"} | language


# public names


def test_the_lazy_table_the_type_checker_and_the_list_agree():
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [n for n in tree.body if isinstance(n, ast.If)]
    seen = {a.asname or a.name for n in block.body for a in n.names}
    assert seen == set(tinynet._HOME)
    assert set(tinynet.__all__) == {*tinynet._HOME, "__version__"}
    assert dir(tinynet) == sorted(tinynet.__all__)


@pytest.mark.parametrize("name", sorted(tinynet.__all__))
def test_every_public_name_can_be_had(name):
    found = getattr(tinynet, name)
    modules = [
        "data",
        "functions",
        "inspection",
        "kernels",
        "models",
        "nn",
        "optim",
        "plot",
        "random",
        "schedules",
        "testing",
        "weights",
    ]
    assert (type(found).__name__ == "module") == (name in modules)


def test_a_submodule_does_not_take_the_place_of_a_function():
    import tinynet.tensors

    assert callable(tinynet.tensor)
    assert tinynet.tensors.tensor is tinynet.tensor


@pytest.mark.parametrize("missing", ["numba", "cupy", "matplotlib", "safetensors"])
def test_tinynet_imports_where_an_accelerator_is_missing(missing):
    code = f"import sys; sys.modules[{missing!r}] = None; import tinynet"
    subprocess.run([sys.executable, "-c", code], check=True)
