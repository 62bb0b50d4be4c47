"""The parts of the descendants: gradients by the judge, values by PyTorch where it is installed."""

import importlib.util

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import models, nn
from tinynet.models.conv_bn_relu import ConvBNReLU
from tinynet.models.densenet import DenseLayer, Transition
from tinynet.models.googlenet import Inception
from tinynet.models.inception_v4 import Builder
from tinynet.models.resnet import BasicBlock, Bottleneck, SqueezeExcitation, cifar_resnet
from tinynet.testing import check_layer, tolerance
from tinynet.testing.compare import difference, scale_of

WIDTHS = (2, 1, 3, 1, 2, 1)
BLOCKS = {  # what makes it, and the shape of its input
    "ConvBNReLU": (lambda: ConvBNReLU(2, 3, (1, 3), stride=2), (3, 2, 5, 4)),
    "Inception of the paper": (lambda: Inception(3, WIDTHS, torchvision=False), (2, 3, 5, 4)),
    "Inception of torchvision": (lambda: Inception(3, WIDTHS, torchvision=True), (2, 3, 5, 4)),
    "BasicBlock": (lambda: BasicBlock(3, 3, 1, squeeze=False), (2, 3, 5, 4)),
    "BasicBlock, stride 2": (lambda: BasicBlock(3, 4, 2, squeeze=False), (2, 3, 5, 4)),
    "Bottleneck": (lambda: Bottleneck(8, 2, 1, squeeze=False), (2, 8, 3, 4)),
    "Bottleneck, stride 2": (lambda: Bottleneck(4, 2, 2, squeeze=False), (2, 4, 5, 4)),
    "DenseLayer": (lambda: DenseLayer(3, 2), (2, 3, 5, 4)),
    "Transition": (lambda: Transition(4), (2, 4, 5, 4)),
}
OURS = {  # PyTorch has nothing to hold against them but the same sums again
    "SqueezeExcitation": (lambda: SqueezeExcitation(4, 2), (2, 4, 3, 2)),
    "Bottleneck, squeezed": (lambda: Bottleneck(4, 4, 2, squeeze=True), (2, 4, 5, 4)),
    "a residual net for CIFAR": (lambda: cifar_resnet(8, width=2), (2, 3, 8, 8)),
    "Inception-v4 C": (lambda: Builder(64).c(), (2, 24, 3, 3)),
    "Inception-v4 reduction A": (lambda: Builder(64).reduce_a(), (2, 6, 5, 5)),
}


@pytest.mark.parametrize(("make", "shape"), {**BLOCKS, **OURS}.values(), ids={**BLOCKS, **OURS})
def test_a_block_is_right(make, shape, rng):
    block = make()
    for p in block.parameters():  # biases of 0 would leave dead pixels on the kink of a ReLU
        if len(p.shape) == 1:
            p.data += rng.uniform(-0.3, 0.3, p.shape).astype("f")
    check_layer(block, rng.standard_normal(shape))


def test_the_unit_after_2014_normalizes_with_a_larger_eps():
    unit = ConvBNReLU(3, 4, (1, 7))
    assert (unit.bn.eps, unit.conv.padding, unit.conv.bias) == (1e-3, ((0, 0), (3, 3)), None)


def test_a_bottleneck_moves_on_at_its_3x3_as_torchvisions_does():
    block = Bottleneck(4, 2, 2, squeeze=False)
    found = [conv.stride for conv in (block.conv1, block.conv2, block.conv3)]
    assert found == [(1, 1), (2, 2), (1, 1)]


def test_squeezing_multiplies_each_map_by_one_number(rng):
    x = rng.standard_normal((2, 4, 3, 2)).astype("f")
    ratio = SqueezeExcitation(4, 2)(tn.tensor(x)).data / x
    assert ((ratio > 0) & (ratio < 1)).all()
    assert ratio == pytest.approx(np.broadcast_to(ratio[:, :, :1, :1], x.shape), rel=1e-6)


