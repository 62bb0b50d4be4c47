"""Other programs that run an ONNX file, each in a process of its own: see `runtimes`.

    python benchmarks/runtime_runners.py RUNTIME FILE.onnx IMAGES.npy SCORES.npy ...

It imports nothing of tinynet, so that the Python of another environment can run it.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Array = Any
Runner = Callable[[str, Array], Array]


def onnxruntime(path: str, x: Array) -> Array:
    """Run the file with ONNX Runtime."""
    import onnxruntime as runtime

    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def openvino(path: str, x: Array) -> Array:
    """Run the file with OpenVINO."""
    import openvino as runtime

    core = runtime.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    return core.compile_model(core.read_model(path), "CPU", settings)([x])[0]


def opencv(path: str, x: Array) -> Array:
    """Run the file with OpenCV's module dnn."""
    import cv2

    net = cv2.dnn.readNetFromONNX(path)
    net.setInput(x)
    return net.forward()


def ncnn(path: str, x: Array) -> Array:
    """Run the file with ncnn, after a conversion by pnnx; one image at a time."""
    import ncnn as runtime

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "net.onnx")
        copy.write_bytes(Path(path).read_bytes())
        size = ",".join(map(str, (1, *x.shape[1:])))
        command = [_pnnx(), str(copy), f"inputshape=[{size}]", "fp16=0"]
        said = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        net = runtime.Net()
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
        param = Path(folder, "net.ncnn.param")
        if not param.exists() or net.load_param(str(param)):
            raise RuntimeError(_reason(said.stdout + said.stderr))
        net.load_model(str(Path(folder, "net.ncnn.bin")))
        scores = []
        for image in x:
            extractor = net.create_extractor()
            extractor.input("in0", runtime.Mat(image).clone())
            code, y = extractor.extract("out0")
            if code:
                raise RuntimeError(f"extract returned {code}")
            scores.append(np.array(y).ravel())
        return np.stack(scores)


def _pnnx() -> str:
    """Return the program in the package pnnx, whose Python part needs PyTorch."""
    files = importlib.metadata.files("pnnx") or []
    (program,) = (str(f.locate()) for f in files if f.name == "pnnx" and f.parent.name == "pnnx")
    return program


def _reason(text: str) -> str:
    words = ("not supported", "unsupported", "not exists", "error")
    lines = [line for line in text.splitlines() if any(w in line.lower() for w in words)]
    return lines[0] if lines else "the conversion wrote no network"


def tinygrad(path: str, x: Array) -> Array:
    """Run the file with tinygrad."""
    from tinygrad import Tensor
    from tinygrad.nn.onnx import OnnxRunner

    net = OnnxRunner(path)
    (y,) = net({"images": Tensor(x)}).values()
    return y.numpy()


def reference(path: str, x: Array) -> Array:
    """Run the file with the definitions in Python that come with ONNX."""
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(path).run(None, {"images": x})[0]


RUNNERS: dict[str, tuple[str, Runner]] = {
    "ONNX Runtime": ("onnxruntime", onnxruntime),
    "OpenVINO": ("openvino", openvino),
    "OpenCV": ("opencv-python-headless", opencv),
    "ncnn": ("ncnn", ncnn),
    "tinygrad": ("tinygrad", tinygrad),
    "ONNX reference": ("onnx", reference),
}


def main() -> None:
    """Write the scores of a file, or print the version of the runtime if there is none."""
    package, run = RUNNERS[sys.argv[1]]
    if len(sys.argv) == 2:
        print(importlib.metadata.version(package))  # noqa: T201
        return
    path, *files = sys.argv[2:]
    for images, scores in zip(files[::2], files[1::2], strict=True):
        np.save(scores, run(path, np.load(images)))


if __name__ == "__main__":
    main()
