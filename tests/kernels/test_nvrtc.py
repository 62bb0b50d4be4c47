"""NVRTC compiles every .cu file for every GPU generation; no GPU is needed."""

import ctypes
import importlib.metadata

import pytest

from support.required import lacking
from tinynet.kernels.cuda.launch import OPTIONS, SOURCES, Build

CUPYS = "-ftz=true", "--device-as-default-execution-space"  # what CuPy 14.2 adds
FILES = sorted(path.stem for path in SOURCES.glob("*.cu"))
OLD_AND_NEW = [pytest.param(name, marks=pytest.mark.slow) for name in ("sm_75", "sm_80", "sm_120")]


@pytest.fixture(scope="module")
def nvrtc():
    """Return NVRTC, the compiler library of the wheel nvidia-cuda-nvrtc."""
    try:
        files = importlib.metadata.files("nvidia-cuda-nvrtc") or []
    except importlib.metadata.PackageNotFoundError:
        lacking("nvrtc", "needs the wheel: pip install nvidia-cuda-nvrtc")
    (library,) = [file for file in files if file.name.startswith("libnvrtc.so")]
    return ctypes.CDLL(str(library.locate()))


def compiled(nvrtc, text, architecture):
    """Return the log of NVRTC, and the number of bytes of machine code."""
    program = ctypes.c_void_p()
    size = ctypes.c_size_t()
    options = [option.encode() for option in (*OPTIONS, *CUPYS, f"-arch={architecture}")]
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"text", 0, None, None)
    nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    says = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, says)
    size.value = 0
    nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size))
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return says.value.decode(), size.value


@pytest.mark.parametrize("architecture", ["sm_90", *OLD_AND_NEW])
@pytest.mark.parametrize("file", FILES)
def test_every_file_compiles_without_a_warning(nvrtc, file, architecture):
    says, size = compiled(nvrtc, Build(file, "float32").source(), architecture)
    assert says == ""
    assert size > 1000


@pytest.mark.parametrize("file", FILES)
def test_so_do_the_other_types(nvrtc, file):
    says, size = compiled(nvrtc, Build(file, "float64", is_wide=True).source(), "sm_90")
    assert says == ""
    assert size > 1000


@pytest.mark.parametrize(
    ("planted", "says"),
    [
        ("int unused = 3;", "was declared but never referenced"),
        ("y[0] = INFINITY;", ""),
        ("y[0] = no_such_thing;", "undefined"),
    ],
)
def test_a_warning_and_an_error_are_seen_and_name_file_and_line(nvrtc, planted, says):
    kernel = f'extern "C" __global__ void f(float* y) {{\n{planted}\n}}'
    text = Build("momentum", "float32").source() + f'#line 1 "planted.cu"\n{kernel}'
    said, _ = compiled(nvrtc, text, "sm_90")
    assert says in said
    assert ("planted.cu(2)" in said) == bool(says)