def test_a_shortcut_without_weights_keeps_every_second_pixel(rng):
    """With branches of zeros a residual net for CIFAR is its stem, subsampled."""
    net = cifar_resnet(8, width=2).eval()
    for module in net:
        if isinstance(module, nn.Residual):
            module.body[4].weight.data *= 0  # the last batch normalization
    x = tn.tensor(rng.standard_normal((1, 3, 8, 8)).astype("f"))
    stem, last = nn.Sequential(*list(net)[:3])(x).data, nn.Sequential(*list(net)[:-2])(x).data
    assert last.shape == (1, 8, 2, 2)
    assert np.array_equal(last[:, :2], stem[:, :, ::4, ::4])
    assert not last[:, 2:].any()


@pytest.mark.parametrize("name", ["resnet-18", "googlenet-torchvision", "densenet-121"])
def test_a_large_net_sends_every_parameter_a_gradient(name, rng):
    net = models.build(name, 3)
    x = tn.tensor(rng.standard_normal((2, 3, 64, 64)).astype("f"))
    F.cross_entropy(net(x), np.array([0, 2])).backward()
    missing = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert missing == []


# the same blocks in PyTorch, by the same names

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch, the oracle, is not installed"
)


def leaf(module):
    """Return PyTorch's version of a layer, or of layers one after the other."""
    import torch

    from benchmarks import torch_models

    if isinstance(module, nn.Sequential) and type(module).__name__ not in forwards():
        return torch.nn.Sequential(*map(leaf, module))
    return twin(module) if type(module).__name__ in forwards() else torch_models.to_torch(module)


def forwards():
    """Return how each block joins its layers, written as PyTorch's users do."""
    from torch import cat, relu

    def conv_bn_relu(m, x):
        return relu(m.conv(x) if m.bn is None else m.bn(m.conv(x)))

    def bottleneck(m, x):
        y = relu(m.bn2(m.conv2(relu(m.bn1(m.conv1(x))))))
        return relu(m.bn3(m.conv3(y)) + (m.downsample(x) if m.downsample else x))

    def basic(m, x):
        y = m.bn2(m.conv2(relu(m.bn1(m.conv1(x)))))
        return relu(y + (m.downsample(x) if m.downsample else x))

    def dense(m, x):
        y = m.conv2(relu(m.norm2(m.conv1(relu(m.norm1(x))))))
        return cat([x, y], 1)

    return {
        "ConvBNReLU": conv_bn_relu,
        "Inception": lambda m, x: cat([m.branch1(x), m.branch2(x), m.branch3(x), m.branch4(x)], 1),
        "Bottleneck": bottleneck,
        "BasicBlock": basic,
        "DenseLayer": dense,
        "Transition": lambda m, x: m.pool(m.conv(relu(m.norm(x)))),
    }


def twin(module):
    """Return a PyTorch module with children of the same names."""
    import torch

    same = torch.nn.Module()
    for name, child in vars(module).items():
        if isinstance(child, nn.Module):
            same.add_module(name, leaf(child))
        elif child is None:
            setattr(same, name, None)
    join = forwards()[type(module).__name__]
    same.forward = lambda x: join(same, x)
    return same


@needs_torch
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("make", "shape"), BLOCKS.values(), ids=BLOCKS)
def test_a_block_computes_what_pytorch_computes(make, shape, training, rng):
    import torch

    ours, x = make().to(np.float64), rng.standard_normal(shape)
    for value in vars(ours).values():
        if isinstance(value, nn.BatchNorm2d):  # else the weights are ones and the biases zeros
            value.weight.data[...] = rng.standard_normal(value.weight.shape)
            value.running_mean.data[...] = rng.standard_normal(value.weight.shape)
    theirs = twin(ours).double().train(training)
    state = {name: torch.tensor(value) for name, value in ours.train(training).state_dict().items()}
    assert not theirs.load_state_dict(state, strict=False).unexpected_keys
    a, b = tn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = ours(a), theirs(b)
    gy = rng.standard_normal(y.shape)
    y.backward(gy)
    expected.backward(torch.tensor(gy))
    after = {k: v.numpy() for k, v in theirs.state_dict().items() if "tracked" not in k}
    pairs = [(y.data, expected.detach().numpy()), (a.grad, b.grad.numpy())]
    pairs += [(value, after[name]) for name, value in ours.state_dict().items()]
    for got, wanted in pairs:
        allowed = tolerance(1000, np.float64) * max(1, scale_of(wanted))
        assert difference(got, wanted, allowed) is None
