"""tn.graph: replay equals eager, step by step, and what a replay cannot do is refused in words."""

import contextlib

import numpy as np
import pytest

import tinynet as tn
from support.devices import cuda_devices
from tinynet import functions as F
from tinynet import nn
from tinynet.core.errors import CaptureError

PLACES = ["cpu-reference", "cpu-numba", pytest.param("cuda-stand_in", marks=pytest.mark.cxx)]
CARD = [pytest.param("cuda-card", marks=pytest.mark.gpu)] if cuda_devices() else []


@pytest.fixture(params=[*PLACES, *CARD])
def place(request):
    """Return a device, with the kernels that serve it."""
    device, kind = request.param.split("-")
    if kind == "stand_in":
        request.getfixturevalue("stand_in")
    with tn.kernels.use(kind) if device == "cpu" else contextlib.nullcontext():
        yield device


def small_net():
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.ReLU(),
        nn.LocalResponseNorm(3),
        nn.MaxPool2d(3, 2),
        nn.Dropout(0.3),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(4 * 1 * 2, 5),
    )


class Training:
    """A net, its optimizer and a step of theirs."""

    def __init__(self, device, optimizer=None, net=small_net):
        tn.seed(3)
        self.device, self.model = device, net().to(device)
        make = optimizer or (lambda p: tn.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01))
        self.optimizer = make(self.model.parameters())
        self.rng = np.random.default_rng(5)

    def step(self, images, labels):
        loss = F.cross_entropy(self.model(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def batch(self):
        x = self.rng.standard_normal((6, 2, 7, 9)).astype(np.float32)
        return tn.tensor(x, device=self.device), self.rng.integers(0, 5, 6)

    def state(self):
        arrays = {**self.model.state_dict(), **self.optimizer.state_dict()}
        return {
            k: np.asarray(v if isinstance(v, np.ndarray) else v.get()) for k, v in arrays.items()
        }

    def run(self, step, steps=6, before=lambda i, training: None):
        losses = []
        for i in range(steps):
            before(i, self)
            losses.append(step(*self.batch()))
        return [float(loss.numpy()) for loss in losses], self.state()


def same(a, b):
    (losses, state), (expected, other) = a, b
    assert losses == expected
    assert state.keys() == other.keys()
    for name in other:
        assert np.array_equal(state[name], other[name], equal_nan=True), name


def compare(place, steps=6, before=lambda i, training: None, **settings):
    eager, graphed = Training(place, **settings), Training(place, **settings)
    tn.seed(7)
    expected = eager.run(eager.step, steps, before)
    tn.seed(7)
    got = graphed.run(tn.graph(graphed.step), steps, before)
    same(got, expected)
    assert len(set(got[0])) == steps, "every step sees another batch"


def test_replay_equals_eager_with_dropout_momentum_and_running_means(place):
    compare(place)


def test_a_schedule_changes_the_rate_between_replays(place):
    def before(i, training):
        training.optimizer.lr = 0.1 / (i + 1)

    compare(place, before=before)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: tn.optim.Adam(p, 0.01),
        lambda p: tn.optim.Adam(p, 0.01, uncorrected_eps=True),
        lambda p: tn.optim.AdamW(p, 0.01, weight_decay=0.1),
        lambda p: tn.optim.SGD(p, 0.1, 0.9, 0.1, decoupled_weight_decay=True),
    ],
)
def test_adam_counts_its_steps_and_decay_follows_the_rate(place, optimizer):
    compare(
        place, optimizer=optimizer, before=lambda i, t: setattr(t.optimizer, "lr", 0.1 * 0.9**i)
    )


def test_the_step_of_the_run_decides_what_is_drawn(place):
    compare(place, before=lambda i, training: tn.random.at_step(100 - 7 * i))


def test_groups_keep_their_own_rates_and_decay(place):
    def groups(parameters):
        parts = [
            {"params": parameters[::2], "lr_scale": 2.0, "weight_decay": 0.0},
            {"params": parameters[1::2]},
        ]
        return tn.optim.SGD(
            parts, 0.05, momentum=0.5, nesterov=True, weight_decay=0.1, rule="torch"
        )

    compare(place, optimizer=groups, before=lambda i, t: setattr(t.optimizer, "lr", 0.1 * 0.9**i))


