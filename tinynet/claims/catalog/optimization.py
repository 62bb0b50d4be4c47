"""Form of momentum and initial biases (section 5)."""

from tinynet.claims.claim import Arm, Claim, Comparison
from tinynet.claims.trial import Trial

MOMENTUM = Claim(
    name="momentum",
    title="The rate inside or outside the velocity",
    statement="It matters for the final error whether the learning rate stands inside the "
    "velocity, as in the paper, or outside, as in PyTorch.",
    source="Krizhevsky et al. 2012, section 5; torch.optim.SGD",
    published="none: the two are equal while the rate is constant, and differ for about "
    "10 / (1 - momentum) steps after each drop",
    about="The rate is divided by 10 at the half and at three quarters of the run.",
    base=Trial(network="four-layers", settings={"schedule": ((0.5, 0.1), (0.75, 0.01))}),
    arms={"inside (paper)": Arm(), "outside (PyTorch)": Arm(other={"rule": "torch"})},
    measures=("test_error", "train_error"),
    comparisons=(Comparison(better="inside (paper)", worse="outside (PyTorch)"),),
    neutral=True,
)

BIASES = Claim(
    name="biases",
    title="Initial biases of 1 speed up the start",
    statement="With initial biases of 1 behind the first layer the network learns faster at the "
    "start, because its ReLUs get positive inputs.",
    source="Krizhevsky et al. 2012, section 5",
    published="accelerates the early stages of learning; no number",
    lab_note="The layer files have 1 in conv2, conv4, conv5, fc6 and fc7. Caffe's bvlc_alexnet has "
    "0.1, because its loss stayed flat with 1; its CaffeNet trained with 1.",
    about="Epochs until at most 50 % of the last 1,000 training images were misclassified, with "
    "the initial weights of today (He) and with a normal distribution of one width, as in 2012 "
    "(0.03 here, where layers are narrower).",
    base=Trial(
        network="four-layers", options={"hidden": [64]}, settings={"schedule": ()}, until_error=0.5
    ),
    arms={
        f"bias {bias:g}, {name}": Arm(options={"bias": bias, "std": std})
        for name, std in (("N(0, 0.03)", 0.03), ("He", None))
        for bias in (1.0, 0.1, 0.0)
    },
    measures=("epochs",),
    comparisons=tuple(
        Comparison(
            better=f"bias {bias}, {name}", worse=f"bias 0, {name}", measure="epochs", ratio=True
        )
        for name in ("N(0, 0.03)", "He")
        for bias in ("1", "0.1")
    ),
    times=2,
)

CLAIMS = (MOMENTUM, BIASES)
