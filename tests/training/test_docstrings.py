"""Docstrings of training and of the command line: their examples run."""

import pytest

from support.docstrings import examples
from tinynet import cli, training
from tinynet.data import copies, folder, lazy_images, splits

MODULES = (training, cli, copies, folder, lazy_images, splits)


@pytest.mark.parametrize("example", [e for m in MODULES for e in examples(m)], ids=str)
def test_the_examples_in_docstrings_run(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example.run()
