"""Safe reader of pickles: no code is imported or executed.

A pickle is a program for a stack machine. Python's own machine imports and calls everything that
the program names; the programs of `torch.save` need little of that. The machine below has the
instructions for dicts, lists, tuples, numbers and strings, and knows `NAMES`. It cannot import or
call: the meaning of each name is fixed here, and any other name or instruction is refused with its
name in the message. `pickled_arrays` reads NumPy's arrays in the same way.
"""

from __future__ import annotations

import pickletools
import reprlib
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO, NoReturn

import numpy as np

from tinynet.core import errors
from tinynet.core.errors import DataError

LARGEST = 1 << 23  # bytes; a thousand tensors take a few hundred thousand
LONGEST = 200  # characters of a name

STORAGES = {
    "torch FloatStorage": "f4",
    "torch DoubleStorage": "f8",
    "torch HalfStorage": "f2",
    "torch BFloat16Storage": "bf16",
    "torch LongStorage": "i8",
    "torch IntStorage": "i4",
    "torch ShortStorage": "i2",
    "torch CharStorage": "i1",
    "torch ByteStorage": "u1",
    "torch BoolStorage": "?",
}
"""Types of storage, and the dtype of their elements."""

DICT = "collections OrderedDict"
TENSORS = {"torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor"}
PARAMETERS = {"torch._utils _rebuild_parameter", "torch.nn.parameter Parameter"}
NAMES = {DICT, *TENSORS, *PARAMETERS, *STORAGES}
"""The second name in `TENSORS` and `PARAMETERS` is that of 2017."""


class Name(str):
    """One of NAMES on the stack: text, not the Python object of that name."""

    __slots__ = ()


class Number(str):
    """An integer key as text: a file could choose integers that all have the same hash."""

    __slots__ = ()


CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
LITERALS = {"BINUNICODE", "SHORT_BINUNICODE", "BINFLOAT", "BININT", "BININT1", "BININT2", "LONG1"}
LITERALS |= {"BINSTRING", "SHORT_BINSTRING"}  # the strings of Python 2
EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
NOTHING = {"PROTO", "FRAME"}

DAMAGE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)

Make = Callable[..., Any]


def no_tensors(*_: Any) -> NoReturn:
    """Refuse a storage or a tensor, in a pickle that should have none."""
    raise DataError("its pickle has a tensor in a place where there are none.")


def read(program: bytes, storage: Make, tensor: Make) -> Any:
    """Return the contents of a pickle, or raise a DataError that names what is not allowed.

    Parameters
    ----------
    program : bytes
    storage : (dtype, key, elements, view) -> array
        Makes a storage, or a part of it.
    tensor : (storage, offset, size, stride) -> array
        Makes a tensor.
    """
    if len(program) > LARGEST:
        raise DataError(f"its pickle has {len(program):,} bytes; {LARGEST:,} are the limit.")
    return _run(program, storage, tensor)[0]


def read_next(file: BinaryIO, storage: Make, tensor: Make) -> Any:
    """Return the contents of the pickle at this position of a file, and go to its end."""
    start = file.tell()
    found, length = _run(file.read(LARGEST), storage, tensor)
    file.seek(start + length)
    return found


def _run(program: bytes, storage: Make, tensor: Make) -> tuple[Any, int]:
    """Return the contents of a pickle and its length; bytes after it are ignored."""
    return execute(Machine(storage, tensor), program)


