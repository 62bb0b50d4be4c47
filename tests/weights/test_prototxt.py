"""A .prototxt that describes another network than the .caffemodel beside it is refused."""

import re

import numpy as np
import pytest

from weights import crafted_formats as made

LRN = 'layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1" lrn_param { alpha: 0.3 } }'
POOL = 'layer { name: "pool1" type: "Pooling" bottom: "norm1" top: "pool1" }'
TEXT = f"""
layer {{ name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param {{ num_output: 8 kernel_size: 3 }} }}
{LRN}
{POOL}
layer {{ name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
  convolution_param {{ num_output: 6 kernel_size: 3 group: 2 }} }}
layer {{ name: "fc3" type: "InnerProduct" bottom: "conv2" top: "fc3"
  inner_product_param {{ num_output: 5 }} }}
"""
WRONG = {
    "groups": ("group: 2", "", "conv2 reads 8 channels in 1 groups"),
    "outputs": ("num_output: 5", "num_output: 7", "fc3 should have outputs and kernel"),
    "alpha": ("alpha: 0.3", "alpha: 0.5", "it describes LRN with n 5 alpha 0.5 .*alpha 0.3"),
    "order": (f"{LRN}\n{POOL}", f"{POOL}\n{LRN}", "in the order Pooling, LRN, and .* LRN, Pooling"),
    "name": ("fc3", "fc_flickr", "its layer fc_flickr has no weights in the .caffemodel"),
}


@pytest.fixture
def model(tmp_path, rng):
    """A .caffemodel, and its description."""
    shapes = {"conv1": (8, 3, 3, 3), "conv2": (6, 4, 3, 3), "fc3": (5, 24)}
    blobs = {k: [rng.random(s).astype(np.float32)] for k, s in shapes.items()}
    layers = [
        ("conv1", "Convolution", blobs["conv1"], None),
        ("norm1", "LRN", [], (5, 0.3, 0.75, 1.0)),
        ("pool1", "Pooling", [], None),
        ("conv2", "Convolution", blobs["conv2"], None),
        ("fc3", "InnerProduct", blobs["fc3"], None),
        ("loss1/pool", "Pooling", [], None),  # of a head that is there in training only
    ]
    path = tmp_path / "net.caffemodel"
    path.write_bytes(made.caffemodel(layers))
    path.with_suffix(".prototxt").write_text(TEXT)
    return path


def test_the_description_of_the_network_is_taken(weights_says, model):
    said = weights_says("show", model, "--prototxt", model.with_suffix(".prototxt"))
    assert said.code == 0
    assert "net.prototxt: its shapes are those of the weights." in said.out


@pytest.mark.parametrize("kind", WRONG)
def test_show_refuses_the_description_of_another_network(weights_says, model, kind):
    right, wrong, words = WRONG[kind]
    path = model.with_suffix(".prototxt")
    path.write_text(TEXT.replace(right, wrong))
    said = weights_says("show", model, "--prototxt", path)
    assert said.code == 1
    assert said.err.count("\n") == 1
    assert re.search(words, said.err)


def test_a_file_of_2013_names_the_program_that_renews_it(weights_says, tmp_path):
    path = tmp_path / "old.caffemodel"
    path.write_bytes(made.field(1, "net") + made.field(2, made.field(1, made.field(1, "conv1"))))
    assert "upgrade_net_proto_binary" in weights_says("show", path).err
