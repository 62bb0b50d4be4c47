"""Containers of CIFAR-10 and MNIST, as other libraries leave them on the disk, written small."""

import io
import pickle
import struct
import tarfile
import zlib

import numpy as np
from PIL import Image


def of_python_2(data, labels, title="training batch 1 of 5"):
    """Return a batch as cPickle of Python 2 wrote it: byte strings, an array by _reconstruct."""
    content = data.tobytes()
    numbers = b"".join(b"K" + bytes([label]) for label in labels)
    names = b"".join(text(f"image_s_{i:06}.png") for i in range(len(labels)))
    return b"".join(
        (
            b"\x80\x02}q\x01(",
            text("batch_label") + text(title),
            text("labels") + b"](" + numbers + b"e",
            text("data") + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n",
            b"K\x00\x85" + text("b") + b"\x87R(K\x01",
            b"".join(b"M" + struct.pack("<H", n) for n in data.shape) + b"\x86",
            b"cnumpy\ndtype\n" + text("u1") + b"K\x00K\x01\x87R(K\x03" + text("|"),
            b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
            b"T" + struct.pack("<I", len(content)) + content + b"tb",
            text("filenames") + b"](" + names + b"eu.",
        )
    )


def text(value):
    """Return a short byte string of Python 2 in a pickle."""
    return b"U" + bytes([len(value)]) + value.encode()


def of_python_3(data, labels):
    """Return a batch as Python 3 pickles it."""
    return pickle.dumps({"data": data, "labels": labels.tolist()}, 4)


def element(kind, content):
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def small_element(kind, content):
    return struct.pack("<HH", kind, len(content)) + content.ljust(4, b"\0")


def matrix(name, values, cls=9):
    """Return a matrix of uint8 (class 9) in a MATLAB file."""
    encoded = name.encode()
    shown = small_element(1, encoded) if len(encoded) <= 4 else element(1, encoded)
    parts = (
        element(6, struct.pack("<II", cls, 0)),
        element(5, struct.pack("<ii", *values.shape)),
        shown,
        element(2, values.astype(np.uint8).tobytes("F")),
    )
    return element(14, b"".join(parts))


def of_matlab(data, labels, packed=True):
    """Return a batch as MATLAB saves it: two matrices and a text."""
    title = np.frombuffer(b"training batch 1 of 5", np.uint8)[None]
    members = [
        matrix("data", data),
        matrix("labels", labels[:, None]),
        matrix("batch_label", title, cls=4),
    ]
    if packed:
        bodies = [zlib.compress(member) for member in members]
        members = [struct.pack("<II", 15, len(body)) + body for body in bodies]
    head = b"MATLAB 5.0 MAT-file".ljust(124, b" ") + struct.pack("<H", 0x0100) + b"IM"
    return head + b"".join(members)


def tar_gz(members):
    """Return a .tar.gz; members: (name, bytes) or a TarInfo."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def png(pixels):
    """Return the bytes of a PNG of an image (C, H, W)."""
    out = io.BytesIO()
    image = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(image)).save(out, "PNG")
    return out.getvalue()


def write_parquet(folder, part, column, images, labels, files=1):
    """Write a part as Hugging Face keeps it: encoded images with their paths, and labels."""
    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir(parents=True, exist_ok=True)
    for i, rows in enumerate(np.array_split(np.arange(len(labels)), files)):
        cells = [{"bytes": png(images[r]), "path": f"{r}.png"} for r in rows]
        table = pa.table({column: cells, "label": pa.array(labels[rows], pa.int64())})
        parquet.write_table(table, folder / f"{part}-{i:05}-of-{files:05}.parquet")
