"""PyTorch's files: what they hold comes out, what else they ask for is refused and never run."""

import builtins
import io
import os
import pickletools
import struct
import subprocess
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet.core import archives, pickles
from tinynet.core.errors import DataError
from tinynet.weights import names, read
from weights import crafted

WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)


def write(folder, data):
    path = folder / "net.pth"
    path.write_bytes(data)
    return path


def one_tensor(*shape_and_stride, dtype="f4", storage=None, **more):
    storage = np.arange(24, dtype="f4") if storage is None else storage
    made = crafted.tensor("0", storage.size, *shape_and_stride, dtype=dtype, **more)
    return crafted.pth(crafted.program(crafted.dictionary({"w": made})), [storage])


def refusal(folder, data):
    path = write(folder, data)
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value).startswith(str(path))
    return str(error.value)


# what is in a file


def test_tensors_come_out_by_name_and_in_order(tmp_path):
    found = read(write(tmp_path, crafted.plain_pth(b=WEIGHT, a=WEIGHT[0])))
    assert list(found.arrays) == ["b", "a"]
    assert found.kind == "pth"
    np.testing.assert_array_equal(found.arrays["b"], WEIGHT)
    np.testing.assert_array_equal(found.arrays["a"], WEIGHT[0])


def test_strides_and_offsets_are_followed(tmp_path):
    found = read(write(tmp_path, one_tensor((2, 3), (1, 4), offset=5)))
    np.testing.assert_array_equal(found.arrays["w"], [[5, 9, 13], [6, 10, 14]])


def test_two_tensors_share_a_storage(tmp_path):
    made = {n: crafted.tensor("0", 6, (3,), offset=o) for n, o in {"a": 0, "b": 3}.items()}
    data = crafted.pth(crafted.program(crafted.dictionary(made)), [WEIGHT])
    found = read(write(tmp_path, data)).arrays
    np.testing.assert_array_equal(found["a"], WEIGHT[0])
    np.testing.assert_array_equal(found["b"], WEIGHT[1])
    assert np.shares_memory(found["a"].base, found["b"].base)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i8", "u1"])
def test_dtypes_are_kept(tmp_path, dtype):
    values = np.arange(5).astype(dtype)
    found = read(write(tmp_path, one_tensor((5,), dtype=dtype, storage=values))).arrays["w"]
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)


def test_bfloat16_becomes_the_same_numbers_in_float32(tmp_path):
    values = np.array([1.0, -2.5, 3e38, 2**-100], np.float32)
    halves = (values.view("u4") >> 16).astype("<u2")
    found = read(write(tmp_path, one_tensor((4,), dtype="bf16", storage=halves))).arrays["w"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.view("u4"), halves.astype("u4") << 16)


def test_empty_tensors_and_single_numbers(tmp_path):
    empty = read(write(tmp_path, one_tensor((0, 3), storage=np.zeros(0, "f4")))).arrays["w"]
    assert empty.shape == (0, 3)
    assert read(write(tmp_path, one_tensor((), offset=7))).arrays["w"] == 7


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict"])
def test_weights_are_found_beside_the_epoch_and_the_optimizer(tmp_path, wrapper):
    inner = crafted.dictionary({"w": crafted.tensor("0", 6, (2, 3))})
    outer = {"epoch": crafted.number(3), "lr": b"G\x3f\xb9\x99\x99\x99\x99\x99\x9a", wrapper: inner}
    data = crafted.pth(crafted.program(crafted.dictionary(outer)), [WEIGHT])
    np.testing.assert_array_equal(read(write(tmp_path, data)).arrays["w"], WEIGHT)


# what else a pickle may ask for


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    ("call", "arguments", "name"),
    [
        (os.system, ("touch {path}",), "system"),
        (builtins.eval, ("open('{path}', 'w')",), "eval"),
        (builtins.getattr, (1, "real"), "getattr"),
        (subprocess.Popen, ("touch {path}",), "Popen"),
        (io.open, ("{path}", "w"), "open"),
    ],
)
def test_what_would_run_is_refused_by_name_and_does_not_run(
    tmp_path, call, arguments, name, protocol
):
    touched = tmp_path / "touched"
    arguments = [a.format(path=touched) if isinstance(a, str) else a for a in arguments]
    said = refusal(tmp_path, crafted.pth(crafted.running(call, *arguments, protocol=protocol)))
    assert name in said
    assert "torch.save(model.state_dict()" in said
    assert not touched.exists()


def test_a_whole_model_is_refused_by_its_class(tmp_path):
    whole = crafted.program(b"ctorch.nn.modules.container\nSequential\n)\x81")
    assert "torch.nn.modules.container.Sequential" in refusal(tmp_path, crafted.pth(whole))


