"""Results of claims as files: one JSON file for each claim, data set and budget.

The settings of each arm are stored with its runs. A run is repeated only where its settings have
changed.
"""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tinynet
from tinynet.claims.claim import Budget, Claim
from tinynet.claims.measure import Measures
from tinynet.claims.trial import Trial
from tinynet.core import companions
from tinynet.core.atomic_file import write_atomically
from tinynet.core.errors import DataError

OWN = Path("runs/claims")  # where the command writes, unless it is told otherwise


@dataclasses.dataclass
class Results:
    """Runs of one claim on one data set with one budget.

    Attributes
    ----------
    claim, data, budget : str
        Their names.
    where : dict of str to str
        Device, versions, commit, date and fingerprint of the data, of the last run. A run that was
        made elsewhere has its own, also named `where`.
    settings : dict
        By arm, the trial as a dict.
    runs : dict
        By arm, the measures of each seed; `seed` is one of them.
    tuning : dict
        By arm, pairs of a rate and the value by which it was judged.
    """

    claim: str
    data: str
    budget: str
    where: dict[str, str] = dataclasses.field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    runs: dict[str, list[Measures]] = dataclasses.field(default_factory=dict)
    tuning: dict[str, list[tuple[float, float]]] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the file."""
        return f"{self.claim}-{self.data}-{self.budget}.json"

    def found(self, arm: str, trial: Trial, seed: int) -> Measures | None:
        """Return the run of these settings with this seed; None where there is none."""
        if self.settings.get(arm) != as_json(trial):
            return None
        return next((run for run in self.runs.get(arm, []) if run["seed"] == seed), None)

    def add(self, arm: str, trial: Trial, seed: int, measures: Measures) -> None:
        """Add a run; runs of the same arm with other settings are dropped."""
        if self.settings.get(arm) != as_json(trial):
            self.settings[arm] = as_json(trial)
            self.runs[arm] = []
        others = [run for run in self.runs[arm] if run["seed"] != seed]
        self.runs[arm] = sorted([*others, {"seed": seed, **measures}], key=lambda r: r["seed"])

    def continue_at(self, where: dict[str, str]) -> None:
        """Say where the next runs are made; those that are there keep where they were made."""
        if self.where and self.where != where:
            for run in (run for runs in self.runs.values() for run in runs):
                run.setdefault("where", self.where)
        self.where = where

    def values(self, arm: str, measure: str) -> dict[int, float]:
        """Return a measure by seed."""
        return {r["seed"]: r[measure] for r in self.runs.get(arm, []) if measure in r}

    def paired(
        self, better: tuple[str, str], worse: tuple[str, str]
    ) -> tuple[list[float], list[float]]:
        """Return two measures, each of an arm, of the seeds that both have."""
        first = self.values(*better)
        second = self.values(*worse)
        seeds = sorted(first.keys() & second.keys())
        return [first[s] for s in seeds], [second[s] for s in seeds]

    def write(self, folder: Path) -> Path:
        """Write the file into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.name
        text = json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False)
        write_atomically(path, (_one_line_lists(text) + "\n").encode())
        return path


def as_json(trial: Trial) -> dict[str, Any]:
    """Return the trial as it is after a round trip through JSON."""
    found: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(trial)))
    return found


def _one_line_lists(text: str) -> str:
    """Put lists of numbers on one line each."""
    return re.sub(r"\[[-\d\s.,e]*\]", lambda match: " ".join(match[0].split()), text)


def new(claim: Claim, budget: Budget, data: str) -> Results:
    """Return results without runs."""
    return Results(claim.name, data, budget.name)


def read(path: Path) -> Results:
    """Return the results in a file.

    Raises
    ------
    DataError
        Where the file does not hold results of a claim.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        found = Results(**values)
        for runs in found.runs.values():
            _ = [int(run["seed"]) for run in runs]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: not the results of a claim ({error}).") from error
    return found


def read_all(folders: Iterable[Path]) -> list[Results]:
    """Return all results in folders; of two with the same name the later folder's."""
    found = {}
    for folder in folders:
        for path in sorted(folder.glob("*.json")):
            found[path.name] = read(path)
    return list(found.values())


def published_folder() -> Path | None:
    """Return the folder of the results that come with tinynet; None where they are not there."""
    return companions.folder("claims/results")


def commit() -> str:
    """Return the commit of this clone, with + after it if files have changed; else the version."""
    clone = Path(tinynet.__file__).parents[1]

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(clone), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    if not (clone / ".git").exists():
        return tinynet.__version__
    try:
        changed = "+" if git("status", "--porcelain", "--", "tinynet") else ""
        return git("rev-parse", "--short=10", "HEAD") + changed
    except (OSError, subprocess.CalledProcessError):
        return tinynet.__version__
