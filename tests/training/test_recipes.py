"""Recipes: the numbers of the papers' settings, and the parts that are built from them."""

import dataclasses
import json
from types import SimpleNamespace

import pytest

from tinynet import data, models, nn, optim
from tinynet.core.errors import DataError
from tinynet.models import published_training
from tinynet.training import input_pipeline, loop, presets
from tinynet.training.metrics import RunningMetrics
from tinynet.training.presets import RECIPES, find
from tinynet.training.recipe_json import RENAMED, from_json
from tinynet.training.recipes import Recipe, suited
from tinynet.training.steps import train_step

SHAPES = data.Shapes(train=True)
FOUR = SimpleNamespace(images=SHAPES.images[:4], labels=SHAPES.labels[:4], classes=SHAPES.classes)
TINY = Recipe(name="t", about="", model="demo", epochs=1, lr=0.5)


def rates(recipe, steps):
    return [recipe.build_schedule().rate(step, steps) for step in range(steps)]


def test_the_learning_rate_falls_at_its_fractions_of_the_run():
    recipe = dataclasses.replace(TINY, schedule=((0.5, 0.1), (0.75, 0.01)))
    assert rates(recipe, 8) == [0.5] * 4 + [0.05] * 2 + [0.005] * 2


def test_without_a_schedule_the_learning_rate_stays():
    assert rates(TINY, 3) == [0.5] * 3


def test_cifar_quick_falls_after_exactly_eight_of_its_nine_epochs():
    steps = 9 * 391
    before, after = (
        find("cifar-quick").build_schedule().rate(s, steps) for s in (8 * 391 - 1, 8 * 391)
    )
    assert (before, after) == (0.001, pytest.approx(0.0001))


def test_cifar_18pct_falls_after_120_and_130_epochs():
    recipe, steps = find("cifar-18pct"), 140 * 391
    assert recipe.build_schedule().rate(120 * 391 - 1, steps) == 0.001
    assert recipe.build_schedule().rate(120 * 391, steps) == pytest.approx(1e-4)
    assert recipe.build_schedule().rate(130 * 391, steps) == pytest.approx(1e-5)


@pytest.mark.parametrize("name", ["resnet-20", "resnet-56"])
def test_a_residual_net_takes_64000_steps_and_falls_after_32000_and_48000(name):
    recipe, steps = find(name), 164 * 391

    def rate(step):
        return recipe.build_schedule().rate(step, steps)

    assert abs(recipe.epochs * 391 - 64_000) < 391
    falls = [s for s in range(1, steps) if rate(s) != rate(s - 1)]
    assert falls == pytest.approx([32_000, 48_000], rel=0.005)
    assert rate(0) == 0.1
    assert rate(steps - 1) == pytest.approx(0.001)


def test_a_dense_net_falls_after_150_and_225_of_300_epochs():
    recipe, steps = find("densenet-bc-100"), 300 * 782
    assert (recipe.epochs, recipe.batch_size, recipe.optimizer) == (300, 64, "nesterov")
    for epoch, rate in ((149, 0.1), (150, 0.01), (224, 0.01), (225, 0.001)):
        assert recipe.build_schedule().rate(epoch * 782, steps) == pytest.approx(rate)


