"""Networks written as ONNX: others compute the same, and what cannot be written is said."""

import sys

import numpy as np
import pytest

import tinynet as tn
from support.grouped import narrow
from tinynet import functions as F
from tinynet import models, nn, weights
from tinynet.core.errors import DataError
from tinynet.models.alexnet_variants import VARIANTS
from tinynet.models.vgg import VGG
from tinynet.weights import onnx_graph
from weights.onnx_oracle import run, stirred

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime, the oracle, is not installed")
reference = pytest.importorskip("onnx.reference")
EPS = np.finfo(np.float32).eps


def exported(model, shape):
    """Return the ONNX model; its shapes are those that ONNX infers itself."""
    proto = onnx_graph.exported(model, shape)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def interpret(proto, x):
    """Return what ONNX's own definition in Python computes."""
    return reference.ReferenceEvaluator(proto).run(None, {"images": x})[0]


def check(model, shape, second=run, steps=64):
    """Compare scores: a chain of `steps` float32 roundings apart at most, relative to the largest.

    Sums of random signs lose the root of their length; layers follow each other some 20 times.
    """
    x = np.random.default_rng(1).standard_normal((3, *shape)).astype(np.float32)
    found = second(exported(model, shape), x)
    with tn.no_grad(), tn.kernels.use("reference"):
        wanted = model.eval()(tn.tensor(x)).data
    assert found.shape == wanted.shape
    assert abs(found - wanted).max() <= steps * EPS * abs(wanted).max()


# whole networks


def small_alexnet_variant(name):
    """Return a variant of AlexNet at its size of images, narrow, with an LRN that is felt."""
    variant = VARIANTS[name]
    with nn.init.skip_init():
        model = narrow(variant.build(5), widths=(4, 8, 4, 8, 4))
    for layer in model.features:
        if isinstance(layer, nn.LocalResponseNorm):
            layer.alpha = 0.5
    return stirred(model), (3, variant.image, variant.image)


@pytest.mark.parametrize("name", ["paper", "code2012"])
def test_alexnet_with_its_groups_its_norms_and_its_dropout(name):
    check(*small_alexnet_variant(name))


QUICK = ["small-alexnet", "cifar-quick", "small-nin", "small-alexnet-two-towers"]
REFUSED = ["cifar-13pct", "cifar-11pct", "alexnet-one-weird-trick", "small-alexnet-one-weird-trick"]
OTHERS = [name for name in models.names() if name not in QUICK + REFUSED]


@pytest.mark.parametrize("name", QUICK)
def test_networks_for_small_images(name):
    check(stirred(models.build(name, 10)), models.INPUT_SHAPES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OTHERS if models.INPUT_SHAPES[name][1] <= 32])
def test_networks_with_branches(name):
    check(stirred(models.build(name, 10)), models.INPUT_SHAPES[name])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "resnet-18",
        "resnet-50",
        "se-resnet-50",
        "densenet-121",
        "googlenet",
        "googlenet-torchvision",
    ],
)
def test_large_networks_that_take_small_images_too(name):
    check(stirred(models.build(name, 10)), (3, 64, 64))


def test_a_network_that_shares_out_its_images_is_refused():
    model = models.build("small-alexnet-one-weird-trick", 10)
    with pytest.raises(DataError, match=r"hold for any number of images, and \[slice\(0, 0"):
        onnx_graph.exported(model, (3, 32, 32))


def test_vgg_with_and_without_batch_normalization():
    for batch_norm in (False, True):
        net = VGG(4, convolutions=(1, 2), widths=(4, 6), side=3, hidden=8, batch_norm=batch_norm)
        check(stirred(net), (3, 16, 12))


def test_the_definition_in_python_agrees_too():
    """Not for LRN: the one of onnx 1.23 runs over the pictures where it means the channels."""
    check(stirred(models.build("small-nin", 10)), (3, 16, 16), interpret)


# op by op, with settings that are felt


class Applied(nn.Module):
    """A function of x as a network; its weight is there so that there is one."""

    def __init__(self, function):
        self.weight = nn.Parameter(np.full((1, 1, 1, 1), 1.25, np.float32))
        self.function = function

    def forward(self, x):
        """Return function(weight * x)."""
        return self.function(self.weight * x)


