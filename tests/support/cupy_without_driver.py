"""The installed CuPy on a machine without a driver: CUDA's functions are answered by the host.

CuPy's modules find the functions of the CUDA runtime and of the driver in two tables of C
addresses. Before CuPy is imported, these addresses are replaced by functions of this file: memory
is the host's, copies are copies, and a launch is written down but computes nothing. So shapes,
dtypes, orders, exceptions and copies, which CuPy decides on the host, are CuPy's own, and values
that a kernel computes are 0. To be imported in a process of its own, instead of `cupy`.
"""

import ctypes
import functools
from pathlib import Path

import cupy_backends.cuda.api.driver as _driver
import cupy_backends.cuda.api.runtime as _runtime

TYPES = {
    "int": ctypes.c_int,
    "unsigned int": ctypes.c_uint,
    "size_t": ctypes.c_size_t,
    "intptr_t": ctypes.c_ssize_t,
    "PyObject *": ctypes.py_object,
    "int __pyx_skip_dispatch": ctypes.c_int,
}
_api = ctypes.pythonapi
_api.PyCapsule_New.restype = ctypes.py_object
_api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_api.PyCapsule_GetName.restype = ctypes.c_char_p
_api.PyCapsule_GetName.argtypes = [ctypes.py_object]
kept = []  # functions and names whose addresses CuPy has


class Machine:
    """Two devices; each method answers the function of CUDA that has its name."""

    def __init__(self):
        self.blocks = {}
        self.device = 0
        self.handles = 1000  # streams 0, 1 and 2 have a meaning of their own
        self.capturing = set()
        self.launched = []  # names of kernels
        self.copies = []  # (kind of cudaMemcpyKind, bytes)
        self.names = {}  # of functions, by handle
        self.nodes = 0  # launches and copies of the last capture

    def count(self, stream):
        self.nodes += stream in self.capturing

    def handle(self, *_):
        self.handles += 1
        return self.handles

    def malloc(self, size):
        block = ctypes.create_string_buffer(max(1, size))
        self.blocks[ctypes.addressof(block)] = block
        return ctypes.addressof(block)

    def free(self, address):
        self.blocks.pop(address, None)

    def pointerGetAttributes(self, address):
        return _runtime.PointerAttributes(0, address, address, 0)  # no memory that is pinned

    def hostAlloc(self, size, flags):
        return self.malloc(size)

    freeHost = free

    def memcpyAsync(self, to, source, size, kind, stream=0):
        self.count(stream)
        self.copies.append((kind, size))
        ctypes.memmove(to, source, size)

    memcpy = memcpyAsync

    def memsetAsync(self, address, value, size, stream=0):
        self.count(stream)
        ctypes.memset(address, value, size)

    memset = memsetAsync

    def getDevice(self):
        return self.device

    def setDevice(self, device):
        self.device = device

    def getDeviceCount(self):
        return 2

    def driverGetVersion(self):
        return 13000

    def deviceGetAttribute(self, attribute, device):
        return {75: 9, 76: 0}.get(attribute, 1)  # compute capability 9.0

    def deviceCanAccessPeer(self, device, peer):
        return 1

    def streamIsCapturing(self, stream):
        return int(stream in self.capturing)

    def streamBeginCapture(self, stream):
        self.nodes = 0
        self.capturing.add(stream)

    def streamEndCapture(self, stream):
        self.capturing.discard(stream)
        return self.handle()

    def graphDebugDotPrint(self, graph, path, flags):
        nodes = [f'"graph_1_node_{i}"[label="{i}"];' for i in range(self.nodes)]
        Path(path).write_text("\n".join(["digraph dot {", *nodes, "}"]))

    def moduleGetFunction(self, module, name):
        self.names[self.handle()] = name
        return self.handles

    def launchKernel(self, function, *shape_and_stream):
        self.count(shape_and_stream[7])  # after the grid, the block and the shared memory
        self.launched.append(self.names[function])

    def eventQuery(self, event):
        return 0

    def streamQuery(self, stream):
        return 0


machine = Machine()


def _answer(module):
    """Replace the addresses of a module's functions, and the functions themselves."""
    for name, capsule in list(module.__pyx_capi__.items()):
        signature = _api.PyCapsule_GetName(capsule)
        result, opening, rest = signature.decode().partition("(")
        result = result.strip()
        parameters = [p.strip() for p in rest.rstrip(")").split(",") if rest != "void)"]
        wanted = [p for p in parameters if "__pyx" not in p]
        if result.endswith("PointerAttributes *"):
            result = "PyObject *"
        known = opening and result in TYPES and all(p in TYPES for p in wanted)
        if not known or name in ("check_status", "_getCUDAMajorVersion", "runtimeGetVersion"):
            continue
        method = getattr(machine, name, None)
        if method is None:
            method = machine.handle if result != "PyObject *" else lambda *_: None
        types = [TYPES.get(p, ctypes.c_void_p) for p in parameters]
        first = functools.partial(_with_the_first, method, len(wanted))
        function = ctypes.PYFUNCTYPE(TYPES[result], *types)(first)
        kept.append((function, signature))
        address = ctypes.cast(function, ctypes.c_void_p)
        module.__pyx_capi__[name] = _api.PyCapsule_New(address, signature, None)
        setattr(module, name, method)


def _with_the_first(method, count, *arguments):
    """Call a method without the arguments that Cython adds."""
    return method(*arguments[:count])


def _compiled(*_, **__):
    """Return a module without code; its functions are known by name."""
    module = cupy.cuda.function.Module()
    module.load(b"no code")
    return module


_answer(_runtime)
_answer(_driver)

import cupy  # noqa: E402
from cupy.cuda import compiler  # noqa: E402

compiler._compile_with_cache_cuda = _compiled
cupy._core.set_routine_accelerators([])  # CUB, a library, has launches that are not seen here
cupy._core.set_reduction_accelerators([])
