"""What PyTorch writes, where PyTorch is installed: read to the bit, and the same scores with it."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn
from tinynet.errors import DataError
from tinynet.testing import tolerance
from tinynet.testing.compare import difference, scale_of
from tinynet.weights import load, read

torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def saved(path, value, **more):
    torch.save(value, path, **more)
    return path


def test_tensors_of_every_kind_come_out_to_the_bit(tmp_path):
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
    found = read(saved(tmp_path / "a.pth", tensors)).arrays
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.detach().numpy().dtype
        np.testing.assert_array_equal(found[name], tensor.detach().numpy())
    brain = torch.randn(4).bfloat16()
    found = read(saved(tmp_path / "b.pth", {"w": brain})).arrays["w"]
    np.testing.assert_array_equal(found, brain.float().numpy())


def test_a_training_checkpoint_is_searched_for_the_weights(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    whole = {"epoch": 3, "state_dict": model.state_dict(), "optimizer": optimizer.state_dict()}
    found = read(saved(tmp_path / "a.pth", whole)).arrays
    assert list(found) == list(model.state_dict())


def test_a_whole_model_and_the_format_of_old_are_refused_with_a_way_out(tmp_path):
    model = torch.nn.Linear(2, 2)
    with pytest.raises(DataError, match=r"torch\.nn\.modules\.linear\.Linear"):
        read(saved(tmp_path / "a.pth", model))
    old = saved(tmp_path / "b.pth", model.state_dict(), _use_new_zipfile_serialization=False)
    with pytest.raises(DataError, match=r"before version 1\.6"):
        read(old)


def test_bfloat16_of_safetensors_is_read_as_pytorch_wrote_it(tmp_path):
    from safetensors.torch import save_file

    brain = torch.randn(2, 3).bfloat16()
    save_file({"w": brain}, tmp_path / "a.safetensors")
    np.testing.assert_array_equal(
        read(tmp_path / "a.safetensors").arrays["w"], brain.float().numpy()
    )


# the same scores


class TheirAlexNet(torch.nn.Module):
    """torchvision's alexnet, layer by layer; `hidden` is 4096 there."""

    def __init__(self, classes, hidden):
        super().__init__()
        t = torch.nn
        self.features = t.Sequential(
            t.Conv2d(3, 64, 11, stride=4, padding=2), t.ReLU(), t.MaxPool2d(3, 2),
            t.Conv2d(64, 192, 5, padding=2), t.ReLU(), t.MaxPool2d(3, 2),
            t.Conv2d(192, 384, 3, padding=1), t.ReLU(),
            t.Conv2d(384, 256, 3, padding=1), t.ReLU(),
            t.Conv2d(256, 256, 3, padding=1), t.ReLU(), t.MaxPool2d(3, 2),
        )  # fmt: skip
        self.avgpool = t.AdaptiveAvgPool2d((6, 6))
        self.classifier = t.Sequential(
            t.Dropout(), t.Linear(256 * 6 * 6, hidden), t.ReLU(),
            t.Dropout(), t.Linear(hidden, hidden), t.ReLU(), t.Linear(hidden, classes),
        )  # fmt: skip

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class OurAlexNet(nn.Module):
    """The same here, where flattening is a layer and counts."""

    def __init__(self, classes, hidden):
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Dropout(), nn.Linear(256 * 6 * 6, hidden), nn.ReLU(),
            nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes),
        )  # fmt: skip

    def forward(self, x):
        return self.classifier(self.features(x))


@pytest.mark.parametrize("hidden", [64, pytest.param(4096, marks=pytest.mark.slow, id="full size")])
def test_torchvisions_alexnet_gives_the_same_scores_here(tmp_path, hidden, rng):
    theirs = TheirAlexNet(classes=10, hidden=hidden).eval()
    with nn.init.undrawn():
        ours = OurAlexNet(classes=10, hidden=hidden).eval()
    assert load(ours, saved(tmp_path / "alexnet.pth", theirs.state_dict())) == []
    x = rng.standard_normal((2, 3, 224, 224), np.float32)
    with torch.no_grad():
        expected = theirs(torch.tensor(x)).numpy()
    with tn.no_grad():
        got = ours(tn.tensor(x)).numpy()
    allowed = tolerance(256 * 6 * 6, np.float32) * scale_of(expected)
    assert difference(got, expected, allowed) is None
