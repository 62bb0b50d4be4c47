"""WebP, BMP, GIF, TIFF, AVIF, JPEG 2000, PPM: the first image is read, as its format means it."""

import numpy as np
import pytest
from PIL import Image

from support.image_files import fill, names, picture
from tinynet.core.errors import DataError
from tinynet.data import ImageFolder, image_files, read_picture

KINDS = ("webp", "bmp", "gif", "tif", "tiff", "ppm", "jp2", "jfif")


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "PPM", "JPEG2000"])
def test_a_format_without_loss_is_read_exactly(tmp_path, kind):
    image = picture(3, (8, 8))
    image.save(tmp_path / "x", kind)
    np.testing.assert_array_equal(
        read_picture(tmp_path / "x", 8), np.asarray(image).transpose(2, 0, 1)
    )


def test_avif_is_read_where_pillow_reads_it(tmp_path):
    if "AVIF" not in image_files.formats():
        pytest.skip("this Pillow does not read AVIF")
    Image.new("RGB", (16, 16), (200, 100, 50)).save(tmp_path / "x.avif")
    found = read_picture(tmp_path / "x.avif", 8).astype(int)
    assert abs(found - np.array([200, 100, 50])[:, None, None]).max() < 4


def test_a_map_of_floating_point_numbers_is_refused(tmp_path):
    (tmp_path / "x.ppm").write_bytes(b"Pf\n2 2\n-1.0\n" + bytes(16))
    with pytest.raises(DataError, match="its pixels have 32 bits"):
        read_picture(str(tmp_path / "x.ppm"), 8)


def test_webp_without_loss_is_read_exactly(tmp_path):
    image = picture(3, (8, 8))
    image.save(tmp_path / "x.webp", lossless=True)
    np.testing.assert_array_equal(
        read_picture(tmp_path / "x.webp", 8), np.asarray(image).transpose(2, 0, 1)
    )


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP"])
def test_of_several_images_the_first_is_read(tmp_path, kind):
    red, blue = (Image.new("RGB", (16, 16), color) for color in ("red", "blue"))
    red.save(tmp_path / "x", kind, save_all=True, append_images=[blue])
    with Image.open(tmp_path / "x") as saved:
        assert saved.n_frames == 2
    found = read_picture(tmp_path / "x", 8)
    assert found[0].min() > 240
    assert found[1:].max() < 15


def test_a_transparent_gif_becomes_white(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.save(tmp_path / "x.gif", transparency=0)
    assert read_picture(tmp_path / "x.gif", 8).min() == 255


@pytest.mark.parametrize("held", range(1, 9))
def test_a_tiff_is_turned_as_it_says(tmp_path, held):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = held
    picture(3, (8, 8)).save(tmp_path / "x.tif", exif=exif)
    picture(3, (8, 8)).save(tmp_path / "x.png", exif=exif)
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "x.png")))
    np.testing.assert_array_equal(read_picture(tmp_path / "x.tif", 8), wanted.transpose(2, 0, 1))


def test_sixteen_bits_of_a_tiff_become_eight(tmp_path):
    Image.fromarray(np.full((8, 8), 0x8011, np.uint16)).save(tmp_path / "x.tif")
    assert set(read_picture(tmp_path / "x.tif", 8).ravel()) == {0x80}


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_a_tiff_of_32_bits_is_refused(tmp_path, dtype):
    Image.fromarray(np.ones((8, 8), dtype)).save(tmp_path / "x.tif")
    with pytest.raises(DataError, match="32 bits; convert it"):
        read_picture(tmp_path / "x.tif", 8)


def test_a_damaged_webp_is_named(tmp_path):
    picture(0, (64, 64)).save(tmp_path / "x.webp")
    content = (tmp_path / "x.webp").read_bytes()
    (tmp_path / "x.webp").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"x\.webp: not an image that can be read"):
        read_picture(tmp_path / "x.webp", 8)


def test_a_folder_counts_all_formats_and_the_rule_of_version_0_1_only_two(tmp_path):
    for name, first in (("cat", 0), ("dog", 50)):
        for i, kind in enumerate(("png", "jpg", *KINDS)):
            fill(tmp_path / "train" / name, [first + i], kind)
            fill(tmp_path / "test" / name, [first + 20 + i], kind)
    assert len(ImageFolder(tmp_path)) == 20
    with pytest.warns(
        UserWarning, match=r"only \.jpg, \.jpeg, \.png files are read. Left out: 16;"
    ):
        hashed = ImageFolder(tmp_path, split="hashed")
    assert names(hashed) == {"0.png", "1.jpg", "50.png", "51.jpg"}
