"""Ranks that share a batch: the same update as one process, whatever the shares."""

import contextlib
import ctypes
import itertools
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as tn
from tinynet import nn, optim
from tinynet.core import backend
from tinynet.core.backend import Device, devices
from tinynet.core.errors import DataError, DeviceError
from tinynet.distributed import process_group
from tinynet.distributed.data_parallel import (
    DistributedLoader,
    assert_equal_on_all_ranks,
    average,
    rank_slice,
    sharded,
)
from tinynet.distributed.process_group import SINGLE, NcclGroup, ProcessGroup
from tinynet.training import runs
from tinynet.training.metrics import RunningMetrics
from tinynet.training.steps import GpuSteps, train_step


class NotedError(Exception):
    """What a rank gives to a sum is noted; the sum is not known yet."""


class InTurn(ProcessGroup):
    """One of several ranks that are played by one process, one after the other.

    In a first round each rank goes to the sum and tells what it gives; in a second one all get it.
    """

    def __init__(self, rank, size, table, tells=False):
        self.rank, self.size, self.table, self.tells = rank, size, table, tells

    def all_reduce(self, x):
        if self.tells:
            self.table[self.rank] = x.copy()
            raise NotedError
        assert np.array_equal(self.table[self.rank], x), "a rank does the same in both rounds"
        x[...] = sum(self.table[r] for r in range(self.size))


def in_turn(size, do):
    """Call do(rank, who) for each rank, in two rounds."""
    table = {}
    for tells in (True, False):
        for r in range(size):
            with contextlib.suppress(NotedError):
                do(r, InTurn(r, size, table, tells))


def net(dtype=np.float64):
    tn.seed(5)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.ReLU(),
        nn.LocalResponseNorm(3),
        nn.MaxPool2d(3, 2),
        nn.Dropout(0.4),
        nn.Flatten(),
        nn.Linear(4 * 2 * 3, 5),
        nn.Dropout(0.5),
        nn.Linear(5, 3),
    ).to(dtype)


class Batches:
    """Two batches, of which the last one is ragged."""

    steps = 2

    def __init__(self, *sizes):
        rng = np.random.default_rng(1)
        self.all = [(rng.standard_normal((n, 2, 5, 7)), rng.integers(0, 3, n)) for n in sizes]

    def batches(self, epoch=0, first=0, rows=slice):
        for images, labels in self.all[first:]:
            yield images[rows(len(labels))], labels


def steps_of(model, feed, who=SINGLE):
    """Train on all batches; return the weights after each, and what was counted."""
    optimizer, tally, found = optim.SGD(model.parameters(), 0.1, momentum=0.9), RunningMetrics(), []
    for number, (images, labels) in enumerate(feed.batches()):
        tn.random.at_step(number)
        train_step(model, optimizer, images, labels, metrics=tally, number=number, ranks=who)
        found.append(np.concatenate([p.data.ravel() for p in model.parameters()]))
    return found, tally


def together(feed, size, dtype=np.float64):
    """Train with so many ranks, step by step; return what `steps_of` returns, of each rank."""
    models = [net(dtype) for _ in range(size)]
    optimizers = [optim.SGD(m.parameters(), 0.1, momentum=0.9) for m in models]
    tallies, found = [RunningMetrics() for _ in models], [[] for _ in models]
    for number in range(len(feed.all)):

        def step(r, who, number=number):
            tn.random.at_step(number)
            images, labels = next(DistributedLoader(feed, who).batches(0, number))
            how = {"metrics": tallies[r], "number": number, "ranks": who}
            train_step(models[r], optimizers[r], images, labels, **how)
            found[r].append(np.concatenate([p.data.ravel() for p in models[r].parameters()]))

        in_turn(size, step)
    return found, tallies


@settings(max_examples=12)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=2), st.integers(2, 4))
def test_ranks_come_to_the_weights_of_one_process(sizes, size):
    """In float64 to 1e-12: dropout, ragged batches, and batches that leave a rank without any."""
    feed = Batches(*sizes)
    alone, counted = steps_of(net(), feed)
    for weights, tally in zip(*together(feed, size), strict=True):
        for got, expected in zip(weights, alone, strict=True):
            assert np.abs(got - expected).max() < 1e-12
        assert (tally.correct, tally.images) == (counted.correct, counted.images)
        assert tally.loss == pytest.approx(counted.loss, rel=1e-12)


def test_in_float32_they_differ_by_the_rounding_of_sums_in_another_order():
    feed = Batches(8, 5)
    feed.all = [(images.astype("f"), labels) for images, labels in feed.all]
    (alone, _), (found, _) = steps_of(net(np.float32), feed), together(feed, 2, np.float32)
    assert np.array_equal(found[0], found[1]), "among themselves, by nothing"
    largest = max(np.abs(a - b).max() for a, b in zip(found[0], alone, strict=True))
    assert largest < 40 * np.finfo("f").eps


@given(st.integers(0, 300), st.integers(1, 70))
def test_slices_are_all_images_and_differ_by_one_at_most(n, size):
    cuts = [rank_slice(n, r, size) for r in range(size)]
    assert cuts[0].start == 0
    assert cuts[-1].stop == n
    assert all(a.stop == b.start for a, b in itertools.pairwise(cuts))
    lengths = [cut.stop - cut.start for cut in cuts]
    assert max(lengths) - min(lengths) <= 1


