"""Figures of the inside of a trained network, written to a folder with a page of all of them."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet import inspection, plot
from tinynet.analysis.page import Panel, page
from tinynet.core.atomic_file import write_atomically
from tinynet.core.backend import Array
from tinynet.core.errors import DataError, ShapeError
from tinynet.nn import Conv2d, Module
from tinynet.plot import style, translation
from tinynet.training.predict import TrainedModel, read_image
from tinynet.training.recipe_data import open_set
from tinynet.words import message, phrase, sentence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEEN = 600  # test images among which those that excite a unit are looked for
GALLERY = 1500  # training images among which neighbors are looked for
BATCH = 64  # images of a step
QUERIES = 5
CERTAIN = 0.98
LARGEST = 1000  # numbers of an array that are written beside a figure, at most
DRAWN_ANEW = 20_000_000  # parameters up to which initial weights are drawn for a comparison


@dataclasses.dataclass(frozen=True)
class Subject:
    """A trained network with the images to look at.

    Attributes
    ----------
    trained : TrainedModel
    images : array (N, C, H, W) uint8
        As the network sees them, before the normalization.
    names : tuple of str
        Of the images, for file names.
    """

    trained: TrainedModel
    images: Array
    names: tuple[str, ...]

    @property
    def model(self) -> Module:
        """The network."""
        return self.trained.model

    @property
    def title(self) -> str:
        """Name of the recipe and its seed."""
        recipe = self.trained.recipe
        return sentence("{name}, seed {seed}", name=recipe.name, seed=recipe.seed)

    @functools.cached_property
    def train(self) -> tuple[Array, Array]:
        """Training images as the network sees them, and their labels."""
        return self._part(GALLERY, train=True)

    @functools.cached_property
    def test(self) -> tuple[Array, Array]:
        """Test images as the network sees them, and their labels."""
        return self._part(SEEN, train=False)

    def _part(self, most: int, *, train: bool) -> tuple[Array, Array]:
        return part_of(self.trained, most, train=train)


def part_of(trained: TrainedModel, most: int, *, train: bool) -> tuple[Array, Array]:
    """Return images of the data set, evenly through it, as the network sees them; and labels."""
    dataset = open_set(trained.recipe, trained.data_dir, train=train)
    which = np.unique(np.linspace(0, len(dataset) - 1, min(most, len(dataset))).astype(int))
    return trained.seen(dataset.images[which]), dataset.labels[which]


def subject(trained: TrainedModel, paths: Sequence[Path] = ()) -> Subject:
    """Return what to look at: the images of some files, or a test image that is classified right.

    Parameters
    ----------
    trained : TrainedModel
    paths : sequence of Path
        Image files.

    Raises
    ------
    DataError
        A file cannot be read; or there are none, and the data set is not there either.
    """
    if paths:
        images = [trained.seen(read_image(trained.recipe, path)[None])[0] for path in paths]
        return Subject(trained, np.stack(images), _names(paths))
    try:
        images, labels = part_of(trained, 100, train=False)
    except DataError as error:
        said = "{error} Or name image files to look at."
        raise DataError(sentence(said, error=error)) from None
    shares = inspection.probabilities(trained.model, images, prepare=trained.normalize)
    right = np.where(shares.argmax(axis=1) == labels, shares.max(axis=1), 0)
    right[right > CERTAIN] -= 1  # of a certain class, hiding a part changes little
    return Subject(trained, images[right.argmax()][None], ("test image",))


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return the names of files without their folders; all with a number if two are equal."""
    stems = [path.stem.replace(" ", "-") for path in paths]
    if len(set(stems)) == len(stems):
        return tuple(stems)
    return tuple(f"{i}-{stem}" for i, stem in enumerate(stems, start=1))


Drawing = Callable[[Subject], "Figure"]
ImageDrawing = Callable[[Subject, Array], "Figure"]


