"""Guidance for users of other frameworks: their names, and what to type here instead."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

P = ParamSpec("P")

ABSENT = (
    "tinynet has the layers of convolutional networks up to 2017; this one is left out on purpose"
)

LAYERS = {  # a name of PyTorch or Keras: the sentence about it
    "AvgPool1d": f"{ABSENT}. nn.AvgPool2d pools images",
    "AlphaDropout": f"{ABSENT}. There is nn.Dropout",
    "Activation": "nn.ReLU, nn.Tanh and nn.Sigmoid are layers of their own",
    "AdaptiveMaxPool2d": f"{ABSENT}. There is nn.AdaptiveAvgPool2d",
    "BCELoss": "two classes are nn.CrossEntropyLoss with two scores",
    "BCEWithLogitsLoss": "two classes are nn.CrossEntropyLoss with two scores",
    "BatchNorm1d": f"{ABSENT}. There is nn.BatchNorm2d for (N, C, H, W)",
    "BatchNormalization": "nn.BatchNorm2d(num_features) is its name here",
    "Conv1d": f"{ABSENT}. A sequence is an image of height 1: nn.Conv2d with (1, k)",
    "Conv2D": "nn.Conv2d(in_channels, out_channels, kernel_size) is its name here",
    "Conv3d": f"{ABSENT}. There is nn.Conv2d",
    "ConvTranspose2d": f"{ABSENT}. There is nn.Conv2d",
    "Dense": "nn.Linear(in_features, out_features) is its name here",
    "Dropout2d": f"{ABSENT}. There is nn.Dropout",
    "ELU": f"{ABSENT}. There are nn.ReLU, nn.Tanh and nn.Sigmoid",
    "Embedding": f"{ABSENT}. A table of rows: weight[indices] is differentiable",
    "GELU": f"{ABSENT}. There are nn.ReLU, nn.Tanh and nn.Sigmoid",
    "GRU": f"{ABSENT}. Write a nn.Module with a loop over time",
    "GlobalAveragePooling2D": "nn.GlobalAvgPool2d() is its name here",
    "GroupNorm": f"{ABSENT}. There are nn.BatchNorm2d and nn.LocalResponseNorm",
    "InstanceNorm2d": f"{ABSENT}. There are nn.BatchNorm2d and nn.LocalResponseNorm",
    "L1Loss": f"{ABSENT}. There are nn.MSELoss and nn.CrossEntropyLoss",
    "LSTM": f"{ABSENT}. Write a nn.Module with a loop over time",
    "LayerNorm": f"{ABSENT}. There are nn.BatchNorm2d and nn.LocalResponseNorm",
    "LazyConv2d": "sizes are not inferred: nn.Conv2d(in_channels, out_channels, kernel_size)",
    "LazyLinear": "sizes are not inferred: nn.Linear(in_features, out_features)",
    "LeakyReLU": f"{ABSENT}. There are nn.ReLU, nn.Tanh and nn.Sigmoid",
    "LogSoftmax": "F.log_softmax(x, axis=1) is the function; F.cross_entropy takes plain scores",
    "MaxPool1d": f"{ABSENT}. nn.MaxPool2d pools images",
    "MaxPooling2D": "nn.MaxPool2d(kernel_size, stride) is its name here",
    "ModuleDict": "a plain dict of layers is searched: self.branches = {'left': layer}",
    "ModuleList": "a plain list of layers is searched: self.layers = [layer, layer]",
    "MultiheadAttention": f"{ABSENT}. Write a nn.Module with F.softmax and @",
    "NLLLoss": "nn.CrossEntropyLoss takes plain scores",
    "PReLU": f"{ABSENT}. There are nn.ReLU, nn.Tanh and nn.Sigmoid",
    "ParameterList": "a plain list of parameters is searched: self.weights = [nn.Parameter(...)]",
    "ReLU6": f"{ABSENT}. There are nn.ReLU, nn.Tanh and nn.Sigmoid",
    "RNN": f"{ABSENT}. Write a nn.Module with a loop over time",
    "SiLU": f"{ABSENT}. There are nn.ReLU, nn.Tanh and nn.Sigmoid",
    "Transformer": f"{ABSENT}. Write a nn.Module with F.softmax and @",
    "Upsample": f"{ABSENT}. There are the pooling layers",
    "ZeroPad2d": "F.pad(x, widths) is the function; nn.Conv2d and the pooling layers take padding",
    "functional": "the functions are in tinynet.functions: from tinynet import functions as F",
    "parallel": "several processes are in tinynet.distributed",
    "utils": "fusing, pruning and clipping of torch.nn.utils are not here",
}

METHODS = {  # a name of other frameworks' models: what to type here
    "add": "model.append(layer)",
    "add_module": 'model.name = layer, or setattr(model, "name", layer)',
    "compile": "tn.fit(model, optimizer, train, test, epochs=...)",
    "count_params": "sum(p.size for p in model.parameters()), or tn.summary(model, input_shape)",
    "cpu": 'model.to("cpu")',
    "cuda": 'model.to("cuda")',
    "double": "model.to(np.float64)",
    "evaluate": "tn.evaluate(model, test)",
    "fit": "tn.fit(model, optimizer, train, test, epochs=...)",
    "forward": "def forward(self, x): ..., which every network defines",
    "float": "model.to(np.float32)",
    "half": "model.to(np.float16)",
    "insert": "nn.Sequential(*model[:i], layer, *model[i:])",
    "layers": "model.children()",
    "load": 'tn.load(model, "net.safetensors")',
    "load_weights": 'tn.load(model, "net.safetensors")',
    "params": "model.parameters()",
    "pop": "model[:-1], which is without the last layer",
    "predict": "tn.predict(model, images)",
    "register_buffer": "self.name = nn.Buffer(array)",
    "register_forward_hook": "with nn.observe(lambda module, x, y: ...):",
    "register_module": "self.name = layer",
    "register_parameter": "self.name = nn.Parameter(array)",
    "save": 'tn.save(model, "net.safetensors")',
    "save_weights": 'tn.save(model, "net.safetensors")',
    "trainable": "model.freeze() and model.unfreeze()",
    "weights": "model.parameters(), or model.state_dict()",
    "zero_gradients": "model.zero_grad()",
    "cleargrads": "model.zero_grad()",
}

ARGUMENTS = {
    "inplace": "nothing is computed in place here; leave it out",
    "device": 'move the layer: layer.to("cuda")',
    "dtype": "change the layer: layer.to(np.float64)",
    "dim": "axes are called axis, as in NumPy",
    "bias": "this layer has no bias",
}


def on_layer(name: str) -> str:
    """Return the message of an AttributeError about a name that `tinynet.nn` does not have."""
    known = f": {LAYERS[name]}." if name in LAYERS else ""
    return f"module 'tinynet.nn' has no attribute {name!r}{known}"


def on_method(name: str) -> str:
    """Return the end of the message about a method that modules do not have."""
    return f". Here it is: {METHODS[name]}" if name in METHODS else ""


def on_argument(named: Mapping[str, Any]) -> str:
    """Return a sentence about the first argument that is known from another framework."""
    for name in named:
        if name in ARGUMENTS:
            sentence = ARGUMENTS[name]
            return f" {sentence[0].upper()}{sentence[1:]}."
    return ""


def call_as(way_out: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Return a decorator of ``__init__``: a call with wrong arguments says how to call it.

    Parameters
    ----------
    way_out : str
        The end of the message, after Python's own sentence about the arguments.

    Examples
    --------
    >>> from tinynet import nn
    >>> nn.Linear(10)
    Traceback (most recent call last):
    TypeError: Linear: missing a required argument: 'out_features'. Write Linear(in_features, ...
    """

    def decorate(init: Callable[P, None]) -> Callable[P, None]:
        signature = inspect.signature(init)

        @functools.wraps(init)
        def checked(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                layer = type(args[0]).__name__
                raise TypeError(f"{layer}: {error}. {way_out}{on_argument(kwargs)}") from None
            init(*args, **kwargs)

        return checked

    return decorate
