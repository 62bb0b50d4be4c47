"""Commands ``tinynet lessons``: list, open, new, progress, check, grade, slides, test, pair."""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinynet.cli.language import Group, lang_option
from tinynet.cli.options import HomePath
from tinynet.core.extras import install_command
from tinynet.words import language, phrase

if TYPE_CHECKING:
    from tinynet.lessons.pages import Lesson

FOLDER = HomePath(path_type=Path, file_okay=False)
FILE = HomePath(path_type=Path, exists=True, dir_okay=False)
BUDGET = 60  # seconds of processor time, so that other programs do not matter


@click.group(cls=Group)
@lang_option
def lessons() -> None:
    """Show, open and check the twenty lessons."""


@lessons.command(name="list")
@lang_option
def list_lessons() -> None:
    """List the lessons: number, title, time, goal."""
    from tinynet.lessons import pages

    known = pages.lessons(lang=language())
    for lesson in known:
        facts = lesson.facts
        click.echo(f"{lesson.number}  {lesson.title}  ({facts.get('time', '?')})")
        click.echo(f"    {facts.get('goal', '')}")
    _say_what_stays_english(known)


def _say_what_stays_english(known: list[Lesson]) -> None:
    """Say which lessons are not translated yet, if one is asked for in another language."""
    numbers = ", ".join(lesson.number for lesson in known if lesson.lang != language())
    if numbers:
        click.echo(
            phrase("Not translated yet, and therefore in English: {numbers}.", numbers=numbers)
        )


@lessons.command(name="new")
@click.argument("folder", type=FOLDER)
@click.option("--scripts", is_flag=True, help="Write plain scripts instead of notebooks.")
@click.option(
    "--no-solutions", is_flag=True, help="Leave out all answers: for a course with marks."
)
@lang_option
def new_copies(folder: Path, scripts: bool, no_solutions: bool) -> None:
    """Write your copies of all lessons, without solutions, into FOLDER; nothing is overwritten."""
    from tinynet.lessons import editions, pages

    known = pages.lessons(lang=language())
    written = [
        editions.copy(lesson, known, folder, scripts=scripts, offered=not no_solutions)
        for lesson in known
    ]
    count = sum(path is not None for path in written)
    done = "{count} scripts written to {folder}; existing files are unchanged."
    if not scripts:
        done = "{count} notebooks written to {folder}; existing files are unchanged."
    click.echo(phrase(done, count=count, folder=folder))
    _say_what_stays_english(known)
    if scripts:
        click.echo(phrase("Run a script again after each answer; to keep its figures:"))
        click.echo(f"  TINYNET_FIGURES=figures python {folder / '00_hello_net.py'}")


@lessons.command(name="open")
@click.argument("number", default="00")
@click.option("--dir", "folder", type=FOLDER, default=Path("tinynet-lessons"), show_default=True)
@lang_option
def open_lesson(number: str, folder: Path) -> None:
    """Open your own copy of lesson NUMBER, without solutions, in JupyterLab."""
    from tinynet.lessons import editions, pages

    chosen = pages.find(number)
    if importlib.util.find_spec("jupyterlab") is None:
        raise click.ClickException(
            phrase(
                "lessons open: JupyterLab is not installed. {command} brings it; "
                "or write plain scripts with: tinynet lessons new {folder} --scripts",
                command=install_command("lessons"),
                folder=folder,
            )
        )
    known = pages.lessons(lang=language())
    for lesson in known:
        editions.copy(lesson, known, folder)
    _unpair(folder)
    notebook = folder / f"{chosen.path.stem}.ipynb"
    port = free_port()
    token = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24)
    _say_what_stays_english(known)
    if editions.language_of(notebook) != pages.find(number, lang=language()).lang:
        said = "{notebook} was written in another language before; --dir NAME makes new copies."
        click.echo(phrase(said, notebook=notebook))
    said = (
        "Your copies are in {folder}. Ctrl-C ends JupyterLab. If no browser opens, use this link:"
    )
    click.echo(phrase(said, folder=folder))
    click.echo(f"  http://localhost:{port}/lab/tree/{notebook.name}?token={token}")
    root = ["--allow-root"] if getattr(os, "geteuid", lambda: 1)() == 0 else []  # in containers
    options = [f"--port={port}", "--log-level=WARN", *root, str(notebook)]
    command = [sys.executable, "-m", "jupyterlab", *options]
    sys.exit(subprocess.call(command, env={**os.environ, "JUPYTER_TOKEN": token}))


def _unpair(folder: Path) -> None:
    """Remove our pairing of scripts and notebooks, which earlier versions wrote."""
    pairing = folder / "jupytext.toml"
    if pairing.exists() and pairing.read_text(encoding="utf-8").startswith(PAIRED):
        pairing.unlink()
        said = "{pairing} is removed: notebooks are no longer paired with scripts."
        click.echo(phrase(said, pairing=pairing))