def _filters(s: Subject) -> Figure:
    recipe = s.trained.recipe
    grouped = any(isinstance(m, Conv2d) and m.groups == 2 for m in s.model.modules())
    count = sum(p.data.size for p in s.model.parameters())
    drawn_anew = not recipe.init_from and count <= DRAWN_ANEW and recipe.epochs > 0
    before = recipe.build_model(len(s.trained.classes)) if drawn_anew else None
    first = next((p for p in s.model.parameters() if len(p.shape) == 4), None)
    halves = 2 if grouped and first is not None and len(first.data) % 2 == 0 else 1
    return plot.filters(s.model, before=before, groups=halves, title="First layer")


def _architecture(s: Subject) -> Figure:
    return plot.architecture(s.model, s.images.shape[1:], title=s.trained.recipe.model)


def _neighbors(s: Subject) -> Figure:
    images, labels = s.test
    known, theirs = s.train
    settings: Any = {"classes": s.trained.classes, "prepare": s.trained.normalize}
    asked = slice(0, QUERIES)
    return plot.neighbors(s.model, images[asked], known, labels=(labels[asked], theirs), **settings)


def _of_a_step(draw: Any) -> Drawing:
    def drawing(s: Subject) -> Figure:
        images, labels = s.train
        batch = slice(0, BATCH)
        figure: Figure = draw(s.model, images[batch], labels[batch], prepare=s.trained.normalize)
        return figure

    return drawing


def _first_top_images(s: Subject) -> Figure:
    found = inspection.activations(s.model, s.images[:1], prepare=s.trained.normalize)
    first = next((each.name for each in found if each.kind == "ReLU"), found[0].name)
    return plot.top_images(s.model, s.test[0], layer=first, prepare=s.trained.normalize)


def _of_an_image(draw: Any, *, classes: bool = False) -> ImageDrawing:
    def drawing(s: Subject, image: Array) -> Figure:
        settings: Any = {"classes": s.trained.classes} if classes else {}
        figure: Figure = draw(s.model, image, prepare=s.trained.normalize, **settings)
        return figure

    return drawing


OF_AN_IMAGE: dict[str, ImageDrawing] = {
    "feature_maps": _of_an_image(plot.feature_maps),
    "occlusion_map": _of_an_image(plot.occlusion_map, classes=True),
    "saliency": _of_an_image(plot.saliency, classes=True),
    "pool_winners": _of_an_image(plot.pool_winners),
    "lrn_before_after": _of_an_image(plot.lrn_before_after),
}
OF_THE_NETWORK: dict[str, Drawing] = {
    "filters": _filters,
    "top_images_first_layer": _first_top_images,
    "top_images": lambda s: plot.top_images(s.model, s.test[0], prepare=s.trained.normalize),
    "neighbors": _neighbors,
    "dead_units": lambda s: plot.dead_units(s.model, s.test[0], prepare=s.trained.normalize),
    "gradient_flow": _of_a_step(plot.gradient_flow),
    "histograms": _of_a_step(plot.histograms),
    "architecture": _architecture,
}
NAMES = (*OF_AN_IMAGE, *OF_THE_NETWORK)
HEADINGS = {  # of the page, group by group; those of `gallery` too
    "One image": {
        "feature_maps": "Feature maps",
        "occlusion_map": "Occlusion map",
        "saliency": "Saliency",
        "pool_winners": "Winners of max pooling",
        "lrn_before_after": "Local response normalization, before and after",
        "one_prediction": "One prediction",
    },
    "What the network has learned": {
        "filters": "First-layer filters",
        "top_images_first_layer": "Images that excite a unit of the first layer",
        "top_images": "Images that excite a unit of a deep layer",
        "neighbors": "Nearest neighbors in the last hidden layer",
        "predictions": "Predictions",
        "confusion": "Confusion matrix",
    },
    "Training": {
        "curves": "Learning curves",
        "learning_rates": "Learning-rate range test",
        "gradient_flow": "Gradient flow",
        "histograms": "Histograms",
        "dead_units": "Dead units",
    },
    "Cost": {
        "architecture": "Layers by parameters and multiply-adds",
        "roofline": "Time of each op, and roofline",
        "architecture_of_alexnet": "AlexNet: layers by parameters and multiply-adds",
        "towers": "AlexNet on two devices",
    },
    "Autograd": {"graph": "Graph of a small expression"},
}


