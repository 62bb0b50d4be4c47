"""PyTorch versions of the networks: the same weights give the same scores as tinynet's."""

import importlib.util

import numpy as np
import pytest

import tinynet as tn
from tinynet import models
from tinynet.testing import tolerance

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch, the oracle, is not installed"
)
NAMES = [
    *("cifar-quick", "cifar-18pct-lrn", "nin", "resnet-20", "small-zfnet", "small-vgg", "demo"),
    *("small-googlenet", "small-nin", "small-resnet", "small-densenet", "small-inception-v4"),
    "small-se-resnet",
]  # not small-alexnet: its second normalization has groups, PyTorch's has none


@pytest.mark.parametrize("name", NAMES)
def test_the_pytorch_version_computes_the_same(name, rng):
    import torch

    from benchmarks.torch_models import to_torch

    ours = models.build(name, 10).to(np.float64)
    theirs = to_torch(ours).double()
    for module in [*(m for _, m in ours.named_modules()), *theirs.modules()]:
        if type(module).__name__ == "Dropout":
            module.p = 0.0  # each has random masks of its own
    mine, parameters = ours.parameters(), list(theirs.parameters())
    assert [p.shape for p in mine] == [tuple(p.shape) for p in parameters]
    for p in mine:  # weights of 1e-4, as published, would hide a normalization
        p.data[...] = rng.standard_normal(p.shape) / np.sqrt(p.data[0].size)
    for p, q in zip(mine, parameters, strict=True):
        q.data = torch.from_numpy(p.numpy().copy())
    x = rng.standard_normal((2, *models.INPUT_SHAPES[name]))
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    longest = max(p.data.size // len(p.data) for p in mine)  # the terms of a sum
    allowed = len(mine) * tolerance(longest, np.float64) * np.abs(expected).max()
    assert ours(tn.tensor(x)).numpy() == pytest.approx(expected, rel=0, abs=allowed)


def test_a_layer_without_pytorch_version_is_named():
    from benchmarks.torch_models import to_torch

    with pytest.raises(SystemExit, match="LocallyConnected2d has no PyTorch version"):
        to_torch(models.build("cifar-13pct", 10))
