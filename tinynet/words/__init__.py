"""Messages in the reader's language: English in the code, the others in one table each.

    phrase("{right} of {count} exercises are right.", right=3, count=5)

The English text is its own key. A text that the table lacks stays English, and so does all of it
when the language is English: then no table is read. ``TINYNET_LANG`` chooses the language, and
`use` sets it for this process and those that it starts.

    said = sentence("the loss is {loss} at step {step}.", loss=1e9, step=3)

Where a text is made, the reader may be a program or a file, which gets English: a `sentence` is
English text that keeps its parts, and `spoken` says it in the reader's language.

A table is a PO file, the format of gettext, which every translator's tool opens: ``ko.po``.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VARIABLE = "TINYNET_LANG"
LANGUAGES = ("en", "ko")
LONGEST = 2000  # characters of a text that is searched for among the patterns


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


@contextlib.contextmanager
def speaking(lang: str) -> Iterator[None]:
    """Set the language of messages within a with statement.

    >>> with speaking("ko"):
    ...     phrase("Answer")
    '답'
    """
    before = os.environ.get(VARIABLE)
    use(lang)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def phrase(text: str, /, **fields: Any) -> str:
    """Return a text in the reader's language, its {fields} filled in.

    >>> phrase("{right} of {count} exercises are right.", right=3, count=5)
    '3 of 5 exercises are right.'
    """
    return into(language(), text, **fields)


def phrases(*texts: str) -> tuple[str, ...]:
    """Return texts in the reader's language: the header of a table.

    >>> phrases("layer", "kind")
    ('layer', 'kind')
    """
    return tuple(map(phrase, texts))


def into(lang: str, text: str, /, **fields: Any) -> str:
    """Return a text in a language, its {fields} filled in."""
    found = table(lang).get(text, text)
    return found.format(**fields) if fields else found


class Sentence(str):
    """An English text that keeps what it was made of: `text` with its {fields}, and the fields."""

    __slots__ = ("fields", "text")
    text: str
    fields: dict[str, Any]

    def __new__(cls, text: str, /, **fields: Any) -> Sentence:
        """Return the text, its {fields} filled in."""
        made = super().__new__(cls, text.format(**fields) if fields else text)
        made.text = text
        made.fields = fields
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        """Return the parts, for copies."""
        return (self.text,), self.fields


def sentence(text: str, /, **fields: Any) -> Sentence:
    """Return a sentence: English text that `spoken` can say in the reader's language.

    A field may be a sentence itself, or an error whose message is one.

    >>> sentence("{count} exercises are right.", count=3)
    '3 exercises are right.'
    """
    return Sentence(text, **{name: message(value) for name, value in fields.items()})


def spoken(text: object) -> str:
    """Return a sentence, or that of an error, in the reader's language; all else as text.

    Errors of the library are plain English; `recognized` finds what it can.
    """
    found = message(text)
    if not isinstance(found, Sentence):
        return recognized(str(found))
    fields = {
        name: spoken(value) if isinstance(value, Sentence) else value
        for name, value in found.fields.items()
    }
    return phrase(found.text, **fields)


def recognized(text: str) -> str:
    """Return an English text in the reader's language if the table has it or its pattern.

    The table has the f-strings of errors with numbers for their fields: ``clip: min must not be
    larger than max, got {1} and {2}.`` A field may be such a text itself.
    """
    lang = language()
    if " " not in text or len(text) > LONGEST:
        return text
    if text != text.strip():
        return text.replace(text.strip(), recognized(text.strip()))
    for pattern, theirs in patterns(lang):
        found = pattern.fullmatch(text)
        if found:
            return theirs.format(None, *map(recognized, found.groups()))
    return table(lang).get(text, text)


@functools.cache
def patterns(lang: str) -> list[tuple[re.Pattern[str], str]]:
    """Return the patterns of texts with numbered fields, the longest first, with translations."""
    numbered = [text for text in table(lang) if re.search(r"\{1\}|\{\{", text)]
    return [(_pattern(text), table(lang)[text]) for text in sorted(numbered, key=len, reverse=True)]


def _pattern(text: str) -> re.Pattern[str]:
    parts = re.split(r"\{\d+\}", text)
    literal = [re.escape(part.replace("{{", "{").replace("}}", "}")) for part in parts]
    return re.compile("(.*?)".join(literal), re.DOTALL)


def message(value: Any) -> Any:
    """Return the sentence of an error that has one, and all else as it is."""
    told = value.args if isinstance(value, BaseException) else ()
    return told[0] if len(told) == 1 and isinstance(told[0], Sentence) else value


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
