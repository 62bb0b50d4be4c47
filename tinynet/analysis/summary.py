"""What a model costs and what this machine offers, as tables of plain text."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import math
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

import tinynet
from tinynet import kernels, models, nn
from tinynet.core.backend import device
from tinynet.core.errors import DeviceError
from tinynet.core.grad_mode import no_grad
from tinynet.kernels.codegen import cache, team
from tinynet.kernels.convolution import winograd
from tinynet.kernels.cuda import on_cpu
from tinynet.kernels.dispatch import GENERAL, has_numba
from tinynet.tensors import tensor

FLOAT = 4  # bytes


@dataclasses.dataclass(frozen=True)
class Layer:
    """What one layer costs for one image."""

    name: str
    kind: str
    shape: tuple[int, ...]  # of the output, without the batch axis
    parameters: int
    multiply_adds: int
    untrained: int = 0  # running means and variances

    @property
    def bytes(self) -> int:
        """Memory of the output and the parameters in float32."""
        return FLOAT * (math.prod(self.shape) + self.parameters)


def layers(model: nn.Module, image: tuple[int, ...]) -> list[Layer]:
    """Return the layers of a model in the order in which an image (C, H, W) meets them.

    No image is computed: a batch of none has the same shapes.
    """
    names = {id(module): name for name, module in model.named_modules()}
    found: list[Layer] = []

    def note(module: nn.Module, x: Any, y: Any) -> None:
        if id(module) not in names or sum(1 for _ in module.named_modules()) > 1:
            return  # a copy for other images, or a group of layers: each is noted by itself
        own = sum(math.prod(p.shape) for p in module.parameters())
        name, kind = names[id(module)], type(module).__name__
        macs = _multiply_adds(module, y.shape)
        found.append(Layer(name, kind, y.shape[1:], own, macs, _untrained(module)))

    was_training = model.training
    with no_grad(), kernels.use("reference"), nn.observe(note):
        model.eval()(tensor(np.zeros((0, *image), np.float32)))
    model.train(was_training)
    return found


def summary(name: str, classes: int | None = None, variant: str | None = None) -> str:
    """Return the table of a named model; nothing is drawn, computed or compiled for it."""
    entry, rows = counted(name, classes, variant)
    image = 3, entry.side, entry.side
    cells = [
        (r.name, r.kind, _by(r.shape), f"{r.parameters:,}", f"{r.multiply_adds:,}", f"{r.bytes:,}")
        for r in rows
    ]
    total = [
        sum(getattr(r, what) for r in rows) for what in ("parameters", "multiply_adds", "bytes")
    ]
    header = ("layer", "kind", "output", "parameters", "multiply-adds", "bytes")
    footer = ("total", "", "", *(f"{number:,}" for number in total))
    title = f"{name}, {variant}" if variant else name
    untrained = sum(r.untrained for r in rows)
    note = f"\nnot trained: {untrained:,} running means and variances" if untrained else ""
    return (
        f"{title}: {entry.classes} classes, images {_by(image)}. For one image; bytes are those of "
        f"the output and the parameters, float32.\n{table([header, *cells, footer], left=3)}{note}"
    )


def counted(
    name: str, classes: int | None = None, variant: str | None = None
) -> tuple[models.Entry, list[Layer]]:
    """Return a named model's entry, with the classes in question, and its layers."""
    entry = models.entry(name, variant)
    entry = entry._replace(classes=classes or entry.classes)
    with nn.init.skip_init():
        model = models.build(name, entry.classes, variant=variant)
    return entry, layers(model, (3, entry.side, entry.side))


def table(rows: Sequence[Sequence[str]], left: int) -> str:
    """Return aligned columns, the first `left` of them to the left, with a rule under the head."""
    columns = []
    for i, column in enumerate(zip(*rows, strict=True)):
        width = max(map(len, column))
        columns.append([c.ljust(width) if i < left else c.rjust(width) for c in column])
    lines = ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def info() -> str:
    """Return versions, devices, threads and the kernel cache."""
    packages = ("numpy", "numba", "llvmlite", "matplotlib", "safetensors", "cupy", "torch")
    facts = [
        ("tinynet", tinynet.__version__),
        ("python", platform.python_version()),
        *((package, _version(package)) for package in packages),
        ("machine", f"{platform.machine()}, {platform.system()} {platform.release()}"),
        ("threads", str(team.get_num_threads())),
        ("cuda", _cuda()),
        ("kernels", _kinds()),
        ("kernel cache", _cache_folder()),
    ]
    return "\n".join(f"{name:14}{value}" for name, value in facts)


def kernel_table() -> str:
    """Return every kernel, its implementations, and when the reference runs in their place."""
    rows = [("kernel", "implementations", "but the reference for")]
    for kernel in kernels.KERNELS:
        kinds: dict[str, list[str]] = {}
        for kind, falls in kernel.fall_backs.items():
            for why, _ in falls:
                kinds.setdefault(why, []).append(kind)
        reasons = [f"{why} ({', '.join(of)})" for why, of in kinds.items()] or [""]
        rows.append((kernel.__name__, ", ".join(kernel.implementations), reasons[0]))
        rows += [("", "", reason) for reason in reasons[1:]]
    notes = [f"Every kernel in place of {kind}: {why}." for kind, why in GENERAL.items()]
    return "\n".join([table(rows, left=3), "", *notes, winograd.WHERE])


def _multiply_adds(module: nn.Module, y: tuple[int, ...]) -> int:
    """Return how often a layer multiplies a weight and adds, for one image."""
    if isinstance(module, nn.LocallyConnected2d):
        return math.prod(module.weight.shape)  # no filter is used twice
    if not isinstance(module, nn.Conv2d | nn.Linear):
        return 0
    per_output = math.prod(module.weight.shape[1:])
    return math.prod(y[1:]) * per_output


def _untrained(module: nn.Module) -> int:
    """Return how many numbers a layer keeps that are not learned."""
    return sum(math.prod(v.shape) for v in vars(module).values() if type(v) is nn.Buffer)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _cuda() -> str:
    try:
        return f"yes, {device('cuda')}"
    except DeviceError as error:
        return f"no. {error}"


def _kinds() -> str:
    """Return the kinds of kernels that can run on this machine."""
    has = {
        "reference": True,
        "numba": has_numba(),
        "cuda": _cuda().startswith("yes"),
        "cuda_on_cpu": on_cpu.has_compiler(),
    }
    return ", ".join(kind for kind in has if has[kind])


def _cache_folder() -> str:
    folder = cache._base() / "kernels"
    files = [f for f in folder.rglob("*") if f.is_file()] if folder.is_dir() else []
    size = sum(f.stat().st_size for f in files)
    return f"{folder} ({len(files)} files, {size / 2**20:.1f} MiB)"
