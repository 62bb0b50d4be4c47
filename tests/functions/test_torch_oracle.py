"""A second opinion, where torch is installed: PyTorch computes the same, forward and backward."""

import functools
import itertools

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import models, nn, optim
from tinynet.core.errors import ShapeError
from tinynet.functions.conv import split_conv2d
from tinynet.functions.matmul import layer_linear
from tinynet.testing import tolerance
from tinynet.testing.compare import difference, scale_of

torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
TF = torch.nn.functional
torch_models = pytest.importorskip(
    "benchmarks.torch_models", reason="tinynet is not a checkout here"
)


@pytest.fixture(autouse=True)
def _one_thread():
    """PyTorch's threads would wait for work where ours want to do theirs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def images(rng, *shape):
    return rng.standard_normal(shape)


def split_lrn(x, n, alpha, beta, k, groups):
    """Our LRN in PyTorch's terms: alpha times n, one group after the other."""
    parts = [TF.local_response_norm(h, n, alpha * n, beta, k) for h in x.chunk(groups, 1)]
    return torch.cat(parts, 1)


def filters_of_their_own(x, weight, bias):
    """Our locally_connected2d in PyTorch's terms, for a 3x2 window, stride (2, 1), padding 1."""
    OH, OW, OC = weight.shape[:3]
    columns = TF.unfold(x, (3, 2), padding=1, stride=(2, 1)).unflatten(2, (OH, OW))
    return torch.einsum("nkij,ijok->noij", columns, weight.reshape(OH, OW, OC, -1)) + bias


def spatial_norm(x):
    """Our spatial_response_norm in PyTorch's terms, for n=3, k=2, alpha=0.7, beta=0.75."""
    return x / (2 + 0.7 * 9 * TF.avg_pool2d(x * x, 3, 1, 1)) ** 0.75


