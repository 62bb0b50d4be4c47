"""Judge: the process that checks one handed-in file; the learner's code runs in its pupil."""

from __future__ import annotations

import base64
import contextlib
import inspect
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import numpy as np

import tinynet
from tinynet.core.errors import DataError
from tinynet.lessons import exercise, pages, student
from tinynet.lessons.exercise import Exercise, Outcome
from tinynet.lessons.grading import further, slices, wire
from tinynet.nn.module import Module
from tinynet.words import phrase

SECONDS = 20.0  # that the cells, or one call of an answer, may take; a job may say otherwise
START = 60.0  # that a pupil may take to import NumPy and confine itself, before it runs anything
MEMORY = 2 * 2**30  # bytes of address space
OPERATORS = ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "neg")
OPEN = {"inputs", "name", "data", "grad", "now"}  # attributes of a check's objects


class PupilError(Exception):
    """An exception in the learner's code; its class has the name of that exception."""


class Objects:
    """The objects of a check that a pupil may ask about, by number."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.raised: BaseException | None = None

    def pack(self, value: Any) -> Any:
        """Return a packed value; a model is sent whole, other objects stay here."""
        return wire.pack(value, self._other)

    def _other(self, value: Any) -> Any:
        if isinstance(value, Module):
            return {"pickle": base64.b64encode(pickle.dumps(value)).decode()}
        keys = [i for i, one in enumerate(self.kept) if one is value]
        if not keys:
            self.kept.append(value)
        name = getattr(value, "__name__", None) or repr(value)
        return {"yours": [keys[0] if keys else len(self.kept) - 1, str(name)[:80]]}

    def unpack(self, packed: Any) -> Any:
        """Return the value of what a pupil sent."""
        return wire.unpack(packed, self._theirs)

    def _theirs(self, tag: str, body: Any) -> Any:
        if tag == "mine":
            return self.kept[int(body)]
        if tag == "opaque":
            return wire.Opaque(str(body))
        raise ValueError(f"an unknown tag {tag!r}")

    def answer(self, key: Any, do: Any, values: Any) -> dict[str, Any]:
        """Return the reply to a pupil's question; an exception is kept, and told as text."""
        try:
            thing = self.kept[int(key)]
            return {"value": self.pack(self._done(thing, do, [self.unpack(v) for v in values]))}
        except Exception as error:  # noqa: BLE001 -- it is raised again in the check
            self.raised = error
            return {"error": f"{type(error).__name__}: {error}"[:500]}

    def _done(self, thing: Any, do: str, values: list[Any]) -> Any:
        mine = type(thing).__module__.startswith("tinynet.lessons.lesson_")
        if do == "call" and callable(thing):
            return thing(*values[0], **values[1])
        if do in OPERATORS and mine and hasattr(thing, f"__{do}__"):
            return getattr(thing, f"__{do}__")(*values)
        if do == "get" and (mine or isinstance(thing, SimpleNamespace)) and values[0] in OPEN:
            return getattr(thing, values[0])
        if do == "set" and isinstance(thing, SimpleNamespace) and values[0] in OPEN:
            return setattr(thing, values[0], values[1])
        raise TypeError(f"{type(thing).__name__.strip('_')} cannot {do} {values[:1]}")


