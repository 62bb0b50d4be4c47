"""Command line of the experiments: ``python -m tinynet.lessons.measure NAME [--seeds N]``."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

from tinynet.core.errors import DataError


def main() -> None:
    """Run the named experiment."""
    known = [m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.name[0] != "_"]
    parser = argparse.ArgumentParser("python -m tinynet.lessons.measure", description=__doc__)
    parser.add_argument("name", choices=known)
    parser.add_argument(
        "--seeds", type=int, default=3, help="number of repetitions, each with another seed"
    )
    given = parser.parse_args()
    try:
        importlib.import_module(f"tinynet.lessons.measure.{given.name}").main(given.seeds)
    except DataError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