def test_a_cosine_rises_for_a_twentieth_of_the_run_and_falls_to_nothing():
    found = rates(dataclasses.replace(TINY, schedule="cosine"), 100)
    assert found[:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert found[-1] < 0.001


def test_a_plateau_is_seen_in_the_records_of_the_run():
    recipe = dataclasses.replace(TINY, schedule="plateau", validation=0.1)
    assert from_json(json.loads(json.dumps(dataclasses.asdict(recipe)))) == recipe
    assert recipe.build_schedule().rate(0, 9, [0.5] * 5) == 0.5
    assert recipe.build_schedule().rate(0, 9, [0.5] * 7) == pytest.approx(0.05)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_plateau_without_pictures_to_see_it_on_is_refused(share):
    settings = {**dataclasses.asdict(TINY), "schedule": "plateau", "validation": share}
    with pytest.raises(ValueError, match="validation is a fraction"):
        from_json(settings)


def test_a_schedule_or_an_update_that_nobody_knows_is_refused():
    for changes in ({"schedule": "linear"}, {"optimizer": "adagrad"}):
        settings = {**dataclasses.asdict(TINY), **changes}
        with pytest.raises((ValueError, TypeError)):
            from_json(settings)


def test_the_update_is_the_one_that_the_recipe_names():
    net = nn.Sequential(nn.Linear(2, 2))
    kinds = {
        name: dataclasses.replace(TINY, optimizer=name).build_optimizer(net)
        for name in ("sgd", "nesterov", "adam", "adamw")
    }
    assert type(kinds["adam"]) is optim.Adam
    assert type(kinds["adamw"]) is optim.AdamW
    assert [kinds[name].nesterov for name in ("sgd", "nesterov")] == [False, True]


def test_an_unknown_recipe_is_answered_with_the_known_ones_and_a_guess():
    with pytest.raises(
        ValueError, match=r"'cifar-qick'.*demo, cifar-quick.*Did you mean cifar-quick"
    ):
        find("cifar-qick")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_json_and_names_a_model_that_exists(name):
    recipe = RECIPES[name]
    assert from_json(json.loads(json.dumps(dataclasses.asdict(recipe)))) == recipe
    assert recipe.name == name
    assert recipe.model in models.names()


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_gives_its_model_pictures_of_the_right_size(name):
    recipe = RECIPES[name]
    assert models.INPUT_SHAPES[recipe.model][1] == (recipe.crop or 32 * recipe.enlarge)


@pytest.mark.parametrize("name", [name for name in RECIPES if RECIPES[name].crop])
@pytest.mark.parametrize(
    ("model", "variant", "enlarge", "crop"),
    [
        *(("alexnet", variant, 8, 227) for variant in ("caffe", "caffenet", "batchnorm-227")),
        ("alexnet", "torchvision", 8, 224),
        ("resnet-18", None, 8, 224),
        ("inception-v4", None, 10, 299),
        ("cifar-11pct", None, 1, 24),
        ("small-resnet", None, 1, None),
    ],
)
def test_crops_are_as_large_as_the_network_is_made_for(name, model, variant, enlarge, crop):
    found = suited(dataclasses.replace(find(name), model=model, variant=variant))
    assert (found.enlarge, found.crop) == (enlarge, crop)
    loop, test = input_pipeline.loaders(dataclasses.replace(found, batch_size=2), FOUR, FOUR)
    side = models.entry(model, variant).side
    for feed in (loop, test):
        assert next(iter(feed.batches(0)))[0].shape[1:] == (3, side, side)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_suits_its_own_network(name):
    assert suited(find(name)) == find(name)


def test_pictures_in_files_are_read_larger_for_a_network_that_crops_more():
    own = dataclasses.replace(find("alexnet"), data="folder:/pictures", model="inception-v4")
    assert (suited(own).size, suited(own).enlarge, suited(own).crop) == (320, 1, 299)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (
            "alexnet",
            {"variant": "batchnorm-227"},
            ["0.0001 throughout", "(Adam)", "weight decay (none)"],
        ),
        (
            "alexnet",
            {"variant": "caffe"},
            ["colour noise (none)", "2 times the rate of the weights, no decay"],
        ),
        ("alexnet-code2012", {"variant": None}, ["paper has other", "decay like the weights"]),
        ("alexnet", {"variant": "half"}, []),
        ("alexnet-code2012", {}, []),
        ("alexnet", {"variant": "caffe", "init_from": "a.pth"}, []),
        ("demo", {"model": "alexnet", "variant": "caffe"}, []),
    ],
)
def test_a_variant_that_was_trained_otherwise_is_told_how(name, changes, words):
    said = presets.published_differences(dataclasses.replace(find(name), **changes))
    assert all(word in str(said) for word in words)
    assert (said is not None) == bool(words)


def test_the_published_settings_are_compared_as_values(monkeypatch):
    """Two descriptions may be equal; the values decide."""
    caffe = dataclasses.replace(find("alexnet"), variant="caffe")
    told = str(presets.published_differences(caffe))
    monkeypatch.setattr(published_training, "describe", lambda training, field: "the same")
    again = str(presets.published_differences(caffe))
    assert told.count("(") == again.count("(the same)") == 3
    assert "--" not in told, "a library does not speak of flags"


@pytest.mark.parametrize("cross_at", ["conv3", "conv4", "nowhere", None])
def test_a_recipe_of_version_0_1_has_its_cross_layer_in_variant(cross_at):
    recipe = dataclasses.replace(
        find("small-alexnet"), model="small-alexnet-two-towers", cross_at=cross_at
    )
    old = json.loads(json.dumps(dataclasses.asdict(recipe)))
    old["variant"] = old.pop("cross_at")
    assert from_json(old) == recipe
    assert from_json(json.loads(json.dumps(dataclasses.asdict(recipe)))) == recipe


def test_a_variant_of_version_0_1_stays_one():
    old = json.loads(json.dumps(dataclasses.asdict(find("alexnet-code2012"))))
    del old["cross_at"]
    assert from_json(old) == find("alexnet-code2012")


def test_recipes_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        find("demo").lr = 1


def test_digits_are_never_mirrored():
    recipe = dataclasses.replace(find("small-alexnet"), data="mnist")
    assert not suited(recipe).horizontal_flip
    assert suited(find("small-alexnet")).horizontal_flip


def test_pictures_in_files_are_read_at_the_size_that_the_recipe_enlarges_to():
    own = dataclasses.replace(find("alexnet"), data="folder:/pictures")
    assert (suited(own).size, suited(own).enlarge) == (256, 1)
    asked = dataclasses.replace(find("small-alexnet"), data="imagenette", size=40)
    assert suited(asked).size == 40
    assert suited(find("alexnet")).enlarge == 8


