"""The examples in docstrings, run as tests: parametrize a test over ``examples(module)``.

@pytest.mark.parametrize("example", examples(module), ids=str)
def test_the_examples_in_docstrings_run(example):
    example.run()
"""

import doctest
import importlib
import inspect
import pkgutil

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Example:
    """The examples of one docstring."""

    def __init__(self, test):
        self.test = test

    def __str__(self):
        return self.test.name

    def run(self):
        """Run the lines, which import what they need, and fail with what differs."""
        said = []
        runner = doctest.DocTestRunner(verbose=False, optionflags=OPTIONS)
        runner.run(self.test, out=said.append)
        assert not runner.failures, "".join(said)


def examples(module):
    """Return the docstrings with examples of a module, or of all modules of a package."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = []
    for part in [module, *_parts(module)]:
        tests = finder.find(part, module=part, globs={})
        found += [Example(test) for test in tests if test.examples]
    return sorted(found, key=str)


def without_example(module):
    """Return the public classes and functions of a package whose docstring has no example."""
    things = [(name, getattr(module, name)) for name in module.__all__]
    things = [(n, t) for n, t in things if inspect.isclass(t) or inspect.isfunction(t)]
    return [name for name, thing in things if ">>> " not in (inspect.getdoc(thing) or "")]


def undescribed_parameters(thing):
    """Return the parameters of a class or function that its docstring does not name."""
    described = inspect.getdoc(thing) or ""
    _, _, section = described.partition("Parameters\n----------\n")
    heads = [line for line in section.split("\n\n")[0].split("\n") if not line.startswith(" ")]
    names = {name.strip() for head in heads for name in head.split(" :")[0].split(",")}
    return [name for name in inspect.signature(thing).parameters if name not in names]


def _parts(package):
    for info in pkgutil.iter_modules(getattr(package, "__path__", []), f"{package.__name__}."):
        yield importlib.import_module(info.name)
