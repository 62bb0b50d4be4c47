"""The errors that tinynet raises for its users.

Grammar of a message: *op: the rule, in names. The facts, in numbers. One suggestion, if sure.*
Each class also is the built-in error that a Python programmer would expect, so that an ordinary
``except ValueError`` catches it.
"""


class ShapeError(ValueError):
    """Arrays whose shapes, or labels whose values, do not fit the op that was asked for."""


class DeviceError(RuntimeError):
    """Tensors on different devices met, or a device was asked for that is not there."""


class GraphError(RuntimeError):
    """backward() was called where there is nothing (left) to walk back through."""


class DataError(ValueError):
    """A file or a download is not what it should be; the message names it and the way out."""
