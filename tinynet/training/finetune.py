"""Fine-tuning: load pretrained weights and freeze layers."""

from __future__ import annotations

import dataclasses

from tinynet import weights
from tinynet.core.errors import DataError
from tinynet.nn import Module
from tinynet.training.recipes import Recipe
from tinynet.weights.change import Change
from tinynet.words import sentence


@dataclasses.dataclass(frozen=True)
class Loaded:
    """Weights taken from a file."""

    file: str

    def __str__(self) -> str:
        return sentence("The weights are those of {file}.", file=self.file)


@dataclasses.dataclass(frozen=True)
class Frozen:
    """Layers that are not trained.

    Parameters
    ----------
    names : str
        The layers, or groups of layers, with commas between them.
    parameters, frozen : int
        Number of values in the whole model, and in these layers.
    """

    names: str
    parameters: int
    frozen: int

    def __str__(self) -> str:
        said = "Of {parameters:,} parameters, {frozen:,} are frozen ({names})."
        return sentence(said, **dataclasses.asdict(self))


def begin(model: Module, recipe: Recipe, *, load: bool = True) -> list[Loaded | Change | Frozen]:
    """Load the pretrained weights of a recipe and freeze its layers.

    Parameters
    ----------
    model : Module
        Changed in place.
    recipe : Recipe
        Its `init_from` and `freeze` are used.
    load : bool
        False for a run that continues from a checkpoint: layers are frozen, nothing is loaded.

    Returns
    -------
    list of Loaded, Change and Frozen
        What was done, in order; `str` makes a sentence of each. Empty if the recipe asks for
        nothing.

    Raises
    ------
    DataError
        Where the file does not fit, or a layer does not exist.

    Examples
    --------
    >>> import dataclasses
    >>> from tinynet.training import finetune, presets
    >>> recipe = dataclasses.replace(presets.find("demo"), freeze="0")
    >>> print(*finetune.begin(recipe.build_model(10), recipe))
    Of 34,538 parameters, 1,216 are frozen (0).
    """
    done: list[Loaded | Change | Frozen] = []
    if recipe.init_from and load:
        changes = weights.load(model, recipe.init_from, new_head=True)
        done = [Loaded(recipe.init_from), *changes]
    if recipe.freeze:
        done.append(freeze(model, recipe.freeze))
    return done


def freeze(model: Module, names: str) -> Frozen:
    """Freeze layers, or groups of layers.

    Parameters
    ----------
    model : Module
        Changed in place.
    names : str
        Names of modules, with commas between them, e.g. "features" or "conv1,layer1".

    Returns
    -------
    Frozen
        The number of frozen values.

    Raises
    ------
    DataError
        Where the model has no module of that name, or nothing would be left to train.
    """
    modules = dict(model.named_modules())
    for name in (name.strip() for name in names.split(",")):
        if not name or name not in modules:
            own = {parameter.rpartition(".")[0] for parameter, _ in model.named_parameters()}
            groups = {layer.split(".")[0] for layer in own}
            raise DataError(
                sentence(
                    "freeze: this model has no {name!r}. Its parts are {parts}; "
                    "print(model) shows every layer.",
                    name=name,
                    parts=", ".join(sorted(groups)),
                )
            )
        modules[name].freeze()
    counts = {True: 0, False: 0}
    for parameter in model.parameters():
        counts[parameter.requires_grad] += parameter.data.size
    if not counts[True]:
        said = "freeze: with {names} frozen there is nothing left to train."
        raise DataError(sentence(said, names=names))
    return Frozen(names, sum(counts.values()), counts[False])
