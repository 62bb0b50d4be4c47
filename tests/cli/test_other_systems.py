"""Systems without what only Linux has: import, train, resume, predict, check a lesson."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import checkout
from support.image_files import fill
from tinynet.lessons import exercise

TESTS = str(Path(checkout.__file__).parent.parent)
COMMANDS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv.pop(1))
import pytest
import support.without_posix
from click.testing import CliRunner
from support import small_demo
from tinynet import data
from tinynet.cli.main import cli
from tinynet.training import run_dir
from tinynet.weights import checkpoint

patch = pytest.MonkeyPatch()
if sys.argv.pop(1) == "small":
    small_demo.use_net(patch)

def run(*words, code=0):
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == code, f"{words}: {done.output} {done.exception!r}"
    return done.output

train = ("train", "--data", "folder:pics", "--batch-size", "4", "--epochs", "2", "--seed", "1")
assert "numpy" in run("info")
assert "cifar10" in run("data", "list")
assert "2 classes" in run("data", "verify", "folder:pics")
run(*train, "--out", "whole")
said = run(*train, "--out", "cut", "--max-minutes", "0.000001")
assert "--resume cut" in said, said
with run_dir.lock(Path("cut")):
    pass
run("train", "--resume", "cut")
whole, cut = (checkpoint.load(Path(name) / "last.safetensors").model for name in ("whole", "cut"))
assert all((whole[name] == cut[name]).all() for name in whole), "the resumed run is another one"
run("eval", "whole")
assert "red" in run("predict", "whole", "pics/train/red/1.png")
run("predict", "whole", "pics/test")
assert "07.1 ok" in run("lessons", "check", "07", "student.py", code=1)
assert not [name for name in ("fcntl", "resource", "termios", "pwd") if sys.modules.get(name)]
"""


@checkout.needs_lessons
@pytest.mark.parametrize("kernels", ["reference", pytest.param("", marks=pytest.mark.slow)])
def test_the_main_commands_need_nothing_that_only_linux_has(tmp_path, kernels):
    for i, kind in enumerate(["red", "blue"]):
        fill(tmp_path / "pics" / "train" / kind, range(i, 12 + i, 1))
        fill(tmp_path / "pics" / "test" / kind, range(20 + i, 23 + i))
    answer = exercise.find("07.1").solution_source()
    (tmp_path / "student.py").write_text(f"import numpy as np\n\n{answer}\n")
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, TESTS, "small" if kernels else "demo"],
        cwd=tmp_path,
        env={**os.environ, "TINYNET_KERNELS": kernels or "numba"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
