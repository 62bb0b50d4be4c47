"""Output of ``tinynet claims run``: progress, and the tables of a claim."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import click

from tinynet.claims import outcome, results, runner, setting
from tinynet.claims.claim import LABELS, Budget, Claim
from tinynet.claims.results import Results
from tinynet.claims.runner import Done, Settings
from tinynet.cli.console import duration
from tinynet.cli.json_lines import finite
from tinynet.core.table import table


class Plan(NamedTuple):
    """What is run of a claim."""

    claim: Claim
    budget: Budget
    data: str
    settings: Settings

    def missing(self) -> int:
        """Return the number of runs that are missing."""
        return runner.count_missing(self.claim, self.budget, self.data, self.settings)

    def results(self) -> Results:
        """Return the results so far."""
        return results.read(self.file)

    @property
    def file(self) -> Path:
        """Path of the results."""
        return self.settings.folder / results.new(self.claim, self.budget, self.data).name


class Output:
    """Output of the command: tables and notes, JSON lines, or the tables alone."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self.quiet = quiet

    def note(self, text: str) -> None:
        """Print a sentence."""
        if self.as_json:
            print_json(event="note", text=text)
        elif not self.quiet:
            click.echo(text, err=True)

    def run(self, plan: Plan, done: Done, count: int, total: int, left: str) -> None:
        """Print that a run has ended."""
        if self.as_json:
            facts = {"claim": plan.claim.name, "arm": done.job.arm, "seed": done.job.seed}
            print_json(event="run", **facts, count=count, total=total, measures=done.measures)
            return
        values = ", ".join(
            f"{outcome.label(name)} {done.measures[name]:.2f}"
            for name in plan.claim.measures
            if name in done.measures
        )
        which = f"{plan.claim.name} {count}/{total}  {done.job.arm}, seed {done.job.seed}"
        self.note(f"{which}: {values}  {duration(done.measures['seconds'])}; {left}")

    def end(self, plan: Plan) -> None:
        """Print the results of a claim."""
        found = plan.results()
        if self.as_json:
            print_json(event="end", file=str(plan.file), **_facts(plan.claim, found))
        else:
            click.echo(f"\n{in_words(plan.claim, found)}\nResults: {plan.file}")


def print_json(**facts: Any) -> None:
    """Print facts as one JSON object."""
    click.echo(json.dumps(finite(facts), ensure_ascii=False))


def in_words(claim: Claim, found: Results) -> str:
    """Return the tables of a claim: its arms, its comparisons, its verdict."""
    lines = [f"{claim.title} ({found.data}, budget {found.budget}). {claim.statement}"]
    lines.append(f"Published: {claim.published}.\n")
    rate = ("rate",) if claim.rates else ()
    header = ("arm", "seeds", *rate, *(LABELS[name] for name in claim.measures))
    lines.append(table([header, *(_arm(claim, found, arm) for arm in claim.arms)], left=1))
    lines.append("Means over seeds ± half of the 95 % interval.")
    if claim.comparisons:
        head = ("compared, seed by seed", "difference", "95 % interval", "seeds", "verdict")
        compared = [outcome.compare(claim, found, each) for each in claim.comparisons]
        body = [(c.what, c.value, c.range, str(c.seeds), c.verdict) for c in compared]
        lines.append(f"\n{table([head, *body], left=1)}")
    lines.append(f"\nVerdict: {outcome.verdict(claim, found)}.")
    return "\n".join(lines)


def _arm(claim: Claim, found: Results, arm: str) -> tuple[str, ...]:
    """Return the row of an arm."""
    means = [outcome.mean(found, arm, name) for name in claim.measures]
    cells = ["–" if mean is None else str(mean) for mean in means]
    rate = (setting.rate(found, arm),) if claim.rates else ()
    return (arm, str(len(found.runs.get(arm, []))), *rate, *cells)


def _facts(claim: Claim, found: Results) -> dict[str, Any]:
    """Return the results of a claim for programs."""
    arms: dict[str, Any] = {}
    for arm in claim.arms:
        arms[arm] = {}
        for name in claim.measures:
            mean = outcome.mean(found, arm, name)
            if mean is not None:
                arms[arm][name] = {**mean.interval._asdict(), "seeds": mean.seeds}
    compared = [outcome.compare(claim, found, each) for each in claim.comparisons]
    return {
        "claim": claim.name,
        "data": found.data,
        "budget": found.budget,
        "verdict": outcome.verdict(claim, found),
        "arms": arms,
        "comparisons": [
            {
                "what": each.what,
                **({} if each.interval is None else each.interval._asdict()),
                "seeds": each.seeds,
                "verdict": each.verdict,
            }
            for each in compared
        ],
    }