def test_eager_steps_between_replays_do_not_disturb(place):
    """Memory of the graph is its own: other work may come between."""
    training, reference = Training(place), Training(place)
    tn.seed(1)
    expected = reference.run(reference.step)
    tn.seed(1)

    def other_work(i, training):
        x = tn.tensor(np.full((64, 64), float(i)), device=place, requires_grad=True)
        (F.relu(x) * 3 + x).sum().backward()

    same(training.run(tn.graph(training.step), before=other_work), expected)


def test_a_graph_and_eager_steps_take_turns(place):
    eager, mixed = Training(place), Training(place)
    tn.seed(2)
    expected = eager.run(eager.step, 8)
    tn.seed(2)
    graphed, count = tn.graph(mixed.step), iter(range(8))
    same(mixed.run(lambda *b: (graphed, graphed, mixed.step)[next(count) % 3](*b), 8), expected)


def test_results_belong_to_the_caller(place):
    training = Training(place)
    step = tn.graph(training.step)
    losses = [step(*training.batch()) for _ in range(4)]
    assert len({float(loss.numpy()) for loss in losses}) == 4
    assert all(loss.creator is None and loss.device.kind == place for loss in losses)


def test_arguments_are_not_touched_and_may_be_changed_afterwards(place):
    doubled = tn.graph(lambda x: x * 2)
    x = np.ones((2, 3), np.float32)
    seen = []
    for value in range(4):
        x[...] = value
        seen.append(doubled(tn.tensor(x, device=place)).numpy().sum())
    assert seen == [0, 12, 24, 36]


def test_tuples_arrays_and_none_come_back(place):
    step = tn.graph(lambda x: ((x + 1).data, {"twice": x * 2}, None))
    for value in (1.0, 2.0, 3.0):
        one, named, nothing = step(tn.tensor([value], device=place))
        assert (float(one[0]), float(named["twice"].numpy()[0]), nothing) == (
            value + 1,
            2 * value,
            None,
        )


def test_weights_that_were_loaded_meanwhile_are_taken_over(place):
    eager, graphed = Training(place), Training(place)
    start = {name: value.copy() * 0.5 for name, value in Training("cpu").model.state_dict().items()}

    def load(i, training):
        if i == 3:
            training.model.load_state_dict(start)

    tn.seed(4)
    expected = eager.run(eager.step, before=load)
    tn.seed(4)
    same(graphed.run(tn.graph(graphed.step), before=load), expected)


def test_every_product_is_replayed(place):
    a = tn.tensor(np.ones((3, 4), np.float32), device=place, requires_grad=True)

    def step(x):
        a.grad = None
        (F.adaptive_avg_pool2d((x @ a).reshape(1, 1, 2, 4), (1, 2)) ** 2).sum().backward()
        return tn.Tensor(a.grad, a.device)

    graphed = tn.graph(step)
    for i in range(4):
        x = tn.tensor(np.full((2, 3), 1.0 + i, np.float32), device=place)
        assert graphed(x).numpy().tolist() == step(x).numpy().tolist()


def test_a_kernel_that_calls_another_is_noted_once():
    x = tn.tensor(np.zeros((1, 1, 3, 3), np.float32))
    weight = tn.ones(1, 1, 2, 2)
    step = tn.graph(lambda x: F.conv2d_relu(x, weight))
    with tn.kernels.use("reference"):
        for value in (1.0, 2.0, -1.0, 4.0):
            x.data[...] = value
            assert step(x).numpy().max() == max(0, 4 * value)


def test_views_that_overlap_and_repeated_indices_are_replayed(place):
    w = tn.tensor(np.arange(12.0).reshape(3, 4), device=place, requires_grad=True)

    def step(x):
        w.grad = None
        y = F.concatenate([w[1:], w[[0, 0]]], 0).transpose() * x
        F.pad(y, [(1, 0), (0, 2)]).max(axis=1).sum().backward()
        return tn.Tensor(w.grad, w.device)

    graphed = tn.graph(step)
    for i in range(4):
        x = tn.tensor(np.array(1.0 + i), device=place)
        assert graphed(x).numpy().tolist() == step(x).numpy().tolist()


