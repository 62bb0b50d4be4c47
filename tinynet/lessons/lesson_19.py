"""The exercises of lesson 19: who is right."""

import numpy as np

from tinynet.lessons.exercise import Wrong, exercise, expect, small


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
    cases = {
        18.2: [("one net", "validation")],
        16.4: [("five", "validation"), ("five", "test")],
        99.9: [],
    }
    for number, expected in cases.items():
        got = answer(number, table)
        if not isinstance(got, list | tuple) or [tuple(cell) for cell in got] != expected:
            raise Wrong(
                f"for where({number}, {table}): expected {expected}, got {small(got)}.\n"
                "  A number may stand in no cell, or in several: a list says both."
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
    "How many windows fit?",
    hints=(
        "The last window must begin at size - kernel or before. How many steps of `stride` are "
        "there up to that pixel?",
        '"floor": (size - kernel) // stride + 1. "ceil" rounds the same division up; '
        "-(-a // b) is a / b rounded up.",
        '"same" does not look at the kernel: -(-size // stride).',
    ),
)
def windows(answer):
    """Write my_windows(size, kernel, stride, rule) for the rules "floor", "ceil" and "same"."""
    whys = {
        "floor": "A window that would leave the picture is left out.",
        "ceil": "A last window may hang over the edge; it is still one window only.",
        "same": "The picture gets as many zeros as are needed for ceil(size / stride) windows.",
    }
    cases = [
        (7, 3, 2, "floor", 3), (8, 3, 2, "floor", 3), (8, 3, 2, "ceil", 4), (7, 3, 2, "ceil", 3),
        (8, 3, 2, "same", 4), (7, 3, 2, "same", 4), (224, 11, 4, "floor", 54),
        (224, 11, 4, "ceil", 55), (224, 11, 4, "same", 56), (227, 11, 4, "floor", 55),
    ]  # fmt: skip
    for size, kernel, stride, rule, expected in cases:
        case = f'windows({size}, {kernel}, {stride}, "{rule}")'
        expect(answer(size, kernel, stride, rule), expected, case, whys[rule])


@windows.solution
def my_windows(size, kernel, stride, rule):
    if rule == "same":
        return -(-size // stride)
    if rule == "ceil":
        return -(-(size - kernel) // stride) + 1
    return (size - kernel) // stride + 1


@exercise(
    "19.3",
    "Which assumption explains a wrong number?",
    hints=(
        "Try each change by itself: put it over the right settings, compute, compare.",
        "{**settings, **change} is a new dict: the settings, where `change` has the last word.",
        "[name for name, change in changes.items() if compute(**{**settings, **change}) == "
        "published]",
    ),
)
def explain(answer):
    """Write my_explain(published, compute, settings, changes): names of the changes that fit."""

    def area(height, width):
        return height * width

    changes = {"twice as wide": {"width": 6}, "taller": {"height": 4}, "square": {"width": 2}}
    settings = {"height": 2, "width": 3}
    cases = {12: ["twice as wide", "taller"], 4: ["square"], 7: []}
    for published, expected in cases.items():
        got = answer(published, area, dict(settings), changes)
        if not isinstance(got, list | tuple) or list(got) != expected:
            raise Wrong(
                f"for explain({published}, area, {settings}, {changes}):\n"
                f"  expected {expected}, got {small(got)}.\n"
                "  One change at a time, each from the same right settings; several may fit."
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
    """Write my_agrees(claimed, computed, digits): True if right to so many digits, rounded."""
    cases = [
        (37_700_000, 37_748_736, 3, True, "It is rounded to three digits, and rightly."),
        (61_000_000, 60_965_224, 2, True, "To two digits 60,965,224 is 61 million."),
        (60_000_000, 60_965_224, 2, False, "Cut off after two digits is not rounded to two."),
        (60_000_000, 60_965_224, 1, True, "To one digit it is 60 million."),
        (15.4, 15.3, 3, False, "0.1 is little, but it is another number."),
        (
            0.3,
            0.29,
            1,
            True,
            "0.29 to one digit is 0.3. Digits count from the first that is not 0.",
        ),
        (253_440, 290_400, 6, False, "All six digits were printed, so all six must be right."),
    ]
    for claimed, computed, digits, expected, why in cases:
        got = answer(claimed, computed, digits)
        if bool(np.all(got)) != expected:
            case = f"agrees({claimed:,}, {computed:,}, {digits})"
            raise Wrong(f"for {case}: expected {expected}, got {small(got)}.\n  {why}")


@agrees.solution
def my_agrees(claimed, computed, digits):
    return float(f"{computed:.{digits}g}") == claimed
