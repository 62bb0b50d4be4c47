"""Weight files (.safetensors, .npz, PyTorch's .pth), recognized by their contents, and ONNX.

    from tinynet import weights

    weights.save(model, "net.safetensors")                  # or .npz
    weights.load(model, "net.pth")                          # names and conventions converted
    weights.save(model, "net.onnx", input_shape=(3, 32, 32))  # with the network
    model = weights.from_onnx("net.onnx")                   # which runs and trains here
    weights.read("net.pth").arrays                          # the arrays as they are in the file

Reading never executes code from the file: see `pickles`. Metadata of a file: see `conventions`.
"""

from tinynet.weights.change import Change
from tinynet.weights.contents import Weights
from tinynet.weights.conventions import Conventions, of_model
from tinynet.weights.file import read
from tinynet.weights.fit import load
from tinynet.weights.onnx_graph import save as save_onnx
from tinynet.weights.onnx_import import from_onnx
from tinynet.weights.writing import save

__all__ = [
    "Change",
    "Conventions",
    "Weights",
    "from_onnx",
    "load",
    "of_model",
    "read",
    "save",
    "save_onnx",
]