OPS = {
    "lrn": lambda x: F.local_response_norm(x, n=3, k=1.5, alpha=0.7, beta=0.6),
    "lrn in groups": lambda x: F.local_response_norm(x, n=5, k=2.0, alpha=0.7, groups=2),
    "map norm": lambda x: F.spatial_response_norm(x, n=3, k=1.5, alpha=0.7, beta=0.6),
    "max pool that hangs over": lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True),
    "max pool larger than its image": lambda x: F.max_pool2d(x, 10, 4, ceil_mode=True),
    "mean pool larger than its image": lambda x: F.avg_pool2d(x, 10, 4, ceil_mode=True),
    "max pool with a border": lambda x: F.max_pool2d(x, 3, 2, padding=((1, 0), (0, 1))),
    "mean pool that hangs over": lambda x: F.avg_pool2d(x, (3, 2), 2, ceil_mode=True),
    "max pool whose last window would begin outside": lambda x: F.max_pool2d(
        x, 2, 3, padding=1, ceil_mode=True
    ),
    "max pool with an uneven border that hangs over": lambda x: F.max_pool2d(
        x, 3, 2, padding=((1, 0), (0, 1)), ceil_mode=True
    ),
    "mean pool with a border that hangs over": lambda x: F.avg_pool2d(
        x, 3, 2, padding=1, ceil_mode=True
    ),
    "mean pool, border that hangs over not counted": lambda x: F.avg_pool2d(
        x, 3, 2, padding=1, ceil_mode=True, count_include_pad=False
    ),
    "mean pool with a border": lambda x: F.avg_pool2d(x, 3, 2, padding=1),
    "mean pool, border not counted": lambda x: F.avg_pool2d(
        x, 3, 2, padding=1, count_include_pad=False
    ),
    "adaptive mean pool": lambda x: F.adaptive_avg_pool2d(x, (3, 4)),
    "adaptive mean pool in equal windows": lambda x: F.adaptive_avg_pool2d(x, (4, 1)),
    "adaptive mean pool of the whole": lambda x: F.adaptive_avg_pool2d(x, 1),
    "global mean": F.global_avg_pool2d,
    "global mean with its axes": lambda x: x.mean(axis=(3, 2), keepdims=True),
    "mean of channels": lambda x: x.mean(axis=1),
    "sum": lambda x: x.sum(axis=(1, -1)),
    "max": lambda x: F.max(x, axis=1),
    "min with its axes": lambda x: F.min(x, axis=(2, 3), keepdims=True),
    "one channel": lambda x: x[:, 0],
    "one pixel from the end": lambda x: x[:, :, -1, -2],
    "one row and slices": lambda x: x[..., 1:, 2, ::-2],
    "a list of channels": lambda x: x[:, [3, 0, 0]],
    "an array of pixels": lambda x: x[..., np.array([[1, 0], [-1, 2]])],
    "slices": lambda x: x[:, 1:3, ::2, 1:],
    "every second pixel": lambda x: x[:, :, ::2, ::3],
    "the other way round": lambda x: x[:, ::-1, :, 4:1:-2],
    "bounds": lambda x: F.clip(x, -0.5, 0.75) + F.clip(F.abs(x), 0.25, None),
    "zeros around": lambda x: F.pad(x, [(0, 0), (0, 2), (1, 0), (0, 3)]),
    "side by side": lambda x: F.concatenate([x, x * 2, 1 / (x * x + 1)], axis=1),
    "another shape": lambda x: x.reshape(x.shape[0], 2, 2, -1),
    "axes turned": lambda x: x.transpose(0, 2, 3, 1),
    "softmax": lambda x: F.softmax(x),
    "softmax of an axis": lambda x: F.softmax(x, axis=1),
    "log_softmax": lambda x: F.log_softmax(x, axis=2),
    "elements": lambda x: F.exp(-F.sqrt(x * x + 1)) - F.log(F.tanh(x) ** 2 + F.sigmoid(x)),
}


@pytest.mark.parametrize("name", OPS)
def test_each_op_has_its_counterpart(name):
    check(Applied(OPS[name]), (4, 8, 7), steps=16)


def test_zeros_before_a_mean_pool_are_counted_by_it():
    """Onnxruntime 1.19 and 1.20 move a Pad into the pooling after it, whatever that counts."""
    model = Applied(OPS["mean pool with a border that hangs over"])
    nodes = exported(model, (4, 8, 7)).graph.node
    (pad,) = [node for node in nodes if node.op_type == "Pad"]
    (mean,) = [node for node in nodes if pad.output[0] in node.input]
    settings = {a.name: onnx.helper.get_attribute_value(a) for a in mean.attribute}
    assert mean.op_type == "AveragePool"
    assert settings["count_include_pad"] == 1


