"""Check of the built site: every link inside it has a target, and no page loads from a network.

    python docs/site/check_site.py site

Links to other sites are not followed. Each offence is one line, and the exit code is then 1.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"img", "script", "iframe", "source", "video", "audio", "embed", "track"}  # by src
RELATIONS = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "manifest"}  # of <link>
IN_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")


class Page(HTMLParser):
    """The anchors of a page, its links, and what a browser loads for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = list(IN_STYLE.findall(text))
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the anchors and addresses of a tag."""
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag in LOADED and "src" in found:
            self.loads.append(found["src"])
        elif tag == "link" and RELATIONS & set(found.get("rel", "").split()):
            self.loads.append(found.get("href", ""))
        elif tag == "a" and "href" in found:
            self.links.append(found["href"])


def outside(address: str) -> bool:
    """Return whether an address leaves the site."""
    return bool(urlsplit(address).scheme or urlsplit(address).netloc)


def offences(site: Path) -> list[str]:
    """Return what is wrong in a built site, one line each."""
    paths = sorted(site.rglob("*.html"))
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in paths}
    wrong = []
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for address in page.loads:
            if outside(address) and not address.startswith("data:"):
                wrong.append(f"{name}: loads {address} from a network")
            elif not address.startswith("data:") and _target(path, address) is None:
                wrong.append(f"{name}: loads {address}, which is not there")
        wrong += [
            f"{name}: {_missing(path, link, pages)}"
            for link in dict.fromkeys(page.links)
            if not outside(link) and _missing(path, link, pages)
        ]
    for path in sorted(site.rglob("*.css")):
        for address in IN_STYLE.findall(path.read_text(encoding="utf-8")):
            wrong.append(f"{path.relative_to(site)}: loads {address} from a network")
    return wrong


def _target(path: Path, link: str) -> Path | None:
    """Return the file of a link, or None if there is none."""
    named = unquote(urlsplit(link).path)
    found = (path.parent / named).resolve() if named else path
    return found if found.is_file() else None


def _missing(path: Path, link: str, pages: dict[Path, Page]) -> str:
    """Return what a link lacks, or nothing."""
    found = _target(path, link)
    anchor = unquote(urlsplit(link).fragment)
    if found is None:
        return f"the file of the link {link} is not there"
    if anchor and found in pages and anchor not in pages[found].anchors:
        return f"the anchor of the link {link} is not there"
    return ""


def main() -> int:
    """Print the offences of the site that the command line names."""
    site = Path(sys.argv[1])
    found = offences(site)
    for line in found:
        sys.stdout.write(line + "\n")
    pages = len(list(site.rglob("*.html")))
    sys.stdout.write(f"{site}: {pages} pages, {len(found)} wrong links or loads.\n")
    return bool(found) or not pages


if __name__ == "__main__":
    sys.exit(main())