X = (2, 6, 9, 7)
OPS = {
    "conv2d": (
        lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
        lambda x, w, b: TF.conv2d(x, w, b, (2, 1), (1, 2), (1, 2), 2),
        [X, (4, 3, 3, 2), (4,)],
    ),
    "conv2d without bias": (
        lambda x, w: F.conv2d(x, w, stride=3),
        lambda x, w: TF.conv2d(x, w, stride=3),
        [X, (4, 6, 2, 3)],
    ),
    "conv2d_relu": (
        lambda x, w, b: F.conv2d_relu(x, w, b, padding=1, groups=2),
        lambda x, w, b: TF.relu(TF.conv2d(x, w, b, padding=1, groups=2)),
        [X, (6, 3, 3, 2), (6,)],
    ),
    "split_conv2d": (
        lambda x, w, b: split_conv2d(x, w, b, stride=2, padding=1, relu=True),
        lambda x, w, b: TF.relu(TF.conv2d(x, w, b, stride=2, padding=1)),
        [X, (4, 6, 3, 2), (4,)],
    ),
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 2), lambda x: TF.max_pool2d(x, 3, 2), [X]),
    "max_pool2d_relu": (
        lambda x: F.max_pool2d_relu(x, 2, 2),
        lambda x: TF.relu(TF.max_pool2d(x, 2, 2)),
        [X],
    ),
    "max_pool2d, padding, ceil": (
        lambda x: F.max_pool2d(x, (3, 2), (2, 3), padding=1, ceil_mode=True),
        lambda x: TF.max_pool2d(x, (3, 2), (2, 3), 1, ceil_mode=True),
        [X],
    ),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 3, 2), lambda x: TF.avg_pool2d(x, 3, 2), [X]),
    "avg_pool2d, padding, ceil": (
        lambda x: F.avg_pool2d(x, (3, 4), (2, 3), padding=(1, 2), ceil_mode=True),
        lambda x: TF.avg_pool2d(x, (3, 4), (2, 3), (1, 2), ceil_mode=True),
        [X],
    ),
    "avg_pool2d, padding not counted": (
        lambda x: F.avg_pool2d(x, 3, 2, padding=1, ceil_mode=True, count_include_pad=False),
        lambda x: TF.avg_pool2d(x, 3, 2, 1, True, False),
        [X],
    ),
    "global_avg_pool2d": (
        F.global_avg_pool2d,
        lambda x: TF.adaptive_avg_pool2d(x, 1)[:, :, 0, 0],
        [X],
    ),
    "adaptive_avg_pool2d": (
        lambda x: F.adaptive_avg_pool2d(x, (4, 5)),
        lambda x: TF.adaptive_avg_pool2d(x, (4, 5)),
        [X],
    ),
    "locally_connected2d": (
        lambda x, w, b: F.locally_connected2d(x, w, b, stride=(2, 1), padding=1),
        filters_of_their_own,
        [X, (5, 8, 4, 6, 3, 2), (4, 5, 8)],
    ),
    "spatial_response_norm": (
        lambda x: F.spatial_response_norm(x, 3, k=2.0, alpha=0.7, beta=0.75),
        spatial_norm,
        [X],
    ),
    "local_response_norm": (
        lambda x: F.local_response_norm(x, 5, k=2.0, alpha=0.7, beta=0.75),
        lambda x: split_lrn(x, 5, 0.7, 0.75, 2.0, 1),
        [X],
    ),
    "local_response_norm in groups": (
        lambda x: F.local_response_norm(x, 3, k=1.0, alpha=1.0, beta=0.5, groups=2),
        lambda x: split_lrn(x, 3, 1.0, 0.5, 1.0, 2),
        [X],
    ),
    "local_response_norm_max_pool2d": (
        lambda x: F.local_response_norm_max_pool2d(x, 3, 2, 1, n=3, k=1.0, alpha=1.0, groups=2),
        lambda x: TF.max_pool2d(split_lrn(x, 3, 1.0, 0.75, 1.0, 2), 3, 2, 1),
        [X],
    ),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, w, b, np.zeros(6), np.ones(6), training=True),
        lambda x, w, b: TF.batch_norm(x, None, None, w, b, True),
        [X, (6,), (6,)],
    ),
    "batch_norm_relu": (
        lambda x, w, b: F.batch_norm_relu(x, w, b, np.zeros(6), np.ones(6), training=True),
        lambda x, w, b: TF.relu(TF.batch_norm(x, None, None, w, b, True)),
        [X, (6,), (6,)],
    ),
    "batch_norm_relu with a shortcut": (
        lambda x, w, b, added: F.batch_norm_relu(
            x, w, b, np.zeros(6), np.ones(6), training=True, added=added
        ),
        lambda x, w, b, added: TF.relu(TF.batch_norm(x, None, None, w, b, True) + added),
        [X, (6,), (6,), X],
    ),
    "batch_norm in evaluation": (
        lambda x, w, b: F.batch_norm(x, w, b, np.ones(6), 2 * np.ones(6), training=False),
        lambda x, w, b: TF.batch_norm(x, torch.ones(6).double(), 2 * torch.ones(6).double(), w, b),
        [X, (6,), (6,)],
    ),
    "relu": (F.relu, TF.relu, [X]),
    "tanh": (F.tanh, torch.tanh, [X]),
    "sigmoid": (F.sigmoid, torch.sigmoid, [X]),
    "exp": (F.exp, torch.exp, [X]),
    "log": (lambda x: F.log(x * x + 1), lambda x: torch.log(x * x + 1), [X]),
    "sqrt": (lambda x: F.sqrt(x * x + 1), lambda x: torch.sqrt(x * x + 1), [X]),
    "pow": (lambda a, b: (a * a + 1) ** b, lambda a, b: (a * a + 1) ** b, [X, (9, 1)]),
    "arithmetic": (
        lambda a, b: a * b - a / (b * b + 1) + (-b) + 2 / (a * a + 1),
        lambda a, b: a * b - a / (b * b + 1) + (-b) + 2 / (a * a + 1),
        [X, (6, 1, 7)],
    ),
    "softmax": (lambda x: F.softmax(x, 1), lambda x: TF.softmax(x, 1), [X]),
    "log_softmax": (F.log_softmax, lambda x: TF.log_softmax(x, -1), [X]),
    "cross_entropy": (
        lambda x: F.cross_entropy(x, np.array([3, 0, 4])),
        lambda x: TF.cross_entropy(x, torch.tensor([3, 0, 4])),
        [(3, 5)],
    ),
    "linear": (F.linear, TF.linear, [(4, 5), (3, 5), (3,)]),
    "split_linear": (
        functools.partial(layer_linear, split=True),
        TF.linear,
        [(4, 5), (6, 5), (6,)],
    ),
    "matmul": (F.matmul, torch.matmul, [(2, 1, 4, 5), (3, 5, 2)]),
    "sum": (lambda x: x.sum((1, 3)), lambda x: x.sum((1, 3)), [X]),
    "mean": (lambda x: x.mean((0, -1), True), lambda x: x.mean((0, -1), True), [X]),
    "max": (lambda x: x.max((1, 2)), lambda x: x.amax((1, 2)), [X]),
    "concatenate": (
        lambda a, b: F.concatenate([a, b, a], 1),
        lambda a, b: torch.cat([a, b, a], 1),
        [(2, 3), (2, 5)],
    ),
    "pad": (
        lambda x: F.pad(x, [(0, 0), (0, 0), (1, 2), (3, 0)]),
        lambda x: TF.pad(x, (3, 0, 1, 2)),
        [X],
    ),
    "getitem": (lambda x: x[:, [0, 2, 2], 1:], lambda x: x[:, [0, 2, 2], 1:], [X]),
    "reshape": (lambda x: x.reshape(-1, 14), lambda x: x.reshape(-1, 14), [X]),
    "transpose": (lambda x: x.transpose(3, 0, 2, 1), lambda x: x.permute(3, 0, 2, 1), [X]),
    "flatten": (F.flatten, lambda x: x.flatten(1), [X]),
    "squeeze": (lambda x: F.squeeze(x, 1), lambda x: x.squeeze(1), [(2, 1, 3)]),
    "unsqueeze": (lambda x: F.unsqueeze(x, -2), lambda x: x.unsqueeze(-2), [(2, 3)]),
    "stack": (lambda *xs: F.stack(xs, -1), lambda *xs: torch.stack(xs, -1), [(2, 3), (2, 3)]),
    "abs": (F.abs, torch.abs, [X]),
    "clip": (lambda x: F.clip(x, -0.5, 1), lambda x: x.clamp(-0.5, 1), [X]),
    "min": (lambda x: x.min((1, 2)), lambda x: x.amin((1, 2)), [X]),
    "var": (lambda x: x.var((0, 2), ddof=1), lambda x: x.var((0, 2)), [X]),
    "std": (lambda x: x.std(3), lambda x: x.std(3, correction=0), [X]),
}
WITHOUT = {
    "dropout",  # its mask is ours, so only our own laws can judge it
    "accuracy",  # without a gradient
    "top_k_accuracy",
    "confusion_matrix",
}
FAMILY = {"add", "sub", "mul", "div", "neg"}  # in "arithmetic"


