"""Plausible wrong answers to the exercises of lesson 19, and what the checks must say to them."""

import math


def first_only(number, table):
    for row, cells in table.items():
        for column, value in cells.items():
            if value == number:
                return [(row, column)]
    return []


def none_if_missing(number, table):
    rows = [row for row, cells in table.items() if number in cells.values()]
    return rows or [("nowhere", "")]


def always_floor(size, kernel, stride, rule):
    return (size - kernel) // stride + 1


def one_too_many(size, kernel, stride, rule):
    if rule == "same":
        return -(-size // stride)
    return (size - kernel) // stride + (2 if rule == "ceil" else 1)


def no_plus_one(size, kernel, stride, rule):
    return (size - kernel) // stride


def piling_up(published, compute, settings, changes):
    found = []
    for name, change in changes.items():
        settings.update(change)
        if compute(**settings) == published:
            found.append(name)
    return found


def first_that_fits(published, compute, settings, changes):
    for name, change in changes.items():
        if compute(**{**settings, **change}) == published:
            return [name]
    return []


def within_five_per_cent(claimed, computed, digits):
    return abs(claimed - computed) < 0.05 * computed


def cut_off(claimed, computed, digits):
    step = 10 ** (math.floor(math.log10(computed)) - digits + 1)
    return math.floor(computed / step) * step == claimed


def decimals(claimed, computed, digits):
    return round(computed, digits) == claimed


WRONG = {
    "19.1": [(first_only, "several"), (none_if_missing, "a list says both")],
    "19.2": [
        (always_floor, "hang over the edge"),
        (one_too_many, "one window only"),
        (no_plus_one, "expected 3, got 2"),
    ],
    "19.3": [(piling_up, "One change at a time"), (first_that_fits, "several may fit")],
    "19.4": [
        (within_five_per_cent, "not rounded to two"),
        (cut_off, "61 million"),
        (decimals, "rounded to three digits"),
    ],
}
