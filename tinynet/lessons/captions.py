"""Words in figures in the reader's language, where a font is installed that can write them."""

from __future__ import annotations

import functools
import re
from typing import Any

from tinynet.lessons import pages, speak
from tinynet.lessons.translation import catalogue
from tinynet.plot import style
from tinynet.words import language, phrase

_told: set[str] = set()


def translate(fig: Any) -> None:
    """Translate the titles, labels and legends of a figure that the catalogues know."""
    lang = language()
    if lang == "en" or not words(lang):
        return
    fonts = style.hangul_fonts()
    if not fonts:
        if lang not in _told:
            speak.say("hint", phrase(NO_FONT))
        _told.add(lang)
        return
    for text in fig.findobj(lambda artist: hasattr(artist, "set_fontfamily")):
        found = translated(text.get_text())
        if found is not None:
            text.set_text(found)
            text.set_fontfamily(fonts)
    for axes in fig.axes:
        for axis in (axes.xaxis, axes.yaxis):
            _ticks(axis, fonts)


NO_FONT = (
    "The words in figures stay English: no font with Hangul is installed. "
    "Noto Sans KR and NanumGothic are free ones."
)


def spoken(alt: str) -> str:
    """Return the alternative text of a figure in the reader's language, if a catalogue knows it."""
    return alt if language() == "en" else translated(alt) or alt


def _ticks(axis: Any, fonts: list[str]) -> None:
    """Translate the labels of ticks; only those that were given as words are in a catalogue."""
    given = [label.get_text() for label in axis.get_ticklabels()]
    found = [translated(text) for text in given]
    if any(text is not None for text in found):
        labels = [new or old for new, old in zip(found, given, strict=True)]
        axis.set_ticks(axis.get_ticklocs(), labels=labels, fontfamily=fonts)


def translated(text: str) -> str | None:
    """Return a text of a figure in the reader's language; None if no catalogue knows it."""
    known = words(language())
    if text in known:
        return known[text]
    for pattern, theirs in patterns(language()):
        if found := pattern.fullmatch(text):
            return theirs.format(*(translated(part) or phrase(part) for part in found.groups()))
    return None


@functools.cache
def words(lang: str) -> dict[str, str]:
    """Return the words of the figures of all lessons."""
    found: dict[str, str] = {}
    for lesson in pages.lessons():
        told = catalogue(lesson.path, lang)
        found |= told.words if told else {}
    return found


@functools.cache
def patterns(lang: str) -> list[tuple[re.Pattern[str], str]]:
    """Return the texts that hold {}, as regular expressions, the longest first."""
    texts = sorted((text for text in words(lang) if "{}" in text), key=len, reverse=True)
    return [
        (re.compile("(.+?)".join(map(re.escape, text.split("{}"))), re.DOTALL), words(lang)[text])
        for text in texts
    ]
