"""Tensors that are the state of a module: parameters, which are learned, and buffers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinynet.core.autograd import Variable
from tinynet.core.backend import Array, device, is_array, is_writable, transfer
from tinynet.tensors import Tensor, require_float_type


class Buffer(Tensor):
    """A tensor that belongs to a module's state but is not learned, e.g. a running mean.

    Parameters
    ----------
    data : array of numbers, or Tensor on a CPU
        It lies on the default device afterwards.

    Raises
    ------
    TypeError
        `data` is no array, or not of real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import nn
    >>> class Centered(nn.Module):
    ...     def __init__(self):
    ...         self.mean = nn.Buffer(np.zeros(3, np.float32))
    >>> list(Centered().state_dict()), Centered().parameters()
    (['mean'], [])
    """

    __slots__ = ()

    def __init__(self, data: Array | Tensor) -> None:
        where = device()
        data = data.data if isinstance(data, Tensor) else data
        super().__init__(data if where.kind == "cpu" else transfer(data, where), where)
        if self.dtype.kind not in "fiub":
            raise TypeError(f"{type(self).__name__}: expected real numbers, got {self.dtype}.")
        if not is_writable(self.data):
            self.data = self.data.copy()


class Parameter(Buffer):
    """A tensor that an optimizer changes: it requires a gradient.

    A graph that saved its values notices ``w.data *= 2`` as it notices a step of an optimizer.

    Parameters
    ----------
    data : array of numbers, or Tensor on a CPU
        It lies on the default device afterwards.

    Raises
    ------
    TypeError
        `data` is no array of floating-point numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import nn
    >>> nn.Parameter(np.ones(2, np.float32)).requires_grad
    True
    """

    __slots__ = ()

    def __init__(self, data: Array | Tensor) -> None:
        super().__init__(data)
        require_float_type("Parameter", self.dtype)
        self.requires_grad = True

    if not TYPE_CHECKING:  # for it `data` is the attribute of every tensor
        _array = Variable.data

        @property
        def data(self) -> Array:
            """The values."""
            return self._array

        @data.setter
        def data(self, array: Array) -> None:
            """Store an array; `w.data *= 2` stores the one that is there, with new values."""
            written = getattr(self, "_array", None) is array
            if not written and not isinstance(array, np.generic) and not is_array(array):
                raise TypeError(
                    f"Parameter: its data is an array, got {type(array).__name__}. Of numbers: "
                    "np.array(numbers, np.float32)."
                )
            self._array = array
            if written:
                self.mark_changed()


class ParameterList(list[Parameter]):
    """A list of parameters; PyTorch returns an iterator, so `next` says what to write."""

    def __next__(self) -> Parameter:
        raise TypeError(
            "parameters() is a list here: write model.parameters()[0], or model.device for the "
            "device."
        )
