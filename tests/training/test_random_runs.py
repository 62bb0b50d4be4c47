"""Random lives of a run folder: trained, stopped, killed, damaged, moved, and resumed.

A folder goes on to the very weights, losses and log of the run that nothing happened to, or an
error of one sentence names the file. Of the two checkpoints the newest that is whole is used.

    HYPOTHESIS_PROFILE=explore pytest -m "slow or not slow" tests/training/test_random_runs.py

takes new examples, for about an hour; those that failed are kept in `.hypothesis` and tried first.

Seen to fail with each of these mistakes, planted one at a time: the seed of dropout not set on a
resume; the velocities, or the buffers of batch norm, not restored; a position one step short at an
epoch's end; the batches of a resumed epoch from its start; the schedule one step behind after a
resume; best.safetensors overwritten by a worse epoch, or judged by the epochs after a resume alone;
log lines doubled; the lock not taken, or not released; files written in place.
"""

import json
import os
import shutil
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_programs

from support import small_demo
from support.run_life import (
    RECIPE,
    KilledError,
    Saboteur,
    assembled,
    bits,
    net,
    reported,
    sets,
    step_of,
    timeless,
    undisturbed,
    weights_of,
)
from tinynet import kernels
from tinynet.core import atomic_file
from tinynet.core.errors import DataError
from tinynet.training import predict, run_dir, runs, signals
from tinynet.training.evaluation import evaluate
from tinynet.training.loop import Epoch, Step
from tinynet.training.runs import Finished, Stopped
from tinynet.weights import checkpoint

EXPLORE = os.environ.get("HYPOTHESIS_PROFILE") == "explore"
CHECKPOINTS = (run_dir.LAST, "last.previous.safetensors")
FILES = (*CHECKPOINTS, run_dir.BEST, run_dir.CONFIG, run_dir.LOG, run_dir.RESULT)