def test_every_function_is_compared():
    assert {name.split()[0].rstrip(",") for name in OPS} | FAMILY | WITHOUT >= set(F.__all__)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("ours", "theirs", "shapes"), OPS.values(), ids=OPS)
def test_forward_and_backward_are_pytorchs(ours, theirs, shapes, dtype, rng):
    arrays = [images(rng, *shape).astype(np.float32) for shape in shapes]
    inputs = [tn.tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    oracles = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arrays]
    y, expected = ours(*inputs), theirs(*oracles)
    gy = images(rng, *expected.shape).astype(np.float32)
    y.backward(gy.astype(dtype))
    expected.backward(torch.tensor(gy, dtype=torch.float64))
    terms = sum(a.size for a in arrays)
    pairs = [(y.data, expected.detach())]
    pairs += [(x.grad, t.grad) for x, t in zip(inputs, oracles, strict=True)]
    for got, oracle in pairs:
        wanted = oracle.numpy()
        assert got.dtype == dtype
        assert difference(got, wanted, tolerance(terms, dtype) * scale_of(wanted)) is None


def test_ties_of_a_maximum_go_where_pytorchs_go():
    x = np.random.default_rng(0).integers(0, 2, X).astype(np.float64)
    ours, theirs = tn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    F.max_pool2d(ours, 3, 2, padding=1).sum().backward()
    TF.max_pool2d(theirs, 3, 2, 1).sum().backward()
    assert np.array_equal(ours.grad, theirs.grad.numpy())


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_pytorchs_also_when_the_rate_changes(momentum, nesterov, rng):
    if nesterov and not momentum:
        return  # PyTorch refuses it
    start, gradients = images(rng, 5), images(rng, 8, 5)
    p, q = nn.Parameter(start.copy()), torch.tensor(start.copy(), requires_grad=True)
    ours = optim.SGD([p], 0.1, momentum, 5e-2, nesterov, rule="torch")
    theirs = torch.optim.SGD([q], 0.1, momentum, weight_decay=5e-2, nesterov=nesterov)
    follow(p, q, ours, theirs, gradients)


def test_adam_is_pytorchs(rng):
    start, gradients = images(rng, 5), images(rng, 8, 5)
    p, q = nn.Parameter(start.copy()), torch.tensor(start.copy(), requires_grad=True)
    ours = optim.Adam([p], 0.1, (0.8, 0.99), 1e-6, weight_decay=5e-2)
    theirs = torch.optim.Adam([q], 0.1, (0.8, 0.99), 1e-6, weight_decay=5e-2)
    follow(p, q, ours, theirs, gradients)


