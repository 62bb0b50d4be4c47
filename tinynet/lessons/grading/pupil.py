"""Pupil: the process that runs a learner's definitions and answers calls; `judge` starts it."""

from __future__ import annotations

import ast
import base64
import contextlib
import importlib.abc
import inspect
import linecache
import os
import pickle
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from tinynet.lessons.answer import small
from tinynet.lessons.grading import sandbox, slices, wire

FILE = "handed in"  # and the number of the cell: each cell of a notebook begins with line 1


class Blocked(importlib.abc.MetaPathFinder):
    """A finder that refuses to import the modules of the solutions."""

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> None:
        """Raise ImportError for a module of solutions; leave all others to the next finder."""
        if name.startswith("tinynet.lessons.lesson_"):
            raise ImportError("the course's solutions cannot be imported in a graded file")


class Asked:
    """An object that stays with the judge; every operation is a question to it."""

    def __init__(self, pupil: Pupil, key: int, name: str) -> None:
        self.__dict__.update(_pupil=pupil, _key=key, _name=name)

    def _ask(self, do: str, *values: Any) -> Any:
        return self._pupil.ask(self._key, do, values)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the judge to call it."""
        return self._ask("call", args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._ask("get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._ask("set", name, value)

    def __add__(self, other: Any) -> Any:
        return self._ask("add", other)

    def __radd__(self, other: Any) -> Any:
        return self._ask("radd", other)

    def __sub__(self, other: Any) -> Any:
        return self._ask("sub", other)

    def __rsub__(self, other: Any) -> Any:
        return self._ask("rsub", other)

    def __mul__(self, other: Any) -> Any:
        return self._ask("mul", other)

    def __rmul__(self, other: Any) -> Any:
        return self._ask("rmul", other)

    def __truediv__(self, other: Any) -> Any:
        return self._ask("truediv", other)

    def __neg__(self) -> Any:
        return self._ask("neg")

    def __repr__(self) -> str:
        return str(self._name)


class Pupil:
    """The learner's names, and the conversation with the judge."""

    def __init__(self, channel: wire.Channel) -> None:
        self.channel = channel
        self.module = ModuleType("__main__")
        self.asked: dict[int, Asked] = {}  # kept, so that one object has one identity

    def pack(self, value: Any) -> Any:
        """Return a packed value; what cannot be sent is described."""
        return wire.pack(value, self._other)

    def _other(self, value: Any) -> Any:
        if isinstance(value, Asked):
            return {"mine": value._key}
        return {"opaque": small(value)[:200]}

    def unpack(self, packed: Any) -> Any:
        """Return a value of the judge: it may be an object that stays there, or a model."""
        return wire.unpack(packed, self._theirs)

    def _theirs(self, tag: str, body: Any) -> Any:
        if tag == "pickle":  # only the judge sends these
            return pickle.loads(base64.b64decode(body))
        key, name = body
        return self.asked.setdefault(key, Asked(self, key, name))

    def ask(self, key: int, do: str, values: Sequence[Any]) -> Any:
        """Ask the judge for an operation on one of its objects."""
        self.channel.send({"ask": [key, do, [self.pack(value) for value in values]]})
        reply = self.channel.receive()
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return self.unpack(reply["value"])

    def run(self, cells: list[list[Any]], expressions: list[str]) -> list[str]:
        """Execute the statements that some expressions need; return their errors."""
        file = slices.read([(text, before) for text, before in cells])
        names = vars(self.module)
        names["__file__"] = FILE
        sys.modules["__main__"] = self.module
        for i, (text, before) in enumerate(cells):
            lines = ["\n"] * before + [f"{line}\n" for line in str(text).splitlines()]
            linecache.cache[f"{FILE} {i}"] = (0, None, lines, f"{FILE} {i}")
        broken = list(file.broken)
        for index in slices.needed(file, expressions):
            one = file.statements[index]
            try:
                code = compile(ast.Module([one.source], []), f"{FILE} {one.cell}", "exec")
                exec(code, names)
            except BaseException as error:  # noqa: BLE001 -- a learner's cell may raise anything
                broken.append(f"cell {one.cell + 1} raised {type(error).__name__}: {error}"[:500])
        return broken

    def find(self, expression: str) -> Any:
        """Return the value of an expression in the learner's names."""
        return eval(expression, vars(self.module))

    def describe(self, expression: str) -> dict[str, Any]:
        """Return what an answer is: missing, a function, or a value."""
        try:
            answer = self.find(expression)
        except Exception:  # noqa: BLE001 -- so may an expression
            return {"kind": "missing"}
        if not callable(answer):
            return {"kind": "value", "value": self.pack(answer)}
        try:
            parameters = list(inspect.signature(answer).parameters)
        except (TypeError, ValueError):
            parameters = []
        return {
            "kind": "function",
            "name": str(getattr(answer, "__name__", "answer")),
            "parameters": parameters,
            "compiled": hasattr(answer, "py_func"),
        }

    def call(self, expression: str, args: Any, kwargs: Any) -> dict[str, Any]:
        """Call an answer; return its result, and its arguments as they are afterwards."""
        try:
            given = self.unpack(args)
            named = self.unpack(kwargs)
            result = self.find(expression)(*given, **named)
            return {"result": self.pack(result), "after": self.pack([given, named])}
        except BaseException as error:  # noqa: BLE001 -- and an answer
            line = 0
            text = ""
            for frame, number in traceback.walk_tb(error.__traceback__):
                file = frame.f_code.co_filename
                if file.startswith(FILE):
                    line = number
                    text = linecache.getline(file, number).strip()
            return {"error": [type(error).__name__, str(error)[:2000], line, text]}

    def serve(self) -> None:
        """Answer the judge until it ends the conversation."""
        while True:
            try:
                message = self.channel.receive()
            except EOFError:
                return
            do, *values = message["do"]
            self.channel.send(getattr(self, do)(*values))


def main() -> None:
    """Confine this process, run the learner's statements, and answer the judge's calls."""
    channel = wire.Channel(int(sys.argv[1]), int(sys.argv[2]))
    setup = channel.receive()
    folder = Path(setup["folder"])
    readable = [Path(place) for place in setup["readable"]]
    hidden = [Path(place) for place in setup["hidden"]]
    layers = sandbox.confine(setup["seconds"], setup["memory"], folder, readable, hidden)
    sys.meta_path.insert(0, Blocked())
    os.chdir(folder)
    channel.send(layers)
    with contextlib.suppress(BrokenPipeError):
        Pupil(channel).serve()


if __name__ == "__main__":
    main()
