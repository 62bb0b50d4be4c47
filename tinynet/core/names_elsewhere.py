"""Names of other frameworks that `tinynet` and `tinynet.functions` lack: what to type instead."""

from __future__ import annotations

TYPES = ("float16", "float32", "float64", "int32", "int64", "uint8")
MADE = ("empty", "eye", "full", "linspace", "rand", "rand_like", "randint", "randperm")
SEEDS = ("manual_seed", "random_seed", "seed_everything", "set_seed")

TOP = {
    **dict.fromkeys(SEEDS, "tn.seed(0) begins the random numbers anew"),
    **{name: f"types are NumPy's: np.{name}" for name in TYPES},
    **dict.fromkeys(MADE, "NumPy makes the array: tn.tensor(np.eye(3))"),
    "autograd": "loss.backward() sets p.grad; an op of your own inherits from tn.Function",
    "compile": "kernels compile by themselves; tn.graph(step) records a step and replays it",
    "concat": "it is called tn.cat, or tn.concatenate",
    "cuda": 'tn.default_device() says what is there, x.to("cuda") moves a tensor',
    "device": 'a device is a text, as in x.to("cuda:0"), or a tn.Device("cuda:0")',
    "enable_grad": "gradients are on, except within `with tn.no_grad():`",
    "inference_mode": "write `with tn.no_grad():`",
    "jit": "kernels compile by themselves; tn.graph(step) records a step and replays it",
    "save_model": "it is called tn.save(model, path)",
    "set_grad_enabled": "write `with tn.no_grad():`",
    "utils": "the loader is tn.data.DataLoader",
    "where": "a choice by a mask is mask * x + (1 - mask) * y, with mask = tn.tensor(x.data > 0)",
}
"""Of `tinynet`. What another public module has is found there."""

ABSENT = "it is left out on purpose. There are F.relu, F.tanh and F.sigmoid"

FUNCTIONS = {
    **dict.fromkeys(("elu", "gelu", "hardswish", "leaky_relu", "silu", "softplus"), ABSENT),
    "binary_cross_entropy": "two classes are F.cross_entropy with two scores",
    "binary_cross_entropy_with_logits": "two classes are F.cross_entropy with two scores",
    "cat": "it is called F.concatenate",
    "clamp": "it is called F.clip",
    "interpolate": "data.Resize resizes images, before they are tensors",
    "mse_loss": "it is a module: nn.MSELoss()(x, y)",
    "nll_loss": "F.cross_entropy takes plain scores",
    "one_hot": "F.cross_entropy takes integers; one-hot rows are np.eye(classes)[labels]",
    "permute": "it is called F.transpose",
    "view": "it is called F.reshape",
}
"""Of `tinynet.functions`."""


def message(module: str, name: str, known: dict[str, str], otherwise: str = "") -> str:
    """Return the message of an AttributeError about a name that a module does not have.

    Examples
    --------
    >>> message("tinynet", "concat", TOP)
    "module 'tinynet' has no attribute 'concat': it is called tn.cat, or tn.concatenate."
    """
    here = known.get(name, otherwise)
    return f"module {module!r} has no attribute {name!r}{f': {here}' if here else ''}."
