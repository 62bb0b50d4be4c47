"""Training on a card: the numbers of the CPU, the data set there, and hardly ever a look."""

import dataclasses
import json
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

import tinynet as tn
from support import small_demo
from support.devices import cuda_devices
from tinynet import data, models, nn
from tinynet.core.backend import device
from tinynet.kernels.gemm import _precision
from tinynet.testing.compare import scale_of
from tinynet.training import input_pipeline, run_dir, steps
from tinynet.training import loop as loop_module
from tinynet.training.device_loader import DeviceLoader, on_device
from tinynet.training.recipes import Recipe

PLAIN = Recipe(name="t", about="", model="demo", epochs=1, lr=0.1, batch_size=4, seed=7)
RECIPES = [
    {},
    {"crop": 24},
    {"horizontal_flip": True},
    {"pad": 3, "horizontal_flip": True},
    {"preprocess": "mean-image", "crop": 20, "horizontal_flip": True, "color_noise": 0.3},
    {"preprocess": "mean-image", "enlarge": 2, "crop": 56, "input_scale": 0.5},
]


CARD = [pytest.param("card", marks=pytest.mark.gpu)] if cuda_devices() else []


@pytest.fixture(params=["cpu", "stand_in", *CARD])
def place(request):
    """Return a device: NumPy's, or the first card of the stand-in or of CuPy."""
    if request.param == "stand_in":
        request.getfixturevalue("stand_in")
    return device("cpu" if request.param == "cpu" else "cuda")


def pictures(count=10, channels=3, side=32, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, channels, side, side), dtype=np.uint8)
    return SimpleNamespace(images=images, labels=np.arange(count) % 10, classes=("a",) * 10)


def host(x):
    return x if isinstance(x, np.ndarray) else x.get()


@pytest.mark.cxx
@pytest.mark.parametrize("settings", RECIPES, ids=str)
@pytest.mark.parametrize(("channels", "side"), [(3, 32), (1, 28)])
def test_batches_made_on_a_device_are_those_of_the_host(place, settings, channels, side):
    recipe = dataclasses.replace(PLAIN, **settings)
    sets = (pictures(10, channels, side, seed) for seed in (0, 1))
    for feed in input_pipeline.loaders(recipe, *sets):
        resident = DeviceLoader(feed, place)
        assert resident.steps == len(resident) == feed.steps
        for epoch, first in ((0, 0), (3, 1)):
            found = list(resident.batches(epoch, first))
            wanted = list(feed.batches(epoch, first))
            assert len(found) == len(wanted)
            for (x, y), (images, labels) in zip(found, wanted, strict=True):
                assert x.dtype == np.float32
                assert (host(x) == images).all()
                assert (host(y) == labels).all()


def test_the_data_set_is_kept_in_bytes(stand_in):
    feed = input_pipeline.loaders(PLAIN, pictures(), pictures())[0]
    assert on_device(feed, device("cpu")) is feed
    assert on_device(feed, device("cuda:1")).images.dtype == np.uint8


NORMALIZE = data.Normalize([120, 110, 100], [60, 61, 62])
NOISE = data.PCAColorNoise(0.1, (np.array([2.0, 1.0, 0.5]), np.eye(3)))
CHAINS = [
    [],
    [data.RandomCrop(32, padding=4), data.RandomHorizontalFlip(), NORMALIZE],
    [data.RandomHorizontalFlip(), data.RandomCrop(32, padding=4), NORMALIZE, NOISE],
    [data.RandomHorizontalFlip(), data.RandomCrop(28), data.RandomHorizontalFlip(), NORMALIZE],
    [data.RandomCrop(30, padding=2), data.CenterCrop(24), data.RandomHorizontalFlip()],
    [data.CenterCrop(30), data.RandomHorizontalFlip(), data.RandomCrop(23), NORMALIZE],
    [data.Enlarge(2), data.RandomHorizontalFlip(), data.RandomCrop(50), NORMALIZE],
    [NORMALIZE, data.RandomCrop(32, padding=3), NOISE],
]


@pytest.mark.cxx
@pytest.mark.parametrize("chain", CHAINS, ids=str)
def test_transforms_give_the_same_batches_on_a_device(place, chain):
    loader = data.DataLoader(pictures(), 4, shuffle=True, seed=7, transform=chain)
    resident = DeviceLoader(loader, place)
    for (x, y), (images, labels) in zip(resident.batches(2, 1), loader.batches(2, 1), strict=True):
        assert (host(x) == images).all()
        assert (host(y) == labels).all()
    walks = [[host(y).tolist() for _, y in resident] for _ in range(2)]
    assert walks[0] != walks[1]
    assert loader.epoch == 2


