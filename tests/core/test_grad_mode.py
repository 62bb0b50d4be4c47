"""no_grad: with and without parentheses, as a block and as a decorator."""

import asyncio
import threading

import numpy as np
import pytest

import tinynet as tn


def leaf(*values):
    return tn.tensor(np.array(values), requires_grad=True)


def forms():
    @tn.no_grad
    def bare(x):
        """Doc."""
        return x * 2

    @tn.no_grad()
    def called(x):
        return x * 2

    def block(x):
        with tn.no_grad():
            return x * 2

    def bare_block(x):
        with tn.no_grad:
            return x * 2

    return bare, called, block, bare_block


@pytest.mark.parametrize("form", forms(), ids=["bare", "called", "block", "bare_block"])
def test_no_grad_has_four_forms(form):
    x = leaf(1.0)
    assert form(x).creator is None
    assert (x * 2).requires_grad


def test_no_grad_keeps_the_name_and_nests():
    assert (forms()[0].__name__, forms()[0].__doc__) == ("bare", "Doc.")
    x = leaf(1.0)
    with tn.no_grad():
        with tn.no_grad():
            pass
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_ends_with_an_error():
    @tn.no_grad
    def broken():
        raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert (leaf(1.0) * 2).requires_grad


def test_no_grad_refuses_what_runs_later():
    def numbers():
        yield 1

    async def later():
        return 1

    for function in (numbers, later):
        with pytest.raises(TypeError, match=r"runs after the call.*with tn.no_grad"):
            tn.no_grad(function)
    with pytest.raises(TypeError, match="decorates functions"):
        tn.no_grad(3)
    assert asyncio.run(later()) == 1
    assert list(numbers()) == [1]


def test_no_grad_belongs_to_its_thread():
    x = leaf(1.0)
    found = []
    with tn.no_grad():
        thread = threading.Thread(target=lambda: found.append((x * 2).requires_grad))
        thread.start()
        thread.join()
    assert found == [True]
