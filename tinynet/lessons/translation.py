r"""Lessons in other languages: one code, the prose of each language in a catalogue.

``lessons/ko/05_convolution.md`` holds the prose cells of ``lessons/05_convolution.py`` in their
order, as Markdown, with a line ``%%`` between two of them. A line ``%% words`` may follow the last
one, and then what stands in the figures of the lesson: ``English words = Korean words``, a line
each. ``{}`` stands for what differs each time, often a number; ``{1} {0}`` is another order. In a
line with several `` = `` the middle one separates the languages; ``\n`` is a line break.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tinynet.core.errors import DataError

BETWEEN = re.compile(r"^%%$\n?", re.MULTILINE)
WORDS = re.compile(r"^%% words$\n?", re.MULTILINE)


class Catalogue(NamedTuple):
    """The translation of a lesson: its prose cells, and the words of its figures."""

    prose: list[str]
    words: dict[str, str]


def catalogue(script: Path, lang: str) -> Catalogue | None:
    """Return the catalogue of a lesson's script; None if there is none in this language."""
    path = script.parent / lang / f"{script.stem}.md"
    if not path.exists():
        return None
    return read(path.read_text(encoding="utf-8"), str(path))


def read(text: str, name: str = "a catalogue") -> Catalogue:
    r"""Return the prose and the words of a catalogue.

    >>> read("# 42 답\n%%\n끝.\n%% words\nloss = 손실\n")
    Catalogue(prose=['# 42 답', '끝.'], words={'loss': '손실'})
    """
    told, *rest = WORDS.split(text)
    words = {}
    for line in "".join(rest).splitlines():
        parts = line.split(" = ")
        half = len(parts) // 2
        if line.strip() and len(parts) % 2:
            raise DataError(f"{name}: a line of words is English = translation. It is {line!r}.")
        if line.strip():
            words[_lines(parts[:half])] = _lines(parts[half:])
    return Catalogue([cell.strip("\n") for cell in BETWEEN.split(told)], words)


def _lines(parts: list[str]) -> str:
    return " = ".join(parts).strip().replace("\\n", "\n")
