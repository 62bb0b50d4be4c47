"""Networks read from ONNX files: ours, PyTorch's, those of the model zoo; and how they train."""

import io
import warnings

import numpy as np
import pytest

import tinynet as tn
from tinynet import data, models, nn, weights
from tinynet import functions as F
from tinynet.testing import tolerance
from weights.onnx_oracle import run, stirred

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def scores(model, x):
    with tn.no_grad():
        return model.eval()(tn.tensor(x)).numpy()


def images(shape, n=3):
    return np.random.default_rng(0).standard_normal((n, *shape)).astype(np.float32)


def there_and_back(model, shape, path):
    weights.save_onnx(model, path, shape)
    found = weights.from_onnx(path)
    x = images(shape)
    wanted = scores(model, x)
    assert abs(scores(found, x) - wanted).max() <= tolerance(64, np.float32) * abs(wanted).max()
    return found


def written(tmp_path, nodes, arrays, shape=(1, 3, 8, 8), opset=9, name="a.onnx", inputs=()):
    """Write a file in the manner of the zoo, and return its path."""
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "zoo",
        [
            info("data_0", TensorProto.FLOAT, shape),
            *(info(k, numpy_helper.from_array(a).data_type, a.shape) for k, a in inputs),
        ],
        [info("prob_1", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(a, k) for k, a in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=3)
    (tmp_path / name).write_bytes(model.SerializeToString())
    return tmp_path / name


# our own files


@pytest.mark.parametrize("name", ["demo", "small-resnet", "small-zfnet"])
def test_our_own_files_come_back(tmp_path, name):
    model = stirred(models.build(name, 5))
    found = there_and_back(model, models.INPUT_SHAPES[name], tmp_path / "a.onnx")
    mine, theirs = (m.state_dict() for m in (model, found))
    assert mine.keys() <= theirs.keys()
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["small-alexnet", "small-densenet", "small-googlenet", "small-vgg", "small-se-resnet"]
)
def test_our_other_networks_come_back(tmp_path, name):
    there_and_back(stirred(models.build(name, 5)), models.INPUT_SHAPES[name], tmp_path / "a.onnx")


def test_a_network_of_every_layer_prints_like_one_of_ours(tmp_path):
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding="same"),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.LocalResponseNorm(3, k=1.0, alpha=0.1, beta=0.5),
        nn.AvgPool2d(2),
        nn.Sigmoid(),
        nn.MaxPool2d(3, 3, ceil_mode=True),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(16, 2),
        nn.Softmax(),
    )
    found = there_and_back(model, (3, 8, 8), tmp_path / "a.onnx")
    text = str(found)
    for line in (
        "(0): Conv2d(3, 4, kernel_size=(3, 3), padding=(1, 1))",
        "(1): BatchNorm2d(4)",
        "LocalResponseNorm(n=3, k=1.0, alpha=0.1, beta=0.5)",
        "MaxPool(kernel_size=(3, 3), stride=(3, 3))",
        "(9): Linear(in_features=16, out_features=2)",
        "Softmax(axis=1)",
    ):
        assert line in text
    assert found.metadata["output"] == "scores"