@pytest.mark.parametrize("update", ["sgd", "nesterov", "adam", "adamw"])
def test_biases_learn_at_their_own_rate_and_never_decay(update):
    net = nn.Sequential(
        nn.Conv2d(1, 2, 1),
        nn.BatchNorm2d(2),
        nn.Flatten(),
        nn.Linear(2, 2),
        nn.LocallyConnected2d(1, 1, size=2, kernel_size=1),
    )
    recipe = dataclasses.replace(
        TINY,
        optimizer=update,
        bias_lr_scale=2.0,
        weight_decay=0.1,
        linear_weight_decay=0.3,
        local_weight_decay=0.4,
    )
    settings = {
        id(p): (group["lr_scale"], group["weight_decay"])
        for group in recipe.build_optimizer(net).param_groups
        for p in group["params"]
    }
    assert len(settings) == 8
    found = {name: settings[id(p)] for name, p in net.named_parameters()}
    assert found == {
        "0.weight": (1.0, 0.1),
        "0.bias": (2.0, 0.0),
        "1.weight": (2.0, 0.0),
        "1.bias": (2.0, 0.0),
        "3.weight": (1.0, 0.3),
        "3.bias": (2.0, 0.0),
        "4.weight": (1.0, 0.4),
        "4.bias": (2.0, 0.0),
    }


def test_biases_may_have_a_rate_that_no_schedule_changes():
    recipe = find("alexnet-code2012")
    found = recipe.build_optimizer(nn.Sequential(nn.Linear(2, 2)))
    assert [(g["lr"], g["weight_decay"]) for g in found.param_groups] == [(None, 5e-4), (0.02, 0.0)]
    epochs = [recipe.build_schedule().rate(100 * epoch, 9300) for epoch in (22, 23, 51, 78)]
    assert epochs == pytest.approx([0.01, 0.001, 1e-4, 1e-5])


def test_a_recipe_builds_its_variant():
    with nn.init.skip_init():
        net = find("alexnet-code2012").build_model(10)
    assert any(isinstance(layer, nn.SpatialResponseNorm) for layer in net.features)
    with pytest.raises(DataError, match=r"^alexnet: no variant 'x'.*code2012"):
        dataclasses.replace(find("alexnet-code2012"), variant="x").build_model(10)


def test_linear_layers_decay_like_convolutions_unless_they_have_their_own():
    net = nn.Sequential(nn.Linear(2, 2))
    group = dataclasses.replace(TINY, weight_decay=0.1).build_optimizer(net).param_groups[0]
    assert group["weight_decay"] == 0.1


def test_the_optimizer_is_the_papers():
    made = find("small-alexnet").build_optimizer(nn.Sequential(nn.Linear(2, 2)))
    assert (made.lr, made.momentum, made.rule) == (0.01, 0.9, "paper")


FAMILIES = [r.name for r in RECIPES.values() if r.name.startswith("small-") and r.data == "shapes"]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_learns_four_pictures_by_heart(name):
    """In a few steps, at a tenth of its rate, on the recipe's own feed: its loss falls."""
    recipe = dataclasses.replace(find(name), batch_size=4)
    net = models.build(recipe.model)
    changes = recipe.build_optimizer(net)
    changes.schedule = None
    changes.lr = recipe.lr / 10
    four = input_pipeline.loaders(recipe, FOUR, FOUR)[0]
    losses = []
    for epoch in range(12):
        for images, labels in four.batches(epoch):
            metrics = RunningMetrics()
            train_step(net, changes, images, labels, metrics=metrics)
            losses.append(metrics.loss / 4)
    assert losses[-1] < 0.7 * losses[0]


def test_a_recipe_in_the_names_of_version_0_1_is_read():
    today = dataclasses.asdict(find("alexnet-code2012"))
    old = {name: today[new] for name, new in RENAMED.items()}
    rest = {name: value for name, value in today.items() if name not in RENAMED.values()}
    assert from_json(json.loads(json.dumps({**rest, **old}))) == find("alexnet-code2012")
    assert from_json({**today, "preprocess": "standardise"}).preprocess == "standardize"


def test_a_recipe_builds_all_that_fit_takes():
    recipe = dataclasses.replace(find("demo"), epochs=1, batch_size=2, validation=0.5)
    built = recipe.build(sets=(FOUR, FOUR, FOUR))
    assert (built.train.steps, built.test.steps, built.validation.steps) == (2, 1, 1)
    assert built.schedule == recipe.build_schedule() == built.optimizer.schedule
    epochs = loop.fit(
        built.model,
        built.optimizer,
        built.train,
        built.test,
        epochs=1,
        validation=built.validation,
    )
    assert [e.validation_accuracy is not None for e in epochs] == [True]
