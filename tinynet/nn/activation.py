"""Element-wise activation layers and softmax, and the layers that fuse with a ReLU."""

from __future__ import annotations

from collections.abc import Callable

from tinynet import functions as F
from tinynet.nn.guidance import call_as
from tinynet.nn.module import Module
from tinynet.tensors import Tensor


class ReLU(Module):
    """Rectified linear unit, max(x, 0), of every element (section 3.1 of the AlexNet paper).

    Behind a convolution, batch normalization or max-pooling in a `Sequential` it is computed in the
    same pass over memory.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> nn.ReLU()(tn.tensor([-1.0, 2.0])).numpy()
    array([0., 2.], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return max(x, 0), in the shape of x."""
        return F.relu(x)


class Tanh(Module):
    """Hyperbolic tangent of every element.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> nn.Tanh()(tn.tensor([0.0, 1.0])).numpy().round(4)
    array([0.    , 0.7616], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return tanh(x), in the shape of x."""
        return F.tanh(x)


class Sigmoid(Module):
    """Logistic function 1 / (1 + e ** -x) of every element.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> nn.Sigmoid()(tn.tensor([0.0])).numpy()
    array([0.5], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return 1 / (1 + e ** -x), in the shape of x."""
        return F.sigmoid(x)


class Softmax(Module):
    """Probabilities exp(x) / sum of exp(x) along an axis.

    `CrossEntropyLoss` takes the scores before softmax: a network that is trained with it does not
    end with this layer.

    Parameters
    ----------
    axis : int
        The axis along which the results sum to 1; 1 are the classes of (N, classes).

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> nn.Softmax(axis=1)(tn.tensor([[0.0, 0.0]])).numpy()
    array([[0.5, 0.5]], dtype=float32)
    """

    @call_as("Write Softmax(axis=1).")
    def __init__(self, axis: int = 1) -> None:
        self.axis = axis

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"axis={self.axis}"

    def forward(self, x: Tensor) -> Tensor:
        """Return probabilities, in the shape of x."""
        return F.softmax(x, self.axis)


class FusesReLU(Module):
    """A layer with a second forward, `with_relu`, that computes the following ReLU in one pass."""

    with_relu: Callable[[Tensor], Tensor]  # max(forward(x), 0)

    def fuse_with(self, *following: Module) -> tuple[Callable[[Tensor], Tensor], int] | None:
        """Return `with_relu` if the next layer is a ReLU.

        A subclass that inherits `with_relu` is not fused, since its own forward may differ.
        """
        own = "with_relu" in vars(type(self))
        return (self.with_relu, 1) if own and type(following[0]) is ReLU else None
