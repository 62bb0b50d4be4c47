"""Pictures in folders: what belongs to which part, what a file becomes, and one sentence each."""

import warnings

import numpy as np
import pytest

from support import containers
from support.image_files import fill, names
from tinynet.core.errors import DataError
from tinynet.data import (
    ImageFolder,
    copies,
    hold_out,
    read_picture,
)
from tinynet.data.folder import TEST_SHARE, scan
from tinynet.data.splits import hash_fraction


@pytest.fixture
def named(tmp_path):
    for part, first in (("train", 0), ("val", 10), ("test", 20)):
        fill(tmp_path / part / "cat", range(first, first + 3))
        fill(tmp_path / part / "dog", range(first + 5, first + 8))
    return tmp_path


# what is there


def test_each_folder_is_a_class_and_each_file_a_picture(named):
    train = ImageFolder(named, side=6)
    assert train.classes == ("cat", "dog")
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert train.images.shape == (6, 3, 6, 6)
    assert [p.name for p in train.images.paths] == [f"{i}.png" for i in (0, 1, 2, 5, 6, 7)]


def test_hidden_folders_inside_a_class_are_no_data(named):
    fill(named / "train" / "cat" / ".ipynb_checkpoints", range(50, 53))
    fill(named / "train" / "dog" / ".Trash-0" / "files", range(60, 63))
    fill(named / "train" / "dog" / "more", [70])
    assert len(ImageFolder(named)) == 7


def test_folders_that_systems_add_are_no_data(named):
    fill(named / "train" / "cat" / "@eaDir" / "0.png", range(50, 53))
    fill(named / "train" / "__MACOSX" / "cat", range(60, 63))
    fill(named / "$RECYCLE.BIN" / "train", range(70, 73))
    train = ImageFolder(named)
    assert train.classes == ("cat", "dog")
    assert len(train) == 6


def test_a_hidden_folder_above_the_data_changes_nothing(tmp_path):
    fill(tmp_path / ".cache" / "train" / "cat", range(3))
    fill(tmp_path / ".cache" / "train" / "dog", range(5, 8))
    fill(tmp_path / ".cache" / "test" / "cat", [10])
    fill(tmp_path / ".cache" / "test" / "dog", [11])
    assert len(ImageFolder(tmp_path / ".cache")) == 6


def test_hidden_files_are_nothing_and_other_files_are_spoken_of(named):
    (named / "train" / "cat" / ".DS_Store").write_bytes(b"x")
    assert len(ImageFolder(named)) == 6
    (named / "train" / "cat" / "notes.txt").write_text("x")
    with pytest.warns(UserWarning, match=r"Left out: 1; the first is .*notes\.txt"):
        assert len(ImageFolder(named)) == 6


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda root: None, "There is nothing"),
        (lambda root: root.write_bytes(b""), "There is a file"),
        (lambda root: fill(root, [1]), "holds images directly, .* in a table .*labels.csv"),
        (lambda root: root.mkdir(), "at least two. Found 0: none"),
        (lambda root: fill(root / "cat", [1]), "at least two. Found 1: cat"),
        (lambda root: (fill(root / "cat", [1]), (root / "dog").mkdir()), "dog: the folder of a"),
        (lambda root: (fill(root / "a", [1]), fill(root / "b", [2])), "no image for test"),
    ],
)
def test_a_folder_that_holds_no_data_set_is_one_sentence(tmp_path, make, sentence):
    make(tmp_path / "pictures")
    with pytest.raises(DataError, match=sentence):
        ImageFolder(tmp_path / "pictures", "test")


def test_a_class_without_training_pictures_is_refused(named):
    fill(named / "val" / "bird", [1])
    with pytest.raises(DataError, match="bird: every class must have images to learn from"):
        ImageFolder(named)


# parts


def parts_of(root, **settings):
    return [ImageFolder(root, part, **settings) for part in ("train", "validation", "test")]


def test_the_parts_are_all_pictures_and_share_none(two_classes):
    train, validation, test = map(names, parts_of(two_classes, validation=0.25))
    assert train | validation | test == {p.name for p in two_classes.rglob("*.png")}
    assert len(train) + len(validation) + len(test) == 80
    assert 6 <= len(test) <= 26  # a fifth of 80, give or take three deviations
    assert 4 <= len(validation) <= 28


