"""The stratified split of an image folder: every class has its share, and little moves."""

import shutil

import numpy as np
import pytest

from support.image_files import fill, names
from tinynet.core.errors import DataError
from tinynet.data import ImageFolder

PARTS = ("train", "validation", "test")


def counts(root, part, **settings):
    found = ImageFolder(root, part, **settings)
    return np.bincount(found.labels, minlength=len(found.classes)).tolist()


@pytest.fixture
def three(tmp_path):
    """Write 10, 20 and 31 images of three classes."""
    for name, first, n in (("ant", 0, 10), ("bee", 100, 20), ("cat", 200, 31)):
        fill(tmp_path / name, range(first, first + n))
    return tmp_path


def test_every_class_has_its_share_of_each_part(three):
    assert counts(three, "test") == [2, 4, 6]
    assert counts(three, "train") == [8, 16, 25]
    split = {part: counts(three, part, validation=0.25) for part in PARTS}
    assert split == {"train": [6, 12, 19], "validation": [2, 4, 6], "test": [2, 4, 6]}


def test_the_parts_are_all_images_and_share_none(three):
    found = [names(ImageFolder(three, part, validation=0.2)) for part in PARTS]
    assert sum(map(len, found)) == 61
    assert len(set.union(*found)) == 61


def test_a_class_of_two_has_one_in_each_part(three):
    fill(three / "dog", [300, 301])
    assert counts(three, "test")[3] == 1
    assert counts(three, "train")[3] == 1


def test_a_class_of_one_is_trained_on_and_a_warning_says_so(three):
    fill(three / "dog", [300])
    with pytest.warns(UserWarning, match="no image for test is of dog"):
        assert counts(three, "train")[3] == 1


def test_a_new_image_moves_at_most_one_of_the_old_ones(three):
    before = names(ImageFolder(three, "test"))
    for seed in range(400, 430):
        fill(three / "cat", [seed])
        after = names(ImageFolder(three, "test"))
        old = after - {f"{seed}.png"}
        assert len(before - old) + len(old - before) <= 1
        before = after


def test_names_and_copies_change_nothing(three, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for path in three.rglob("*.png"):
        place = other / path.parent.name
        place.mkdir(exist_ok=True)
        for name in (f"x{path.stem}", f"copy of {path.stem}"):
            shutil.copy(path, place / f"{name}.png")
    once = {path.read_bytes() for path in ImageFolder(three, "test").images.paths}
    twice = [path.read_bytes() for path in ImageFolder(other, "test").images.paths]
    assert once == set(twice)
    assert len(twice) == 2 * len(once)


def test_an_image_in_two_classes_is_in_one_part(three):
    for path in sorted((three / "ant").iterdir()):
        shutil.copy(path, three / "bee" / f"again {path.name}")
    with pytest.warns(UserWarning, match="contradict"):
        parts = [ImageFolder(three, part) for part in ("train", "test")]
    train, test = ({path.read_bytes() for path in part.images.paths} for part in parts)
    assert not train & test


def test_an_unknown_split_is_refused(three):
    with pytest.raises(ValueError, match="split is one of stratified, hashed, not 'random'"):
        ImageFolder(three, split="random")


# folders that are not sorted


@pytest.mark.parametrize("names", [("train", "test"), ("training", "val"), ("train",)])
def test_images_directly_in_folders_called_as_parts_are_refused(tmp_path, names):
    for i, name in enumerate(names):
        fill(tmp_path / name, range(5 * i, 5 * i + 5))
    called = " and ".join(sorted(names))
    with pytest.raises(DataError, match=f"{called} holds? images directly, .*or name the class"):
        ImageFolder(tmp_path)


def test_a_class_beside_train_makes_train_a_class(tmp_path):
    fill(tmp_path / "train", range(5))
    fill(tmp_path / "plane", range(5, 10))
    assert ImageFolder(tmp_path).classes == ("plane", "train")