# what cannot be replayed


def refused(place, change, match, calls=3, net=small_net):
    training = Training(place, net=net)
    step = tn.graph(training.step)
    for _ in range(calls):
        step(*training.batch())
    with pytest.raises(CaptureError, match=match):
        change(training, step)
    return training, step


def test_another_shape_is_refused_with_both(place):
    def smaller(training, step):
        images, labels = training.batch()
        step(images[:4].detach(), labels[:4])

    refused(place, smaller, r"argument 0 was float32 \(6, 2, 7, 9\) .* is float32 \(4, 2, 7, 9\)")


@pytest.mark.parametrize("calls", [1, 3])
def test_another_dtype_is_refused(place, calls):
    def wide(training, step):
        images, labels = training.batch()
        step(images.to(np.float64), labels)

    refused(place, wide, r"float32 .* is float64", calls)


def test_evaluation_needs_a_graph_of_its_own(place):
    def evaluate(training, step):
        training.model.eval()
        step(*training.batch())

    refused(place, evaluate, r"training was True .* is False now")


def test_a_normalization_that_takes_its_relu_along_is_watched_too(place):
    def evaluate(training, step):
        training.model[6].eval()  # the normalization alone
        step(*training.batch())

    refused(place, evaluate, r"BatchNorm2d.training was True .* is False now")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda o: setattr(o, "momentum", 0.5), r"SGD.momentum was 0.9 .* is 0.5"),
        (lambda o: o.param_groups[0].update(weight_decay=0.0), r"SGD.weight_decay was \[0.01\]"),
        (lambda o: o.load_state_dict(o.state_dict()), r"state of SGD"),
    ],
)
def test_another_setting_of_the_optimizer_is_refused(place, change, match):
    def changed(training, step):
        change(training.optimizer)
        step(*training.batch())

    refused(place, changed, match)


def test_parameters_of_another_dtype_are_refused(place):
    def narrow(training, step):
        training.model.to(np.float64)
        step(*training.batch())

    refused(place, narrow, r"was float32 .* is float64")


@pytest.mark.parametrize(
    "look",
    [
        lambda loss: loss.item(),
        lambda loss: float(loss),
        lambda loss: loss.numpy(),
        lambda loss: bool(loss.data > 1),
        lambda loss: loss.to("cpu:1"),
        lambda loss: np.asarray(loss),
        lambda loss: int(loss.data),
        lambda loss: loss.data.tolist(),
    ],
)
def test_looking_at_a_value_inside_is_refused(place, look):
    def step(x):
        y = (x * 2).sum()
        look(y)
        return y

    graphed = tn.graph(step)
    graphed(tn.tensor([1.0], device=place))  # the first call runs as always
    with pytest.raises(CaptureError, match=r"graph|record"):
        graphed(tn.tensor([1.0], device=place))
    assert (tn.tensor([2.0], device=place) * 2).numpy() == [4]  # nothing is left behind


def test_data_made_inside_are_refused(place):
    graphed = tn.graph(lambda x: x + tn.tensor([1.0], device=place))
    graphed(tn.zeros(1, device=place))
    with pytest.raises(CaptureError, match=r"\(1,\) is made.*Make it before"):
        graphed(tn.zeros(1, device=place))


def test_a_gradient_from_before_is_refused(place):
    w = tn.tensor([1.0], device=place, requires_grad=True)
    graphed = tn.graph(lambda x: (w * x).sum().backward())
    graphed(tn.zeros(1, device=place))
    with pytest.raises(CaptureError, match="zero_grad"):
        graphed(tn.zeros(1, device=place))


def test_two_losses_in_one_step_add_up(place):
    w = tn.tensor([1.0], device=place, requires_grad=True)

    def step(x):
        w.zero_grad()
        (w * x).sum().backward()
        (w * w * x).sum().backward()
        return tn.Tensor(w.grad, w.device)

    graphed = tn.graph(step)
    assert [graphed(tn.tensor([x], device=place)).numpy()[0] for x in (1.0, 2, 3, 4)] == [
        3,
        6,
        9,
        12,
    ]