@dataclasses.dataclass(frozen=True)
class Drawn:
    """One figure of `draw`.

    Attributes
    ----------
    name : str
    figure : Figure or None
        None where the network or the data have no such thing.
    why : str
        The reason for None, as a sentence.
    """

    name: str
    figure: Figure | None = None
    why: str = ""


def draw(s: Subject, names: Sequence[str] = NAMES) -> Iterator[Drawn]:
    """Yield the figures by name; those of images for each image.

    A figure that this network does not have, or whose data set is not there, is yielded with the
    reason in its place.

    Parameters
    ----------
    s : Subject
    names : sequence of str
        Of `NAMES`.
    """
    for name in names:
        if name in OF_THE_NETWORK:
            yield _attempt(name, OF_THE_NETWORK[name], s)
            continue
        for label, image in zip(s.names, s.images, strict=True):
            full = name if len(s.names) == 1 else f"{name} {label}"
            yield _attempt(full.replace(" ", "-"), OF_AN_IMAGE[name], s, image)


def _attempt(name: str, drawing: Any, *arguments: Any) -> Drawn:
    try:
        return Drawn(name, drawing(*arguments))
    except (ShapeError, DataError) as error:
        return Drawn(name, None, message(error) if error.args else "")


def write(
    drawn: Drawn, folder: Path, suffix: str = ".png", *, numbers: bool = False
) -> tuple[Path, Panel]:
    """Write a figure to a folder, and the numbers in it beside it; return its path and its panel.

    Parameters
    ----------
    drawn : Drawn
        With a figure.
    folder : Path
    suffix : str
        .png, .svg or .pdf.
    numbers : bool
        Whether to write NAME.json too.
    """
    figure: Any = drawn.figure
    path = folder / f"{drawn.name}{suffix}"
    style.finish(figure, path, figure.description, figure.numbers)
    if numbers:
        listed = {key: _plain(value) for key, value in figure.numbers.items()}
        write_atomically(path.with_suffix(".json"), (json.dumps(listed) + "\n").encode())
    group, heading = headings(drawn.name)
    width, height = figure.get_size_inches()
    return path, Panel(
        heading, path.name, translation.said(figure.description), group, (width, height)
    )


def headings(name: str) -> tuple[str, str]:
    """Return the group and the heading of a figure on the page.

    >>> headings("saliency"), headings("saliency-cat")
    (('One image', 'Saliency'), ('One image', 'Saliency: cat'))
    """
    kind, _, image = name.partition("-")
    group, known = next((g, names) for g, names in HEADINGS.items() if kind in names)
    heading = phrase(known[kind])
    return phrase(group), f"{heading}: {image}" if image else heading


def _plain(value: Any) -> Any:
    """Return a value for JSON; of a large array its shape and moments."""
    if isinstance(value, np.ndarray):
        if value.size > LARGEST:
            finite = value[np.isfinite(value)]
            mean = float(finite.mean()) if finite.size else None
            return {"shape": list(value.shape), "mean": mean}
        known = value.astype(object)
        known[~np.isfinite(value)] = None
        return known.tolist()
    known = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(known, float) and not math.isfinite(known) else known


def write_page(
    folder: Path, title: str, panels: Sequence[Panel], links: Sequence[tuple[str, str]] = ()
) -> Path:
    """Write index.html, which shows the figures of a folder group by group; return its path."""
    path = folder / "index.html"
    groups = list(map(phrase, HEADINGS))
    ordered = sorted(panels, key=lambda panel: groups.index(panel.group))
    write_atomically(path, page(title, ordered, links).encode())
    return path
