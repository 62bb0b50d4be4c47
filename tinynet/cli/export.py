"""ONNX export of ``tinynet weights convert``: a run with its preprocessing, or a model by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tinynet import models
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.models.alexnet_variants import VARIANTS
from tinynet.training import predict, recipe_json, run_dir
from tinynet.training.input_pipeline import evaluation_transform
from tinynet.training.predict import TrainedModel
from tinynet.weights import checkpoint, save_onnx
from tinynet.words import phrase, sentence, spoken

UNKNOWN = (
    "It takes images that are prepared as in training. The preprocessing is in a run: "
    "tinynet weights convert RUN OUT.onnx writes it too."
)


def is_run(file: Path, model: str | None, variant: str | None) -> bool:
    """Return whether a path is a run folder, or a checkpoint that holds its recipe.

    A run of another network than the named one does not count.
    """
    try:
        if file.is_dir():
            recipe = run_dir.read_config(file)[0]
        else:
            recipe = recipe_json.from_json(
                json.loads(checkpoint.load_model(file).metadata["recipe"])
            )
    except (DataError, OSError, ValueError, TypeError, KeyError, AttributeError):
        return False
    return model is None or (recipe.model, recipe.variant) == (model, variant)


def model_of(metadata: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return model and variant that the metadata of a weight file name, or None for each."""
    name = metadata.get("model")
    if name in VARIANTS:
        return "alexnet", name
    if name in models.names():
        return name, metadata.get("variant")
    try:
        recipe = recipe_json.from_json(json.loads(metadata["recipe"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None, None
    return recipe.model, recipe.variant


def best_of(run: Path) -> Path:
    """Return the checkpoint of the best epoch of a run folder.

    Raises
    ------
    DataError
        Where this is no run folder, or its first epoch has not ended.
    """
    if run.is_file():
        said = "--best is for a run folder; {run} is a file."
        raise DataError(sentence(said, run=run))
    return _checkpoint_in(run, run_dir.BEST)


def last_of(run: Path) -> Path:
    """Return the last checkpoint of a run folder; a file comes back as it is."""
    return _checkpoint_in(run, run_dir.LAST) if run.is_dir() else run


def _checkpoint_in(run: Path, name: str) -> Path:
    if not (run / run_dir.CONFIG).exists():
        said = (
            "{run}: not a run folder: it has no {name}. Name a run folder, or a file of "
            "weights in this one."
        )
        raise DataError(sentence(said, run=run, name=run_dir.CONFIG))
    run_dir.read_config(run)
    if not (run / name).exists():
        said = "{run}: it has no {name} yet. tinynet train --resume {run} goes on."
        raise DataError(sentence(said, run=run, name=name))
    return run / name


def export_run(run: Path, out: Path, *, softmax: bool, include: bool) -> list[str]:
    """Write the network of a run as an ONNX file; return what there is to say about it.

    Parameters
    ----------
    run : Path
        A run folder, or a checkpoint with its recipe.
    out : Path
    softmax : bool
        Probabilities in place of scores.
    include : bool
        Whether the file prepares the images itself.
    """
    trained = predict.open_run(run, "cpu")
    shape = _input_shape(trained)
    recipe = trained.recipe
    variant = {} if recipe.variant is None else {"variant": recipe.variant}
    save_onnx(
        trained.model,
        out,
        shape,
        preprocessing=trained.normalize,
        include_preprocessing=include,
        softmax=softmax,
        classes=trained.classes,
        metadata={"model": recipe.model, **variant, "recipe": recipe.name},
    )
    notes = [] if trained.damage is None else [spoken(trained.damage)]
    normalized = phrase("normalized: {formula}", formula=_formula(trained))
    said = phrase(
        "It takes images (batch x {size}) as float32, RGB, {values}, and returns {output} of "
        "{count} classes. Their names are in its metadata.",
        size="x".join(map(str, shape)),
        values=phrase("values 0..255") if include else normalized,
        output=phrase("probabilities") if softmax else phrase("scores"),
        count=len(trained.classes),
    )
    return [*notes, said]


def _input_shape(trained: TrainedModel) -> tuple[int, ...]:
    """Return (C, H, W) of the images that the network takes."""
    side = predict.image_side(trained.recipe)
    image = np.zeros((1, 3, side, side), np.uint8)
    return evaluation_transform(trained.recipe, trained.normalize)(image).shape[1:]


def _formula(trained: TrainedModel) -> str:
    """Return how an image is normalized, in numbers where they are few."""
    mean = trained.normalize.mean
    shown = phrase("a mean image") if mean.shape[-1] > 1 else _numbers(mean)
    std = _numbers(trained.normalize.std)
    return phrase("(value in 0..255 - {mean}) / {std}", mean=shown, std=std)


def _numbers(values: Array) -> str:
    return json.dumps([round(float(value), 4) for value in values.ravel()])