def execute(machine: Machine, program: Any) -> tuple[Any, int]:
    """Return what a machine makes of a pickle, bytes or an open file, and where it ends."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a backslash in a name
            for count, (instruction, argument, at) in enumerate(pickletools.genops(program)):
                if instruction.name == "STOP":
                    return machine.stack.pop(), (at or 0) + 1
                if count >= machine.most:
                    raise DataError(f"its pickle has more than {machine.most:,} instructions.")
                machine.do(instruction.name, argument)
    except DataError:
        raise
    except DAMAGE as error:
        raise DataError(f"its pickle is damaged or incomplete ({short(str(error))}).") from error
    raise DataError("its pickle has no end.")


def short(value: Any) -> str:
    """Return a repr of up to LONGEST characters; a full repr of a hostile value may be endless."""
    text = reprlib.repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def printable(text: str) -> str:
    """Return up to LONGEST characters of a text, safe to print on a terminal (see `errors`)."""
    shown = errors.printable(text[: LONGEST + 1])
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]} ..."


class Machine:
    """A stack with marks and a numbered memory; one method per instruction."""

    names = frozenset(NAMES)
    literals = frozenset(LITERALS)
    purpose = "weights"  # for messages
    needed = "a tensor"
    most = LARGEST  # instructions

    def __init__(self, storage: Make, tensor: Make) -> None:
        self.storage = storage
        self.tensor = tensor
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memory: dict[int, Any] = {}

    def do(self, name: str, argument: Any) -> None:
        """Execute one instruction, or raise DataError with its name."""
        if name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in self.literals:
            self.stack.append(argument)
        elif name in EMPTY:
            self.stack.append(EMPTY[name]())
        elif name in TUPLES:
            count = TUPLES[name]
            self.stack[-count:] = [tuple(self.stack[-count:])]
        elif name not in NOTHING:
            step = getattr(self, f"_do_{name.lower()}", None)
            if step is None:
                raise DataError(
                    f"its pickle has the instruction {name}, which no {self.purpose} need."
                )
            step(argument)

    def _group(self) -> list[Any]:
        """Take everything above the last mark."""
        at = self.marks.pop()
        found = self.stack[at:]
        del self.stack[at:]
        return found

    def _do_mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def _do_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._group()))

    def _do_append(self, _: Any) -> None:
        value = self.stack.pop()
        self.stack[-1].append(value)

    def _do_appends(self, _: Any) -> None:
        values = self._group()
        self.stack[-1].extend(values)

    def _do_setitem(self, _: Any) -> None:
        value = self.stack.pop()
        key = self.stack.pop()
        self._set([key, value])

    def _do_setitems(self, _: Any) -> None:
        self._set(self._group())

    def _set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise DataError("its pickle puts items into something that is no dict.")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int):  # a tuple may be nested too deeply to be hashed
                raise DataError(f"its pickle has a dict with a {type(key).__name__} as key.")
            target[key if isinstance(key, str) else Number(f"number {key}")] = value

    def _do_binput(self, number: int) -> None:
        self.memory[number] = self.stack[-1]

    _do_long_binput = _do_binput

    def _do_memoize(self, _: Any) -> None:
        self.memory[len(self.memory)] = self.stack[-1]

    def _do_binget(self, number: int) -> None:
        self.stack.append(self.memory[number])

    _do_long_binget = _do_binget

    def _do_global(self, name: str) -> None:
        if name not in self.names:
            shown = printable(name.replace(" ", "."))
            raise DataError(
                f"its pickle names {shown}, which is not {self.needed}; it was not imported and "
                "not executed."
            )
        self.stack.append(Name(name))

    def _do_stack_global(self, _: Any) -> None:
        name = self.stack.pop()
        module = self.stack.pop()
        for word in (module, name):  # a list of lists of lists may have no end as text
            if not isinstance(word, str) or len(word) > LONGEST:
                raise DataError(f"its pickle names {short(word)}, which is no name.")
        self._do_global(f"{module} {name}")

    def _do_binpersid(self, _: Any) -> None:
        reference = self.stack.pop()
        if not isinstance(reference, tuple) or len(reference) not in (5, 6):
            raise DataError(f"its pickle refers to a {type(reference).__name__}, not to a storage.")
        kind, dtype, key, _, elements, *view = reference
        if kind != "storage" or not isinstance(dtype, Name) or dtype not in STORAGES:
            raise DataError(f"its pickle refers to {short((kind, dtype))}, not to a storage.")
        self.stack.append(self.storage(STORAGES[dtype], key, elements, *view))

    def _do_reduce(self, _: Any) -> None:
        arguments = self.stack.pop()
        name = self.stack.pop()
        if not isinstance(name, Name):
            raise DataError(f"its pickle calls {short(name)}, which is no function.")
        if not isinstance(arguments, tuple):
            raise DataError(f"its pickle calls {name.replace(' ', '.')} with no arguments.")
        if name == DICT and arguments == ():
            self.stack.append({})
        elif name == DICT and isinstance(pairs := arguments[0], list):  # as Python 2 wrote it
            self.stack.append({})
            for key, value in pairs:
                self._set([key, value])
            pairs.clear()  # or one long list in the memory could fill dict after dict
        elif name in TENSORS:
            _check_plain(arguments)
            self.stack.append(self.tensor(*arguments[:4]))
        elif name in PARAMETERS:
            self.stack.append(arguments[0])
        else:
            raise DataError(f"its pickle calls {name.replace(' ', '.')}, which is not needed here.")

    def _do_build(self, _: Any) -> None:
        """Drop the attributes that PyTorch sets on a dict (module versions) and on a parameter."""
        self.stack.pop()
        if not isinstance(self.stack[-1], dict | np.ndarray):
            raise DataError("its pickle sets attributes of something that is no dict.")


def _check_plain(arguments: tuple[Any, ...]) -> None:
    """Raise DataError for a tensor with metadata: its values differ from the stored ones."""
    metadata = arguments[6] if len(arguments) > 6 else None
    if not (metadata is None or (isinstance(metadata, dict) and not metadata)):
        raise DataError(
            f"its pickle sets {short(metadata)} on a tensor, so its values are not those "
            "that are stored; call x.resolve_neg().resolve_conj() in PyTorch before saving."
        )
