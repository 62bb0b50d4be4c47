"""Messages in the reader's language: English in the code, the others in one table each.

    phrase("{right} of {count} exercises are right.", right=3, count=5)

The English text is its own key. A text that the table lacks stays English, and so does all of it
when the language is English: then no table is read. ``TINYNET_LANG`` chooses the language, and
`use` sets it for this process and those that it starts.

A table is a PO file, the format of gettext, which every translator's tool opens: ``ko.po``.
"""

from __future__ import annotations

import functools
import json
import os
import re
from pathlib import Path
from typing import Any

VARIABLE = "TINYNET_LANG"
LANGUAGES = ("en", "ko")


def language() -> str:
    """Return the language of messages: "en" or "ko".

    Raises
    ------
    ValueError : if ``TINYNET_LANG`` is another one
    """
    asked = os.environ.get(VARIABLE) or "en"
    if asked not in LANGUAGES:
        raise ValueError(f"{VARIABLE}: must be {' or '.join(LANGUAGES)}. It is {asked!r}.")
    return asked


def use(lang: str) -> None:
    """Set the language of messages: "en" or "ko"."""
    if lang not in LANGUAGES:
        raise ValueError(f"a language must be {' or '.join(LANGUAGES)}. Got {lang!r}.")
    os.environ[VARIABLE] = lang


def phrase(text: str, /, **fields: Any) -> str:
    """Return a text in the reader's language, its {fields} filled in.

    >>> phrase("{right} of {count} exercises are right.", right=3, count=5)
    '3 of 5 exercises are right.'
    """
    return into(language(), text, **fields)


def into(lang: str, text: str, /, **fields: Any) -> str:
    """Return a text in a language, its {fields} filled in."""
    found = table(lang).get(text, text)
    return found.format(**fields) if fields else found


def every(text: str) -> list[str]:
    """Return a text in every language: to recognize it in a file that was written before."""
    return [table(lang).get(text, text) for lang in LANGUAGES]


@functools.cache
def table(lang: str) -> dict[str, str]:
    """Return the translations into a language by their English texts."""
    if lang == "en":
        return {}
    return read(Path(__file__).with_name(f"{lang}.po").read_text(encoding="utf-8"))


def read(text: str) -> dict[str, str]:
    r"""Return the translations of a PO file.

    >>> read('# a comment\nmsgid "one "\n"two"\nmsgstr "하나 둘"\n')
    {'one two': '하나 둘'}
    """
    pairs = re.findall(rf"^msgid {STRINGS}msgstr {STRINGS}", f"{text}\n", re.MULTILINE)
    strings = [part.rstrip().replace('"\n"', "") for pair in pairs for part in pair]
    flat = json.loads(f"[{','.join(strings)}]")
    return {ours: theirs for ours, theirs in zip(flat[::2], flat[1::2], strict=True) if ours}


STRINGS = r'((?:".*"\n)+)'  # one or more lines, each a string
