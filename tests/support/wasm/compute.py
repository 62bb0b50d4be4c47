"""Compute with tinynet in a WebAssembly build of Python that has NumPy; prints a JSON object."""

import contextlib
import io
import json
import os
import platform
import runpy
import sys
import time
import traceback
from pathlib import Path

os.environ["MPLBACKEND"] = "Agg"
sys.path.insert(0, str(Path(__file__).parents[3]))


def first_step():
    """Return the losses of the demo's network on one batch, before and after two steps."""
    import tinynet as tn

    tn.seed(0)
    shapes = tn.data.Shapes(train=True, seed=0)
    x = shapes.images[:50].astype("float32") / 255
    y = shapes.labels[:50]
    model = tn.models.build("demo", 10)
    optimizer = tn.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    losses = []
    for _ in range(3):
        loss = tn.functions.cross_entropy(model(tn.tensor(x)), y)
        losses.append(float(loss.numpy()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


def gradients():
    """Check the gradients of a convolution, a normalization and a pooling; return how many."""
    import numpy as np

    import tinynet as tn

    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 6, 7))
    weight = rng.normal(size=(4, 5, 3, 2))
    F = tn.functions
    tn.testing.check_gradient(lambda x, w: F.conv2d(x, w, stride=2, padding=1), x, weight)
    tn.testing.check_gradient(lambda x: F.local_response_norm(x, 5), x)
    tn.testing.check_gradient(lambda x: F.max_pool2d(x, 3, stride=2), x)
    return 3


def lesson(path):
    """Run a lesson; return its seconds."""
    started = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()):
        runpy.run_path(path)
    return round(time.monotonic() - started, 1)


def main():
    """Compute, and print what came out."""
    import numpy as np

    facts = {
        "system": sys.platform,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "bits": np.dtype(np.intp).itemsize * 8,
    }
    tasks = {"losses": first_step, "gradients": gradients}
    tasks |= {path: lambda path=path: lesson(path) for path in sys.argv[1:]}
    for name, task in tasks.items():
        try:
            facts[name] = task()
        except BaseException:  # noqa: BLE001
            facts[name] = traceback.format_exc()[-1500:]
    facts["numba"] = "numba" in sys.modules
    sys.stdout.write(json.dumps(facts) + "\n")


main()
