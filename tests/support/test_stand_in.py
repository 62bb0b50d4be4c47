"""The stand-in for CuPy: it has CuPy's names, and it catches what a card would catch."""

import importlib.util
import inspect

import numpy as np
import pytest

from support import cupy as stand_in_cupy

OURS = str.split(
    """card host launches pending stream handles compiler run limit used total free
    generation entered drain later begun given moment"""
)


def all_names():
    """Yield (dotted name, object) of everything that the stand-in offers as CuPy's."""
    for name, value in vars(stand_in_cupy).items():
        yield from named(name, value)


def named(name, value):
    last = name.rpartition(".")[2]
    if last in OURS or last.startswith("_") or inspect.isbuiltin(value):
        return
    yield name, value
    ours = inspect.isclass(value) and value.__module__.startswith(("support.cupy", "cupy"))
    if inspect.ismodule(value) or ours:
        for inner, part in vars(value).items():
            yield from named(f"{name}.{inner}", part)


needs_cupy = pytest.mark.skipif(
    importlib.util.find_spec("cupy") is None,
    reason="CuPy is not installed; pip install cupy-cuda13x brings it, and no driver is needed",
)


@needs_cupy
def test_every_name_is_one_of_cupys():
    """No driver is needed for this: CuPy imports without one."""
    import cupy

    missing = []
    for name, _ in all_names():
        found = cupy
        for part in name.split("."):
            found = getattr(found, part, missing)
        if found is missing:
            missing.append(name)
    assert missing == [], missing


@needs_cupy
def test_every_parameter_is_one_of_cupys():
    import cupy

    wrong = []
    for name, mine in all_names():
        real = cupy
        for part in name.split("."):
            real = getattr(real, part, None)
        try:
            theirs = inspect.signature(real).parameters
            ours = inspect.signature(mine).parameters
        except (TypeError, ValueError):  # compiled without a signature
            continue
        both = (*ours.values(), *theirs.values())
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in both):
            continue
        strange = [p for p in ours if p not in theirs and p not in ("self", "host")]
        wrong += [f"{name}({', '.join(strange)})"] if strange else []
    assert wrong == []


def test_numpy_and_the_card_do_not_mix(stand_in):
    x = stand_in.ones(3)
    y = np.ones(3)
    for mix in (
        lambda: x + y,
        lambda: y + x,
        lambda: np.add(x, y),
        lambda: stand_in.maximum(x, y),
        lambda: np.concatenate([x, y]),
        lambda: stand_in.where(x > 0, x, y),
        lambda: np.asarray(x),
        lambda: y.__setitem__(slice(None), x),
        lambda: x.__setitem__(slice(None), y),
        lambda: np.add(y, 1, out=x),
        lambda: x.__iadd__(y),
    ):
        with pytest.raises((TypeError, ValueError), match=r"numpy|NumPy"):
            mix()


def test_two_cards_do_not_mix_and_the_current_one_must_be_right(stand_in):
    with stand_in.cuda.Device(1):
        there = stand_in.ones(3)
    with pytest.raises(ValueError, match="current"):
        there + 1
    with pytest.raises(ValueError, match="current"):
        stand_in.ones(3) + there


def test_freed_memory_is_poison_and_comes_back(stand_in):
    x = stand_in.ones(1000, np.float32)
    address = x.data.ptr
    del x
    y = stand_in.empty(1000, np.float32)
    assert y.data.ptr == address
    assert np.isnan(y.get()).all()


def test_a_view_keeps_its_memory_and_a_copy_has_its_own(stand_in):
    x = stand_in.arange(6).reshape(2, 3)
    view = x.T[1:]
    copy = x.T[1:].copy()
    x[...] = 0
    assert view.get().tolist() == [[0, 0], [0, 0]]
    assert copy.get().tolist() == [[1, 4], [2, 5]]
    del x
    stand_in.empty(6, np.int64)
    assert view.get().tolist() == [[0, 0], [0, 0]]


def test_nothing_runs_while_it_is_captured(stand_in):
    stream = stand_in.cuda.Stream(non_blocking=True)
    x = stand_in.ones(3)
    with stream:
        stream.begin_capture()
        y = x * 2 + 1
        x += 1
        graph = stream.end_capture()
    assert x.get().tolist() == [1, 1, 1]
    assert np.isnan(y.get()).all()
    graph.launch()
    assert (x.get().tolist(), y.get().tolist()) == ([2, 2, 2], [3, 3, 3])
    graph.launch()
    assert (x.get().tolist(), y.get().tolist()) == ([3, 3, 3], [5, 5, 5])


@pytest.mark.parametrize(
    "read", [lambda x: x.get(), float, bool, lambda x: x.item(), lambda x: x.tolist()]
)
def test_reading_while_capturing_is_refused(stand_in, read):
    stream = stand_in.cuda.Stream(non_blocking=True)
    x = stand_in.ones(())
    with stream:
        stream.begin_capture()
        with pytest.raises(RuntimeError, match=r"capturing, so D2H transfers are disallowed"):
            read(x * 2)
        with pytest.raises(RuntimeError, match=r"capturing, so H2D transfers are disallowed"):
            stand_in.asarray(np.ones(2))
        stream.end_capture()


def test_products_by_cupy_are_refused(stand_in):
    a = stand_in.ones((2, 2))
    for product in (lambda: a @ a, lambda: stand_in.matmul(a, a), lambda: np.matmul(a, a)):
        with pytest.raises(AssertionError, match="gemm"):
            product()


def test_an_asynchronous_read_arrives_with_the_event(stand_in):
    x = stand_in.full(2, 7.0)
    stream = stand_in.cuda.get_current_stream()
    out = np.empty(2)
    x.get(out=out, blocking=False)
    event = stream.record()
    assert not event.done
    assert np.isnan(out).all()
    event.synchronize()
    assert out.tolist() == [7, 7]
    assert stand_in.card.reads == 0
