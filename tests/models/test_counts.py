"""Every network's parameters and multiply-adds, as published: nothing is drawn or computed."""

import re
from pathlib import Path

import pytest

from tinynet import kernels, models, nn
from tinynet.analysis.summary import counted

PUBLISHED = {  # parameters, multiply-adds in millions where they are known to so many digits
    "alexnet": (60_965_224, 724.406816),
    "alexnet-two-towers": (60_965_224, 724.406816),
    "alexnet-one-weird-trick": (60_965_224, 724.406816),
    "zfnet": (62_357_608, None),
    "vgg-11": (132_863_336, 7609),
    "vgg-13": (133_047_848, 11308),
    "vgg-16": (138_357_544, 15470),
    "vgg-19": (143_667_240, 19632),
    "googlenet": (6_998_552, 1583),
    "googlenet-torchvision": (6_624_904, 1498),
    "resnet-18": (11_689_512, 1814),
    "resnet-34": (21_797_672, 3664),
    "resnet-50": (25_557_032, 4089),
    "densenet-121": (7_978_856, 2834),
    "inception-v4": (42_679_816, None),
    "se-resnet-50": (28_088_024, None),
    "cifar-quick": (145_578, 12.35),
    "cifar-18pct": (89_578, 12.30),
    "cifar-18pct-lrn": (89_578, 12.30),
    "cifar-13pct": (1_116_490, 18.5),
    "cifar-11pct": (2_112_970, 19.5),
    "nin": (966_986, None),
    "resnet-20": (269_722, None),
    "resnet-56": (853_018, None),
    "densenet-bc-100": (769_162, None),
}
VARIANTS = {
    "paper": (60_965_224, 724_406_816),
    "code2012": (60_965_224, 724_406_816),
    "caffe": (60_965_224, 724_406_816),
    "caffenet": (60_965_224, 724_406_816),
    "torchvision": (61_100_840, 714_188_480),
    "one-tower": (62_378_344, 1_135_256_096),
    "keras-same": (62_378_344, 3_113_437_184),
    "batchnorm-227": (58_323_530, 1_131_201_056),
    "pool-first": (60_965_224 - 16_781_312, 724_406_816 - 16_777_216),
    "half": (59_798_312, 391_514_384),
}
TEN_CLASSES = {
    "alexnet": 56_909_194,
    "vgg-16": 134_301_514,
    "vgg-19": 139_611_210,
    "googlenet-torchvision": 5_610_154,
    "resnet-18": 11_181_642,
    "resnet-34": 21_289_802,
    "resnet-50": 23_528_522,
    "densenet-121": 6_964_106,
}
RUNNING_VALUES = {
    "googlenet-torchvision": 14_560,
    "resnet-18": 9_600,
    "resnet-34": 17_024,
    "resnet-50": 53_120,
    "densenet-121": 83_648,
}


def undrawn(name, classes=1000, **settings):
    with nn.init.skip_init():
        return models.build(name, classes, **settings)


def size(tensors):
    return sum(t.data.size for t in tensors)


def buffers(net):
    layers = [m for _, m in net.named_modules() if isinstance(m, nn.BatchNorm2d)]
    return [v for m in layers for v in (m.running_mean, m.running_var)]


def totals(name, variant=None):
    _, layers = counted(name, variant=variant)
    return sum(r.parameters for r in layers), sum(r.multiply_adds for r in layers)


def agrees(macs, millions):
    """Whether the number, rounded to the digits that were published, is the published one."""
    digits = len(str(millions).partition(".")[2])
    return round(macs / 1e6, digits) == millions


def test_every_network_is_counted():
    assert set(PUBLISHED) == {n for n in models.names() if not re.match("small|demo", n)}
    assert set(VARIANTS) == set(models.variants())


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_network_has_the_published_numbers(name):
    parameters, macs = totals(name)
    expected, millions = PUBLISHED[name]
    assert parameters == expected
    assert millions is None or agrees(macs, millions), macs


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_of_alexnet_has_its_numbers(variant):
    assert totals("alexnet", variant) == VARIANTS[variant]


@pytest.mark.parametrize("name", TEN_CLASSES)
def test_for_ten_classes_too(name):
    assert size(undrawn(name, 10).parameters()) == TEN_CLASSES[name]


@pytest.mark.parametrize("name", RUNNING_VALUES)
def test_batch_norm_remembers_so_many_values(name):
    assert size(buffers(undrawn(name))) == RUNNING_VALUES[name]


def test_the_batch_norm_alexnet_has_its_values_that_are_not_trained():
    net = undrawn("alexnet", 10, variant="batchnorm-227")
    assert size(buffers(net)) == 1_216
    assert size(net.parameters()) + 1_216 == 58_324_746


