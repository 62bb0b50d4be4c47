"""What onnxruntime computes, and networks whose weights all count."""

import numpy as np


def run(proto, x, name="images"):
    """Return what onnxruntime computes."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {name: x})[0]


def stirred(model, seed=0):
    """Give every weight and running value a number of its own, so that none can be mistaken."""
    rng = np.random.default_rng(seed)
    state = model.state_dict()
    for name, array in state.items():
        spread = np.sqrt(2 / np.prod(array.shape[1:])) if array.ndim > 1 else 0.2
        array[...] = rng.standard_normal(array.shape) * spread + (array.ndim == 1)
        if name.endswith("running_var"):
            array[...] = rng.uniform(0.5, 2, array.shape)
    model.load_state_dict(state)
    return model
