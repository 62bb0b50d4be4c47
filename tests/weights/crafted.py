"""Files of weights made by hand, so that they can be made wrong by hand."""

import io
import pickle
import struct
import zipfile

import numpy as np

STORAGE = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage",
           "u1": "ByteStorage", "bf16": "BFloat16Storage"}  # fmt: skip


def text(word):
    raw = word.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(n):
    if 0 <= n < 256:
        return b"K" + bytes([n])
    raw = n.to_bytes(n.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(key, elements, size, stride=None, offset=0, dtype="f4"):
    """The instructions that make a tensor, as PyTorch writes them."""
    if stride is None:
        stride = [int(np.prod(size[i + 1 :])) for i in range(len(size))]
    storage = (
        b"(" + text("storage") + b"ctorch\n" + STORAGE[dtype].encode() + b"\n" + text(key)
        + text("cpu") + number(elements) + b"tQ"
    )  # fmt: skip
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(offset) + numbers(size)
        + numbers(stride) + b"\x89ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip


def dictionary(items):
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def program(body):
    return b"\x80\x02" + body + b"."


def archive(members, compression=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as zipped:
        for name, data in members:
            zipped.writestr(name, data)
    return out.getvalue()


def pth(pickled, storages=(), more=(), compression=zipfile.ZIP_STORED):
    """The bytes of a .pth with this pickle, storages (arrays or bytes) and further members."""
    members = [("net/data.pkl", pickled), ("net/byteorder", b"little"), *more]
    members += [
        (f"net/data/{i}", s if isinstance(s, bytes) else s.tobytes())
        for i, s in enumerate(storages)
    ]
    return archive(members, compression)


def plain_pth(**arrays):
    """A faultless .pth of float32 arrays."""
    items = {
        name: tensor(str(i), array.size, array.shape)
        for i, (name, array) in enumerate(arrays.items())
    }
    return pth(program(dictionary(items)), [a.astype("<f4") for a in arrays.values()])


class Runs:
    """Pickled, it calls what it is given."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def running(call, *arguments, protocol=2):
    return pickle.dumps({"weight": Runs(call, *arguments)}, protocol)