class Pupil:
    """A running pupil: a process with the learner's definitions."""

    running: ClassVar[set[Pupil]] = set()

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.failed = False
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        folder = self.folder.name
        theirs, outgoing = os.pipe()
        incoming, theirs_out = os.pipe()
        self.channel = wire.Channel(incoming, outgoing)
        ends = [str(theirs), str(theirs_out)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tinynet.lessons.grading.pupil", *ends],
            pass_fds=(theirs, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(folder),
            start_new_session=True,
        )
        self.running.add(self)
        os.close(theirs)
        os.close(theirs_out)
        limits = {"seconds": int(5 * self.seconds) + 1, "memory": MEMORY}
        places = {"folder": folder, "readable": _readable(), "hidden": _hidden()}
        try:
            self.channel.send(limits | places)
            self.layers = self.channel.receive(START)
        except TimeoutError:
            self.end()
            said = (
                "its process did not start in {seconds:g} s: this machine is busy. Grade it again."
            )
            raise TimeoutError(phrase(said, seconds=START)) from None
        except BaseException:
            self.end()
            raise

    def ask(self, do: str, *values: Any) -> Any:
        """Return the reply to a request, in time."""
        self.channel.send({"do": [do, *values]})
        return self.channel.receive(self.seconds)

    def call(self, expression: str, args: Any, kwargs: Any) -> Any:
        """Return the result of a call, and copy back what it changed in its arguments."""
        objects = Objects()
        end = time.monotonic() + self.seconds
        self.channel.send({"do": ["call", expression, objects.pack(args), objects.pack(kwargs)]})
        while True:
            reply = self.channel.receive(end - time.monotonic())
            if "ask" not in reply:
                break
            self.channel.send(objects.answer(*reply["ask"]))
        if "error" in reply:
            if objects.raised is not None:
                raise objects.raised
            raise _as_raised(*reply["error"])
        _copy_back([list(args), kwargs], objects.unpack(reply["after"]))
        return objects.unpack(reply["result"])

    def end(self) -> None:
        """Kill the process and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.running.discard(self)
        self.channel.close()
        self.folder.cleanup()


def _as_raised(name: str, text: str, line: int, source: str) -> Exception:
    """Return an exception of the same name and text, with the learner's line."""
    if name == "NotImplementedError":
        return NotImplementedError(text)
    kind = type(name if str(name).isidentifier() else "Error", (PupilError,), {})
    where = f"\n  in its line {line}: {source}" if source else ""
    return kind(f"{text}{where}")


def _copy_back(mine: Any, theirs: Any) -> None:
    """Give arrays, lists and dicts the contents that they have in the pupil after a call."""
    if type(mine) is not type(theirs):
        return
    if isinstance(mine, np.ndarray):
        if (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype) and mine.flags.writeable:
            mine[...] = theirs
    elif isinstance(mine, dict):
        _copy_back([mine[k] for k in mine], [theirs.get(k) for k in mine])
        if mine.keys() != theirs.keys():
            mine.clear()
            mine.update(theirs)
    elif isinstance(mine, list | tuple):
        list(map(_copy_back, mine, theirs))
        if isinstance(mine, list) and {*map(type, mine), *map(type, theirs)} <= {*wire.PLAIN}:
            mine[:] = theirs


def _environment(folder: str) -> dict[str, str]:
    """Return a small environment: nothing secret, one thread, the readable kernels."""
    return {
        "PATH": os.defpath,
        "HOME": folder,
        "TMPDIR": folder,
        "MPLCONFIGDIR": folder,
        "MPLBACKEND": "Agg",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
        "TINYNET_KERNELS": "reference",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


def _readable() -> list[str]:
    """Return what a pupil may read: Python, its packages, and the package tinynet."""
    package = Path(tinynet.__file__).resolve().parent
    found = {sys.prefix, sys.base_prefix, "/usr/lib", "/lib", "/lib64", "/usr/share", "/etc/fonts"}
    # other folders of the search path, such as the current one, may hold anything
    found |= {place for place in sys.path if Path(place).name in ("site-packages", "dist-packages")}
    return sorted({str(package), *found})


def _hidden() -> list[str]:
    """Return the files that hold solutions."""
    here = Path(exercise.__file__).resolve().parent
    modules = [*here.glob("lesson_*.py"), *here.glob("__pycache__/lesson_*.pyc")]
    return [str(path) for path in [*modules, pages.folder()]]


class Session:
    """The grading of one file: one pupil for all answers, or one for each after a failure."""

    def __init__(
        self, cells: list[tuple[str, int]], expressions: list[str], seconds: float
    ) -> None:
        self.cells = cells
        self.seconds = seconds
        self.layers: dict[str, bool] = {}
        self.broken: list[str] = []
        self.pupil: Pupil | None = None
        try:
            self.pupil = self._start(expressions)
        except (EOFError, OSError, ValueError):
            self.broken.clear()

    def _start(self, expressions: list[str]) -> Pupil:
        """Return a pupil that has run what some expressions need."""
        pupil = Pupil(self.seconds)
        try:
            self.layers = pupil.layers
            ran = pupil.ask("run", [list(cell) for cell in self.cells], expressions)
        except (EOFError, OSError, ValueError):
            pupil.end()
            raise
        self.broken += [str(line) for line in ran if line not in self.broken]
        return pupil

    @contextlib.contextmanager
    def running(self, expression: str) -> Iterator[Pupil]:
        """Yield a pupil; if it fails, it is not asked again."""
        pupil = self.pupil or self._start([expression])
        good = False
        try:
            yield pupil
            good = not pupil.failed
        finally:
            if pupil is not self.pupil or not good:
                pupil.end()
                self.pupil = None

    def end(self) -> None:
        """End the pupil, if one is left."""
        if self.pupil is not None:
            self.pupil.end()


def judged(known: Exercise, expression: str, session: Session) -> Outcome:
    """Return the outcome of one exercise."""
    try:
        with session.running(expression) as pupil:
            found = pupil.ask("describe", expression)
            if found["kind"] == "missing":
                text = phrase("no answer was found: {name}.", name=expression)
                return Outcome(known.number, "not yet", text)
            if found["kind"] == "value":
                return known.try_out(Objects().unpack(found["value"]))
            return _twice(known, remote(pupil, expression, found))
    except TimeoutError as error:
        said = "TimeoutError: no end after {seconds:g} s."
        text = str(error) or phrase(said, seconds=session.seconds)
    except (EOFError, OSError):
        text = phrase("the program ended before it answered.")
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        text = phrase("it did not answer as expected ({error}).", error=error)
    return Outcome(known.number, "raised", text)


def _twice(known: Exercise, answer: Callable[..., Any]) -> Outcome:
    """Return the outcome of the check that learners have, and then that of further cases."""
    first = known.try_out(answer)
    second = further.exercise_of(known)
    return first if second is None or first.state != "ok" else second.try_out(answer)


def remote(pupil: Pupil, expression: str, found: dict[str, Any]) -> Callable[..., Any]:
    """Return a function that asks the pupil for every result."""

    def ask(*args: Any, **kwargs: Any) -> Any:
        try:
            return pupil.call(expression, args, kwargs)
        except TimeoutError:
            pupil.failed = True
            said = "it had not ended after {seconds:g} s. Is there an endless loop?"
            raise TimeoutError(phrase(said, seconds=pupil.seconds)) from None
        except (EOFError, OSError):
            pupil.failed = True
            raise PupilError(phrase("the program ended in this call.")) from None

    made: dict[str, Any] = {"ask": ask}
    exec(compile(ANSWER, "<handed in>", "exec"), made)  # messages show no line of this file
    answer = made["answer"]
    names = [name for name in found["parameters"] if str(name).isidentifier()]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    answer.__name__ = str(found["name"])
    with contextlib.suppress(ValueError):
        shown = inspect.Signature([inspect.Parameter(name, kind) for name in names])
        answer.__dict__["__signature__"] = shown
    if found["compiled"]:
        answer.__dict__["py_func"] = answer
    return cast("Callable[..., Any]", answer)


ANSWER = "def answer(*args, **kwargs):\n    return ask(*args, **kwargs)\n"


def grade(number: str, path: Path, seed: int, seconds: float = SECONDS) -> dict[str, Any]:
    """Return the outcomes of a lesson's exercises for one file, and the layers of protection."""
    cells = student.sources(path)
    known = exercise.exercises(number)
    answers = {**student.answer_names(number), **slices.read(cells).checked}
    session = Session(cells, [answers[n] for n in known], seconds)
    try:
        with exercise.other_cases(seed):
            outcomes = [judged(one, answers[n], session) for n, one in known.items()]
    finally:
        session.end()
    told = [[outcome.number, outcome.state, outcome.text] for outcome in outcomes]
    return {"outcomes": told, "broken": session.broken, "layers": session.layers}


def _break_off(*_: object) -> None:
    """End the pupils and this process; an exception could be taken for one of an answer."""
    for pupil in list(Pupil.running):
        pupil.end()
    os._exit(1)


def main() -> None:
    """Grade a file; the job comes on the standard input, the result goes to the standard output."""
    job = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    signal.signal(signal.SIGTERM, _break_off)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a kernel in CUDA C may print
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / f"student{job['suffix']}"
        path.write_text(job["text"], encoding="utf-8")
        try:
            result = grade(job["lesson"], path, job["seed"], job["seconds"])
        except DataError as error:
            result = {"outcomes": [], "broken": [str(error)], "layers": {}}
    json.dump(result, out)
    out.flush()


if __name__ == "__main__":
    main()
