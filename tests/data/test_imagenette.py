"""Imagenette from its address to a trained network, with a tiny archive of the same form.

Nothing here asks the real address: a server on this machine has forty pictures.
"""

import io
import json
import resource
import shutil
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import tinynet
from support import small_demo
from support.file_server import serving, source_of
from tinynet import nn
from tinynet.core.errors import DataError
from tinynet.data import Imagenette, catalog, imagenette

NAME = "imagenette-160"
FOLDER = "imagenette2-160"
ARCHIVE = "imagenette2-160.tgz"
WNIDS = list(imagenette.CLASSES)

server = pytest.fixture(serving)


def jpeg(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "jpeg")
    return content.getvalue()


def member(name, content=b"", kind=tarfile.REGTYPE, link=""):
    """Return what stands in an archive for one file."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = link
    info.size = len(content)
    return info, io.BytesIO(content)


def packed(*rows):
    """Return a .tgz of these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for info, content in rows:
            archive.addfile(info, content)
    return buffer.getvalue()


def pictures():
    """Return two pictures for each class and part, in folders, as the authors packed them."""
    yield member(FOLDER, kind=tarfile.DIRTYPE)
    yield member(f"{FOLDER}/noisy_imagenette.csv", b"path,noisy_labels_0")
    for p, part in enumerate(("train", "val")):
        for w, wnid in enumerate(WNIDS):
            yield member(f"{FOLDER}/{part}/{wnid}", kind=tarfile.DIRTYPE)
            for i in range(2):
                content = jpeg(1000 * p + 10 * w + i)
                yield member(f"{FOLDER}/{part}/{wnid}/ILSVRC2012_val_{i}.JPEG", content)


def traps():
    """Return members that would write, or point, outside of the folder."""
    first = f"{FOLDER}/train/{WNIDS[0]}"
    for name in ("../evil.JPEG", "/evil.JPEG", f"{FOLDER}/train/../evil.JPEG", f"{first}x/1.JPEG"):
        yield member(name, b"evil")
    for name in (f"{first}/../evil.JPEG", f"{first}/..", f"other/train/{WNIDS[0]}/evil.JPEG"):
        yield member(name, b"evil")
    yield member(f"{first}/link.JPEG", kind=tarfile.SYMTYPE, link="/etc/passwd")
    yield member(f"{first}/hard.JPEG", kind=tarfile.LNKTYPE, link="/etc/passwd")
    yield member(f"{first}/pipe.JPEG", kind=tarfile.FIFOTYPE)


@pytest.fixture(scope="module")
def content():
    return packed(*pictures())


@pytest.fixture
def place(server, tmp_path, monkeypatch, content):
    """Return the folder for data; the server has the archive, and `offer` says how it serves it."""

    def offer(way="good", archive=content):
        server.files[ARCHIVE] = archive
        source = source_of(ARCHIVE, archive, server.url(way, ARCHIVE))
        monkeypatch.setitem(imagenette.ARCHIVES, NAME, source)

    offer()
    return SimpleNamespace(root=tmp_path / "data", offer=offer, server=server)


