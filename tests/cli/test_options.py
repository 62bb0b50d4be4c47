"""Options of the commands: what they need of click."""

import pkgutil
import subprocess
import sys

from tinynet import cli


def test_no_class_of_click_needs_to_be_generic():
    """click.ParamType is a generic class since 8.4, and setup.cfg allows 8.1."""
    names = [module.name for module in pkgutil.iter_modules(cli.__path__, "tinynet.cli.")]
    code = f"import click; click.ParamType.__class_getitem__ = None; import {', '.join(names)}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
