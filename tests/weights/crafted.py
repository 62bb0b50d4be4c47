"""Files of weights made by hand, so that they can be made wrong by hand."""

import io
import pickle
import struct
import zipfile

import numpy as np

STORAGE = {
    "f4": "FloatStorage",
    "f8": "DoubleStorage",
    "f2": "HalfStorage",
    "i8": "LongStorage",
    "u1": "ByteStorage",
    "bf16": "BFloat16Storage",
}


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


def tensor(key, elements, size, stride=None, offset=0, dtype="f4", view=b""):
    """The instructions that make a tensor, as PyTorch writes them, of a storage or a view of it."""
    if stride is None:
        stride = [int(np.prod(size[i + 1 :])) for i in range(len(size))]
    storage = (
        b"("
        + text("storage")
        + b"ctorch\n"
        + STORAGE[dtype].encode()
        + b"\n"
        + text(key)
        + text("cpu")
        + number(elements)
        + view
        + b"tQ"
    )
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + number(offset)
        + numbers(size)
        + numbers(stride)
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )


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


def weights(**tensors):
    return program(dictionary(tensors))


WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)
BIAS = np.array([0.5, -2], np.float32)
WHOLE = {"w": tensor("0", 6, (2, 3), view=b"N"), "b": tensor("1", 2, (2,), view=b"N")}
HEADER = {"magic": 0x1950A86A20F9469CFC6C, "format": 1001, "machine": {"little_endian": True}}


def legacy(pickled=None, storages=(WEIGHT, BIAS), keys=None, counts=None, **header):
    """The bytes of a .pth as before version 1.6, all of which can be made wrong."""
    out = [pickle.dumps({**HEADER, **header}[part], 2) for part in HEADER]
    names = [str(i) for i in range(len(storages))]
    out.append(weights(**WHOLE) if pickled is None else pickled)
    out.append(pickle.dumps(names if keys is None else keys, 2))
    for i, array in enumerate(storages):
        count = array.size if counts is None else counts[i]
        out.append(struct.pack("<q", count) + array.tobytes())
    return b"".join(out)


def legacy_with_a_view(offset=2, size=3):
    """A storage that is part of another one, as PyTorch had them once."""
    view = b"(" + text("5") + number(offset) + number(size) + b"t"
    return legacy(weights(w=tensor("0", 6, (2,), offset=1, view=view)), [WEIGHT])


def legacy_of_2017():
    """What PyTorch 0.1 wrote in Python 2: short strings, a dict of pairs, a parameter."""
    made = WHOLE["w"].replace(b"_v2", b"").replace(b"\x89ccollections\nOrderedDict\n)RtR", b"tR")
    for word in ("storage", "0"):
        made = made.replace(text(word), old_text(word))
    hooks = b"\x88\x89ccollections\nOrderedDict\n]\x85R\x87b"
    parameter = b"ctorch.nn.parameter\nParameter\n" + made + b"\x85R" + hooks
    items = {"w": made, "p": parameter}.items()
    pairs = b"](" + b"".join(b"](" + old_text(name) + value + b"e" for name, value in items) + b"e"
    return legacy(program(b"ccollections\nOrderedDict\n" + pairs + b"\x85R"), [WEIGHT])


def old_text(word):
    return b"U" + bytes([len(word)]) + word.encode()


class Runs:
    """Pickled, it calls what it is given."""

    def __init__(self, call, *arguments):
        self.call = call
        self.arguments = arguments

    def __reduce__(self):
        return self.call, self.arguments


def running(call, *arguments, protocol=2):
    return pickle.dumps({"weight": Runs(call, *arguments)}, protocol)
