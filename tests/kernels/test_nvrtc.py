"""NVRTC compiles every .cu file for every GPU generation; no GPU is needed."""

import re

import pytest

from tinynet.kernels.convolution.tile import taps_at_once
from tinynet.kernels.cuda.launch import SOURCES, Build
from tinynet.kernels.profiler.nvrtc import build

pytestmark = pytest.mark.usefixtures("nvrtc_library")
FILES = sorted(path.stem for path in SOURCES.glob("*.cu"))
OLD_AND_NEW = [pytest.param(name, marks=pytest.mark.slow) for name in ("sm_75", "sm_80", "sm_120")]


@pytest.mark.parametrize("architecture", ["sm_90", *OLD_AND_NEW])
@pytest.mark.parametrize("file", FILES)
def test_every_file_compiles_without_a_warning(file, architecture):
    made = build(Build(file, "float32").source(), architecture)
    assert made.log == ""
    assert len(made.cubin) > 1000


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_so_do_the_other_types(file):
    made = build(Build(file, "float64", is_wide=True).source(), "sm_90")
    assert made.log == ""
    assert len(made.cubin) > 1000


PRECISE = [("PRECISION", p) for p in range(3)]
PHASES = ("PHASES_H", 4), ("PHASES_W", 4)
TILED = [
    *(
        ("conv_tile", (p, ("FILTERS", n), ("PLACES", 3), ("TAPS", taps_at_once(25, n, 3))))
        for p in PRECISE
        for n in (32, 64, 96)
    ),
    *(("conv_weight_tile", (p, ("OCTETS", n))) for p in PRECISE for n in (1, 3)),
    *(("conv_tile", (p, ("FILTERS", 96), ("PLACES", 3), ("TAPS", 3), *PHASES)) for p in PRECISE),
    *(("conv_weight_tile", (p, ("OCTETS", 3), *PHASES)) for p in PRECISE),
]


@pytest.mark.parametrize(("file", "constants"), TILED)
@pytest.mark.parametrize(
    "architecture", [pytest.param(name, marks=pytest.mark.slow) for name in ("sm_75", "sm_90")]
)
def test_tiles_of_every_size_compile_without_a_spill(file, constants, architecture):
    text = Build(file, "float32", constants=constants).source()
    log = build(text, architecture, "--ptxas-options=-v").log
    assert "warning" not in log
    assert set(re.findall(r"(\d+) bytes spill", log)) == {"0"}, log


@pytest.mark.parametrize(
    ("planted", "says"),
    [
        ("int unused = 3;", "was declared but never referenced"),
        ("y[0] = INFINITY;", ""),
        ("y[0] = no_such_thing;", "undefined"),
    ],
)
def test_a_warning_and_an_error_are_seen_and_name_file_and_line(planted, says):
    kernel = f'extern "C" __global__ void f(float* y) {{\n{planted}\n}}'
    text = Build("momentum", "float32").source() + f'#line 1 "planted.cu"\n{kernel}'
    said = build(text, "sm_90").log
    assert says in said
    assert ("planted.cu(2)" in said) == bool(says)
