"""Interpreters and dependencies: the network trains and the tests pass on each pair that is here.

    make matrix                                    every interpreter that is found
    python tests/matrix.py PYTHON ...              these too, such as /opt/python3.14t/bin/python3
    python tests/matrix.py --only 3.14t            those of this version alone

Each interpreter gets two environments in a temporary folder: the lowest versions that setup.cfg
allows, as far as they have wheels for it, and the newest. It takes uv, and a package index.
"""

from __future__ import annotations

import argparse
import configparser
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WANTED = ["3.11", "3.12", "3.13", "3.13t", "3.14", "3.14t"]
TOOLS = ("pytest", "hypothesis", "onnx", "onnxruntime")  # of the extra `dev`: what the tests take
SHOWN = ("numpy", "numba", "matplotlib", "click", "rich", "pillow", "onnxruntime")
TESTS = [
    "tests/core/test_autograd.py",
    "tests/core/test_random.py",
    "tests/nn",
    "tests/optim",
    "tests/functions/test_gradients.py",
    "tests/kernels/test_matmul.py",
    "tests/kernels/test_max_pool.py",
    "tests/data/test_folder.py",
    "tests/data/test_loader.py",
    "tests/cli/test_main.py",
    "tests/plot/test_curves.py",
    "tests/weights/test_checkpoint.py",
    "tests/weights/test_onnx.py",
    "tests/training/test_runs.py",
]
ASK = (
    "import sys, sysconfig; free = bool(sysconfig.get_config_var('Py_GIL_DISABLED')); "
    "print(sys.version.split()[0], '%d.%d' % sys.version_info[:2] + 't' * free, sep='|')"
)
VERSIONS = (
    "import importlib.metadata as m, json; "
    "print(json.dumps({d.metadata['Name'].lower(): d.version for d in m.distributions()}))"
)


class NotInstallableError(Exception):
    """A package that tinynet cannot do without has no wheel for an interpreter."""


@dataclass
class Interpreter:
    """One Python: where it is, its full version, and its short one (3.14, 3.14t)."""

    path: str
    version: str
    short: str


def requirements(without: tuple[str, ...] = ()) -> list[str]:
    """Return what setup.cfg asks for, and the tools of the tests that are run here."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    own = setup["options"]["install_requires"].split("\n")
    dev = setup["options.extras_require"]["dev"].split("\n")
    lines = [line.strip() for line in own]
    lines += [line.strip() for line in dev if _name(line) in TOOLS]
    named = [line for line in lines if line and not line.startswith("#")]
    return [line for line in named if _name(line) not in without]


def _name(requirement: str) -> str:
    return re.split(r"[^\w-]", requirement.strip(), maxsplit=1)[0].lower()


def interpreters(named: list[str]) -> list[Interpreter]:
    """Return one interpreter of each version: those that were named, then those that are found."""
    home = Path.home()
    places = [
        home.glob(".pyenv/versions/*/bin/python3"),
        home.glob(".local/share/uv/python/*/bin/python3"),
    ]
    on_path = [shutil.which(f"python{version}") for version in WANTED]
    found = [*named, *(path for path in on_path if path)]
    found += [str(path) for path in sorted(itertools.chain(*places), reverse=True)]
    known: dict[str, Interpreter] = {}
    for path in found:
        asked = subprocess.run([path, "-c", ASK], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            version, short = asked.stdout.strip().split("|")
            known.setdefault(short, Interpreter(path, version, short))
    return [known[short] for short in WANTED if short in known]


def environment(folder: Path, python: Interpreter, lowest: bool) -> tuple[Path, str]:
    """Return the Python of a new environment, and which package has no wheel for it."""
    subprocess.run(["uv", "venv", "--quiet", "--python", python.path, folder], check=True)
    inside = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    resolution = "lowest-direct" if lowest else "highest"
    for missing in ((), ("onnx", "onnxruntime"), ("onnx", "onnxruntime", "numba")):
        options = ("--only-binary", ":all:", "--resolution", resolution)
        done = subprocess.run(
            ["uv", "pip", "install", "-q", "--python", inside, *options, *requirements(missing)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return inside, ", ".join(missing)
    raise NotInstallableError(" ".join(done.stderr.split()))


def _run(inside: Path, work: Path, *words: str) -> tuple[bool, str]:
    """Run this Python on the checkout. Return whether it ended well, and what it printed."""
    settings = {"PYTHONPATH": str(ROOT), "TINYNET_CACHE": str(work / "kernels")}
    done = subprocess.run(
        [inside, *words],
        env={**os.environ, **settings},
        cwd=ROOT if "pytest" in words else work,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr


def row(python: Interpreter, lowest: bool, logs: Path) -> tuple[str, bool]:
    """Try one pair. Return its line of the table, and whether all went well."""
    kind = "lowest" if lowest else "newest"
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        inside, missing = environment(work / "venv", python, lowest)
        versions = json.loads(_run(inside, work, "-c", VERSIONS)[1])
        trained, said = _run(inside, work, "-m", "tinynet", "train", "--epochs", "1")
        accuracy = re.findall(r"test accuracy +([\d.]+)", said)
        options = ["-q", "-p", "no:cacheprovider"]
        # The lowest of what we ask for beside the newest of what that asks for may warn.
        options += ["-W", "ignore::DeprecationWarning"] if lowest else []
        passed, tests = _run(inside, work, "-m", "pytest", *options, *TESTS)
    log = logs / f"{python.short}-{kind}.txt"
    log.write_text(f"{said}\n{tests}")
    counted = re.findall(r"(\d+ (?:passed|failed|errors?))", tests.rsplit("\n", 2)[-2])
    cells = [
        python.version + "t" * python.short.endswith("t"),
        kind,
        *(versions.get(package, "-") for package in SHOWN),
        f"{accuracy[-1]} %" if trained and accuracy else "FAILED",
        ", ".join(counted) or "FAILED",
        f"{time.monotonic() - began:.0f} s",
    ]
    note = f" (no wheels: {missing})" if missing else ""
    return f"| {' | '.join(cells)} |{note}", trained and passed


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Try every pair, print a table, and end with 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("python", nargs="*", help="an interpreter to try beside those found")
    parser.add_argument("--only", help="versions, such as 3.12,3.14t")
    parser.add_argument("--logs", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    if not shutil.which("uv"):
        raise SystemExit("matrix: it makes its environments with uv. Type: pip install uv")
    options.logs.mkdir(parents=True, exist_ok=True)
    found = interpreters(options.python)
    if options.only:
        found = [python for python in found if python.short in options.only.split(",")]
    missing = [short for short in WANTED if short not in {python.short for python in found}]
    heads = ["Python", "versions", *SHOWN, "one epoch", "tests", "time"]
    _say(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    ended = []
    for python in found:
        for lowest in (True, False):
            try:
                line, good = row(python, lowest, options.logs)
            except NotInstallableError as error:
                _say(f"Python {python.version} ({python.short}) was not tried: {error}")
                continue
            _say(line)
            ended.append(good)
    if missing:
        _say(f"\nNot tried: {', '.join(missing)}. What was printed: {options.logs}")
    sys.exit(not all(ended))


if __name__ == "__main__":
    main()
