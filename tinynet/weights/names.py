"""Names of arrays in weight files, matched with the names of a model.

A number in a name counts the layers of a Sequential, also those without parameters. Networks that
differ in a normalization or in the place of a flatten layer number the same layers differently, in
the same order: the third numbered layer of the file is the third one of the model. The other rules
undo what wrappers of PyTorch, Lightning and old versions of torchvision did to names: a prefix is
taken off if more names fit without it. `fitted` matches names
only; shapes are checked in `fit.load`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from tinynet.core.backend import Array
from tinynet.core.errors import DataError

COUNTED = re.compile(r"(^|.*?\.)(\d+)(\.[^.]+)$")
OLD_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.(\d\.[^.]*)")
PARALLEL = re.compile(r"(^|\.)module\.")  # by torch.nn.DataParallel, around all or a part
COMPILED = "_orig_mod."  # before the names of a module inside torch.compile
AVERAGED = "n_averaged"  # a counter beside the weights, by torch.optim.swa_utils.AveragedModel
NESTED = 3  # parts of a prefix that all names have in common
HEADS = (
    "aux1.",
    "aux2.",
    "AuxLogits.",
)  # auxiliary classifiers of GoogLeNet and Inception, used in training


def fitted(arrays: Mapping[str, Array], wanted: Iterable[str]) -> dict[str, Array]:
    """Return the arrays under the names of a model, as far as they correspond.

    Parameters
    ----------
    arrays : dict of str to array
        Under the names of a file.
    wanted : iterable of str
        Names of the model's parameters and buffers.

    Raises
    ------
    DataError
        Two arrays would get the same name.

    Examples
    --------
    >>> import numpy as np
    >>> list(fitted({"module.features.4.weight": np.ones(2)}, ["features.3.weight"]))
    ['features.3.weight']
    """
    wanted = list(wanted)
    known = set(wanted)
    first, *others = _unwrapped(_renamed(arrays, _uncompiled), wanted)
    found = _matched(first, wanted)
    for other in others:
        with contextlib.suppress(DataError):
            inner = _matched(other, wanted)
            if len(known & inner.keys()) > len(known & found.keys()):
                found = inner
    return found


def _unwrapped(arrays: Mapping[str, Array], wanted: list[str]) -> Iterator[dict[str, Array]]:
    """Yield the arrays under their names, and without the prefixes that wrappers put there."""
    found = dict(arrays)
    if AVERAGED not in wanted:
        found.pop(AVERAGED, None)
    yield found
    if all(name in found for name in wanted):
        return
    for start in (found, _shortened(found, lambda name: PARALLEL.sub(r"\1", name))):
        yield start
        inner = start
        for _ in range(NESTED):
            first = next(iter(inner), "").partition(".")
            prefix = first[0] + first[1]
            if not first[1] or not all(name.startswith(prefix) for name in inner):
                break
            inner = {name.removeprefix(prefix): array for name, array in inner.items()}
            yield inner


def _shortened(arrays: dict[str, Array], new: Callable[[str], str]) -> dict[str, Array]:
    """Return arrays under shorter names; as they are if two would get the same."""
    found = {new(name): array for name, array in arrays.items()}
    return found if len(found) == len(arrays) else arrays


def _uncompiled(name: str) -> str:
    return name.replace(COMPILED, "")


def _matched(found: dict[str, Array], wanted: list[str]) -> dict[str, Array]:
    """Return arrays under modern names, numbered as the model numbers its layers."""
    found = _renamed(found, _modern)
    auxiliary = tuple(h for h in HEADS if not any(name.startswith(h) for name in wanted))
    found = {
        name: array
        for name, array in found.items()
        if name in wanted
        or not (name.endswith("num_batches_tracked") or name.startswith(auxiliary))
    }
    theirs = _numbers(found)
    ours = _numbers(wanted)
    if theirs.keys() != ours.keys() or any(len(theirs[p]) != len(ours[p]) for p in ours):
        return found
    to = {p: dict(zip(theirs[p], ours[p], strict=True)) for p in ours}
    return _renamed(found, lambda name: _renumbered(name, to))


def _renamed(arrays: Mapping[str, Array], new: Callable[[str], str]) -> dict[str, Array]:
    """Return arrays under new names, which must be different."""
    found: dict[str, Array] = {}
    was: dict[str, str] = {}
    for name, array in arrays.items():
        if (to := new(name)) in found:
            raise DataError(f"{was[to]} and {name} are two names for {to}, which has one array.")
        found[to] = array
        was[to] = name
    return found


def _numbers(names: Iterable[str]) -> dict[str, list[int]]:
    """Return the numbers that occur after each prefix, in order."""
    found: dict[str, set[int]] = {}
    for name in names:
        if parts := COUNTED.match(name):
            found.setdefault(parts[1], set()).add(int(parts[2]))
    return {prefix: sorted(numbers) for prefix, numbers in found.items()}


def _modern(name: str) -> str:
    """Return denselayer1.norm.1.weight, an old name of torchvision, as denselayer1.norm1.weight."""
    parts = OLD_DENSENET.fullmatch(name)
    return name if parts is None else parts[1] + parts[2]


def _renumbered(name: str, to: dict[str, dict[int, int]]) -> str:
    parts = COUNTED.match(name)
    return f"{parts[1]}{to[parts[1]][int(parts[2])]}{parts[3]}" if parts else name