PAIRED = "# Jupyter keeps script and notebook of a lesson in step"  # how that file begins


def free_port(first: int = 8888) -> int:
    """Return the first free TCP port from 8888 on, or any free one after twenty tries."""
    for port in [*range(first, first + 20), 0]:
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(tried.getsockname()[1])
    raise click.ClickException(phrase("lessons open: there is no free port."))


@lessons.command(name="progress")
@click.argument("folder", type=FOLDER, default=Path("tinynet-lessons"))
@lang_option
def show_progress(folder: Path) -> None:
    """Count the exercises that are solved in the saved notebooks of FOLDER."""
    from tinynet.lessons import progress

    if not folder.is_dir():
        raise click.ClickException(
            phrase(
                "lessons progress: there is no folder {folder}. tinynet lessons open makes one; "
                "for the notebooks of tinynet lessons new DIR: tinynet lessons progress DIR.",
                folder=folder,
            )
        )
    click.echo(progress.table(folder))


@lessons.command(name="check")
@click.argument("number")
@click.argument("file", type=FILE)
@lang_option
def check_file(number: str, file: Path) -> None:
    """Check the answers in FILE, a script or a notebook, to the exercises of lesson NUMBER."""
    from tinynet.lessons import pages, student

    report = student.judge(pages.find(number).number, file)
    click.echo(student.table(report))
    sys.exit(any(outcome.state != "ok" for outcome in report.outcomes))


@lessons.command(name="grade")
@click.argument("number")
@click.argument("folder", type=HomePath(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--csv", "table", type=HomePath(path_type=Path, dir_okay=False), help="Write this file."
)
@click.option("--jobs", type=click.IntRange(1), help="Files at a time. Default: one a processor.")
@click.option("--seed", type=int, help="Of the random cases. Default: other ones each time.")
@lang_option
def grade_folder(
    number: str, folder: Path, table: Path | None, jobs: int | None, seed: int | None
) -> None:
    """Grade the files of FOLDER, one or more a student, on lesson NUMBER.

    Only what an answer needs is run, in a process without network and with limits on time and
    memory. The random cases are others than those that learners see.
    """
    from tinynet.lessons.grading import batch

    graded = batch.grade(number, folder, jobs=jobs, seed=seed)
    click.echo(batch.table(graded))
    click.echo(batch.protection(graded))
    if table is not None:
        table.write_text(batch.as_csv(graded), encoding="utf-8")
        click.echo(phrase("{table}: {count} rows.", table=table, count=len(graded.rows)))


@lessons.command(name="slides")
@click.argument("number")
@click.option(
    "--out", type=HomePath(path_type=Path, dir_okay=False), help="Default: NN-slides.html"
)
@click.option("--no-figures", is_flag=True, help="Do not run the lesson.")
@lang_option
def write_slides(number: str, out: Path | None, no_figures: bool) -> None:
    """Write slides of lesson NUMBER: one HTML file that needs no network."""
    from tinynet.lessons import pages, slides

    lesson = pages.find(number, lang=language())
    _say_what_stays_english([lesson])
    path = out or Path(f"{lesson.number}-slides.html")
    path.write_text(slides.deck(lesson, figures=not no_figures), encoding="utf-8")
    said = "{path}: open it in a browser; arrow keys turn the slides, a opens an answer."
    click.echo(phrase(said, path=path))


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
    from tinynet.lessons import editions, pages

    with tempfile.TemporaryDirectory() as folder:
        script = path.resolve()
        if unsolved:
            script = Path(folder).resolve() / path.name
            parts = editions.unsolved(pages.cells(path.read_text(encoding="utf-8")))
            script.write_text(pages.script(parts), encoding="utf-8")
        started = time.monotonic()
        used = cpu_seconds()
        command = [sys.executable, str(script)]
        plain = {**os.environ, "MPLBACKEND": "Agg", "TINYNET_PREDICT": "" if unsolved else "show"}
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
@click.option("--run", "numbers", multiple=True, help="Save the outputs of lesson NUMBER too.")
def write_notebooks(numbers: tuple[str, ...]) -> None:
    """Generate the notebooks of this clone from its scripts, and the lists in its READMEs."""
    from tinynet.lessons import editions, outputs, pages

    folder = pages.folder()
    changed = editions.pair(folder)
    for number in numbers:
        outputs.run(pages.find(number).path.with_suffix(".ipynb"))
    for lang, name in (("en", "README.md"), ("ko", "README.ko.md")):
        readme = folder.parent / name
        if readme.exists():
            text = readme.read_text(encoding="utf-8")
            readme.write_text(pages.listed(text, pages.lessons(lang=lang)), encoding="utf-8")
    count = f"{len(changed)} notebook{'s' * (len(changed) != 1)}"
    click.echo(f"{count} changed: {', '.join(p.name for p in changed) or '-'}")
