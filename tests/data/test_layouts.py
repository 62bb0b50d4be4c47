"""Layouts of image folders: Kaggle, ImageNet, Tiny ImageNet, tables of labels, parts by name."""

import shutil

import numpy as np
import pytest

from support.image_files import fill, names, picture
from tinynet.core.errors import DataError
from tinynet.data import ImageFolder
from tinynet.data.splits import PARTS

WNIDS = ("n01440764", "n02102040", "n03000684")


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def save(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = "PNG" if path.suffix == ".png" else "JPEG"
    picture(seed).save(path, kind)


def labeled(dataset):
    """Return the class of each file by its name."""
    return {
        path.name: dataset.classes[label]
        for path, label in zip(dataset.images.paths, dataset.labels, strict=True)
    }


def kaggle(root, count=20):
    """Write train/1.png ..., trainLabels.csv, and a test without labels that has the same names."""
    fill(root / "train", range(1, count + 1))
    fill(root / "test", range(1, 9))
    for path in (root / "test").iterdir():
        save(path, 1000 + int(path.stem))
    rows = [f"{i},{('frog', 'ship')[i % 2]}" for i in range(1, count + 1)]
    write(root / "trainLabels.csv", "id,label", *rows)


# Kaggle


def test_kaggles_table_says_the_classes_and_the_test_without_labels_is_no_data(tmp_path):
    kaggle(tmp_path)
    parts = [ImageFolder(tmp_path, part, side=8) for part in ("train", "test")]
    assert parts[0].classes == ("frog", "ship")
    found = labeled(parts[0]) | labeled(parts[1])
    assert found == {f"{i}.png": ("frog", "ship")[i % 2] for i in range(1, 21)}
    assert {p.parent.name for d in parts for p in d.images.paths} == {"train"}
    assert [np.bincount(d.labels).tolist() for d in parts] == [[8, 8], [2, 2]]


@pytest.mark.parametrize(
    ("table", "lines"),
    [
        ("labels.csv", ("id,breed", "1,pug", "2,collie", "3,pug", "4,collie")),
        ("train_labels.csv", ("label;image", "pug;1.png", "collie;2.png", "pug;3", "collie;4")),
        ("train.csv", ("file\tspecies", "train/1.png\tpug", "2\tcollie", "3\tpug", "4\tcollie")),
        ("Labels.CSV", ("1.png,pug", "2.png,collie", "3.png,pug", "4.png,collie")),
        ("labels.csv", ('"id","x","label"', '1,"a,b",pug', "2,c,collie", "3,d,pug", "4,,collie")),
        ("labels.csv", ("\ufeffid,label", "./1.png,pug", "2,collie", "3,pug", "4,collie", "")),
    ],
)
def test_columns_are_found_by_their_titles(tmp_path, table, lines):
    fill(tmp_path / "train", range(1, 5))
    write(tmp_path / table, *lines)
    parts = [labeled(ImageFolder(tmp_path, part)) for part in ("train", "test")]
    expected = {"1.png": "pug", "2.png": "collie", "3.png": "pug", "4.png": "collie"}
    assert parts[0] | parts[1] == expected


def test_numbers_as_classes_are_in_the_order_of_their_size(tmp_path):
    fill(tmp_path / "images", range(24))
    write(tmp_path / "labels.csv", "id,label", *(f"{i},{i // 2}" for i in range(24)))
    assert ImageFolder(tmp_path).classes == tuple(map(str, range(12)))


def test_a_table_alone_is_a_data_set_with_its_own_parts(tmp_path):
    fill(tmp_path / "a" / "deep", range(6))
    rows = [
        f"a/deep/{i}.png,{('cat', 'dog')[i % 2]},{('Train', 'val', 'test')[i // 2]}"
        for i in range(6)
    ]
    write(tmp_path / "mine.csv", "path,label,split", *rows)
    found = [names(ImageFolder(tmp_path / "mine.csv", part)) for part in PARTS]
    assert found == [{"0.png", "1.png"}, {"2.png", "3.png"}, {"4.png", "5.png"}]


def test_a_table_of_absolute_paths_is_read_if_they_lie_in_its_folder(tmp_path):
    fill(tmp_path / "a", range(8))
    rows = [f"{tmp_path}/a/{i}.png,{('cat', 'dog')[i % 2]}" for i in range(8)]
    write(tmp_path / "mine.csv", *rows)
    assert len(ImageFolder(tmp_path / "mine.csv")) == 6


def test_one_table_for_each_part(tmp_path):
    fill(tmp_path / "images", range(12))
    for name, first in (("train", 0), ("val", 6), ("test", 9)):
        rows = [f"{i},{('cat', 'dog')[i % 2]}" for i in range(first, first + 3)]
        write(tmp_path / f"{name}.csv", "id,label", *rows)
    found = [names(ImageFolder(tmp_path, part)) for part in PARTS]
    assert [sorted(n.removesuffix(".png") for n in part) for part in found] == [
        ["0", "1", "2"],
        ["6", "7", "8"],
        ["10", "11", "9"],
    ]


def test_a_table_beside_folders_of_classes_is_no_matter(tmp_path):
    fill(tmp_path / "cat", range(5))
    fill(tmp_path / "dog", range(5, 10))
    write(tmp_path / "labels.csv", "id,label", "0,zebra")
    assert ImageFolder(tmp_path).classes == ("cat", "dog")


def test_rows_without_a_file_are_counted_and_named(tmp_path):
    kaggle(tmp_path)
    (tmp_path / "train" / "7.png").unlink()
    with pytest.warns(UserWarning, match="1 of its 20 rows name no image that is there; .* is 7"):
        parts = [ImageFolder(tmp_path, part) for part in ("train", "test")]
    assert sum(map(len, parts)) == 19  # and not the image in test of that name
    assert {p.parent.name for d in parts for p in d.images.paths} == {"train"}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("id,label", "1,cat", "1,dog"), "an image has one class; 1 has cat and dog"),
        (("id,label", "1,cat", "2"), "every row names an image and its class. Row 2 does not: 2"),
        (("id,label", "1,cat", "2,"), "Row 2 does not"),
        (("id,label", "1,cat", "2,cat"), "at least two classes are expected. Found cat"),
        (("id,label", "x,cat", "y,dog"), "none of the 2 images that it names is in"),
        (("id,label", "../train/../../x,cat", "/etc/passwd,dog"), "that it names is in"),
        (("a,b,c", "1,cat,2"), "a column of names .* Found a, b, c"),
        (("id,label,split", "1,cat,train", "2,dog,other"), "parts are train, val and test. 2 is"),
        (("",), "it is empty"),
        (("id,label",), "a row for each image is expected. There is none."),
        ((",,", '""'), "it is empty"),
        (("id,label", "1,\0"), "a table is a text file"),
        (("id,label", f"1,{'x' * 70_000}"), "a line of a table is short"),
    ],
)
def test_a_table_that_is_none_is_one_sentence(tmp_path, lines, words):
    kaggle(tmp_path)
    write(tmp_path / "trainLabels.csv", *lines)
    with pytest.raises(DataError, match=words) as error:
        ImageFolder(tmp_path)
    assert "trainLabels.csv" in str(error.value)


