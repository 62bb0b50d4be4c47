"""The lines that users of PyTorch, Keras, DeZero and fastai type first.

Each gives the right value, or a sentence with what to type instead.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

import tinynet as tn
from tinynet import data, models, nn, optim
from tinynet import functions as F

# ---- what a line may do


class Gives(NamedTuple):
    """The line has this value; tensors and arrays are compared as lists."""

    value: object

    def check(self, run):
        assert plain(run()) == self.value


class Shows(NamedTuple):
    """The line has a value whose repr matches."""

    pattern: str

    def check(self, run):
        assert re.search(self.pattern, repr(run()))


class Says(NamedTuple):
    """The line raises an error whose message matches: the way out."""

    pattern: str

    def check(self, run):
        with pytest.raises(Exception, match=self.pattern) as caught:
            run()
        assert not isinstance(caught.value, NotImplementedError | SystemError)


class Either(NamedTuple):
    """The line has this value, or says how to come by it."""

    value: object
    pattern: str

    def check(self, run):
        found = None
        said = None
        try:
            found = plain(run())
        except Exception as error:  # noqa: BLE001
            said = str(error)
        assert found == self.value if said is None else re.search(self.pattern, said)


def plain(value):
    """Return a tensor, an array or a number as Python's own."""
    if isinstance(value, tn.Tensor):
        value = value.numpy()
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


# ---- the lines

NETWORKS = {
    "model": Shows(
        r"^Sequential\(\n  \(0\): Conv2d\(3, 4, kernel_size=\(3, 3\), padding=\(1, 1\)\)"
    ),
    "str(model)": Shows(r"\(4\): Linear\(in_features=64, out_features=10\)"),
    "model(images).shape": Gives((6, 10)),
    "model(images).argmax(axis=1).shape": Gives((6,)),
    "model.summary((3, 8, 8))": Shows("Conv2d"),
    "tn.summary(model, (3, 8, 8))": Shows("Conv2d"),
    "model[0].in_channels, model[0].kernel_size, model[-1].out_features": Gives((3, (3, 3), 10)),
    "model[:2]": Shows(r"^Sequential\(\n  \(0\): Conv2d.*\n  \(1\): ReLU\(\)\n\)$"),
    "model.append(nn.Softmax())[-1]": Shows(r"Softmax\(axis=1\)"),
    "model.add(nn.ReLU())": Says(r"model\.append"),
    "len(list(model.children())[:-1])": Gives(4),
    "[type(m).__name__ for m in model.modules()][:2]": Gives(["Sequential", "Conv2d"]),
    "next(model.parameters())": Says(r"model\.parameters\(\)\[0\]"),
    "model.device": Gives("cpu"),
    "model.apply(lambda m: m) is model": Gives(True),
    "model.freeze().unfreeze().parameters()[0].requires_grad": Gives(True),
    "model.requires_grad_(False).parameters()[0].requires_grad": Gives(False),
    "model.to('cpu').train().eval().training": Gives(False),
    "model.cuda()": Says(r'model\.to\("cuda"\)'),
    "model.load_state_dict(model.state_dict(), strict=False)": Gives(([], [])),
    "model.load_state_dict('net.pth')": Says(r"tn\.load\(model, path\)"),
    "model.fit(images, labels)": Says(r"tn\.fit\("),
    "model.compile(optimizer='adam')": Says(r"tn\.fit\("),
    "model.predict(images)": Says(r"tn\.predict\("),
    "model.save('net.h5')": Says(r"tn\.save\("),
    "model.layers": Says(r"model\.children\(\)"),
    "model.cleargrads()": Says(r"model\.zero_grad\(\)"),
    "model.register_buffer('mean', 0)": Says(r"nn\.Buffer"),
    "model.register_forward_hook(print)": Says(r"nn\.observe"),
}

