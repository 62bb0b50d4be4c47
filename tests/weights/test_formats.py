"""Every format that people have: a small faithful file, and the same network comes out of it."""

import json

import numpy as np
import pytest

import tinynet as tn
from tinynet import models, nn, weights
from tinynet.core.errors import DataError
from tinynet.weights import caffe_text, conventions
from weights import crafted_formats as made


def net(seed, alpha=0.06, k=1.0):
    """A network with all that conventions touch: colors, groups, LRN, maps that are flattened."""
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.LocalResponseNorm(5, k=k, alpha=alpha, beta=0.75),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 6, 3, padding=1, groups=2),
        nn.Flatten(),
        nn.Linear(6 * 4 * 4, 5),
        nn.Linear(5, 4),
    )
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        p.data[...] = rng.standard_normal(p.shape)
    return model


NAMES = ("conv1", "conv2", "fc6", "fc7")


@pytest.fixture(scope="module")
def theirs():
    return net(1).state_dict()


def layers_of(state):
    """(name, weight, bias) of each layer."""
    arrays = list(state.values())
    return [(n, arrays[2 * i], arrays[2 * i + 1]) for i, n in enumerate(NAMES)]


def channels_last(state):
    """The same weights as TensorFlow has them: HWIO, (in, out), fc6 from (H, W, C)."""
    found = {}
    for name, weight, bias in layers_of(state):
        if weight.ndim == 4:
            turned = weight.transpose(2, 3, 1, 0)
        elif name == "fc6":
            turned = weight.reshape(5, 6, 4, 4).transpose(2, 3, 1, 0).reshape(96, 5)
        else:
            turned = weight.T
        found[name] = [np.ascontiguousarray(turned), bias]
    return found


def caffe_layers(state, bgr=True):
    (n1, w1, b1), (n2, w2, b2), (n3, w3, b3), (n4, w4, b4) = layers_of(state)
    first = np.ascontiguousarray(w1[:, ::-1]) if bgr else w1
    return [
        (n1, "Convolution", [first, b1]),
        ("norm1", "LRN", [], (5, 0.3, 0.75, 1.0)),
        ("pool1", "Pooling"),
        (n2, "Convolution", [w2, b2]),
        (n3, "InnerProduct", [w3, b3]),
        (n4, "InnerProduct", [w4, b4]),
    ]


def loaded(path, data, model=None, **how):
    path.write_bytes(data)
    model = model or net(2)
    return model, weights.load(model, path, **how)


def assert_same(model, state):
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, state[name])


# Caffe


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"first": True},
        {"packed": False},
        {"first": True, "packed": False},
        {"double": True},
        {"double": True, "packed": False},
    ],
)
def test_a_caffemodel_of_each_generation(tmp_path, theirs, how):
    data = made.caffemodel(caffe_layers(theirs), **how)
    model, changes = loaded(tmp_path / "a.caffemodel", data, by_order=True, channels="BGR")
    assert_same(model, theirs)
    assert [change.kind for change in changes] == ["channels", "names"]
    assert "conv1.weight is 0.weight" in str(changes[1])


def test_a_caffemodel_says_the_constants_of_its_normalizations(tmp_path, theirs):
    """Alpha is divided by the window there: 0.3 is 0.06 here, and another k is made up for."""
    data = made.caffemodel(caffe_layers(theirs))
    path = tmp_path / "a.caffemodel"
    _, changes = loaded(path, data, net(2, alpha=0.3), by_order=True, channels="BGR")
    assert "normalization" in [change.kind for change in changes]
    stated = json.loads(weights.read(path).metadata["conventions"])
    assert stated["lrn_alpha"] == "mean"
    assert stated["lrn"] == [{"n": 5, "k": 1, "alpha": 0.3, "beta": 0.75, "groups": 1}]


def test_what_a_caffemodel_does_not_say_is_asked_for(tmp_path, theirs):
    path = tmp_path / "a.caffemodel"
    data = made.caffemodel(caffe_layers(theirs))
    with pytest.raises(DataError, match=r"In their order.*\(conv1\.weight is 0\.weight.*by_order"):
        loaded(path, data)
    with pytest.raises(DataError, match=r"order of the color channels.*channels=\"BGR\" or"):
        loaded(path, data, by_order=True)


