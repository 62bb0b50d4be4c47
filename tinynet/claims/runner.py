"""Runner: the runs of a claim that are missing, several at a time.

A result does not depend on the number of threads, so several runs with one thread each are the
better use of a processor. Every run is written as it ends: what is there is not run again.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import platform
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

import tinynet
from tinynet.claims import catalog, measure, results, workers
from tinynet.claims.claim import Budget, Claim
from tinynet.claims.measure import Measures
from tinynet.claims.results import Results
from tinynet.claims.trial import Trial
from tinynet.core import processors
from tinynet.training import input_pipeline

FEW = 1_000  # images of the runs by which the time is estimated


class Job(NamedTuple):
    """One run: a trial, its seed, and the arm that it belongs to."""

    arm: str
    trial: Trial
    seed: int


@dataclasses.dataclass(frozen=True)
class Done:
    """A run has ended."""

    job: Job
    measures: Measures


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How the runs of a claim are made.

    Attributes
    ----------
    folder : Path
        Of the results, and of the checkpoints of long runs.
    data_dir : Path or None
        Of the images; None is the default place.
    seeds : int
    jobs : int
        Runs at the same time.
    """

    folder: Path = results.OWN
    data_dir: Path | None = None
    seeds: int = 5
    jobs: int = dataclasses.field(default_factory=processors.available)


def execute(
    claim: Claim, budget: Budget, data: str, settings: Settings
) -> Generator[Done, None, None]:
    """Run what is missing of a claim; yield each run that ends.

    Raises
    ------
    DataError
        Where the images are not there.
    """
    if not count_missing(claim, budget, data, settings):
        return
    found = _so_far(claim, budget, data, settings)
    trials = claim.trials(budget, data)
    found.continue_at(_where(data, settings.data_dir))
    with workers.pool(settings.jobs) as pool:
        if claim.rates:
            jobs = _missing(found, _tuning(claim, trials))
            yield from _run(pool, jobs, found, settings)
            trials = _tuned(claim, trials, found)
        jobs = _missing(found, _all_seeds(trials, settings.seeds))
        yield from _run(pool, jobs, found, settings)
    _drop_others(found, claim, trials)
    found.write(settings.folder)


def count_missing(claim: Claim, budget: Budget, data: str, settings: Settings) -> int:
    """Return how many runs of a claim are missing; 0 means that its results are complete."""
    found = _so_far(claim, budget, data, settings)
    trials = claim.trials(budget, data)
    if claim.rates:
        tuning = _missing(found, _tuning(claim, trials))
        if tuning:  # one of them is the first seed of its arm
            return len(tuning) + len(trials) * (settings.seeds - 1)
        trials = _tuned(claim, trials, found)
    return len(_missing(found, _all_seeds(trials, settings.seeds)))


def share(claim: Claim, budget: Budget, data: str, settings: Settings) -> int:
    """Take over runs that another claim has made with the same settings; return how many.

    They are in the same folder, from the same day, machine, commit and images, so a repetition
    would be the same bit for bit.

    Raises
    ------
    DataError
        Where the images are not there, or a file of results is damaged.
    """
    found = _so_far(claim, budget, data, settings)
    missing = _missing(found, _all_seeds(claim.trials(budget, data), settings.seeds))
    if claim.rates or not missing:
        return 0
    where = _where(data, settings.data_dir)
    if where["commit"].endswith("+"):  # of files that have changed there may be several versions
        return 0
    found.continue_at(where)
    paths = (settings.folder / results.new(c, budget, data).name for c in catalog.CLAIMS.values())
    others = [results.read(path) for path in paths if path.exists()]
    shared = 0
    for job in missing:
        run = _known(job, [other for other in others if other.where == where])
        if run is not None:
            found.add(*job, run)
            shared += 1
    if shared:
        found.write(settings.folder)
    return shared


def _known(job: Job, others: list[Results]) -> Measures | None:
    """Return the run of a job from results that were all made at the same place; else None."""
    for other in others:
        for arm in other.settings:
            run = other.found(arm, job.trial, job.seed)
            if run is not None and "where" not in run:
                return run
    return None