@pytest.mark.parametrize(
    ("torchvision", "aux1", "aux2", "total"),
    [(False, 3_188_840, 3_190_888, 13_378_280), (True, None, None, 13_004_888)],
)
def test_googlenet_with_its_auxiliary_heads(torchvision, aux1, aux2, total):
    with nn.init.skip_init():
        net = models.GoogLeNet(torchvision=torchvision, auxiliary=True)
    assert size(net.parameters()) == total
    if not torchvision:
        assert (size(net.aux1.parameters()), size(net.aux2.parameters())) == (aux1, aux2)


def test_vgg_with_batch_norm():
    with nn.init.skip_init():
        net = models.vgg.vgg(16, batch_norm=True)
    assert size(net.parameters()) == 138_365_992


TABLE = Path(__file__).parents[2] / "docs" / "networks.md"


@pytest.mark.skipif(not TABLE.exists(), reason="the documents are not part of an installed package")
def test_the_table_of_networks_says_what_is_counted():
    rows = re.findall(
        r"^\| `([\w-]+)` .*?\| ([\d,]{6,}) \| ([\d,]{6,}) \|", TABLE.read_text(), re.M
    )
    assert {name for name, *_ in rows} >= set(PUBLISHED) - {"alexnet"} | set(VARIANTS)
    for name, *numbers in rows:
        model, variant = ("alexnet", name) if name in VARIANTS else (name, None)
        assert [f"{n:,}" for n in totals(model, variant)] == numbers, name


def test_the_steps_of_named_networks_are_timed(monkeypatch, capsys):
    from benchmarks import networks

    monkeypatch.setattr("sys.argv", ["networks", "demo", "--batch", "2", "--rounds", "2"])
    with kernels.use("reference"):
        networks.main()
    head, _, row, _, last = capsys.readouterr().out.splitlines()
    assert head.split() == ["network", "ms", "a", "step", "quickest", "slowest", "images/s"]
    name, middle, quickest, slowest, speed = row.split()
    assert name == "demo"
    assert int(quickest) <= int(middle) <= int(slowest)
    assert int(speed.replace(",", "")) > 0
    assert "medians of 2" in last


def test_an_unknown_network_to_time_is_one_sentence(monkeypatch):
    from benchmarks import networks

    for arguments in (["demo", "nope"], ["S"], ["nope", "--against", "torch"]):
        monkeypatch.setattr("sys.argv", ["networks", *arguments])
        with pytest.raises(SystemExit, match=r"^networks: there is no (nope|S)\. Known: "):
            networks.main()


# the names of torchvision's files

CONVOLUTIONS_OF_VGG16 = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
NAMES = {
    "alexnet": {f"features.{i}" for i in (0, 3, 6, 8, 10)} | {f"classifier.{i}" for i in (1, 4, 6)},
    "vgg-16": {f"features.{i}" for i in CONVOLUTIONS_OF_VGG16}
    | {f"classifier.{i}" for i in (0, 3, 6)},
}


@pytest.mark.parametrize("name", NAMES)
def test_layers_of_a_chain_have_torchvisions_numbers(name):
    variant = "torchvision" if name == "alexnet" else None
    net = undrawn(name, variant=variant)
    found = {n.rpartition(".")[0] for n, _ in net.named_parameters()}
    assert found == NAMES[name]


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        (
            "resnet-50",
            {
                "conv1.weight": (64, 3, 7, 7),
                "bn1.running_var": (64,),
                "layer1.0.downsample.0.weight": (256, 64, 1, 1),
                "layer1.0.downsample.1.running_mean": (256,),
                "layer4.2.conv3.weight": (2048, 512, 1, 1),
                "fc.bias": (1000,),
            },
        ),
        (
            "googlenet-torchvision",
            {
                "conv1.conv.weight": (64, 3, 7, 7),
                "inception3a.branch1.conv.weight": (64, 192, 1, 1),
                "inception3a.branch2.1.bn.running_mean": (128,),
                "inception4d.branch3.1.conv.weight": (64, 32, 3, 3),
                "inception5b.branch4.1.bn.bias": (128,),
                "fc.weight": (1000, 1024),
            },
        ),
        (
            "densenet-121",
            {
                "features.conv0.weight": (64, 3, 7, 7),
                "features.norm0.running_var": (64,),
                "features.denseblock4.denselayer16.conv2.weight": (32, 128, 3, 3),
                "features.transition3.conv.weight": (512, 1024, 1, 1),
                "features.norm5.weight": (1024,),
                "classifier.weight": (1000, 1024),
            },
        ),
    ],
)
def test_layers_of_a_graph_have_torchvisions_names(name, shapes):
    state = undrawn(name).state_dict()
    assert {key: state[key].shape for key in shapes} == shapes


@pytest.mark.parametrize("name", models.names())
def test_a_network_is_built_without_drawing_a_number(name):
    weights = [p for n, p in undrawn(name, 10).named_parameters() if len(p.shape) > 1]
    assert not any(w.data.reshape(-1)[:3].any() for w in weights)
