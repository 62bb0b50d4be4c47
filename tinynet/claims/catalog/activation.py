"""ReLU against tanh and sigmoid (section 3.1, Figure 1)."""

from tinynet.claims.claim import Arm, Claim, Comparison
from tinynet.claims.trial import Trial

RELU = Claim(
    name="relu",
    title="ReLU learns faster than tanh",
    statement="A network with ReLUs reaches 25 % training error in a sixth of the epochs that the "
    "same network with tanh needs.",
    source="Krizhevsky et al. 2012, section 3.1 and Figure 1",
    published="6 times fewer epochs, on CIFAR-10 with a four-layer network",
    about="Epochs until at most 25 % of the last 1,000 training images were misclassified, as they "
    "were before the update. No regularization, as in the paper, whose network is not specified. "
    "Each activation has the best of the same six learning rates, at a constant rate. A run that "
    "does not get there counts as ended with the last epoch, so its factor is a lower bound.",
    base=Trial(
        network="four-layers",
        settings={"weight_decay": 0.0, "schedule": ()},
        until_error=0.25,
    ),
    arms={
        name: Arm(options={"activation": activation})
        for name, activation in (("ReLU", "relu"), ("tanh", "tanh"), ("sigmoid", "sigmoid"))
    },
    rates=(0.0025, 0.005, 0.01, 0.02, 0.05, 0.1),
    chosen_by="epochs",
    measures=("epochs", "train_error"),
    comparisons=(
        Comparison(better="ReLU", worse="tanh", measure="epochs", ratio=True),
        Comparison(better="ReLU", worse="sigmoid", measure="epochs", ratio=True),
    ),
    times=4,
)
