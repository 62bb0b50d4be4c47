"""Options of the commands: what they need of click."""

import subprocess
import sys


def test_no_class_of_click_needs_to_be_generic():
    """click.ParamType is a generic class since 8.4, and setup.cfg allows 8.1."""
    code = "import click; click.ParamType.__class_getitem__ = None; import tinynet.cli.main"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