def follow(p, q, ours, theirs, gradients):
    """Take the same steps on both sides, the second half at a tenth of the rate."""
    for i, g in enumerate(gradients):
        if i == len(gradients) // 2:
            ours.lr /= 10
            theirs.param_groups[0]["lr"] /= 10
        p.grad, q.grad = g.copy(), torch.tensor(g)
        ours.step()
        theirs.step()
        assert p.data == pytest.approx(q.detach().numpy(), rel=tolerance(100, np.float64))


class TorchLRN(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.settings = layer.n, layer.alpha, layer.beta, layer.k, layer.groups

    def forward(self, x):
        return split_lrn(x, *self.settings)


OTHERWISE = {"LocalResponseNorm": TorchLRN, "Dropout": lambda layer: torch.nn.Identity()}


def twin(model):
    """Return the same network in PyTorch, with the same weights, in float64; LRN has groups."""
    layers = [OTHERWISE.get(type(layer).__name__, torch_models.to_torch)(layer) for layer in model]
    net = torch.nn.Sequential(*layers).double()
    net.load_state_dict({k: torch.tensor(v) for k, v in model.state_dict().items()})
    return net


@pytest.mark.slow
@pytest.mark.parametrize("falls", [False, True], ids=["constant rate", "falling rate"])
def test_twenty_steps_of_small_alexnet_follow_pytorch(falls):
    """From the same weights, on the same images, in float64, without dropout, alpha times n.

    He's initial weights start at losses near 4, and the LRN constants of the paper (alpha 1e-4)
    would be invisible on activations near 1: here alpha is 0.1.
    """
    model = models.build("small-alexnet", seed=1).to(np.float64)
    for layer in model:
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
        if isinstance(layer, nn.LocalResponseNorm):
            layer.alpha = 0.1
    oracle = twin(model)
    ours = optim.SGD(model.parameters(), 0.01, 0.9, 5e-4, rule="torch")
    theirs = torch.optim.SGD(oracle.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
    rng = np.random.default_rng(0)
    for step in range(20):
        if falls and step in (8, 14):
            ours.lr /= 10
            theirs.param_groups[0]["lr"] /= 10
        x, labels = rng.standard_normal((2, 3, 32, 32)), rng.integers(0, 10, 2)
        loss = F.cross_entropy(model(tn.tensor(x)), labels)
        ours.zero_grad()
        loss.backward()
        ours.step()
        expected = TF.cross_entropy(oracle(torch.tensor(x)), torch.tensor(labels))
        theirs.zero_grad()
        expected.backward()
        theirs.step()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize("name", ["cifar-quick", "cifar-18pct-lrn", "demo"])
def test_scores_of_the_other_nets_are_pytorchs(name, rng):
    model = models.build(name).to(np.float64)
    for p in model.parameters():  # the published initial weights of 1e-4 would hide everything
        p.data[...] = rng.standard_normal(p.shape) / np.sqrt(p.data[0].size)
    x = images(rng, 2, 3, 32, 32)
    expected = twin(model)(torch.tensor(x)).detach().numpy()
    allowed = tolerance(32 * 32 * 32, np.float64) * scale_of(expected)
    assert difference(model(tn.tensor(x)).data, expected, allowed) is None


def pooled(pool, x, **settings):
    """Return what a pool makes of x, and its gradient; None where it refuses."""
    try:
        y = pool(x, **settings)
    except (RuntimeError, ShapeError):
        return None
    (y * y).sum().backward()
    return y, x.grad


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_pools_refuse_the_images_that_pytorch_refuses_and_no_others(name, ceil_mode, rng):
    refused = 0
    for k, s, p, side in itertools.product(range(1, 5), range(1, 5), range(3), range(1, 6)):
        if 2 * p > k:
            continue  # PyTorch has no such padding
        x = images(rng, 1, 2, side, side)
        settings = {"kernel_size": k, "stride": s, "padding": p, "ceil_mode": ceil_mode}
        ours = pooled(getattr(F, name), tn.tensor(x, requires_grad=True), **settings)
        theirs = pooled(getattr(TF, name), torch.tensor(x, requires_grad=True), **settings)
        assert (ours is None) == (theirs is None), settings | {"side": side}
        if ours is None or theirs is None:
            refused += 1
            continue
        (y, gx), (their_y, their_gx) = ours, theirs
        np.testing.assert_allclose(y.data, their_y.detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(gx, their_gx.numpy(), rtol=1e-12)
    assert refused