def test_a_tensor_that_is_called_like_a_function_is_refused(tmp_path):
    made = crafted.tensor("0", 6, (2, 3)) + b")R"
    assert "calls" in refusal(tmp_path, crafted.pth(crafted.program(made), [WEIGHT]))


def test_a_storage_is_not_called(tmp_path):
    assert "torch.FloatStorage" in refusal(
        tmp_path, crafted.pth(crafted.program(b"ctorch\nFloatStorage\nK\x05\x85R"))
    )


HANDLED = {*pickles.CONSTANTS, *pickles.LITERALS, *pickles.EMPTY, *pickles.TUPLES, *pickles.NOTHING}
HANDLED |= {n.removeprefix("_do_").upper() for n in vars(pickles.Machine) if n.startswith("_do_")}


@pytest.mark.parametrize("op", pickletools.opcodes, ids=lambda op: op.name)
def test_every_instruction_is_known_or_refused(op):
    argument = {"GLOBAL": b"os\nsystem\n", "INST": b"os\nsystem\n"}.get(op.name, b"\0" * 9)
    if op.arg is not None and op.arg.n == -1 and op.name not in ("GLOBAL", "INST"):
        argument = b"I1\n" if op.name == "PUT" else b"1\n"
    stack = b"K\x01K\x02K\x03K\x04"
    try:
        found = pickles.read(
            b"\x80\x02" + stack + op.code.encode("latin1") + argument + b".", *NONE
        )
    except DataError:
        return
    assert op.name in HANDLED or op.name == "STOP"
    assert isinstance(found, int | float | str | bool | dict | list | tuple | None)


NONE = (lambda *_: None, lambda *_: None)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_dataerror_or_plain_values(data):
    try:
        found = pickles.read(b"\x80\x02" + data, *NONE)
    except DataError:
        return
    assert isinstance(found, int | float | str | bool | dict | list | tuple | None)


def test_a_tuple_as_key_is_refused_before_it_is_hashed():
    nested = b")" + b"\x85" * 300_000  # hashing this would end the process
    with pytest.raises(DataError, match="tuple as key"):
        pickles.read(crafted.program(b"}" + nested + b"Ns"), *NONE)


DEEP = b"N" + b"\x85" * 100_000  # a tuple in a tuple in a tuple ...


@pytest.mark.parametrize(
    "body",
    [
        DEEP + b")R",
        b"ctorch._utils\n_rebuild_tensor_v2\n(N" + DEEP + b"K\x01K\x01tR",
        b"(X\x07\0\0\0storage" + DEEP + b"K\x01K\x01K\x01tQ",
        b"}" + DEEP + b"K\x01s",
        b"]" + b"2a" * 1000 + b")R",
        b"c" + b"o" * 100_000 + b"\nx\n",
        b"c\x1b[2J\nx\n",
        b"}X\x06\0\0\0a\x1b[2Jb" + b"K\x01s",
    ],
)
def test_what_is_deep_or_long_or_not_printable_is_refused_in_a_short_sentence(tmp_path, body):
    said = refusal(tmp_path, crafted.pth(crafted.program(body)))
    assert len(said) < 600
    assert said.isprintable()


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "w" * 201])
def test_names_that_would_disturb_a_terminal_are_refused(tmp_path, name):
    assert "an array is called" in refusal(tmp_path, crafted.plain_pth(**{name: WEIGHT}))


def test_long_names_take_no_long_time(tmp_path):
    """A pattern that starts anew at every character would need minutes for these."""
    long = "denselayer1.norm" * 20_000
    names.fitted({long: WEIGHT, "1." * 100_000: WEIGHT, "1" * 100_000: WEIGHT}, ["a"])


def test_a_large_number_in_the_memory_costs_nothing():
    assert pickles.read(crafted.program(b"K\x07r\xff\xff\xff\xff"), *NONE) == 7


def test_a_tensor_that_is_the_negative_of_what_is_stored_is_refused(tmp_path):
    """PyTorch writes torch.complex(x, y).conj().imag so: y, and a note."""
    plain = crafted.tensor("0", 6, (2, 3)).removesuffix(b"tR")
    for note in (b"}" + crafted.text("neg") + b"\x88s", crafted.text("neg"), b"\x88"):
        made = crafted.program(crafted.dictionary({"w": plain + note + b"tR"}))
        said = refusal(tmp_path, crafted.pth(made, [WEIGHT]))
        assert "on a tensor" in said
        assert "resolve_neg" in said
    for nothing in (b"N", b"}"):
        made = crafted.program(crafted.dictionary({"w": plain + nothing + b"tR"}))
        found = read(write(tmp_path, crafted.pth(made, [WEIGHT])))
        np.testing.assert_array_equal(found.arrays["w"], WEIGHT)