def test_the_bytes_decide_whatever_a_file_is_called(two_classes, tmp_path):
    for i, path in enumerate(sorted(two_classes.rglob("*.png"))):
        for copy in (f"{i}", f"copy of {i}"):
            place = tmp_path / path.parent.name / f"{copy}.png"
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(path.read_bytes())

    def contents(root):
        return [[p.read_bytes() for p in d.images.paths] for d in parts_of(root, validation=0.2)]

    once = contents(two_classes)
    twice = contents(tmp_path)
    assert list(map(set, once)) == list(map(set, twice))
    assert [2 * len(part) for part in once] == [len(part) for part in twice]
    assert sum(len(set(part)) for part in once) == 80


def test_more_pictures_move_none_of_those_that_were_there_if_each_is_hashed_alone(named):
    root = named / "train"
    for name, first in (("cat", 30), ("dog", 60)):
        fill(root / name, range(first, first + 20))
    before = names(ImageFolder(root, "train", split="hashed"))
    fill(root / "cat", range(50, 60))
    assert before <= names(ImageFolder(root, "train", split="hashed"))


IMAGE = containers.png(np.zeros((1, 4, 4), np.uint8))  # readers stop at its end


def long_file(path, end, middle=b""):
    """Write a file of more than 64 KiB, whose beginning is that of all others."""
    path.write_bytes(IMAGE + b"x" * copies.BEGINNING + middle + end)


