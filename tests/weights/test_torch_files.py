"""Files written by PyTorch, where it is installed: the same bits, and the same scores."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import models, nn
from tinynet.core.errors import DataError
from tinynet.testing import tolerance
from tinynet.testing.compare import difference, scale_of
from tinynet.weights import load, read
from weights import crafted

torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
twins = pytest.importorskip("weights.torchvision_twins")


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def saved(path, value, **more):
    torch.save(value, path, **more)
    return path


FORMATS = pytest.mark.parametrize("archive", [True, False], ids=["zip", "legacy"])


@FORMATS
def test_tensors_of_every_kind_come_out_to_the_bit(tmp_path, archive):
    how = {"_use_new_zipfile_serialization": archive}
    shared = torch.arange(24.0)
    tensors = {
        "plain": torch.randn(2, 3, 4),
        "turned": torch.randn(3, 5).t(),
        "last": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        "part": shared[5:11],
        "other": shared.reshape(4, 6)[:, ::2],
        "parameter": torch.nn.Parameter(torch.randn(2)),
        "half": torch.randn(3).half(),
        "double": torch.randn(3).double(),
        "long": torch.tensor(5),
        "bool": torch.tensor([True, False]),
        "empty": torch.zeros(0, 3),
    }
    found = read(saved(tmp_path / "a.pth", tensors, **how)).arrays
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.detach().numpy().dtype
        np.testing.assert_array_equal(found[name], tensor.detach().numpy())
        assert not found[name].flags.writeable or not found[name].size
    assert np.shares_memory(found["part"], found["other"])
    brain = torch.randn(4).bfloat16()
    found = read(saved(tmp_path / "b.pth", {"w": brain}, **how)).arrays["w"]
    np.testing.assert_array_equal(found, brain.float().numpy())


@FORMATS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_training_checkpoint_is_searched_for_the_weights(tmp_path, archive, protocol):
    how = {"_use_new_zipfile_serialization": archive, "pickle_protocol": protocol}
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = {"state": {0: {"momentum_buffer": torch.ones(2, 3)}}, "param_groups": [{"lr": 0.1}]}
    whole = {"epoch": 3, "state_dict": model.state_dict(), "optimizer": optimizer}
    found = read(saved(tmp_path / "a.pth", whole, **how)).arrays
    assert list(found) == list(model.state_dict())


@FORMATS
def test_a_whole_model_is_refused_with_a_way_out(tmp_path, archive):
    how = {"_use_new_zipfile_serialization": archive}
    with pytest.raises(
        DataError, match=r"(torch\.nn\.modules\.linear\.Linear|'module').*state_dict"
    ):
        read(saved(tmp_path / "a.pth", torch.nn.Linear(2, 2), **how))


def test_files_made_by_hand_are_to_pytorch_what_they_are_here(tmp_path):
    path = tmp_path / "a.pth"
    for data in (crafted.legacy(), crafted.legacy_of_2017(), crafted.legacy_with_a_view()):
        path.write_bytes(data)
        for name, tensor in torch.load(path, weights_only=True).items():
            np.testing.assert_array_equal(read(path).arrays[name], tensor.detach().numpy())


def test_what_the_package_shows_first_works_with_batch_normalization_too(tmp_path):
    theirs = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    ours = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    ours.load_state_dict(read(saved(tmp_path / "net.pth", theirs.state_dict())).arrays)
    for name, array in ours.state_dict().items():
        np.testing.assert_array_equal(array, theirs.state_dict()[name].numpy())
    assert all(array.data.flags.writeable for array in ours.parameters())


def test_bfloat16_of_safetensors_is_read_as_pytorch_wrote_it(tmp_path):
    from safetensors.torch import save_file

    brain = torch.randn(2, 3).bfloat16()
    save_file({"w": brain}, tmp_path / "a.safetensors")
    np.testing.assert_array_equal(
        read(tmp_path / "a.safetensors").arrays["w"], brain.float().numpy()
    )


# the same scores


def saved_twin(path, twin):
    """Give a network of PyTorch lively values, running ones too, and save it as people do."""
    torch.manual_seed(0)
    for module in twin.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
        elif isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(module.weight)  # the default lets images fade away
    return saved(path, twin.eval().state_dict())


def assert_same_scores(ours, theirs, side, terms):
    x = np.random.default_rng(0).standard_normal((2, 3, side, side), np.float32)
    with torch.no_grad():
        expected = theirs(torch.tensor(x)).numpy()
    with tn.no_grad():
        got = ours.eval()(tn.tensor(x)).numpy()
    allowed = tolerance(terms, np.float32) * scale_of(expected)
    assert difference(got, expected, allowed) is None
    assert np.ptp(expected, axis=0).max() > 50 * allowed  # the images differ in their scores


class NarrowAlexNet(nn.Module):
    """torchvision's alexnet with fewer hidden units, where flattening is a layer and counts."""

    def __init__(self, hidden):
        self.features = models.build("alexnet", variant="torchvision").features
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(256 * 6 * 6, hidden),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 10),
        )

    def forward(self, x):
        return self.classifier(self.features(x))


def test_a_narrow_alexnet_of_torchvision_gives_the_same_scores(tmp_path):
    theirs = twins.AlexNet(10, hidden=64)
    with nn.init.skip_init():
        ours = NarrowAlexNet(hidden=64)
    assert load(ours, saved_twin(tmp_path / "alexnet.pth", theirs)) == []
    assert_same_scores(ours, theirs, 224, terms=256 * 6 * 6)


@pytest.mark.parametrize(
    ("name", "variant", "twin", "side"),
    [
        ("resnet-18", None, twins.ResNet, 64),
        ("googlenet-torchvision", None, twins.GoogLeNet, 64),
        ("densenet-121", None, twins.DenseNet, 64),
        pytest.param("alexnet", "torchvision", twins.AlexNet, 224, marks=pytest.mark.slow),
        pytest.param("vgg-11", None, twins.VGG, 224, marks=pytest.mark.slow),
        pytest.param(
            "vgg-16",
            None,
            lambda classes: twins.VGG(classes, (2, 2, 3, 3, 3)),
            224,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "resnet-34",
            None,
            lambda classes: twins.ResNet(classes, (3, 4, 6, 3)),
            64,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "resnet-50",
            None,
            lambda classes: twins.ResNet(classes, (3, 4, 6, 3), True),
            64,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_torchvisions_networks_give_the_same_scores_here(tmp_path, name, variant, twin, side):
    """To the rounding of float32: tens of layers, so of about as many sums as all of them have."""
    theirs = twin(10)
    with nn.init.skip_init():
        ours = models.build(name, 10, variant=variant)
    assert load(ours, saved_twin(tmp_path / "net.pth", theirs)) == []
    assert_same_scores(ours, theirs, side, terms=50 * 512 * 9)


def test_a_network_with_one_weight_changed_is_told_apart(tmp_path):
    theirs = twins.ResNet(10)
    with nn.init.skip_init():
        ours = models.build("resnet-18", 10)
    load(ours, saved_twin(tmp_path / "net.pth", theirs))
    with torch.no_grad():
        theirs.layer3[1].conv2.weight[7, 3, 1, 1] += 1
    with pytest.raises(AssertionError):
        assert_same_scores(ours, theirs, 64, terms=50 * 512 * 9)
