"""Readable images: files are decoded once, and only damaged ones are left out."""

import os

import numpy as np
import pytest

from support.image_files import fill, names, picture
from tinynet.core.errors import DataError
from tinynet.data import ImageFolder, catalog, readable
from tinynet.data.image_files import MOST_PIXELS, why_unreadable
from tinynet.training.input_pipeline import fingerprint

KINDS = ("jpg", "png", "webp", "bmp", "gif", "tif")


@pytest.fixture
def root(tmp_path):
    fill(tmp_path / "cat", range(10))
    fill(tmp_path / "dog", range(20, 30))
    return tmp_path


@pytest.fixture
def decoded(monkeypatch):
    """Record the files that are decoded to see whether they can be."""
    seen = []
    real = readable.why_unreadable
    monkeypatch.setattr(readable, "why_unreadable", lambda p: (seen.append(p.name), real(p))[1])
    return seen


def as_another_process():
    readable._decoded.clear()


def test_every_file_is_decoded_once_and_again_when_it_changes(root, decoded):
    ImageFolder(root)
    assert sorted(decoded) == sorted(p.name for p in root.rglob("*.png"))
    for _ in range(2):
        ImageFolder(root, "test")
        as_another_process()
    assert len(decoded) == 20
    fill(root / "cat", [11])
    os.utime(root / "dog" / "20.png", ns=(1, 1))
    ImageFolder(root)
    assert sorted(decoded[20:]) == ["11.png", "20.png"]


def test_verification_trusts_nothing_that_was_kept(root, decoded):
    ImageFolder(root)
    catalog.verify(f"folder:{root}")
    assert len(decoded) == 40
    as_another_process()
    ImageFolder(root)
    assert len(decoded) == 40


def test_without_a_cache_all_is_the_same(root, decoded, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(readable, "_place", lambda root: tmp_path / "file" / "cache")
    for _ in range(2):
        assert len(ImageFolder(root)) == 16
        as_another_process()
    assert len(decoded) == 40


def test_a_broken_file_changes_nothing_whether_it_stays_or_goes(root):
    whole = [ImageFolder(root, part) for part in ("train", "test")]
    broken = root / "cat" / "5x.png"
    broken.write_bytes((root / "cat" / "5.png").read_bytes()[:200])
    (root / "dog" / "empty.gif").write_bytes(b"")
    words = (
        r"2 of 22 image files cannot be read and are left out: .*5x\.png .*empty\.gif \(it is none"
    )
    with pytest.warns(UserWarning, match=words):
        found = [ImageFolder(root, part) for part in ("train", "test")]
    assert [names(d) for d in found] == [names(d) for d in whole]
    assert fingerprint(*found) == fingerprint(*whole)
    assert [p.name for p in found[0].unreadable] == ["5x.png", "empty.gif"]
    with pytest.raises(DataError, match=r"2 of 22 image files cannot be read: .*take them away"):
        ImageFolder(root, strict=True)


def test_of_many_broken_files_a_few_are_named(root):
    for i in range(15):
        (root / "cat" / f"x{i:02}.png").write_bytes(b"%d" % i)
    with pytest.warns(UserWarning, match=r"x00\.png .*x01\.png .*x02\.png .* and 12 more\.$"):
        ImageFolder(root)


def test_a_class_of_broken_files_alone_is_refused(root):
    for path in (root / "cat").iterdir():
        path.write_bytes(b"")
    refused = pytest.raises(DataError, match="every class must have images to learn from")
    with refused, pytest.warns(UserWarning, match="10 of 20 image files"):
        ImageFolder(root)


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_that_breaks_off_is_found(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    picture(0, (64, 64)).save(path)
    assert why_unreadable(path) == ""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert why_unreadable(path)


def test_what_is_no_file_is_found(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    assert why_unreadable(tmp_path / "x.png") == "it is no regular file"


def test_an_image_of_very_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    import struct
    import zlib

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    side = int(np.sqrt(MOST_PIXELS)) + 1
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + data + chunk(b"IEND", b""))
    assert f"at most {MOST_PIXELS:,} are read" in why_unreadable(tmp_path / "x.png")
