"""Exported networks in OpenVINO, whose reading of pooling differs from that of ONNX Runtime."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import models
from tinynet.weights import onnx_graph
from weights.onnx_oracle import stirred
from weights.test_onnx import OPS, Applied

pytest.importorskip("onnx", reason="the package onnx is not installed")
openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")


def compare(model, shape):
    proto = onnx_graph.exported(model, shape).SerializeToString()
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(core.read_model(proto), "CPU", settings)
    for n in (1, 3):
        x = np.random.default_rng(n).standard_normal((n, *shape)).astype(np.float32)
        with tn.no_grad(), tn.kernels.use("reference"):
            wanted = model.eval()(tn.tensor(x)).numpy()
        found = compiled([x])[0]
        assert found.shape == wanted.shape
        assert abs(found - wanted).max() <= 1e-5 * abs(wanted).max()


@pytest.mark.parametrize("name", [name for name in OPS if "pool" in name])
def test_windows(name):
    compare(Applied(OPS[name]), (4, 8, 7))


def test_pooling_with_padding_and_ceil_mode():
    """The case in which a window would begin in the padding: 3x3 here, 4x4 by ONNX's opset 18."""
    compare(Applied(lambda x: F.max_pool2d(x, 2, 2, padding=1, ceil_mode=True)), (1, 5, 5))


@pytest.mark.parametrize("name", ["demo", "small-resnet"])
def test_networks(name):
    compare(stirred(models.build(name, 5)), models.INPUT_SHAPES[name])
