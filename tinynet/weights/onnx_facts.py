"""Metadata of an ONNX file, and nodes beside the network: preprocessing and softmax.

The facts are strings in `metadata_props`:

    input_shape    [3, 32, 32]: channels, height, width of an image
    channels       "RGB"
    value_range    "0..255", or "normalized" if the preprocessing is left out
    mean, std      of each channel, or "a mean image": what is subtracted and divided by
    preprocessing  "included" or "not included"
    output         "scores" or "probabilities"
    classes        names in the order of the output
    conventions    of the network, as in the other weight files: see `conventions`

`doc_string` says the same in sentences.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tinynet import nn
from tinynet.core.errors import DataError
from tinynet.data import Normalize
from tinynet.weights import conventions
from tinynet.weights.onnx_writer import Writer

INPUT = "images"
CHANNELS = {1: "gray", 3: "RGB"}


@dataclass(frozen=True)
class Facts:
    """What `save_onnx` is told beside the network.

    Parameters
    ----------
    normalize : Normalize or None
        How the images of the training were prepared.
    include : bool
        Whether the file prepares them itself.
    softmax : bool
        Whether the file returns probabilities.
    classes : sequence of str
        Names, in the order of the scores.
    metadata : dict of str to str
        Further facts.
    """

    normalize: Normalize | None = None
    include: bool = True
    softmax: bool = False
    classes: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """The name of the result."""
        return "probabilities" if self.softmax else "scores"

    @property
    def prepares(self) -> bool:
        """Whether the file holds the preprocessing."""
        return self.normalize is not None and self.include

    def begin(self, w: Writer, image: tuple[int, ...]) -> str:
        """Write the preprocessing of images (C, H, W); return the name of its result."""
        if self.normalize is None or not self.include:
            return INPUT
        mean = self.normalize.mean_for(*image[1:])
        if not {len(mean), len(self.normalize.std)} <= {1, image[0]}:
            raise DataError(
                f"ONNX: the preprocessing is for {len(mean)} channels, the images are {image}."
            )
        x = w.add("Sub", INPUT, w.constant(mean, "preprocessing.mean"))
        if (self.normalize.std != 1).any():
            x = w.add("Div", x, w.constant(self.normalize.std, "preprocessing.std"))
        return x

    def end(self, w: Writer, scores: str, shape: tuple[int, ...]) -> str:
        """Write the softmax over classes; return the name of its result."""
        if self.classes and shape[:1] != (len(self.classes),):
            raise DataError(
                f"ONNX: {len(self.classes)} names of classes are given, and the scores of an image "
                f"are {shape}."
            )
        return w.add("Softmax", scores, axis=1) if self.softmax else scores

    def properties(self, model: nn.Module, image: tuple[int, ...]) -> dict[str, str]:
        """Return the metadata of a file."""
        found = {
            "input_shape": json.dumps(image),
            "output": self.output,
            conventions.KEY: conventions.of_model(model).json(),
            **self._values(image),
        }
        if image[0] in CHANNELS and len(image) == 3:
            found["channels"] = CHANNELS[image[0]]
        if self.classes:
            found["classes"] = json.dumps(list(self.classes))
        return {**found, **self.metadata}

    def _values(self, image: tuple[int, ...]) -> dict[str, str]:
        """Return what the metadata say of the values of images."""
        if self.normalize is None:
            return {}
        mean = self.normalize.mean_for(*image[1:])
        shown = "a mean image" if mean.shape[1:] != (1, 1) else _numbers(mean)
        return {
            "preprocessing": "included" if self.include else "not included",
            "value_range": "0..255" if self.include else "normalized",
            "mean": shown,
            "std": _numbers(self.normalize.std),
        }

    def doc(self, model: nn.Module, image: tuple[int, ...]) -> str:
        """Return the description of a file."""
        sizes = "x".join(map(str, image))
        lines = [f"{INPUT}: float32, batch x {sizes}{self._prepared(image)}."]
        lines.append(
            f"{self.output}: softmax of the scores of the classes."
            if self.softmax
            else f"{self.output}: before softmax; the largest is the class."
        )
        if any(isinstance(layer, nn.LocalResponseNorm) for layer in model.modules()):
            lines.append(
                "LRN: ONNX divides alpha by the size of the window; the alpha of the paper, which "
                "multiplies the sum of squares, is alpha / size."
            )
        return " ".join(lines)

    def _prepared(self, image: tuple[int, ...]) -> str:
        """Return the part of a sentence that says which values the file takes."""
        order = f", {CHANNELS[image[0]]}" if len(image) == 3 and image[0] in CHANNELS else ""
        if self.normalize is None:
            return order
        if self.include:
            return (
                f"{order}, values 0..255 as in an image file; the first nodes subtract the mean "
                "of the training images and divide by their deviation"
            )
        return f"{order}, normalized: (value in 0..255 - mean) / std, see the metadata"


def _numbers(values: object) -> str:
    """Return an array as a JSON list of numbers that keep float32."""
    return json.dumps([float(str(x)) for x in np.asarray(values, np.float32).ravel()])
