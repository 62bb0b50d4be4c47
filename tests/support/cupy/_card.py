"""State of the machine that the stand-in pretends to be."""

import threading

POISON = 255
words = str.split


class Card:
    """What the machine has; tests change it through the fixture `cupy`."""

    def __init__(self):
        self.generation = 0
        self.switch_on()

    def switch_on(self):
        """Begin anew: two devices, empty memory, nothing counted."""
        self.generation += 1
        self.available = True
        self.count = 2
        self.driver = 13000
        self.runtime = 13000
        self.pool = None  # the default memory pool
        self.reads = 0  # copies to the host
        self.writes = 0  # copies from the host, and from device to device
        self.runs = True  # False: launches are written down and never carried out
        self.products = []  # (m, n, k, batch, compute type) of every call of cuBLAS
        self.lazy = False


card = Card()
thread = threading.local()  # .device, .streams, .allocator


def current_device():
    """Return the number of the device that is current in this thread."""
    return getattr(thread, "device", 0)