def test_pooling_before_the_normalization_is_another_network(tmp_path, theirs):
    layers = caffe_layers(theirs)
    layers[1:3] = layers[2:0:-1]
    with pytest.raises(DataError, match="in the order Pooling LRN, this model LRN Pooling"):
        loaded(tmp_path / "a.caffemodel", made.caffemodel(layers), by_order=True, channels="BGR")


@pytest.mark.parametrize("eps", [None, 0.5])
def test_batch_normalization_of_caffe_is_two_layers(tmp_path, rng, eps):
    mean, var, gamma, beta = rng.random((4, 8)).astype(np.float32)
    conv = rng.random((8, 3, 1, 1)).astype(np.float32)
    layers = [
        ("conv", "Convolution", [conv, beta]),
        ("bn", "BatchNorm", [4 * mean, 4 * var, np.full(1, 4, np.float32)], None, eps),
        ("scale", "Scale", [gamma, beta]),
    ]
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8, eps=eps or 1e-5))
    data = made.caffemodel(layers)
    model, changes = loaded(tmp_path / "a", data, model, by_order=True, channels="RGB")
    assert [change.kind for change in changes] == ["names"]
    state = model.state_dict()
    np.testing.assert_array_equal(state["1.running_mean"], mean)
    np.testing.assert_array_equal(state["1.running_var"], var)
    np.testing.assert_array_equal(state["1.weight"], gamma)


PROTOTXT = """
# the description
name: "net"
layer { name: "data" type: "Data" top: "data" transform_param { mean_value: 104 } }
layer {
  name: "conv1"  type: "Convolution"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" } }
}
layer { name: "norm1" type: "LRN" lrn_param { local_size: 5 alpha: 0.3 beta: 0.75 k: 1 } }
layer { name: 'pool1' type: 'Pooling' pooling_param < pool: MAX kernel_size: 2 > }
layer { name: "conv2" type: "Convolution" convolution_param { num_output: 6 kernel_size: 3 } }
layer { name: "fc6" type: "InnerProduct" inner_product_param { num_output: 5 } }
layer { name: "fc7" type: "InnerProduct" inner_product_param { num_output: 4 } }
"""


def test_a_prototxt_is_the_judge_of_the_shapes(tmp_path, theirs):
    text = tmp_path / "deploy.prototxt"
    text.write_text(PROTOTXT)
    stripped = [layer for layer in caffe_layers(theirs) if layer[1] != "LRN"]
    data = made.caffemodel(stripped)
    how = {"by_order": True, "channels": "BGR", "prototxt": text}
    model, changes = loaded(tmp_path / "a.caffemodel", data, **how)
    assert_same(model, theirs)
    _, changes = loaded(tmp_path / "a.caffemodel", data, net(2, alpha=0.3), **how)
    assert "normalization" in [change.kind for change in changes]
    for right, wrong in {"num_output: 8": "num_output: 9", "size: 3 pad": "size: 5 pad"}.items():
        text.write_text(PROTOTXT.replace(right, wrong))
        with pytest.raises(DataError, match=r"conv1 should have outputs and kernel \["):
            loaded(tmp_path / "a.caffemodel", data, **how)


def test_a_number_that_is_none_and_an_lrn_within_channels(tmp_path, theirs):
    text = tmp_path / "deploy.prototxt"
    shapes = {"conv1": (8, 3, 3, 3), "conv2": (6, 8, 3, 3), "fc6": (5, 96), "fc7": (4, 5)}
    found = weights.Weights({f"{name}.weight": np.zeros(shape) for name, shape in shapes.items()})
    for number in ("inf", "nan"):
        text.write_text(PROTOTXT.replace("num_output: 8", f"num_output: {number}"))
        with pytest.raises(DataError, match=rf"conv1 should have .* \[{number}, 3, 3\]"):
            caffe_text.judged(found, text)
    within = "lrn_param { norm_region: WITHIN_CHANNEL "
    text.write_text(PROTOTXT.replace("lrn_param {", within))
    assert conventions.stated(caffe_text.judged(found, text).metadata).lrn == ()