def test_files_that_begin_alike_are_divided_by_their_lengths(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(1, 41):
            long_file(tmp_path / name / f"{i}.png", b"", middle=name.encode() * i)
    train, _, test = (scan(tmp_path)[1][part] for part in ("train", "validation", "test"))
    assert 6 <= len(test) <= 26
    assert len(train) + len(test) == 80


def test_files_of_one_length_that_begin_alike_are_no_copies_unless_they_end_alike(named):
    for part, end in (("train", b"a"), ("test", b"b")):
        long_file(named / part / "cat" / "x.png", end)
    assert len(ImageFolder(named)) == 7  # without a note
    long_file(named / "test" / "cat" / "y.png", b"a")
    with pytest.warns(UserWarning, match="1 images for train are left out: the same bytes"):
        assert "x.png" not in names(ImageFolder(named))


def test_a_file_is_read_to_its_end_only_where_another_begins_alike(named, monkeypatch):
    read = []
    monkeypatch.setattr(copies, "_whole", lambda path: read.append(path.name) or b"")
    long_file(named / "train" / "cat" / "a.png", b"end")
    long_file(named / "test" / "cat" / "b.png", b"other end")
    ImageFolder(named)
    assert read == []
    long_file(named / "train" / "cat" / "b.png", b"end")
    ImageFolder(named)
    assert read == ["a.png", "b.png"]


def only(folder, seeds, *, test):
    """Write a picture for each seed; keep those that the division by bytes gives to one part."""
    for path in fill(folder, seeds).iterdir():
        if (hash_fraction(copies.beginning(path), "test") < TEST_SHARE) != test:
            path.unlink()
    return len(list(folder.iterdir()))


def test_a_class_whose_pictures_all_go_to_the_test_is_refused(tmp_path):
    fill(tmp_path / "cat", range(40))
    held = only(tmp_path / "dog", range(100, 130), test=True)
    with pytest.raises(DataError, match=f"images to learn from. All {held} of dog are in other"):
        ImageFolder(tmp_path, split="hashed")


def test_a_class_without_a_picture_for_the_test_is_said_and_trained_on(tmp_path):
    fill(tmp_path / "cat", range(40))
    held = only(tmp_path / "dog", range(100, 110), test=False)
    with pytest.warns(UserWarning, match=f"for test is of dog, .* of dog there are {held} in all"):
        assert set(ImageFolder(tmp_path, split="hashed").labels) == {0, 1}


def test_a_class_without_a_picture_for_validation_is_said(named):
    for path in (named / "val" / "dog").iterdir():
        path.unlink()
    (named / "val" / "dog").rmdir()
    with pytest.warns(UserWarning, match="no image for validation is of dog"):
        ImageFolder(named, "validation")


def test_a_share_that_leaves_no_image_is_not_advised_again(tmp_path):
    fill(tmp_path / "a", [1, 2])
    fill(tmp_path / "b", [3, 4])
    with pytest.raises(DataError, match=r"no image for validation .* More images are needed\.$"):
        ImageFolder(tmp_path, "validation", validation=0.5)


def test_a_picture_in_two_classes_is_said(named):
    (named / "train" / "dog" / "y.png").write_bytes((named / "train/cat/0.png").read_bytes())
    with pytest.warns(UserWarning, match=r"^2 images have the same bytes .*train/cat/0\.png"):
        assert len(ImageFolder(named)) == 7  # both stay: it is unknown which of them is right
    fill(named / "train" / "dog", [2])
    with pytest.warns(UserWarning, match=r"^4 images have the same bytes"):
        ImageFolder(named)


def test_a_picture_in_two_classes_is_said_where_the_bytes_divide(tmp_path):
    fill(tmp_path / "cat", range(40))
    fill(tmp_path / "dog", range(39, 80))
    with pytest.warns(UserWarning, match=r"^2 images have .*contradict .*cat/39\.png"):
        ImageFolder(tmp_path)


def test_links_to_folders_are_not_followed_and_spoken_of(named):
    (named / "train" / "cat" / "more").symlink_to(named / "train" / "dog")
    with pytest.warns(
        UserWarning, match=r"links to folders are not followed, .* Left out: 1; .*cat/more"
    ):
        assert len(ImageFolder(named)) == 6


def test_names_reach_no_terminal_as_commands(named):
    wild = fill(named / "train" / "\x1b[31mred\n", [90])
    (wild / "a\rb.txt").write_text("")
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        assert ImageFolder(named).classes[0] == "\x1b[31mred\n"  # the name itself stays
    said = " ".join(str(note.message) for note in notes)
    assert said.isprintable()
    assert r"\x1b[31mred\n/a\rb.txt" in said
    assert r"for test is of \x1b[31mred\n," in said
    (wild / "90.png").write_bytes(b"")
    with pytest.raises(DataError) as error:
        read_picture(wild / "90.png", 8)
    assert str(error.value).isprintable()


def test_parts_with_names_stay_as_they_are(named):
    found = [sorted(p.parts[-3] for p in d.images.paths) for d in parts_of(named)]
    assert found == [["train"] * 6, ["val"] * 6, ["test"] * 6]


def test_a_single_part_beside_train_is_the_test(named):
    (named / "test").rename(named.parent / "elsewhere")
    assert {p.parts[-3] for p in ImageFolder(named, "test").images.paths} == {"val"}
    with pytest.raises(DataError, match=r"no image for validation .*validation=0\.1"):
        ImageFolder(named, "validation")


def test_copies_of_test_pictures_are_not_trained_on(named):
    for copied in ("test/cat/20.png", "val/dog/15.png"):
        place = (named / "train" / copied.partition("/")[2]).with_name("renamed.png")
        place.write_bytes((named / copied).read_bytes())
        with pytest.warns(UserWarning, match="1 images for train are left out"):
            assert "renamed.png" not in names(ImageFolder(named))
        place.unlink()
    (named / "val" / "cat" / "again.png").write_bytes((named / "test/cat/20.png").read_bytes())
    with pytest.warns(UserWarning, match="1 images for validation are left out"):
        assert "again.png" not in names(ImageFolder(named, "validation"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(ImageFolder(named, "test")) == 6  # the test keeps all that it has


def test_a_class_may_be_called_train(tmp_path):
    fill(tmp_path / "train", range(20))
    fill(tmp_path / "plane", range(20, 40))
    assert ImageFolder(tmp_path).classes == ("plane", "train")


def test_pictures_in_memory_are_divided_by_their_bytes():
    class Many:
        images = np.arange(300, dtype=np.uint8).reshape(300, 1, 1, 1)  # 44 of them come twice
        labels = np.arange(300)
        classes = ("a",)

    rest, held = hold_out(Many, 0.2)
    assert len(rest) + len(held) == 300
    assert not {x.tobytes() for x in rest.images} & {x.tobytes() for x in held.images}
    assert 30 <= len(held) <= 90
    np.testing.assert_array_equal(held.labels % 256, held.images[:, 0, 0, 0])
    with pytest.raises(DataError, match="leaves one of the parts empty"):
        hold_out(Many, 0.0)
