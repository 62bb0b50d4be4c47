"""Initial weights of AlexNet and its variants: normal, PyTorch's uniform, Glorot's uniform."""

from __future__ import annotations

import dataclasses
import math

from tinynet import nn
from tinynet.nn import init


def layers_with_weights(model: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """Return the convolutions and the fully connected layers, first layer first."""
    return [m for _, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]


@dataclasses.dataclass(frozen=True)
class Normal:
    """Weights from N(0, std**2): section 5 of the paper.

    Parameters
    ----------
    stds : standard deviation of each layer's weights, first layer first
    bias : value of the biases in conv2, conv4, conv5 and the hidden layers; the others are 0
    """

    stds: tuple[float, ...]
    bias: float

    def draw(self, model: nn.Module) -> None:
        """Set all weights and biases of an AlexNet."""
        layers = layers_with_weights(model)
        hidden = range(5, len(layers) - 1)
        with_bias = {1, 3, 4, *hidden}  # conv2, conv4, conv5, fc6, ...
        for i, (layer, std) in enumerate(zip(layers, self.stds, strict=True)):
            init.set_normal(layer.weight, std)
            if layer.bias is not None:
                init.set_constant(layer.bias, self.bias if i in with_bias else 0.0)


@dataclasses.dataclass(frozen=True)
class PyTorchUniform:
    """Weights and biases between -b and b, where b = 1 / sqrt(fan_in): PyTorch's layers."""

    def draw(self, model: nn.Module) -> None:
        """Set all weights and biases of an AlexNet."""
        for layer in layers_with_weights(model):
            bound = 1 / math.sqrt(math.prod(layer.weight.shape[1:]))
            init.set_uniform(layer.weight, bound)
            if layer.bias is not None:
                init.set_uniform(layer.bias, bound)


@dataclasses.dataclass(frozen=True)
class GlorotUniform:
    """Weights between -b and b, where b = sqrt(6 / (fan_in + fan_out)), biases 0: Keras's layers.

    Glorot and Bengio 2010, equation 16.
    """

    def draw(self, model: nn.Module) -> None:
        """Set all weights and biases of an AlexNet."""
        for layer in layers_with_weights(model):
            outputs, inputs, *window = layer.weight.shape
            fans = math.prod(window) * (inputs + outputs)
            init.set_uniform(layer.weight, math.sqrt(6 / fans))
            if layer.bias is not None:
                init.set_constant(layer.bias, 0.0)


InitialWeights = Normal | PyTorchUniform | GlorotUniform
