"""Downloads from a server of our own that resumes, breaks off, lies, stalls and refuses."""

import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from support.file_server import CONTENT, serving, source_of
from tinynet.core.errors import DataError
from tinynet.data import CIFAR10, MNIST, catalog, download, mnist
from tinynet.data.cifar10_versions import BINARY
from tinynet.data.download import fetch
from tinynet.data.mnist_files import ARCHIVES

server = pytest.fixture(serving)


@pytest.fixture
def _impatient(monkeypatch):
    monkeypatch.setattr(download, "HEAD_START", 0.1)
    monkeypatch.setattr(download, "PATIENCE", 0.6)


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_download_is_whole_and_leaves_nothing_else(server, tmp_path):
    path = fetch(server.source("good"), tmp_path / "new" / "folder")
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["pictures.bin"]


def test_progress_counts_up_to_the_size(server, tmp_path):
    seen = []
    fetch(server.source("good"), tmp_path, lambda *state: seen.append(state))
    done = [state[1] for state in seen]
    assert done == sorted(done)
    assert len(done) > 2
    assert seen[-1] == ("pictures.bin", len(CONTENT), len(CONTENT))


def test_a_whole_file_is_not_fetched_again(server, tmp_path):
    fetch(server.source("good"), tmp_path)
    fetch(server.source("good"), tmp_path)
    assert len(server.asked) == 1


def test_another_file_of_the_name_is_kept(server, tmp_path):
    for i in range(3):
        (tmp_path / "pictures.bin").write_bytes(b"%d" % i)
        assert fetch(server.source("good"), tmp_path).read_bytes() == CONTENT
    others = [tmp_path / f"pictures.bin.other{i}" for i in ("", 2, 3)]
    assert [path.read_bytes() for path in others] == [b"0", b"1", b"2"]


def test_a_part_is_gone_on_with(server, tmp_path):
    (tmp_path / "pictures.bin.part").write_bytes(CONTENT[:123_456])
    assert fetch(server.source("good"), tmp_path).read_bytes() == CONTENT
    assert server.asked == [("good", 123_456)]


def test_a_complete_part_needs_no_network(server, tmp_path):
    (tmp_path / "pictures.bin.part").write_bytes(CONTENT)
    assert fetch(server.source("good"), tmp_path).read_bytes() == CONTENT
    assert server.asked == []


def test_a_server_that_breaks_off_but_delivers_is_asked_again(server, tmp_path):
    assert fetch(server.source("breaks"), tmp_path).read_bytes() == CONTENT
    offsets = [offset for _, offset in server.asked]
    assert offsets == sorted(set(offsets))
    assert len(offsets) >= 3


def test_another_mirror_goes_on_where_the_first_broke_off(server, tmp_path):
    assert fetch(server.source("breaks", "good"), tmp_path).read_bytes() == CONTENT
    assert [way for way, _ in server.asked] == ["breaks", "good"]
    assert 0 < server.asked[1][1] <= 100_000