def test_the_description_of_2014_is_understood(tmp_path, theirs):
    text = tmp_path / "deploy.prototxt"
    old = PROTOTXT.replace("layer {", "layers {").replace('"InnerProduct"', "INNER_PRODUCT")
    text.write_text(old.replace('"Convolution"', "CONVOLUTION"))
    found = weights.Weights({"fc6.weight": np.zeros((5, 96)), "conv1.weight": np.zeros(1)})
    with pytest.raises(DataError, match="conv1 should have"):
        caffe_text.judged(found, text)


@pytest.mark.parametrize(
    "text", ["layer {", "layer { name: }", "}", "a: [1", "{" * 50, "a: {" * 50, 'name: "x', ""]
)
def test_a_damaged_description_is_refused(tmp_path, theirs, text):
    path = tmp_path / "deploy.prototxt"
    path.write_text(text)
    with pytest.raises(DataError, match=r"deploy\.prototxt: "):
        caffe_text.judged(weights.Weights(theirs), path)


def test_a_mean_image_of_caffe(tmp_path, rng):
    mean = rng.random((3, 4, 4)).astype(np.float32)
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(made.blob(mean, legacy=True))
    found = weights.read(path)
    np.testing.assert_array_equal(found.arrays["mean"], mean)
    assert "BGR" in found.notes[0]


# arrays of TensorFlow's converters


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("inner", ["list", "dict"])
def test_a_dict_of_layers_in_an_npy(tmp_path, theirs, protocol, inner):
    """In the order of a dict of Python 2: conv1 is not the first."""
    layers = channels_last(theirs)
    layers["conv1"][0] = layers["conv1"][0][:, :, ::-1]
    thing = {name: layers[name] for name in sorted(layers, reverse=True)}
    if inner == "dict":
        thing = {n: {"biases": b, "weights": w} for n, (w, b) in thing.items()}
    path = tmp_path / "bvlc_alexnet.npy"
    model, changes = loaded(path, made.npy_of(thing, protocol), by_order=True, channels="BGR")
    assert_same(model, theirs)
    assert [change.kind for change in changes] == ["layout", "channels", "names"]
    with pytest.raises(DataError, match="order of the color channels"):
        weights.load(net(2), path, by_order=True)


def test_an_npy_of_one_array_or_of_objects_that_are_none_is_refused(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.ones(3))
    with pytest.raises(DataError, match=r"one array \(3,\) of float64, without a name"):
        weights.read(path)
    for thing in ({"a": 5}, {"a": [1, 2]}, [1], {"a": {"b": {"c": np.ones(2)}}}, {}):
        path.write_bytes(made.npy_of(thing))
        with pytest.raises(DataError, match=r"a\.npy: "):
            weights.read(path)


def test_shapes_that_fit_two_layouts_are_asked_for(tmp_path, rng):
    square = rng.random((4, 4)).astype(np.float32)
    path = tmp_path / "a.npy"
    data = made.npy_of({"fc": [square, square[0]]})
    with pytest.raises(DataError, match=r"does not state the axes.*Say layout="):
        loaded(path, data, nn.Sequential(nn.Linear(4, 4)), by_order=True)
    for layout, expected in {"OIHW": square, "HWIO": square.T}.items():
        model = nn.Sequential(nn.Linear(4, 4))
        loaded(path, data, model, by_order=True, layout=layout)
        np.testing.assert_array_equal(model[0].weight.numpy(), expected)


def test_an_npz_in_hwio_is_found_by_its_shapes(tmp_path, theirs):
    arrays = [a for pair in channels_last(theirs).values() for a in pair]
    np.savez(tmp_path / "a.npz", **dict(zip(theirs, arrays, strict=True)))
    model = net(2)
    (change,) = weights.load(model, tmp_path / "a.npz")
    assert change.kind == "layout"
    assert_same(model, theirs)


