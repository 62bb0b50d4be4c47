"""Dropout and data augmentation (sections 4.1 and 4.2)."""

from tinynet.claims.claim import Arm, Claim, Comparison
from tinynet.claims.trial import Trial

WITH_HIDDEN = Trial(network="four-layers", options={"hidden": [256]})

DROPOUT = Claim(
    name="dropout",
    title="Dropout lowers the error, and takes longer",
    statement="Dropout in the hidden layer lowers the test error, and about doubles the number of "
    "iterations to converge.",
    source="Krizhevsky et al. 2012, section 4.2",
    published="without dropout the network overfits substantially; about twice the iterations",
    lab_note="Hinton et al. 2012: 16.6 % without and 15.6 % with dropout on CIFAR-10, in the last "
    "hidden layer of another network.",
    about="Both arms train for the same number of epochs, once and twice. The error on the "
    "training images shows how far each has converged.",
    base=WITH_HIDDEN,
    arms={
        "dropout": Arm(options={"dropout": 0.5}),
        "no dropout": Arm(),
        "dropout, twice the epochs": Arm(options={"dropout": 0.5}, times=2),
        "no dropout, twice the epochs": Arm(times=2),
    },
    measures=("test_error", "train_error", "gap"),
    comparisons=(
        Comparison(better="dropout, twice the epochs", worse="no dropout, twice the epochs"),
        Comparison(better="dropout", worse="no dropout"),
        Comparison(better="dropout", worse="no dropout", measure="gap"),
        Comparison(better="dropout, twice the epochs", worse="no dropout", measure="train_error"),
    ),
)

DROPOUT_FACTOR = Claim(
    name="dropout-factor",
    title="At test time units are multiplied by 1 - p",
    statement="After dropout with probability p the outputs of the units have to be multiplied by "
    "1 - p at test time; p or no factor is wrong.",
    source="Krizhevsky et al. 2012, section 4.2, where p = 0.5 and both factors are the same",
    published="the paper multiplies by 0.5",
    about="Each network is trained the paper's way (a unit is zero or unchanged) and then tested "
    "with three factors.",
    base=Trial(
        network="four-layers",
        options={"hidden": [256, 256], "inverted_dropout": False},
        extra=("dropout-factors",),
    ),
    arms={f"p = {p}": Arm(options={"dropout": p}) for p in (0.2, 0.5, 0.8)},
    measures=(
        *("test_error", "error_times_p", "error_times_1"),
        *("test_loss", "loss_times_p", "loss_times_1"),
    ),
    comparisons=tuple(
        Comparison(
            better=f"p = {p}",
            worse=f"p = {p}",
            measure=f"test_{kind}",
            worse_measure=f"{kind}_times_{factor}",
        )
        for kind in ("loss", "error")
        for p, factor in ((0.2, "p"), (0.2, "1"), (0.5, "1"), (0.8, "p"), (0.8, "1"))
    ),
)

AUGMENTATION = Claim(
    name="augmentation",
    title="Crops and mirror images lower the error",
    statement="Random crops and mirror images of the training images lower the test error.",
    source="Krizhevsky et al. 2012, section 4.1",
    published="without them the network overfits substantially and would have to be much smaller",
    lab_note="The code of 2012 takes one crop and one mirror decision for 32 consecutive images.",
    about="Crops of the images' own size, after 4 zeros on each side. All arms train for the same "
    "number of epochs.",
    base=Trial(network="four-layers"),
    arms={
        "crops and mirrors": Arm(settings={"pad": 4, "horizontal_flip": True}),
        "mirrors": Arm(settings={"horizontal_flip": True}),
        "crops": Arm(settings={"pad": 4}),
        "neither": Arm(),
    },
    measures=("test_error", "train_error", "gap"),
    comparisons=(
        Comparison(better="crops and mirrors", worse="neither"),
        Comparison(better="mirrors", worse="neither"),
        Comparison(better="crops", worse="neither"),
        Comparison(better="crops and mirrors", worse="neither", measure="gap"),
    ),
    times=1.5,
)

COLOR = Claim(
    name="color",
    title="Color noise along the principal components lowers the error",
    statement="Noise along the principal components of the colors of the training images lowers "
    "the test error.",
    source="Krizhevsky et al. 2012, section 4.1",
    published="more than 1 point (top-1) on ImageNet",
    lab_note="The code of 2012 multiplies by standard deviations, not by eigenvalues, divides the "
    "image by 1.1 afterwards, and switches the noise off near epoch 67 of 93.",
    about="alpha is drawn once an image and use from N(0, 0.1**2), and multiplies the standard "
    "deviations.",
    base=Trial(network="four-layers"),
    arms={"color noise": Arm(settings={"color_noise": 0.1}), "none": Arm()},
    measures=("test_error", "train_error", "gap"),
    comparisons=(Comparison(better="color noise", worse="none"),),
    times=1.5,
)

TEN_VIEWS = Claim(
    name="ten-views",
    title="Ten views lower the test error",
    statement="Averaging the answers for ten views (four corners, the center, and their mirror "
    "images) lowers the test error of the same network.",
    source="Krizhevsky et al. 2012, section 4.1 and the footnote of Table 1",
    published="39.0 % with the center alone, 37.5 % with ten views (top-1, ImageNet 2010)",
    about="The network is trained on crops of 24x24 and mirror images, as cuda-convnet's for "
    "CIFAR-10. Both errors are of the same weights.",
    base=Trial(
        network="four-layers",
        options={"side": 24},
        settings={"crop": 24, "horizontal_flip": True},
        extra=("ten-views",),
    ),
    arms={"one network": Arm()},
    measures=("ten_view_error", "test_error"),
    comparisons=(
        Comparison(
            better="one network",
            worse="one network",
            measure="ten_view_error",
            worse_measure="test_error",
        ),
    ),
    times=1.5,
)

CLAIMS = (DROPOUT, DROPOUT_FACTOR, AUGMENTATION, COLOR, TEN_VIEWS)
