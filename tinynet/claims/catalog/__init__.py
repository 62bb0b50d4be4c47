"""All claims, by name."""

from __future__ import annotations

import difflib

from tinynet.claims.catalog import (
    activation,
    architecture,
    digits,
    normalization,
    optimization,
    pooling,
    published,
    regularization,
)
from tinynet.claims.claim import Claim

CLAIMS = {
    claim.name: claim
    for claim in (
        activation.RELU,
        *normalization.CLAIMS,
        pooling.OVERLAP,
        *regularization.CLAIMS,
        *architecture.CLAIMS,
        *optimization.CLAIMS,
        digits.FLIPS,
        *published.CLAIMS,
    )
}


def find(name: str) -> Claim:
    """Return the claim of this name.

    Raises
    ------
    ValueError
        Where there is none.

    Examples
    --------
    >>> from tinynet.claims import catalog
    >>> catalog.find("relu").title
    'ReLU learns faster than tanh'
    """
    if name not in CLAIMS:
        close = difflib.get_close_matches(name, CLAIMS, 1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ValueError(f"claims: there is no {name!r}. Known: {', '.join(CLAIMS)}.{hint}")
    return CLAIMS[name]
