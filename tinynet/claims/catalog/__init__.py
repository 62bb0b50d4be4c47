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
from tinynet.words import sentence

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
        hint = sentence(" Did you mean {name}?", name=close[0]) if close else ""
        said = "claims: there is no {name!r}. Known: {known}.{hint}"
        raise ValueError(sentence(said, name=name, known=", ".join(CLAIMS), hint=hint))
    return CLAIMS[name]
