"""Loss or weights that are not finite: the input, the weight or the layer where it began."""

from __future__ import annotations

from tinynet.core.backend import Array, array_module, current, home
from tinynet.core.grad_mode import no_grad
from tinynet.nn import Module, observe
from tinynet.tensors import Tensor
from tinynet.words import Sentence, sentence

ADVICE = sentence("Try a smaller learning rate.")


def explain_loss(loss: float, model: Module, x: Tensor, number: int, lr: float) -> Sentence:
    """Return where infinity or NaN came from: the input, a weight, or the first layer that made it.

    Parameters
    ----------
    loss : float
        The loss that is not finite.
    x : (N, C, H, W)
        The batch.
    number : int
        Of the step, counted from 0.
    lr : float
        Learning rate of that step.
    """
    found = "train: the loss is {loss} at step {number} (lr {rate:g}). {why}"
    why = _where(model, x)
    return sentence(found, loss=loss, number=number, rate=lr, why=why)


def _where(model: Module, x: Tensor) -> Sentence:
    """Return in what infinity or NaN began, and what to try."""
    if not _all_finite(x.data):
        return sentence("The images already hold infinite or NaN values.")
    weight = _first_not_finite(model)
    if weight:
        said = "The update before it left {weight} not finite. {advice}"
        return sentence(said, weight=weight, advice=ADVICE)
    layer = _first_to_overflow(model, x)
    if layer:
        said = "{layer} is the first layer to overflow. {advice}"
        return sentence(said, layer=layer, advice=ADVICE)
    said = "Weights and activations are finite, the scores are too large. {advice}"
    return sentence(said, advice=ADVICE)


def check_finite(model: Module, number: int, lr: float) -> None:
    """Raise FloatingPointError if a weight is infinite or NaN; such weights are never saved."""
    name = _first_not_finite(model)
    if name:
        raise FloatingPointError(
            sentence(
                "train: {name} holds infinite or NaN weights after step {number} (lr {rate:g}). "
                "They are not saved. {advice}",
                name=name,
                number=number,
                rate=lr,
                advice=ADVICE,
            )
        )


def _first_to_overflow(model: Module, x: Tensor) -> str:
    """Return the name and kind of the first layer whose output is not finite."""
    names = {id(module): name for name, module in model.named_modules()}
    found: list[str] = []

    def look(module: Module, x: Tensor, y: Tensor | tuple[Tensor, ...]) -> None:
        several = y if isinstance(y, tuple) else (y,)  # of a network with auxiliary heads
        if not found and not all(_all_finite(one.data) for one in several):
            found.append(f"{names[id(module)]} ({type(module).__name__})")

    with no_grad(), observe(look):
        model(x)
    return found[0] if found else ""


def _first_not_finite(model: Module) -> str:
    for name, array in model.state_dict().items():
        if not _all_finite(array):
            return name
    return ""


def _all_finite(array: Array) -> bool:
    with current(home(array)):
        return bool(array_module(array).isfinite(array).all())
