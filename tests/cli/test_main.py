"""The commands and their options: one-line help, and names of version 0.1."""

import os
import signal
import subprocess
import sys

import pytest

from tinynet.cli import main
from tinynet.cli.options import RENAMED, RenamedOptions


def test_the_list_of_commands_says_what_each_command_says_of_itself():
    for name, (_, _, first_sentence) in main.COMMANDS.items():
        command = main.cli.get_command(None, name)
        assert command.help.split("\n")[0].strip() == first_sentence


@pytest.mark.parametrize(
    ("old", "new"),
    [("--batch", "batch_size"), ("--update", "optimizer"), ("--exchange", "cross_at")],
)
def test_old_names_of_options_are_understood_and_hidden(old, new):
    assert RENAMED[old] == f"--{new.replace('_', '-')}"
    train = main.cli.get_command(None, "train")
    assert RenamedOptions._renamed(f"{old}=3") == f"{RENAMED[old]}=3"
    assert old not in {option for parameter in train.params for option in parameter.opts}


def test_output_without_a_reader_is_dropped_at_the_end(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        stdout.write("lost")
        main._write_out()
        stdout.flush()  # as Python does when it ends


def test_a_note_is_printed_once():
    note = main._notes()
    assert note("damaged") == "Note: damaged\n"
    assert note("other") == "Note: other\n"
    assert note("damaged") == ""


@pytest.fixture
def sigint():
    """Give back the handler of Ctrl-C, which a stopped command leaves as the system's."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("wrapped", [False, True])
def test_ctrl_c_while_a_command_is_imported_ends_with_130(
    tinynet_says, monkeypatch, wrapped, sigint
):
    def import_module(name):
        if not wrapped:
            raise KeyboardInterrupt
        raise RuntimeError("Error calling __set_name__") from KeyboardInterrupt()  # Python 3.11

    monkeypatch.setattr(main.importlib, "import_module", import_module)
    said = tinynet_says("info")
    assert (said.code, said.out, said.err.strip()) == (130, "", "Stopped.")


STOPPED_TWICE = """
import atexit, signal
from tinynet.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
atexit.register(signal.raise_signal, signal.SIGINT)
main.cli.main = lambda **_: signal.raise_signal(signal.SIGINT)
main.main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of Unix")
def test_a_second_ctrl_c_at_the_end_leaves_no_traceback():
    done = subprocess.run([sys.executable, "-c", STOPPED_TWICE], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "Stopped.\n")