def everything(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def wanted():
    names = [f"ILSVRC2012_val_{i}.JPEG" for i in range(2)]
    return sorted(f"{p}/{w}/{n}" for p in ("train", "val") for w in WNIDS for n in names)


# fetched and unpacked


def test_it_is_fetched_unpacked_and_named_and_not_asked_for_again(place):
    assert catalog.find(NAME, place.root) == ()
    (folder,) = catalog.get(NAME, place.root)
    assert everything(folder) == wanted()
    assert sorted(p.name for p in place.root.iterdir()) == [FOLDER, ARCHIVE]
    assert catalog.find(NAME, place.root) == catalog.get(NAME, place.root) == (folder,)
    assert len(place.server.asked) == 1
    for where in (place.root, folder):
        test = Imagenette(where, "test", side=8, name=NAME)
        assert (len(test), test.classes[:2]) == (20, ("tench", "English springer"))
        assert test.labels.tolist() == [i // 2 for i in range(20)]
    assert "20 images of 10 classes" in catalog.verify(NAME, place.root)[1]


def test_a_server_that_breaks_off_is_asked_to_go_on(place):
    place.server.piece = len(place.server.files[ARCHIVE]) // 3
    place.offer("breaks")
    (folder,) = catalog.get(NAME, place.root)
    assert everything(folder) == wanted()
    offsets = [offset for _, offset in place.server.asked]
    assert offsets == sorted(set(offsets))
    assert len(offsets) >= 3


def test_a_download_that_was_interrupted_is_gone_on_with(place):
    def interrupt(name, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        imagenette.get(NAME, place.root, interrupt)
    begun = (place.root / f"{ARCHIVE}.part").stat().st_size
    assert everything(imagenette.get(NAME, place.root)) == wanted()
    assert place.server.asked[-1] == ("good", begun) or begun == len(place.server.files[ARCHIVE])


def test_wrong_bytes_are_refused_and_nothing_is_unpacked(place):
    place.offer("wrong")
    with pytest.raises(DataError, match=r"with md5 \w+, expected \w+\..*by other means"):
        catalog.get(NAME, place.root)
    assert not [p for p in place.root.iterdir() if p.suffix != ".part"]


def test_a_size_that_is_not_sure_does_not_refuse_what_the_md5_accepts(place, monkeypatch):
    for size in (len(place.server.files[ARCHIVE]) + d for d in (-100, 100)):
        source = imagenette.ARCHIVES[NAME]
        changed = type(source)(source.name, size, source.md5, source.mirrors, size_is_sure=False)
        monkeypatch.setitem(imagenette.ARCHIVES, NAME, changed)
        root = place.root / str(size)
        assert everything(imagenette.get(NAME, root)) == wanted()
        imagenette.fetch(changed, root)
    assert len(place.server.asked) == 2


def test_nothing_is_written_outside_of_the_folder_and_no_link_is_followed(place, tmp_path):
    place.offer(archive=packed(*traps(), *pictures(), *traps()))
    (folder,) = catalog.get(NAME, place.root)
    assert everything(folder) == wanted()
    assert everything(tmp_path) == [f"data/{ARCHIVE}", *(f"data/{FOLDER}/{n}" for n in wanted())]


def test_an_archive_that_breaks_off_leaves_nothing(place, content):
    place.offer(archive=content[:2000])
    with pytest.raises(
        DataError,
        match=r"cannot be unpacked .*then fetch the originals: `tinynet data get imagenette-160",
    ):
        catalog.get(NAME, place.root)
    assert everything(place.root) == [ARCHIVE]


def test_an_archive_of_something_else_is_refused(place):
    place.offer(archive=packed(member("cats/1.JPEG", jpeg(0))))
    with pytest.raises(DataError, match="does not hold the folders of imagenette-160"):
        catalog.get(NAME, place.root)


# the disk


@pytest.fixture
def files_of_at_most():
    """Let the system refuse to write files beyond a size, as a full disk refuses."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_before_the_download_ends_is_said(place, files_of_at_most):
    files_of_at_most(5_000)
    with pytest.raises(DataError, match=r"could not be written to .*File too large.*make room"):
        catalog.get(NAME, place.root)
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    assert everything(catalog.get(NAME, place.root)[0]) == wanted()


def test_a_disk_that_is_full_while_unpacking_is_said_and_the_archive_is_kept(
    place, files_of_at_most
):
    archive = imagenette.fetch(imagenette.ARCHIVES[NAME], place.root)
    files_of_at_most(100)
    with pytest.raises(
        DataError, match=r"not be unpacked to .*File too large.*needs about .* bytes"
    ):
        catalog.get(NAME, place.root)
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    assert everything(place.root) == [archive.name]


def test_a_folder_that_is_not_whole_is_not_overwritten(place):
    half = place.root / FOLDER / "train"
    half.mkdir(parents=True)
    (half / "mine.txt").write_text("kept")
    with pytest.raises(
        DataError, match=r"could not be unpacked to .*nothing in the folder's place"
    ):
        catalog.get(NAME, place.root)
    assert (half / "mine.txt").read_text() == "kept"


def test_who_unpacks_more_slowly_than_another_process_takes_what_that_one_made(place, monkeypatch):
    archive = imagenette.fetch(imagenette.ARCHIVES[NAME], place.root)
    real = imagenette.locate

    def look(root, name):
        if ".part" in root.name:  # all is unpacked, and has no name yet
            shutil.copytree(root, place.root / FOLDER)
        return real(root, name)

    monkeypatch.setattr(imagenette, "locate", look)
    assert everything(imagenette.unpack(archive, place.root, NAME)) == wanted()
    assert sorted(p.name for p in place.root.iterdir()) == [FOLDER, ARCHIVE]


def test_missing_imagenette_says_where_to_put_it(tmp_path):
    with pytest.raises(DataError, match=r"imagenette2-320, with train and val .*341,663,724 bytes"):
        catalog.open_dataset("imagenette", tmp_path)


# from the command line


def small(classes):
    return nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.Flatten(), nn.Linear(256, classes))


@pytest.fixture
def says(monkeypatch, tinynet_says):
    """Run a command that must succeed; the demo is a small network. Return the output."""
    small_demo.use_net(monkeypatch, small)

    def run(*arguments):
        with tinynet.kernels.use("reference"):
            said = tinynet_says(*arguments)
        assert said.code == 0, said.err
        return said.out

    return run


def test_from_the_address_to_a_trained_network(place, says, tmp_path):
    there = ("--data-dir", place.root)
    assert says("data", "get", NAME, *there).strip() == str(place.root / FOLDER)
    assert "train: 20 images of 10 classes, all readable" in says("data", "verify", NAME, *there)
    run = tmp_path / "run"
    said = says("train", "--data", NAME, *there, "--epochs", 2, "--batch", 8, "--out", run)
    assert f"data {NAME}, 20 + 20 images, 10 classes" in said
    reached = json.loads((run / "result.json").read_text())["test_accuracy"]
    assert f"test accuracy {100 * reached:.2f} %" in says("eval", run)
    picture = place.root / FOLDER / "val" / WNIDS[0] / "ILSVRC2012_val_0.JPEG"
    assert any(name in says("predict", run, picture) for name in imagenette.CLASSES.values())
