"""Fine-tuning: load pretrained weights and freeze layers."""

from __future__ import annotations

from tinynet import weights
from tinynet.core.errors import DataError
from tinynet.nn import Module
from tinynet.training.recipes import Recipe


def begin(model: Module, recipe: Recipe, *, load: bool = True) -> list[str]:
    """Load and freeze what the recipe says; return a sentence for each thing worth knowing.

    A run that goes on from a checkpoint has no need to `load`.
    """
    notes = []
    if recipe.init_from and load:
        translated = weights.load(model, recipe.init_from, new_head=True)
        notes = [f"The weights are those of {recipe.init_from}.", *map(str, translated)]
    return notes + freeze(model, recipe.freeze)


def freeze(model: Module, names: str) -> list[str]:
    """Freeze the layers, or groups of layers, that `names` lists with commas between them."""
    if not names:
        return []
    modules = dict(model.named_modules())
    for name in (name.strip() for name in names.split(",")):
        if not name or name not in modules:
            own = {parameter.rpartition(".")[0] for parameter, _ in model.named_parameters()}
            groups = {layer.split(".")[0] for layer in own}
            raise DataError(
                f"freeze: this model has no {name!r}. Its parts are {', '.join(sorted(groups))}; "
                "`tinynet summary` lists every layer."
            )
        modules[name].freeze()
    counts = {True: 0, False: 0}
    for parameter in model.parameters():
        counts[parameter.requires_grad] += parameter.data.size
    if not counts[True]:
        raise DataError(f"freeze: with {names} frozen there is nothing left to train.")
    return [f"Of {sum(counts.values()):,} parameters, {counts[False]:,} are frozen ({names})."]