LAYERS = {
    "nn.Sequential([nn.ReLU(), nn.ReLU()])": Says(r"nn\.Sequential\(\*layers\)"),
    "nn.Sequential(nn.ReLU, nn.ReLU)": Says("parentheses"),
    "nn.Sequential(F.relu)": Says(r"nn\.ReLU\(\)"),
    "nn.Sequential({'conv': nn.Conv2d(3, 4, 1)}).conv.out_channels": Gives(4),
    "nn.ReLU(inplace=True)": Says("inplace.*leave it out"),
    "nn.LocalResponseNorm(5, 1e-4, 0.75, 2)": Says(r"alpha=alpha / size"),
    "nn.LocalResponseNorm(size=5, alpha=1e-4, beta=0.75, k=2)": Says(r"alpha=alpha / size"),
    "nn.LocalResponseNorm(5, k=1.0, alpha=0.0)(x4).numpy()[0, 0, 0]": Gives([1.0] * 8),
    "nn.Conv2d(3, 8, 3, 1, 1)(x4).shape": Gives((2, 8, 8, 8)),
    "nn.Conv2d(3, 8, 3, padding='same')(x4).shape": Gives((2, 8, 8, 8)),
    "nn.Conv2d(3, 8, 3)(x4.transpose(0, 2, 3, 1))": Says(r"x\.transpose\(0, 3, 1, 2\)"),
    "nn.Conv2d(8, 3, activation='relu')": Says(r"Conv2d\(in_channels, out_channels, kernel_size"),
    "nn.MaxPool2d(3, 2, 0, 1)": Says("ceil_mode=True"),
    "nn.Dropout(0.5, False)": Says("inverted=False"),
    "nn.Linear(10)": Says(r"Linear\(in_features, out_features"),
    "nn.BatchNorm2d(4, affine=False).parameters()": Gives([]),
    "nn.Softmax(dim=1)": Says("axis=1"),
    "nn.Identity()(x) is x": Gives(True),
    "nn.CrossEntropyLoss()(model(images), labels).shape": Gives(()),
    "nn.MSELoss()(x, x).item()": Gives(0.0),
    "nn.functional.relu(x)": Says("from tinynet import functions as F"),
    "nn.Dense(10)": Says(r"nn\.Linear\("),
    "nn.Conv2D(32, 3)": Says(r"nn\.Conv2d\("),
    "nn.ModuleList([nn.ReLU()])": Says("plain list"),
    "nn.LSTM(10, 10)": Says("on purpose"),
    "nn.GELU()": Says("on purpose"),
    "nn.Transformer()": Says("on purpose"),
    "nn.Embedding(10, 3)": Says("on purpose"),
}

FUNCTIONS = {
    "F.relu(tn.tensor([-1.0, 1.0]))": Gives([0.0, 1.0]),
    "F.relu(np.ones(3))": Says(r"tn\.tensor\(x\)"),
    "F.softmax(x, axis=1).sum(axis=1)": Gives([1.0, 1.0]),
    "F.cross_entropy(x, np.array([0, 1])).shape": Gives(()),
    "F.conv2d(x4, tn.ones(5, 3, 3, 3), None, 2, 1).shape": Gives((2, 5, 4, 4)),
    "F.max_pool2d(x4, 3, 2, 1).shape": Gives((2, 3, 4, 4)),
    "F.local_response_norm(x4, 5, 1e-4, 0.75, 2)": Says("alpha="),
    "F.accuracy(x, np.array([2, 0]))": Gives(0.5),
    "F.top_k_accuracy(x, np.array([2, 0]), k=2)": Gives(0.5),
    "F.confusion_matrix(x, np.array([2, 0]))": Gives([[0, 0, 1], [0, 0, 0], [0, 0, 1]]),
    "F.softmax(x, dim=1)": Says("axis="),
    "F.mse_loss(x, x)": Says(r"nn\.MSELoss\(\)"),
    "F.one_hot(labels, 6)": Says(r"np\.eye\(classes\)"),
    "F.gelu(x)": Says("on purpose"),
    "F.nothing(x)": Says(r"has no attribute 'nothing'\.$"),
    "F.dropout(x, 0.5, training=False)": Gives([[1, 2, 3], [4, 5, 6]]),
}

