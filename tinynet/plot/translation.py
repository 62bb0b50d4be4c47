"""Words of figures in the reader's language, where a font that can write them is installed.

Figures are drawn in English. `style.finish` then says the texts of `TEXTS`, whose {fields} may hold
such texts again; what is not in the list stays as it is.
"""

from __future__ import annotations

import functools
import re

from tinynet.words import language, phrase

TEXTS = (
    "loss (mean cross-entropy, nats)",
    "accuracy (%)",
    "epoch",
    "train",
    "test",
    "validation",
    "no epoch has finished",
    "not measured",
    "best: epoch {epoch}",
    "train {value}",
    "test {value}",
    "validation {value}",
    "equal probabilities {loss}",
    "chance {percent} %",
    "lr {rate}",
    "test accuracy {percent} %",
    "share of the true class",
    "true class",
    "predicted class",
    "accuracy {percent} % on 1 image",
    "accuracy {percent} % on {count} images",
    "accuracy {percent} %",
    "{first}\nmost frequent mistake: {true} taken for {answer}, 1 image",
    "{first}\nmost frequent mistake: {true} taken for {answer}, {count} images",
    "training changed the filters by {low} to {high} times their initial length (most first)",
    "training changed the filters by {low} to {high} (most first)",
    "{count} filters of {size} pixels in color; {said}",
    "{count} filters of {size} pixels in color",
    "{count} filters of {size} pixels in gray; {said}",
    "{count} filters of {size} pixels in gray",
    "before training, values × {times}",
    "before training",
    "before\ntraining",
    "after",
    "difference",
    "difference\n× {times}",
    "group {number}, {when}",
    "group {number}",
    "what the network saw, {size}",
    "probability (%)",
    "One image and its most probable classes: {classes}.",
    "{count} images with their most probable class: {found}; the {shown} least certain are shown.",
    "{count} images with their most probable class: {found}.",
    "{count} images: {found}; the {shown} least certain are shown",
    "The layers answer one image: each map is one filter's response",
    "Feature maps of one image. {maps}.",
    "{layer}: {count} maps; {rest}",
    "{layer}: {count} maps",
    "{count} maps of {size}, {silent} without a positive value",
    "{shown} strongest of {count} maps of {size}, {silent} without a positive value",
    "image",
    "Occlusion map. {said}; the square begins at row {row}, column {column}.",
    "Without the marked square, {name} falls from {before} to {after}",
    "No single square decides about {name}, {share}",
    "{size} pixels are hidden at a time",
    "drop of the probability",
    "image; p({name}) = {share}",
    "First layer",
    "Half of the gradient of {name} lies on {share} of the pixels",
    "Saliency of {name}: half of the gradient lies on {share} of the pixels.",
    "largest over the channels",
    "{name}: {winners} of {all} pixels win, one of them in {most} windows",
    "{name}: {winners} of {all} pixels win, {count} of them in {most} windows",
    "{winners} of {all} input pixels are the maximum of a window, one of them in {most} windows.",
    "{winners} of {all} input pixels are the maximum of a window, {count} of them in {most} "
    "windows.",
    "a part of the input: dots win,\narea: number of windows",
    "whole input: the brighter,\nthe more windows",
    "{share} of the pixels win",
    "map {number}",
    "before\n(white is {value})",
    "after\n(white is {value})",
    "s: sum of squares of the neighbors",
    "input / output",
    "values",
    "Local response normalization of {count} maps. {said}.",
    "All inputs of the normalization are 0",
    "Everything is divided by about {divisor}: here the channels hardly compete",
    "The loudest places are divided by {most}, the quietest by {least}",
    "For {count} units of {layer}, the {shown} of {all} images with the largest activation, the "
    "largest first, with a frame around the pixels on which it depends.",
    "{name}: what excites each unit most, and the pixels that do it",
    "unit {number}",
    "query:\n{name}",
    "query",
    "{count} images and their neighbors. {said}.",
    "The nearest images in the last hidden layer",
    "Of {all} nearest images in the last hidden layer, {alike} are of the same class",
    "None of {all} units is silent on all {images} images",
    "{dead} of {all} units never fires on {images} images",
    "{dead} of {all} units never fire on {images} images",
    "fires on (% of places)",
    "layer {name}: {dead} of {all} dead",
    "unit, from the rarest",
    "Dead units of the ReLU layers: {each}.",
    "{dead} of {all} in layer {name}, {rest}",
    "{dead} of {all} in layer {name}",
    "Gradient flow. {said}.",
    "No gradient reaches the first layer",
    "The gradient keeps its size from the last layer to the first",
    "The gradient at the first layer is {times} times larger than at the last",
    "The gradient at the first layer is {times} times smaller than at the last",
    "layer, from the image to the scores; the gradient comes from the right",
    "gradient at the output\n(rms, nats per unit)",
    "gradient / weights\n(ratio of lengths)",
    "Histograms of {count} layers. {said}.",
    "Standard deviations of the weights lie between {least} and {most}",
    "value",
    "Layers with areas by cost: {said}.",
    "{first} holds {share} % of the parameters, {second} does {work} % of the multiply-adds",
    "layer {number}",
    "parameters\n{total}",
    "multiply-adds\n{total}",
    "loss of each batch",
    "average of the neighbors",
    "learning rate",
    "smallest loss: {rate}",
    "suggested: {rate}",
    "The loss never falls: begin with a smaller rate",
    "the loss never falls begin with a smaller rate",
    "Suggested learning rate: {rate}, a tenth of the one with the smallest loss",
    "suggested learning rate {rate}, a tenth of the one with the smallest loss",
    "Learning-rate range test of {count} steps. {said}.",
    "forward",
    "backward",
    "time (ms)",
    "the {shown} slowest of {count} ops",
    "FLOP for each byte moved",
    "speed (GFLOP/s)",
    "{op} takes {share} of the ops' time",
    "first\ndevice",
    "second\ndevice",
    "to the second device",
    "to the first device",
    "within a device",
    "height: square root of the side; depth: number of maps; arrow: square root of bytes",
    "microseconds a step, estimated, not measured",
    "{title}: {total} ms and {count} nodes on {gpu}",
)


def said(text: str) -> str:
    """Return a text of a figure, or its description, in the reader's language."""
    if language() == "en":
        return str(text)
    for template, pattern in _patterns():
        found = pattern.fullmatch(text)
        if found is None:
            continue
        return phrase(template, **{name: said(part) for name, part in found.groupdict().items()})
    name, colon, rest = text.partition(": ")
    return f"{said(name)}: {said(rest)}" if colon else str(text)


@functools.cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Return each template with the pattern of its texts."""
    return [(template, _pattern(template)) for template in TEXTS]


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    parts[::2] = map(re.escape, parts[::2])
    parts[1::2] = [f"(?P<{name}>.+?)" for name in parts[1::2]]
    return re.compile("".join(parts))
