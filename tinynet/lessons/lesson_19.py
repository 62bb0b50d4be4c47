"""Exercises of lesson 19: checking published numbers."""

import numpy as np

from tinynet.lessons.exercise import Wrong, exercise, expect, small
from tinynet.words import phrase


@exercise(
    "19.1",
    "Look a number up",
    hints=(
        "Two loops: over the rows, and inside over the columns of the row.",
        "for row, cells in table.items(): for column, value in cells.items(): ...",
        "Collect (row, column) in a list whenever value == number, and return the list.",
    ),
)
def where(answer):
    """Write my_where(number, table): a list of the (row, column) of every cell with this number."""
    table = {"one net": {"validation": 18.2}, "five": {"validation": 16.4, "test": 16.4}}
    table["seven"] = {"test": 16.42}
    cases = {
        18.2: [("one net", "validation")],
        16.4: [("five", "validation"), ("five", "test")],
        99.9: [],
    }
    for number, expected in cases.items():
        got = answer(number, table)
        if not isinstance(got, list | tuple) or [tuple(cell) for cell in got] != expected:
            raise Wrong(
                phrase(
                    "for my_where({number}, {table}): expected {expected}, got {got}.\n"
                    "  A number may be in no cell, or in several: return a list. "
                    "16.42 is not 16.4.",
                    number=number,
                    table=table,
                    expected=expected,
                    got=small(got),
                )
            )


@where.solution
def my_where(number, table):
    return [
        (row, column)
        for row, cells in table.items()
        for column, value in cells.items()
        if value == number
    ]


@exercise(
    "19.2",
    "Two numbers, or one and luck?",
    hints=(
        "Write an error as a share: 0.154, not 15.4. Counted on n pictures, a share p has the "
        "variance p * (1 - p) / n.",
        "The variance of a difference is the sum of the two variances. Its root is the deviation.",
        "p, q = a / 100, b / 100; abs(p - q) / (p * (1 - p) / n + q * (1 - q) / m) ** 0.5",
    ),
)
def apart(answer):
    """Write my_apart(a, n, b, m): how many standard deviations two errors are apart.

    a and b are errors in %, measured on n and on m pictures, with no picture in both sets.
    """
    cases = [
        (50, 100, 50, 400, 0.0, "There is no difference."),
        (50, 50, 60, 48, 0.1 / 0.1, "Both variances are 0.005; 0.1 is the root of their sum."),
        (60, 48, 50, 50, 1.0, "The order of the two does not matter."),
        (
            20,
            1600,
            20.5,
            10**12,
            0.5,
            "The deviation of the first is 0.01; the other's is almost 0.",
        ),
        (15.4, 50_000, 15.3, 150_000, 0.001 / 3.46999e-6**0.5, "Shares, variances, sum, root."),
    ]
    for a, n, b, m, expected, why in cases:
        case = phrase("{a} % of {n:,} and {b} % of {m:,}", a=a, n=n, b=b, m=m)
        expect(answer(a, n, b, m), expected, case, why, tolerance=1e-4)


@apart.solution
def my_apart(a, n, b, m):
    p = a / 100
    q = b / 100
    variance = p * (1 - p) / n + q * (1 - q) / m
    return abs(p - q) / variance**0.5


@exercise(
    "19.3",
    "Which assumption explains a wrong number?",
    hints=(
        "Try each change separately: apply it to the right settings, compute, compare.",
        "{**settings, **change} is a new dict: the settings, overridden by `change`.",
        "[name for name, change in changes.items() if compute(**{**settings, **change}) == "
        "published]",
    ),
)
def explain(answer):
    """Write my_explain(published, compute, settings, changes): the names of matching changes."""

    def area(height, width):
        return height * width

    changes = {"twice as wide": {"width": 6}, "taller": {"height": 4}, "square": {"width": 2}}
    changes |= {"both": {"height": 3, "width": 4}, "wider": {"width": 4}}
    settings = {"height": 2, "width": 3}
    cases = {12: ["twice as wide", "taller", "both"], 4: ["square"], 7: []}
    for published, expected in cases.items():
        got = answer(published, area, dict(settings), changes)
        if not isinstance(got, list | tuple) or list(got) != expected:
            raise Wrong(
                phrase(
                    "for my_explain({published}, area, {settings}, {changes}):\n"
                    "  expected {expected}, got {got}.\n"
                    "  Apply one change at a time, with all its settings, to the same right "
                    "settings. Several may match; the match must be exact.",
                    published=published,
                    settings=settings,
                    changes=changes,
                    expected=expected,
                    got=small(got),
                )
            )


@explain.solution
def my_explain(published, compute, settings, changes):
    return [
        name for name, change in changes.items() if compute(**{**settings, **change}) == published
    ]


@exercise(
    "19.4",
    "Is it right as printed?",
    hints=(
        "A printed number is rounded. Round the computed one to as many digits, then compare.",
        "f'{computed:.{digits}g}' writes a number with so many significant digits.",
        "return float(f'{computed:.{digits}g}') == claimed",
    ),
)
def agrees(answer):
    """Write my_agrees(claimed, computed, digits): True if equal after rounding to `digits`."""
    cases = [
        (37_700_000, 37_748_736, 3, True, "It is correctly rounded to three digits."),
        (61_000_000, 60_965_224, 2, True, "Rounded to two digits, 60,965,224 is 61 million."),
        (60_000_000, 60_965_224, 2, False, "Truncating to two digits is not rounding to two."),
        (60_000_000, 60_965_224, 1, True, "Rounded to one digit it is 60 million."),
        (15.4, 15.3, 3, False, "The difference of 0.1 is small, but the numbers differ."),
        (
            0.3,
            0.29,
            1,
            True,
            "0.29 to one digit is 0.3. Significant digits begin at the first that is not 0.",
        ),
        (253_440, 290_400, 6, False, "All six digits were printed, so all six must be right."),
    ]
    for claimed, computed, digits, expected, why in cases:
        got = answer(claimed, computed, digits)
        if bool(np.all(got)) != expected:
            case = f"my_agrees({claimed:,}, {computed:,}, {digits})"
            raise Wrong(
                phrase(
                    "for {case}: expected {expected}, got {got}.\n  {why}",
                    case=case,
                    expected=expected,
                    got=small(got),
                    why=phrase(why),
                )
            )


@agrees.solution
def my_agrees(claimed, computed, digits):
    return float(f"{computed:.{digits}g}") == claimed
