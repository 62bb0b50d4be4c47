"""PTX: the instructions of a kernel as data.

PTX is the assembly language that NVIDIA's compiler writes before it assigns registers. This module
reads the part of it that compiled kernels consist of: entries, parameters, shared and local
variables, labels and instructions (NVIDIA, "Parallel Thread Execution ISA", chapters 4 to 9).
"""

from __future__ import annotations

import re
import struct
from typing import Any, NamedTuple

import numpy as np

TYPES: dict[str, Any] = {
    "pred": np.bool_,
    "s8": np.int8,
    "u8": np.uint8,
    "b8": np.uint8,
    "s16": np.int16,
    "u16": np.uint16,
    "b16": np.uint16,
    "s32": np.int32,
    "u32": np.uint32,
    "b32": np.uint32,
    "s64": np.int64,
    "u64": np.uint64,
    "b64": np.uint64,
    "f32": np.float32,
    "f64": np.float64,
}
ENDS_A_BLOCK = frozenset(("bra", "ret", "exit", "bar", "barrier", "brx"))

_ENTRY = re.compile(r"\.entry\s+(\w+)\s*\((.*?)\)[^{]*?\{(.*?)\n\}", re.DOTALL)
_PARAMETER = re.compile(r"\.param\s+(?:\.align\s+(\d+)\s+)?\.(\w+)\s+(\w+)(?:\[(\d+)\])?")
_VARIABLE = re.compile(r"\.(shared|local)\s+\.align\s+(\d+)\s+\.b8\s+(\w+)\[(\d*)\]\s*;")
_INSTRUCTION = re.compile(r"(?:@(!?)(%\w+)\s+)?([a-z][\w.:]*)\s*(.*)", re.DOTALL)
_OPERAND = re.compile(r"\{[^}]*\}|\[[^\]]*\]|[^,\s][^,]*")


class Variable(NamedTuple):
    """A parameter, or a variable in shared or local memory: where it begins, and its bytes."""

    offset: int
    size: int


class Address(NamedTuple):
    """[base + offset]; the base is a register or the name of a variable."""

    base: str
    offset: int


class Instruction(NamedTuple):
    """One instruction: ``@!%p1 add.rn.f32 %f1, %f2, %f3`` has op "add" and types ("rn", "f32")."""

    op: str
    modifiers: tuple[str, ...]
    operands: tuple[Any, ...]
    guard: str  # a predicate register, or ""
    negated: bool

    @property
    def kind(self) -> str:
        """Its last modifier that is a type, or ""."""
        return next((m for m in reversed(self.modifiers) if m in TYPES), "")


class Entry(NamedTuple):
    """One kernel.

    Attributes
    ----------
    parameters, shared, local : name to Variable
    code : the instructions
    labels : label to the index of the instruction behind it
    leaders : the indices at which a basic block begins, in order
    """

    name: str
    parameters: dict[str, Variable]
    shared: dict[str, Variable]
    local: dict[str, Variable]
    code: tuple[Instruction, ...]
    labels: dict[str, int]
    leaders: tuple[int, ...]


def entries(text: str) -> dict[str, Entry]:
    """Return the kernels of a PTX text by name."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    outside = _ENTRY.sub("", text)
    common = [found.groups() for found in _VARIABLE.finditer(outside)]
    return {name: _entry(name, head, body, common) for name, head, body in _ENTRY.findall(text)}


def _entry(name: str, head: str, body: str, common: list[tuple[str, ...]]) -> Entry:
    variables = common + [found.groups() for found in _VARIABLE.finditer(body)]
    spaces = {
        space: _laid_out(
            [
                (symbol, int(align), int(size or 0))
                for where, align, symbol, size in variables
                if where == space and re.search(rf"{re.escape(symbol)}\b", body)
            ]
        )
        for space in ("shared", "local")
    }
    code: list[Instruction] = []
    labels: dict[str, int] = {}
    flat = re.sub(r"^\s*[{}]\s*$", "", body, flags=re.MULTILINE)  # scopes of temporary registers
    statements = re.sub(r"(\$\w+):", r"\1:;", flat).split(";")
    for statement in map(str.strip, statements):
        if statement.endswith(":"):
            labels[statement[:-1]] = len(code)
        elif statement and not statement.startswith("."):
            code.append(_instruction(statement))
    leaders = {0, *labels.values()}
    leaders.update(i + 1 for i, one in enumerate(code) if one.op in ENDS_A_BLOCK)
    leaders.discard(len(code))
    return Entry(
        name,
        _laid_out(_parameters(head)),
        spaces["shared"],
        spaces["local"],
        tuple(code),
        labels,
        tuple(sorted(leaders)),
    )


def _parameters(head: str) -> list[tuple[str, int, int]]:
    """Return (name, alignment, bytes) of each parameter."""
    rows = []
    for align, kind, name, count in _PARAMETER.findall(head):
        size = np.dtype(TYPES[kind]).itemsize
        rows.append((name, int(align or size), size * int(count or 1)))
    return rows


def _laid_out(rows: list[tuple[str, int, int]]) -> dict[str, Variable]:
    """Return variables one behind the other; one of unknown size (dynamic memory) comes last."""
    found = {}
    end = 0
    for name, align, size in sorted(rows, key=lambda row: row[2] == 0):
        end += -end % align
        found[name] = Variable(end, size)
        end += size
    return found


def _instruction(text: str) -> Instruction:
    match = _INSTRUCTION.fullmatch(text)
    assert match is not None, text  # the text comes from NVIDIA's compiler
    negated, guard, word, rest = match.groups()
    op, *modifiers = word.split(".")
    operands = tuple(_operand(part.strip()) for part in _OPERAND.findall(rest))
    return Instruction(op, tuple(modifiers), operands, guard or "", bool(negated))


def _operand(text: str) -> Any:
    """Return a register or name (str), a number, an Address, or a tuple of operands."""
    if text.startswith("{"):
        return tuple(_operand(part.strip()) for part in text[1:-1].split(","))
    if text.startswith("["):
        base, _, offset = text[1:-1].partition("+")
        return Address(base.strip(), int(offset or 0))
    if re.fullmatch(r"0[fF][0-9A-Fa-f]{8}", text):
        return struct.unpack(">f", bytes.fromhex(text[2:]))[0]
    if re.fullmatch(r"0[dD][0-9A-Fa-f]{16}", text):
        return struct.unpack(">d", bytes.fromhex(text[2:]))[0]
    if re.fullmatch(r"-?(0[xX][0-9A-Fa-f]+|\d+)U?", text):
        return int(text.rstrip("U"), 0)
    return text