def test_theanos_filters_are_turned_and_its_matrices_transposed(tmp_path, theirs):
    arrays = {}
    for name, array in theirs.items():
        turned = array[:, :, ::-1, ::-1] if array.ndim == 4 else array.T
        arrays[name] = np.ascontiguousarray(turned)
    np.savez(tmp_path / "a.npz", **arrays)
    model = net(2)
    changes = weights.load(model, tmp_path / "a.npz", flipped=True)
    assert_same(model, theirs)
    assert [str(change)[:8] for change in changes] == ["Matrices", "Filters "]


def test_the_order_of_the_flattened_maps_can_be_stated(tmp_path, theirs):
    layers = channels_last(theirs)
    layers["fc6"][0] = np.ascontiguousarray(theirs["6.weight"].T)  # from (C, H, W)
    arrays = [a for pair in layers.values() for a in pair]
    np.savez(tmp_path / "a.npz", **dict(zip(theirs, arrays, strict=True)))
    model = net(2)
    weights.load(model, tmp_path / "a.npz", flatten="CHW")
    assert_same(model, theirs)


# Keras


KERAS = ("kernel", "bias")
EPS = {"epsilon": 0.001}


def keras_classes(state):
    keys = ("conv2d", "conv2d_1", "dense", "dense_1")
    return dict(zip(keys, channels_last(state).items(), strict=True))


def test_an_h5_of_keras(tmp_path, theirs):
    pytest.importorskip("h5py", reason="h5py is not installed")
    layers = {n: dict(zip(KERAS, a, strict=True)) for n, a in channels_last(theirs).items()}
    model, _ = loaded(tmp_path / "a.h5", made.h5_of(layers), by_order=True)
    assert_same(model, theirs)


def test_the_weights_h5_of_keras_3(tmp_path, theirs):
    pytest.importorskip("h5py", reason="h5py is not installed")
    path = tmp_path / "a.weights.h5"
    model, _ = loaded(path, made.weights_h5_of(keras_classes(theirs)), by_order=True)
    assert_same(model, theirs)
    assert list(weights.read(path).arrays)[:2] == ["conv1.weight", "conv1.bias"]


def test_layers_of_a_weights_h5_come_in_the_order_of_their_numbers(tmp_path):
    pytest.importorskip("h5py", reason="h5py is not installed")
    keys = [f"dense_{i}" if i else "dense" for i in range(12)]
    layers = {key: (f"fc{i}", [np.full((2, 2), i, "f4")]) for i, key in enumerate(keys)}
    path = tmp_path / "a.weights.h5"
    path.write_bytes(made.weights_h5_of(layers))
    assert [int(a[0, 0]) for a in weights.read(path).arrays.values()] == list(range(12))


def test_a_keras_archive_has_the_order_of_its_config(tmp_path, rng):
    pytest.importorskip("h5py", reason="h5py is not installed")
    scale = rng.random((4, 8)).astype(np.float32)
    kernels = rng.random((2, 1, 1, 8, 8)).astype(np.float32)
    classes = {
        "conv2d": ("a", [kernels[0], scale[0]]),
        "batch_normalization": ("b", list(scale)),
        "conv2d_1": ("c", [kernels[1], scale[1]]),
    }
    config = {"config": {"layers": [{"config": {"name": name, **EPS}} for name in "abc"]}}
    members = [
        ("config.json", json.dumps(config)),
        ("model.weights.h5", made.weights_h5_of(classes)),
    ]
    model = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8, eps=1e-3), nn.Conv2d(8, 8, 1))
    path = tmp_path / "a.keras"
    loaded(path, made.crafted.archive(members), model, by_order=True)
    np.testing.assert_array_equal(model[2].weight.numpy(), kernels[1].transpose(3, 2, 0, 1))
    np.testing.assert_array_equal(model.state_dict()["1.running_var"], scale[3])
    names = [name.partition(".")[0] for name in weights.read(path).arrays]
    assert names == ["a"] * 2 + ["b"] * 4 + ["c"] * 2


def test_a_network_of_keras_applications_asks_for_the_colors(tmp_path, theirs):
    pytest.importorskip("h5py", reason="h5py is not installed")
    layers = {n: dict(zip(KERAS, a, strict=True)) for n, a in channels_last(theirs).items()}
    layers = {"block1_conv1": layers.pop("conv1"), **layers}
    with pytest.raises(DataError, match="VGG or ResNet of keras"):
        loaded(tmp_path / "vgg.h5", made.h5_of(layers), by_order=True)


