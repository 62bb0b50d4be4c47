"""The examples in the docstrings of `inspection`."""

import pytest

from support.docstrings import examples, undescribed_parameters, without_example
from tinynet import inspection


@pytest.mark.parametrize("example", examples(inspection), ids=str)
def test_the_examples_in_docstrings_run(example):
    example.run()


def test_every_function_has_an_example_and_describes_its_parameters():
    functions = [getattr(inspection, name) for name in inspection.__all__ if name.islower()]
    assert set(without_example(inspection)) <= {n for n in inspection.__all__ if not n.islower()}
    assert [f.__name__ for f in functions if undescribed_parameters(f)] == []
