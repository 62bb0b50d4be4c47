"""Accuracy of a recipe over seeds and kinds of arithmetic: ``python -m benchmarks.seeds demo``.

A run depends on the seed and on how its sums are rounded, which depends on the processor. This
trains the recipe with every seed, one run after the other, and with every kind of arithmetic:

native     the compiled kernels with the widest vectors of this processor
generic    the compiled kernels for a processor with the narrowest vectors
reference  the NumPy kernels (``TINYNET_KERNELS=reference``), many times slower

The kind is chosen before a process starts, so each has a process of its own. Every run is printed
as it ends; a table of minimum, median and maximum follows. A recipe on another data set than
`shapes` finds it with ``--data-dir``. ``--epochs``, ``--batch-size``, ``--lr`` and ``--schedule``
try other settings than the recipe's:

    python -m benchmarks.seeds demo --seeds 20
    python -m benchmarks.seeds small-vgg --seeds 5 --arithmetic native --batch-size 25
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tinynet.core import random
from tinynet.core.table import table
from tinynet.training import presets
from tinynet.training.evaluation import evaluate
from tinynet.training.loop import fit
from tinynet.training.recipe_data import open_sets
from tinynet.training.recipes import SCHEDULES, Recipe

ARITHMETIC = {  # environment variables of each kind; the lines above say what it is
    "native": {},
    "generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
    "reference": {"TINYNET_KERNELS": "reference"},
}
CHOSEN_HERE = {name for variables in ARITHMETIC.values() for name in variables}


@dataclasses.dataclass(frozen=True)
class Result:
    """The end of one run.

    Attributes
    ----------
    accuracy : float
        Of the test images after the last epoch, from 0 to 1.
    seconds : float
        Of training and the test, without the preparation of the data.
    """

    seed: int
    accuracy: float
    seconds: float


def environment(kind: str) -> dict[str, str]:
    """Return the environment of a process with this kind of arithmetic."""
    others = {name: value for name, value in os.environ.items() if name not in CHOSEN_HERE}
    return {**others, **ARITHMETIC[kind]}


def run_here(recipe: Recipe, seeds: Sequence[int], data_dir: Path | None) -> Iterator[Result]:
    """Train the recipe with each seed in this process, as `tinynet train` does."""
    sets = open_sets(recipe, data_dir)
    for seed in seeds:
        parts = dataclasses.replace(recipe, seed=seed).build(sets=sets)
        random.seed(seed)
        begun = time.monotonic()
        epochs = fit(
            parts.model,
            parts.optimizer,
            parts.train,
            epochs=recipe.epochs,
            validation=parts.validation,
        )
        for _ in epochs:
            pass
        accuracy = evaluate(parts.model, parts.test).accuracy
        yield Result(seed, accuracy, time.monotonic() - begun)


def run_apart(kind: str, arguments: Sequence[str]) -> Iterator[Result]:
    """Run this module in a process with this kind of arithmetic; yield its results as they come."""
    command = [sys.executable, "-m", "benchmarks.seeds", *arguments, "--worker"]
    with subprocess.Popen(
        command, env=environment(kind), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            yield Result(**json.loads(line))
    if process.returncode:
        raise SystemExit(f"{kind}: the process failed: {' '.join(command)}")


def summary(found: dict[str, list[Result]]) -> str:
    """Return the table: per kind the runs, minimum, median, maximum in per cent, seconds a run."""
    rows: list[Sequence[str]] = [
        ("arithmetic", "runs", "minimum", "median", "maximum", "seconds a run")
    ]
    for kind, results in found.items():
        per_cent = [100 * result.accuracy for result in results]
        numbers = (min(per_cent), statistics.median(per_cent), max(per_cent))
        seconds = statistics.median(result.seconds for result in results)
        shown = [f"{number:.1f}" for number in numbers]
        rows.append((kind, str(len(results)), *shown, f"{seconds:.1f}"))
    return table(rows, left=1)


def changed(recipe: Recipe, options: argparse.Namespace) -> Recipe:
    """Return the recipe with the settings that were given."""
    given: dict[str, Any] = {
        name: value
        for name in ("epochs", "batch_size", "lr", "schedule")
        if (value := getattr(options, name)) is not None
    }
    return dataclasses.replace(recipe, **given)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("recipe", choices=presets.RECIPES, metavar="RECIPE")
    made.add_argument("--seeds", type=int, default=5, help="number of seeds (default: 5)")
    made.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    made.add_argument(
        "--arithmetic",
        default=",".join(ARITHMETIC),
        help=f"kinds, with commas between them (default: {','.join(ARITHMETIC)})",
    )
    made.add_argument("--data-dir", type=Path, help="folder of the data set's files")
    made.add_argument("--epochs", type=int)
    made.add_argument("--batch-size", type=int)
    made.add_argument("--lr", type=float)
    made.add_argument("--schedule", choices=SCHEDULES)
    made.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each run, then the table."""
    arguments = sys.argv[1:] if arguments is None else arguments
    made = parser()
    options = made.parse_args(arguments)
    kinds = options.arithmetic.split(",")
    if unknown := [kind for kind in kinds if kind not in ARITHMETIC]:
        made.error(f"--arithmetic: {unknown[0]!r} is none of {', '.join(ARITHMETIC)}")
    if options.seeds < 1 or options.first < 0:
        made.error("--seeds is at least 1, --first at least 0")
    if options.worker:
        recipe = changed(presets.find(options.recipe), options)
        seeds = range(options.first, options.first + options.seeds)
        for result in run_here(recipe, seeds, options.data_dir):
            sys.stdout.write(json.dumps(dataclasses.asdict(result)) + "\n")
            sys.stdout.flush()
        return
    found: dict[str, list[Result]] = {}
    for kind in kinds:
        found[kind] = []
        for result in run_apart(kind, arguments):
            found[kind].append(result)
            sys.stdout.write(
                f"{kind:10}seed {result.seed:2}  {100 * result.accuracy:5.1f} %  "
                f"{result.seconds:6.1f} s\n"
            )
            sys.stdout.flush()
    sys.stdout.write(f"\n{summary(found)}\n")


if __name__ == "__main__":
    main()
