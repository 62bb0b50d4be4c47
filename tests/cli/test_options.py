"""Options of the commands: what they need of click."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tinynet import cli
from tinynet.cli import main
from tinynet.cli.options import HomePath
from tinynet.cli.output_file import FIGURE_FILE


def test_no_class_of_click_needs_to_be_generic():
    """click.ParamType is a generic class since 8.4, and setup.cfg allows 8.1."""
    names = [module.name for module in pkgutil.iter_modules(cli.__path__, "tinynet.cli.")]
    code = f"import click; click.ParamType.__class_getitem__ = None; import {', '.join(names)}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def parameters(command):
    """Return the parameters of a command and of all commands below it."""
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return [*command.params, *(param for each in below for param in parameters(each))]


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_path_may_begin_with_the_home(name):
    paths = parameters(main.cli.get_command(None, name))
    assert not [p.name for p in paths if type(p.type) is click.Path]


@pytest.mark.parametrize("kind", [HomePath(path_type=Path), FIGURE_FILE])
def test_the_home_is_found(kind, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # Windows
    assert kind.convert("~/a.png", None, None) == tmp_path / "a.png"