def test_it_trains_like_the_network_that_was_written(tmp_path):
    train = data.Shapes(train=True)[:60]
    normalize = data.Normalize.fit("standardize", train)
    model = stirred(
        nn.Sequential(
            nn.Conv2d(3, 4, 5, stride=4, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
            nn.Linear(4 * 7 * 7, 10),
        )
    )  # fmt: skip
    weights.save_onnx(model, tmp_path / "a.onnx", (3, 32, 32), preprocessing=normalize)
    found = weights.from_onnx(tmp_path / "a.onnx")
    names = [name for name, _ in found.named_parameters()]
    assert names == [name for name, _ in model.named_parameters()]
    before = found.state_dict()
    for net, transform in ((model, normalize), (found, None)):
        loader = data.DataLoader(train, 20, transform=transform)
        optimizer = tn.optim.SGD(net.parameters(), 0.01, momentum=0.9)
        list(tn.fit(net, optimizer, loader, epochs=2))
    after = found.state_dict()
    for name, array in model.state_dict().items():
        np.testing.assert_allclose(after[name], array, rtol=1e-3, atol=1e-4, err_msg=name)
        assert not np.array_equal(before[name], after[name])
    assert all(np.array_equal(before[name], after[name]) for name in after.keys() - {
        *model.state_dict()
    })  # fmt: skip


# files of the zoo: opset 3 to 9, initializers among the inputs, no names


def test_a_file_like_bvlcalexnet(tmp_path, rng):
    arrays = {
        "conv1_w_0": rng.standard_normal((8, 3, 3, 3)).astype("f"),
        "conv1_b_0": rng.standard_normal(8).astype("f"),
        "fc6_w_0": (rng.standard_normal((6, 8 * 3 * 3)) / 8).astype("f"),
        "fc6_b_0": rng.standard_normal(6).astype("f"),
        "OC2_DUMMY_1": np.array([1, 72]),
    }
    nodes = [
        helper.make_node("Conv", ["data_0", "conv1_w_0", "conv1_b_0"], ["conv1_1"],
                         kernel_shape=[3, 3], strides=[1, 1], pads=[0, 0, 0, 0], group=1),
        helper.make_node("Relu", ["conv1_1"], ["conv1_2"]),
        helper.make_node("LRN", ["conv1_2"], ["norm1_1"], size=5, alpha=0.5, beta=0.75, bias=1.0),
        helper.make_node("MaxPool", ["norm1_1"], ["pool1_1"], kernel_shape=[2, 2], strides=[2, 2],
                         pads=[0, 0, 0, 0]),
        helper.make_node("Reshape", ["pool1_1", "OC2_DUMMY_1"], ["OC2_DUMMY_0"]),
        helper.make_node("Gemm", ["OC2_DUMMY_0", "fc6_w_0", "fc6_b_0"], ["fc6_1"], transB=1),
        helper.make_node("Dropout", ["fc6_1"], ["fc6_3", "_fc6_mask_1"], ratio=0.25),
        helper.make_node("Softmax", ["fc6_3"], ["prob_1"]),
    ]  # fmt: skip
    path = written(tmp_path, nodes, arrays, inputs=arrays.items())
    found = weights.from_onnx(path)
    x = images((3, 8, 8))
    one_by_one = [run(onnx.load(path), x[i : i + 1], "data_0")[0] for i in range(3)]
    np.testing.assert_allclose(scores(found, x), one_by_one, rtol=1e-4, atol=1e-6)
    assert list(found.state_dict()) == ["conv1.weight", "conv1.bias", "fc6.weight", "fc6.bias"]
    (dropout,) = (m for m in found.modules() if isinstance(m, nn.Dropout))
    assert dropout.p == 0.25
    tn.seed(0)
    assert abs(found.train()(x).numpy() - found.eval()(x).numpy()).max() > 1e-3


def test_a_transposed_matrix_scales_and_a_shared_array(tmp_path, rng):
    arrays = {"w": rng.standard_normal((4, 4)).astype("f"), "c": rng.standard_normal(4).astype("f")}
    nodes = [
        helper.make_node("Flatten", ["data_0"], ["x"]),
        helper.make_node("Gemm", ["x", "w", "c"], ["y"], alpha=0.5, beta=2.0),
        helper.make_node("Gemm", ["y", "w", "c"], ["z"], alpha=0.5, beta=2.0),
        helper.make_node("Softmax", ["z"], ["prob_1"]),
    ]
    path = written(tmp_path, nodes, arrays, shape=("n", 1, 2, 2))
    found = weights.from_onnx(path)
    x = images((1, 2, 2))
    np.testing.assert_allclose(scores(found, x), run(onnx.load(path), x, "data_0"), rtol=1e-5)
    assert len(found.parameters()) == 2


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_automatic_padding(tmp_path, rng, auto_pad):
    arrays = {"w": rng.standard_normal((2, 3, 4, 3)).astype("f")}
    nodes = [
        helper.make_node("Conv", ["data_0", "w"], ["y"], strides=[2, 1], auto_pad=auto_pad),
        helper.make_node("AveragePool", ["y"], ["z"], kernel_shape=[2, 2], strides=[1, 2],
                         auto_pad=auto_pad),
        helper.make_node("Softmax", ["z"], ["prob_1"], axis=1),
    ]  # fmt: skip
    path = written(tmp_path, nodes, arrays, shape=(3, 3, 9, 8))
    x = images((3, 9, 8))
    found = scores(weights.from_onnx(path), x)
    np.testing.assert_allclose(found, run(onnx.load(path), x, "data_0"), rtol=1e-5, atol=1e-6)


# PyTorch's exporters


def exported_by_torch(model, x, path, **settings):
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (torch.tensor(x),), path, verbose=False, **settings)
    with torch.no_grad():
        return model.eval()(torch.tensor(x)).numpy()


