"""Devices, streams, events and captured graphs of the stand-in."""

import builtins
import functools
import weakref

from support.cupy._card import card, current_device, thread

CAPTURING = 900  # cudaErrorStreamCaptureUnsupported


def current_stream():
    """Each device has its own in each thread, as in CuPy."""
    chosen = getattr(thread, "streams", {}).get(current_device())
    return chosen[-1] if chosen else _default_streams[current_device()]


class CUDARuntimeError(RuntimeError):
    def __init__(self, status):
        self.status = status
        super().__init__(
            {
                CAPTURING: "cudaErrorStreamCaptureUnsupported: operation not permitted when "
                "stream is capturing",
                101: "cudaErrorInvalidDevice: invalid device ordinal",
                35: "cudaErrorInsufficientDriver: CUDA driver version is insufficient",
            }[status]
        )


def is_available():
    return card.available and card.count > 0 and card.driver >= card.runtime // 1000 * 1000


def device_count():
    if not is_available():
        raise CUDARuntimeError(35)
    return card.count


class Device:
    def __init__(self, device=None):
        self.id = current_device() if device is None else int(device)

    def __enter__(self):
        if not 0 <= self.id < device_count():
            raise CUDARuntimeError(101)
        self.before = [*getattr(self, "before", []), current_device()]
        thread.device = self.id
        return self

    def __exit__(self, *_):
        thread.device = self.before.pop()

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return hash(self.id)

    def synchronize(self):
        refuse_while_capturing()

    compute_capability = "90"
    mem_info = (2**30, 2**31)


class Stream:
    null = None
    handles = weakref.WeakValueDictionary()

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        self.device_id = -1 if null else current_device()
        self.ptr = 0 if null else id(self)
        self.launches = None
        self.pending = []
        self.begun = self.given = 0  # how many were pending once
        Stream.handles[self.ptr] = self

    def __enter__(self):
        if self.device_id not in (-1, current_device()):
            raise RuntimeError(f"a stream of device {self.device_id} on {current_device()}")
        thread.streams = getattr(thread, "streams", {})
        thread.streams.setdefault(current_device(), []).append(self)
        self.entered = current_device()
        return self

    def __exit__(self, *_):
        thread.streams[self.entered].pop()

    def begin_capture(self, mode=None):
        if self.ptr == 0:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        self.launches = []

    def end_capture(self):
        launches, self.launches = self.launches, None
        return Graph(launches)

    def is_capturing(self):
        return self.launches is not None

    def synchronize(self):
        if self.is_capturing():
            raise CUDARuntimeError(CAPTURING)
        self.drain(self.given)

    def drain(self, upto):
        """Do what is pending, up to a moment."""
        while self.begun < upto:
            self.begun += 1
            self.pending.pop(0)()

    def later(self, launch):
        self.pending.append(launch)
        self.given += 1

    def record(self, event=None):
        event = event or Event()
        event.stream = self
        event.moment = self.given
        return event

    def wait_event(self, event):
        if card.lazy:
            self.later(functools.partial(event.stream.drain, event.moment))

    def run(self, launch):
        """Carry out a launch, write it down, or leave it for later."""
        if self.is_capturing():
            self.launches.append(launch)
        elif not card.runs:
            return
        elif card.lazy:
            self.later(launch)
        else:
            launch()


class Event:
    stream = None
    moment = 0

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        pass

    def record(self, stream=None):
        (stream or current_stream()).record(self)

    def synchronize(self):
        self.stream.drain(self.moment)

    @property
    def done(self):
        return not self.stream.pending


class Graph:
    def __init__(self, launches):
        self.launches = launches

    def launch(self, stream=None):
        stream = stream or current_stream()
        for launch in self.launches:
            stream.run(launch)

    def debug_dot_str(self, flags=0):
        """Return the graph in the language of Graphviz, one line for each node."""
        nodes = [f'"graph_1_node_{i}"[label="{i}"];' for i in range(len(self.launches))]
        return "\n".join(["digraph dot {", *nodes, "}"])

    def upload(self, stream=None):
        pass


class _DefaultStreams(dict):
    """Every device has a default stream; the first one's stands for `Stream.null`."""

    def __missing__(self, device):
        self[device] = stream = Stream()
        stream.device_id = -1
        return stream


Stream.null = Stream(null=True)
_default_streams = _DefaultStreams({0: Stream.null})


def refuse_transfer(direction, stream=None):
    """Raise as CuPy does if a stream that is being captured shall copy to or from the host."""
    if (stream or current_stream()).is_capturing():
        raise RuntimeError(
            f"the current stream is capturing, so {direction} transfers are disallowed"
        )


def refuse_while_capturing():
    """Raise as CUDA does if any stream is being captured."""
    if builtins.any(s.is_capturing() for s in list(Stream.handles.values())):
        raise CUDARuntimeError(CAPTURING)
