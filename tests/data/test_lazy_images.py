"""Images in files: what a file becomes, threads, memory, and damaged files."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from support.image_files import fill, picture, save
from tinynet.core.errors import DataError
from tinynet.data import ImageFolder, LazyImages, read_picture


def test_the_shorter_side_is_brought_to_the_side_and_the_middle_is_taken(tmp_path):
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    square = read_picture(save(tmp_path / "x.png", Image.fromarray(wide)), 5)
    assert square.shape == (3, 5, 5)
    assert abs(square[:, :, 1:4].astype(int) - 200).max() <= 2  # what is cut off is a neighbour


def test_a_jpeg_is_read_at_half_its_size_and_looks_the_same(tmp_path):
    ramp = np.linspace(20, 230, 400).astype(np.uint8)[None, :, None]
    whole = Image.fromarray(np.broadcast_to(ramp, (400, 400, 3)).copy())
    small = read_picture(save(tmp_path / "x.jpg", whole, quality=95), 20)
    wanted = np.asarray(whole.resize((20, 20), Image.Resampling.BOX)).transpose(2, 0, 1)
    assert abs(small.astype(int) - wanted.astype(int)).max() <= 3


def test_a_jpeg_is_never_decoded_smaller_than_it_will_be(tmp_path):
    """Stripes that become one pixel wide: decoded at half that size, all would be grey."""
    stripes = np.where(np.arange(256) // 4 % 2, 255, 0).astype(np.uint8)
    whole = Image.fromarray(np.broadcast_to(stripes[None, :, None], (256, 256, 3)).copy())
    small = read_picture(save(tmp_path / "x.jpg", whole, quality=95), 64).astype(int)
    wanted = np.asarray(whole.resize((64, 64), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    assert abs(small - wanted).max() <= 16
    assert np.ptp(wanted) > 128


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    grey = np.full((8, 8), 255 if mode == "1" else 90, np.uint8)
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) << 8)
    else:
        image = Image.fromarray(grey).convert("RGB")
        image = image.quantize(4) if mode == "P" else image.convert(mode)
    path = save(tmp_path / ("x.jpg" if mode == "CMYK" else "x.png"), image)
    pixels = read_picture(path, 8)
    assert pixels.shape == (3, 8, 8)
    assert abs(pixels.astype(int) - int(grey[0, 0])).max() <= 2


def test_what_is_transparent_becomes_white(tmp_path):
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    for image in (clear, clear.convert("P")):
        image.info["transparency"] = 0
    assert read_picture(save(tmp_path / "x.png", clear), 8).min() == 255


@pytest.mark.parametrize("held", range(1, 9))
def test_a_picture_is_turned_as_its_exif_says(tmp_path, held):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = held
    path = save(tmp_path / "x.png", picture(3, (8, 8)), exif=exif)
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(path))).transpose(2, 0, 1)
    np.testing.assert_array_equal(read_picture(path, 8), wanted)


def damaged(kind):
    content = io.BytesIO()
    picture(0, (64, 64)).save(content, kind)
    return content.getvalue()[: len(content.getvalue()) // 2]


@pytest.mark.parametrize("content", [b"", b"no picture", damaged("png"), damaged("jpeg")])
def test_a_damaged_file_is_named_and_nothing_is_left_out_in_silence(tmp_path, content):
    fill(tmp_path / "cat", range(5), "jpg")
    (tmp_path / "cat" / "bad.jpg").write_bytes(content)
    pictures = LazyImages(sorted((tmp_path / "cat").iterdir()), 8)
    assert len(pictures) == 6
    with pytest.raises(DataError, match=r"bad\.jpg: not an image that can be read"):
        pictures[:]


@pytest.mark.parametrize("kind", ["EPS", "TGA", "DDS", "ICNS"])
def test_other_formats_are_refused_whatever_the_file_is_called(tmp_path, monkeypatch, kind):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *args: pytest.fail("was started"))
    picture(0, (64, 64)).save(tmp_path / "x.jpg", kind)
    with pytest.raises(DataError, match="it is none of JPEG, PNG"):
        read_picture(tmp_path / "x.jpg", 8)


@pytest.mark.parametrize("name", ["x.jpg", "x.png"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "MPO"])
def test_a_jpeg_a_png_and_a_telephones_two_jpegs_in_one_are_read_under_any_name(
    tmp_path, kind, name
):
    first, second = (Image.new("RGB", (64, 48), colour) for colour in ("red", "blue"))
    more = {"save_all": True, "append_images": [second]} if kind == "MPO" else {}
    first.save(tmp_path / name, kind, **more)
    with Image.open(tmp_path / name) as saved:
        assert saved.format == kind
    red, green, blue = read_picture(tmp_path / name, 8)
    assert red.min() > 250
    assert max(green.max(), blue.max()) < 5


@pytest.mark.parametrize("workers", [2, 5])
def test_the_number_of_readers_changes_nothing(two_classes, workers):
    chunks = [np.array([3, 1, 70]), np.array([5]), np.arange(79, -1, -1)]
    paths = sorted(two_classes.rglob("*.png"))
    one = list(LazyImages(paths, 6, workers=1).batches(chunks))
    many = list(LazyImages(paths, 6, workers=workers).batches(chunks))
    assert [len(x) for x in one] == [3, 1, 80]
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one[0][2], read_picture(paths[70], 6))


def test_pictures_look_like_an_array(two_classes):
    pictures = ImageFolder(two_classes, side=6).images
    np.testing.assert_array_equal(pictures[2:4], pictures[np.array([2, 3])])
    np.testing.assert_array_equal(pictures[3], pictures[2:4][1])
    np.testing.assert_array_equal(pictures.take(np.array([7, 3]))[1], pictures[3])


def test_memory_does_not_grow_with_the_number_of_batches(two_classes):
    """Three batches are alive at a time: one is used, one is ready, one is being read."""
    pictures = LazyImages(sorted(two_classes.rglob("*.png")), 64, workers=2)
    for _ in pictures.batches([np.arange(5)]):
        pass
    tracemalloc.start()
    for _ in pictures.batches([np.arange(i, i + 5) for i in range(0, 80, 5)]):
        pass
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert highest < 7 * (5 * 3 * 64 * 64)  # of 16


def test_who_stops_asking_leaves_no_reader_behind(two_classes):
    import threading

    some = LazyImages(sorted(two_classes.rglob("*.png")), 6).batches([np.arange(9)] * 4)
    next(some)
    some.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("tinynet-images")]


def png(values, transparent):
    """Return a PNG of 16 bits, (H, W) grey or (H, W, 3) RGB, in which one color is transparent."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    kind = 0 if values.ndim == 2 else 2
    H, W = values.shape[:2]

    def chunk(name, content):
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, 16, kind, 0, 0, 0)),
            chunk(b"tRNS", np.asarray(transparent, ">u2").tobytes()),
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        ]
    )


@pytest.mark.parametrize("transparent", [0, 0x1234])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_color_of_16_bits_becomes_white(tmp_path, transparent, channels):
    values = np.full((8, 8), 0x6464, np.uint16)
    values[0, :4] = transparent
    if channels == 3:
        values = np.repeat(values[:, :, None], 3, axis=2)
    (tmp_path / "x.png").write_bytes(png(values, [transparent] * channels))
    pixels = read_picture(tmp_path / "x.png", 8)
    assert (pixels[:, 0, :4] == 255).all()
    assert (pixels[:, 0, 4:] == 100).all()
    assert (pixels[:, 1:] == 100).all()


def test_sixteen_bits_of_grey_are_read_as_eight(tmp_path):
    ramp = np.linspace(0, 2**16 - 1, 32 * 32).astype(np.uint16).reshape(32, 32)
    Image.fromarray(ramp).save(tmp_path / "x.png")
    pixels = read_picture(tmp_path / "x.png", 32)
    assert np.array_equal(pixels, np.stack([ramp >> 8] * 3))
