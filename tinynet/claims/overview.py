"""Overview of all claims: which results speak for each, in a row of a table."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tinynet.claims import catalog, outcome
from tinynet.claims.claim import Claim
from tinynet.claims.in_language import in_language
from tinynet.claims.results import Results
from tinynet.words import phrase

ORDER = ("full", "quick", "tiny")  # of budgets, the most computation first
NOT_RUN = "not run yet"


class Entry(NamedTuple):
    """A claim with all of its results, the one that speaks for it first."""

    claim: Claim
    results: Sequence[Results]


class Row(NamedTuple):
    """Cells of a claim in the table of all claims."""

    claim: Claim
    verdict: str
    here: str
    published: str
    seeds: str
    runs: str

    def in_words(self) -> tuple[str, ...]:
        """Return the cells beside the claim in the reader's language."""
        measured = (in_language(self.verdict), in_language(self.here))
        return (*measured, phrase(self.published), self.seeds, self.runs)


HEADER = ("claim", "verdict", "measured here (95 % interval)", "published", "seeds", "runs")


def entries(found: Iterable[Results]) -> list[Entry]:
    """Return all claims of the catalog with their results.

    Examples
    --------
    >>> from tinynet.claims import overview
    >>> from tinynet.claims.results import Results
    >>> found = [Results("relu", "shapes", "quick"), Results("relu", "cifar10", "quick")]
    >>> [each.data for each in overview.entries(found)[0].results]
    ['cifar10', 'shapes']
    """
    by_claim: dict[str, list[Results]] = {}
    for each in found:
        by_claim.setdefault(each.claim, []).append(each)
    return [
        Entry(claim, sorted(by_claim.get(name, []), key=functools.partial(_rank, claim)))
        for name, claim in catalog.CLAIMS.items()
    ]


def _rank(claim: Claim, results: Results) -> tuple[bool, int, int]:
    """Return the place of results; those from which no verdict follows come last."""
    empty = outcome.verdict(claim, results) == outcome.NOT_MEASURED
    known = (*claim.data, results.data)
    return empty, ORDER.index(results.budget), known.index(results.data)


def row(entry: Entry) -> Row:
    """Return the cells of a claim; without results they say so."""
    claim, results = entry
    if not results:
        return Row(claim, NOT_RUN, "–", claim.published, "–", "–")
    first = results[0]
    return Row(
        claim,
        outcome.verdict(claim, first),
        outcome.here(claim, first),
        claim.published,
        str(outcome.seeds(claim, first)),
        f"{first.budget}, {first.data}",
    )
