"""Files of Caffe, MatConvNet, Keras, TensorFlow's converters and PyTorch of 2016, made by hand.

Each writer follows the format's description, not our reader; where the program that writes the
format can be installed, a test compares the two.
"""

import io
import json
import pickle
import struct
import tarfile
import zlib

import numpy as np

from weights import crafted

# protocol buffers


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number, value):
    """One field: an int is a varint, a float four bytes, text and bytes have a length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def numbers(number, values, dtype="<f4", packed=True):
    data = np.asarray(values, dtype).tobytes()
    if packed:
        return field(number, data)
    size = np.dtype(dtype).itemsize
    key = varint(number << 3 | (5 if size == 4 else 1))
    return b"".join(key + data[i : i + size] for i in range(0, len(data), size))


# Caffe


def blob(array, packed=True, double=False, legacy=False):
    if legacy:
        dims = (1,) * (4 - array.ndim) + array.shape
        shape = b"".join(field(i + 1, n) for i, n in enumerate(dims))
    else:
        shape = field(7, field(1, b"".join(map(varint, array.shape))))
    flat = array.reshape(-1)
    return shape + (numbers(8, flat, "<f8", packed) if double else numbers(5, flat, "<f4", packed))


V1_TYPES = {"Convolution": 4, "InnerProduct": 14, "LRN": 15, "Pooling": 17, "ReLU": 18}


def caffe_layer(name, kind, blobs=(), lrn=None, eps=None, *, first=False, **how):
    """A layer of the first generation (until 2014) or of the second."""
    made = field(4, name) if first else field(1, name)
    made += field(5, V1_TYPES[kind]) if first else field(2, kind)
    made += b"".join(field(6 if first else 7, blob(b, legacy=first, **how)) for b in blobs)
    if lrn is not None:
        n, alpha, beta, k = lrn
        parameters = field(1, n) + field(2, alpha) + field(3, beta) + field(5, k)
        made += field(18 if first else 118, parameters)
    if eps is not None:
        made += field(139, field(3, eps))
    return field(2 if first else 100, made)


def caffemodel(layers, name="net", first=False, **how):
    """A network of (name, type, blobs, lrn) layers."""
    made = b"".join(caffe_layer(*layer, first=first, **how) for layer in layers)
    return field(1, name) + made


# MATLAB


MAT_TYPES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 9}
MAT_CLASSES = {"f8": 6, "f4": 7, "i1": 8, "u1": 9, "i2": 10, "u2": 11, "i4": 12, "u4": 13}


def mat_element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def mat_content(value):
    """Return the class, the shape and the data of a value."""
    if isinstance(value, str):
        return 4, (1, len(value)), mat_element(16, value.encode())
    if isinstance(value, list):
        return 1, (1, len(value)), b"".join(map(mat_matrix, value))
    if isinstance(value, dict):
        length = struct.pack("<HHi", 5, 4, 32)  # a small element
        names = b"".join(key.encode().ljust(32, b"\0") for key in value)
        fields = b"".join(map(mat_matrix, value.values()))
        return 2, (1, 1), length + mat_element(1, names) + fields
    dtype = value.dtype.str[1:]
    data = mat_element(MAT_TYPES[dtype], value.tobytes(order="F"))
    return MAT_CLASSES[dtype], value.shape, data


def mat_matrix(value, name=""):
    kind, shape, data = mat_content(value)
    flags = mat_element(6, struct.pack("<II", kind, 0))
    sides = mat_element(5, np.array(shape, "<i4").tobytes())
    return mat_element(14, flags + sides + mat_element(1, name.encode()) + data)


def mat(compressed=True, **variables):
    out = b"MATLAB 5.0 MAT-file, made by hand".ljust(124) + b"\x00\x01IM"
    for name, value in variables.items():
        made = mat_matrix(value, name)
        if compressed:
            data = zlib.compress(made)
            made = struct.pack("<II", 15, len(data)) + data
        out += made
    return out


# NumPy


def npy_of(thing, protocol=4):
    """What numpy.save writes for an object that is no array; protocol 2 with Python 2's strings."""
    array = np.empty((), object)
    array[()] = thing
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"
    start = b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header
    return start + pickle.dumps(array, protocol)


# PyTorch of 2016


def tar_of(arrays, pickled=None):
    """A tar archive as PyTorch 0.1 wrote it: storages, tensors, the dict that refers to them."""
    storages = pickle.dumps(len(arrays), 2)
    tensors = pickle.dumps(len(arrays), 2)
    for key, array in enumerate(arrays.values()):
        kind = b"ctorch\nFloatStorage\n"
        entry = b"(" + crafted.number(key) + crafted.text("cpu") + kind + b"t"
        storages += crafted.program(entry) + struct.pack("<q", array.size) + array.tobytes()
        tensors += _tar_tensor(100 + key, key, array.shape)
    storages += pickle.dumps([], 2)
    items = {name: crafted.text(str(100 + key)) + b"Q" for key, name in enumerate(arrays)}
    made = crafted.program(crafted.dictionary(items)) if pickled is None else pickled
    members = {"sys_info": pickle.dumps({}, 2), "pickle": made, "tensors": tensors}
    return tar({**members, "storages": storages})


def _tar_tensor(key, storage, shape):
    kind = b"ctorch\nFloatTensor\n"
    entry = b"(" + crafted.number(key) + crafted.number(storage) + kind + b"t"
    strides = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))]
    dims = struct.pack(f"<ixxxx{2 * len(shape) + 1}q", len(shape), *shape, *strides, 0)
    return crafted.program(entry) + dims


def tar(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


# Keras


def h5_of(layers, config=None):
    """Keras 2's .h5: names of layers and weights as attributes, and the network if given."""
    h5py = _h5py()
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        if config is not None:
            file.attrs["model_config"] = json.dumps(config)
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [name.encode() for name in layers]
        for layer, arrays in layers.items():
            group = root.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{word}:0".encode() for word in arrays]
            for word, array in arrays.items():
                group.create_dataset(f"{layer}/{word}:0", data=array)
    return out.getvalue()


def weights_h5_of(layers):
    """Keras 3's .weights.h5: layers by class and number; layers is {CLASS_N: (name, [arrays])}."""
    h5py = _h5py()
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.create_group("vars").attrs["name"] = "sequential"
        file.create_group("optimizer/vars").create_dataset("0", data=np.int64(7))
        for key, (name, arrays) in layers.items():
            group = file.create_group(f"layers/{key}/vars")
            group.attrs["name"] = name
            for number, array in enumerate(arrays):
                group.create_dataset(str(number), data=array)
    return out.getvalue()


def _h5py():
    import h5py

    return h5py