@pytest.mark.parametrize(
    "chain",
    [
        [data.Resize(40)],
        [NORMALIZE, data.RandomHorizontalFlip()],
        [data.RandomCrop(28), data.RandomCrop(28, padding=2)],
        [data.Enlarge(2), data.RandomCrop(64, padding=2)],
        [NORMALIZE, data.RandomCrop(28, padding=2)],
        [lambda x: x],
    ],
    ids=str,
)
def test_other_transforms_stay_on_the_host(stand_in, chain):
    loader = data.DataLoader(pictures(), 4, shuffle=True, transform=chain)
    assert on_device(loader, device("cuda")) is loader
    with pytest.raises(ValueError, match="Use on_device"):
        DeviceLoader(loader, device("cuda"))


def test_images_that_are_no_bytes_stay_on_the_host(stand_in, tmp_path):
    floats = data.DataLoader((np.ones((4, 3, 8, 8), np.float32), np.arange(4)), 2)
    files = data.LazyImages([tmp_path / f"{i}.png" for i in range(4)], 8)
    lazy = data.DataLoader(SimpleNamespace(images=files, labels=np.arange(4)), 2)
    oblong = data.DataLoader((np.ones((4, 3, 8, 9), np.uint8), np.arange(4)), 2)
    for loader in (floats, lazy, oblong):
        assert on_device(loader, device("cuda")) is loader


# whole nets: forward, backward, update


def trained(name, where, steps_done=2):
    tn.seed(0)
    model = models.build(name, 10, seed=3).to(where)
    optimizer = tn.optim.SGD(model.parameters(), 1e-3, momentum=0.9, weight_decay=5e-4)
    rng = np.random.default_rng(1)
    losses = []
    for _ in range(steps_done):
        x = rng.standard_normal((3, *models.INPUT_SHAPES[name])).astype(np.float32)
        said = nn.forward_with_loss(model, tn.tensor(x, device=where), rng.integers(0, 10, 3))
        optimizer.zero_grad()
        said.objective.backward()
        optimizer.step()
        losses.append(said.objective.numpy())
    return [*losses, *(host(a) for a in model.state_dict().values())]


@pytest.mark.cxx
@pytest.mark.parametrize(
    "name", ["demo", "cifar-quick", pytest.param("small-alexnet", marks=pytest.mark.slow)]
)
def test_a_net_learns_the_same_on_the_card(cupy, name):
    """float32 sums in another order: what two steps make of that stays small."""
    for card, cpu in zip(trained(name, "cuda"), trained(name, "cpu"), strict=True):
        assert np.abs(card - cpu).max() <= 2e-5 * max(1.0, scale_of(cpu))


# the loop


def tiny(classes):
    return nn.Sequential(
        nn.Conv2d(3, 4, 4, stride=4),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Flatten(),
        nn.Linear(256, classes),
    )


@pytest.fixture
def small(monkeypatch):
    """Make the data and the network of the recipe demo small."""
    small_demo.use_sets(monkeypatch, small_demo.few_shapes(62, 30))
    small_demo.use_net(monkeypatch, tiny)


class Noting(nn.Module):
    """Passes its input on, and notes the precision of products."""

    seen: ClassVar = []

    def forward(self, x):
        self.seen.append(_precision.get())
        return x


@pytest.mark.cxx
def test_a_run_keeps_its_precision(small, stand_in, tinynet_says, tmp_path, monkeypatch):
    small_demo.use_net(monkeypatch, lambda classes: nn.Sequential(Noting(), *tiny(classes)))
    monkeypatch.setattr(Noting, "seen", [])
    out = tmp_path / "r"
    options = ("--device", "cuda", "--precision", "bf16", "--epochs", 2, "--batch", 16)
    said = tinynet_says("train", "demo", *options, "--max-minutes", "1e-9", "--out", out)
    assert said.code == 0, said.err
    recipe, facts = run_dir.read_config(out)
    assert (recipe.precision, facts["device"]) == ("bfloat16", "cuda:0")
    assert tinynet_says("train", "--resume", out).code == 0
    assert set(Noting.seen) == {"bfloat16"}
    Noting.seen.clear()
    assert tinynet_says("eval", out).code == 0
    assert set(Noting.seen) == {"float32"}


