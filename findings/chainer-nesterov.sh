#!/usr/bin/env bash
# Chainer's NesterovAG applies the momentum to the velocity that it has just updated.
#
# Nesterov's rule in the form of Bengio et al. 2012 (arXiv 1212.0901, equation 7), which Chainer's
# documentation names, is, with the velocity v from before the step,
#     w += momentum ** 2 * v - (1 + momentum) * lr * g        then   v = momentum * v - lr * g
# which equals w += momentum * v - lr * g with the new v: the rule of PyTorch and Keras, up to where the
# rate stands. Chainer updates v first and then uses the first line, with the new v. So a step with a
# constant gradient g is momentum ** 2 + momentum + 1 times lr * g where 1 + momentum is right, from the
# first step on: 2.71 instead of 1.9 at momentum 0.9.
#
# Seen on 2026-11-29 with chainer 7.8.1, numpy 1.23.5, Python 3.11. Exits with 0 while it is so.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "setuptools<70" wheel
"$folder/venv/bin/pip" install --quiet --no-build-isolation chainer==7.8.1 numpy==1.23.5

"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys

import chainer
import numpy as np

LR, MOMENTUM, STEPS = 0.1, 0.9, 5


def chainers():
    """Return the weight after each step with gradient 1, beginning with 0."""
    link = chainer.Link()
    with link.init_scope():
        link.w = chainer.Parameter(np.zeros(1, np.float64))
    optimizer = chainer.optimizers.NesterovAG(lr=LR, momentum=MOMENTUM).setup(link)
    found = []
    for _ in range(STEPS):
        link.w.grad = np.ones(1)
        optimizer.update()
        found.append(float(link.w.array[0]))
    return found


def rule(velocity_first):
    """Return the same by equation 7, with the old velocity or with the new one."""
    w = v = 0.0
    found = []
    for _ in range(STEPS):
        old, v = v, MOMENTUM * v - LR
        w += MOMENTUM**2 * (v if velocity_first else old) - (1 + MOMENTUM) * LR
        found.append(w)
    return found


found, right, mixed = chainers(), rule(False), rule(True)
print("chainer", chainer.__version__, "numpy", np.__version__)
print("NesterovAG:                  ", *(f"{w:.4f}" for w in found))
print("equation 7:                  ", *(f"{w:.4f}" for w in right))
print("equation 7, velocity updated:", *(f"{w:.4f}" for w in mixed))
as_seen = np.allclose(found, mixed, rtol=1e-6) and not np.allclose(found, right, rtol=1e-2)
print("as seen" if as_seen else "changed")
sys.exit(not as_seen)
PYTHON
