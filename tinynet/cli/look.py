"""Command ``tinynet look``."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import click

from tinynet.analysis import look as looking
from tinynet.analysis.gallery import extras
from tinynet.analysis.trace import trace
from tinynet.cli.options import FOLDER
from tinynet.cli.trained import of_a_network, open_network
from tinynet.core.errors import printable
from tinynet.plot.style import FORMATS
from tinynet.words import phrase, sentence, spoken

TRACE = "trace"
TRACE_PAGE = "trace.html"
FIGURES = click.Choice([*looking.NAMES, TRACE])
KINDS = click.Choice([suffix[1:] for suffix in FORMATS])


@click.command()
@of_a_network
@click.argument("images", nargs=-1, type=FOLDER)
@click.option("--figure", "figures", multiple=True, type=FIGURES, help="Draw only this one.")
@click.option("--gallery", is_flag=True, help="Draw those of other commands too, of a run folder.")
@click.option("--out", type=FOLDER, help="Folder to write to; default: RUN/look.")
@click.option("--format", "kind", type=KINDS, default="png", help="Format of the figures.")
@click.option("--data", "numbers", is_flag=True, help="Write the numbers beside each, as JSON.")
def look(
    run: Path,
    images: tuple[Path, ...],
    figures: tuple[str, ...],
    gallery: bool,
    out: Path | None,
    kind: str,
    numbers: bool,
    **network: Any,
) -> None:
    """Draw the inside of the network of RUN as figures.

    Filters, feature maps, occlusion, saliency, units, gradients. RUN is a run folder, or a weight
    file. Without IMAGES, a test image is looked at. Writes figures,
    index.html, a page of all of them, and trace.html, every op of a step one by one.
    """
    if gallery and (figures or not run.is_dir()):
        raise click.UsageError(sentence("look: --gallery is for a run folder, without --figure."))
    trained = open_network(run, **network)
    folder = out or ((run if run.is_dir() else run.parent) / "look")
    subject = looking.subject(trained, images)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = figures or (*looking.NAMES, TRACE)
    if TRACE in chosen:
        _trace(subject, folder / TRACE_PAGE)
    panels = []
    drawn = looking.draw(subject, [name for name in chosen if name != TRACE])
    others = extras(subject, run) if gallery else ()
    for each in itertools.chain(drawn, others):
        if each.figure is None:
            said = "{name}: not drawn. {why}"
            click.echo(phrase(said, name=each.name, why=spoken(each.why)), err=True)
            continue
        path, panel = looking.write(each, folder, f".{kind}", numbers=numbers)
        panels.append(panel)
        click.echo(f"{printable(str(path))}: {printable(panel.description)}")
    if not panels and TRACE not in chosen:
        sys.exit(1)
    if panels and kind != "pdf":  # a browser shows no PDF as an image
        title = phrase("Inside {what}", what=spoken(subject.title))
        link = TRACE_PAGE, phrase("Every op of a step, one by one")
        links = [link] if TRACE in chosen else []
        index = looking.write_page(folder, title, panels, links)
        click.echo(phrase("All of them: {page}", page=printable(str(index))))


def _trace(subject: looking.Subject, page: Path) -> None:
    """Write the page of every op, and say so."""
    steps = trace(subject.model, subject.images[0], prepare=subject.trained.normalize)
    steps.name = spoken(subject.title)
    steps.save(page)
    said = "{page}: every op of a step, forward and backward, one by one."
    click.echo(phrase(said, page=printable(str(page))))