def test_a_cpu_has_one_precision(small, tinynet_says, tmp_path):
    out = tmp_path / "r"
    said = tinynet_says("train", "--precision", "tf32", "--out", out)
    assert (said.code, out.exists()) == (2, False)
    assert "--precision tf32 is for products on a GPU; cpu computes in float32." in said.err
    assert tinynet_says("train", "--precision", "half").code == 2
    said = tinynet_says("train", "--precision", "float32", "--epochs", 1, "--out", out)
    assert said.code == 0
    config = out / run_dir.CONFIG
    config.write_text(config.read_text().replace('"float32"', '"float16"'))
    said = tinynet_says("train", "--resume", out)
    assert said.code == 1
    assert "precision is one of float32, tf32, bfloat16, not 'float16'" in said.err


@pytest.mark.cxx
def test_train_eval_and_predict_take_a_device(small, stand_in, tinynet_says, tmp_path):
    log = {}
    for where in ("cpu", "cuda"):
        out = tmp_path / where
        options = ("--epochs", 3, "--batch", 16, "--device", where, "--out", out)
        assert tinynet_says("train", "demo", *options).code == 0
        log[where] = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        assert json.loads((out / "result.json").read_text())["device"].startswith(where)
    for card, cpu in zip(log["cuda"], log["cpu"], strict=True):
        for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
            assert card[name] == pytest.approx(cpu[name], rel=1e-4), name
    said = tinynet_says("eval", tmp_path / "cpu", "--device", "cuda:1")
    assert said.code == 0
    assert f"test accuracy {100 * log['cpu'][-1]['test_accuracy']:.2f} %" in said.out
    said = tinynet_says("eval", tmp_path / "cuda", "--device", "cpu")
    assert said.code == 0
    stand_in.card.driver = 0
    said = tinynet_says("eval", tmp_path / "cuda")
    assert said.code == 1
    assert "no NVIDIA driver" in said.err


def loop(where, epochs=2, seed=5):
    tn.seed(seed)
    recipe = dataclasses.replace(PLAIN, horizontal_flip=True, pad=2, batch_size=4)
    loaders = input_pipeline.loaders(recipe, pictures(22), pictures(6, seed=1))
    model = tiny(10).to(where)
    optimizer = tn.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    train_feed, test_feed = (on_device(loader, device(where)) for loader in loaders)
    state = loop_module.State()
    return (
        model,
        loop_module.fit(
            model, optimizer, train_feed, test_feed, epochs=epochs, state=state, every_step=True
        ),
        state,
    )


@pytest.mark.cxx
def test_an_epoch_is_looked_at_at_its_end_only(stand_in, monkeypatch):
    """With a clock that stands still, so that no quarter of a second passes."""
    monkeypatch.setattr(loop_module, "READ_INTERVAL", 1e9)
    _, events, _ = loop("cuda", epochs=3)
    reads = []
    for event in events:
        if isinstance(event, loop_module.Epoch):
            reads.append(stand_in.card.reads)
            stand_in.card.reads = 0
    assert reads == [2, 2, 2]  # once for training, once for the test


@pytest.mark.cxx
def test_the_clock_asks_for_looks_in_between(stand_in, monkeypatch):
    monkeypatch.setattr(loop_module, "READ_INTERVAL", -1.0)
    _, events, _ = loop("cuda", epochs=1)
    steps_seen = [e for e in events if isinstance(e, loop_module.Step) and e.phase == "train"]
    assert stand_in.card.reads == len(steps_seen) + 1
    assert all(e.loss > 0 for e in steps_seen)


@pytest.mark.cxx
def test_a_loss_that_is_not_finite_stops_at_the_next_look(stand_in):
    model, events, _ = loop("cuda")
    model.parameters()[0].data[...] = np.inf
    with pytest.raises(FloatingPointError, match=r"loss is (nan|inf).*0.weight"):
        list(events)


@pytest.mark.cxx
def test_what_waits_on_the_card_is_in_what_is_saved(stand_in, monkeypatch):
    monkeypatch.setattr(loop_module, "READ_INTERVAL", 1e9)
    _, events, state = loop("cuda")
    for _ in range(3):
        next(events)
    assert state.metrics.images == 0
    assert "_pending" not in dataclasses.asdict(state)["metrics"]
    state.metrics.synchronize()
    assert state.metrics.images == 12
    assert 0 < state.metrics.loss < 100


@pytest.mark.cxx
def test_the_graph_serves_the_whole_run(stand_in, monkeypatch):
    """Warm-up and recording once; last, smaller batches run as they are."""
    calls = []
    step = steps.GpuSteps.step
    monkeypatch.setattr(
        steps.GpuSteps, "step", lambda self, x, y: (calls.append(len(y)), step(self, x, y))[1]
    )
    _, events, _ = loop("cuda", epochs=3)
    list(events)
    assert calls == [4, 4, 2, 2, 2]
