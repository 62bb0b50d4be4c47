"""Wrong answers to the exercises of lesson 19, and the messages they must get."""

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


def in_per_cent(a, n, b, m):
    return abs(a - b) / (a * (100 - a) / n + b * (100 - b) / m)


def adds_deviations(a, n, b, m):
    p, q = a / 100, b / 100
    return abs(p - q) / (math.sqrt(p * (1 - p) / n) + math.sqrt(q * (1 - q) / m))


def trusts_the_second(a, n, b, m):
    p, q = a / 100, b / 100
    return abs(p - q) / math.sqrt(p * (1 - p) / n)


def with_its_sign(a, n, b, m):
    p, q = a / 100, b / 100
    return (q - p) / math.sqrt(p * (1 - p) / n + q * (1 - q) / m)


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


def nearly_there(number, table):
    cells = [(row, column, value) for row in table for column, value in table[row].items()]
    return [(row, column) for row, column, value in cells if abs(value - number) < 0.1]


def columns_first(number, table):
    return [(c, r) for r, cells in table.items() for c, value in cells.items() if value == number]


def nearly_fits(published, compute, settings, changes):
    fits = {name: compute(**{**settings, **change}) for name, change in changes.items()}
    return [name for name, found in fits.items() if abs(found - published) <= 1]


def one_setting_at_a_time(published, compute, settings, changes):
    return [
        name
        for name, change in changes.items()
        if published in [compute(**{**settings, key: value}) for key, value in change.items()]
    ]


WRONG = {
    "19.1": [
        (first_only, "several"),
        (nearly_there, "16.42 is not 16.4"),
        (columns_first, "expected [('one net', 'validation')]"),
        (none_if_missing, "return a list"),
    ],
    "19.2": [
        (in_per_cent, "the root of their sum"),
        (adds_deviations, "Both variances are 0.005"),
        (trusts_the_second, "the root of their sum"),
        (with_its_sign, "does not matter"),
    ],
    "19.3": [
        (piling_up, "Apply one change at a time"),
        (first_that_fits, "Several may match"),
        (nearly_fits, "must be exact"),
        (one_setting_at_a_time, "with all its settings"),
    ],
    "19.4": [
        (within_five_per_cent, "is not rounding"),
        (cut_off, "61 million"),
        (decimals, "rounded to three digits"),
    ],
}