def test_running_values_are_averaged_over_the_ranks_and_those_at_rest_stay():
    nets = [nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(64).freeze()) for _ in range(2)]
    rest = np.random.default_rng(0).random(64, np.float32)  # some of which a mean would round

    def step(r, who):
        moving, resting = nets[r]
        moving.running_mean.data[...] = moving.weight.grad = np.full(2, (1, 4)[r], "f")
        resting.running_mean.data[...] = rest
        who.images = (1, 2)[r]
        average(nets[r], np.zeros(2), who)

    in_turn(2, step)
    for moving, resting in nets:
        assert moving.weight.grad.tolist() == [3, 3], "(1 * 1 + 2 * 4) / 3"
        assert moving.running_mean.data.tolist() == [3, 3]
        assert np.array_equal(resting.running_mean.data, rest)
        assert moving.bias.grad is None, "no rank has one"


def test_tensors_of_two_devices_are_refused():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).to("cpu:1"))
    with pytest.raises(DeviceError, match="float32 on cpu and float32 on cpu:1"):
        average(model, np.zeros(2), InTurn(0, 2, {}))


def test_towers_have_no_ranks():
    who = InTurn(0, 2, {})
    assert runs.place(devices("cpu:1"), who) == ("cpu:1",)
    assert runs.place(devices("cpu,cpu:1"), SINGLE) == ("cpu", "cpu:1")
    with pytest.raises(DeviceError, match=r"two towers, on cpu,cpu:1, .* not in 2 ranks"):
        runs.place(devices("cpu,cpu:1"), who)


def test_a_process_that_is_alone_is_left_alone():
    feed = Batches(3)
    assert sharded(feed, SINGLE) is feed
    assert SINGLE.any("the time is up") == "the time is up"
    assert_equal_on_all_ranks(SINGLE, {"its seed": 3})


class Told(InTurn):
    def all_gather(self, fact):
        return [{"its seed": 0, "its lr": 0.1}, fact]


def test_a_rank_that_does_something_else_is_named():
    with pytest.raises(DataError, match=r"rank 1 of 2 .*its seed is 7, not 0"):
        assert_equal_on_all_ranks(Told(1, 2, {}), {"its seed": 7, "its lr": 0.1})


def test_without_mpiexec_nothing_is_imported(monkeypatch):
    for name in process_group.SIZE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert process_group.init_process_group(backend.CPU) is SINGLE


def test_ranks_without_mpi4py_are_told_how_to_get_it(monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(DeviceError, match=r"2 processes.*pip install mpi4py mpich"):
        process_group.init_process_group(backend.CPU)


class Wires:
    """A stand-in for cupy.cuda.nccl: two ranks, which give the same."""

    NCCL_FLOAT32, NCCL_FLOAT64, NCCL_SUM = 7, 8, 0

    def __init__(self, cupy):
        self.cupy, self.sums = cupy, []

    def get_unique_id(self):
        return "name"

    def NcclCommunicator(self, size, name, rank):  # noqa: N802  its name is theirs
        assert (size, name, rank) == (2, "name", 0)
        return self

    def allReduce(self, source, target, count, kind, operation, stream):  # noqa: N802
        assert (source, operation) == (target, self.NCCL_SUM)
        memory = (ctypes.c_float * count).from_address(target)

        def add():
            memory[:] = [2 * value for value in memory]

        assert stream == self.cupy.cuda.get_current_stream().ptr
        self.sums.append((count, kind))
        self.cupy.cuda.get_current_stream().run(add)


class OneOfTwo:
    """A stand-in for mpi4py's MPI."""

    IN_PLACE = SUM = COMM_TYPE_SHARED = None
    rank, size = 0, 2
    COMM_WORLD = property(lambda self: self)

    def Split_type(self, kind):  # noqa: N802
        return self

    def Allreduce(self, place, x, op):  # noqa: N802
        x *= 2

    def allgather(self, fact):
        return [fact, fact]


@pytest.mark.cxx
def test_gpus_add_up_through_nccl_inside_of_a_graph_too(stand_in):
    """On the stand-in for CuPy: no card, and no second process."""
    where = backend.device("cuda")
    rng = np.random.default_rng(3)
    images = rng.standard_normal((4, 6), np.float32)
    labels = np.arange(4) % 3

    def trained(who):
        tn.seed(2)
        model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).to("cuda")
        optimizer = optim.SGD(model.parameters(), 0.5, momentum=0.9)
        tally = RunningMetrics()
        steps = GpuSteps(model, optimizer, who)
        for number in range(4):
            steps.run(images, labels, tally, number, look=True)
        return [p.numpy() for p in model.parameters()], tally.images

    wires = Wires(stand_in)
    who = NcclGroup(OneOfTwo(), wires, where)
    who.batch = 8
    who.images = 4
    found, twice = trained(who)
    expected, once = trained(SINGLE)
    for got, wanted in zip(found, expected, strict=True):
        assert got == pytest.approx(wanted, rel=1e-5)
    assert (twice, once) == (32, 16)
    weights = 6 * 5 + 5 + 5 * 3 + 3
    assert wires.sums == [(weights + 3, 7)] * 2, "as it is, and captured; replays need no Python"
    host = np.ones(3)
    who.all_reduce(host)
    assert host.tolist() == [2, 2, 2], "arrays of the host go through MPI"
    assert who.place(where) == "cuda:0"


def test_a_lane_of_a_gpu_stays_its_own_device():
    group = ProcessGroup()
    assert [str(group.place(Device(name))) for name in ("cuda:0", "cuda:0/1", "cpu:1")] == [
        "cuda:0",
        "cuda:0/1",
        "cpu:1",
    ]