TENSORS = {
    "x": Shows(r"^tensor\(\[\[1\., 2\., 3\.\],\s+\[4\., 5\., 6\.\]\]"),
    "x.shape, len(x), x.dtype.name": Gives(((2, 3), 2, "float32")),
    "x.ndim, x.size, x.T.shape": Gives((2, 6, (3, 2))),
    "x.argmax(axis=1)": Gives([2, 2]),
    "x.min(), x.max()": Shows(r"1.*6"),
    "x.std().item() == x.numpy().std()": Gives(True),
    "(-x).abs().sum().item()": Gives(21.0),
    "x.flatten().shape, x.unsqueeze(0).shape, x.unsqueeze(0).squeeze().shape": Either(
        ((6,), (1, 2, 3), (2, 3)), "axis|reshape"
    ),
    "x > 2": Gives([[False, False, True], [True, True, True]]),
    "x == x": Gives([[True] * 3] * 2),
    "(x == 1).mean()": Gives(1 / 6),
    "x in [x]": Gives(True),
    "x.mean(dim=1)": Either([2.0, 5.0], "axis"),
    "x.mean(axis=1)": Gives([2.0, 5.0]),
    "x + np.ones(3)": Says(r"tn\.tensor\(x\)"),
    "x.reshape(3, 2).shape": Gives((3, 2)),
    "x.view(3, 2).shape": Either((3, 2), "reshape"),
    "x.tolist()": Either([[1, 2, 3], [4, 5, 6]], "numpy"),
    "x.cpu()": Either([[1, 2, 3], [4, 5, 6]], r'\.to\("cpu"\)'),
    "x.clone()": Either([[1, 2, 3], [4, 5, 6]], "copy"),
    "float(x.sum()), int(x.sum())": Gives((21.0, 21)),
    "f'{x.sum():.3f}'": Gives("21.000"),
    "x.size(0)": Says(r"x\.shape\[0\]"),
    "x.dim()": Says(r"x\.ndim"),
    "x.cuda()": Says(r'x\.to\("cuda"\)'),
    "x.matmul(x)": Says("x @ y"),
    "x.softmax(dim=1)": Says(r"F\.softmax\(x, axis=1\)"),
    "w.add_(1)": Says(r"x\.data \+="),
    "np.sum(x)": Says(r"x\.numpy\(\)"),
    "x.requires_grad_()": Says("x.requires_grad = True"),
    "x.transpose(0, 1).shape, x.T.shape": Gives(((2, 3), (3, 2))),
    "tn.tensor([1, 2], dtype=np.float64).dtype.name": Gives("float64"),
    "tn.Tensor([1.0, 2.0])": Says(r"tn\.tensor\(x\)"),
    "tn.randn(2, 3).shape, tn.arange(3), tn.zeros_like(x).shape": Shows(r"\(2, 3\).*0\., 1\., 2\."),
    "tn.stack([x, x]).shape, tn.cat([x, x]).shape": Gives(((2, 2, 3), (4, 3))),
    "tn.from_numpy(np.ones(2, np.float32))": Gives([1.0, 1.0]),
    "x.backward()": Says("sum|requires_grad"),
    "(w * w).sum().backward(retain_graph=True)": Says("keep_graph="),
    "(w * w).backward(tn.ones(2))": Gives(None),
    "tn.Device('cuda:0').number": Gives(0),
    "tn.default_device()": Gives("cpu"),
    "(w * w).backward()": Says(r"\.sum\(\)"),
    "w.__iadd__(1)": Says("leaf|in place|in-place"),
    "x.__setitem__(0, 1)": Says("data"),
    "tn.tensor([1, 2]).dtype.name": Gives("float32"),
    "tn.zeros(2, 3).shape, tn.ones((2, 3)).shape": Gives(((2, 3), (2, 3))),
}

