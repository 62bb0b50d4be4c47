"""A weight file as a trained model: its network is named, its images are prepared as ImageNet's."""

from __future__ import annotations

import json
from pathlib import Path

from tinynet import models, nn, weights
from tinynet.core import backend
from tinynet.core.errors import DataError
from tinynet.data import Normalize
from tinynet.training.input_pipeline import PLAIN_SIDE
from tinynet.training.predict import TrainedModel
from tinynet.training.recipes import Recipe, place_model
from tinynet.weights import fit, names
from tinynet.weights.contents import Weights
from tinynet.words import sentence

MEAN = (0.485, 0.456, 0.406)  # of ImageNet's images in 0..1; torchvision's weights expect them
STD = (0.229, 0.224, 0.225)
MOST = 100_000  # classes of a file


def open_weights(
    path: str | Path, model: str, variant: str | None = None, device: str | None = None
) -> TrainedModel:
    """Return a network with the weights of a file that `tinynet train` did not write.

    The shorter side of an image is resized to 8/7 of the network's input, the middle is taken, and
    the mean and deviation of ImageNet's images are applied, as for torchvision's weights.

    Parameters
    ----------
    path : str or Path
        A weight file of a format that `weights.read` knows.
    model, variant : str
        Of `tn.models`.
    device : str, optional

    Returns
    -------
    TrainedModel
        Its classes are those in the file's metadata, else "class 0", "class 1", ...

    Raises
    ------
    DataError
        The file cannot be read, does not fit the network, or there is no such network.
    """
    path = Path(path)
    found = weights.read(path)
    try:
        side = models.entry(model, variant).side
        with nn.init.skip_init():
            wanted = list(models.build(model, 1, variant=variant).state_dict())
            count = _count(path, found, wanted[-1], wanted)
            net = models.build(model, count, variant=variant)
    except ValueError as error:
        raise fit.of_file(error, path) from None
    try:
        weights.load(net, found)
    except DataError as error:
        raise fit.of_file(error, path) from None
    crop = None if side == PLAIN_SIDE else side
    recipe = Recipe(
        name=path.stem,
        about="weights of a file",
        model=model,
        variant=variant,
        data="folder:.",
        epochs=1,
        lr=1.0,
        size=side if crop is None else side * 8 // 7,
        crop=crop,
    )
    place_model(net.eval(), backend.devices(device or "cpu"))
    return TrainedModel(net, recipe, Normalize(MEAN, STD, scale=255), _classes(found, count))


def _count(path: Path, found: Weights, last: str, wanted: list[str]) -> int:
    """Return the number of classes: the length of the last array."""
    array = names.fitted(found.arrays, wanted).get(last)
    if array is None or not 1 <= array.size <= MOST:
        said = "{where}: it holds no array for {last}, the last one of the network."
        raise DataError(sentence(said, where="weights", last=last))
    return int(array.size)


def _classes(found: Weights, count: int) -> tuple[str, ...]:
    try:
        listed = json.loads(found.metadata["classes"])
    except (KeyError, ValueError):
        listed = None
    if isinstance(listed, list) and len(listed) == count:
        return tuple(map(str, listed))
    return tuple(f"class {i}" for i in range(count))
