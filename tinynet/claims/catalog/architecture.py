"""Two towers, removed layers, skips and depth (sections 3.2 and 7; He et al. 2016)."""

import itertools

from tinynet.claims.claim import Arm, Claim, Comparison
from tinynet.claims.trial import Trial

EXCHANGE = [1, 2, 1, 2, 2]  # groups of the convolutions: conv3 sees both towers
NO_EXCHANGE = [1, 2, 2, 2, 2]

TOWERS = Claim(
    name="towers",
    title="Two towers that exchange maps at conv3",
    statement="Two towers have a lower test error than the one-tower network with half of the maps "
    "in each convolution.",
    source="Krizhevsky et al. 2012, section 3.2",
    published="1.7 points (top-1) and 1.2 points (top-5) on ImageNet",
    lab_note="The half network keeps conv5 and the hidden layers at full size, so it has nearly as "
    "many parameters. Towers without an exchange at conv3 were clearly worse, and their run was "
    "stopped.",
    about="AlexNet's plan with few maps. One tower of full width has twice the weights in conv2, "
    "conv4 and conv5.",
    base=Trial(network="five-convolutions"),
    arms={
        "two towers": Arm(options={"groups": EXCHANGE}),
        "half the maps": Arm(options={"widths": [8, 16, 24, 24, 32]}),
        "two towers, no exchange at conv3": Arm(options={"groups": NO_EXCHANGE}),
        "one tower": Arm(),
    },
    measures=("test_error", "train_error"),
    comparisons=(
        Comparison(better="two towers", worse="half the maps"),
        Comparison(better="two towers", worse="two towers, no exchange at conv3"),
        Comparison(better="one tower", worse="two towers"),
    ),
)

REMOVAL = Claim(
    name="removal",
    title="Every layer counts",
    statement="Without any one of the middle layers the test error is higher.",
    source="Krizhevsky et al. 2012, section 7",
    published="a loss of about 2 points (top-1) for any of the middle layers",
    about="A layer is left out with its ReLU, and the others keep their widths; conv2 without its "
    "normalization. Without conv3 the network is the same as without conv4.",
    base=Trial(network="five-convolutions"),
    arms={
        "all layers": Arm(),
        "without conv2": Arm(options={"without": [2]}),
        "without conv4": Arm(options={"without": [4]}),
        "without conv5": Arm(options={"without": [5]}),
        "without conv3 and conv4": Arm(options={"without": [3, 4]}),
        "without fc7": Arm(options={"without": [7]}),
    },
    measures=("test_error", "train_error"),
    comparisons=tuple(
        Comparison(better="all layers", worse=f"without {layer}")
        for layer in ("conv4", "conv2", "conv5", "conv3 and conv4", "fc7")
    ),
)

DEPTH = Claim(
    name="depth",
    title="Skips make depth pay",
    statement="With skip connections a network of 40 layers has a lower training error than "
    "without them.",
    source="He et al. 2016, sections 1 and 4.2",
    published="on CIFAR-10 plain networks get worse with depth, residual networks better",
    about="Batch normalization and He's initial weights in all arms; skips add no parameters.",
    base=Trial(network="deep", settings={"lr": 0.02}),
    arms={
        "40 layers, skips": Arm(options={"layers": 40}),
        "40 layers, plain": Arm(options={"layers": 40, "skip": False}),
        "8 layers, skips": Arm(options={"layers": 8}),
        "8 layers, plain": Arm(options={"layers": 8, "skip": False}),
    },
    measures=("train_error", "test_error"),
    comparisons=(
        Comparison(better="40 layers, skips", worse="40 layers, plain", measure="train_error"),
        Comparison(better="8 layers, plain", worse="40 layers, plain", measure="train_error"),
        Comparison(better="40 layers, skips", worse="8 layers, skips", measure="train_error"),
        Comparison(better="40 layers, skips", worse="40 layers, plain"),
    ),
    most_seeds=3,
)


def _parts(skip: bool, norm: bool, he: bool) -> tuple[str, Arm]:
    used = [name for name, on in (("skips", skip), ("batch norm", norm), ("He", he)) if on]
    std = None if he else 0.01
    return " + ".join(used) or "nothing", Arm(
        options={"skip": skip, "batch_norm": norm, "std": std}
    )


SKIPS = Claim(
    name="skips",
    title="What makes 40 layers trainable",
    statement="With skips, batch normalization and He's initial weights 40 layers reach a lower "
    "test error than with any of them missing.",
    source="He et al. 2015 and 2016; Ioffe and Szegedy 2015",
    published="none for all eight combinations",
    about="Without He's rule the weights start as N(0, 0.01**2), as in AlexNet. Each arm has the "
    "better of two learning rates, chosen on held-out training images.",
    base=Trial(
        network="deep",
        options={"layers": 40},
        settings={"validation": 0.1, "weight_decay": 0.0},
    ),
    arms=dict(_parts(*on) for on in itertools.product((False, True), repeat=3)),
    rates=(0.01, 0.1),
    measures=("test_error", "train_error"),
    comparisons=tuple(
        Comparison(better="skips + batch norm + He", worse=worse)
        for worse in ("batch norm + He", "skips + He", "skips + batch norm", "He", "nothing")
    ),
    most_seeds=3,
    times=0.5,
    limit={"quick": 2_500},
)

CLAIMS = (TOWERS, REMOVAL, DEPTH, SKIPS)
