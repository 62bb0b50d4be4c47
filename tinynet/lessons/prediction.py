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
        raise ValueError(f'predict: a prediction has a number like "05.a". Got {number!r}.')
    if guess is ... and os.environ.get(SHOW) == "show":
        guess = None
    if guess is ...:
        how = "write your guess in place of ... and run the cell again (None: no guess)."
        speak.say("not yet", f"{number} predict first: {how}")
        return
    found = truth()
    told = f"it is {_shown(found)}{_unit(unit)}"
    if guess is None:
        speak.say("hint", f"{number} {told}.")
    else:
        said = f"you said {_shown(guess)}{_unit(unit)}"
        speak.say("hint", f"{number} {said}, {told}: {verdict(guess, found)}.")


def verdict(guess: Any, truth: Any) -> str:
    """Return how far a guess is from the truth, in words.

    >>> verdict(9.5, 10), verdict(2, 10), verdict("Down ", "down"), verdict((1, 2), (1, 3))
    ('close', '5 times too small', 'right', '1 of 2 right')
    """
    if isinstance(truth, tuple):
        if not isinstance(guess, tuple) or len(guess) != len(truth):
            return f"{len(truth)} values were asked for"
        right = sum(verdict(g, t) == "right" for g, t in zip(guess, truth, strict=True))
        return "right" if right == len(truth) else f"{right} of {len(truth)} right"
    if not (isinstance(guess, Real) and isinstance(truth, Real)):
        return "right" if str(guess).strip().lower() == str(truth).strip().lower() else "not right"
    return _apart(float(guess), float(truth))


def _apart(g: float, t: float) -> str:
    """Return how far one number is from another, in words."""
    if abs(g - t) <= RIGHT * abs(t) or _shown(g) == _shown(t):
        return "right"
    if abs(g - t) <= CLOSE * abs(t):
        return "close"
    side = "large" if g > t else "small"
    ratio = max(g / t, t / g) if g * t > 0 else 1.0
    if ratio < 1.5:
        return f"too {side}"
    return f"{ratio:.2g} times too {side}" if ratio < 10 else f"{ratio:,.0f} times too {side}"


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
