"""Tables of claims in README.md, README.ko.md and docs/networks.md, and docs/claims.md, .ko.md.

All are built from the results in claims/results; ``python -m tinynet.claims.in_docs`` writes them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import tinynet
from tinynet.claims import markdown, outcome, overview, results, setting
from tinynet.claims.in_language import in_language
from tinynet.claims.results import Results
from tinynet.core.atomic_file import write_atomically
from tinynet.words import into, speaking

ROOT = Path(tinynet.__file__).parent.parent
BEGIN = "<!-- claims: python -m tinynet.claims.in_docs writes this table -->"
END = "<!-- end of claims -->"
PAGE = "docs/claims.md"
IN_KOREAN = "docs/claims.ko.md"


def claims_table(found: Sequence[Results], lang: str = "en") -> str:
    """Return the table of the claims that have results, for a README.

    Examples
    --------
    >>> from tinynet.claims import in_docs
    >>> in_docs.claims_table([]).splitlines()[0]
    '| claim | verdict | measured here (95 % interval) | published | runs |'
    """
    header = ("claim", "verdict", "measured here (95 % interval)", "published", "runs")
    rows = []
    for entry in overview.entries(found):
        row = overview.row(entry)
        if entry.results and entry.results[0].budget != "tiny":
            link = f"[{into(lang, row.claim.title)}]({PAGE}#{markdown.anchor(row.claim.title)})"
            runs = f"{row.seeds}, {row.runs}"
            measured = (in_language(row.verdict, lang), in_language(row.here, lang))
            cells = (*measured, into(lang, row.published))
            rows.append((link, *cells, runs))
    return markdown.table([into(lang, name) for name in header], rows)


def whole_page(found: Sequence[Results], lang: str = "en") -> str:
    """Return docs/claims.md, or docs/claims.ko.md: both show the same figures, in English.

    Examples
    --------
    >>> from tinynet.claims import in_docs
    >>> in_docs.whole_page([], "ko").splitlines()[0]
    '# 논문의 주장을 직접 재어 보기'
    """
    with speaking(lang):
        return markdown.render(found)


def networks_table(found: Sequence[Results]) -> str:
    """Return the table of the networks that were trained with their whole schedules.

    Examples
    --------
    >>> from tinynet.claims import in_docs
    >>> in_docs.networks_table([]).count("|")
    14
    """
    header = ("network", "test error here", "seeds", "epochs", "published", "verdict")
    rows = []
    for claim, each in overview.entries(found):
        whole = [one for one in each if one.budget == "full"]
        if claim.comparisons or not whole:
            continue
        mean = outcome.mean(whole[0], next(iter(claim.arms)), claim.measures[0])
        if mean is not None:
            ten = " by ten views" if claim.measures[0] == "ten_view_error" else ""
            published = "–" if claim.target is None else f"{claim.target:g} %"
            verdict = outcome.verdict(claim, whole[0])
            cells = (f"{mean} %{ten}", str(mean.seeds), str(claim.schedule), published, verdict)
            rows.append((f"`{claim.name}`", *cells))
    return markdown.table(header, rows)


def placed(text: str, table: str) -> str:
    """Return a document with another table between the markers.

    >>> lines = ["Text.", "", BEGIN, "", "old", "", END]
    >>> placed(chr(10).join(lines), "new").splitlines()[4]
    'new'
    """
    between = re.compile(f"(?<={re.escape(BEGIN)}\n\n).*?(?=\n\n{re.escape(END)})", re.DOTALL)
    return between.sub(lambda _: table, text)


def documents(found: Sequence[Results], root: Path = ROOT) -> dict[Path, str]:
    """Return the documents as they have to be, by their paths."""
    tables = {
        "README.md": claims_table(found),
        "README.ko.md": claims_table(found, "ko"),
        "docs/networks.md": networks_table(found),
    }
    texts = {root / name: (root / name).read_text(encoding="utf-8") for name in tables}
    shown = {
        path: placed(text, table)
        for (path, text), table in zip(texts.items(), tables.values(), strict=True)
    }
    pages = {root / PAGE: whole_page(found), root / IN_KOREAN: whole_page(found, "ko")}
    return {**shown, **pages}


def committed(root: Path = ROOT) -> list[Results]:
    """Return the results in claims/results, without those that only show that it runs."""
    found = results.read_all([root / "claims" / "results"])
    return [each for each in found if each.budget != "tiny"]


def unknown_images(found: Sequence[Results]) -> list[str]:
    """Return results of CIFAR-10 whose images are not known to be originals or a copy."""
    return [each.name for each in found if each.data == "cifar10" and not setting.copied(each)]


if __name__ == "__main__":
    every = committed()
    for path, text in documents(every).items():
        write_atomically(path, text.encode())
    with speaking("en"):
        markdown.write(every, ROOT / PAGE)
