"""tinynet is AlexNet from scratch: a small deep-learning framework to read, run and learn from.

>>> import tinynet as tn
>>> from tinynet import functions as F, nn, optim, data

The public names load when they are first used, so ``import tinynet`` itself costs nearly nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinynet import (
        data,
        functions,
        inspection,
        kernels,
        models,
        nn,
        optim,
        plot,
        testing,
        weights,
    )
    from tinynet.analysis.summary import summary
    from tinynet.analysis.trace import trace
    from tinynet.core import random
    from tinynet.core.autograd import Function
    from tinynet.core.backend import Device, default_device
    from tinynet.core.errors import CaptureError, DataError, DeviceError, GraphError, ShapeError
    from tinynet.core.grad_mode import no_grad
    from tinynet.core.random import seed
    from tinynet.functions.shape import cat, concatenate, stack
    from tinynet.graph_capture import graph
    from tinynet.kernels import get_num_threads, precision, set_num_threads
    from tinynet.optim import schedules
    from tinynet.reports.run_page import report
    from tinynet.tensors import (
        Tensor,
        arange,
        from_numpy,
        ones,
        ones_like,
        randn,
        tensor,
        zeros,
        zeros_like,
    )
    from tinynet.training.evaluation import evaluate, predict
    from tinynet.training.loop import State, fit
    from tinynet.training.lr_find import lr_find
    from tinynet.training.resumption import load_checkpoint, save_checkpoint
    from tinynet.weights import load, save
else:  # at run time

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used."""
        if name not in _HOME:
            raise AttributeError(_on_unknown(name))
        home = importlib.import_module(f"tinynet.{_HOME[name]}")
        value = getattr(home, name, home)  # a name without a definition in its home is the module
        globals()[name] = value
        return value


def _on_unknown(name: str) -> str:
    """Return the message about a name that is not here."""
    from tinynet.core import names_elsewhere

    otherwise = "dir(tinynet) lists the public names"
    for home in () if name.startswith("_") else ("functions", "nn", "optim", "data"):
        if name in importlib.import_module(f"tinynet.{home}").__all__:
            otherwise = f"it is tn.{home}.{name}"
            break
    return names_elsewhere.message("tinynet", name, names_elsewhere.TOP, otherwise)


__version__ = "0.2.0"

_HOME = {  # public name: the module of tinynet that defines it, or that it is
    "CaptureError": "core.errors",
    "DataError": "core.errors",
    "Device": "core.backend",
    "DeviceError": "core.errors",
    "Function": "core.autograd",
    "GraphError": "core.errors",
    "ShapeError": "core.errors",
    "State": "training.loop",
    "Tensor": "tensors",
    "arange": "tensors",
    "cat": "functions.shape",
    "concatenate": "functions.shape",
    "data": "data",
    "default_device": "core.backend",
    "evaluate": "training.evaluation",
    "fit": "training.loop",
    "from_numpy": "tensors",
    "functions": "functions",
    "get_num_threads": "kernels",
    "graph": "graph_capture",
    "inspection": "inspection",
    "kernels": "kernels",
    "load": "weights",
    "load_checkpoint": "training.resumption",
    "lr_find": "training.lr_find",
    "models": "models",
    "nn": "nn",
    "no_grad": "core.grad_mode",
    "ones": "tensors",
    "ones_like": "tensors",
    "optim": "optim",
    "plot": "plot",
    "precision": "kernels",
    "predict": "training.evaluation",
    "randn": "tensors",
    "random": "core.random",
    "report": "reports.run_page",
    "save": "weights",
    "save_checkpoint": "training.resumption",
    "schedules": "optim.schedules",
    "seed": "core.random",
    "set_num_threads": "kernels",
    "stack": "functions.shape",
    "summary": "analysis.summary",
    "tensor": "tensors",
    "testing": "testing",
    "trace": "analysis.trace",
    "weights": "weights",
    "zeros": "tensors",
    "zeros_like": "tensors",
}

__all__ = [
    "CaptureError",
    "DataError",
    "Device",
    "DeviceError",
    "Function",
    "GraphError",
    "ShapeError",
    "State",
    "Tensor",
    "__version__",
    "arange",
    "cat",
    "concatenate",
    "data",
    "default_device",
    "evaluate",
    "fit",
    "from_numpy",
    "functions",
    "get_num_threads",
    "graph",
    "inspection",
    "kernels",
    "load",
    "load_checkpoint",
    "lr_find",
    "models",
    "nn",
    "no_grad",
    "ones",
    "ones_like",
    "optim",
    "plot",
    "precision",
    "predict",
    "randn",
    "random",
    "report",
    "save",
    "save_checkpoint",
    "schedules",
    "seed",
    "set_num_threads",
    "stack",
    "summary",
    "tensor",
    "testing",
    "trace",
    "weights",
    "zeros",
    "zeros_like",
]


def __dir__() -> list[str]:
    return sorted(__all__)
