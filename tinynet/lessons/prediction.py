"""Predictions: a cell asks for a guess, and computes and shows the truth only then.

    predict("05.c", ..., ratio)      says to write a guess in place of the dots
    predict("05.c", 20, ratio)       calls ratio() and compares: "you said 20, it is 143"
    predict("05.c", None, ratio)     shows the truth without a guess

``TINYNET_PREDICT=show`` shows every truth: for a rehearsal, or a printed edition.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from numbers import Real
from typing import Any

from tinynet.lessons import speak
from tinynet.lessons.answer import small
from tinynet.words import phrase

SHOW = "TINYNET_PREDICT"
CLOSE = 0.1  # a guess within a tenth of the truth is close
RIGHT = 0.01  # and within a hundredth, or half of the last digit that is shown, it is right


def predict(number: str, guess: Any, truth: Callable[[], Any], unit: str = "") -> None:
    """Ask for a guess; compare it with the truth once there is one.

    Parameters
    ----------
    number : text
        "05.a": the lesson, and a letter.
    guess : number, text, tuple or ...
        ``...`` until the learner has written one; None shows the truth without a guess.
    truth : function without arguments
        Returns the truth. What it prints or draws is shown only with it.
    unit : text
        Of both numbers: "%".

    Examples
    --------
    >>> predict("05.a", ..., lambda: 7)
    05.a predict first: write your guess in place of ... and run the cell again (None: no guess).
    >>> predict("05.a", 14, lambda: 7)
    05.a you said 14, it is 7: 2 times too large.
    """
    if not re.fullmatch(r"\d\d\.[a-z]", number):
        said = 'predict: a prediction has a number like "05.a". Got {number!r}.'
        raise ValueError(phrase(said, number=number))
    if guess is ... and os.environ.get(SHOW) == "show":
        guess = None
    if guess is ...:
        how = (
            "predict first: write your guess in place of ... and run the cell again "
            "(None: no guess)."
        )
        speak.say("not yet", f"{number} {phrase(how)}")
        return
    found = truth()
    is_ = f"{_shown(found)}{_unit(unit)}"
    if guess is None:
        told = phrase("it is {truth}.", truth=is_)
    else:
        told = phrase(
            "you said {guess}, it is {truth}: {verdict}.",
            guess=f"{_shown(guess)}{_unit(unit)}",
            truth=is_,
            verdict=verdict(guess, found),
        )
    speak.say("hint", f"{number} {told}")


def verdict(guess: Any, truth: Any) -> str:
    """Return how far a guess is from the truth, in words.

    >>> verdict(9.5, 10), verdict(2, 10), verdict("Down ", "down"), verdict((1, 2), (1, 3))
    ('close', '5 times too small', 'right', '1 of 2 right')
    """
    if isinstance(truth, tuple):
        if not isinstance(guess, tuple) or len(guess) != len(truth):
            return phrase("{count} values were asked for", count=len(truth))
        good = phrase("right")
        right = sum(verdict(g, t) == good for g, t in zip(guess, truth, strict=True))
        if right == len(truth):
            return good
        return phrase("{right} of {count} right", right=right, count=len(truth))
    if not (isinstance(guess, Real) and isinstance(truth, Real)):
        same = str(guess).strip().lower() == str(truth).strip().lower()
        return phrase("right" if same else "not right")
    return _apart(float(guess), float(truth))


def _apart(g: float, t: float) -> str:
    """Return how far one number is from another, in words."""
    if abs(g - t) <= RIGHT * abs(t) or _shown(g) == _shown(t):
        return phrase("right")
    if abs(g - t) <= CLOSE * abs(t):
        return phrase("close")
    ratio = max(g / t, t / g) if g * t > 0 else 1.0
    if ratio < 1.5:
        return phrase("too large" if g > t else "too small")
    times = f"{ratio:.2g}" if ratio < 10 else f"{ratio:,.0f}"
    return phrase("{times} times too large" if g > t else "{times} times too small", times=times)


def _shown(value: Any) -> str:
    """Return a value with three significant digits, and whole numbers in full."""
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value))
    if type(value) is not bool and isinstance(value, Real):
        number = float(value)
        return f"{number:,.0f}" if number.is_integer() or abs(number) >= 1000 else f"{number:.3g}"
    return value if isinstance(value, str) else small(value)


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""
