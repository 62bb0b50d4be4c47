"""Words of the search index: English, and Korean words with the particles taken off.

A Korean noun carries its particle, and which letters that is no dictionary here says. So every
beginning of a Korean word is a word of the index: 필터 finds 필터를.
"""

from __future__ import annotations

import re

from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

HANGUL = re.compile(r"[가-힣]+")
LEAST = 2  # syllables of a beginning


class Words(SearchEnglish):
    """English words, and Korean words with all their beginnings."""

    def split(self, input: str) -> list[str]:  # noqa: A002  (the name is Sphinx's)
        """Return the words of a text.

        >>> Words({}).split("필터를 filters")
        ['필터를', 'filters', '필터']
        """
        words: list[str] = super().split(input)
        korean = [word for text in words for word in HANGUL.findall(text)]
        return words + [word[:end] for word in korean for end in range(LEAST, len(word))]


def setup(app: Sphinx) -> dict[str, bool]:
    """Take the place of Sphinx's English."""
    app.add_search_language(Words)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
