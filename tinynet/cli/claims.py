"""Commands ``tinynet claims list | run | report``: the paper's claims, measured."""

from __future__ import annotations

import contextlib
import signal
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import click

from tinynet.claims import catalog, markdown, measure, page, results, runner
from tinynet.claims.claim import BUDGETS, Claim
from tinynet.claims.runner import Settings
from tinynet.cli import errors
from tinynet.cli.claims_output import Output, Plan, print_json
from tinynet.cli.console import duration
from tinynet.cli.options import FOLDER, IN_MEMORY
from tinynet.core import processors
from tinynet.core.atomic_file import write_atomically
from tinynet.core.errors import DataError
from tinynet.core.table import table
from tinynet.words import phrase, phrases, sentence

ALL = "all"
SOURCE = 44  # characters of a source in the list
ENDING = 10.0  # seconds that the processes may take to end


@click.group()
def claims() -> None:
    """Run the paper's claims with seeds, and compare with what was published."""


@claims.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a claim, a line each.")
def list_claims(as_json: bool) -> None:
    """List the claims: where they come from, seeds of each budget, results."""
    found: dict[str, list[str]] = {}
    for each in results.read_all(result_folders()):
        found.setdefault(each.claim, []).append(f"{each.data} {each.budget}")
    rows = [phrases("name", "claim", "source", "seeds", "results")]
    for claim in catalog.CLAIMS.values():
        seeds = {name: claim.seeds(BUDGETS[name]) for name in claim.budgets}
        there = found.get(claim.name, [])
        if as_json:
            print_json(
                name=claim.name,
                title=claim.title,
                statement=claim.statement,
                source=claim.source,
                published=claim.published,
                data=claim.data,
                seeds=seeds,
                results=there,
            )
        budgets = ", ".join(f"{name} {count}" for name, count in seeds.items())
        source = textwrap.shorten(phrase(claim.source), SOURCE, placeholder=" ...")
        title = phrase(claim.title)
        rows.append((claim.name, title, source, budgets, ", ".join(there) or phrase("none")))
    if not as_json:
        click.echo(table(rows, left=5))


def result_folders(*others: Path) -> list[Path]:
    """Return the folders of results: those that come with tinynet, one's own, others."""
    published = results.published_folder()
    return [*([] if published is None else [published]), results.OWN, *others]