# ONNX and MatConvNet


def test_the_initializers_of_an_onnx_that_is_ours(tmp_path, theirs, weights_says):
    pytest.importorskip("onnx", reason="onnx is not installed")
    model = net(1)
    tn.weights.save(model, tmp_path / "a.onnx", input_shape=(3, 8, 8))
    found = weights.read(tmp_path / "a.onnx")
    assert found.kind == "onnx"
    sizes = {array.shape for array in found.arrays.values()}
    assert {array.shape for array in theirs.values()} <= sizes
    path = str(tmp_path / "a.onnx")
    assert f"tn.weights.from_onnx({path!r})" in weights_says("show", path).out


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_a_network_of_matconvnet(tmp_path, theirs, compressed, nested):
    layers = []
    for name, weight, bias in layers_of(theirs):
        maps = weight.reshape(5, 6, 4, 4) if name == "fc6" else weight
        filters = maps if maps.ndim == 4 else maps[:, :, None, None]
        arrays = [filters.transpose(2, 3, 1, 0), bias[None]]
        layers.append({"type": "conv", "name": name, "weights": arrays})
    norm = {"type": "normalize", "name": "norm1", "param": np.array([[5, 1, 0.06, 0.75]])}
    layers.insert(1, norm)
    mean = np.arange(3.0).reshape(1, 1, 3)
    net_of = {"layers": layers, "meta": {"normalization": {"averageImage": mean}}}
    data = made.mat(compressed, **({"net": net_of} if nested else net_of))
    model, changes = loaded(tmp_path / "a.mat", data, by_order=True)
    assert_same(model, theirs)
    assert [change.kind for change in changes] == ["layout", "names"]
    assert weights.read(tmp_path / "a.mat").metadata["mean"] == "0.00, 1.00, 2.00 (RGB)"


def test_scipy_writes_what_is_written_by_hand(tmp_path, rng):
    scipy_io = pytest.importorskip("scipy.io", reason="SciPy, the oracle, is not installed")
    arrays = {"a": rng.random((3, 4)), "b": np.arange(6, dtype=np.uint8).reshape(1, 6)}
    for compressed in (True, False):
        scipy_io.savemat(tmp_path / "a.mat", arrays, do_compression=compressed)
        found = weights.read(tmp_path / "a.mat").arrays
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
    (tmp_path / "b.mat").write_bytes(made.mat(**arrays))
    found = scipy_io.loadmat(tmp_path / "b.mat")
    np.testing.assert_array_equal(found["a"], arrays["a"])


# PyTorch of 2016


def test_a_tar_archive_of_pytorch(tmp_path, theirs):
    model, changes = loaded(tmp_path / "a.pth", made.tar_of(theirs))
    assert_same(model, theirs)
    assert changes == []


def test_a_tar_archive_is_to_pytorch_what_it_is_here(tmp_path, theirs):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    path = tmp_path / "a.pth"
    path.write_bytes(made.tar_of(theirs))
    for name, tensor in torch.load(path, weights_only=False).items():
        np.testing.assert_array_equal(tensor.numpy(), theirs[name])


# the command


def test_show_names_the_network_and_the_command_that_loads_it(weights_says, tmp_path):
    state = models.build("cifar-quick", 3).state_dict()
    arrays = list(state.values())
    layers = [
        (f"layer{i}", "Convolution" if w.ndim == 4 else "InnerProduct", [w, b])
        for i, (w, b) in enumerate(zip(arrays[::2], arrays[1::2], strict=True))
    ]
    path = tmp_path / "quick.caffemodel"
    path.write_bytes(made.caffemodel(layers))
    said = weights_says("show", path).out
    assert "In their order, its arrays are those of cifar-quick, with 3 classes." in said
    assert "--model cifar-quick --by-order --channels BGR" in said
    out = tmp_path / "quick.npz"
    how = ("--model", "cifar-quick", "--by-order", "--channels", "RGB")
    assert weights_says("convert", path, out, *how).code == 0
    for name, array in weights.read(out).arrays.items():
        np.testing.assert_array_equal(array, state[name])
