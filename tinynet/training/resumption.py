"""Checkpoints for `tn.fit` in your own code: stop anywhere, continue in another process."""

from __future__ import annotations

from pathlib import Path

from tinynet.core import random
from tinynet.core.errors import DataError
from tinynet.nn import Module
from tinynet.optim import Optimizer
from tinynet.training.evaluation import (
    preprocessing_kind,
    restore_preprocessing,
    stored_preprocessing,
)
from tinynet.training.loop import State
from tinynet.weights import checkpoint
from tinynet.weights.checkpoint import Checkpoint


def save_checkpoint(path: str | Path, model: Module, optimizer: Optimizer, state: State) -> None:
    """Write the weights, the optimizer's state and the position of a run to one file.

    The file is replaced whole or not at all; the one before it stays as NAME.previous.safetensors.

    Parameters
    ----------
    path : str or Path
        Ends in .safetensors.
    model : Module
    optimizer : Optimizer
    state : State
        The one that was given to `tn.fit`.

    Examples
    --------
    A run that stops after its first epoch and continues, to the same weights as without the stop:

    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import data, nn, optim
    >>> images = np.ones((8, 4), np.float32)
    >>> loader = data.DataLoader((images, np.arange(8) % 2), batch_size=4, shuffle=True)
    >>> model = nn.Linear(4, 2)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    >>> state = tn.State()
    >>> for epoch in tn.fit(model, optimizer, loader, epochs=3, state=state):
    ...     tn.save_checkpoint("run.safetensors", model, optimizer, state)
    ...     break
    >>> state = tn.load_checkpoint("run.safetensors", model, optimizer)
    >>> [epoch.epoch for epoch in tn.fit(model, optimizer, loader, epochs=3, state=state)]
    [2, 3]
    """
    if Path(path).suffix != ".safetensors":
        raise ValueError(f"save_checkpoint: a checkpoint is a .safetensors file, not {path}.")
    seed, _, _ = random.counters()
    metadata = {"state": state.to_json(), "seed": str(seed)}
    preprocessing = stored_preprocessing(model)
    if preprocessing:
        metadata["preprocessing"] = preprocessing_kind(model)
    found = Checkpoint(model.state_dict(), optimizer.state_dict(), preprocessing, metadata)
    checkpoint.save(Path(path), found)


def load_checkpoint(path: str | Path, model: Module, optimizer: Optimizer) -> State:
    """Load a checkpoint into a model and its optimizer; return the position of the run.

    The random seed of dropout is the checkpoint's from here on. The loader is yours: give it the
    same data, batch size and seed as before.

    Parameters
    ----------
    path : str or Path
        A file of `save_checkpoint`, or last.safetensors of a run folder.
    model : Module
    optimizer : Optimizer

    Returns
    -------
    State
        For ``tn.fit(..., state=state)``.

    Raises
    ------
    DataError
        Where the file is damaged or does not fit; nothing is loaded then.
    """
    found = checkpoint.load(Path(path))
    if "state" not in found.metadata:
        raise DataError(
            f"{path}: it holds weights, but no position of a run. tn.load(model, path) reads them."
        )
    checkpoint.restore(found, model, optimizer)
    if "seed" in found.metadata:
        random.seed(int(found.metadata["seed"]))
    if "preprocessing" in found.metadata:
        restore_preprocessing(model, found.preprocessing, found.metadata["preprocessing"])
    return State.from_json(found.metadata["state"])
