"""Verdicts and numbers of claims in the reader's language."""

from __future__ import annotations

from tinynet.words import into, language

PIECES = (  # of numbers in words, which are translated one by one
    *(" points above", " points below", " points", " times", " seeds"),
    *("at least ", "at most ", "about ", " to "),
)


def in_language(text: str, lang: str | None = None) -> str:
    """Return a verdict, or a number with its unit, in a language: that of the reader.

    >>> in_language("+1.20 points", "ko")
    '+1.20%포인트'
    """
    lang = lang or language()
    whole = into(lang, text)
    if whole != text or lang == "en":
        return whole
    for piece in PIECES:
        text = text.replace(piece, into(lang, piece))
    return text
