"""Messages in other languages: the table, and that it agrees with the code."""

import ast
import inspect
import re
import string
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

import tinynet
from tinynet import kernels, words
from tinynet.claims import catalog
from tinynet.kernels.convolution import winograd
from tinynet.plot.translation import TEXTS

ROOT = Path(tinynet.__file__).parent
KOREAN = words.table("ko")


@pytest.fixture
def korean(monkeypatch):
    monkeypatch.setenv(words.VARIABLE, "ko")


def test_english_is_the_default_and_the_fallback(monkeypatch):
    monkeypatch.delenv(words.VARIABLE, raising=False)
    assert words.phrase("Next: {link}.", link=1) == "Next: 1."
    monkeypatch.setenv(words.VARIABLE, "ko")
    assert words.phrase("Next: {link}.", link=1) == "다음 단원: 1."
    assert words.phrase("a text without a {translation}") == "a text without a {translation}"
    assert words.every("Answer") == ["Answer", "답"]


def test_another_language_is_refused(monkeypatch):
    monkeypatch.setenv(words.VARIABLE, "fr")
    with pytest.raises(ValueError, match=r"TINYNET_LANG: must be en or ko\. It is 'fr'"):
        words.phrase("Answer")
    with pytest.raises(ValueError, match="must be en or ko"):
        words.use("fr")


def test_a_text_over_several_lines_is_read():
    text = 'msgid ""\nmsgstr "Language: ko"\n\nmsgid "a"\n"b\\n"\nmsgstr ""\n"c \\"d\\""\n'
    assert words.read(text) == {"ab\n": 'c "d"'}


# the table agrees with the code


def texts_of(tree):
    """Return all strings of a module; docstrings as they are shown."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
            yield inspect.cleandoc(node.value)


@pytest.fixture(scope="module")
def in_the_code():
    files = [*ROOT.rglob("*.py"), *ROOT.parent.glob("lessons/*.py")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    hints = re.findall(r"^# hint\(.*\)  # (.*)$", "".join(map(_text, files)), re.MULTILINE)
    built = {text for claim in catalog.CLAIMS.values() for text in (claim.statement, claim.about)}
    built.update(arm for claim in catalog.CLAIMS.values() for arm in claim.arms)
    falls = [fall for kernel in kernels.KERNELS for fall in kernel.fallbacks.values()]
    built.update(why for fall in falls for why, _ in fall)
    return {*hints, *built, winograd.CONDITIONS}.union(*map(texts_of, trees))


def _text(path):
    return path.read_text(encoding="utf-8")


def said(tree):
    """Return the texts that the calls of phrase and sentence in a module are given."""
    texts = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for name in node.targets if isinstance(node, ast.Assign) else [node.target]:
                texts.setdefault(ast.unparse(name), []).extend(strings(node.value))
    for node in ast.walk(tree):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if called in ("phrase", "sentence", "phrases"):
            for given in node.args if called == "phrases" else node.args[:1]:
                named = isinstance(given, ast.Name)
                yield from texts.get(ast.unparse(given), ()) if named else strings(given)


def strings(node):
    """Return the strings that an expression may have as its value."""
    if isinstance(node, ast.IfExp):
        return [*strings(node.body), *strings(node.orelse)]
    if isinstance(node, ast.Dict):
        return [text for value in node.values for text in strings(value)]
    if isinstance(node, ast.Subscript | ast.Call):
        inside = (
            node.value if isinstance(node, ast.Subscript) else node.args[0] if node.args else None
        )
        return strings(inside)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def test_the_texts_of_a_module_are_found():
    code = """said = "one"