def torch_network():
    """A network of the parts of torchvision's: batch norm, residual, branches, dropout, view."""
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = torch.nn.Conv2d(3, 8, 3, 2, 1, bias=False)
            self.bn1 = torch.nn.BatchNorm2d(8)
            self.features = torch.nn.Sequential(
                torch.nn.Conv2d(8, 8, 3, 1, 1, groups=2), torch.nn.ReLU6()
            )
            self.lrn = torch.nn.LocalResponseNorm(5, 0.5, 0.75, 2.0)
            self.classifier = torch.nn.Sequential(torch.nn.Dropout(0.3), torch.nn.Linear(64, 5))

        def forward(self, x):
            x = self.bn1(self.conv1(x)).relu()
            x = torch.cat([x + self.features(x), x * 0.5], 1)
            x = torch.nn.functional.max_pool2d(x, 3, 2, 1)
            x = torch.nn.functional.adaptive_avg_pool2d(x, 2)
            return torch.nn.functional.log_softmax(self.classifier(x.view(x.size(0), -1)), 1)

    torch.manual_seed(0)
    return Net()


@pytest.mark.parametrize(
    "settings",
    [
        {"dynamo": False},
        {"dynamo": False, "opset_version": 9},
        {"dynamo": False, "dynamic_axes": {"x": {0: "n"}}, "input_names": ["x"]},
        pytest.param({"dynamo": True, "external_data": False}, marks=pytest.mark.slow),
        pytest.param({"dynamo": True, "external_data": True}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_files_of_pytorch(tmp_path, settings, capsys):
    model = torch_network().eval()
    if settings["dynamo"]:
        pytest.importorskip("onnxscript", reason="PyTorch's newer exporter needs onnxscript")
    wanted = exported_by_torch(model, images((3, 16, 16), 1), tmp_path / "a.onnx", **settings)
    found = weights.from_onnx(tmp_path / "a.onnx")
    np.testing.assert_allclose(scores(found, images((3, 16, 16), 1)), wanted, rtol=1e-4, atol=1e-5)
    assert scores(found, images((3, 16, 16))).shape == (3, 5)
    names = {name for name, _ in found.named_parameters()}
    assert {"features.0.weight", "classifier.1.weight", "classifier.1.bias"} <= names


def test_a_network_exported_in_training_mode_keeps_its_names(tmp_path):
    model = torch_network()
    import torch

    x = images((3, 16, 16), 2)
    settings = {"training": torch.onnx.TrainingMode.TRAINING, "do_constant_folding": False}
    wanted = exported_by_torch(model, x, tmp_path / "a.onnx", dynamo=False, **settings)
    found = weights.from_onnx(tmp_path / "a.onnx")
    np.testing.assert_allclose(scores(found, x), wanted, rtol=1e-4, atol=1e-5)
    state = {k for k in model.state_dict() if not k.endswith("num_batches_tracked")}
    assert set(found.state_dict()) - state == {"Mul.values.1"}  # the factor 0.5
    assert state <= set(found.state_dict())
    assert any(isinstance(m, nn.Dropout) and m.p == 0.3 for m in found.modules())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["AlexNet", "VGG", "ResNet", "GoogLeNet", "DenseNet"])
def test_networks_of_torchvision(tmp_path, name):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    from weights import torchvision_twins

    chain = name in ("AlexNet", "VGG")
    side = 224 if chain else 64
    with torch.no_grad():
        model = getattr(torchvision_twins, name)(5, **({"hidden": 64} if chain else {})).eval()
    x = images((3, side, side), 1)
    wanted = exported_by_torch(model, x, tmp_path / "a.onnx", dynamo=False)
    found = scores(weights.from_onnx(tmp_path / "a.onnx"), x)
    assert abs(found - wanted).max() <= 1e-4 * abs(wanted).max()


def test_the_answer_is_that_of_onnxruntime_for_every_op(tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime, the oracle, is not installed")
    from weights.test_onnx import OPS, Applied

    x = images((4, 8, 7))
    for name, function in OPS.items():
        path = tmp_path / "a.onnx"
        weights.save_onnx(Applied(function), path, (4, 8, 7))
        found = scores(weights.from_onnx(path), x)
        wanted = run(onnx.load(path), x)
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5, err_msg=name)


def test_a_bytes_buffer_is_no_path():
    with pytest.raises(TypeError):
        weights.from_onnx(io.BytesIO())


def test_probabilities_come_back_too(tmp_path):
    model = stirred(models.build("demo", 4))
    weights.save_onnx(model, tmp_path / "a.onnx", (3, 32, 32), softmax=True)
    x = images((3, 32, 32))
    wanted = F.softmax(tn.tensor(scores(model, x))).numpy()
    np.testing.assert_allclose(scores(weights.from_onnx(tmp_path / "a.onnx"), x), wanted, atol=1e-5)
