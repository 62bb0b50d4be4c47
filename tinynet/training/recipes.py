"""Recipes: the settings of a run, and the parts built from them; `presets` has the named ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from tinynet import models
from tinynet.core.backend import Device
from tinynet.core.errors import DataError, DeviceError
from tinynet.data import DataLoader, is_folder
from tinynet.models.two_devices import TwoDeviceModel, device_pair
from tinynet.nn import Module
from tinynet.optim import SGD, Adam, AdamW, Cosine, MultiStep, Optimizer, ReduceOnPlateau, Schedule
from tinynet.training import input_pipeline
from tinynet.training.input_pipeline import PLAIN_SIDE
from tinynet.training.recipe_data import Sets, open_sets
from tinynet.words import Sentence, sentence

OPTIMIZERS = ("sgd", "nesterov", "adam", "adamw")
SCHEDULES = ("cosine", "plateau")  # beside drops at fractions of the run
SPLITS = ("stratified", "hashed")
HELD_OUT = 0.1  # of the training images, for a schedule that waits for the validation error


class Training(NamedTuple):
    """Parts of a run, as `tn.fit` takes them."""

    model: Module
    optimizer: Optimizer
    train: DataLoader
    test: DataLoader
    validation: DataLoader | None
    schedule: Schedule


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of one run: everything that affects its result.

    Two runs of one recipe with one seed on one machine give the same weights bit for bit.

    Attributes
    ----------
    model, variant : str
        A network of `tn.models`; the variant is one of alexnet.
    cross_at : str or None
        Of two towers: the convolution that sees all maps (`models.build`).
    data : str
        A data set by name, or "folder:PATH".
    batch_size : int
        Images per step.
    lr : float
        The base learning rate.
    schedule : pairs, or str
        Pairs (fraction, factor): from that fraction of all steps on, the rate is ``lr * factor``.
        Or "cosine": up for a twentieth of the run, then down to 0. Or "plateau": divided by 10
        when the validation error stalls (`optim.ReduceOnPlateau`).
    validation : float
        Fraction of the training images that are held out, chosen by their bytes. A plateau is seen
        on them, and the best weights are chosen by them.
    split : str
        Of image folders: "stratified", or "hashed" in runs of version 0.1; see
        `data.ImageFolder`.
    optimizer : "sgd" by the paper's rule, "nesterov", "adam" or "adamw"
    bias_lr_scale, fixed_bias_lr : float
        Factor of the rate of biases, or their own rate, which no schedule changes. Biases never
        decay.
    weight_decay, linear_weight_decay, local_weight_decay : float
        Of convolutions, and of linear and locally connected layers where they differ.
    preprocess : "standardize" or "mean-image"
        Each channel to mean 0 and standard deviation 1, or minus the mean image of the training
        set, on 0..255.
    input_scale : float
        Factor of the normalized values.
    enlarge : int
        Each pixel becomes a square of this side, in pixels, before anything else.
    size : int or None
        In place of `enlarge`: side of the images in pixels; of an image in a file it is the
        shorter side, and the middle square is taken.
    crop : int or None
        Side of the window in pixels: at random in training, in the middle for tests.
    pad : int
        In place of `crop`: zeros on all sides, in pixels, then a random window of the image's own
        size in training.
    horizontal_flip : bool
        Flip each image with probability one half.
    precision : "float32", "tf32" or "bfloat16"
        On a GPU, see `tinynet.precision`. `tinynet eval` computes in float32.
    color_noise : float
        Standard deviation of the paper's PCA color noise (section 4.1); 0 is none.
    init_from : str
        A weight file to start from.
    freeze : str
        Layers that are not trained, with commas between them.

    Examples
    --------
    >>> from tinynet.training import presets
    >>> built = presets.find("demo").build()
    >>> built.train.steps, built.schedule
    (60, Cosine(0.02, warmup=0.05))
    """

    name: str
    about: str
    model: str
    variant: str | None = None
    cross_at: str | None = None
    data: str = "cifar10"
    epochs: int
    batch_size: int = 128
    lr: float
    schedule: tuple[tuple[float, float], ...] | str = ()
    validation: float = 0.0
    split: str = "stratified"
    optimizer: str = "sgd"
    momentum: float = 0.9
    bias_lr_scale: float = 1.0
    fixed_bias_lr: float | None = None
    weight_decay: float = 5e-4
    linear_weight_decay: float | None = None
    local_weight_decay: float | None = None
    preprocess: str = "standardize"
    input_scale: float = 1.0
    enlarge: int = 1
    size: int | None = None
    pad: int = 0
    crop: int | None = None
    horizontal_flip: bool = False
    precision: str = "float32"
    color_noise: float = 0.0
    seed: int = 0
    init_from: str = ""
    freeze: str = ""

    @property
    def images(self) -> str:
        """Name of the data set; of a folder of images, its own name alone."""
        return Path(self.data.removeprefix("folder:")).name if is_folder(self.data) else self.data

    @property
    def title(self) -> Sentence:
        """Name, data set and seed in a few words."""
        said = "{name} on {data}, seed {seed}"
        return sentence(said, name=self.name, data=self.images, seed=self.seed)

    def build(
        self,
        data_dir: Path | None = None,
        devices: Sequence[str | Device] = ("cpu",),
        sets: Sets | None = None,
    ) -> Training:
        """Return the parts of a run: model, optimizer, loaders and schedule.

        Parameters
        ----------
        data_dir : Path, optional
            Folder of the data set's files; None is the default place.
        devices : sequence of str or Device
            Device of the model, or two for a model on two devices.
        sets : data sets, optional
            In place of the recipe's: (train, test) or (train, test, validation).
        """
        found = open_sets(self, data_dir) if sets is None else sets
        model = place_model(self.build_model(len(found[0].classes)), devices)
        loaders = input_pipeline.loaders(self, *found)
        schedule = self.build_schedule()
        optimizer = self.build_optimizer(model)
        validation = loaders[2] if len(loaders) > 2 else None
        return Training(model, optimizer, loaders[0], loaders[1], validation, schedule)

    def build_model(self, classes: int) -> Module:
        """Return the network with its initial weights.

        Raises
        ------
        DataError
            Where there is no such network; its name may come from a file.
        """
        try:
            return models.build(
                self.model, classes, self.seed, self.variant, cross_at=self.cross_at
            )
        except ValueError as error:
            raise DataError(str(error)) from None

    def build_schedule(self) -> Schedule:
        """Return the learning-rate schedule."""
        if self.schedule == "plateau":
            return ReduceOnPlateau(self.lr)
        if self.schedule == "cosine":
            return Cosine(self.lr, warmup=0.05)
        return MultiStep(self.lr, cast("Any", self.schedule))

    def build_optimizer(self, model: Module) -> Optimizer:
        """Return the optimizer, with biases at their own rate and without decay."""
        decays = {  # by the number of axes of the weight
            2: self._decay(self.linear_weight_decay),
            4: self.weight_decay,
            6: self._decay(self.local_weight_decay),
        }
        members: dict[int, list[Any]] = {}
        for parameter in model.parameters():
            members.setdefault(len(parameter.shape), []).append(parameter)
        groups = [
            {
                "params": parameters,
                "lr_scale": 1.0 if axes in decays else self.bias_lr_scale,
                "lr": None if axes in decays else self.fixed_bias_lr,
                "weight_decay": decays.get(axes, 0.0),
            }
            for axes, parameters in members.items()
        ]
        if self.optimizer in ("adam", "adamw"):
            make = Adam if self.optimizer == "adam" else AdamW
            return make(groups, lr=self.build_schedule())
        nesterov = self.optimizer == "nesterov"
        return SGD(groups, lr=self.build_schedule(), momentum=self.momentum, nesterov=nesterov)

    def _decay(self, own: float | None) -> float:
        return self.weight_decay if own is None else own


