"""Commands ``tinynet lessons list | open | new | check | test | pair``."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from tinynet.core.extras import install_command

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
BUDGET = 60  # seconds of processor time, so that other programs do not matter


@click.group()
def lessons() -> None:
    """Show, open and check the twenty lessons."""


@lessons.command(name="list")
def list_lessons() -> None:
    """List the lessons: number, title, time, goal."""
    from tinynet.lessons import pages

    for lesson in pages.lessons():
        facts = lesson.facts
        click.echo(f"{lesson.number}  {lesson.title}  ({facts.get('time', '?')})")
        click.echo(f"    {facts.get('goal', '')}")


@lessons.command(name="new")
@click.argument("folder", type=FOLDER)
def new_copies(folder: Path) -> None:
    """Write copies of all lessons, without solutions, into FOLDER; nothing is overwritten."""
    from tinynet.lessons import pages

    written = [path for lesson in pages.lessons() for path in pages.copy(lesson, folder)]
    click.echo(
        f"{len(written)} files written to {folder}, a notebook and a script for each lesson; "
        "existing files are unchanged. Run a script again after each answer; to keep its figures:"
        f"\n  TINYNET_FIGURES=figures python {folder / '00_hello_net.py'}"
    )


@lessons.command(name="open")
@click.argument("number", default="00")
@click.option("--dir", "folder", type=FOLDER, default=Path("tinynet-lessons"), show_default=True)
def open_lesson(number: str, folder: Path) -> None:
    """Open your own copy of lesson NUMBER, without solutions, in JupyterLab."""
    from tinynet.lessons import pages

    chosen = pages.find(number)
    if importlib.util.find_spec("jupyterlab") is None:
        raise click.ClickException(
            f"lessons open: JupyterLab is not installed. {install_command('lessons')} brings it; "
            f"or write plain scripts with: tinynet lessons new {folder}"
        )
    for lesson in pages.lessons():
        pages.copy(lesson, folder)
    notebook = (folder / chosen.path.name).with_suffix(".ipynb")
    click.echo(
        f"Your copies are in {folder}: {notebook.name} is the lesson, the .py beside it the same "
        "as a script. If no browser opens, use the link below. Ctrl-C ends JupyterLab."
    )
    root = ["--allow-root"] if os.geteuid() == 0 else []  # containers often run as root
    sys.exit(subprocess.call([sys.executable, "-m", "jupyterlab", *root, str(notebook)]))


@lessons.command(name="check")
@click.argument("number")
@click.argument("file", type=FILE)
def check_file(number: str, file: Path) -> None:
    """Check the answers in FILE, a script or a notebook, to the exercises of lesson NUMBER."""
    from tinynet.lessons import pages, student

    report = student.judge(pages.find(number).number, file)
    click.echo(student.table(report))
    sys.exit(any(outcome.state != "ok" for outcome in report.outcomes))


@lessons.command(name="test")
@click.argument("number", required=False)
@click.option("--unsolved", is_flag=True, help="Without the solutions.")
def test_lessons(number: str | None, unsolved: bool) -> None:
    """Execute every lesson, or lesson NUMBER, and print the time that each one takes."""
    from tinynet.lessons import pages

    chosen = pages.lessons() if number is None else [pages.find(number)]
    good = [_executes(lesson.path, unsolved) for lesson in chosen]
    sys.exit(not all(good))


def _executes(path: Path, unsolved: bool) -> bool:
    """Run a lesson in an empty folder, print the outcome, return whether it succeeded."""
    from tinynet.lessons import pages

    with tempfile.TemporaryDirectory() as folder:
        script = path.resolve()
        if unsolved:
            script = Path(folder).resolve() / path.name
            parts = pages.unsolved(pages.cells(path.read_text(encoding="utf-8")))
            script.write_text(pages.script(parts), encoding="utf-8")
        started = time.monotonic()
        used = cpu_seconds()
        command = [sys.executable, str(script)]
        plain = {**os.environ, "MPLBACKEND": "Agg"}
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=plain)
    seconds = time.monotonic() - started
    used = cpu_seconds() - used
    verdict = "ok" if done.returncode == 0 else "FAILED"
    if done.returncode == 0 and used > BUDGET:
        verdict = f"TOO SLOW, {BUDGET} s are the limit"
    click.echo(f"{path.stem:36} {seconds:5.1f} s, {used:5.1f} s of a processor's time  {verdict}")
    if done.returncode:
        click.echo(done.stderr.rstrip(), err=True)
    return verdict == "ok"


def cpu_seconds() -> float:
    """Return the processor time of finished child processes, in seconds."""
    times = os.times()
    return times.children_user + times.children_system


@lessons.command(name="pair")
def write_notebooks() -> None:
    """Generate the notebooks of this clone from its scripts, and the list in its README."""
    from tinynet.lessons import pages

    folder = pages.folder()
    changed = pages.pair(folder)
    readme = folder.parent / "README.md"
    if readme.exists():
        text = readme.read_text(encoding="utf-8")
        readme.write_text(pages.listed(text, pages.lessons()), encoding="utf-8")
    click.echo(f"{len(changed)} notebooks changed: {', '.join(p.name for p in changed) or '-'}")