class RandomRuns(RuleBasedStateMachine):
    """The life of one folder."""

    def __init__(self):
        super().__init__()
        self.parent = Path(tempfile.mkdtemp())
        self.folder = self.parent / "run"
        self.moves = 0
        self.folder.mkdir()
        run_dir.write_config(self.folder, RECIPE, device="cpu")
        self.config = (self.folder / run_dir.CONFIG).read_bytes()
        self.spoiled = {b""}  # the bytes of damaged files
        self.whole = {}  # the bytes of every whole checkpoint that was written -> its step
        self.epochs = {}  # -> how many epochs had ended
        self.deleted = set()  # names

    def teardown(self):
        shutil.rmtree(self.parent)

    # ---- what the folder should hold

    def _steps_of_whole_files(self):
        """Return the steps of the checkpoints that are whole, the newest file first."""
        found = [self.folder / name for name in CHECKPOINTS]
        held = [path.read_bytes() for path in found if path.exists()]
        return [self.whole[bytes_] for bytes_ in held if bytes_ in self.whole]

    def _contents(self, name):
        path = self.folder / name
        return path.read_bytes() if path.exists() else None

    def _note_checkpoints(self):
        """Take every checkpoint that was just written; none of them may be half of one."""
        for name in CHECKPOINTS:
            path = self.folder / name
            if path.exists() and path.read_bytes() not in {*self.whole, *self.spoiled}:
                found = checkpoint.load(path)
                step = int(found.metadata["step"])
                assert bits({**found.model, **found.optimizer}) == undisturbed().weights[step]
                self.whole[path.read_bytes()] = step
                self.epochs[path.read_bytes()] = int(found.metadata["epoch"])

    def _resumed(self):
        """Return a run that stands where the folder says, or None where it was rightly refused."""
        begun = run_dir.begun(self.folder)
        expected = self._steps_of_whole_files()
        untouched = (self.folder / run_dir.CONFIG).read_bytes() == self.config
        try:
            recipe, _ = run_dir.read_config(self.folder)
            run = assembled(self.folder, recipe)
            note = runs.restore(run)
        except DataError as error:
            self._explain(error, untouched, expected)
            return None
        assert recipe == RECIPE
        at = step_of(run)
        assert at == (expected[0] if expected else 0)
        assert expected or not begun
        assert str(note) or self.whole.get((self.folder / run_dir.LAST).read_bytes()) == at
        assert weights_of(run) == undisturbed().weights[at]
        self._is_a_beginning([timeless(record) for record in run.state.records], run.state.epoch)
        return run

    def _is_a_beginning(self, rows, count):
        """These records are the first so many of the undisturbed run."""
        assert rows == undisturbed().log[:count]

    def _explain(self, error, untouched, expected):
        """A refusal has a reason, names the file, and leaves what is whole."""
        assert "\n" not in str(error)
        if not untouched:
            assert run_dir.CONFIG in str(error)
            return
        assert not expected, f"a whole checkpoint was refused: {error}"
        assert any(name in str(error) for name in CHECKPOINTS)

    def _drive(self, run, stop, at, after, often):
        """Go on until the end, or until `stop` happens at the step or the call `at`."""
        steps = 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(signals, "PATIENCE", 600.0)
            if often:
                patch.setattr(runs, "SAVE_EVERY", -1.0)
            if stop.startswith("killed at "):
                function = stop.removeprefix("killed at ")
                patch.setattr(atomic_file.os, function, Saboteur(function, at, after))
            for event in runs.advance(run):
                self._is_as_undisturbed(run, event)
                if isinstance(event, Stopped | Finished):
                    return event
                steps += isinstance(event, Step)
                if steps == at and stop == "killed":
                    return None
                if steps == at and stop in ("SIGTERM", "SIGINT"):
                    os.kill(os.getpid(), getattr(signal, stop))
                    stop = "done"
        raise AssertionError("a run ends with an event")

    def _is_as_undisturbed(self, run, event):
        """Each step reports the loss and the rate, each epoch the record of the undisturbed run."""
        if isinstance(event, Step) and event.phase == "train":
            assert reported(event) == undisturbed().losses[step_of(run)]
        if isinstance(event, Epoch):
            assert timeless(event) == undisturbed().log[event.epoch - 1]

    def _as_written(self, name):
        """Return the file, or None where it was damaged, or deleted, and not written since."""
        path = self.folder / name
        if path.exists():
            return None if path.read_bytes() in self.spoiled else path
        return None if name in self.deleted else path

    def _check_files(self):
        """The log has each epoch once, and the best weights are not worse than those logged."""
        assert (self.folder / run_dir.CONFIG).read_bytes() == self.config
        newest = self.folder / run_dir.LAST
        ended = self.epochs.get(newest.read_bytes(), 0) if newest.exists() else 0
        log = self._as_written(run_dir.LOG)
        if log and (ended or log.exists()):
            rows = [timeless(json.loads(line)) for line in log.read_text().splitlines()]
            self._is_a_beginning(rows, len(rows))
            assert len(rows) >= ended
        best = self._as_written(run_dir.BEST)
        if best and (ended or best.exists()):
            held = bits(checkpoint.load(best).model)
            of = [e for e in range(1, 5) if held.items() <= undisturbed().end_of(e).items()]
            assert of, "these weights are not of the end of an epoch"
            error = undisturbed().errors[of[0] - 1]
            assert error <= min(undisturbed().errors[:ended], default=2.0)

    # ---- what happens to it

    @rule(
        stop=st.sampled_from(
            ["", "SIGTERM", "SIGINT", "killed", "killed at replace", "killed at fsync"]
        ),
        at=st.integers(1, 12),
        after=st.booleans(),
        often=st.booleans(),
    )
    def go_on(self, stop, at, after, often):
        with run_dir.lock(self.folder):
            assert not list(self.folder.glob("*.tmp"))
            assert not list(self.folder.glob(".*.tmp"))
            self._nobody_else_may_write()
            run = self._resumed()
            if run is None:
                self._repair()
                return
            before = self._contents(run_dir.LAST)
            try:
                end = self._drive(run, stop, at, after, often)
            except KilledError:
                end = None
            self._note_checkpoints()
        if self._contents(run_dir.LAST) not in (None, before):
            earlier = self._contents(CHECKPOINTS[1])
            assert earlier not in self.spoiled, "a whole one was there, or none"
            assert before not in self.whole or earlier in self.whole, "none is kept"
        assert not run_dir.is_locked(self.folder)
        self._check_files()
        if isinstance(end, Stopped):
            assert self._steps_of_whole_files()[0] == step_of(run)
        if isinstance(end, Finished):
            self._is_finished(run)

    def _nobody_else_may_write(self):
        """A second run that wants this folder is refused, and changes nothing."""
        before = sorted(self.folder.iterdir())
        with pytest.raises(DataError, match="another run"), run_dir.lock(self.folder):
            pass
        with pytest.raises(DataError), run_dir.new_folder(RECIPE, self.folder):
            pass
        assert sorted(self.folder.iterdir()) == before

    def _is_finished(self, run):
        expected = undisturbed()
        assert weights_of(run) == expected.weights[max(expected.weights)]
        self._is_a_beginning([timeless(r) for r in run.state.records], RECIPE.epochs)
        assert timeless(json.loads((self.folder / run_dir.RESULT).read_text())) == expected.result
        if log := self._as_written(run_dir.LOG):
            assert len(log.read_text().splitlines()) == RECIPE.epochs
        if best := self._as_written(run_dir.BEST):
            assert bits(checkpoint.load(best).model) == expected.best

    def _repair(self):
        """Do what the errors ask for: put the settings back, take damaged checkpoints away."""
        (self.folder / run_dir.CONFIG).write_bytes(self.config)
        if not self._steps_of_whole_files():
            for name in CHECKPOINTS:
                (self.folder / name).unlink(missing_ok=True)

    @precondition(lambda self: self.whole)
    @rule()
    def evaluate(self):
        expected = self._steps_of_whole_files()
        untouched = (self.folder / run_dir.CONFIG).read_bytes() == self.config
        before = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        try:
            net = predict.open_run(self.folder)
        except DataError as error:
            self._explain(error, untouched, expected)
            return
        found = {name: array.tobytes() for name, array in net.model.state_dict().items()}
        steps = [
            n for n, weights in undisturbed().weights.items() if found.items() <= weights.items()
        ]
        assert steps, "these weights are not of this run"
        assert max(steps) >= max(expected[:1], default=0)  # a file whose velocities are damaged
        assert np.isfinite(evaluate(net.model, net.loader(sets()[1])).loss)
        assert before == {path.name: path.read_bytes() for path in self.folder.iterdir()}

    @rule()
    def rename(self):
        self.moves += 1
        moved = self.parent / f"moved {self.moves}"
        self.folder.rename(moved)
        self.folder = moved

    @rule(
        name=st.sampled_from(FILES),
        where=st.floats(0, 1, exclude_max=True),
        how=st.sampled_from(["a bit", "a bit", "cut", "emptied", "deleted"]),
    )
    def spoil(self, name, where, how):
        """Damage one file."""
        path = self.folder / name
        if not path.exists() or (name == run_dir.CONFIG and how == "deleted"):
            return
        contents = bytearray(path.read_bytes())
        at = int(where * len(contents))
        if how == "a bit" and contents:
            contents[at] ^= 1
        if how == "cut":
            del contents[at:]
        path.write_bytes(b"" if how == "emptied" else contents)
        self.spoiled.add(path.read_bytes())
        if how == "deleted":
            self.deleted.add(name)
            path.unlink()


HOW = settings(
    max_examples=3000 if EXPLORE else 8,
    stateful_step_count=30 if EXPLORE else 12,
    deadline=None,
    phases=set(Phase) - (set() if EXPLORE else {Phase.shrink, Phase.explain}),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _small_runs(monkeypatch):
    small_demo.use_net(monkeypatch, net)
    with kernels.use("reference"):
        undisturbed()
        yield


def test_a_folder_goes_on_to_the_same_weights_or_says_why_not():
    run_programs(RandomRuns, settings=HOW)


@pytest.mark.slow
def test_longer_lives_of_a_folder():
    run_programs(RandomRuns, settings=settings(HOW, max_examples=40, stateful_step_count=20))
