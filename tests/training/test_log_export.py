"""Learning curves as CSV and as event files, which are read back here from their bytes."""

import csv
import io
import struct

import pytest

from tinynet.training import event_file, log_export
from tinynet.training.loop import Epoch
from tinynet.training.presets import find
from tinynet.training.run_list import SavedRun

RECORDS = [
    Epoch(1, 2.25, 0.25, 2.0, 0.5, 0.1, 3.0, 100.0),
    Epoch(2, 1.5, 0.5, None, None, 0.01, 2.0, 150.0, 1.75, 0.375),
]


@pytest.fixture
def run(tmp_path):
    return SavedRun(tmp_path, find("demo"), {}, RECORDS, None, "stopped", 1000.0)


def records(data):
    """Yield the messages of an event file, and check lengths and checksums."""
    while data:
        length, checksum = struct.unpack("<QI", data[:12])
        assert struct.pack("<I", checksum) == event_file._masked(data[:8])
        message = data[12 : 12 + length]
        assert len(message) == length
        assert data[12 + length : 16 + length] == event_file._masked(message)
        yield message
        data = data[16 + length :]


def varint(data):
    value = shift = 0
    for i, byte in enumerate(data):
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, data[i + 1 :]
        shift += 7
    raise AssertionError("a number without an end")


def fields(data):
    """Yield (number, value) of a message in the wire format."""
    while data:
        key, data = varint(data)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, data = varint(data)
        elif kind == 2:
            length, data = varint(data)
            value, data = data[:length], data[length:]
        else:
            size, form = {1: (8, "<d"), 5: (4, "<f")}[kind]
            (value,), data = struct.unpack(form, data[:size]), data[size:]
        yield number, value


def test_the_checksums_are_those_of_the_standard():
    # RFC 3720, appendix B.4
    assert event_file.crc32c(bytes(32)) == 0x8A9136AA
    assert event_file.crc32c(b"\xff" * 32) == 0x62A8AB43
    assert event_file.crc32c(bytes(range(32))) == 0x46DD794E


def test_the_event_file_holds_every_measured_value(run, tmp_path):
    path = log_export.write_events(run, tmp_path / "board")
    assert path.name == "events.out.tfevents.995.tinynet"
    first, *events = map(dict, map(fields, records(path.read_bytes())))
    assert first == {1: 995.0, 3: b"brain.Event:2"}
    assert [(event[1], event[2]) for event in events] == [(998.0, 1), (1000.0, 2)]
    values = [
        {tag.decode(): value for tag, value in (dict(fields(v)).values() for _, v in fields(e[5]))}
        for e in events
    ]
    assert values[0]["loss/train"] == 2.25
    assert values[0]["accuracy/test"] == 0.5
    assert "loss/test" not in values[1]
    assert values[1]["accuracy/validation"] == 0.375
    assert values[1]["images per second"] == 150


def test_a_loss_of_more_than_32_bits_is_left_out(tmp_path):
    large = [Epoch(1, 1e300, 0.25, float("inf"), 0.5, 0.1, 3.0, 100.0)]
    run = SavedRun(tmp_path, find("demo"), {}, large, None, "stopped", 1000.0)
    content = log_export.write_events(run, tmp_path / "board").read_bytes()
    assert b"loss/" not in content
    assert b"accuracy/test" in content


def test_writing_again_replaces_the_file(run, tmp_path):
    log_export.write_events(run, tmp_path / "board")
    log_export.write_events(run, tmp_path / "board")
    assert len(list((tmp_path / "board").iterdir())) == 1


def test_tensorboard_reads_it(run, tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard"
    )
    log_export.write_events(run, tmp_path / "board")
    found = accumulator.EventAccumulator(str(tmp_path / "board")).Reload()
    (first, second) = found.Scalars("loss/train")
    assert (first.step, first.value, second.step, second.value) == (1, 2.25, 2, 1.5)


def test_the_table_has_every_field_and_leaves_out_what_was_not_measured(run):
    rows = list(csv.DictReader(io.StringIO(log_export.csv_text(run))))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert rows[0]["test_accuracy"] == "0.5"
    assert rows[1]["test_accuracy"] == ""
    assert rows[1]["validation_loss"] == "1.75"
    empty = log_export.csv_text(SavedRun(run.folder, run.recipe, {}, [], None, "running", 1.0))
    assert empty.startswith("epoch,train_loss,")
