"""Pickles of training programs: whatever is no tensor is passed over, and never made.

A checkpoint holds the weights beside an epoch, the options of a program, a NumPy number. The
machine of `core.pickles` refuses names that it does not know. This one puts a `Foreign`, the name
alone, in the place of each object of such a class, and goes on: nothing is imported or called.
"""

from __future__ import annotations

from typing import Any, BinaryIO

from tinynet.core import pickles
from tinynet.core.errors import DataError
from tinynet.core.pickles import LITERALS, LONGEST, Machine, Make, Name, printable, short


class Foreign:
    """A class, a function or an object of a pickle that was neither imported nor made."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = printable(name[: 2 * LONGEST])

    def __repr__(self) -> str:
        return f"<{self.name}>"


class CheckpointMachine(Machine):
    """The machine of `core.pickles` for tensors, which passes over other objects."""

    literals = frozenset({*LITERALS, "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"})

    def _do_global(self, name: str) -> None:
        if name in self.names:
            self.stack.append(Name(name))
        else:
            self.stack.append(Foreign(name.replace(" ", ".", 1)))

    def _do_reduce(self, _: Any) -> None:
        if isinstance(called := self.stack[-2], Foreign):
            self.stack[-2:] = [Foreign(called.name)]
        else:
            super()._do_reduce(None)

    def _do_newobj(self, _: Any) -> None:
        kind = self.stack[-2]
        if not isinstance(kind, Foreign):
            raise DataError(f"its pickle calls {short(kind)}, which is not needed here.")
        self.stack[-2:] = [Foreign(kind.name)]

    def _do_newobj_ex(self, _: Any) -> None:
        self.stack.pop()
        self._do_newobj(None)

    def _do_build(self, _: Any) -> None:
        if isinstance(self.stack[-2], Foreign):
            self.stack.pop()
        else:
            super()._do_build(None)

    def _do_append(self, _: Any) -> None:
        if isinstance(self.stack[-2], Foreign):
            self.stack.pop()
        else:
            super()._do_append(None)

    def _do_appends(self, _: Any) -> None:
        if isinstance(self.stack[self.marks[-1] - 1], Foreign):
            self._group()
        else:
            super()._do_appends(None)

    _do_additems = _do_appends

    def _do_empty_set(self, _: Any) -> None:
        self.stack.append(Foreign("builtins.set"))

    def _do_frozenset(self, _: Any) -> None:
        self._group()
        self.stack.append(Foreign("builtins.frozenset"))

    def _set(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], Foreign):
            super()._set(items)

    def _do_binpersid(self, _: Any) -> None:
        reference = self.stack[-1]
        if isinstance(reference, tuple) and reference[:1] == ("module",) and len(reference) > 1:
            self.stack[-1] = reference[1]  # a class, with its source in older files
        else:
            super()._do_binpersid(None)


def read(program: bytes, storage: Make, tensor: Make) -> Any:
    """Return the contents of a pickle, with a Foreign for each object that is no tensor.

    Parameters
    ----------
    program : bytes
    storage, tensor : as `core.pickles.read` takes them
    """
    if len(program) > pickles.LARGEST:
        raise DataError(
            f"its pickle has {len(program):,} bytes; {pickles.LARGEST:,} are the limit."
        )
    return run(CheckpointMachine(storage, tensor), program)[0]


def read_next(file: BinaryIO, storage: Make, tensor: Make) -> Any:
    """Return the contents of the pickle at this position of a file, and go to its end."""
    return run_next(CheckpointMachine(storage, tensor), file)


def run_next(machine: Machine, file: BinaryIO) -> Any:
    """Return what a machine makes of the pickle at this position, and go to its end."""
    start = file.tell()
    found, length = run(machine, file.read(pickles.LARGEST))
    file.seek(start + length)
    return found


def run(machine: Machine, program: bytes | BinaryIO) -> tuple[Any, int]:
    """Return what a machine makes of a pickle; a Foreign as a whole is a DataError."""
    found, length = pickles.execute(machine, program)
    if isinstance(found, Foreign):
        raise DataError(
            f"its pickle names {found.name}, which is not a tensor; it was not imported and not "
            "executed."
        )
    return found, length
