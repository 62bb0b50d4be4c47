"""Random lives of a run folder: trained, stopped, killed, damaged, moved, and resumed.

A folder goes on to the very weights of the run that nothing happened to, or an error of one
sentence names the file. Of the two checkpoints the newest that is whole is used.

    HYPOTHESIS_PROFILE=explore pytest tests/training/test_random_runs.py     new ones, for an hour
"""

import dataclasses
import functools
import json
import os
import shutil
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_programs

from tinynet import data
from tinynet.core import atomic_file
from tinynet.core.errors import DataError
from tinynet.training import predict, presets, run_dir, runs, signals
from tinynet.training.evaluation import evaluate
from tinynet.training.loop import Step
from tinynet.training.runs import Finished, Stopped
from tinynet.weights import checkpoint

EXPLORE = os.environ.get("HYPOTHESIS_PROFILE") == "explore"
RECIPE = dataclasses.replace(
    presets.find("demo"), epochs=3, batch_size=16, horizontal_flip=True, validation=0.25, seed=3
)
CHECKPOINTS = (run_dir.LAST, "last.previous.safetensors")
FILES = (*CHECKPOINTS, run_dir.BEST, run_dir.CONFIG, run_dir.LOG, run_dir.RESULT)


class KilledError(BaseException):
    """Stands for kill -9: nothing is cleaned up."""


@functools.cache
def sets():
    train = data.Shapes(train=True)
    test = data.Shapes(train=False)
    return train[:48], test[:20], train[48:60]


def assembled(folder):
    return runs.assemble(folder, RECIPE, sets())


def weights_of(run):
    arrays = {**run.model.state_dict(), **run.optimizer.state_dict()}
    return {name: np.asarray(array).tobytes() for name, array in arrays.items()}


def position(state, steps):
    return state.epoch * steps + state.step


@functools.cache
def undisturbed():
    """Return the weights after each step of a run that nothing happens to, and its accuracies."""
    with tempfile.TemporaryDirectory() as folder:
        run = assembled(Path(folder))
        found = {0: weights_of(run)}
        for event in runs.advance(run):
            if isinstance(event, Step) and event.phase == "train":
                found[position(run.state, run.train.steps)] = weights_of(run)
        found[position(run.state, run.train.steps)] = weights_of(run)
        return found, [record.test_accuracy for record in run.state.records]


class Saboteur:
    """In place of `os.replace` while files are written: kills before or after the n-th rename."""

    def __init__(self, at, after):
        self.left = at
        self.after = after
        self.real = os.replace

    def __call__(self, source, target):
        self.left -= 1
        if self.left == 0 and not self.after:
            raise KilledError
        self.real(source, target)
        if self.left == 0:
            raise KilledError


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
        self.spoiled = set()  # the bytes of damaged files
        self.whole = {}  # the bytes of every whole checkpoint that was written -> its step

    def teardown(self):
        shutil.rmtree(self.parent)

    # ---- what the folder should hold

    def _steps_of_whole_files(self):
        """Return the steps of the checkpoints that are whole, the newest file first."""
        found = [self.folder / name for name in CHECKPOINTS]
        held = [path.read_bytes() for path in found if path.exists()]
        return [self.whole[bytes_] for bytes_ in held if bytes_ in self.whole]

    def _note_checkpoints(self):
        """Take every checkpoint that was just written; none of them may be half of one."""
        for name in CHECKPOINTS:
            path = self.folder / name
            if path.exists() and path.read_bytes() not in {*self.whole, *self.spoiled}:
                self.whole[path.read_bytes()] = int(checkpoint.load(path).metadata["step"])

    def _resumed(self):
        """Return a run that stands where the folder says, or None where it was rightly refused."""
        begun = run_dir.begun(self.folder)
        expected = self._steps_of_whole_files()
        untouched = (self.folder / run_dir.CONFIG).read_bytes() == self.config
        try:
            recipe, _ = run_dir.read_config(self.folder)
            if recipe != RECIPE and not begun:
                return None  # nothing here says what the settings were: see `spoil`
            run = runs.assemble(self.folder, recipe, sets())
            note = runs.restore(run)
        except DataError as error:
            self._explain(error, untouched, expected)
            return None
        assert recipe == RECIPE
        at = position(run.state, run.train.steps)
        assert at == (expected[0] if expected else 0)
        assert expected or not begun
        assert str(note) or self.whole.get((self.folder / run_dir.LAST).read_bytes()) == at
        assert weights_of(run) == undisturbed()[0][at]
        return run

    def _explain(self, error, untouched, expected):
        """A refusal has a reason, names the file, and leaves what is whole."""
        assert "\n" not in str(error)
        if not untouched:
            assert run_dir.CONFIG in str(error)
            return
        assert not expected, f"a whole checkpoint was refused: {error}"
        assert any(name in str(error) for name in CHECKPOINTS)

    def _drive(self, run, stop, at, after):
        """Go on until the end, or until `stop` happens at the step or the rename `at`."""
        steps = 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(signals, "PATIENCE", 600.0)
            patch.setattr(runs, "draw", lambda run: None)
            if stop == "killed at a rename":
                patch.setattr(atomic_file.os, "replace", Saboteur(at, after))
            for event in runs.advance(run):
                if isinstance(event, Stopped | Finished):
                    return event
                steps += isinstance(event, Step)
                if steps == at and stop == "killed":
                    return None
                if steps == at and stop in ("SIGTERM", "SIGINT"):
                    os.kill(os.getpid(), getattr(signal, stop))
                    stop = "done"
        raise AssertionError("a run ends with an event")

    # ---- what happens to it

    @rule(
        stop=st.sampled_from(["", "SIGTERM", "SIGINT", "killed", "killed at a rename"]),
        at=st.integers(1, 9),
        after=st.booleans(),
    )
    def go_on(self, stop, at, after):
        with run_dir.lock(self.folder):
            assert not list(self.folder.glob("*.tmp"))
            run = self._resumed()
            if run is None:
                self._repair()
                return
            try:
                end = self._drive(run, stop, at, after)
            except KilledError:
                end = None
            self._note_checkpoints()
        if isinstance(end, Stopped):
            assert self._steps_of_whole_files()[0] == position(run.state, run.train.steps)
        if isinstance(end, Finished):
            self._is_finished(run)

    def _is_finished(self, run):
        weights, accuracies = undisturbed()
        assert weights_of(run) == weights[max(weights)]
        assert [record.test_accuracy for record in run.state.records] == accuracies
        result = json.loads((self.folder / run_dir.RESULT).read_text())
        assert result["test_accuracy"] == accuracies[-1]

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
        steps = [n for n, weights in undisturbed()[0].items() if found.items() <= weights.items()]
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
        """Damage one file. Of config.json nothing but the checkpoints holds a second copy."""
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
            path.unlink()


HOW = settings(
    max_examples=2000 if EXPLORE else 25,
    stateful_step_count=30 if EXPLORE else 12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_a_folder_goes_on_to_the_same_weights_or_says_why_not():
    undisturbed()
    run_programs(RandomRuns, settings=HOW)


@pytest.mark.slow
def test_longer_lives_of_a_folder():
    undisturbed()
    run_programs(RandomRuns, settings=settings(HOW, max_examples=150, stateful_step_count=25))
