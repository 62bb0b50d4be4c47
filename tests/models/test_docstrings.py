"""Docstrings of models and distributed training: examples run, parameters are described."""

import pytest

from support.docstrings import examples, undescribed_parameters, without_example
from tinynet import distributed, models
from tinynet.analysis import compare
from tinynet.distributed import data_parallel, model_parallel
from tinynet.models import (
    alexnet_variants,
    conv_bn_relu,
    cuda_convnet,
    densenet,
    googlenet,
    inception_v4,
    nin,
    one_weird_trick,
    resnet,
    small,
    two_towers,
    vgg,
    zfnet,
)
from tinynet.training import presets

ALL = [e for module in (models, distributed, compare, presets) for e in examples(module)]
NETWORKS = [
    models.AlexNet,
    alexnet_variants.AlexNetVariant,
    conv_bn_relu.ConvBNReLU,
    cuda_convnet.cifar_18pct,
    densenet.DenseNet,
    densenet.DenseLayer,
    densenet.Transition,
    googlenet.GoogLeNet,
    googlenet.Inception,
    googlenet.AuxiliaryHead,
    googlenet.SequentialWithHead,
    inception_v4.Builder,
    inception_v4.inception_v4,
    nin.nin,
    one_weird_trick.OneWeirdTrick,
    resnet.ResNet,
    resnet.BasicBlock,
    resnet.Bottleneck,
    resnet.SqueezeExcitation,
    resnet.cifar_resnet,
    small.small_alexnet,
    two_towers.TwoTowers,
    two_towers.TowerSizes,
    vgg.VGG,
    vgg.vgg,
    zfnet.zfnet,
    data_parallel.DistributedLoader,
    model_parallel.scatter_channels,
    model_parallel.gather_channels,
]


@pytest.mark.parametrize("example", ALL, ids=str)
def test_the_examples_in_docstrings_run(example):
    example.run()


def test_every_public_name_of_models_has_an_example():
    records = ["Entry"]  # it is shown where it is returned
    assert [name for name in without_example(models) if name not in records] == []


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_every_parameter_of_a_network_is_described(network):
    assert undescribed_parameters(network) == []


def test_every_parameter_of_build_is_described():
    assert undescribed_parameters(models.build) == ["unknown"]  # what is not there