@pytest.mark.parametrize("way", ["forgetful", "shifted"])
def test_a_server_without_ranges_starts_from_the_beginning(server, tmp_path, way):
    (tmp_path / "pictures.bin.part").write_bytes(CONTENT[:100_000])
    ways = (way,) if way == "forgetful" else (way, "good")
    assert fetch(server.source(*ways), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("way", ["wrong", "endless", "stops", "refuses", "shifted"])
def test_a_bad_mirror_hands_over_to_the_next(server, tmp_path, way):
    if way == "shifted":
        (tmp_path / "pictures.bin.part").write_bytes(CONTENT[:5])
    assert fetch(server.source(way, "good"), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("way", "fact"),
    [
        ("wrong", "md5 "),
        ("endless", "more than the 300,000 bytes"),
        ("stops", "stopped at 70,000 of 300,000 bytes"),
        ("refuses", "answered 403 Forbidden"),
    ],
)
def test_what_a_mirror_did_is_said_and_no_file_appears(server, tmp_path, way, fact):
    with pytest.raises(DataError, match=fact) as error:
        fetch(server.source(way), tmp_path)
    assert server.url(way) in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert not (tmp_path / "pictures.bin").exists()


def test_a_part_with_wrong_bytes_does_not_spoil_the_next_try(server, tmp_path):
    (tmp_path / "pictures.bin.part").write_bytes(b"rubbish" * 1000)
    with pytest.raises(DataError, match="md5"):
        fetch(server.source("good"), tmp_path)
    assert fetch(server.source("good"), tmp_path).read_bytes() == CONTENT


def test_a_gz_that_is_served_as_an_encoding_stays_packed(server, tmp_path):
    assert fetch(server.source("encoded"), tmp_path).read_bytes() == CONTENT


def test_a_slow_mirror_is_overtaken(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "HEAD_START", 0.1)
    started = time.monotonic()
    assert fetch(server.source("slow", "good"), tmp_path).read_bytes() == CONTENT
    assert time.monotonic() - started < 0.9


# no network


def test_without_a_network_one_sentence_says_where_to_put_the_file(tmp_path):
    port = closed_port()
    source = source_of("pictures.bin", CONTENT, f"http://127.0.0.1:{port}/pictures.bin")
    with pytest.raises(DataError, match="there seems to be no network") as error:
        fetch(source, tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.__cause__ is None
    assert names(tmp_path) == []


@pytest.mark.usefixtures("_impatient")
def test_a_network_that_swallows_everything_is_given_up_in_time(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        started = time.monotonic()
        with pytest.raises(DataError, match="no network"):
            fetch(source_of("pictures.bin", CONTENT, url + "a", url + "b"), tmp_path)
        assert time.monotonic() - started < 2.0


@pytest.mark.usefixtures("_impatient")
def test_a_search_for_an_address_that_hangs_is_given_up_in_time(tmp_path, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: over.wait(20) and [])
    started = time.monotonic()
    with pytest.raises(DataError, match="no network"):
        fetch(source_of("pictures.bin", CONTENT, "http://data.invalid/x"), tmp_path)
    assert time.monotonic() - started < 2.0
    over.set()


def test_the_promised_ten_seconds_hold():
    assert download.PATIENCE < 10


# disk


def test_a_folder_in_the_place_of_the_file_is_refused(server, tmp_path):
    (tmp_path / "pictures.bin").mkdir()
    with pytest.raises(DataError, match="a folder"):
        fetch(server.source("good"), tmp_path)
    assert server.asked == []


def test_a_file_in_the_place_of_the_folder_is_refused(server, tmp_path):
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(DataError, match=r"could not be written.*taken"):
        fetch(server.source("good"), tmp_path / "taken")


def test_a_full_disk_is_said_and_the_part_is_kept(server, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download.os, "replace", full)
    with pytest.raises(DataError, match=r"No space left.*300,000 bytes"):
        fetch(server.source("good"), tmp_path)
    monkeypatch.undo()
    assert names(tmp_path) == ["pictures.bin.part"]
    assert fetch(server.source("good"), tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_the_name_appears_only_after_the_bytes_are_on_disk(server, tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *a, name=name, real=real: (calls.append(name), real(*a))[1]
        )
    fetch(server.source("good"), tmp_path)
    assert calls == ["fsync", "replace", "fsync"]


# several at once


def test_threads_that_fetch_one_file_share_one_download(server, tmp_path):
    source = server.source("slow")
    threads = [threading.Thread(target=fetch, args=(source, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "pictures.bin").read_bytes() == CONTENT
    assert len(server.asked) == 1
    assert names(tmp_path) == ["pictures.bin"]


def test_two_processes_at_once_share_one_download(server, tmp_path):
    source = server.source("slow")
    code = (
        "from pathlib import Path\nfrom tinynet.data.download import Source, fetch\n"
        f"fetch({source!r}, Path({str(tmp_path)!r}))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert (tmp_path / "pictures.bin").read_bytes() == CONTENT
    assert len(server.asked) == 1
    assert names(tmp_path) == ["pictures.bin"]


def test_a_killed_download_is_gone_on_with(server, tmp_path):
    class Killed(BaseException):
        pass

    def kill(name, done, total):
        if done > 100_000:
            raise Killed

    with pytest.raises(Killed):
        fetch(server.source("good"), tmp_path, kill)
    size = (tmp_path / "pictures.bin.part").stat().st_size
    assert size > 100_000
    assert fetch(server.source("good"), tmp_path).read_bytes() == CONTENT
    assert server.asked[1] == ("good", size)


# the data sets


def test_cifar10_downloads_what_is_missing_and_only_when_told(server, cifar, monkeypatch):
    path = cifar.pack()
    content = server.files[path.name] = path.read_bytes()
    path.unlink()
    source = source_of(path.name, content, server.url("good", path.name))
    monkeypatch.setattr(BINARY, "archive", source)
    with pytest.raises(DataError, match="must hold"):
        CIFAR10(cifar.root)
    assert server.asked == []
    assert len(CIFAR10(cifar.root, download=True)) == 60
    assert len(CIFAR10(cifar.root, train=False, download=True)) == 12
    assert len(server.asked) == 1


def test_mnist_downloads_what_is_missing(server, tmp_path, digits, monkeypatch):
    server.files.update(digits.packed)
    sources = tuple(
        source_of(s.name, digits.packed[s.name], server.url("good", s.name)) for s in ARCHIVES
    )
    monkeypatch.setattr(mnist, "ARCHIVES", sources)
    assert len(MNIST(tmp_path, train=False, download=True)) == 10_000
    assert names(tmp_path) == ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]


def test_get_fetches_every_file_of_a_data_set(server, tmp_path, monkeypatch):
    entry = catalog.Entry("mnist", "", (server.source("good"),))
    monkeypatch.setattr(catalog, "ENTRIES", (entry,))
    assert catalog.get("mnist", tmp_path) == (tmp_path / "pictures.bin",)


def test_the_official_sources_are_those_of_the_authors():
    assert BINARY.archive.md5 == "c32a1d4ab5d03f1284b67883e8d87530"
    sizes = [source.size for source in ARCHIVES]
    assert sizes == [9_912_422, 28_881, 1_648_877, 4_542]
    for source in (BINARY.archive, *ARCHIVES):
        assert len(source.mirrors) >= 2
        for url in source.mirrors:
            assert url.startswith("https://")
            assert url.endswith("/" + source.name)