if more: said = "two" if most else "three"
phrase(said); sentence("four", x=1); phrase({"a": "five"}[key]); print("six")
phrases("seven", "eight")"""
    found = ["eight", "five", "four", "one", "seven", "three", "two"]
    assert sorted(said(ast.parse(code))) == found


def test_every_phrase_has_its_korean():
    missing = {
        str(path.relative_to(ROOT)): texts
        for path in sorted(ROOT.rglob("*.py"))
        if (texts := [t for t in said(ast.parse(_text(path))) if has_words(t) and t not in KOREAN])
    }
    assert missing == {}


def test_every_text_of_a_figure_has_its_korean():
    assert [text for text in TEXTS if has_words(text) and text not in KOREAN] == []
    assert [arm for claim in catalog.CLAIMS.values() for arm in claim.arms if missing(arm)] == []


@pytest.mark.parametrize("name", catalog.CLAIMS)
def test_every_text_of_a_claim_has_its_korean(name):
    claim = catalog.CLAIMS[name]
    texts = (claim.statement, claim.source, claim.published, claim.lab_note, claim.about)
    assert [text for text in texts if text and text not in KOREAN] == []


def test_every_reason_to_use_numpy_has_its_korean():
    falls = [fall for kernel in kernels.KERNELS for fall in kernel.fallbacks.values()]
    assert [why for fall in falls for why, _ in fall if why not in KOREAN] == []


def missing(arm):
    """Return whether an arm of a claim has words, but no Korean; names and numbers have none."""
    return bool(re.search(r"[a-z]{3} [a-z]", arm)) and arm not in KOREAN


def has_words(text):
    """Return whether a text has words of its own: not fields alone, nor a case such as x = 3."""
    return bool(re.search("[A-Za-z]", re.sub(r"\{.*?\}", "", text))) and not re.match(
        r"\w+ = ", text
    )


def fields(text):
    """Return the {fields} of a text; none if it is shown as it stands."""
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name} - {"be"}
    except ValueError:
        return set()


CODE = re.compile(r"[A-Za-z_][\w.]*\(|\w+_\w+|--\w[\w-]*|\b\w+\.\w+\b|[A-Z]{2,}[A-Z0-9]*")


PARTICLE = re.compile(r"(\{\w+[^}]*\}[`'\"]?(?:을|를|이|가|은|는|과|와|으로|로))(?![가-힣])")


def apart(english, other):
    """Find what a text and its translation do not share: fields, numbers, names of code."""
    if fields(english) != fields(other):  # but is or are: Korean says neither
        yield f"the fields {sorted(fields(other))}, not {sorted(fields(english))}"
    if names := [name for name in CODE.findall(english) if name not in other]:
        yield f"it lacks {names}"
    numbers = [Counter(re.findall(r"\d+(?:[.,]\d+)*", text)) for text in (english, other)]
    if lost := numbers[0] - numbers[1]:
        yield f"it lacks the numbers {sorted(lost)}"
    if unsure := PARTICLE.findall(other):
        yield f"the sound before a particle is not known: {unsure}"
    if not re.search("[가-힣]", other):
        yield "it has no Hangul"
    if unicodedata.normalize("NFC", other) != other:
        yield "it is not in normal form C"


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        ("{b}: im2col(x)는 3입니다", "fields"),
        ("{a}: im2row(x)는 3입니다", "im2col"),
        ("{a}: im2col(x)는 4입니다", "numbers"),
        ("{a}는 im2col(x) 3입니다", "particle"),
        ("{a}: im2col(x) is 3", "Hangul"),
        ("{a}: im2col(x) 3\u1100\u1161가", "normal form"),
    ],
)
def test_a_difference_is_found(other, complaint):
    assert list(apart("{a}: im2col(x) is 3", "{a}: im2col(x)는 3입니다")) == []
    assert any(complaint in found for found in apart("{a}: im2col(x) is 3", other))


def test_every_text_of_the_table_is_in_the_code(in_the_code):
    named = [text for text in KOREAN if not re.search(r"\{1\}|\{\{", text)]
    assert [text for text in named if text not in in_the_code] == []


def test_translations_agree_with_their_texts():
    found = {text: list(apart(text, other)) for text, other in KOREAN.items()}
    assert {text: what for text, what in found.items() if what} == {}