def test_a_name_that_two_files_have_is_refused(tmp_path):
    fill(tmp_path / "a", range(4))
    fill(tmp_path / "b", range(4))
    write(tmp_path / "mine.csv", "id,label", "0,cat", "1,dog")
    with pytest.raises(DataError, match=r"names 0, and there are 2 such files; .*Give their paths"):
        ImageFolder(tmp_path / "mine.csv")


# ImageNet


def imagenet(root, place=""):
    """Write three classes, and 6 images for validation in one folder."""
    for w, wnid in enumerate(WNIDS):
        for i in range(3):
            save(root / place / "train" / wnid / f"{wnid}_{i}.JPEG", 10 * w + i)
    for i in range(6):
        save(root / place / "val" / f"ILSVRC2012_val_{i:08}.JPEG", 100 + i)


def solution(root):
    rows = [
        f"ILSVRC2012_val_{i:08},{WNIDS[i % 3]} 85 1 499 272 {WNIDS[0]} 1 2 3 4" for i in range(6)
    ]
    write(root / "LOC_val_solution.csv", "ImageId,PredictionString", *rows)


@pytest.mark.parametrize("place", ["", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC"])
def test_imagenet_is_read_as_kaggle_unpacks_it(tmp_path, place):
    imagenet(tmp_path, place)
    solution(tmp_path)
    words = ("tench, Tinca tinca", "English springer, English springer spaniel", "chain saw")
    write(
        tmp_path / "LOC_synset_mapping.txt",
        *(f"{wnid} {text}" for wnid, text in zip(WNIDS, words, strict=True)),
    )
    train, test = (ImageFolder(tmp_path, part) for part in ("train", "test"))
    assert train.classes == ("tench", "English springer", "chain saw")
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert test.labels.tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("where", ["", "val"])
def test_imagenets_validation_list_of_caffe(tmp_path, where):
    imagenet(tmp_path)
    rows = [f"ILSVRC2012_val_{i:08}.JPEG {(i + 1) % 3}" for i in range(6)]
    write(tmp_path / where / "val.txt", *rows)
    test = ImageFolder(tmp_path, "test")
    assert test.classes == WNIDS
    assert test.labels.tolist() == [1, 2, 0, 1, 2, 0]


def test_tiny_imagenet_is_read_as_it_is_unpacked(tmp_path):
    for w, wnid in enumerate(WNIDS):
        for i in range(3):
            save(tmp_path / "train" / wnid / "images" / f"{wnid}_{i}.JPEG", 10 * w + i)
        write(tmp_path / "train" / wnid / f"{wnid}_boxes.txt", "x")
    for i in range(3):
        save(tmp_path / "val" / "images" / f"val_{i}.JPEG", 100 + i)
        save(tmp_path / "test" / "images" / f"test_{i}.JPEG", 200 + i)
    rows = [f"val_{i}.JPEG\t{WNIDS[2 - i]}\t0\t32\t44\t62" for i in range(3)]
    write(tmp_path / "val" / "val_annotations.txt", *rows)
    write(tmp_path / "words.txt", *(f"{w}\tcrane, bird" for w in WNIDS))
    boxes = pytest.warns(UserWarning, match="Left out: 3;")
    with boxes, pytest.warns(UserWarning, match="test: 3 images without classes are left out"):
        test = ImageFolder(tmp_path, "test")
    assert test.labels.tolist() == [2, 1, 0]
    assert test.classes == tuple(f"crane ({wnid})" for wnid in WNIDS)


def test_imagenets_validation_without_a_list_is_left_out_and_spoken_of(tmp_path):
    imagenet(tmp_path)
    write(tmp_path / "ILSVRC2012_validation_ground_truth.txt", "490")
    with pytest.warns(UserWarning, match=r"val: 6 images without .*LOC_val_solution\.csv.*order"):
        train = ImageFolder(tmp_path)
    assert len(train) == 6  # of nine; one of each class is the test


def test_a_list_with_an_unknown_class_is_refused(tmp_path):
    imagenet(tmp_path)
    write(tmp_path / "val.txt", "ILSVRC2012_val_00000000.JPEG 7")
    with pytest.raises(DataError, match=r"ILSVRC2012_val_00000000\.JPEG is of 7"):
        ImageFolder(tmp_path)


# folders


@pytest.mark.parametrize(
    "called",
    [
        ("training_set", "test_set"),
        ("Train", "Test"),
        ("train_images", "val_images"),
        ("train", "test1"),
    ],
)
def test_folders_of_parts_by_other_names(tmp_path, called):
    for seed, part in enumerate(called):
        fill(tmp_path / part / "cat", range(20 * seed, 20 * seed + 4))
        fill(tmp_path / part / "dog", range(20 * seed + 4, 20 * seed + 8))
    train, test = (ImageFolder(tmp_path, part) for part in ("train", "test"))
    assert train.classes == test.classes == ("cat", "dog")
    assert {p.parents[1].name for p in train.images.paths} == {called[0]}
    assert {p.parents[1].name for p in test.images.paths} == {called[1]}


def test_parts_are_never_classes(tmp_path):
    """Dogs vs. Cats, and Intel Image Classification, as Kaggle unpacks them."""
    fill(tmp_path / "dogs" / "train", range(8))
    fill(tmp_path / "dogs" / "test1", range(8, 12))
    with pytest.raises(DataError, match=r"test1 and train hold images directly, so their classes"):
        ImageFolder(tmp_path / "dogs")
    for part, first in (("seg_train", 0), ("seg_test", 10), ("seg_pred", 20)):
        fill(tmp_path / "intel" / part / part / "sea", range(first, first + 4))
        fill(tmp_path / "intel" / part / part / "street", range(first + 4, first + 8))
    with pytest.raises(DataError, match=r"seg_test and seg_train are called as parts are, not as"):
        ImageFolder(tmp_path / "intel")
    assert len(ImageFolder(tmp_path / "intel" / "seg_train" / "seg_train")) == 6


def test_a_train_beside_a_bus_is_a_class(tmp_path):
    fill(tmp_path / "train", range(4))
    fill(tmp_path / "bus", range(4, 8))
    assert ImageFolder(tmp_path).classes == ("bus", "train")


def test_a_table_finds_its_images_in_the_folder_of_its_part(tmp_path):
    for seed, place in enumerate(("train_images", "test_images")):
        for i in range(8):
            save(tmp_path / place / f"{i}.png", 100 * seed + i)
    write(tmp_path / "train.csv", "image_id,label", *(f"{i},{i % 2}" for i in range(8)))
    train = ImageFolder(tmp_path)
    assert {p.parent.name for p in train.images.paths} == {"train_images"}


def test_a_folder_around_the_folder_is_named(tmp_path):
    fill(tmp_path / "archive" / "cat", range(3))
    fill(tmp_path / "archive" / "dog", range(3, 6))
    with pytest.raises(DataError, match=rf"Did you mean {tmp_path}/archive\?"):
        ImageFolder(tmp_path)


def test_hidden_tables_files_and_folders_are_never_data(tmp_path):
    kaggle(tmp_path)
    shutil.copytree(tmp_path / "train", tmp_path / ".cache" / "train")
    for path in list((tmp_path / "train").iterdir()):
        shutil.copy(path, path.with_name(f"._{path.name}"))
    write(tmp_path / "._trainLabels.csv", "x")
    assert len(ImageFolder(tmp_path)) == 16


def test_the_split_of_a_table_is_that_of_folders(tmp_path):
    kaggle(tmp_path / "table")
    for i in range(1, 21):
        place = tmp_path / "folders" / ("frog", "ship")[i % 2] / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "table" / "train" / f"{i}.png", place)
    for part in ("train", "test"):
        one, other = (ImageFolder(tmp_path / name, part) for name in ("table", "folders"))
        assert labeled(one) == labeled(other)