def _so_far(claim: Claim, budget: Budget, data: str, settings: Settings) -> Results:
    empty = results.new(claim, budget, data)
    path = settings.folder / empty.name
    return results.read(path) if path.exists() else empty


def _drop_others(found: Results, claim: Claim, trials: dict[str, Trial]) -> None:
    """Remove arms that the claim had once, and has no longer."""
    known = {*trials, *(job.arm for job in _tuning(claim, trials))}
    for arm in set(found.settings) - known:
        del found.settings[arm], found.runs[arm]


def _all_seeds(trials: dict[str, Trial], seeds: int) -> list[Job]:
    """Return a job for each seed and arm, all arms of a seed before the next seed."""
    return [Job(arm, trial, seed) for seed in range(seeds) for arm, trial in trials.items()]


def _rate_name(arm: str, rate: float) -> str:
    return f"{arm} at {rate:g}"


def _tuning(claim: Claim, trials: dict[str, Trial]) -> list[Job]:
    return [
        Job(_rate_name(arm, rate), trial.change(lr=rate), 0)
        for rate in claim.rates
        for arm, trial in trials.items()
    ]


def _tuned(claim: Claim, trials: dict[str, Trial], found: Results) -> dict[str, Trial]:
    """Return the trials, each with its best rate, and keep how it was chosen."""
    chosen = {}
    for arm, trial in trials.items():
        judged = []
        for rate in claim.rates:
            name = _rate_name(arm, rate)
            run = found.found(name, trial.change(lr=rate), 0)
            assert run is not None
            judged.append((run[claim.chosen_by], run["train_error"], rate))
        found.tuning[arm] = [(rate, value) for value, _, rate in judged]
        best = min(judged)[2]  # the training error decides between equals
        chosen[arm] = trial.change(lr=best)
        run = found.found(_rate_name(arm, best), chosen[arm], 0)
        if run is not None and found.found(arm, chosen[arm], 0) is None:
            found.add(arm, chosen[arm], 0, {k: v for k, v in run.items() if k != "seed"})
    return chosen


def _missing(found: Results, jobs: list[Job]) -> list[Job]:
    return [job for job in jobs if found.found(*job) is None]


def _run(
    pool: concurrent.futures.Executor, jobs: list[Job], found: Results, settings: Settings
) -> Iterator[Done]:
    futures = {
        pool.submit(
            measure.run, job.trial, job.seed, settings.data_dir, _checkpoint(job, settings)
        ): job
        for job in jobs
    }
    for future in concurrent.futures.as_completed(futures):
        job = futures[future]
        measures = future.result()
        found.add(*job, measures)
        found.write(settings.folder)
        yield Done(job, measures)


def _checkpoint(job: Job, settings: Settings) -> Path | None:
    if job.trial.until_error is not None:  # such runs are short
        return None
    return settings.folder / "unfinished" / f"{job.trial.digest()}-{job.seed}.safetensors"


def _where(data: str, data_dir: Path | None) -> dict[str, str]:
    return {
        "device": f"{processors.name()}, {processors.available()} cores",
        "python": platform.python_version(),
        "tinynet": tinynet.__version__,
        "numpy": np.__version__,
        "commit": results.commit(),
        "date": time.strftime("%Y-%m-%d"),
        "data": input_pipeline.fingerprint(*measure.whole(data, data_dir)),
    }


def estimate(claim: Claim, budget: Budget, data: str, settings: Settings) -> float:
    """Return about how many seconds the missing runs take, by a short run of each arm."""
    total = 0.0
    trials = claim.trials(budget, data)
    runs = settings.seeds + max(0, len(claim.rates) - 1)
    for trial in trials.values():
        images = len(measure.sets(trial, settings.data_dir)[0])
        epochs = trial.settings["epochs"]
        few = min(FEW, images)
        short = dataclasses.replace(trial.change(epochs=1), images=few, until_error=None, extra=())
        with workers.threads(settings.jobs):
            measure.time_of_training(dataclasses.replace(short, images=200), settings.data_dir)
            seconds = measure.time_of_training(short, settings.data_dir)
        total += seconds * images / few * epochs * runs
    missing = count_missing(claim, budget, data, settings) / (runs * len(trials))
    return missing * total / min(settings.jobs, processors.available())
