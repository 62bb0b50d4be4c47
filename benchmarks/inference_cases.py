"""Cases of JAX, ONNX Runtime and OpenVINO for a worker process; see `worker`.

ONNX Runtime and OpenVINO get the file that `tinynet.weights.save_onnx` writes, with the number of
images fixed, and compute inference alone.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import workloads
from benchmarks.our_cases import Cases, Run, images


def jax_cases(net: str, threads: int, _: str) -> tuple[Cases, dict[str, str]]:
    """Return the cases of JAX, with the process pinned to `threads` CPUs.

    XLA has no setting for its threads: it starts one for each CPU that the process may use.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax

    from benchmarks import with_jax

    def step() -> Run:
        run = with_jax.jax_step(workloads.ours(net))
        x = jax.numpy.asarray(images(net))
        rng = np.random.default_rng(0)
        labels = jax.numpy.asarray(rng.integers(0, workloads.classes(net), len(x)))
        return lambda: run(x, labels)

    def forward() -> Run:
        run = with_jax.jax_forward(workloads.ours(net).eval())
        x = jax.numpy.asarray(images(net))
        return lambda: run(x)

    return {"step": step, "forward": forward}, {"jax": jax.__version__}


def onnxruntime_cases(net: str, threads: int, _: str) -> tuple[Cases, dict[str, str]]:
    """Return the one case of ONNX Runtime, inference."""
    import onnxruntime

    def forward() -> Run:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        x = images(net)
        session = onnxruntime.InferenceSession(
            _file(net), settings, providers=["CPUExecutionProvider"]
        )
        name = session.get_inputs()[0].name
        return lambda: session.run(None, {name: x})

    return {"forward": forward}, {"onnxruntime": onnxruntime.__version__}


def openvino_cases(net: str, threads: int, _: str) -> tuple[Cases, dict[str, str]]:
    """Return the one case of OpenVINO, inference."""
    import openvino

    def forward() -> Run:
        x = images(net)
        core = openvino.Core()
        model = core.read_model(_file(net))
        model.reshape(x.shape)
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        compiled = core.compile_model(model, "CPU", settings)
        request = compiled.create_infer_request()
        return lambda: request.infer([x], share_inputs=True, share_outputs=True)

    return {"forward": forward}, {"openvino": openvino.__version__.partition("-")[0]}


def _file(net: str) -> bytes:
    """Return the network as an ONNX file."""
    import tinynet as tn

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.onnx")
        tn.weights.save_onnx(workloads.ours(net).eval(), path, workloads.shape(net)[1:])
        return path.read_bytes()