# the file, and who asks for it


def test_the_file_says_what_goes_in_and_what_comes_out(tmp_path):
    model = models.build("demo", 7)
    model.train()
    weights.save_onnx(model, tmp_path / "demo.onnx", (3, 32, 32))
    assert model.training
    graph = onnx.load(tmp_path / "demo.onnx").graph
    sides = [
        (v.name, [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim])
        for v in (*graph.input, *graph.output)
    ]
    assert sides == [("images", ["batch", 3, 32, 32]), ("scores", ["batch", 7])]
    assert [i.name for i in graph.initializer] == list(model.state_dict())
    assert "Dropout" not in {node.op_type for node in graph.node}


def test_only_nodes_that_every_runtime_has_are_written():
    """A step in a slice, a mean written as a sum and windows beyond the image are avoided."""
    proto = exported(stirred(models.build("small-resnet", 10)), (3, 32, 32))
    kinds = {node.op_type for node in proto.graph.node}
    assert not kinds & {"Slice", "ReduceSum"}
    assert {"GlobalAveragePool", "Flatten"} <= kinds
    proto = exported(models.build("cifar-quick", 10), (3, 32, 32))
    pools = [node for node in proto.graph.node if node.op_type == "MaxPool"]
    assert "ceil_mode" not in {a.name for node in pools for a in node.attribute}


def test_a_frozen_network_is_written_whole():
    check(stirred(models.build("demo", 3)).freeze(), (3, 32, 32))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Applied(lambda x: x[:, [0, 1], [0, 1]]), r"slices, whole numbers and one list"),
        (Applied(lambda x: x[:, None]), r"slices, whole numbers and one list"),
        (Applied(lambda x: x[:, np.arange(8)[:4] > 1]), r"slices, whole numbers and one list"),
        (Applied(lambda x: F.std(x, axis=1)), r"does not export std"),
        (Applied(lambda x: x + x[0]), r"any number of images, and \[0\] takes"),
        (Applied(lambda x: (x, x)), r"must compute one array"),
        (Applied(lambda x: x[:5]), r"any number of images, and \[slice\(None, 5, None\)\] takes"),
        (Applied(lambda x: x * x.shape[0]), r"any number of images, and mul_1 \(Mul\) differs"),
        (
            Applied(lambda x: x + tn.tensor(np.ones(x.shape, "f"))),
            r"add_1 \(Add\) differs between 1 image and 2",
        ),
        (Applied(lambda x: x.reshape(4, 8, -1)), r"scores \(N, \.\.\.\) for N images. For 1 it"),
        (
            Applied(lambda x: x.reshape(x.shape[0], 4 * 8, -1)[:, :, x.shape[0] :]),
            r"slice_2 \(Slice",
        ),
    ],
)
def test_what_cannot_be_written_is_one_sentence(model, words):
    with pytest.raises(DataError, match=words):
        onnx_graph.exported(model, (4, 8, 7))


def test_unshared_filters_are_refused_by_name():
    with pytest.raises(DataError, match="does not export locally_connected2d"):
        onnx_graph.exported(models.build("cifar-13pct", 10), (3, 24, 24))


def test_where_onnx_is_missing_the_way_out_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(DataError, match="pip install onnx brings it"):
        onnx_graph.exported(models.build("demo", 3), (3, 32, 32))


def test_convert_writes_an_onnx_and_asks_which_network_it_is(tmp_path, weights_says):
    net = stirred(models.build("demo", 7))
    path = tmp_path / "a.npz"
    weights.save(weights.Weights(net.state_dict()), path)
    assert "name it with --model" in weights_says("convert", path, tmp_path / "a.onnx").err
    assert weights_says("convert", path, tmp_path / "a.onnx", "--model", "demo").code == 0
    x = np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype(np.float32)
    with tn.no_grad(), tn.kernels.use("reference"):
        wanted = net.eval()(tn.tensor(x)).data
    np.testing.assert_allclose(run(onnx.load(tmp_path / "a.onnx"), x), wanted, rtol=1e-4, atol=1e-5)


def test_export_leaves_every_layer_in_its_mode(tmp_path):
    model = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(4, 2)).eval()
    model[1].train()
    weights.save_onnx(model, tmp_path / "net.onnx", (1, 2, 2))
    assert [layer.training for layer in model] == [False, True, False]