LAUGHS = (
    b"]("
    + b"K\x01" * 4
    + b"eq\0"
    + b"".join(b"](" + 4 * (b"h" + bytes([i])) + b"eq" + bytes([i + 1]) for i in range(40))
)
"""Lists of four times the list before, 4 ** 40 numbers if they are written out."""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (LAUGHS + crafted.text("x") + b"\x93", "which is no name"),
        (crafted.text("x") + LAUGHS + b"\x93", "which is no name"),
        (crafted.text("x" * 201) + crafted.text("y") + b"\x93", "which is no name"),
        (b"N" + b"\x85" * 100_000 + crafted.text("x") + b"\x93", "which is no name"),
        (LAUGHS + b")R", "no function"),
        (LAUGHS + b"Q", "refers to a list"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n]R", "with no arguments"),
    ],
)
def test_what_has_no_end_as_text_is_not_written_out(tmp_path, body, said):
    found = refusal(tmp_path, crafted.pth(crafted.program(body)))
    assert said in found
    assert len(found) < 600


def test_numbers_that_hash_alike_are_keys_like_others(tmp_path):
    """As keys of Python they would take minutes; an optimiser's numbers are keys all the same."""
    body = (
        b"}(" + b"".join(crafted.number(i * (2**61 - 1)) + b"N" for i in range(1, 100_000)) + b"u"
    )
    assert len(pickles.read(crafted.program(body), *NONE)) == 99_999
    numbered = b"}" + crafted.number(0) + crafted.tensor("0", 6, (2, 3)) + b"s"
    data = crafted.pth(crafted.program(numbered), [WEIGHT])
    assert "not tensors by name" in refusal(tmp_path, data)


def test_only_a_tuple_of_few_numbers_is_a_size_and_an_array_is_not_taken_apart(tmp_path):
    storage = np.zeros(6, "u1")
    stored = (
        b"("
        + crafted.text("storage")
        + b"ctorch\nByteStorage\n"
        + crafted.text("0")
        + crafted.text("cpu")
        + crafted.number(6)
        + b"tQq\0"
    )
    start = b"ctorch._utils\n_rebuild_tensor_v2\n("
    many = b"(" + b"K\x01" * 33 + b"t"
    for arguments in (
        b"K\0h\0h\0",
        b"h\0))",
        b"K\0]]",
        b"K\0" + many + many,
        b"\x89))",
        b"K\0\x88\x85K\x01\x85",
        b"K\0K\0" + 2 * crafted.number(2**47) + b"\x87K\1K\1K\1\x87",
    ):
        data = crafted.pth(crafted.program(start + stored + arguments + b"tR"), [storage])
        assert "cannot be" in refusal(tmp_path, data)
    data = crafted.pth(crafted.program(stored + b"Q"), [storage])
    assert "refers to a ndarray" in refusal(tmp_path, data)


# sizes that are not true


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((25,), None, 0),
        ((24,), None, 1),
        ((5, 5), (5, 1), 0),
        ((2, 2), (23, 2), 0),
        ((1000, 1000), (0, 0), 0),  # a million from one
        ((2,), (-1,), 5),
        ((-2,), (1,), 0),
        ((2,), (1,), -1),
        ((2**62, 4), (4, 1), 0),
        ((2, 2), (1,), 0),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(tmp_path, size, stride, offset):
    refusal(tmp_path, one_tensor(size, stride, offset=offset))


def test_a_storage_of_another_size_is_refused(tmp_path):
    made = crafted.program(crafted.dictionary({"w": crafted.tensor("0", 6, (2, 3))}))
    for storage in (b"", bytes(23), bytes(25)):
        assert "storage 0 should hold 6 x 4 bytes" in refusal(
            tmp_path, crafted.pth(made, [storage])
        )


def test_a_storage_that_is_missing_is_named(tmp_path):
    made = crafted.program(crafted.dictionary({"w": crafted.tensor("7", 6, (2, 3))}))
    assert "net/data/7 is missing" in refusal(tmp_path, crafted.pth(made, [WEIGHT]))


def test_a_storage_called_like_a_path_is_refused(tmp_path):
    made = crafted.tensor("../../etc/passwd", 6, (2, 3))
    data = crafted.pth(crafted.program(crafted.dictionary({"w": made})), [WEIGHT])
    assert "etc/passwd" in refusal(tmp_path, data)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_tensors_show_up_to_four_times_what_is_stored(tmp_path, dtype):
    def shared(count):
        many = {f"w{i}": crafted.tensor("0", 24, (24,), dtype=dtype) for i in range(count)}
        return crafted.pth(crafted.program(crafted.dictionary(many)), [np.zeros(24, dtype)])

    assert len(read(write(tmp_path, shared(4))).arrays) == 4
    assert "4 times is the limit" in refusal(tmp_path, shared(5))


