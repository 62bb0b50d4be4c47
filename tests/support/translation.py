"""What two languages of one lesson must share: each rule is a function that yields offences.

`PYTHONPATH=tests python -m support.translation 05` prints those of a lesson.
"""

import re
import sys
import unicodedata
from collections import Counter

from support.checkout import ROOT
from tinynet.lessons import pages
from tinynet.lessons.translation import WORDS, read

CODE = re.compile(r"```.*?```|`[^`]+`", re.DOTALL)
EQUATION = re.compile(r"\$\$.+?\$\$|\$[^$]+?\$", re.DOTALL)
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)]*)\)")
TAG = re.compile(r"</?[a-z]+[^>]*>")
NUMBER = re.compile(r"(\d+(?:,\d{3})*(?:\.\d+)?)(?: ?(thousand|million|billion|천만|만|억))?")
WORTH = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "천만": 10**7}
WORTH |= {"만": 10**4, "억": 10**8, "": 1}
FRACTION = re.compile(r"[\d,]*분의 \d+")
UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
TEENS = ["eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"]
SPELLED = {word: i for i, word in enumerate([*UNITS, *TEENS, "nineteen", "twenty"])}
SPELLED |= {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60}
SPELLED |= {"once": 1, "first": 1, "twice": 2, "second": 2, "half": 2, "both": 2, "third": 3}
SPELLED |= {"tenth": 10, "hundred": 100, "thousand": 1000, "double": 2}
LEAST = 0.5  # of the letters of a translated cell are Hangul


def flat(found):
    return Counter(" ".join(text.split()) for text in found)


def without_code(text):
    return CODE.sub(" ", text)


def code_spans(text):
    return flat(CODE.findall(text))


def equations(text):
    return flat(EQUATION.findall(without_code(text)))


def link_targets(text):
    return Counter(target for mark, target in LINK.findall(without_code(text)) if not mark)


def image_names(text):
    return Counter(target for mark, target in LINK.findall(without_code(text)) if mark)


def headings(text):
    return [len(found) for found in re.findall(r"^(#+) ", text, re.MULTILINE)]


def tables(text):
    """Return the number of cells of each row of each table."""
    shapes = [[]]
    for line in EQUATION.sub("x", without_code(text)).splitlines():
        if line.startswith("|"):
            shapes[-1].append(line.count("|") - 1)
        elif shapes[-1]:
            shapes.append([])
    return [shape for shape in shapes if shape]


def points(text):
    """Return the marks of a list, and of the questions of a quiz."""
    return re.findall(r"^(?:[-*] |\d\. |\*\*\d\.\*\*)", text, re.MULTILINE)


def tags(text):
    return [re.sub(r"\s.*", ">", tag) for tag in TAG.findall(EQUATION.sub("", without_code(text)))]


SAME = {
    "code": code_spans,
    "equations": equations,
    "link targets": link_targets,
    "image names": image_names,
    "levels of headings": headings,
    "cells of table rows": tables,
    "points": points,
    "tags": tags,
}


def words(text):
    """Return a text without code, equations, link targets and tags."""
    text = EQUATION.sub(" ", without_code(text))
    return TAG.sub(" ", LINK.sub(lambda link: link[0].partition("](")[0], text))


def numbers(text):
    """Return the numbers that a text says in digits: 60 million is 6,000만."""
    text = re.sub(r"(\d)억 (?=\d)", r"\1억+", " ".join(words(text).split()))
    found = Counter()
    for part in re.finditer(rf"{NUMBER.pattern}(?:\+{NUMBER.pattern})?", text):
        digits, scale, more, smaller = part.groups()
        value = _value(digits, scale) + (_value(more, smaller) if more else 0)
        found[f"{value:,.10g}"] += 1
    return found


def _value(digits, scale):
    return float(digits.replace(",", "")) * WORTH[scale or ""]


def spelled(text):
    """Return the numbers that English words say: a translation may write them in digits."""
    return {str(SPELLED[w]) for w in re.findall(r"[a-z]+", words(text).lower()) if w in SPELLED}


def other_numbers(ours, theirs):
    for number in numbers(ours) - numbers(theirs):
        yield f"the number {number} is missing"
    known = {*numbers(ours), *spelled(ours), "0", "1"}
    for number in numbers(FRACTION.sub(" ", theirs)):
        if number not in known:
            yield f"the number {number} is not in English"


def differences(ours, theirs):
    """Find what a cell and its translation do not share."""
    for name, found in SAME.items():
        a, b = found(ours), found(theirs)
        if a != b and isinstance(a, Counter):
            yield f"{name}: only in English {list(a - b)}, only in the other {list(b - a)}"
        elif a != b:
            yield f"{name}: {a} in English, {b} in the other"
    yield from other_numbers(ours, theirs)


def untranslated(text):
    """Find a cell that is not in Korean: too few of its letters are Hangul."""
    letters = re.findall(r"[a-zA-Z가-힣]", words(text))
    hangul = sum(letter >= "가" for letter in letters)
    if letters and hangul < LEAST * len(letters):
        yield f"{hangul} of {len(letters)} letters are Hangul: {words(text).strip()[:60]!r}"


def badly_written(data):
    """Find what a file is other than UTF-8 in normal form C with clean line ends."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        yield f"it is not UTF-8 ({error})"
        return
    if text.startswith("\ufeff"):
        yield "it begins with a byte order mark"
    if unicodedata.normalize("NFC", text) != text:
        yield "it is not in Unicode's normal form C"
    if re.search(r"[ \t\r]$", text, re.MULTILINE) or not text.endswith("\n"):
        yield "a line ends with a space, or the file without a line end"


def odd_words(text, code):
    """Find words of figures whose English is not in the lesson's code, or that lose a field."""
    told = read(text)
    lines = WORDS.split(text)[1:]
    if len("".join(lines).split("\n")) - 1 != len(told.words):
        yield "a word of the figures is translated twice"
    for ours, theirs in told.words.items():
        gone = [word for word in re.findall(r"[a-z]{3,}", ours) if word not in code]
        if gone:
            yield f"the code of the lesson does not say {gone}"
        if ours.count("{}") != len(re.findall(r"\{\d*\}", theirs)):
            yield f"{ours!r} and {theirs!r} have not the same fields"
        if not re.search("[가-힣]", theirs):
            yield f"{theirs!r} has no Hangul"


def offences(lesson, path):
    """Find what is wrong with the catalogue of a lesson."""
    data = path.read_bytes()
    yield from badly_written(data)
    text = data.decode("utf-8", "replace")
    theirs = read(text).prose
    cells = pages.content(lesson)
    ours = [pages.plain(cell.text) for cell in cells if cell.prose]
    code = [cell.text for cell in cells if not cell.prose]
    drawing = [file.read_text(encoding="utf-8") for file in (ROOT / "tinynet/plot").glob("*.py")]
    yield from odd_words(text, "\n".join([*code, *drawing]))
    if len(ours) != len(theirs):
        yield f"{len(theirs)} cells, English has {len(ours)}"
    for i, (a, b) in enumerate(zip(ours, theirs, strict=False)):
        for found in [*differences(a, b), *untranslated(b)]:
            yield f"cell {i} ({b.strip()[:30]!r}): {found}"


if __name__ == "__main__":
    for number in sys.argv[1:]:
        known = pages.find(number)
        for line in offences(known, known.path.parent / "ko" / f"{known.path.stem}.md"):
            sys.stdout.write(f"{number} {line}\n")