@pytest.mark.parametrize("argument", [3, 0.1, "x", None, [1.0]])
def test_other_arguments_than_arrays_are_refused(argument):
    with pytest.raises(CaptureError, match=r"argument 1 is .*tensors and arrays"):
        tn.graph(lambda x, y: x)(tn.zeros(1), argument)


def test_other_results_than_arrays_are_refused(place):
    with pytest.raises(CaptureError, match="returned 5"):
        tn.graph(lambda x: 5)(tn.zeros(1, device=place))


def test_an_argument_with_a_gradient_is_refused():
    x = tn.tensor([1.0], requires_grad=True)
    for argument in (x, x * 2):
        with pytest.raises(CaptureError, match="detach"):
            tn.graph(lambda x: x)(argument)


def test_a_graph_inside_a_graph_is_refused(place):
    inner = tn.graph(lambda x: x * 2)
    with pytest.raises(CaptureError, match="inside of another"):
        tn.graph(lambda x: inner(x))(tn.zeros(1, device=place))


def test_at_step_belongs_outside(place):
    def step(x):
        tn.random.at_step(3)
        return x

    with pytest.raises(CaptureError, match="at_step"):
        tn.graph(step)(tn.zeros(1, device=place))


def test_two_devices_are_refused(two_cards):
    for a, b in (("cpu", "cpu:1"), ("cuda:0", "cuda:1")):
        other = tn.ones(2, device=b)
        with pytest.raises(CaptureError, match=f"{a}.*{b}|{b}.*{a}"):
            tn.graph(lambda x, y: x)(tn.zeros(2, device=a), other)
        graphed = tn.graph(lambda x: (x * 2, other * 2)[0])  # noqa: B023
        graphed(tn.zeros(2, device=a))
        with pytest.raises(CaptureError, match="one device"):
            graphed(tn.zeros(2, device=a))


def test_a_step_that_does_something_else_the_second_time_is_refused(place):
    training = Training(place)
    parts = [training.optimizer, Training(place).optimizer]

    def step(x, y):
        loss = training.step(x, y)
        for p, q in zip(
            parts[-1].param_groups[0]["params"], training.model.parameters(), strict=True
        ):
            p.grad = q.grad
        if len(calls) > 1:
            parts[-1].step()
        return loss

    calls = []
    graphed = tn.graph(step)
    calls.append(graphed(*training.batch()))
    calls.append(0)
    with pytest.raises(CaptureError, match="the same every time"):
        graphed(*training.batch())


def test_an_error_in_the_step_leaves_everything_usable(place):
    training = Training(place)

    def step(x, y):
        if broken:
            raise KeyError("no")
        return training.step(x, y)

    broken = []
    graphed = tn.graph(step)
    for calls in range(2):
        broken.append(1)
        with pytest.raises(KeyError):
            graphed(*training.batch())
        broken.clear()
        assert graphed(*training.batch()).shape == ()
        assert calls < 2
    graphed(*training.batch())


# what it is good for


def test_the_launches_of_a_replay_are_counted(place):
    graphed = tn.graph(lambda x: x * 2 + 1)
    seen = []
    for _ in range(3):
        seen.append(graphed.nodes)
        graphed(tn.zeros(1, device=place))
    assert seen == [0, 0, {"cpu": 2, "cuda": 4}[place]]  # CuPy writes the numbers 2 and 1 as well


def test_a_replay_runs_no_python_of_the_step(place):
    calls = []

    def step(x):
        calls.append(1)
        return x * 2

    graphed = tn.graph(step)
    for _ in range(5):
        graphed(tn.zeros(1, device=place))
    assert len(calls) == 2


def test_nothing_is_read_from_the_card_by_a_replay(stand_in):
    training = Training("cuda")
    step = tn.graph(training.step)
    batches = [training.batch() for _ in range(5)]
    for batch in batches[:2]:
        step(*batch)
    stand_in.card.reads = 0
    for batch in batches[2:]:
        step(*batch)
    assert stand_in.card.reads == 0