def test_a_small_storage_is_not_shown_again_and_again_by_the_elements_of_a_large_one(tmp_path):
    made = {"a": crafted.tensor("0", 24, (24,), dtype="u1")}
    made |= {f"w{i}": crafted.tensor("1", 8, (8,), dtype="f8") for i in range(6)}
    storages = [np.zeros(24, "u1"), np.zeros(8)]
    said = refusal(tmp_path, crafted.pth(crafted.program(crafted.dictionary(made)), storages))
    assert "show 408 bytes of 88" in said


def test_a_storage_is_of_one_dtype(tmp_path):
    made = {"a": crafted.tensor("0", 6, (6,)), "b": crafted.tensor("0", 3, (3,), dtype="i8")}
    data = crafted.pth(crafted.program(crafted.dictionary(made)), [WEIGHT])
    assert "should hold f4, and then again i8" in refusal(tmp_path, data)


def read_next(program, *how):
    return pickles.read_next(io.BytesIO(program), *how)


@pytest.mark.parametrize("reading", [pickles.read, read_next])
def test_a_pickle_has_up_to_eight_mebibytes(reading):
    for length in (8 << 20, (8 << 20) + 1):
        whole = b"\x80\x02X" + struct.pack("<I", length - 8) + b"x" * (length - 8) + b"."
        if length == 8 << 20:
            assert len(reading(whole, *NONE)) == length - 8
        else:
            with pytest.raises(DataError, match="its pickle"):
                reading(whole, *NONE)


# archives that are not what they seem


def good(**more):
    made = crafted.program(crafted.dictionary({"w": crafted.tensor("0", 6, (2, 3))}))
    return crafted.pth(made, [WEIGHT], **more)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil"])
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, name):
    assert "leads out of the archive" in refusal(tmp_path, good(more=[(name, b"")]))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path):
    assert "have different names" in refusal(
        tmp_path, good(more=[("net/data/0", WEIGHT.tobytes())])
    )


def test_a_compressed_bomb_is_refused_without_being_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGE", 1 << 20)
    bomb = good(more=[("net/data/9", bytes(30 << 20))], compression=zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    try:
        assert "made to fill the memory" in refusal(tmp_path, bomb)
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_a_member_that_claims_more_than_the_file_is_refused_before_memory_is_asked_for(tmp_path):
    data = bytearray(good())
    entry = data.rindex(b"PK\1\2", 0, data.index(b"net/data/0", data.index(b"PK\1\2")))
    data[entry + 20 : entry + 24] = (1 << 30).to_bytes(4, "little")  # its compressed size
    tracemalloc.start()
    try:
        assert "claims 1,073,741,824 bytes" in refusal(tmp_path, bytes(data))
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_big_endian_bytes_are_refused(tmp_path):
    with zipfile.ZipFile(io.BytesIO(good())) as whole:
        members = [(m, whole.read(m)) for m in whole.namelist() if "byteorder" not in m]
    data = crafted.archive([*members, ("net/byteorder", b"big")])
    assert "big-endian" in refusal(tmp_path, data)


def test_a_torchscript_program_and_other_archives_are_told_apart(tmp_path):
    assert "TorchScript" in refusal(tmp_path, good(more=[("net/constants.pkl", b"")]))
    assert "neither a .pth" in refusal(tmp_path, crafted.archive([("readme.txt", b"hello")]))
    assert "one data.pkl, this one 2" in refusal(tmp_path, good(more=[("other/data.pkl", b"")]))


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"<html>"])
def test_something_else_is_refused_by_its_first_bytes(tmp_path, data):
    assert "expected a file of weights" in refusal(tmp_path, data)


def test_folders_and_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "nothing"):
        with pytest.raises(DataError, match=path.name):
            read(path)


@pytest.mark.parametrize("found", [b"K\x05", b"]", b"}", b"}X\x01\0\0\0aK\x05s"])
def test_a_pickle_without_tensors_says_what_it_holds(tmp_path, found):
    assert "not tensors by name" in refusal(tmp_path, crafted.pth(crafted.program(found)))


# damage


def test_every_truncation_is_noticed(tmp_path):
    whole = good()
    for keep in range(16, len(whole) - 1):
        refusal(tmp_path, whole[:keep])


def test_any_flipped_bit_is_noticed_or_harmless(tmp_path, rng):
    whole = good()
    for at in rng.choice(8 * len(whole), 400, replace=False):
        data = bytearray(whole)
        data[at // 8] ^= 1 << at % 8
        try:
            found = read(write(tmp_path, bytes(data))).arrays
        except DataError:
            continue
        np.testing.assert_array_equal(*found.values(), WEIGHT)