@claims.command(name="run")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--seeds", type=click.IntRange(1), help="Runs of each arm; default: the budget's.")
@click.option("--data", type=IN_MEMORY, help="Data set; default: the claim's usual one.")
@click.option(
    "--budget",
    type=click.Choice(list(BUDGETS)),
    default="quick",
    help="Amount of computation: quick takes minutes, full hours, tiny only shows that it runs.",
)
@click.option("--data-dir", type=FOLDER, help="Folder of the data set's files.")
@click.option("--jobs", type=click.IntRange(1), help="Runs at the same time; default: one a core.")
@click.option("--out", type=FOLDER, default=results.OWN, help="Folder of the results.")
@click.option("--quiet", is_flag=True, help="Print the results alone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def run_claims(
    names: tuple[str, ...],
    seeds: int | None,
    data: str | None,
    budget: str,
    data_dir: Path | None,
    jobs: int | None,
    out: Path,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run the claims NAME..., or all; runs that are there already are not repeated.

    A stopped command continues when it is given again.
    """
    shown = Output(as_json=as_json, quiet=quiet)
    plans = []
    for claim in _chosen(names):
        settings = Settings(
            folder=out,
            data_dir=data_dir,
            seeds=seeds or claim.seeds(BUDGETS[budget]),
            jobs=jobs or processors.available(),
        )
        plans.append(Plan(claim, BUDGETS[budget], data or claim.data[0], settings))
    if ALL in names:
        plans = _possible(plans, shown)
    for plan in plans:
        _check(plan)
    plans = _with_images(plans, shown, skip=ALL in names)
    if budget == "full":
        _estimate(plans, shown)
    for plan in plans:
        _execute(plan, shown)
        shown.end(plan)


def _chosen(names: tuple[str, ...]) -> list[Claim]:
    if ALL in names:
        return list(catalog.CLAIMS.values())
    try:
        return [catalog.find(name) for name in dict.fromkeys(names)]
    except ValueError as error:
        raise click.UsageError(errors.sentence(error)) from None


def _check(plan: Plan) -> None:
    """Refuse a budget or a data set that a claim does not have."""
    claim = plan.claim
    if plan.budget.name not in claim.budgets:
        said = "{name}: there is no budget {budget} for it, only {known}. Give --budget {first}."
        there = {"known": ", ".join(claim.budgets), "first": claim.budgets[0]}
        raise click.UsageError(sentence(said, name=claim.name, budget=plan.budget.name, **there))
    if plan.data not in claim.data:
        said = "{name}: it is not measured on {data}, but on {known}. Give --data {first}."
        there = {"known": ", ".join(claim.data), "first": claim.data[0]}
        raise click.UsageError(sentence(said, name=claim.name, data=plan.data, **there))


def _possible(plans: list[Plan], shown: Output) -> list[Plan]:
    """Return the plans of all claims that have this budget, each on a data set that it has."""
    without = [plan for plan in plans if plan.budget.name not in plan.claim.budgets]
    others = [plan for plan in plans if plan.data not in plan.claim.data and plan not in without]
    if without:
        budget = without[0].budget.name
        said = "Left out, because there is no budget {budget} for them: {names}."
        shown.note(sentence(said, budget=budget, names=_names(without)))
    if others:
        said = "Not measured on {data}, so with their usual data: {names}."
        shown.note(sentence(said, data=others[0].data, names=_names(others)))
    usual = [plan._replace(data=plan.claim.data[0]) if plan in others else plan for plan in plans]
    return [plan for plan in usual if plan.budget.name in plan.claim.budgets]


def _names(plans: list[Plan]) -> str:
    return ", ".join(plan.claim.name for plan in plans)


def _with_images(plans: list[Plan], shown: Output, *, skip: bool) -> list[Plan]:
    """Return the plans whose images are there; refuse others, or leave them out with a note."""
    wanted = [plan for plan in plans if plan.missing()]
    refused: dict[str, str] = {}
    for name in dict.fromkeys(plan.data for plan in wanted):
        plan = next(plan for plan in wanted if plan.data == name)
        trial = next(iter(plan.claim.trials(plan.budget, name).values()))
        try:
            measure.sets(trial, plan.settings.data_dir)
        except DataError as error:
            drawn = "shapes" in plan.claim.data
            hint = " Without these files: --data shapes, images that are drawn." if drawn else ""
            refused[name] = sentence("{error}{hint}", error=error, hint=sentence(hint))
    lacking = [plan for plan in wanted if plan.data in refused]
    found = [plan for plan in plans if plan not in lacking]
    for name, text in refused.items():
        if not skip or not found:
            raise DataError(text)
        names = _names([plan for plan in lacking if plan.data == name])
        shown.note(sentence("{error} Left out: {names}.", error=text, names=names))
    return found


def _estimate(plans: list[Plan], shown: Output) -> None:
    """Say how long each claim will take, and all together."""
    total = 0.0
    for plan in plans:
        if plan.missing():
            seconds = runner.estimate(*plan)
            total += seconds
            time_of = {"name": plan.claim.name, "time": duration(seconds)}
            shown.note(sentence("{name}: about {time}.", **time_of))
    if total and len(plans) > 1:
        shown.note(sentence("Together about {time}.", time=duration(total)))


def _execute(plan: Plan, shown: Output) -> None:
    """Run what is missing of a claim."""
    said = "{name} on {data}, budget {budget}"
    what = sentence(said, name=plan.claim.name, data=plan.data, budget=plan.budget.name)
    shared = runner.share(*plan)
    if shared:
        said = "{what}: runs taken over from other claims, with the same settings: {count}."
        shown.note(sentence(said, what=what, count=shared))
    total = plan.missing()
    if not total:
        said = "{what}: all runs are there already, nothing is repeated."
        shown.note(sentence(said, what=what))
        return
    runs = sentence("{what}: 1 run.", what=what)
    shown.note(runs if total == 1 else sentence("{what}: {count} runs.", what=what, count=total))
    begun = time.monotonic()
    with _stoppable(plan, shown), contextlib.closing(runner.execute(*plan)) as ended:
        for count, done in enumerate(ended, start=1):
            missing = plan.missing()
            seconds = (time.monotonic() - begun) / count * missing
            ended_at = sentence("{time} left", time=duration(seconds))
            left = ended_at if missing else sentence("done")
            shown.run(plan, done, count, count + missing, left)


class Stopped(KeyboardInterrupt):
    """A signal that ends the command."""


@contextlib.contextmanager
def _stoppable(plan: Plan, shown: Output) -> Iterator[None]:
    """Say at Ctrl-C, SIGTERM or SIGHUP what is kept, and leave.

    More signals do not interrupt the end of the processes, unless it takes longer than `ENDING`.
    """
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    noted = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]

    ending_until = 0.0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal ending_until
        now = time.monotonic()
        if now >= ending_until:
            ending_until = now + ENDING
            raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in noted}
    try:
        yield
    except Stopped as error:
        before = dict.fromkeys(noted, signal.SIG_IGN)  # until the command has left
        with contextlib.suppress(OSError):  # the terminal may be closed
            said = "Stopped. {folder} keeps what is finished."
            shown.note(sentence(said, folder=plan.settings.folder))
            shown.note(sentence("The same command continues."))
        sys.exit(128 + error.args[0])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@claims.command(name="report")
@click.option("--results", "folders", multiple=True, type=FOLDER, help="Another folder of results.")
@click.option("--out", type=FOLDER, default=".", help="Folder of claims.html and claims.md.")
def report_claims(folders: tuple[Path, ...], out: Path) -> None:
    """Write claims.html and claims.md: every claim with its figure, its numbers, its verdict.

    Of the results that come with tinynet, and of your own in runs/claims.
    """
    for folder in folders:
        if not folder.is_dir():
            raise DataError(sentence("{folder}: there is no such folder.", folder=folder))
    found = results.read_all(result_folders(*folders))
    out.mkdir(parents=True, exist_ok=True)
    whole = out / "claims.html"
    write_atomically(whole, page.render(found).encode())
    click.echo(phrase("{page}: one file, without a script.", page=whole))
    text = markdown.write(found, out / "claims.md")
    said = "{page}: its figures are in {folder}/."
    click.echo(phrase(said, page=text, folder=markdown.FIGURES))