def place_model(model: Module, devices: Sequence[str | Device]) -> Module:
    """Move a model to its device, or a model on two devices to both; return it.

    Raises
    ------
    DeviceError
        Where a device does not exist, or there are two devices for a model of one.
    """
    if isinstance(model, TwoDeviceModel):
        return model.place(devices)
    if len(devices) != 1:
        raise DeviceError(
            f"train: {type(model).__name__} runs on one device, got {', '.join(map(str, devices))}."
        )
    return model.to(devices[0])


def suited(recipe: Recipe) -> Recipe:
    """Return the recipe with the settings that its network and its data set need.

    Crops have the input size of the network. Digits are not flipped. Images in files are read at
    the given size, and are not enlarged.
    """
    recipe = _cropped(recipe)
    if recipe.size is not None or is_folder(recipe.data):
        size = recipe.size or PLAIN_SIDE * recipe.enlarge
        recipe = dataclasses.replace(recipe, size=size, enlarge=1)
    if recipe.data != "mnist":
        return recipe
    return dataclasses.replace(recipe, horizontal_flip=False, color_noise=0.0)


def _cropped(recipe: Recipe) -> Recipe:
    """Return a recipe that crops to the input size of its network.

    The images are enlarged until they are larger than a crop. A network for images of their own
    size sees them whole.
    """
    side = models.entry(recipe.model, recipe.variant).side
    if recipe.crop in (None, side):
        return recipe
    if side == PLAIN_SIDE:
        return dataclasses.replace(recipe, crop=None, enlarge=1)
    return dataclasses.replace(recipe, crop=side, enlarge=side // PLAIN_SIDE + 1)


def on_two_devices(recipe: Recipe, devices: Sequence[str | Device], cross_at: str | None) -> Recipe:
    """Return the recipe for the two-tower form of its network.

    Parameters
    ----------
    recipe : Recipe
    devices : sequence of str or Device
        Two of them, or one for both towers.
    cross_at : str or None
        The convolution that sees all maps (`models.CROSS_LAYERS`); None means conv3.

    Raises
    ------
    DataError
        Where the network has no two-tower form.
    DeviceError
        Where a device does not exist, or there are more than two.
    """
    device_pair(devices)
    model = models.two_tower_form(recipe.model)
    if model is None or recipe.variant is not None:
        raise DataError(
            f"{recipe.name}: this recipe has no two towers. small-alexnet and alexnet have."
        )
    return dataclasses.replace(recipe, model=model, cross_at=cross_at)
