"""Files of weights: PyTorch's .pth, safetensors and NumPy's .npz, recognised by their contents.

    from tinynet import weights

    model.load_state_dict(weights.read("net.pth").arrays)    # the very names and conventions
    weights.load(model, "net.pth")                           # names and conventions translated
    weights.save_onnx("net.onnx", model, image=(3, 32, 32))  # the network too, for others to run

Nothing in a file can run: see `pickles`. What a file may say of itself: see `conventions`.
"""

from tinynet.weights.conventions import Conventions, of_model
from tinynet.weights.file import Weights, read, save
from tinynet.weights.fit import load
from tinynet.weights.onnx_graph import save as save_onnx

__all__ = ["Conventions", "Weights", "load", "of_model", "read", "save", "save_onnx"]
