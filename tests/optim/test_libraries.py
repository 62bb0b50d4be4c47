"""Settings that reproduce the optimizers of other libraries, against the weights they computed."""

import numpy as np
import pytest

from benchmarks.optimizer_libraries import (
    DECAY,
    EPS,
    GRADIENTS,
    MOMENTUM,
    RATES,
    START,
    torch_rows,
)
from optim.library_weights import WEIGHTS
from tinynet import nn, optim

SGD = optim.SGD, {"momentum": MOMENTUM}
NESTEROV = optim.SGD, {"momentum": MOMENTUM, "nesterov": True}
ADAM = optim.Adam, {"eps": EPS}
ADAMW = optim.AdamW, {"eps": EPS, "weight_decay": DECAY}


def by(kind, **settings):
    make, given = kind
    return make, {**given, **settings}


TORCH = by(SGD, rule="torch")
TORCH_NESTEROV = by(NESTEROV, rule="torch")
UNCORRECTED = by(ADAM, uncorrected_eps=True)
KERAS_ADAMW = by(ADAMW, uncorrected_eps=True)
OURS = {
    ("torch", "SGD"): by(TORCH, weight_decay=DECAY),
    ("torch", "SGD nesterov"): by(TORCH_NESTEROV, weight_decay=DECAY),
    ("torch", "Adam"): by(ADAM, weight_decay=DECAY),
    ("torch", "AdamW"): ADAMW,
    ("keras", "SGD"): SGD,
    ("keras", "SGD nesterov"): NESTEROV,
    ("keras", "SGD weight_decay"): by(SGD, weight_decay=DECAY, decoupled_weight_decay=True),
    ("keras", "Adam"): UNCORRECTED,
    ("keras", "Adam weight_decay"): by(
        UNCORRECTED, weight_decay=DECAY, decoupled_weight_decay=True
    ),
    ("keras", "AdamW"): KERAS_ADAMW,
    ("tensorflow-cpu", "Momentum"): TORCH,
    ("tensorflow-cpu", "Momentum nesterov"): TORCH_NESTEROV,
    ("tensorflow-cpu", "Adam"): UNCORRECTED,
    ("optax", "sgd"): by(TORCH, weight_decay=DECAY),
    ("optax", "sgd nesterov"): by(TORCH_NESTEROV, weight_decay=DECAY),
    ("optax", "adam"): ADAM,
    ("optax", "adamw"): ADAMW,
    ("mlx", "SGD"): by(TORCH, weight_decay=DECAY),
    ("mlx", "SGD nesterov"): by(TORCH_NESTEROV, weight_decay=DECAY),
    ("mlx", "Adam"): by(ADAM, bias_correction=False),
    ("mlx", "Adam bias_correction"): ADAM,
    ("mlx", "AdamW"): by(ADAMW, bias_correction=False),
    ("mlx", "AdamW bias_correction"): ADAMW,
    ("paddlepaddle", "Momentum"): by(TORCH, weight_decay=DECAY),
    ("paddlepaddle", "Momentum nesterov"): by(TORCH_NESTEROV, weight_decay=DECAY),
    ("paddlepaddle", "Adam"): ADAM,
    ("paddlepaddle", "AdamW"): ADAMW,
    ("tinygrad", "SGD"): by(TORCH, weight_decay=DECAY),
    ("tinygrad", "SGD nesterov"): by(TORCH_NESTEROV, weight_decay=DECAY),
    ("tinygrad", "SGD classic"): by(SGD, weight_decay=DECAY),
    ("tinygrad", "SGD classic nesterov"): by(NESTEROV, weight_decay=DECAY),
    ("tinygrad", "Adam"): ADAM,
    ("tinygrad", "AdamW"): ADAMW,
    ("mxnet", "SGD"): by(SGD, weight_decay=DECAY),
    ("mxnet", "NAG"): NESTEROV,
    ("mxnet", "Adam"): by(UNCORRECTED, weight_decay=DECAY),
    ("chainer", "MomentumSGD"): SGD,
    ("chainer", "Adam"): UNCORRECTED,
    ("dezero", "MomentumSGD"): SGD,
    ("dezero", "Adam"): UNCORRECTED,
}
NONE = {("chainer", "NesterovAG")}  # it multiplies the new velocity by momentum twice

STORED = {(name.split()[0], setting): w for (name, setting), w in WEIGHTS.items()}
TOLERANCE = 32 * np.finfo(np.float32).eps * abs(START).max()  # ten updates of a few roundings


def ours(make, settings):
    """Return the weights after ten updates."""
    p = nn.Parameter(START.copy())
    optimizer = make([p], lr=RATES[0], **settings)
    for optimizer.lr, gradient in zip(RATES, GRADIENTS, strict=True):
        p.grad = gradient.copy()
        optimizer.step()
    return p.data


@pytest.fixture(scope="module")
def computed():
    return {row: ours(*setting) for row, setting in OURS.items()}


@pytest.mark.parametrize("row", OURS, ids=" ".join)
def test_these_settings_reproduce_the_library(row, computed):
    assert abs(computed[row] - STORED[row]).max() < TOLERANCE


def test_no_other_setting_does(computed):
    """So that a table of settings means something: all others are far away."""
    for row, weights in STORED.items():
        for other, mine in computed.items():
            if row in NONE or OURS[row] != OURS[other]:
                same = row not in NONE and abs(mine - computed[row]).max() == 0
                assert same or abs(mine - weights).max() > 100 * TOLERANCE, (row, other)


def test_each_stored_row_is_explained():
    assert STORED.keys() == OURS.keys() | NONE


def test_pytorch_computes_the_stored_weights():
    pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    for setting, weights in torch_rows().items():
        np.testing.assert_allclose(weights(), STORED["torch", setting], rtol=0, atol=TOLERANCE)
