"""Checks of batches before and during training: one value per channel, and dtypes."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import data, models, nn, optim
from tinynet.core.errors import DataError, ShapeError
from tinynet.distributed.data_parallel import DistributedLoader
from tinynet.distributed.process_group import ProcessGroup
from tinynet.training.batch_check import refuse_single_values


def loader(n, batch_size, side=1, **settings):
    images = np.random.default_rng(0).standard_normal((n, 3, side, side)).astype(np.float32)
    return data.DataLoader((images, np.arange(n) % 2), batch_size=batch_size, **settings)


def net():
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def train(model, batches):
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    return list(tn.fit(model, optimizer, batches, epochs=1))


@pytest.mark.parametrize(
    ("n", "batch_size", "words"),
    [
        (17, 8, "17 images in batches of 8 leave a last batch of 1. Choose a batch size of 7"),
        (5, 1, "The batches have 1. Choose a batch size of 3"),
        (1, 8, "More images are needed"),
    ],
)
def test_one_value_per_channel_is_refused_before_the_first_step(n, batch_size, words):
    model = net()
    before = model.state_dict()["0.weight"].copy()
    with pytest.raises(
        ShapeError, match=f"at least 2 values per channel, and the layer 1 .*{words}"
    ):
        train(model, loader(n, batch_size))
    np.testing.assert_array_equal(model.state_dict()["0.weight"], before)
    assert model.training


@pytest.mark.parametrize(("n", "batch_size"), [(17, 8), (5, 1), (33, 32), (13, 3), (11, 10)])
def test_the_batch_size_that_is_offered_works(n, batch_size):
    with pytest.raises(ShapeError) as refused:
        train(net(), loader(n, batch_size))
    offered = int(str(refused.value).rpartition("batch size of ")[2].rstrip("."))
    assert train(net(), loader(n, offered))


@pytest.mark.parametrize(
    "batches",
    [loader(17, 8, side=2), loader(17, 8, drop_last=True), loader(18, 8), loader(17, 17)],
    ids=["four values", "dropped", "two images", "one batch"],
)
def test_what_works_is_not_refused(batches):
    model = (
        net()
        if batches.dataset.images.shape[-1] == 1
        else nn.Sequential(net()[:2], nn.Flatten(), nn.Linear(16, 2))
    )
    assert train(model, batches)


def test_without_batch_normalization_one_image_is_a_batch():
    assert train(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)), loader(17, 8))


def test_a_frozen_batch_normalization_does_not_mind():
    model = net()
    model[1].freeze()
    assert train(model, loader(17, 8))


def test_the_crop_decides_how_many_values_there_are():
    cropped = loader(17, 8, side=4, transform=data.RandomCrop(1))
    with pytest.raises(ShapeError, match="at least 2 values"):
        train(net(), cropped)


def test_a_small_image_in_a_deep_network_is_found_by_the_name_of_the_layer():
    images = np.zeros((17, 3, 32, 32), np.uint8)
    batches = data.DataLoader((images, np.arange(17) % 2), batch_size=8)
    with nn.init.skip_init():
        model = models.build("resnet-18", 2)
    with pytest.raises(ShapeError, match=r"layer layer4\.0\.bn1 would get 1"):
        refuse_single_values(model, batches)
    assert all(module.training for _, module in model.named_modules())


def test_the_share_of_a_rank_counts():
    group = ProcessGroup()
    group.size = 2
    with pytest.raises(ShapeError, match="a last batch of 3, shared by 2 ranks"):
        refuse_single_values(net(), DistributedLoader(loader(19, 8), group))
    refuse_single_values(net(), DistributedLoader(loader(20, 8), group))


def test_a_loader_of_ones_own_passes():
    class Batches:
        steps = 1

        def batches(self, epoch, first=0):
            yield np.zeros((2, 3, 1, 1), np.float32), np.array([0, 1])

    assert train(net(), Batches())


# dtypes


def of(images):
    class Batches:
        steps = 1

        def batches(self, epoch, first=0):
            yield images, np.arange(len(images)) % 2

    return Batches()


@pytest.mark.parametrize("dtype", [np.float64, np.uint8, np.int64, bool, complex, str, object])
def test_images_of_another_type_are_refused_in_a_sentence(dtype):
    images = np.ones((4, 3, 1, 1)).astype(dtype)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 2))
    words = r"must be floats, no wider than the weights \(float32\); got .*astype\(np\.float32\)"
    with pytest.raises(TypeError, match=f"fit: .*{words}"):
        train(model, of(images))
    with pytest.raises(TypeError, match=f"evaluate: .*{words}"):
        tn.evaluate(model, of(images))


@pytest.mark.parametrize("dtype", [complex, str, object])
def test_images_that_are_no_real_numbers_are_refused(dtype):
    images = np.ones((4, 3, 1, 1)).astype(dtype)
    with pytest.raises(DataError, match="images are one array of numbers"):
        data.DataLoader((images, np.arange(4) % 2), batch_size=2)


@pytest.mark.parametrize("dtype", [bool])
def test_a_data_set_of_neither_integers_nor_floats_is_refused(dtype):
    images = np.ones((4, 3, 1, 1)).astype(dtype)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 2))
    pairs = (images, np.arange(4) % 2)
    with pytest.raises(TypeError, match="fit: images are integers or floats, got"):
        train(model, data.DataLoader(pairs, batch_size=2))
    with pytest.raises(TypeError, match="evaluate: images are integers or floats, got"):
        tn.evaluate(model, pairs)
    with pytest.raises(
        TypeError, match=r"predict: .* of integers or floats, got .* \(4, 3, 1, 1\)"
    ):
        tn.predict(model, images)


def test_narrower_floats_and_wider_weights_are_taken():
    images = np.ones((4, 3, 1, 1), np.float16)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 2))
    assert train(model, of(images))
    wide = nn.Sequential(nn.Flatten(), nn.Linear(3, 2)).to(np.float64)
    assert train(wide, of(images.astype(np.float32)))
    assert train(wide, of(images.astype(np.float64)))


@pytest.mark.parametrize("wrong", [None, "pictures", 3])
def test_what_is_no_array_is_refused(wrong):
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 2))
    with pytest.raises(TypeError, match=r"predict: images are an array"):
        tn.predict(model, wrong)
    with pytest.raises(TypeError, match="evaluate: a data set has images"):
        tn.evaluate(model, wrong)


def test_model_and_images_in_the_wrong_order_are_noticed():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 2))
    for function in (tn.evaluate, tn.predict):
        with pytest.raises(TypeError, match=r"the model must be an nn\.Module, got ndarray"):
            function(np.zeros((4, 3)), model)


def test_the_check_works_on_a_gpu(cupy):
    model = net().to("cuda")
    with pytest.raises(ShapeError, match="at least 2 values per channel"):
        train(model, loader(17, 8))
    assert all(module.training for _, module in model.named_modules())