TRAINING = {
    "optim.SGD(model.parameters(), lr=0.1, momentum=0.9).lr": Gives(0.1),
    "optim.SGD(model.parameters())": Says("lr"),
    "optim.SGD(model, lr=0.1)": Says(r"\.parameters\(\)"),
    "optim.SGD(model.parameters(), lr='1e-3')": Says("lr must be"),
    "optim.SGD([tn.ones(2)], lr=0.1)": Says("requires_grad"),
    "optim.SGD(model.parameters(), lr=optim.Cosine(0.02, epochs=12)).lr": Gives(0.02),
    "optim.Adam(model.parameters()).zero_grad()": Gives(None),
    "optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.01).lr": Gives(3e-4),
    "optim.SGD([{'params': [w], 'momentum': 0.9}], lr=0.1)": Says(r"optimizer\.momentum"),
    "optim.RMSprop(model.parameters())": Says("Adam"),
    "optim.lr_scheduler.StepLR": Says("lr=optim"),
    "data.DataLoader(train, 4, shuffle=True).dataset is train": Gives(True),
    "len(data.DataLoader(train, batch_size=4))": Gives(2),
    "[len(y) for _ in range(2) for x, y in data.DataLoader(train, 4)]": Gives([4, 2, 4, 2]),
    "len(train), train[0][0].shape, len(train[:4])": Gives((6, (3, 32, 32), 4)),
    "data.Compose([data.RandomCrop(32, padding=4), data.RandomHorizontalFlip()])": Shows("Crop"),
    "len(list(tn.fit(model, optim.SGD(model.parameters(), lr=0.01), batches, epochs=2)))": Gives(2),
    "tn.evaluate(model, batches)": Shows("accuracy|loss|%"),
    "tn.predict(model, images, transform=None).shape": Gives((6, 10)),
    "tn.save(model, path), tn.load(model, path)": Shows(""),
    "models.build('resnet18')": Says("resnet-18"),
    "models.build('alexnet')[0]": Says("subscript"),
    "models.alexnet(num_classes=10)": Says("Write tn.models.build.'alexnet'"),
    "models.vgg()": Says("Write tn.models.build.'vgg-11'"),
    "models.resnet18(pretrained=True)": Says("write tn.models.build.'resnet-18'"),
    "models.EfficientNet()": Says("tn.models.names()"),
    "tn.no_grad()(lambda: (w * 2).requires_grad)()": Gives(False),
}

PACKAGE = {
    "tn.manual_seed(0)": Says(r"tn\.seed\(0\)"),
    "tn.cuda.is_available()": Says(r"tn\.default_device\(\)"),
    "tn.device('cuda')": Says(r"tn\.Device"),
    "tn.float32": Says(r"np\.float32"),
    "tn.eye(3)": Says(r"tn\.tensor\(np\.eye\(3\)\)"),
    "tn.relu(x)": Says(r"it is tn\.functions\.relu"),
    "tn.Sequential()": Says(r"it is tn\.nn\.Sequential"),
    "tn.SGD(model.parameters(), 0.1)": Says(r"it is tn\.optim\.SGD"),
    "tn.DataLoader(images, 2)": Says(r"it is tn\.data\.DataLoader"),
    "tn.utils.data.DataLoader": Says(r"tn\.data\.DataLoader"),
    "tn.set_grad_enabled(False)": Says(r"tn\.no_grad\(\)"),
    "tn.nothing": Says(r"dir\(tinynet\)"),
    "hasattr(tn, '__nothing__')": Gives(False),
}

LINES = {**PACKAGE, **NETWORKS, **LAYERS, **FUNCTIONS, **TENSORS, **TRAINING}


def scope(tmp_path):
    """Return the names that the lines use."""
    tn.seed(0)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 3, 8, 8), dtype=np.uint8)
    labels = np.array([0, 1, 2, 3, 4, 5])
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    return {
        "np": np,
        "tn": tn,
        "nn": nn,
        "F": F,
        "optim": optim,
        "data": data,
        "models": models,
        "images": images,
        "labels": labels,
        "model": model,
        "x": tn.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
        "x4": tn.ones(2, 3, 8, 8),
        "w": tn.tensor([1.0, 2.0], requires_grad=True),
        "path": tmp_path / "net.safetensors",
    }


@pytest.mark.parametrize("line", LINES)
def test_a_first_line_is_right_or_says_what_to_type(line, tmp_path):
    names = scope(tmp_path)
    if line in TRAINING and re.search(r"\btrain\b", line):
        names["train"] = data.Shapes(train=False)[:6]
    if "batches" in line:
        floats = names["images"].astype(np.float32) / 255
        names["batches"] = data.DataLoader((floats, names["labels"]), batch_size=3)
    LINES[line].check(lambda: eval(line, names))


def test_there_are_at_least_fifty():
    assert len(LINES) >= 50


# the mistakes that the test above must find


@pytest.mark.parametrize(
    ("answer", "run"),
    [
        (Gives([1.0, 2.0]), lambda: tn.tensor([1.0, 3.0])),
        (Gives(True), lambda: False),
        (Shows("Sequential"), nn.ReLU),
        (Says("write tn.tensor"), lambda: F.relu([1])),
        (Says("anything"), nn.ReLU),
        (Either(1, "way out"), lambda: 2),
        (Either(1, "way out"), lambda: 1 / 0),
    ],
)
def test_a_wrong_answer_is_found(answer: NamedTuple, run: Callable):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        answer.check(run)
