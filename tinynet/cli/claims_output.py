"""Output of ``tinynet claims run``: progress, and the tables of a claim."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import click

from tinynet.claims import outcome, results, runner, setting
from tinynet.claims.claim import LABELS, Budget, Claim
from tinynet.claims.in_language import in_language
from tinynet.claims.results import Results
from tinynet.claims.runner import Done, Settings
from tinynet.cli.console import duration
from tinynet.cli.json_lines import finite
from tinynet.core.table import table
from tinynet.words import phrase, phrases, sentence, spoken


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
            click.echo(spoken(text), err=True)

    def run(self, plan: Plan, done: Done, count: int, total: int, left: str) -> None:
        """Print that a run has ended."""
        if self.as_json:
            facts = {"claim": plan.claim.name, "arm": done.job.arm, "seed": done.job.seed}
            print_json(event="run", **facts, count=count, total=total, measures=done.measures)
            return
        values = ", ".join(
            f"{outcome.label(name, phrase)} {done.measures[name]:.2f}"
            for name in plan.claim.measures
            if name in done.measures
        )
        said = "{which}, seed {seed}: {values}  {time}; {left}"
        arm, tried, rate = done.job.arm.partition(" at ")
        where = phrase("{arm} at {rate}", arm=phrase(arm), rate=rate) if tried else phrase(arm)
        which = f"{plan.claim.name} {count}/{total}  {where}"
        ended = {"values": values, "time": duration(done.measures["seconds"]), "left": left}
        self.note(sentence(said, which=which, seed=done.job.seed, **ended))

    def end(self, plan: Plan) -> None:
        """Print the results of a claim."""
        found = plan.results()
        if self.as_json:
            print_json(event="end", file=str(plan.file), **_facts(plan.claim, found))
        else:
            said = phrase("Results: {file}", file=plan.file)
            click.echo(f"\n{in_words(plan.claim, found)}\n{said}")


def print_json(**facts: Any) -> None:
    """Print facts as one JSON object."""
    click.echo(json.dumps(finite(facts), ensure_ascii=False))


def in_words(claim: Claim, found: Results) -> str:
    """Return the tables of a claim: its arms, its comparisons, its verdict."""
    said = "{title} ({data}, budget {budget}). {statement}"
    text = {"title": phrase(claim.title), "statement": phrase(claim.statement)}
    lines = [phrase(said, data=found.data, budget=found.budget, **text)]
    lines.append(f"{phrase('Published: {what}.', what=phrase(claim.published))}\n")
    rate = ("rate",) if claim.rates else ()
    header = phrases("arm", "seeds", *rate, *(LABELS[name] for name in claim.measures))
    lines.append(table([header, *(_arm(claim, found, arm) for arm in claim.arms)], left=1))
    lines.append(phrase("Means over seeds ± half of the 95 % interval."))
    if claim.comparisons:
        names = ("compared, seed by seed", "difference", "95 % interval", "seeds", "verdict")
        compared = [outcome.compare(claim, found, each) for each in claim.comparisons]
        body = [tuple(map(in_language, _compared(each))) for each in compared]
        lines.append(f"\n{table([phrases(*names), *body], left=1)}")
    verdict = in_language(outcome.verdict(claim, found))
    lines.append(f"\n{phrase('Verdict: {verdict}.', verdict=verdict)}")
    return "\n".join(lines)


def _compared(each: outcome.Compared) -> tuple[str, ...]:
    """Return the row of a comparison."""
    return (each.in_words(phrase), each.value, each.range, str(each.seeds), each.verdict)


def _arm(claim: Claim, found: Results, arm: str) -> tuple[str, ...]:
    """Return the row of an arm."""
    means = [outcome.mean(found, arm, name) for name in claim.measures]
    cells = ["–" if mean is None else in_language(str(mean)) for mean in means]
    rate = (setting.rate(found, arm),) if claim.rates else ()
    return (phrase(arm), str(len(found.runs.get(arm, []))), *rate, *cells)


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
